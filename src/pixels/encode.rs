//! From gray samples to the bytes of a file: one channel, or two where the format has transparency.
//!
//! | format | opaque | with alpha |
//! | --- | --- | --- |
//! | JPEG, BMP, PGM | gray | drawn over the background |
//! | PNG, TIFF | gray | gray and alpha |
//! | WebP | lossless, R = G = B | lossless, R = G = B and alpha |
//! | GIF | palette of 256 grays | 255 grays and one transparent index, from alpha 128 on opaque |
//!
//! No metadata is written.

use std::borrow::Cow;
use std::io::Cursor;

use ::image::ExtendedColorType;
use ::image::codecs::webp::WebPEncoder;
use ::png::{BitDepth, ColorType, Compression};
use ::tiff::encoder::TiffEncoder;
use ::tiff::encoder::colortype::Gray8;
use ::tiff::tags::ExtraSamples;
use libjpeg_turbo_rs::{PixelFormat, Subsampling};
use scaler::raster::{Channels, Raster};

use crate::exchange::job::{Encoding, Failure};
use crate::proto::format::Format;

use super::gray::{blend, byte, luma};

/// Longest side of a WebP (RFC 9649, section 3.4).
const WEBP_SIDE_MAX: u32 = 16_383;
/// Longest side of a JPEG and of a GIF.
const SHORT_SIDE_MAX: u32 = 65_535;

/// Writes the picture.
///
/// # Errors
/// [`Failure::TooManyPixels`] if a side is longer than the format can say, [`Failure::Lost`] if an encoder fails,
/// which none does on a sound raster.
pub fn encode(raster: Raster, encoding: &Encoding) -> Result<Vec<u8>, Failure> {
    let side_max = match encoding.format {
        Format::WebP => WEBP_SIDE_MAX,
        Format::Jpeg | Format::Gif => SHORT_SIDE_MAX,
        Format::Png | Format::Bmp | Format::Tiff | Format::Pnm => i32::MAX.unsigned_abs(),
    };
    if raster.width.max(raster.height) > side_max {
        return Err(Failure::TooManyPixels { width: raster.width.into(), height: raster.height.into() });
    }
    match encoding.format {
        Format::Jpeg => jpeg(&flatten(raster, encoding.background), encoding.quality),
        Format::Png => png(&raster),
        Format::Gif => gif(&raster),
        Format::Bmp => bmp(&flatten(raster, encoding.background)),
        Format::WebP => webp(&raster),
        Format::Tiff => tiff(&raster),
        Format::Pnm => Ok(pgm(&flatten(raster, encoding.background))),
    }
}

/// The picture drawn over a background, where it lies.
fn flatten(mut raster: Raster, [r, g, b]: [u8; 3]) -> Raster {
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
///
/// libjpeg-turbo-rs is young and its SIMD kernels are unsafe code: it is pinned to one version, asked for this one
/// coding only, on samples that are ours, and what it writes is read back by another decoder in the tests. It takes
/// half the time of jpeg-encoder, which would fit in here with the same arguments, if the allocator hands out pages
/// that were used before; on fresh ones it gains nothing, as it copies the samples first. It reserves 8 bytes a pixel.
fn jpeg(raster: &Raster, quality: u8) -> Result<Vec<u8>, Failure> {
    libjpeg_turbo_rs::compress(
        &raster.samples,
        raster.width as usize,
        raster.height as usize,
        PixelFormat::Grayscale,
        quality.clamp(1, 100),
        Subsampling::S444,
    )
    .map_err(|_| Failure::Lost)
}

fn png(raster: &Raster) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::with_capacity(raster.samples.len() / 2);
    let mut encoder = ::png::Encoder::new(&mut bytes, raster.width, raster.height);
    encoder.set_color(match raster.channels {
        Channels::Luma => ColorType::Grayscale,
        Channels::LumaAlpha => ColorType::GrayscaleAlpha,
    });
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Fast);
    let mut writer = encoder.write_header().map_err(|_| Failure::Lost)?;
    writer.write_image_data(&raster.samples).map_err(|_| Failure::Lost)?;
    writer.finish().map_err(|_| Failure::Lost)?;
    Ok(bytes)
}

