//! What the decoders of the image crate have in common: samples in memory, turned into gray where they lie.
//!
//! A format's own file reads the header and announces a cost by it; if the decoder reads another size or colour there,
//! its pixels are not decoded. Luma is ours: the image crate's has other weights.

use std::io::ErrorKind::UnexpectedEof;

use image::{ColorType, ImageDecoder, ImageError};
use scaler::raster::Raster;

use super::gray::{Layout, to_gray_in_place};
use crate::model::error::WorkError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Announced {
    pub(super) sides: (u32, u32),
    /// What a pixel of the decoder's output is.
    pub(super) color: ColorType,
}

impl Announced {
    /// Bytes of the decoder's output; gray is made inside them.
    pub(super) fn bytes(&self) -> u64 {
        super::cost::area(self.sides.0, self.sides.1, self.color.bytes_per_pixel().into())
    }
}

/// Decodes to gray. `name` is the format's, for people.
pub(super) fn decode(
    name: &str,
    decoder: impl ImageDecoder,
    announced: Announced,
) -> Result<Raster, WorkError> {
    let (width, height) = announced.sides;
    if decoder.dimensions() != announced.sides || decoder.color_type() != announced.color {
        return Err(damaged(name));
    }
    let (layout, wide) = match announced.color {
        ColorType::L8 => (Layout::Gray, false),
        ColorType::La8 => (Layout::GrayAlpha, false),
        ColorType::Rgb8 => (Layout::Rgb, false),
        ColorType::Rgba8 => (Layout::Rgba, false),
        ColorType::L16 => (Layout::Gray, true),
        ColorType::La16 => (Layout::GrayAlpha, true),
        ColorType::Rgb16 => (Layout::Rgb, true),
        ColorType::Rgba16 => (Layout::Rgba, true),
        _ => return Err(damaged(name)),
    };
    let mut samples = vec![0; usize::try_from(announced.bytes()).map_err(|_| damaged(name))?];
    decoder.read_image(&mut samples).map_err(|e| refusal(name, &e))?;
    if wide {
        keep_high_bytes(&mut samples);
    }
    to_gray_in_place(layout, &mut samples);
    Ok(Raster { width, height, channels: layout.channels(), samples })
}

/// Cuts 16-bit samples, in the machine's order of bytes, to 8.
fn keep_high_bytes(samples: &mut Vec<u8>) {
    let count = samples.len() / 2;
    for i in 0..count {
        let [high, _] = u16::from_ne_bytes([samples[2 * i], samples[2 * i + 1]]).to_be_bytes();
        samples[i] = high;
    }
    samples.truncate(count);
    samples.shrink_to_fit();
}

/// Why the image crate refuses a picture, for people.
pub(super) fn refusal(name: &str, error: &ImageError) -> WorkError {
    match error {
        ImageError::IoError(e) if e.kind() == UnexpectedEof => truncated(name),
        ImageError::Unsupported(_) => {
            WorkError::Undecodable(format!("el {name} usa una variante que no se lee"))
        }
        _ => damaged(name),
    }
}

pub(super) fn truncated(name: &str) -> WorkError {
    WorkError::Undecodable(format!("el {name} está incompleto"))
}

/// The file contradicts itself.
pub(super) fn damaged(name: &str) -> WorkError {
    WorkError::Undecodable(format!("el {name} está dañado"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_byte_is_kept() {
        let mut samples: Vec<u8> =
            [0x12FF_u16, 0xFF00, 0x00FF].iter().flat_map(|v| v.to_ne_bytes()).collect();
        keep_high_bytes(&mut samples);
        assert_eq!(samples, [0x12, 0xFF, 0]);
    }
}
