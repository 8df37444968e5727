//! Windows and OS/2 bitmaps: their header, and decoding with the image crate.
//!
//! That crate hands out RGB, or RGBA where a mask names an alpha: in plain 32-bit files the fourth byte is undefined,
//! and often zero. Eight-bit rows without run lengths are asked for as their indices, a third of the memory. Pixels
//! that a run-length picture skips are black.
//!
//! Known limits, which are that crate's: a side of 65,535; headers of Windows and of the first OS/2; masks of at most
//! one run of bits each; run lengths from the bottom up alone, and none of 24 bits.

use ::image::ColorType;
use ::image::codecs::bmp::BmpDecoder;
use scaler::raster::Raster;

use crate::exchange::job::{Cancel, Failure};

use super::bytes::{le16, le32};
use super::cost;
use super::gray::luma;
use super::image::{self, Announced};
use super::interrupt::Interruptible;
use super::probe::{Found, undecodable};

const NAME: &str = "BMP";

/// Bytes of the file header, which comes before the one that tells its own length.
const FILE_HEADER: u32 = 14;
/// BI_RGB and BI_BITFIELDS, the codings without run lengths.
const PLAIN: u32 = 0;
const MASKED: u32 = 3;

struct Header {
    announced: Announced,
    /// Whether the decoder's output is an index for each pixel.
    indexed: bool,
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Self, Failure> {
        let field = |at| le32(bytes, at).ok_or_else(truncated);
        let short = |at| le16(bytes, at).ok_or_else(truncated);
        let (start, dib) = (field(10)?, field(14)?);
        let (width, height, bits, coding) = match dib {
            12 => (short(18)?.into(), short(20)?.into(), short(24)?, PLAIN),
            40 | 52 | 56 | 108 | 124 => (field(18)?, field(22)?, short(28)?, field(30)?),
            _ => return Err(undecodable("el BMP tiene una cabecera de una variante que no se lee")),
        };
        // A negative height means that the first row is the topmost one.
        let height = height.cast_signed().unsigned_abs();
        if width == 0 || height == 0 || width.cast_signed() < 0 {
            return Err(undecodable("el BMP declara un tamaño imposible"));
        }
        // Run-length data have no minimum: the end of the bitmap may come at once.
        if matches!(coding, PLAIN | MASKED) {
            let row = (u64::from(width) * u64::from(bits)).div_ceil(32) * 4;
            if (bytes.len() as u64).saturating_sub(start.into()) < row.saturating_mul(height.into()) {
                return Err(truncated());
            }
        }
        if start < FILE_HEADER + dib {
            return Err(image::damaged(NAME));
        }
        let indexed = (coding, bits) == (PLAIN, 8);
        // The longer headers hold four masks where the others hold three or none.
        let alpha = coding == MASKED && dib >= 56 && field(66)? != 0;
        let color = match (indexed, alpha) {
            (true, _) => ColorType::L8,
            (_, true) => ColorType::Rgba8,
            _ => ColorType::Rgb8,
        };
        Ok(Header { announced: Announced { sides: (width, height), color }, indexed })
    }
}

fn truncated() -> Failure {
    image::truncated(NAME)
}

pub(super) fn probe(bytes: &[u8]) -> Result<Found, Failure> {
    let Header { announced, .. } = Header::read(bytes)?;
    let (width, height) = announced.sides;
    Ok(Found { width, height, cost: cost::BASE.saturating_add(announced.bytes()) })
}

pub(super) fn decode(bytes: &[u8], cancelled: &Cancel) -> Result<Raster, Failure> {
    let header = Header::read(bytes)?;
    let mut decoder =
        BmpDecoder::new(Interruptible::new(bytes, cancelled)).map_err(|e| image::refusal(NAME, &e))?;
    if !header.indexed {
        return image::decode(NAME, decoder, header.announced);
    }
    decoder.set_indexed_color(true);
    let colors = decoder.get_palette().unwrap_or_default();
    let mut grays = [0; 256];
    for (gray, &[r, g, b]) in grays.iter_mut().zip(colors) {
        *gray = luma(r, g, b);
    }
    let mut raster = image::decode(NAME, decoder, header.announced)?;
    for sample in &mut raster.samples {
        *sample = grays[usize::from(*sample)];
    }
    Ok(raster)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::gray::byte;

    /// Of a picture that stays wanted.
    fn decode(bytes: &[u8]) -> Result<Raster, Failure> {
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
    fn a_run_past_its_row_is_cut_and_a_jump_past_it_refused() {
        assert_eq!(samples(&bitmap(2, 2, 8, 1, &[200, 1, 0, 0, 2, 2, 0, 1])), [34, 34, 17, 17]);
        assert!(decode(&bitmap(2, 1, 8, 1, &[0, 2, 255, 255])).is_err());
    }

    #[test]
    fn sixteen_bits_are_spread_over_the_range() {
        let pixels = [0xFF, 0x7F, 0, 0, 0x00, 0x7C, 0, 0];
        assert_eq!(samples(&bitmap(1, -2, 16, 0, &pixels)), [255, 76]);
    }

    #[test]
    fn every_cut_is_refused() {
        for whole in
            [bitmap(3, 2, 24, 0, &[9; 24]), bitmap(3, 2, 8, 0, &[9; 8]), bitmap(2, 1, 8, 1, &[2, 9, 0, 1])]
        {
            assert!(decode(&whole).is_ok());
            for end in 0..whole.len() {
                assert!(decode(&whole[..end]).is_err(), "{end}");
            }
        }
    }
}
