//! Windows and OS/2 bitmaps, read whole by a reader of our own.
//!
//! Own reader, because the image crate's refuses much that others open (headers of OS/2 2.0, run lengths from the top
//! down, a wrong offset of the pixels, a missing last padding), and working around that takes more code than reading
//! rows of pixels. It follows Pillow: the number of planes is ignored; pixels begin where the file header says, even
//! inside the other header, and behind the palette if it says nothing; an index past the palette is black; the fourth
//! byte of plain 32-bit pixels is no alpha. Beyond Pillow: masks of any position and width, BI_ALPHABITFIELDS, the
//! short headers of OS/2 2.0 and its run lengths of 24 bits, and empty rows in run lengths.
//!
//! Pixels that run lengths skip have the palette's first colour (black, of 24 bits). A run of one colour ends with its
//! row at the latest; one of several colours that is longer than the rest of its row is refused, because what follows
//! is undefined. Data that end before the last pixel are refused, unless the end of the bitmap is marked.
//!
//! Refused by name: JPEG and PNG inside, OS/2's Huffman coding, CMYK, other depths than 1, 4, 8, 16, 24, 32 bits.
//!
//! Work: each row of plain pixels is read once. Run lengths: every step reads two bytes or more and writes at most 255
//! pixels, each only once, because rows only move forward. Only the raster is allocated.

use scaler::raster::{Channels, Raster};

use super::bytes::{le16, le32};
use super::gray::{byte, luma};
use super::header::{PictureHeader, undecodable};
use super::{cost, image, interrupt};
use crate::model::error::WorkError;
use crate::model::job::Cancel;

const NAME: &str = "BMP";

/// Bytes of the file header, which comes before the one that tells its own length.
const FILE_HEADER: usize = 14;
/// More colours than any tool writes: there are 256 indices.
const COLORS_MAX: u32 = 65_536;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BmpCoding {
    /// BI_RGB: indices, or colours whose parts have fixed places.
    Plain,
    /// BI_BITFIELDS and BI_ALPHABITFIELDS.
    Masked,
    /// BI_RLE8 and BI_RLE4.
    Runs8,
    Runs4,
    /// OS/2's own, of colours.
    Runs24,
}

struct BmpHeader {
    width: u32,
    height: u32,
    top_down: bool,
    bits: u16,
    coding: BmpCoding,
    /// Bits of red, green, blue and alpha in a pixel of 16, 24 or 32 bits.
    masks: [u32; 4],
    /// Where the palette lies, how many colours of it count, and the bytes of one.
    palette: usize,
    colors: usize,
    color_bytes: usize,
    start: usize,
}

