//! From the bytes of a file to gray samples, upright.

use scaler::raster::{Channels, Raster};

use super::buffers::BufferPool;
use super::codec::codec;
use super::header::{check_size, undecodable};
use super::interrupt;
use super::orient::upright;
use crate::model::error::WorkError;
use crate::model::image::{ImageInfo, PixelLimits};
use crate::model::job::{Cancel, Decoded};

/// Decodes a picture to gray, turned upright: rows from top to bottom, one byte a pixel, or luma and alpha where
/// some pixel is not opaque.
///
/// `probe` is what [`probe`](super::probe()) said about the same bytes. Allocates at most its `decode_cost`.
///
/// # Errors
/// [`WorkError::Undecodable`] with a Spanish reason if the data are damaged, end early, or use what we don't read;
/// [`WorkError::TooManyPixels`] past `limits`.
pub fn decode(bytes: &[u8], probe: &ImageInfo, limits: &PixelLimits) -> Result<Raster, WorkError> {
    decode_from(&BufferPool::default(), bytes, probe, limits, &Cancel::default())
        .map(|decoded| decoded.raster)
}

/// The same; the samples of a JPEG go into a kept buffer if one fits, which may be larger by a quarter. Returns the
/// columns and rows of the picture itself too, upright, because it may be reduced. Once `cancelled` is set the decoder
/// ends at its next row or read.
///
/// # Errors
/// As [`decode()`]; [`WorkError::Cancelled`] if `cancelled` was set.
pub fn decode_from(
    buffers: &BufferPool,
    bytes: &[u8],
    probe: &ImageInfo,
    limits: &PixelLimits,
    cancelled: &Cancel,
) -> Result<Decoded, WorkError> {
    check_size(probe.width, probe.height, limits)?;
    let decoded = (codec(probe.format).decode)(buffers, bytes, probe.reduction, cancelled);
    // A crate whose reader was stopped returns a reason of its own.
    interrupt::check(cancelled)?;
    let (raster, orientation) = decoded?;
    if (raster.width, raster.height) != probe.decoded_size() {
        return Err(undecodable("los datos no tienen el tamaño que dice la cabecera"));
    }
    let size = orientation.upright_size(probe.width, probe.height);
    Ok(Decoded { raster: upright(drop_opaque_alpha(raster), orientation), size })
}

/// Drops an alpha channel that hides nothing, which would cost every later step: the luma alone, in place.
fn drop_opaque_alpha(mut raster: Raster) -> Raster {
    if raster.channels == Channels::LumaAlpha && raster.samples.as_chunks().0.iter().all(|&[_, a]| a == 255) {
        let pixels = raster.samples.len() / 2;
        for i in 0..pixels {
            raster.samples[i] = raster.samples[2 * i];
        }
        raster.samples.truncate(pixels);
        raster.samples.shrink_to_fit();
        raster.channels = Channels::Luma;
    }
    raster
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_that_is_not_wanted_any_more_is_not_decoded() {
        let limits = PixelLimits { pixels_max: 100, side_max: 100 };
        let bytes = b"P5\n2 1\n255\n\x01\x02";
        let probe = crate::pixels::probe(bytes, &limits).unwrap();
        let cancelled = Cancel::default();
        let decoded = || decode_from(&BufferPool::default(), bytes, &probe, &limits, &cancelled);
        assert_eq!(decoded().unwrap().raster.samples, [1, 2]);
        cancelled.set();
        assert_eq!(decoded(), Err(WorkError::Cancelled));
    }

    #[test]
    fn alpha_is_dropped_only_if_it_hides_nothing() {
        let raster = |samples: &[u8]| Raster {
            width: 2,
            height: 1,
            channels: Channels::LumaAlpha,
            samples: samples.to_vec(),
        };
        let opaque = drop_opaque_alpha(raster(&[1, 255, 2, 255]));
        assert_eq!((opaque.channels, opaque.samples), (Channels::Luma, vec![1, 2]));
        let hidden = drop_opaque_alpha(raster(&[1, 255, 2, 254]));
        assert_eq!((hidden.channels, hidden.samples), (Channels::LumaAlpha, vec![1, 255, 2, 254]));
    }
}
