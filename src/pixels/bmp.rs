//! Windows and OS/2 bitmaps, read straight into gray.
//!
//! Palettes of 1, 2, 4 and 8 bits, 16, 24 and 32 bits with any masks, RLE4 and RLE8, from the bottom up or from the
//! top down. Alpha counts only where a mask names it: in plain 32-bit files the fourth byte is undefined, and often
//! zero. Pixels that a run-length picture skips have colour 0, as in Pillow. Huffman (OS/2), RLE24 and bitmaps that
//! wrap a JPEG or PNG are refused.

use scaler::raster::{Channels, Raster};

use crate::exchange::job::Failure;

use super::bytes::{le16, le32};
use super::cost;
use super::gray::{luma, saturate};
use super::probe::{Found, undecodable};

/// Entries of a palette: more than an index can name, but files have them.
const COLORS_MAX: u32 = 65_536;

/// How the pixels are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Coding {
    Indexed,
    Rle4,
    Rle8,
    /// Blue, green, red.
    Bytes,
    /// Red, green, blue and alpha (0 if there is none) of a 16 or 32-bit word.
    Masked([u32; 4]),
}

struct Header<'a> {
    width: u32,
    height: u32,
    top_down: bool,
    bits: u16,
    coding: Coding,
    /// Luma of each index.
    grays: [u8; 256],
    data: &'a [u8],
}

impl<'a> Header<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Failure> {
        let (Some(offset), Some(dib)) = (le32(bytes, 10), le32(bytes, 14)) else { return Err(truncated()) };
        let (width, height, bits, compression, colors) = if dib == 12 {
            match (le16(bytes, 18), le16(bytes, 20), le16(bytes, 24)) {
                (Some(width), Some(height), Some(bits)) => (width.into(), height.into(), bits, 0, 0),
                _ => return Err(truncated()),
            }
        } else {
            match (le32(bytes, 18), le32(bytes, 22), le16(bytes, 28)) {
                (Some(width), Some(height), Some(bits)) if dib < 40 => (width, height, bits, 0, 0),
                (Some(width), Some(height), Some(bits)) => match (le32(bytes, 30), le32(bytes, 46)) {
                    (Some(compression), Some(colors)) => (width, height, bits, compression, colors),
                    _ => return Err(truncated()),
                },
                _ => return Err(truncated()),
            }
        };
        // A negative height means that the first row is the topmost one.
        let top_down = dib != 12 && height.cast_signed() < 0;
        let height = if top_down { height.cast_signed().unsigned_abs() } else { height };
        if width == 0 || height == 0 || width.cast_signed() < 0 {
            return Err(undecodable("el BMP declara un tamaño imposible"));
        }
        let coding = coding(bytes, dib, bits, compression)?;
        if bits <= 8 && colors > COLORS_MAX {
            return Err(undecodable("el BMP declara una paleta imposible"));
        }
        let table = 14 + dib as usize;
        let grays = if bits <= 8 { grays(bytes, table, dib == 12, bits, colors, offset) } else { [0; 256] };
        let entry = if dib == 12 { 3 } else { 4 };
        let start = match offset as usize {
            0 if bits <= 8 => table + entry * if colors == 0 { 1 << bits } else { colors as usize },
            0 => table,
            start => start,
        };
        let data = bytes.get(start..).ok_or_else(truncated)?;
        let header = Header { width, height, top_down, bits, coding, grays, data };
        // Run-length data have no minimum: the end of the bitmap may come at once.
        if !matches!(coding, Coding::Rle4 | Coding::Rle8) && (data.len() as u64) < header.needed() {
            return Err(truncated());
        }
        Ok(header)
    }

    /// Bytes from one row to the next: rows are padded to four bytes.
    fn stride(&self) -> u64 {
        (u64::from(self.width) * u64::from(self.bits)).div_ceil(32) * 4
    }

    /// Bytes of all rows; the padding of the last one may be missing.
    fn needed(&self) -> u64 {
        let last = (u64::from(self.width) * u64::from(self.bits)).div_ceil(8);
        self.stride() * u64::from(self.height - 1) + last
    }

    fn channels(&self) -> Channels {
        match self.coding {
            Coding::Masked([_, _, _, alpha]) if alpha != 0 => Channels::LumaAlpha,
            _ => Channels::Luma,
        }
    }
}

/// How the pixels are written, from depth and compression.
fn coding(bytes: &[u8], dib: u32, bits: u16, compression: u32) -> Result<Coding, Failure> {
    Ok(match (compression, bits) {
        (0, 1 | 2 | 4 | 8) => Coding::Indexed,
        (0, 16) => Coding::Masked([0x7C00, 0x03E0, 0x001F, 0]),
        (0, 24) => Coding::Bytes,
        (0, 32) => Coding::Masked([0x00FF_0000, 0x0000_FF00, 0x0000_00FF, 0]),
        (1, 8) => Coding::Rle8,
        (2, 4) => Coding::Rle4,
        (3 | 6, 16 | 32) if dib != 64 => {
            // Behind a 40-byte header as in the longer ones, the masks are at the same place.
            let mask = |at| le32(bytes, at).ok_or_else(truncated);
            let alpha = if compression == 6 || dib >= 56 { mask(66)? } else { 0 };
            let masks = [mask(54)?, mask(58)?, mask(62)?, alpha];
            if masks[..3].contains(&0) {
                return Err(undecodable("el BMP no dice dónde está cada color"));
            }
            Coding::Masked(masks)
        }
        (4 | 5, _) if dib != 64 => {
            return Err(undecodable("el BMP envuelve un JPEG o un PNG y esa variante no se lee"));
        }
        _ => {
            return Err(Failure::Undecodable(format!(
                "el BMP usa la compresión {compression} con {bits} bits y esa variante no se lee"
            )));
        }
    })
}

