//! Netpbm: PBM, PGM, PPM in text and binary (P1 to P6) and PAM (P7): their header, and decoding with the image crate.
//!
//! Samples are brought from 0..=maxval to 0..=255, above a maxval of 255 to 16 bits, of which the high byte counts.
//! Only the first picture of a file is read.
//!
//! Known limits, which are that crate's: no comment behind the header's last number, as Netpbm has it, and in text no
//! sample that a byte (with a maxval above 255: two) cannot hold.

use ::image::ColorType;
use ::image::codecs::pnm::PnmDecoder;
use scaler::raster::Raster;

use crate::exchange::job::{Cancel, Failure};

use super::cost;
use super::image::{self, Announced};
use super::interrupt::Interruptible;
use super::probe::{Found, undecodable};

const NAME: &str = "PNM";

/// Bytes a header may have, comments included; the decoder keeps a line of a PAM's in memory.
const HEADER_MAX: usize = 32 * 1024;

/// How samples are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Coding {
    /// Digits, at least a byte a sample.
    Text,
    /// Eight pixels a byte, rows padded to whole bytes.
    Bits,
    /// One byte a sample, or two if maxval is above 255.
    Binary,
}

/// What stands before the samples.
struct Header {
    width: u32,
    height: u32,
    /// Samples of a pixel: gray, gray and alpha, colours, colours and alpha.
    depth: u32,
    maxval: u32,
    coding: Coding,
    /// Bytes of it.
    length: usize,
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Self, Failure> {
        let head = &bytes[..bytes.len().min(HEADER_MAX)];
        match bytes.get(1) {
            Some(b'1') => Self::plain(head, 1, Coding::Text, true),
            Some(b'2') => Self::plain(head, 1, Coding::Text, false),
            Some(b'3') => Self::plain(head, 3, Coding::Text, false),
            Some(b'4') => Self::plain(head, 1, Coding::Bits, true),
            Some(b'5') => Self::plain(head, 1, Coding::Binary, false),
            Some(b'6') => Self::plain(head, 3, Coding::Binary, false),
            Some(b'7') => Self::pam(head),
            _ => Err(damaged()),
        }
    }

    /// P1 to P6: width, height, and maxval unless it is a bitmap; one white space; the samples.
    fn plain(head: &[u8], depth: u32, coding: Coding, bitmap: bool) -> Result<Self, Failure> {
        let mut rest = head.get(2..).unwrap_or_default();
        let (width, height) = (number(&mut rest)?, number(&mut rest)?);
        let maxval = if bitmap { 1 } else { number(&mut rest)? };
        Ok(Header { width, height, depth, maxval, coding, length: head.len() - rest.len() + 1 })
    }

    /// P7: lines of a keyword and its value, until ENDHDR. Which tuple types there are is the decoder's business.
    fn pam(head: &[u8]) -> Result<Self, Failure> {
        let (mut width, mut height, mut depth, mut maxval) = (0, 0, 0, 0);
        let mut rest = head.strip_prefix(b"P7\n").ok_or_else(damaged)?;
        loop {
            let end = rest.iter().position(|&b| b == b'\n').ok_or_else(truncated)?;
            let line = &rest[..end];
            rest = &rest[end + 1..];
            let (keyword, value) =
                line.split_at(line.iter().position(u8::is_ascii_whitespace).unwrap_or(end));
            let value = || digits(value.trim_ascii()).ok_or_else(damaged);
            match keyword {
                b"WIDTH" => width = value()?,
                b"HEIGHT" => height = value()?,
                b"DEPTH" => depth = value()?,
                b"MAXVAL" => maxval = value()?,
                b"TUPLTYPE" => {}
                b"ENDHDR" => break,
                _ if line.starts_with(b"#") => {}
                _ => return Err(damaged()),
            }
        }
        if !(1..=4).contains(&depth) {
            return Err(Failure::Undecodable(format!(
                "el PAM tiene {depth} canales por píxel, que no son de gris ni de color"
            )));
        }
        let length = head.len() - rest.len();
        Ok(Header { width, height, depth, maxval, coding: Coding::Binary, length })
    }

