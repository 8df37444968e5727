//! Gray JPEG (ITU-T T.81): the luma of any JPEG, and gray JPEGs written, to libjpeg-turbo's bits.

#![deny(unsafe_code)]

mod decode;
mod error;

pub use decode::{Color, Decoder, Header, Picture, Process, Rows, Scale, decode};
pub use error::{Damage, Error, Unsupported};