/// The palette at `at` as luma: three bytes an entry in the oldest header, else four; black where it has no entry.
fn grays(bytes: &[u8], at: usize, short: bool, bits: u16, colors: u32, offset: u32) -> [u8; 256] {
    let entry = if short { 3 } else { 4 };
    let mut count = if colors == 0 { 1 << bits } else { colors as usize }.min(256);
    // The pixels may begin before the palette has all its entries.
    if offset as usize > at {
        count = count.min((offset as usize - at) / entry);
    }
    let mut grays = [0; 256];
    let colors = bytes.get(at..).unwrap_or_default().chunks_exact(entry);
    for (gray, color) in grays.iter_mut().take(count).zip(colors) {
        *gray = luma(color[2], color[1], color[0]);
    }
    grays
}

fn truncated() -> Failure {
    undecodable("el BMP está incompleto")
}

pub(super) fn probe(bytes: &[u8]) -> Result<Found, Failure> {
    let header = Header::read(bytes)?;
    let raster = cost::area(header.width, header.height, header.channels().count() as u64);
    Ok(Found { width: header.width, height: header.height, cost: cost::BASE + raster })
}

pub(super) fn decode(bytes: &[u8]) -> Result<Raster, Failure> {
    let header = Header::read(bytes)?;
    let (width, height, channels) = (header.width, header.height, header.channels());
    let row = width as usize * channels.count();
    let mut samples = vec![0; row * height as usize];
    if matches!(header.coding, Coding::Rle4 | Coding::Rle8) {
        samples.fill(header.grays[0]);
        run_lengths(&header, &mut samples)?;
    } else {
        let stride = usize::try_from(header.stride()).map_err(|_| truncated())?;
        for (out, stored) in samples.chunks_exact_mut(row).zip(header.data.chunks(stride)) {
            row_to_gray(&header, stored, out);
        }
    }
    if !header.top_down {
        flip(&mut samples, row);
    }
    Ok(Raster { width, height, channels, samples })
}

/// First row last.
fn flip(samples: &mut [u8], row: usize) {
    let mut rows = samples.chunks_exact_mut(row);
    while let (Some(top), Some(bottom)) = (rows.next(), rows.next_back()) {
        top.swap_with_slice(bottom);
    }
}

/// One stored row without run lengths.
fn row_to_gray(header: &Header<'_>, stored: &[u8], out: &mut [u8]) {
    match header.coding {
        Coding::Bytes => {
            for (out, [b, g, r]) in out.iter_mut().zip(stored.as_chunks().0) {
                *out = luma(*r, *g, *b);
            }
        }
        Coding::Masked(masks) if header.bits == 16 => {
            let words = stored.as_chunks().0.iter().map(|&pair| u16::from_le_bytes(pair).into());
            masked(masks, words, out);
        }
        Coding::Masked(masks) => {
            masked(masks, stored.as_chunks().0.iter().map(|&word| u32::from_le_bytes(word)), out);
        }
        Coding::Indexed | Coding::Rle4 | Coding::Rle8 => {
            let bits = usize::from(header.bits);
            let mask = 0xFF >> (8 - bits);
            // The leftmost pixel is in the highest bits.
            for (out, byte) in out.chunks_mut(8 / bits).zip(stored) {
                for (i, out) in out.iter_mut().enumerate() {
                    *out = header.grays[usize::from(byte >> (8 - bits * (i + 1)) & mask)];
                }
            }
        }
    }
}

/// Words taken apart by masks.
fn masked(masks: [u32; 4], words: impl Iterator<Item = u32>, out: &mut [u8]) {
    let channel = |word: u32, mask: u32| {
        let (value, most) = ((word & mask) >> mask.trailing_zeros(), mask >> mask.trailing_zeros());
        saturate(u64::from(value) * 255 / u64::from(most))
    };
    let gray = |word| luma(channel(word, masks[0]), channel(word, masks[1]), channel(word, masks[2]));
    if masks[3] == 0 {
        for (out, word) in out.iter_mut().zip(words) {
            *out = gray(word);
        }
    } else {
        for (out, word) in out.as_chunks_mut().0.iter_mut().zip(words) {
            *out = [gray(word), channel(word, masks[3])];
        }
    }
}