    /// What the decoder will hand out, if the samples are there.
    fn announced(&self, bytes: &[u8]) -> Result<Announced, Failure> {
        let Header { width, height, depth, maxval, .. } = *self;
        if width == 0 || height == 0 || !(1..=65_535).contains(&maxval) {
            return Err(damaged());
        }
        let color = match (depth, maxval > 255) {
            (1, false) => ColorType::L8,
            (2, false) => ColorType::La8,
            (3, false) => ColorType::Rgb8,
            (_, false) => ColorType::Rgba8,
            (1, true) => ColorType::L16,
            (2, true) => ColorType::La16,
            (3, true) => ColorType::Rgb16,
            (_, true) => ColorType::Rgba16,
        };
        let announced = Announced { sides: (width, height), color };
        let needed = match self.coding {
            Coding::Text => cost::area(width, height, depth.into()),
            Coding::Bits => cost::area(width.div_ceil(8), height, 1),
            Coding::Binary => announced.bytes(),
        };
        if (bytes.len().saturating_sub(self.length) as u64) < needed {
            return Err(Failure::Undecodable(format!(
                "el PNM está incompleto: declara {width}x{height} píxeles y no trae tantos"
            )));
        }
        Ok(announced)
    }
}

/// The next number of a header: white space and comments (from # to the end of the line) separate them.
fn number(rest: &mut &[u8]) -> Result<u32, Failure> {
    loop {
        *rest = rest.trim_ascii_start();
        if rest.first() != Some(&b'#') {
            break;
        }
        let comment = rest.iter().take_while(|&&b| b != b'\n' && b != b'\r').count();
        *rest = &rest[comment..];
    }
    let length = rest.iter().take_while(|b| !b.is_ascii_whitespace() && **b != b'#').count();
    let (word, after) = rest.split_at(length);
    if after.is_empty() {
        return Err(truncated());
    }
    *rest = after;
    digits(word).ok_or_else(damaged)
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
    image::truncated(NAME)
}

fn damaged() -> Failure {
    undecodable("la cabecera del PNM está mal escrita")
}

pub(super) fn probe(bytes: &[u8]) -> Result<Found, Failure> {
    let header = Header::read(bytes)?;
    let cost = cost::BASE.saturating_add(header.announced(bytes)?.bytes());
    Ok(Found { width: header.width, height: header.height, cost })
}

pub(super) fn decode(bytes: &[u8], cancelled: &Cancel) -> Result<Raster, Failure> {
    let announced = Header::read(bytes)?.announced(bytes)?;
    let decoder =
        PnmDecoder::new(Interruptible::new(bytes, cancelled)).map_err(|e| image::refusal(NAME, &e))?;
    image::decode(NAME, decoder, announced)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gray(bytes: &[u8]) -> Result<(u32, u32, Vec<u8>), Failure> {
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
        assert!(gray(b"P2 1 1 255 # uno\n 1").is_err());
    }

    #[test]
    fn values_above_maxval_are_white() {
        assert_eq!(gray(b"P5 1 1 100\n\xC8").unwrap().2, [255]);
        assert_eq!(gray(b"P2 1 1 100 200").unwrap().2, [255]);
        assert_eq!(gray(b"P5 1 1 300\n\x01\x2D").unwrap().2, [255]);
        assert!(gray(b"P2 1 1 100 256").is_err());
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

    /// Where the decoder takes the header otherwise than the probe, nothing is allocated by it.
    #[test]
    fn two_readings_of_a_header_are_a_refusal() {
        // 12 and 1, or 121?
        assert!(gray(b"P5 12#\n1 1 255\n0123456789ab").is_err());
        // Without a tuple type the decoder takes samples for bytes, whatever maxval is.
        let pam = b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 1\nMAXVAL 65535\nENDHDR\nab";
        assert!(gray(pam).is_err());
    }

    #[test]
    fn a_header_has_an_end() {
        for start in [&b"P5 # "[..], b"P5 ", b"P7\n#", b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 1\nMAXVAL 1\nENDHDR "] {
            let mut endless = start.to_vec();
            endless.resize(1 << 20, b' ');
            assert!(probe(&endless).is_err());
        }
        let mut endless = b"P5 ".to_vec();
        endless.resize(1 << 20, b'1');
        assert!(probe(&endless).is_err());
    }
}
