//! Netpbm: PBM, PGM, PPM in text and binary (P1 to P6) and PAM (P7), read straight into gray.
//!
//! Samples are brought from 0..=maxval to 0..=255: up to 255 rounded, above that to 16 bits and cut to the high
//! byte, as Pillow does. Values above maxval count as maxval. Only the first picture of a file is read.

use scaler::raster::{Channels, Raster};

use crate::exchange::job::Failure;

use super::cost;
use super::gray::{Layout, row_to_gray, saturate};
use super::probe::{Found, undecodable};

/// Bytes a header may have, comments included.
const HEADER_MAX: usize = 64 * 1024;

/// How samples are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Coding {
    /// Digits 0 and 1, with or without white space between them; 1 is black.
    TextBits,
    /// Decimal numbers.
    Text,
    /// Eight pixels a byte, rows padded to whole bytes; 1 is black.
    Bits,
    /// One byte a sample, or two (most significant first) if maxval is above 255.
    Binary,
}

struct Header<'a> {
    width: u32,
    height: u32,
    maxval: u32,
    layout: Layout,
    coding: Coding,
    /// What follows the header.
    data: &'a [u8],
}

impl<'a> Header<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Failure> {
        let mut words = Words { bytes: bytes.get(2..).unwrap_or_default(), left: HEADER_MAX };
        let header = match bytes.get(1) {
            Some(b'1') => Self::plain(&mut words, Layout::Gray, Coding::TextBits)?,
            Some(b'2') => Self::plain(&mut words, Layout::Gray, Coding::Text)?,
            Some(b'3') => Self::plain(&mut words, Layout::Rgb, Coding::Text)?,
            Some(b'4') => Self::plain(&mut words, Layout::Gray, Coding::Bits)?,
            Some(b'5') => Self::plain(&mut words, Layout::Gray, Coding::Binary)?,
            Some(b'6') => Self::plain(&mut words, Layout::Rgb, Coding::Binary)?,
            Some(b'7') => Self::pam(&mut words)?,
            _ => return Err(damaged()),
        };
        if header.width == 0 || header.height == 0 || !(1..=65_535).contains(&header.maxval) {
            return Err(damaged());
        }
        // No text is shorter than one byte a sample.
        let samples = cost::area(header.width, header.height, header.layout.bytes() as u64);
        let needed = match header.coding {
            Coding::TextBits | Coding::Text => samples,
            Coding::Bits => u64::from(header.width.div_ceil(8)) * u64::from(header.height),
            Coding::Binary if header.maxval > 255 => 2 * samples,
            Coding::Binary => samples,
        };
        if (header.data.len() as u64) < needed {
            return Err(Failure::Undecodable(format!(
                "el PNM está incompleto: declara {}x{} píxeles y no trae tantos",
                header.width, header.height
            )));
        }
        Ok(header)
    }

    /// P1 to P6: width, height, and maxval unless it is a bitmap; one white space; the samples.
    fn plain(words: &mut Words<'a>, layout: Layout, coding: Coding) -> Result<Self, Failure> {
        let (width, height) = (words.number()?, words.number()?);
        let maxval = if matches!(coding, Coding::TextBits | Coding::Bits) { 1 } else { words.number()? };
        let data = words.bytes.get(1..).unwrap_or_default();
        Ok(Header { width, height, maxval, layout, coding, data })
    }

    /// P7: lines of a keyword and its value, until ENDHDR.
    fn pam(words: &mut Words<'a>) -> Result<Self, Failure> {
        let (mut width, mut height, mut depth, mut maxval, mut alpha) = (0, 0, 0, 0, false);
        loop {
            match words.word()? {
                b"WIDTH" => width = words.number()?,
                b"HEIGHT" => height = words.number()?,
                b"DEPTH" => depth = words.number()?,
                b"MAXVAL" => maxval = words.number()?,
                b"TUPLTYPE" => alpha = words.word()?.ends_with(b"_ALPHA"),
                b"ENDHDR" => break,
                _ => return Err(damaged()),
            }
        }
        let layout = match (depth, alpha) {
            (1, _) => Layout::Gray,
            (2, true) => Layout::GrayAlpha,
            (3, _) => Layout::Rgb,
            (4, true) => Layout::Rgba,
            _ => {
                return Err(Failure::Undecodable(format!(
                    "el PAM tiene {depth} canales por píxel, que no son de gris ni de color"
                )));
            }
        };
        let data = words.bytes.get(1..).unwrap_or_default();
        Ok(Header { width, height, maxval, layout, coding: Coding::Binary, data })
    }
}

