//! One encoder a format: gray samples in, the bytes of a file out.
//!
//! | format | opaque | with alpha |
//! | --- | --- | --- |
//! | JPEG, BMP, PGM | gray | none: [`flatten`] comes first |
//! | PNG, TIFF | gray | gray and alpha |
//! | WebP | lossless, R = G = B | lossless, R = G = B and alpha |
//! | GIF | palette of 256 grays | 255 grays and one transparent index, from alpha 128 on opaque |
//!
//! No metadata is written. Each ends at its next write, with any error, once the picture is no longer wanted.

use std::borrow::Cow;
use std::io::Cursor;

use ::image::ExtendedColorType;
use ::image::codecs::bmp::BmpEncoder;
use ::image::codecs::webp::WebPEncoder;
use ::tiff::encoder::TiffEncoder;
use ::tiff::encoder::colortype::Gray8;
use ::tiff::tags::ExtraSamples;
use image::codecs::pnm::{PnmEncoder, PnmSubtype, SampleEncoding};
use png::{BitDepth, ColorType, Compression};
use scaler::raster::{Channels, Raster};

use super::gray::{blend, byte, luma};
use super::interrupt::{self, Interruptible, InterruptibleWriter};
use crate::model::error::WorkError;
use crate::model::job::Cancel;

/// Both headers of a BMP and its palette.
const BMP_HEAD: usize = 14 + 40 + 4 * 256;
/// More than the longest header of a PGM.
const PGM_HEAD: usize = 32;

/// The picture drawn over a background, where it lies.
pub(super) fn flatten(mut raster: Raster, [r, g, b]: [u8; 3]) -> Raster {
    if raster.channels == Channels::LumaAlpha {
        let under = luma(r, g, b);
        let pixels = raster.samples.len() / 2;
        for i in 0..pixels {
            raster.samples[i] = blend(raster.samples[2 * i], raster.samples[2 * i + 1], under);
        }
        raster.samples.truncate(pixels);
        raster.channels = Channels::Luma;
    }
    raster
}

/// A baseline JPEG of one component, byte for byte what libjpeg-turbo writes.
pub(super) fn jpeg(raster: &Raster, quality: u8, cancelled: &Cancel) -> Result<Vec<u8>, WorkError> {
    let (width, height) = (raster.width as usize, raster.height as usize);
    let mut encoder = ::luma::Encoder::new(width, height, quality).map_err(|_| WorkError::Lost)?;
    // Rows of whole blocks: none is held back by the encoder.
    for rows in raster.samples.chunks((8 * width).max(1)) {
        interrupt::check(cancelled)?;
        encoder.push_rows(rows).map_err(|_| WorkError::Lost)?;
    }
    encoder.finish().map_err(|_| WorkError::Lost)
}

pub(super) fn png(raster: &Raster, cancelled: &Cancel) -> Result<Vec<u8>, WorkError> {
    let mut bytes = Vec::with_capacity(raster.samples.len() / 2);
    let mut encoder =
        ::png::Encoder::new(InterruptibleWriter::new(&mut bytes, cancelled), raster.width, raster.height);
    encoder.set_color(match raster.channels {
        Channels::Luma => ColorType::Grayscale,
        Channels::LumaAlpha => ColorType::GrayscaleAlpha,
    });
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Fast);
    let mut writer = encoder.write_header().map_err(|_| WorkError::Lost)?;
    writer.write_image_data(&raster.samples).map_err(|_| WorkError::Lost)?;
    writer.finish().map_err(|_| WorkError::Lost)?;
    Ok(bytes)
}

pub(super) fn webp(raster: &Raster, cancelled: &Cancel) -> Result<Vec<u8>, WorkError> {
    let color = match raster.channels {
        Channels::Luma => ExtendedColorType::L8,
        Channels::LumaAlpha => ExtendedColorType::La8,
    };
    let mut bytes = Vec::with_capacity(raster.samples.len() / 2);
    WebPEncoder::new_lossless(InterruptibleWriter::new(&mut bytes, cancelled))
        .encode(&raster.samples, raster.width, raster.height, color)
        .map_err(|_| WorkError::Lost)?;
    Ok(bytes)
}