/// The codes of RLE4 and RLE8: a count and a value, or 0 and an escape. Runs are cut at the end of their row.
fn run_lengths(header: &Header<'_>, samples: &mut [u8]) -> Result<(), Failure> {
    let (width, height) = (header.width as usize, header.height as usize);
    let nibbles = header.coding == Coding::Rle4;
    let gray_of = |byte: u8, i: usize| match (nibbles, i % 2) {
        (false, _) => header.grays[usize::from(byte)],
        (true, 0) => header.grays[usize::from(byte >> 4)],
        (true, _) => header.grays[usize::from(byte & 15)],
    };
    let (mut x, mut y) = (0, 0);
    let mut data = header.data;
    while y < height {
        let Some(([count, value], rest)) = data.split_first_chunk() else { return Err(truncated()) };
        data = rest;
        let row = &mut samples[y * width..(y + 1) * width];
        match (*count, *value) {
            (0, 0) => (x, y) = (0, y + 1),
            // The end may come before the end of the last row, not before the last row.
            (0, 1) if y + 1 < height => return Err(truncated()),
            (0, 1) => return Ok(()),
            (0, 2) => {
                let Some(([right, up], rest)) = data.split_first_chunk() else { return Err(truncated()) };
                data = rest;
                (x, y) = (x + usize::from(*right), y + usize::from(*up));
            }
            (0, literal) => {
                let count = usize::from(literal);
                let length = if nibbles { count.div_ceil(2) } else { count };
                let literal = data.get(..length).ok_or_else(truncated)?;
                for (i, out) in row.iter_mut().skip(x).take(count).enumerate() {
                    *out = gray_of(literal[if nibbles { i / 2 } else { i }], i);
                }
                x += count;
                // Literals are padded to an even length; the padding of the last one may be missing.
                data = data.get(length + length % 2..).unwrap_or_default();
            }
            (count, value) => {
                for (i, out) in row.iter_mut().skip(x).take(usize::from(count)).enumerate() {
                    *out = gray_of(value, i);
                }
                x += usize::from(count);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::gray::byte;

    /// A 40-byte header, a palette of grays 0, 17, 34 … and the pixels.
    fn bitmap(width: i32, height: i32, bits: u16, compression: u32, pixels: &[u8]) -> Vec<u8> {
        let colors: u32 = if bits <= 8 { 16 } else { 0 };
        let mut bytes = b"BM\0\0\0\0\0\0\0\0".to_vec();
        bytes.extend((54 + 4 * colors).to_le_bytes());
        bytes.extend(40u32.to_le_bytes());
        bytes.extend(width.to_le_bytes());
        bytes.extend(height.to_le_bytes());
        bytes.extend([1, 0]);
        bytes.extend(bits.to_le_bytes());
        bytes.extend(compression.to_le_bytes());
        bytes.extend([0; 12]);
        bytes.extend(colors.to_le_bytes());
        bytes.extend([0; 4]);
        for gray in (0..colors).map(|i| byte(i * 17)) {
            bytes.extend([gray, gray, gray, 0]);
        }
        bytes.extend(pixels);
        bytes
    }

    fn samples(bytes: &[u8]) -> Vec<u8> {
        decode(bytes).unwrap().samples
    }

    #[test]
    fn rows_run_upwards_unless_the_height_is_negative() {
        let rows = [0x12, 0, 0, 0, 0x34, 0, 0, 0];
        assert_eq!(samples(&bitmap(2, 2, 4, 0, &rows)), [51, 68, 17, 34]);
        assert_eq!(samples(&bitmap(2, -2, 4, 0, &rows)), [17, 34, 51, 68]);
    }

    #[test]
    fn run_lengths_of_both_kinds() {
        // A run of three, a literal of three with its padding, end of line, a delta of one to the right, end.
        let rle8 = [3, 1, 0, 3, 2, 3, 4, 0, 0, 0, 0, 2, 1, 0, 2, 5, 0, 1];
        assert_eq!(samples(&bitmap(6, -2, 8, 1, &rle8)), [17, 17, 17, 34, 51, 68, 0, 85, 85, 0, 0, 0]);
        let rle4 = [3, 0x12, 0, 3, 0x34, 0x50, 0, 1];
        assert_eq!(samples(&bitmap(6, 1, 4, 2, &rle4)), [17, 34, 17, 51, 68, 85]);
    }

    #[test]
    fn a_run_past_its_row_is_cut() {
        assert_eq!(samples(&bitmap(2, -2, 8, 1, &[200, 1, 0, 0, 2, 2, 0, 1])), [17, 17, 34, 34]);
        assert_eq!(samples(&bitmap(2, 1, 8, 1, &[0, 2, 255, 255])), [0, 0]);
    }

    #[test]
    fn sixteen_bits_are_spread_over_the_range() {
        let pixels = [0xFF, 0x7F, 0, 0, 0x00, 0x7C, 0, 0];
        assert_eq!(samples(&bitmap(1, -2, 16, 0, &pixels)), [255, 76]);
    }

    #[test]
    fn every_cut_is_refused() {
        let whole = bitmap(3, 2, 24, 0, &[9; 21]);
        assert!(decode(&whole).is_ok());
        for end in 0..whole.len() {
            assert!(decode(&whole[..end]).is_err(), "{end}");
        }
    }
}
