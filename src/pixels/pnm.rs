//! Netpbm: PBM, PGM, PPM in text and binary (P1 to P6) and PAM (P7), read by a reader of our own.
//!
//! It follows netpbm(1): a comment, from # to the end of its line, may stand wherever the header or a text may have
//! white space, also directly behind the header's last number; a single white space separates that from binary samples.
//! The image crate's reader knows comments neither there nor in text, and holds the samples of a whole picture.
//!
//! Samples are scaled from 0..=maxval to 0..=255, above a maxval of 255 to 16 bits, of which the high byte counts. A
//! sample above maxval counts as maxval. Only the first picture of a file is read. Floats (PF, Pf) are not supported.
//!
//! Work: the header has at most 32 KiB; then each byte is read once, and each pixel written once. One row of samples is
//! allocated beside the raster.

use scaler::raster::Raster;

use super::gray::{Layout, row_to_gray, saturate};
use super::header::{PictureHeader, check_size, undecodable};
use super::{cost, image, interrupt};
use crate::model::error::WorkError;
use crate::model::image::PixelLimits;
use crate::model::job::Cancel;

const NAME: &str = "PNM";

/// Bytes a header may have, comments included.
const HEADER_MAX: usize = 32 * 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
enum PnmCoding {
    /// Digits, at least a byte a sample.
    Text,
    /// Eight pixels a byte, rows padded to whole bytes.
    Bits,
    /// One byte a sample, or two if maxval is above 255.
    Binary,
}

struct PnmHeader {
    width: u32,
    height: u32,
    /// Samples of a pixel: gray, gray and alpha, colours, colours and alpha.
    depth: u32,
    maxval: u32,
    coding: PnmCoding,
    /// Bytes of it.
    length: usize,
}

impl PnmHeader {
    fn read(bytes: &[u8]) -> Result<Self, WorkError> {
        let head = &bytes[..bytes.len().min(HEADER_MAX)];
        match bytes.get(1) {
            Some(b'1') => Self::plain(head, 1, PnmCoding::Text, true),
            Some(b'2') => Self::plain(head, 1, PnmCoding::Text, false),
            Some(b'3') => Self::plain(head, 3, PnmCoding::Text, false),
            Some(b'4') => Self::plain(head, 1, PnmCoding::Bits, true),
            Some(b'5') => Self::plain(head, 1, PnmCoding::Binary, false),
            Some(b'6') => Self::plain(head, 3, PnmCoding::Binary, false),
            Some(b'7') => Self::pam(head),
            _ => Err(damaged()),
        }
    }

    /// P1 to P6: width, height, and maxval unless it is a bitmap; the samples.
    fn plain(head: &[u8], depth: u32, coding: PnmCoding, bitmap: bool) -> Result<Self, WorkError> {
        let mut rest = head.get(2..).unwrap_or_default();
        let (width, height) = (number(&mut rest)?, number(&mut rest)?);
        let maxval = if bitmap { 1 } else { number(&mut rest)? };
        Ok(PnmHeader { width, height, depth, maxval, coding, length: head.len() - rest.len() })
    }

    /// P7: lines of a keyword and its value, until ENDHDR.
    fn pam(head: &[u8]) -> Result<Self, WorkError> {
        let (mut width, mut height, mut depth, mut maxval) = (0, 0, 0, 0);
        let mut tuple: &[u8] = b"";
        let mut rest = head.strip_prefix(b"P7\n").ok_or_else(damaged)?;
        loop {
            let end = rest.iter().position(|&b| b == b'\n').ok_or_else(truncated)?;
            let line = &rest[..end];
            rest = &rest[end + 1..];
            let (keyword, value) =
                line.split_at(line.iter().position(u8::is_ascii_whitespace).unwrap_or(end));
            let word = value.trim_ascii();
            let value = || digits(word).ok_or_else(damaged);
            match keyword {
                b"WIDTH" => width = value()?,
                b"HEIGHT" => height = value()?,
                b"DEPTH" => depth = value()?,
                b"MAXVAL" => maxval = value()?,
                b"TUPLTYPE" => tuple = word,
                b"ENDHDR" => break,
                _ if line.starts_with(b"#") => {}
                _ => return Err(damaged()),
            }
        }
        if !(1..=4).contains(&depth) {
            return Err(WorkError::Undecodable(format!(
                "el PAM tiene {depth} canales por píxel, que no son de gris ni de color"
            )));
        }
        let named = match tuple {
            b"" => depth,
            b"GRAYSCALE" | b"BLACKANDWHITE" => 1,
            b"GRAYSCALE_ALPHA" | b"BLACKANDWHITE_ALPHA" => 2,
            b"RGB" => 3,
            b"RGB_ALPHA" => 4,
            _ => return Err(undecodable("el PAM no es de gris ni de color RGB, según su TUPLTYPE")),
        };
        if named != depth {
            return Err(undecodable("el PAM tiene otro número de canales que los de su TUPLTYPE"));
        }
        let length = head.len() - rest.len();
        Ok(PnmHeader { width, height, depth, maxval, coding: PnmCoding::Binary, length })
    }

