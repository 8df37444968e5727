//! Pictures: from the bytes of a file to gray samples in memory, and back.
//!
//! [`probe()`] reads the header alone and says whether the picture may be decoded and what that will cost; [`decode()`]
//! turns the file into an upright gray [`Raster`](scaler::raster::Raster); [`encode()`] writes a raster in a format.
//! All three are pure functions of their arguments: no thread, no file, no clock.
//!
//! Rules:
//! - The format is what the first bytes say, never what a client declares.
//! - Nothing is allocated for a picture before its header passed the limits, and decoding never takes more memory
//!   than the [`decode_cost`](crate::model::image::ImageInfo::decode_cost) announced by the probe.
//! - Gray is ITU-R BT.601 luma, in the integer arithmetic of [`gray`]; of a JPEG in YCbCr it is the stored Y.
//! - 16-bit samples are cut to their high byte. Colour profiles and gamma are ignored.
//! - Orientation (EXIF, TIFF) is applied, and then all metadata is gone.
//! - Of an animation the first frame counts; of a TIFF the first page.
//! - Whole pictures only: a file that ends early is refused, not shown in part.
//!
//! The file of a format holds its header reader and its decoder side by side, because the announced cost and the
//! allocations must agree; it says why its work is bounded by the bytes of the file and the pixels of the picture. Our
//! own are the headers, the limits, gray and orientation, gray JPEG (the crate luma), the directory and the chunks of
//! TIFF, and the formats that are only rows of samples, BMP and Netpbm. The image crate decodes WebP; png decodes PNG
//! row by row in half the memory; gif decodes GIF to indices instead of RGBA; flate2, weezl and the tables of fax read
//! TIFF a row at a time, and tiff writes it.
//!
//! Known limits: JPEG with 12 bits, arithmetic coding or lossless processes, TIFF with floating point
//! samples, and BMP that wraps a JPEG or PNG are refused with a reason.
mod appraise;
mod bmp;
mod buffers;
mod bytes;
mod codec;
mod cost;
mod decode;
mod encode;
mod encoders;
mod exif;
mod face;
mod gif;
pub mod gray;
mod header;
mod image;
mod interrupt;
mod jpeg;
mod orient;
mod pieces;
mod png;
mod pnm;
mod probe;
mod tiff;
mod webp;

pub use crate::model::image::Encoding;
pub use appraise::appraise;
pub use buffers::BufferPool;
pub use decode::{decode, decode_from};
pub use encode::{encode, encode_cost, encode_until, side_max};
pub use face::face_image;
pub use probe::{probe, reduce};
