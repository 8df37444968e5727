//! The facts in the header of a picture of any format, and the limits that hold for it.
use crate::model::error::WorkError;
use crate::model::image::PixelLimits;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PictureHeader {
    /// Stored columns, as the header says, not yet held against a limit.
    pub(super) width: u32,
    pub(super) height: u32,
    /// Upper bound in bytes of what decoding allocates.
    pub(super) cost: u64,
}

/// Holds a size against the limits: at least one pixel, and no more than allowed.
pub(super) fn check_size(width: u32, height: u32, limits: &PixelLimits) -> Result<(), WorkError> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 {
        return Err(undecodable("la imagen mide cero píxeles"));
    }
    if pixels > limits.pixels_max || width.max(height) > limits.side_max {
        return Err(WorkError::TooManyPixels { width: width.into(), height: height.into() });
    }
    Ok(())
}

/// A refusal with its Spanish reason.
pub(super) fn undecodable(reason: &str) -> WorkError {
    WorkError::Undecodable(reason.to_owned())
}