impl BmpHeader {
    fn read(bytes: &[u8]) -> Result<Self, WorkError> {
        let field = |at| le32(bytes, at).ok_or_else(truncated);
        let short = |at| le16(bytes, at).ok_or_else(truncated);
        let (start, length) = (field(10)?, field(14)?);
        // A header of OS/2 2.0 may end behind any of its fields; what is missing is zero.
        let optional = |at: usize| if at + 4 <= FILE_HEADER + length as usize { field(at) } else { Ok(0) };
        let core = length == 12;
        let (width, height, bits, compression, used) = match length {
            12 => (short(18)?.into(), short(20)?.into(), short(24)?, 0, 0),
            16..=64 | 108 | 124 => (field(18)?, field(22)?, short(28)?, optional(30)?, optional(46)?),
            _ => {
                return Err(WorkError::Undecodable(format!(
                    "el BMP tiene una cabecera de {length} bytes, una variante que no se lee"
                )));
            }
        };
        if !matches!(bits, 1 | 4 | 8 | 16 | 24 | 32) {
            return Err(WorkError::Undecodable(format!(
                "el BMP tiene {bits} bits por píxel y solo se leen los de 1, 4, 8, 16, 24 y 32"
            )));
        }
        // A negative height means that the first row is the topmost one.
        let top_down = !core && height.cast_signed() < 0;
        let height = if core { height } else { height.cast_signed().unsigned_abs() };
        if width == 0 || height == 0 || width.cast_signed() < 0 {
            return Err(undecodable("el BMP declara un tamaño imposible"));
        }
        let coding = Self::coding(compression, bits, matches!(length, 40 | 52 | 56 | 108 | 124))?;
        let mut palette = FILE_HEADER + length as usize;
        let masks = match coding {
            BmpCoding::Masked => {
                // In the longer headers they are fields; behind the shorter ones they follow.
                let (at, count) = match length {
                    56.. => (FILE_HEADER + 40, 4),
                    52.. => (FILE_HEADER + 40, 3),
                    _ => (palette, if compression == 6 { 4 } else { 3 }),
                };
                palette = palette.max(at + 4 * count);
                let mut masks = [0; 4];
                for (index, mask) in masks.iter_mut().enumerate().take(count) {
                    *mask = field(at + 4 * index)?;
                }
                // No mask at all: Pillow takes the places of BGRA.
                if bits == 32 && masks == [0; 4] { [0xFF_0000, 0xFF00, 0xFF, 0xFF00_0000] } else { masks }
            }
            _ if bits == 16 => [0x7C00, 0x3E0, 0x1F, 0],
            _ => [0xFF_0000, 0xFF00, 0xFF, 0],
        };
        if masks.iter().any(|&mask| !Part::is_one_run(mask)) || masks[..3].contains(&0) {
            return Err(undecodable("el BMP tiene unas máscaras de color que no se entienden"));
        }
        let color_bytes = if core { 3 } else { 4 };
        let colors = match (bits, used) {
            (1..=8, 0) => 1 << bits,
            (1..=8, used) => used,
            _ => 0,
        };
        if colors > COLORS_MAX {
            return Err(undecodable("el BMP declara una paleta imposible"));
        }
        let behind = palette + color_bytes * colors as usize;
        let start = match start as usize {
            0 => behind,
            // Straight behind the header is the palette.
            start if start == FILE_HEADER + length as usize => start + color_bytes * colors as usize,
            start => start,
        };
        let colors = colors.min(256) as usize;
        let header =
            Self { width, height, top_down, bits, coding, masks, palette, colors, color_bytes, start };
        // Run-length data may end at once, so they have no minimum. The last row's padding may be missing.
        let there = bytes.len().checked_sub(start).ok_or_else(truncated)? as u64;
        if matches!(coding, BmpCoding::Plain | BmpCoding::Masked) {
            let before = header.stride().saturating_mul((height - 1).into());
            if there < before.saturating_add(header.row_bytes()) {
                return Err(truncated());
            }
        }
        Ok(header)
    }

    /// `windows`: the header is one of Windows, where two numbers mean something else than in those of OS/2.
    fn coding(compression: u32, bits: u16, windows: bool) -> Result<BmpCoding, WorkError> {
        Ok(match (compression, bits) {
            (0, _) => BmpCoding::Plain,
            (1, 1..=8) => BmpCoding::Runs8,
            (2, 1..=8) => BmpCoding::Runs4,
            (3 | 6, 16..=32) => BmpCoding::Masked,
            (4, 24) if !windows => BmpCoding::Runs24,
            (3, 1) if !windows => {
                return Err(undecodable(
                    "el BMP usa la compresión de Huffman de OS/2 y esa variante no se lee",
                ));
            }
            (4, _) => return Err(undecodable("el BMP lleva dentro un JPEG y esa variante no se lee")),
            (5, _) => return Err(undecodable("el BMP lleva dentro un PNG y esa variante no se lee")),
            (11..=13, _) => return Err(undecodable("el BMP está en CMYK y esa variante no se lee")),
            (1..=6, _) => {
                return Err(WorkError::Undecodable(format!(
                    "el BMP usa una compresión que no existe con {bits} bits por píxel"
                )));
            }
            _ => return Err(undecodable("el BMP usa una compresión que no existe")),
        })
    }

    /// Bytes of a row of plain pixels, and of the same filled up to four.
    fn row_bytes(&self) -> u64 {
        (u64::from(self.width) * u64::from(self.bits)).div_ceil(8)
    }

    fn stride(&self) -> u64 {
        self.row_bytes().next_multiple_of(4)
    }

    fn channels(&self) -> Channels {
        if self.masks[3] == 0 { Channels::Luma } else { Channels::LumaAlpha }
    }