/// A GIF of one frame. With transparency index 255 is the transparent one and the others are 255 grays, so that a
/// gray moves by half a step at most.
pub(super) fn gif(raster: &Raster, cancelled: &Cancel) -> Result<Vec<u8>, WorkError> {
    let (Ok(width), Ok(height)) = (u16::try_from(raster.width), u16::try_from(raster.height)) else {
        return Err(WorkError::Lost);
    };
    let transparent = (raster.channels == Channels::LumaAlpha).then_some(255);
    let (palette, indices): (Vec<u8>, Cow<'_, [u8]>) = match raster.channels {
        Channels::Luma => ((0..=255).flat_map(|v| [v; 3]).collect(), (&raster.samples).into()),
        Channels::LumaAlpha => {
            let grays = (0..=255u32).flat_map(|i| [byte(((i * 255 + 127) / 254).min(255)); 3]);
            let index = |&[gray, alpha]: &[u8; 2]| {
                if alpha < 128 { 255 } else { byte((u32::from(gray) * 254 + 127) / 255) }
            };
            (grays.collect(), raster.samples.as_chunks().0.iter().map(index).collect())
        }
    };
    let mut bytes = Vec::with_capacity(raster.samples.len() / 2);
    let mut encoder =
        ::gif::Encoder::new(&mut bytes, width, height, &palette).map_err(|_| WorkError::Lost)?;
    let buffer = lzw(&indices, cancelled)?.into();
    let frame = ::gif::Frame { width, height, transparent, buffer, ..::gif::Frame::default() };
    encoder.write_lzw_pre_encoded_frame(&frame).map_err(|_| WorkError::Lost)?;
    encoder.into_inner().map_err(|_| WorkError::Lost)?;
    Ok(bytes)
}

/// The codes of a GIF's frame, behind the byte with the bits of the first code (GIF89a, section 22). It takes 10 to 25
/// ms a megapixel, far more than the rest of a GIF, so the flag is checked as the indices are read.
fn lzw(indices: &[u8], cancelled: &Cancel) -> Result<Vec<u8>, WorkError> {
    let colours = indices.iter().max().map_or(0, |&index| u32::from(index) + 1);
    let bits = byte(colours.max(4).next_power_of_two().trailing_zeros());
    let mut codes = Vec::with_capacity(indices.len() / 4);
    codes.push(bits);
    let mut encoder = weezl::encode::Encoder::new(weezl::BitOrder::Lsb, bits);
    let mut stream = encoder.into_stream(&mut codes);
    stream.set_buffer_size(64 << 10);
    stream.encode_all(Interruptible::new(indices, cancelled)).status.map_err(|_| WorkError::Lost)?;
    Ok(codes)
}

/// Eight bits with a palette of 256 grays, from the bottom up.
pub(super) fn bmp(raster: &Raster, cancelled: &Cancel) -> Result<Vec<u8>, WorkError> {
    let rows = (raster.width as usize).next_multiple_of(4) * raster.height as usize;
    let mut bytes = Vec::with_capacity(BMP_HEAD + rows);
    BmpEncoder::new(&mut InterruptibleWriter::new(&mut bytes, cancelled))
        .encode(&raster.samples, raster.width, raster.height, ExtendedColorType::L8)
        .map_err(|_| WorkError::Lost)?;
    Ok(bytes)
}

/// Uncompressed strips; alpha is not multiplied into the gray.
pub(super) fn tiff(raster: &Raster, cancelled: &Cancel) -> Result<Vec<u8>, WorkError> {
    let mut bytes = Cursor::new(Vec::with_capacity(raster.samples.len() + 4096));
    let mut encoder =
        TiffEncoder::new(InterruptibleWriter::new(&mut bytes, cancelled)).map_err(|_| WorkError::Lost)?;
    match raster.channels {
        Channels::Luma => encoder.write_image::<Gray8>(raster.width, raster.height, &raster.samples),
        Channels::LumaAlpha => {
            encoder.new_image::<Gray8>(raster.width, raster.height).and_then(|mut image| {
                image.extra_samples(&[ExtraSamples::UnassociatedAlpha])?;
                image.write_data(&raster.samples)
            })
        }
    }
    .map_err(|_| WorkError::Lost)?;
    Ok(bytes.into_inner())
}

/// Binary gray, asked for by name: left to itself the encoder writes a PAM.
pub(super) fn pgm(raster: &Raster, cancelled: &Cancel) -> Result<Vec<u8>, WorkError> {
    let mut bytes = Vec::with_capacity(PGM_HEAD + raster.samples.len());
    PnmEncoder::new(InterruptibleWriter::new(&mut bytes, cancelled))
        .with_subtype(PnmSubtype::Graymap(SampleEncoding::Binary))
        .encode(raster.samples.as_slice(), raster.width, raster.height, ExtendedColorType::L8)
        .map_err(|_| WorkError::Lost)?;
    // It puts maxval behind the sides; the scaler, and readers that go by lines, have it on a line of its own.
    if let Some(blank) = memchr::memchr_iter(b' ', &bytes).nth(1) {
        bytes[blank] = b'\n';
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gif_has_the_codes_that_its_own_crate_writes() {
        for indices in [
            &[][..],
            &[0],
            &[7; 5000],
            &[0, 127, 3],
            &[128; 300],
            &(0..64 * 48u32).map(|n| (n * n / 7 % 251).to_le_bytes()[0]).collect::<Vec<_>>(),
        ] {
            let mut frame = ::gif::Frame { buffer: indices.into(), ..::gif::Frame::default() };
            frame.make_lzw_pre_encoded();
            assert_eq!(lzw(indices, &Cancel::default()).unwrap(), *frame.buffer);
        }
    }
}
