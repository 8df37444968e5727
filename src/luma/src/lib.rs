//! Gray JPEG (ITU-T T.81): the luma of any JPEG, and gray JPEGs written, to libjpeg-turbo's bits.
//!
//! # Decoding
//! Where a JPEG has luma (gray and `YCbCr` ones: nearly all), that plane alone is decoded, and colour is only walked
//! over. Of RGB, CMYK and YCCK ones all components are decoded as they are stored, for the caller to make gray of.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/photo.jpg"))?;
//! use luma::{Decoder, Header, Scale};
//!
//! let header = Header::read(&bytes)?;
//! assert!(header.memory(Scale::Half) < 200_000);
//! let mut decoder = Decoder::new(&bytes, Scale::Half)?;
//! let (width, height) = decoder.size();
//! let mut samples = Vec::new();
//! // One row of MCUs at a time: the caller may look at the clock between any two.
//! while let Some(rows) = decoder.next_rows()? {
//!     rows.plane(0).for_each(|row| samples.extend_from_slice(row));
//! }
//! assert_eq!(samples.len(), width as usize * height as usize);
//! # Ok(())
//! # }
//! ```
//!
//! Known: sequential (baseline and extended) and progressive Huffman coding of 8 bits; one, three or four components;
//! any sampling factors, colour finer than luma among them; scans interleaved or not, in any order; restart intervals;
//! numbers of lines that come late (DNL); frames without Huffman tables (motion JPEG); stray bytes between segments;
//! reduced decoding to 1/2, 1/4 and 1/8, as libjpeg-turbo has it, and sharper ones to 1/2 and 1/4 for callers that
//! resample.
//!
//! Refused by name ([`Unsupported`]): 12 bits, arithmetic, lossless and hierarchical coding, two or more than four
//! components, and luma that is sampled by a fraction of the finest component, such as 2:3.
//!
//! # Accuracy
//! Samples are those of libjpeg-turbo with its defaults, to the bit: its accurate transform («islow»), its reduced
//! ones, its fancy upsampling. Those of [`Scale::HalfSharp`] and [`Scale::QuarterSharp`] are this crate's. One thing is
//! not done: libjpeg-turbo smooths a progressive picture that an end mark ends before its last scans.
//!
//! Nothing is guessed. These are errors: data that end early, with or without an end mark; data left over when all
//! blocks are decoded; and what else libjpeg-turbo only warns of as corrupt, unless nothing of the picture is lost
//! (stray bytes between segments, fill of 00 or FF behind a scan's data, a missing end mark).
//!
//! # Cost
//! Memory is known from the header ([`Header::memory`]): some rows, and for progressive pictures their coefficients,
//! two bytes a sample of luma. Time is bounded by bytes and by blocks times scans, of which there may be a hundred.
//!
//! # Speed
//! Milliseconds of one core (an AMD EPYC with AVX2) to luma, best of many runs in turn, CPU time; 4:2:0 but for what is
//! said. The last three columns are this crate's reduced decoding, with libjpeg-turbo's own behind the stroke.
//!
//! | photograph | zune-jpeg 0.5.15 | libjpeg-turbo 2.1.5 | luma | 1/2 | 1/4 | 1/8 |
//! | --- | --- | --- | --- | --- | --- | --- |
//! | 350x418, 30 KB | 0.375 | 0.316 | 0.238 | 0.18 / 0.29 | 0.16 / 0.26 | 0.17 / 0.24 |
//! | 2 MP, 1.0 MB | 11.0 | 9.6 | 6.0 | 5.6 / 9.2 | 5.4 / 9.0 | 4.3 / 7.6 |
//! | 9 MP, 1.5 MB | 20.8 | 18.0 | 11.5 | 9.7 / 15.7 | 9.1 / 14.5 | 6.9 / 12.7 |
//! | 12 MP, 3.3 MB | 41.0 | 34.6 | 22.2 | 19.5 / 31.6 | 18.5 / 30.0 | 14.9 / 25.7 |
//! | 24 MP, 5.3 MB | 68.4 | 57.4 | 37.5 | | | |
//! | 2 MP, progressive | 35.3 | 31.5 | 26.0 | | | |
//! | 9 MP, progressive | 86.8 | 68.3 | 51.5 | | | |
//!
//! `cargo bench -p luma` measures it beside zune-jpeg on files that it is given. On `x86_64` with AVX2, found out at
//! run time, the transforms use it; elsewhere the same arithmetic stands in plain loops. Nothing is unsafe but the one
//! call into what was compiled for AVX2.

#![deny(unsafe_code)]

mod decode;
mod encode;
mod error;

pub use decode::{Color, Decoder, Header, Picture, Process, Rows, Scale, decode};
pub use encode::{EncodeError, Encoder, encode};
pub use error::{Damage, Error, Unsupported};