    /// The luma of each index: black past the end of the palette, or of the file.
    fn grays(&self, bytes: &[u8]) -> [u8; 256] {
        let mut grays = [0; 256];
        let palette = bytes.get(self.palette..).unwrap_or_default();
        let colors = palette.chunks_exact(self.color_bytes).take(self.colors);
        for (gray, color) in grays.iter_mut().zip(colors) {
            *gray = luma(color[2], color[1], color[0]);
        }
        grays
    }
}

/// Red, green, blue or alpha of a masked pixel: where its highest eight bits are, and what they mean.
struct Part {
    mask: u32,
    shift: u32,
    values: [u8; 256],
}

impl Part {
    /// Whether the bits of a mask are neighbours.
    fn is_one_run(mask: u32) -> bool {
        mask == 0 || (mask >> mask.trailing_zeros()).trailing_ones() == mask.count_ones()
    }

    fn new(mask: u32) -> Self {
        let width = mask.count_ones();
        let bits = width.min(8);
        let most = (1u32 << bits) - 1;
        let mut values = [0; 256];
        for (number, value) in (0..=most).zip(&mut values) {
            // Pillow rounds down.
            *value = byte(number * 255 / most.max(1));
        }
        let shift = if mask == 0 { 0 } else { mask.trailing_zeros() + width - bits };
        Self { mask, shift, values }
    }

    fn of(&self, pixel: u32) -> u8 {
        let [index, ..] = ((pixel & self.mask) >> self.shift).to_le_bytes();
        self.values[usize::from(index)]
    }
}

fn truncated() -> WorkError {
    image::truncated(NAME)
}

pub(super) fn probe(bytes: &[u8]) -> Result<PictureHeader, WorkError> {
    let header = BmpHeader::read(bytes)?;
    let raster = cost::area(header.width, header.height, header.channels().count() as u64);
    Ok(PictureHeader { width: header.width, height: header.height, cost: cost::BASE.saturating_add(raster) })
}

pub(super) fn decode(bytes: &[u8], cancelled: &Cancel) -> Result<Raster, WorkError> {
    let header = BmpHeader::read(bytes)?;
    let BmpHeader { width, height, coding, .. } = header;
    let channels = header.channels();
    let stride = width as usize * channels.count();
    let pixels = bytes.get(header.start..).ok_or_else(truncated)?;
    let mut samples = vec![0; stride * height as usize];
    // The rows of the raster in the order in which they are stored.
    let place = |row: usize| if header.top_down { row } else { height as usize - 1 - row };
    match coding {
        BmpCoding::Plain | BmpCoding::Masked => {
            let grays = header.grays(bytes);
            let parts = header.masks.map(Part::new);
            let stored = usize::try_from(header.stride()).map_err(|_| truncated())?;
            for (row, stored) in pixels.chunks(stored).take(height as usize).enumerate() {
                interrupt::check(cancelled)?;
                let at = place(row) * stride;
                plain_row(&header, stored, &mut samples[at..at + stride], &grays, &parts);
            }
        }
        BmpCoding::Runs8 | BmpCoding::Runs4 | BmpCoding::Runs24 => {
            let grays = header.grays(bytes);
            if coding != BmpCoding::Runs24 {
                samples.fill(grays[0]);
            }
            let mut runs = Runs { bytes: pixels, coding, grays: &grays };
            runs.draw(width as usize, height as usize, cancelled, |row, from, grays| {
                let at = place(row) * stride + from;
                samples[at..at + grays.len()].copy_from_slice(grays);
            })?;
        }
    }
    Ok(Raster { width, height, channels, samples })
}