    /// Whether there may be such a picture.
    fn check(&self) -> Result<(), WorkError> {
        let PnmHeader { width, height, maxval, .. } = *self;
        if width == 0 || height == 0 || !(1..=65_535).contains(&maxval) {
            return Err(damaged());
        }
        Ok(())
    }

    /// Whether there are samples enough.
    fn check_samples(&self, bytes: &[u8]) -> Result<(), WorkError> {
        let PnmHeader { width, height, depth, .. } = *self;
        let needed = match self.coding {
            PnmCoding::Text => cost::area(width, height, depth.into()),
            PnmCoding::Bits => cost::area(width.div_ceil(8), height, 1),
            PnmCoding::Binary => cost::area(width, height, self.sample_bytes() * u64::from(depth)),
        };
        if (bytes.len().saturating_sub(self.length) as u64) < needed {
            return Err(WorkError::Undecodable(format!(
                "el PNM está incompleto: declara {width}x{height} píxeles y no trae tantos"
            )));
        }
        Ok(())
    }

    fn sample_bytes(&self) -> u64 {
        if self.maxval > 255 { 2 } else { 1 }
    }

    fn layout(&self) -> Layout {
        match self.depth {
            1 => Layout::Gray,
            2 => Layout::GrayAlpha,
            3 => Layout::Rgb,
            _ => Layout::Rgba,
        }
    }

    /// A sample in 8 bits.
    fn scaled(&self, sample: u32) -> u8 {
        let (sample, maxval) = (u64::from(sample.min(self.maxval)), u64::from(self.maxval));
        if maxval > 255 {
            saturate(((sample * 65_535 + maxval / 2) / maxval) >> 8)
        } else {
            saturate((sample * 255 + maxval / 2) / maxval)
        }
    }
}

/// The next number of a header, and the character behind it; what stands before it is white space and comments.
fn number(rest: &mut &[u8]) -> Result<u32, WorkError> {
    skip_space(rest);
    let length = rest.iter().take_while(|b| !b.is_ascii_whitespace() && **b != b'#').count();
    let (word, after) = rest.split_at(length);
    let (&next, behind) = after.split_first().ok_or_else(truncated)?;
    *rest = if next == b'#' { behind_comment(after) } else { behind };
    digits(word).ok_or_else(damaged)
}

fn skip_space(rest: &mut &[u8]) {
    loop {
        *rest = rest.trim_ascii_start();
        if rest.first() != Some(&b'#') {
            return;
        }
        *rest = behind_comment(rest);
    }
}

/// What follows the end of a comment's line.
fn behind_comment(comment: &[u8]) -> &[u8] {
    let end = comment.iter().position(|&b| b == b'\n' || b == b'\r');
    end.map_or(b"", |end| &comment[end + 1..])
}