/// The words of a header: white space and comments (from # to the end of the line) separate them.
struct Words<'a> {
    bytes: &'a [u8],
    /// Bytes that may still be taken.
    left: usize,
}

impl<'a> Words<'a> {
    fn word(&mut self) -> Result<&'a [u8], Failure> {
        loop {
            let blank = self.bytes.iter().take_while(|b| b.is_ascii_whitespace()).count();
            self.skip(blank)?;
            if self.bytes.first() != Some(&b'#') {
                break;
            }
            let comment =
                self.bytes.iter().take(self.left).take_while(|&&b| b != b'\n' && b != b'\r').count();
            self.skip(comment)?;
        }
        let length =
            self.bytes.iter().take(self.left).take_while(|b| !b.is_ascii_whitespace() && **b != b'#').count();
        let word = &self.bytes[..length];
        self.skip(length)?;
        if word.is_empty() { Err(truncated()) } else { Ok(word) }
    }

    fn number(&mut self) -> Result<u32, Failure> {
        digits(self.word()?).ok_or_else(damaged)
    }

    fn skip(&mut self, count: usize) -> Result<(), Failure> {
        self.left = self.left.checked_sub(count).ok_or_else(damaged)?;
        self.bytes = &self.bytes[count..];
        Ok(())
    }
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

fn truncated() -> Failure {
    undecodable("el PNM está incompleto")
}

fn damaged() -> Failure {
    undecodable("la cabecera o los números del PNM están mal escritos")
}

pub(super) fn probe(bytes: &[u8]) -> Result<Found, Failure> {
    let header = Header::read(bytes)?;
    let channels = header.layout.channels().count() as u64;
    let raster = cost::area(header.width, header.height, channels);
    let row = cost::area(header.width, 1, 4);
    Ok(Found { width: header.width, height: header.height, cost: cost::BASE + raster + row })
}

pub(super) fn decode(bytes: &[u8]) -> Result<Raster, Failure> {
    let header = Header::read(bytes)?;
    let (width, height) = (header.width as usize, header.height as usize);
    let channels = header.layout.channels();
    let mut samples = vec![0; width * height * channels.count()];
    let mut row = vec![0; width * header.layout.bytes()];
    let mut source = Source { data: header.data, maxval: header.maxval };
    for out in samples.chunks_exact_mut(width * channels.count()) {
        match header.coding {
            Coding::TextBits => source.text_bits(&mut row)?,
            Coding::Text => source.text(&mut row)?,
            Coding::Bits => source.bits(&mut row)?,
            Coding::Binary => source.binary(&mut row)?,
        }
        row_to_gray(header.layout, &row, out);
    }
    debug_assert!(channels == Channels::Luma || header.coding == Coding::Binary);
    Ok(Raster { width: header.width, height: header.height, channels, samples })
}

/// What is left of the samples.
struct Source<'a> {
    data: &'a [u8],
    maxval: u32,
}