/// A row of pixels without run lengths; `out` holds as many in gray.
fn plain_row(header: &BmpHeader, stored: &[u8], out: &mut [u8], grays: &[u8; 256], parts: &[Part; 4]) {
    let masked = header.coding == BmpCoding::Masked || header.bits == 16;
    match header.bits {
        8 => {
            for (gray, &index) in out.iter_mut().zip(stored) {
                *gray = grays[usize::from(index)];
            }
        }
        4 => {
            for (pair, &two) in out.chunks_mut(2).zip(stored) {
                for (gray, index) in pair.iter_mut().zip([two >> 4, two & 15]) {
                    *gray = grays[usize::from(index)];
                }
            }
        }
        1 => {
            for (eight, &bits) in out.chunks_mut(8).zip(stored) {
                for (gray, shift) in eight.iter_mut().zip((0..8).rev()) {
                    *gray = grays[usize::from(bits >> shift & 1)];
                }
            }
        }
        bits if masked => {
            let channels = header.channels().count();
            for (gray, pixel) in out.chunks_exact_mut(channels).zip(stored.chunks_exact(bits as usize / 8)) {
                let pixel = pixel.iter().rev().fold(0, |sum, &byte| sum << 8 | u32::from(byte));
                let [red, green, blue, alpha] = parts;
                gray[0] = luma(red.of(pixel), green.of(pixel), blue.of(pixel));
                if let Some(out) = gray.get_mut(1) {
                    *out = alpha.of(pixel);
                }
            }
        }
        24 => {
            for (gray, &[b, g, r]) in out.iter_mut().zip(stored.as_chunks().0) {
                *gray = luma(r, g, b);
            }
        }
        _ => {
            for (gray, &[b, g, r, _]) in out.iter_mut().zip(stored.as_chunks().0) {
                *gray = luma(r, g, b);
            }
        }
    }
}

/// What is left of run-length data.
struct Runs<'a> {
    bytes: &'a [u8],
    coding: BmpCoding,
    grays: &'a [u8; 256],
}

enum RunStep {
    /// So many grays of the buffer: of one colour or two in turn, or each its own.
    Pixels(usize),
    Literal(usize),
    EndOfLine,
    EndOfBitmap,
    /// Pixels to the right, and rows.
    Jump(usize, usize),
    /// The file's end has come, behind so many grays.
    Cut(usize),
}

