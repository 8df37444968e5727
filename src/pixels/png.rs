//! PNG (W3C, third edition): the walk to the image data, and decoding row by row with the png crate.
//!
//! Rows are turned into gray as they come, interlaced ones straight to their places, so that beside the finished
//! raster only a row or two are in memory. Transparent colours (tRNS) become alpha. Of an animated PNG the default
//! image counts, as for every decoder that knows no animation.

use ::png::{BitDepth, ColorType, Decoder, DecodingError, InterlaceInfo, Limits, Transformations};
use scaler::raster::{Channels, Raster};

use crate::exchange::job::{Cancel, Failure};

use super::bytes::be32;
use super::cost;
use super::exif;
use super::gray::{Layout, row_to_gray};
use super::interrupt::Interruptible;
use super::orient::Orientation;
use super::probe::{Found, undecodable};

/// Chunks looked at in search of tRNS and eXIf; a picture's own list is shorter than twenty.
const CHUNKS_MAX: usize = 4096;

struct Header<'a> {
    width: u32,
    height: u32,
    /// Bits of a stored pixel.
    pixel_bits: u64,
    alpha: bool,
    exif: Option<&'a [u8]>,
    /// Bytes before the image data: the decoder buffers chunks of them.
    length: usize,
}

impl<'a> Header<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Failure> {
        // Signature, length and type of the first chunk: 16 bytes; IHDR must be first (5.6).
        let ihdr = match bytes.get(8..16) {
            None => return Err(truncated()),
            Some([0, 0, 0, 13, b'I', b'H', b'D', b'R']) => bytes.get(16..29).ok_or_else(truncated)?,
            Some(_) => return Err(undecodable("el PNG no empieza por su cabecera")),
        };
        let (Some(width), Some(height)) = (be32(ihdr, 0), be32(ihdr, 4)) else { return Err(truncated()) };
        let (depth, color) = (ihdr[8], ihdr[9]);
        // Table 11.1: the depths a colour type may have, and its samples.
        let samples = match (color, depth) {
            (0, 1 | 2 | 4 | 8 | 16) | (3, 1 | 2 | 4 | 8) => 1,
            (2, 8 | 16) => 3,
            (4, 8 | 16) => 2,
            (6, 8 | 16) => 4,
            _ => return Err(undecodable("el PNG declara un tipo de color que no existe")),
        };
        if width == 0 || height == 0 || width > i32::MAX as u32 || height > i32::MAX as u32 {
            return Err(undecodable("el PNG declara un tamaño imposible"));
        }
        let mut header = Header {
            width,
            height,
            pixel_bits: u64::from(depth) * samples,
            alpha: color == 4 || color == 6,
            exif: None,
            length: bytes.len(),
        };
        header.walk(bytes);
        Ok(header)
    }

    /// Looks at the chunks after IHDR. What is odd about them is the decoder's business.
    fn walk(&mut self, bytes: &'a [u8]) {
        let mut at = 33;
        let mut data_seen = false;
        for _ in 0..CHUNKS_MAX {
            let (Some(length), Some(kind)) = (be32(bytes, at), bytes.get(at + 4..at + 8)) else { return };
            let content = bytes.get(at + 8..).and_then(|rest| rest.get(..length as usize));
            match kind {
                b"tRNS" if !data_seen => self.alpha = true,
                b"eXIf" if self.exif.is_none() => self.exif = content,
                b"IDAT" if !data_seen => {
                    data_seen = true;
                    self.length = at;
                }
                b"IEND" => return,
                _ => {}
            }
            let Some(next) = at.checked_add(12).and_then(|n| n.checked_add(length as usize)) else { return };
            at = next;
        }
    }

    fn channels(&self) -> Channels {
        if self.alpha { Channels::LumaAlpha } else { Channels::Luma }
    }

    fn cost(&self) -> u64 {
        let row = u64::from(self.width).saturating_mul(self.pixel_bits).div_ceil(8);
        let raster = cost::area(self.width, self.height, self.channels().count() as u64);
        cost::turnable(
            raster,
            row.saturating_mul(24).saturating_add(2 * self.length as u64).saturating_add(cost::BASE),
        )
    }
}

fn truncated() -> Failure {
    undecodable("el PNG está incompleto")
}

fn damaged() -> Failure {
    undecodable("el PNG está dañado")
}

pub(super) fn probe(bytes: &[u8]) -> Result<Found, Failure> {
    let header = Header::read(bytes)?;
    Ok(Found { width: header.width, height: header.height, cost: header.cost() })
}

pub(super) fn decode(bytes: &[u8], cancelled: &Cancel) -> Result<(Raster, Orientation), Failure> {
    let header = Header::read(bytes)?;
    let limit = usize::try_from(header.cost()).unwrap_or(usize::MAX);
    let mut decoder = Decoder::new_with_limits(Interruptible::new(bytes, cancelled), Limits { bytes: limit });
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let mut reader = decoder.read_info().map_err(|e| refusal(&e))?;
    let layout = match reader.output_color_type() {
        (ColorType::Grayscale, BitDepth::Eight) => Layout::Gray,
        (ColorType::GrayscaleAlpha, BitDepth::Eight) => Layout::GrayAlpha,
        (ColorType::Rgb, BitDepth::Eight) => Layout::Rgb,
        (ColorType::Rgba, BitDepth::Eight) => Layout::Rgba,
        _ => return Err(damaged()),
    };
    let channels = layout.channels();
    let stride = header.width as usize * channels.count();
    let mut samples = vec![0; stride * header.height as usize];
    let mut gray = vec![0; stride];
    let mut rows = samples.chunks_exact_mut(stride);
    if !reader.info().interlaced {
        for out in &mut rows {
            let row = reader.next_row().map_err(|e| refusal(&e))?.ok_or_else(truncated)?;
            row_to_gray(layout, row.data(), out);
        }
    } else {
        while let Some(row) = reader.next_interlaced_row().map_err(|e| refusal(&e))? {
            let InterlaceInfo::Adam7(place) = *row.interlace() else { return Err(damaged()) };
            let pixels = row.data().len() / layout.bytes();
            let gray = &mut gray[..pixels * channels.count()];
            row_to_gray(layout, row.data(), gray);
            let depth = if channels == Channels::Luma { 8 } else { 16 };
            ::png::expand_interlaced_row(&mut samples, stride, gray, &place, depth);
        }
    }
    let orientation = header.exif.map_or(Orientation::Upright, exif::orientation);
    Ok((Raster { width: header.width, height: header.height, channels, samples }, orientation))
}

fn refusal(error: &DecodingError) -> Failure {
    match error {
        DecodingError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => truncated(),
        _ => damaged(),
    }
}