fn webp(raster: &Raster) -> Result<Vec<u8>, Failure> {
    let color = match raster.channels {
        Channels::Luma => ExtendedColorType::L8,
        Channels::LumaAlpha => ExtendedColorType::La8,
    };
    let mut bytes = Vec::with_capacity(raster.samples.len() / 2);
    WebPEncoder::new_lossless(&mut bytes)
        .encode(&raster.samples, raster.width, raster.height, color)
        .map_err(|_| Failure::Lost)?;
    Ok(bytes)
}

/// A GIF of one frame. With transparency index 255 is the transparent one and the others are 255 grays, so that a
/// gray moves by half a step at most.
fn gif(raster: &Raster) -> Result<Vec<u8>, Failure> {
    let (Ok(width), Ok(height)) = (u16::try_from(raster.width), u16::try_from(raster.height)) else {
        return Err(Failure::Lost);
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
    let mut encoder = ::gif::Encoder::new(&mut bytes, width, height, &palette).map_err(|_| Failure::Lost)?;
    let frame = ::gif::Frame { width, height, transparent, buffer: indices, ..::gif::Frame::default() };
    encoder.write_frame(&frame).map_err(|_| Failure::Lost)?;
    encoder.into_inner().map_err(|_| Failure::Lost)?;
    Ok(bytes)
}

/// Eight bits with a palette of 256 grays, from the bottom up.
fn bmp(raster: &Raster) -> Result<Vec<u8>, Failure> {
    let width = raster.width as usize;
    let stride = width.next_multiple_of(4);
    let offset = 14 + 40 + 4 * 256u32;
    let rows = stride.checked_mul(raster.height as usize).and_then(|n| u32::try_from(n).ok());
    let Some(size) = rows.and_then(|n| n.checked_add(offset)) else {
        return Err(Failure::TooManyPixels { width: raster.width.into(), height: raster.height.into() });
    };
    let mut bytes = Vec::with_capacity(size as usize);
    bytes.extend(b"BM");
    bytes.extend(size.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(offset.to_le_bytes());
    bytes.extend(40u32.to_le_bytes());
    bytes.extend(raster.width.to_le_bytes());
    bytes.extend(raster.height.to_le_bytes());
    // One plane, eight bits, no compression (and so no size), 72 dpi, 256 colours, all of them important.
    bytes.extend([1, 0, 8, 0]);
    for field in [0u32, 0, 2835, 2835, 256, 0] {
        bytes.extend(field.to_le_bytes());
    }
    bytes.extend((0..=255).flat_map(|v| [v, v, v, 0]));
    for row in raster.samples.chunks_exact(width).rev() {
        bytes.extend(row);
        bytes.resize(bytes.len() + stride - width, 0);
    }
    Ok(bytes)
}

/// Uncompressed strips; alpha is not multiplied into the gray.
fn tiff(raster: &Raster) -> Result<Vec<u8>, Failure> {
    let mut bytes = Cursor::new(Vec::with_capacity(raster.samples.len() + 4096));
    let mut encoder = TiffEncoder::new(&mut bytes).map_err(|_| Failure::Lost)?;
    match raster.channels {
        Channels::Luma => encoder.write_image::<Gray8>(raster.width, raster.height, &raster.samples),
        Channels::LumaAlpha => {
            encoder.new_image::<Gray8>(raster.width, raster.height).and_then(|mut image| {
                image.extra_samples(&[ExtraSamples::UnassociatedAlpha])?;
                image.write_data(&raster.samples)
            })
        }
    }
    .map_err(|_| Failure::Lost)?;
    Ok(bytes.into_inner())
}

fn pgm(raster: &Raster) -> Vec<u8> {
    let header = format!("P5\n{} {}\n255\n", raster.width, raster.height);
    [header.as_bytes(), &raster.samples].concat()
}
