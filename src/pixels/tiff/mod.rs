//! TIFF 6.0: the first page, decompressed by the tiff crate a strip or tile at a time.
//!
//! The crate is asked for raw samples, whatever they mean: it refuses palettes, gray with alpha and more, so it is
//! shown a directory that says "gray" ([`View`]) and the meaning is applied here. Beside the finished raster one
//! chunk (of each plane, where they are apart) is in memory.
//!
//! Read: 1, 2, 4, 8, 16 and 32 bits an integer sample, gray, RGB, palette, CMYK, alpha of both kinds, strips and
//! tiles, planes together or apart; no compression, LZW, Deflate, PackBits, fax group 4, JPEG. Samples above 8 bits
//! are cut to the high byte, signed ones to their positive half. Refused: floating point, Lab, subsampled YCbCr
//! outside JPEG, old JPEG, BigTIFF.

mod directory;
mod tags;
mod view;

use ::tiff::TiffError;
use ::tiff::decoder::{Decoder, Limits};
use scaler::raster::{Channels, Raster};

use crate::exchange::job::{Cancel, Failure};

use super::gray::{cmyk_luma, luma, saturate};
use super::jpeg;
use super::orient::Orientation;
use super::probe::{Found, undecodable};
use directory::{Alpha, Directory, Ink, Packing};
use view::View;

fn truncated() -> Failure {
    undecodable("el TIFF está incompleto")
}

fn damaged() -> Failure {
    undecodable("el TIFF está dañado")
}

pub(super) fn probe(bytes: &[u8]) -> Result<Found, Failure> {
    let directory = Directory::read(bytes)?;
    Ok(Found { width: directory.width, height: directory.height, cost: directory.cost(bytes.len()) })
}

pub(super) fn decode(bytes: &[u8], cancelled: &Cancel) -> Result<(Raster, Orientation), Failure> {
    let directory = Directory::read(bytes)?;
    let limit = usize::try_from(directory.cost(bytes.len())).unwrap_or(usize::MAX);
    let limits = {
        let mut limits = Limits::default();
        limits.decoding_buffer_size = limit;
        // Chunks are not buffered as they are stored, and real files say too much about their length.
        limits.intermediate_buffer_size = usize::MAX;
        limits.ifd_value_size = limit;
        limits
    };
    let view = View::new(bytes, &directory, cancelled)?;
    let mut decoder = Decoder::new(view).map_err(|e| refusal(&e))?.with_limits(limits);
    let grays = if directory.ink == Ink::Palette { Some(directory.grays(bytes)?) } else { None };
    if directory.packing == Packing::Jpeg {
        check_jpegs(bytes, &directory)?;
    }

    let channels = if directory.alpha == Alpha::None { Channels::Luma } else { Channels::LumaAlpha };
    let stride = directory.width as usize * channels.count();
    let mut samples = vec![0; stride * directory.height as usize];
    let (across, down) = directory.grid();
    let row_bytes = row_bytes(&directory);
    let mut stored = vec![vec![0; row_bytes * directory.chunk.1 as usize]; directory.planes().into()];
    let mut spread = vec![0; directory.chunk.0 as usize * usize::from(directory.samples)];
    for index in 0..across * down {
        let (left, top) = (index % across * directory.chunk.0, index / across * directory.chunk.1);
        let columns = directory.chunk.0.min(directory.width - left) as usize;
        let rows = directory.chunk.1.min(directory.height - top) as usize;
        for (plane, stored) in (0..).zip(&mut stored) {
            decoder.read_chunk_bytes(index + plane * across * down, stored).map_err(|e| refusal(&e))?;
            if directory.reversed {
                stored.iter_mut().for_each(|byte| *byte = byte.reverse_bits());
            }
        }
        for y in 0..rows {
            for (plane, stored) in stored.iter().enumerate() {
                to_bytes(&directory, &stored[y * row_bytes..(y + 1) * row_bytes], plane, &mut spread);
            }
            let start = (top as usize + y) * stride + left as usize * channels.count();
            let out = &mut samples[start..start + columns * channels.count()];
            to_gray(&directory, grays.as_ref(), &spread[..columns * usize::from(directory.samples)], out);
        }
    }
    let raster = Raster { width: directory.width, height: directory.height, channels, samples };
    Ok((raster, directory.orientation))
}

