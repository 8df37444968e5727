//! The format of a file and the cost of decoding it, from its header alone.
//!
//! Called on the event loop's thread, so it is quick for any bytes: every walk over segments, chunks or entries is
//! bounded, and nothing is allocated. A decoder may still refuse what it accepts.

use super::codec::codec;
use super::header::{PictureHeader, check_size};
use super::jpeg;
use crate::http::format::Format;
use crate::model::error::WorkError;
use crate::model::image::{ImageInfo, PixelLimits, Reduction};

/// Reads the header of a picture: its format by magic number, its stored size, and what decoding it costs.
///
/// # Errors
/// [`WorkError::UnknownFormat`] if the first bytes are those of no format we read, [`WorkError::TooManyPixels`] past
/// `limits`, [`WorkError::Undecodable`] with a Spanish reason if no decoder can make a picture of this header.
pub fn probe(bytes: &[u8], limits: &PixelLimits) -> Result<ImageInfo, WorkError> {
    let Some(format) = Format::of_file(bytes) else {
        return Err(WorkError::UnknownFormat);
    };
    let found = (codec(format).probe)(bytes, limits)?;
    check_size(found.width, found.height, limits)?;
    let PictureHeader { width, height, cost } = found;
    Ok(ImageInfo { format, width, height, reduction: Reduction::None, decode_cost: cost })
}

/// Has a JPEG decoded smaller than it is stored.
///
/// # Errors
/// As of [`probe`].
pub fn reduce(probe: &mut ImageInfo, bytes: &[u8], reduction: Reduction) -> Result<(), WorkError> {
    if reduction != Reduction::None {
        (probe.reduction, probe.decode_cost) = (reduction, jpeg::cost(bytes, reduction)?);
    }
    Ok(())
}
