//! From gray samples to the bytes of a file.

use scaler::raster::Raster;

use super::codec::codec;
use super::{cost, interrupt};
use crate::http::format::Format;
use crate::model::error::WorkError;
use crate::model::image::Encoding;
use crate::model::job::Cancel;

/// The longest side that [`encode()`] writes in a format.
#[must_use]
pub fn side_max(format: Format) -> u32 {
    codec(format).side_max
}

/// Upper bound, in bytes, of what [`encode()`] allocates at its peak beside the raster it is given, the file included:
/// of noise with alpha, for which files and the buffers that grow with them become longest.
#[must_use]
pub fn encode_cost(width: u32, height: u32, format: Format) -> u64 {
    cost::BASE.saturating_add((codec(format).encode_cost)(width, height))
}

/// Writes the picture.
///
/// # Errors
/// [`WorkError::TooManyPixels`] if a side is longer than [`side_max`], [`WorkError::Lost`] if an encoder fails, which
/// none does on a sound raster.
pub fn encode(raster: Raster, encoding: &Encoding) -> Result<Vec<u8>, WorkError> {
    encode_until(raster, encoding, &Cancel::default())
}

/// The same; once `cancelled` is set the encoder ends at its next write.
///
/// # Errors
/// As [`encode()`]; [`WorkError::Cancelled`] if `cancelled` was set.
pub fn encode_until(raster: Raster, encoding: &Encoding, cancelled: &Cancel) -> Result<Vec<u8>, WorkError> {
    if raster.width.max(raster.height) > side_max(encoding.format) {
        return Err(WorkError::TooManyPixels { width: raster.width.into(), height: raster.height.into() });
    }
    interrupt::check(cancelled)?;
    let file = (codec(encoding.format).encode)(raster, encoding, cancelled);
    // A crate whose writer was stopped returns a reason of its own.
    interrupt::check(cancelled)?;
    file
}

#[cfg(test)]
mod tests {
    use scaler::raster::Channels;

    use super::*;

    fn raster(channels: Channels) -> Raster {
        let samples = (0..64 * 48 * channels.count()).map(|n| (n * n / 7 % 251).to_le_bytes()[0]).collect();
        Raster { width: 64, height: 48, channels, samples }
    }

    #[test]
    fn what_is_not_wanted_any_more_is_not_written() {
        for format in Format::ALL {
            let cancelled = Cancel::default();
            let encoding = Encoding { format, quality: 85, background: [255; 3] };
            let written = |cancelled| encode_until(raster(Channels::LumaAlpha), &encoding, cancelled);
            assert_eq!(written(&cancelled), encode(raster(Channels::LumaAlpha), &encoding));
            cancelled.set();
            assert_eq!(written(&cancelled), Err(WorkError::Cancelled));
            let encoder = codec(format).encode;
            let failure = if format == Format::Jpeg { WorkError::Cancelled } else { WorkError::Lost };
            assert_eq!(encoder(raster(Channels::Luma), &encoding, &cancelled), Err(failure), "{format:?}");
        }
    }
}