/// Bytes of a stored row of one strip or tile of one plane.
fn row_bytes(directory: &Directory) -> usize {
    (directory.chunk.0 as usize * directory.samples_in_plane() * usize::from(directory.bits)).div_ceil(8)
}

/// Spreads a stored row to one byte a sample, at its plane's places: indices as they are, everything else over the
/// whole range.
fn to_bytes(directory: &Directory, stored: &[u8], plane: usize, spread: &mut [u8]) {
    let step = if directory.planar { usize::from(directory.samples) } else { 1 };
    let out = spread.iter_mut().skip(plane).step_by(step);
    let half = |high: u8| if directory.signed { high.cast_signed().max(0).unsigned_abs() << 1 } else { high };
    match directory.bits {
        8 => out.zip(stored).for_each(|(out, &byte)| *out = byte),
        // The crate brings words to the order of this machine.
        16 => out
            .zip(stored.as_chunks().0)
            .for_each(|(out, &word)| *out = half((u16::from_ne_bytes(word) >> 8) as u8)),
        32 => {
            out.zip(stored.as_chunks().0)
                .for_each(|(out, &word)| *out = half((u32::from_ne_bytes(word) >> 24) as u8));
        }
        bits => {
            let bits = usize::from(bits);
            let mask = 0xFF >> (8 - bits);
            let factor = if directory.ink == Ink::Palette { 1 } else { 255 / mask };
            for (i, out) in out.enumerate() {
                let byte = stored[i * bits / 8];
                *out = (byte >> (8 - bits - i * bits % 8) & mask) * factor;
            }
        }
    }
}

/// One row of samples of a byte each.
fn to_gray(directory: &Directory, grays: Option<&[u8; 256]>, spread: &[u8], out: &mut [u8]) {
    let samples = usize::from(directory.samples);
    let alpha = usize::from(directory.ink.samples());
    let pixels = spread.chunks_exact(samples);
    let gray = |pixel: &[u8]| match (directory.ink, grays) {
        (Ink::WhiteIsZero, _) => !pixel[0],
        (Ink::Palette, Some(grays)) => grays[usize::from(pixel[0])],
        (Ink::Rgb, _) => luma(pixel[0], pixel[1], pixel[2]),
        (Ink::Cmyk, _) => cmyk_luma(pixel[0], pixel[1], pixel[2], pixel[3]),
        (Ink::BlackIsZero | Ink::Palette | Ink::Ycc, _) => pixel[0],
    };
    match directory.alpha {
        Alpha::None if directory.ink == Ink::BlackIsZero && samples == 1 => out.copy_from_slice(spread),
        Alpha::None => {
            for (out, pixel) in out.iter_mut().zip(pixels) {
                *out = gray(pixel);
            }
        }
        Alpha::Unassociated => {
            for (out, pixel) in out.as_chunks_mut().0.iter_mut().zip(pixels) {
                *out = [gray(pixel), pixel[alpha]];
            }
        }
        Alpha::Associated => {
            for (out, pixel) in out.as_chunks_mut().0.iter_mut().zip(pixels) {
                let mut colors = [0; 4];
                for (color, &stored) in colors.iter_mut().zip(&pixel[..alpha]) {
                    *color = divide(stored, pixel[alpha]);
                }
                *out = [gray(&colors), pixel[alpha]];
            }
        }
    }
}

/// A color that was multiplied by its alpha, as it was before.
fn divide(color: u8, alpha: u8) -> u8 {
    (u64::from(color) * 255).checked_div(alpha.into()).map_or(0, saturate)
}

/// Holds the JPEG in every strip or tile against the size that it must have: the crate's decoder would allocate by
/// the JPEG's own word.
fn check_jpegs(bytes: &[u8], directory: &Directory) -> Result<(), Failure> {
    for offset in directory.offsets(bytes)? {
        let found = jpeg::probe(bytes.get(offset as usize..).ok_or_else(truncated)?)?;
        if found.width > directory.chunk.0 || found.height > directory.chunk.1 {
            return Err(undecodable("el TIFF contiene un JPEG de otro tamaño"));
        }
    }
    Ok(())
}

fn refusal(error: &TiffError) -> Failure {
    match error {
        TiffError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => truncated(),
        TiffError::UnsupportedError(_) => undecodable("el TIFF usa una variante que no se lee"),
        _ => damaged(),
    }
}