/// A decimal number without sign.
fn digits(word: &[u8]) -> Option<u32> {
    if word.is_empty() {
        return None;
    }
    word.iter().try_fold(0u32, |sum, b| {
        let digit = b.is_ascii_digit().then(|| u32::from(b - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

fn truncated() -> WorkError {
    image::truncated(NAME)
}

fn damaged() -> WorkError {
    undecodable("la cabecera del PNM está mal escrita")
}

pub(super) fn probe(bytes: &[u8], limits: &PixelLimits) -> Result<PictureHeader, WorkError> {
    let header = PnmHeader::read(bytes)?;
    let PnmHeader { width, height, depth, .. } = header;
    header.check()?;
    // The limit is told first: more bytes would not help a picture that passes it.
    check_size(width, height, limits)?;
    header.check_samples(bytes)?;
    let raster = cost::area(width, height, header.layout().channels().count() as u64);
    let row = cost::area(width, 1, depth.into());
    Ok(PictureHeader { width, height, cost: cost::BASE.saturating_add(raster).saturating_add(row) })
}

pub(super) fn decode(bytes: &[u8], cancelled: &Cancel) -> Result<Raster, WorkError> {
    let header = PnmHeader::read(bytes)?;
    header.check()?;
    header.check_samples(bytes)?;
    let PnmHeader { width, height, depth, maxval, coding, length } = header;
    let layout = header.layout();
    let channels = layout.channels();
    let stride = width as usize * channels.count();
    let mut samples = vec![0; stride * height as usize];
    let mut row = vec![0; width as usize * depth as usize];
    let mut rest = bytes.get(length..).ok_or_else(truncated)?;
    let scaled: [u8; 256] = std::array::from_fn(|sample| header.scaled(u32::try_from(sample).unwrap_or(255)));
    for out in samples.chunks_exact_mut(stride) {
        interrupt::check(cancelled)?;
        match coding {
            PnmCoding::Text if maxval == 1 && depth == 1 && bytes.get(1) == Some(&b'1') => {
                for sample in &mut row {
                    *sample = text_bit(&mut rest)?;
                }
            }
            PnmCoding::Text => {
                for sample in &mut row {
                    *sample = header.scaled(text_number(&mut rest)?);
                }
            }
            PnmCoding::Bits => {
                let (stored, behind) = rest.split_at_checked(row.len().div_ceil(8)).ok_or_else(truncated)?;
                rest = behind;
                for (eight, &bits) in row.chunks_mut(8).zip(stored) {
                    for (sample, shift) in eight.iter_mut().zip((0..8).rev()) {
                        *sample = if bits >> shift & 1 == 1 { 0 } else { 255 };
                    }
                }
            }
            PnmCoding::Binary if maxval > 255 => {
                let (stored, behind) = rest.split_at_checked(2 * row.len()).ok_or_else(truncated)?;
                rest = behind;
                for (sample, &pair) in row.iter_mut().zip(stored.as_chunks().0) {
                    *sample = header.scaled(u16::from_be_bytes(pair).into());
                }
            }
            PnmCoding::Binary => {
                let (stored, behind) = rest.split_at_checked(row.len()).ok_or_else(truncated)?;
                rest = behind;
                for (sample, &byte) in row.iter_mut().zip(stored) {
                    *sample = scaled[usize::from(byte)];
                }
            }
        }
        row_to_gray(layout, &row, out);
    }
    Ok(Raster { width, height, channels, samples })
}

/// A pixel of a bitmap in text: 1 is black, and nothing needs to part it from the next.
fn text_bit(rest: &mut &[u8]) -> Result<u8, WorkError> {
    skip_space(rest);
    let (bit, behind) = rest.split_first().ok_or_else(truncated)?;
    *rest = behind;
    match bit {
        b'0' => Ok(255),
        b'1' => Ok(0),
        _ => Err(no_number()),
    }
}

/// A sample in text; one that no number of ours can hold is as good as the largest.
fn text_number(rest: &mut &[u8]) -> Result<u32, WorkError> {
    skip_space(rest);
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, behind) = rest.split_at(length);
    match behind.first() {
        _ if digits.is_empty() && behind.is_empty() => return Err(truncated()),
        Some(next) if digits.is_empty() || !next.is_ascii_whitespace() && *next != b'#' => {
            return Err(no_number());
        }
        _ => *rest = behind,
    }
    let value = |sum: u32, digit: &u8| sum.saturating_mul(10).saturating_add(u32::from(digit - b'0'));
    Ok(digits.iter().fold(0, value))
}

fn no_number() -> WorkError {
    undecodable("el PNM trae algo que no es un número entre sus píxeles")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_LIMITS: PixelLimits = PixelLimits { pixels_max: u64::MAX, side_max: u32::MAX };

    fn gray(bytes: &[u8]) -> Result<(u32, u32, Vec<u8>), WorkError> {
        decode(bytes, &Cancel::default()).map(|r| (r.width, r.height, r.samples))
    }

    #[test]
    fn the_seven_kinds() {
        assert_eq!(gray(b"P1 2 2 01 1\n0").unwrap(), (2, 2, vec![255, 0, 0, 255]));
        assert_eq!(gray(b"P2\n2 1\n15\n15 5").unwrap(), (2, 1, vec![255, 85]));
        assert_eq!(gray(b"P3 1 1 255 255 0 0").unwrap(), (1, 1, vec![76]));
        assert_eq!(gray(b"P4 9 1\n\x80\x00").unwrap().2, [0, 255, 255, 255, 255, 255, 255, 255, 255]);
        assert_eq!(gray(b"P5 2 1 255\n\x07\x08").unwrap(), (2, 1, vec![7, 8]));
        assert_eq!(gray(b"P5 1 1 65535\n\x12\xFF").unwrap(), (1, 1, vec![0x12]));
        assert_eq!(gray(b"P2 2 1 65535\n4863 256").unwrap(), (2, 1, vec![0x12, 1]));
        assert_eq!(gray(b"P6 1 1 255\n\x00\xFF\x00").unwrap(), (1, 1, vec![150]));
        let pam = b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 2\nMAXVAL 255\nTUPLTYPE GRAYSCALE_ALPHA\nENDHDR\n\x09\x80";
        assert_eq!(gray(pam).unwrap(), (1, 1, vec![9, 128]));
    }

    #[test]
    fn comments_are_skipped_in_the_head() {
        assert_eq!(gray(b"P2 # ancho\n2 #alto\n1\n# m\xC3\xA1ximo\n255 1\n 2").unwrap().2, [1, 2]);
        let pam =
            b"P7\n# dos\nWIDTH 2\nHEIGHT 1\n# gris\nDEPTH 1\nMAXVAL 255\nTUPLTYPE GRAYSCALE\nENDHDR\nab";
        assert_eq!(gray(pam).unwrap().2, b"ab");
        // Behind the last number: in text anywhere, in binary only before the white space that ends it.
        assert_eq!(gray(b"P2 1 1 255 # uno\n 1").unwrap().2, [1]);
        assert_eq!(gray(b"P5 1 1 255# uno\na").unwrap().2, b"a");
        assert_eq!(gray(b"P5#\n#\r1#x\n1#\n255#\n#").unwrap().2, b"#");
        assert_eq!(gray(b"P5 2 1 255\n# ").unwrap().2, b"# ");
        assert_eq!(gray(b"P2 2 1 9 # a\n1#b\n# c\r9").unwrap().2, [28, 255]);
        assert_eq!(gray(b"P1 2 1#\n1#\n0").unwrap().2, [0, 255]);
    }

    #[test]
    fn values_above_maxval_are_white() {
        assert_eq!(gray(b"P5 1 1 100\n\xC8").unwrap().2, [255]);
        assert_eq!(gray(b"P2 1 1 100 200").unwrap().2, [255]);
        assert_eq!(gray(b"P5 1 1 300\n\x01\x2D").unwrap().2, [255]);
        assert_eq!(gray(b"P2 2 1 100 256 99999999999").unwrap().2, [255, 255]);
    }

    #[test]
    fn every_cut_is_refused() {
        let pam = b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 1\nMAXVAL 255\nTUPLTYPE GRAYSCALE\nENDHDR\n\x09";
        for whole in [&b"P5 2 2 255\nabcd"[..], b"P3 1 1 255\n1 2 3", b"P4 9 2\nabcd", pam] {
            assert!(gray(whole).is_ok());
            for end in 0..whole.len() {
                assert!(gray(&whole[..end]).is_err(), "{end} of {whole:?}");
            }
        }
    }

    #[test]
    fn what_is_no_number_is_named() {
        for bytes in [&b"P2 2 1 9 1 -2"[..], b"P2 2 1 9 1,2 ", b"P1 2 1 0 2", b"P3 1 1 9 1 2 x"] {
            assert_eq!(gray(bytes), Err(no_number()), "{bytes:?}");
        }
    }

    #[test]
    fn tuple_types_agree_with_the_channels() {
        let pam = |depth, tuple: &str, samples: &[u8]| {
            let head = format!("P7\nWIDTH 1\nHEIGHT 1\nDEPTH {depth}\nMAXVAL 65535\n{tuple}ENDHDR\n");
            gray(&[head.as_bytes(), samples].concat())
        };
        assert_eq!(pam(1, "", b"ab").unwrap().2, b"a");
        assert_eq!(pam(2, "TUPLTYPE GRAYSCALE_ALPHA\n", b"abcd").unwrap().2, b"ac");
        for (depth, tuple) in [(4, "TUPLTYPE CMYK\n"), (4, "TUPLTYPE RGB\n"), (3, "TUPLTYPE RGB_ALPHA\n")] {
            assert!(pam(depth, tuple, b"abcdefgh").is_err(), "{tuple}");
        }
    }

    #[test]
    fn a_header_has_an_end() {
        for start in [&b"P5 # "[..], b"P5 ", b"P7\n#", b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 1\nMAXVAL 1\nENDHDR "] {
            let mut endless = start.to_vec();
            endless.resize(1 << 20, b' ');
            assert!(probe(&endless, &NO_LIMITS).is_err());
        }
        let mut endless = b"P5 ".to_vec();
        endless.resize(1 << 20, b'1');
        assert!(probe(&endless, &NO_LIMITS).is_err());
    }

    /// More bytes would not help a picture that is too large.
    #[test]
    fn a_limit_is_told_before_what_is_missing() {
        let limits = PixelLimits { pixels_max: 1000, side_max: 100 };
        for (head, width, height) in
            [("P5 101 1 255\n", 101, 1), ("P4 50 50 ", 50, 50), ("P2 101 1 9\n1", 101, 1)]
        {
            let expected = Err(WorkError::TooManyPixels { width, height });
            assert_eq!(probe(head.as_bytes(), &limits), expected, "{head}");
        }
        assert!(matches!(probe(b"P5 100 1 255\n", &limits), Err(WorkError::Undecodable(_))));
    }
}
