//! From the bytes of a file to gray samples, upright.

use scaler::raster::{Channels, Raster};

use crate::exchange::job::{Failure, PixelLimits, Probe};
use crate::proto::format::Format;

use super::orient::{Orientation, upright};
use super::probe::{check_size, undecodable};
use super::spares::Spares;
use super::{bmp, gif, jpeg, png, pnm, tiff, webp};

/// Decodes a picture to gray, turned upright: rows from top to bottom, one byte a pixel, or luma and alpha where
/// some pixel is not opaque.
///
/// `probe` is what [`probe`](super::probe()) said about the same bytes. Allocates at most its `decode_cost`.
///
/// # Errors
/// [`Failure::Undecodable`] with a Spanish reason if the data are damaged, end early, or use what we don't read;
/// [`Failure::TooManyPixels`] past `limits`.
pub fn decode(bytes: &[u8], probe: &Probe, limits: &PixelLimits) -> Result<Raster, Failure> {
    decode_from(&Spares::default(), bytes, probe, limits)
}

/// The same; the samples of a JPEG go into one of the buffers that are kept, if one fits. It may be larger by a quarter, which
/// is the reason why those are bounded.
///
/// # Errors
/// As [`decode()`].
pub fn decode_from(
    spares: &Spares,
    bytes: &[u8],
    probe: &Probe,
    limits: &PixelLimits,
) -> Result<Raster, Failure> {
    check_size(probe.width, probe.height, limits)?;
    let (raster, orientation) = match probe.format {
        Format::Jpeg => jpeg::decode(spares, bytes)?,
        Format::Png => png::decode(bytes)?,
        Format::Gif => (gif::decode(bytes)?, Orientation::Upright),
        Format::Bmp => (bmp::decode(bytes)?, Orientation::Upright),
        Format::WebP => webp::decode(bytes)?,
        Format::Tiff => tiff::decode(bytes)?,
        Format::Pnm => (pnm::decode(bytes)?, Orientation::Upright),
    };
    if (raster.width, raster.height) != (probe.width, probe.height) {
        return Err(undecodable("los datos no tienen el tamaño que dice la cabecera"));
    }
    Ok(upright(drop_opaque_alpha(raster), orientation))
}

/// An alpha channel that hides nothing is work for everybody after us: the luma alone, where it lies.
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