impl Source<'_> {
    /// A sample brought to eight bits.
    fn scale(&self, value: u32) -> u8 {
        let (value, most) = (u64::from(value.min(self.maxval)), u64::from(self.maxval));
        saturate(if most < 256 {
            (value * 255 + most / 2) / most
        } else {
            ((value * 65_535 + most / 2) / most) >> 8
        })
    }

    /// Goes to the next byte that is neither white space nor part of a comment.
    fn skip_blank(&mut self) {
        loop {
            let blank = self.data.iter().take_while(|b| b.is_ascii_whitespace()).count();
            self.data = &self.data[blank..];
            if self.data.first() != Some(&b'#') {
                return;
            }
            let comment = self.data.iter().take_while(|&&b| b != b'\n' && b != b'\r').count();
            self.data = &self.data[comment..];
        }
    }

    fn text_bits(&mut self, row: &mut [u8]) -> Result<(), Failure> {
        for out in row {
            self.skip_blank();
            let (digit, rest) = self.data.split_first().ok_or_else(truncated)?;
            *out = match digit {
                b'0' => 255,
                b'1' => 0,
                _ => return Err(damaged()),
            };
            self.data = rest;
        }
        Ok(())
    }

    fn text(&mut self, row: &mut [u8]) -> Result<(), Failure> {
        for out in row {
            self.skip_blank();
            if self.data.is_empty() {
                return Err(truncated());
            }
            let length = self.data.iter().take_while(|b| b.is_ascii_digit()).count();
            let value = digits(&self.data[..length]).ok_or_else(damaged)?;
            *out = self.scale(value);
            self.data = &self.data[length..];
        }
        Ok(())
    }

    fn bits(&mut self, row: &mut [u8]) -> Result<(), Failure> {
        let (packed, rest) = self.data.split_at_checked(row.len().div_ceil(8)).ok_or_else(truncated)?;
        for (out, byte) in row.chunks_mut(8).zip(packed) {
            for (i, out) in out.iter_mut().enumerate() {
                *out = if byte >> (7 - i) & 1 == 1 { 0 } else { 255 };
            }
        }
        self.data = rest;
        Ok(())
    }

    fn binary(&mut self, row: &mut [u8]) -> Result<(), Failure> {
        let width = if self.maxval > 255 { 2 } else { 1 };
        let (stored, rest) = self.data.split_at_checked(row.len() * width).ok_or_else(truncated)?;
        match self.maxval {
            255 => row.copy_from_slice(stored),
            0..=254 => {
                for (out, &byte) in row.iter_mut().zip(stored) {
                    *out = self.scale(byte.into());
                }
            }
            _ => {
                for (out, &pair) in row.iter_mut().zip(stored.as_chunks().0) {
                    *out = self.scale(u16::from_be_bytes(pair).into());
                }
            }
        }
        self.data = rest;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gray(bytes: &[u8]) -> Result<(u32, u32, Vec<u8>), Failure> {
        decode(bytes).map(|r| (r.width, r.height, r.samples))
    }

    #[test]
    fn the_seven_kinds() {
        assert_eq!(gray(b"P1 2 2 01 1\n0").unwrap(), (2, 2, vec![255, 0, 0, 255]));
        assert_eq!(gray(b"P2\n2 1\n15\n15 5").unwrap(), (2, 1, vec![255, 85]));
        assert_eq!(gray(b"P3 1 1 255 255 0 0").unwrap(), (1, 1, vec![76]));
        assert_eq!(gray(b"P4 9 1\n\x80\x00").unwrap().2, [0, 255, 255, 255, 255, 255, 255, 255, 255]);
        assert_eq!(gray(b"P5 2 1 255\n\x07\x08").unwrap(), (2, 1, vec![7, 8]));
        assert_eq!(gray(b"P5 1 1 65535\n\x12\xFF").unwrap(), (1, 1, vec![0x12]));
        assert_eq!(gray(b"P6 1 1 255\n\x00\xFF\x00").unwrap(), (1, 1, vec![150]));
        let pam = b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 2\nMAXVAL 255\nTUPLTYPE GRAYSCALE_ALPHA\nENDHDR\n\x09\x80";
        assert_eq!(gray(pam).unwrap(), (1, 1, vec![9, 128]));
    }

    #[test]
    fn comments_are_skipped_in_head_and_text() {
        assert_eq!(gray(b"P2 # ancho\n2 #alto\n1\n# m\xC3\xA1ximo\n255 1 # fin\n 2").unwrap().2, [1, 2]);
    }

    #[test]
    fn values_above_maxval_are_white() {
        assert_eq!(gray(b"P5 1 1 100\n\xC8").unwrap().2, [255]);
        assert_eq!(gray(b"P2 1 1 100 4000000000").unwrap().2, [255]);
    }

    #[test]
    fn every_cut_is_refused() {
        for whole in [&b"P5 2 2 255\nabcd"[..], b"P3 1 1 255\n1 2 3", b"P4 9 2\nabcd"] {
            assert!(gray(whole).is_ok());
            for end in 2..whole.len() {
                assert!(gray(&whole[..end]).is_err(), "{end} of {whole:?}");
            }
        }
    }

    #[test]
    fn a_header_has_an_end() {
        let mut endless = b"P5 # ".to_vec();
        endless.resize(1 << 20, b'x');
        assert!(probe(&endless).is_err());
        let mut blank = b"P5 ".to_vec();
        blank.resize(1 << 20, b' ');
        assert!(probe(&blank).is_err());
    }
}