impl Runs<'_> {
    /// Draws all of it: `draw` gets the row in the order of the file, the first column and the grays.
    fn draw(
        &mut self,
        width: usize,
        height: usize,
        cancelled: &Cancel,
        mut draw: impl FnMut(usize, usize, &[u8]),
    ) -> Result<(), WorkError> {
        let mut buffer = [0; 255];
        let (mut x, mut y) = (0, 0);
        while y < height {
            match self.step(width - x, &mut buffer) {
                RunStep::Literal(count) if count > width - x => return Err(image::damaged(NAME)),
                RunStep::Pixels(count) | RunStep::Literal(count) | RunStep::Cut(count)
                    if count > 0 && x < width =>
                {
                    let visible = count.min(width - x);
                    draw(y, x, &buffer[..visible]);
                    x += visible;
                }
                RunStep::Pixels(_) | RunStep::Literal(_) => {}
                RunStep::EndOfLine => {
                    interrupt::check(cancelled)?;
                    (x, y) = (0, y + 1);
                }
                RunStep::Jump(right, up) => {
                    interrupt::check(cancelled)?;
                    (x, y) = ((x + right).min(width), y + up);
                }
                RunStep::EndOfBitmap => return Ok(()),
                RunStep::Cut(_) if y + 1 == height && x == width => return Ok(()),
                RunStep::Cut(_) => return Err(truncated()),
            }
        }
        Ok(())
    }

    fn take(&mut self, count: usize) -> Option<&[u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        Some(taken)
    }

    /// `room`: what is left of the row.
    fn step(&mut self, room: usize, buffer: &mut [u8; 255]) -> RunStep {
        match self.take(2) {
            None => RunStep::Cut(0),
            Some(&[0, 0]) => RunStep::EndOfLine,
            Some(&[0, 1]) => RunStep::EndOfBitmap,
            Some(&[0, 2]) => match self.take(2) {
                Some(&[right, up]) => RunStep::Jump(right.into(), up.into()),
                _ => RunStep::Cut(0),
            },
            Some(&[0, count]) => self.literal(count.into(), buffer),
            Some(&[count, value]) => self.run(room.min(count.into()), value, buffer),
            Some(_) => RunStep::Cut(0),
        }
    }

    /// So many pixels of one colour, or of two in turn.
    fn run(&mut self, count: usize, value: u8, buffer: &mut [u8; 255]) -> RunStep {
        let pair = match self.coding {
            BmpCoding::Runs4 => [value >> 4, value & 15].map(|index| self.grays[usize::from(index)]),
            BmpCoding::Runs24 => {
                let Some(&[green, red]) = self.take(2) else { return RunStep::Cut(0) };
                [luma(red, green, value); 2]
            }
            _ => [self.grays[usize::from(value)]; 2],
        };
        for (gray, value) in buffer[..count].iter_mut().zip(pair.into_iter().cycle()) {
            *gray = value;
        }
        RunStep::Pixels(count)
    }

    /// So many pixels as they are, filled up to an even number of bytes.
    fn literal(&mut self, count: usize, buffer: &mut [u8; 255]) -> RunStep {
        let length = match self.coding {
            BmpCoding::Runs4 => count.div_ceil(2),
            BmpCoding::Runs24 => 3 * count,
            _ => count,
        };
        let there = length.min(self.bytes.len());
        let (stored, _) = self.bytes.split_at(there);
        let grays = self.grays;
        let mut drawn = 0;
        let mut put = |gray: u8| {
            if let Some(out) = buffer[..count].get_mut(drawn) {
                *out = gray;
                drawn += 1;
            }
        };
        match self.coding {
            BmpCoding::Runs4 => {
                for &two in stored {
                    put(grays[usize::from(two >> 4)]);
                    put(grays[usize::from(two & 15)]);
                }
            }
            BmpCoding::Runs24 => {
                for &[b, g, r] in stored.as_chunks().0 {
                    put(luma(r, g, b));
                }
            }
            _ => stored.iter().for_each(|&index| put(grays[usize::from(index)])),
        }
        self.bytes = self.bytes.get(length.next_multiple_of(2)..).unwrap_or_default();
        if there < length { RunStep::Cut(drawn) } else { RunStep::Literal(drawn) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a picture that stays wanted.
    fn decode(bytes: &[u8]) -> Result<Raster, WorkError> {
        super::decode(bytes, &Cancel::default())
    }

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
        let rows = [1, 2, 0, 0, 3, 4, 0, 0];
        assert_eq!(samples(&bitmap(2, 2, 8, 0, &rows)), [51, 68, 17, 34]);
        assert_eq!(samples(&bitmap(2, -2, 8, 0, &rows)), [17, 34, 51, 68]);
    }

    #[test]
    fn an_index_past_the_palette_is_black() {
        assert_eq!(samples(&bitmap(2, 1, 8, 0, &[15, 16, 0, 0])), [255, 0]);
    }

    #[test]
    fn run_lengths_of_both_kinds() {
        // A run of three, a literal of three with its padding, end of line, a delta of one to the right, end.
        let rle8 = [3, 1, 0, 3, 2, 3, 4, 0, 0, 0, 0, 2, 1, 0, 2, 5, 0, 1];
        assert_eq!(samples(&bitmap(6, 2, 8, 1, &rle8)), [0, 85, 85, 0, 0, 0, 17, 17, 17, 34, 51, 68]);
        let rle4 = [3, 0x12, 0, 3, 0x34, 0x50, 0, 1];
        assert_eq!(samples(&bitmap(6, 1, 4, 2, &rle4)), [17, 34, 17, 51, 68, 85]);
    }

    #[test]
    fn a_run_ends_with_its_row_and_a_jump_with_the_picture() {
        assert_eq!(samples(&bitmap(2, 2, 8, 1, &[200, 1, 0, 0, 2, 2, 0, 1])), [34, 34, 17, 17]);
        assert_eq!(samples(&bitmap(2, 1, 8, 1, &[1, 5, 0, 2, 255, 255])), [85, 0]);
    }

    #[test]
    fn what_run_lengths_skip_is_the_first_color() {
        let mut skipping = bitmap(3, 2, 8, 1, &[0, 2, 1, 0, 1, 2, 0, 0, 1, 3, 0, 1]);
        skipping[54..57].copy_from_slice(&[200; 3]);
        assert_eq!(samples(&skipping), [51, 200, 200, 200, 34, 200]);
        let mut empty_row = bitmap(2, 3, 4, 2, &[0, 0, 2, 0x12, 0, 0, 0, 0]);
        empty_row[54..57].copy_from_slice(&[200; 3]);
        assert_eq!(samples(&empty_row), [200, 200, 17, 34, 200, 200]);
    }

    #[test]
    fn run_lengths_without_their_end_or_from_the_top_down() {
        assert_eq!(samples(&bitmap(2, 2, 8, 1, &[2, 1, 0, 0, 2, 2])), [34, 34, 17, 17]);
        assert_eq!(samples(&bitmap(2, 2, 8, 1, &[2, 1, 0, 0, 0, 3, 2, 3])), [34, 51, 17, 17]);
        assert_eq!(samples(&bitmap(2, -2, 8, 1, &[2, 1, 0, 0, 2, 2, 0, 1])), [17, 17, 34, 34]);
        assert_eq!(decode(&bitmap(2, 2, 8, 1, &[0, 3, 1, 2, 3, 0, 0, 1])), Err(image::damaged(NAME)));
        for cut in [&[2, 1, 0, 0][..], &[2, 1, 0, 0, 1, 2], &[2, 1, 0, 0, 0, 3, 2], &[2, 1, 0, 2, 0]] {
            assert_eq!(decode(&bitmap(2, 2, 8, 1, cut)), Err(truncated()), "{cut:?}");
        }
    }

    /// A bitmap with a header of that length, of OS/2 2.0, which has neither palette nor anything that is not zero
    /// behind the depth but the compression.
    fn os2(length: u32, compression: u32, bits: u16, pixels: &[u8]) -> Vec<u8> {
        let mut bytes = b"BM\0\0\0\0\0\0\0\0".to_vec();
        bytes.extend((14 + length).to_le_bytes());
        bytes.extend(length.to_le_bytes());
        bytes.extend([2, 0, 0, 0, 1, 0, 0, 0, 1, 0]);
        bytes.extend(bits.to_le_bytes());
        bytes.extend(compression.to_le_bytes());
        bytes.resize(14 + length as usize, 0);
        bytes.extend(pixels);
        bytes
    }

    #[test]
    fn headers_of_os2_may_end_anywhere() {
        for length in [16, 18, 20, 24, 36, 44, 60, 64] {
            let bytes = os2(length, 0, 24, &[9, 9, 9, 7, 7, 7]);
            assert_eq!(samples(&bytes), [9, 7], "{length}");
        }
        for length in [0, 11, 13, 15, 65, 107, 125, u32::MAX] {
            let mut bytes = os2(64, 0, 24, &[9; 60]);
            bytes[14..18].copy_from_slice(&length.to_le_bytes());
            assert!(probe(&bytes).is_err(), "{length}");
        }
        let mut wide = os2(64, 4, 24, &[1, 8, 8, 8, 0, 3, 7, 7, 7, 6, 6, 6, 5, 5, 5, 0, 0, 1]);
        wide[18] = 4;
        assert_eq!(samples(&wide), [8, 7, 6, 5]);
        assert_eq!(samples(&os2(64, 4, 24, &[2, 0, 0, 255, 0, 1])), [76, 76]);
        assert!(decode(&os2(64, 3, 1, &[0; 9])).is_err());
        // The same number means a JPEG in a header of Windows.
        assert!(decode(&os2(40, 4, 24, &[2, 0, 0, 255, 0, 1])).is_err());
    }

    #[test]
    fn pixels_lie_where_pillow_looks_for_them() {
        let plain = bitmap(2, 1, 8, 0, &[1, 2, 0, 0]);
        let moved = |start: u32| {
            let mut bytes = plain.clone();
            bytes[10..14].copy_from_slice(&start.to_le_bytes());
            bytes
        };
        // Behind the palette; there as well; in the header, whose last bytes are zeros.
        assert_eq!(samples(&moved(0)), [17, 34]);
        assert_eq!(samples(&moved(54)), [17, 34]);
        assert_eq!(samples(&moved(50)), [0, 0]);
        // Two bytes are needed of the four.
        for beyond in [119, 120, 121, 122, 123, 5_000, u32::MAX] {
            assert_eq!(decode(&moved(beyond)).is_ok(), beyond <= 120, "{beyond}");
        }
        assert_eq!(decode(&moved(5_000)), Err(truncated()));
    }

    #[test]
    fn the_number_of_colors_may_be_wrong() {
        let mut bytes = bitmap(2, 1, 8, 0, &[3, 16, 0, 0]);
        for (colors, expected) in [(0, [51, 0]), (2, [0, 0]), (4, [51, 0]), (300, [51, 0]), (65_536, [51, 0])]
        {
            bytes[46..50].copy_from_slice(&u32::to_le_bytes(colors));
            bytes[14 + 40 + 64] = 3;
            let mut samples = samples(&bytes);
            // The colour of index 16 is made of pixels where more are announced than there are.
            samples[1] = if colors == 0 || colors > 16 { 0 } else { samples[1] };
            assert_eq!(samples, expected, "{colors}");
        }
        bytes[46..50].copy_from_slice(&[0xFF; 4]);
        assert!(decode(&bytes).is_err());
    }

    /// Pixels behind masks that follow a header of 40 bytes.
    fn masked(bits: u16, compression: u32, masks: &[u32], pixels: &[u8]) -> Vec<u8> {
        let mut bytes = bitmap(2, 1, bits, compression, b"");
        bytes[10..14].copy_from_slice(&[0; 4]);
        bytes.extend(masks.iter().flat_map(|mask| mask.to_le_bytes()));
        bytes.extend(pixels);
        bytes
    }

    #[test]
    fn masks_of_every_kind() {
        // 565 and 555 as Pillow rounds them, 444, ten bits a colour, ABGR.
        assert_eq!(samples(&masked(16, 3, &[0xF800, 0x7E0, 0x1F], &[0x34, 0x12, 0xCD, 0xAB])), [63, 135]);
        assert_eq!(samples(&masked(16, 3, &[0x7C00, 0x3E0, 0x1F], &[0x34, 0x12, 0xCD, 0xAB])), [110, 181]);
        assert_eq!(samples(&masked(16, 3, &[0xF00, 0xF0, 0xF], &[0xFF, 0x0F, 0, 0])), [255, 0]);
        let ten = [0x3FF0_0000, 0xF_FC00, 0x3FF];
        assert_eq!(samples(&masked(32, 3, &ten, &[0xFF, 0xFF, 0xFF, 0x3F, 0, 0, 0xF0, 0x3F])), [255, 76]);
        assert_eq!(
            samples(&masked(24, 3, &[0xFF, 0xFF00, 0xFF_0000], &[255, 0, 0, 0, 0, 255, 0, 0])),
            [76, 29]
        );
        let abgr = [0xFF00_0000, 0xFF_0000, 0xFF00, 0xFF];
        assert_eq!(samples(&masked(32, 6, &abgr, &[9, 7, 7, 7, 200, 255, 255, 255])), [7, 9, 255, 200]);
        // None at all is BGRA, as for Pillow; of 16 bits it means nothing, nor do bits that are no neighbours.
        assert_eq!(samples(&masked(32, 3, &[0; 3], &[7, 7, 7, 9, 5, 5, 5, 1])), [7, 9, 5, 1]);
        assert!(decode(&masked(16, 3, &[0; 3], &[0; 4])).is_err());
        assert!(decode(&masked(16, 3, &[0xF0F, 0xF0, 0xF000], &[0; 4])).is_err());
    }

    #[test]
    fn one_bit_and_the_first_header() {
        assert_eq!(samples(&bitmap(9, 1, 1, 0, &[0b1010_0000, 0x80, 0, 0])), [17, 0, 17, 0, 0, 0, 0, 0, 17]);
        let mut core = b"BM\0\0\0\0\0\0\0\0\x20\0\0\0\x0C\0\0\0\x02\0\x01\0\0\0\x01\0".to_vec();
        core.extend([9, 9, 9, 8, 8, 8, 0x40, 0, 0, 0]);
        assert_eq!(samples(&core), [9, 8]);
    }

    #[test]
    fn sixteen_bits_are_spread_over_the_range() {
        let pixels = [0xFF, 0x7F, 0, 0, 0x00, 0x7C, 0, 0];
        assert_eq!(samples(&bitmap(1, -2, 16, 0, &pixels)), [255, 76]);
    }

    #[test]
    fn every_cut_is_refused_but_that_of_the_last_padding() {
        for (whole, padding) in [
            (bitmap(3, 2, 24, 0, &[9; 24]), 3),
            (bitmap(3, 2, 8, 0, &[9; 8]), 1),
            (bitmap(2, 1, 8, 1, &[2, 9, 0, 1]), 2),
        ] {
            for end in 0..=whole.len() {
                assert_eq!(decode(&whole[..end]).is_ok(), end >= whole.len() - padding, "{end}");
            }
        }
    }
}
