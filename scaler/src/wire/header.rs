//! Headers of PGM (binary, `P5`) and PAM (`P7`) images: parse and emit.
//!
//! Sources: pgm(5) and pam(5) of Netpbm. Only gray with 8 bits: PGM of maxval 255, PAM of maxval 255 with TUPLTYPE
//! GRAYSCALE (DEPTH 1) or GRAYSCALE_ALPHA (DEPTH 2). Numbers beyond `u32` saturate, so that the limits refuse them
//! with their own error.
//!
//! Comments in PGM: `#` to the end of the line, wherever white space may be; right after the maxval the comment's
//! line end is the one white space byte before the samples, as in Netpbm's own reader.

use super::WireError;
use crate::raster::Channels;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) channels: Channels,
}

impl Shape {
    /// Bytes of samples.
    pub(super) fn samples(self) -> Result<usize, WireError> {
        let pixels = u64::from(self.width) * u64::from(self.height);
        let samples =
            usize::try_from(pixels).ok().and_then(|pixels| pixels.checked_mul(self.channels.count()));
        // More than the address space can't be allocated either.
        samples.filter(|&samples| samples <= isize::MAX as usize).ok_or(WireError::Memory)
    }
}

/// The shape and the header's length in bytes; `None` while the header is incomplete.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Shape, usize)>, WireError> {
    match bytes {
        [] | [b'P'] => Ok(None),
        [b'P', b'5', ..] => parse_pgm(bytes),
        [b'P', b'7', ..] => parse_pam(bytes),
        _ => Err(WireError::NotAnImage),
    }
}

pub(super) fn emit(width: u32, height: u32, channels: Channels) -> String {
    match channels {
        Channels::Luma => format!("P5\n{width} {height}\n255\n"),
        Channels::LumaAlpha => format!(
            "P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH 2\nMAXVAL 255\nTUPLTYPE GRAYSCALE_ALPHA\nENDHDR\n"
        ),
    }
}

/// Decimal digits only; saturates.
pub(super) fn number(text: &[u8]) -> Option<u32> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(
        text.iter()
            .fold(0, |value: u32, digit| value.saturating_mul(10).saturating_add(u32::from(digit - b'0'))),
    )
}

fn parse_pgm(bytes: &[u8]) -> Result<Option<(Shape, usize)>, WireError> {
    let mut at = 2;
    let mut fields = [0; 3];
    for field in &mut fields {
        let Some(start) = skip_space(bytes, at) else { return Ok(None) };
        if start == at {
            return Err(WireError::Header);
        }
        let digits = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        at = start + digits;
        if at == bytes.len() {
            return Ok(None);
        }
        *field = number(&bytes[start..at]).ok_or(WireError::Header)?;
    }
    let raster = match bytes[at] {
        b'#' => match bytes[at..].iter().position(|&byte| byte == b'\n') {
            Some(end) => at + end + 1,
            None => return Ok(None),
        },
        byte if is_space(byte) => at + 1,
        _ => return Err(WireError::Header),
    };
    let [width, height, maxval] = fields;
    shape(width, height, maxval, Channels::Luma).map(|shape| Some((shape, raster)))
}

/// Where the next token begins; `None` while unknown.
fn skip_space(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            b'#' => at += bytes[at..].iter().position(|&byte| byte == b'\n')? + 1,
            byte if is_space(byte) => at += 1,
            _ => return Some(at),
        }
    }
}

/// C's isspace, which pgm(5) means: `is_ascii_whitespace` lacks the vertical tab.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

fn parse_pam(bytes: &[u8]) -> Result<Option<(Shape, usize)>, WireError> {
    let mut fields = PamFields::default();
    let mut at = 0;
    let mut lines = bytes.split_inclusive(|&byte| byte == b'\n');
    while let Some([line @ .., b'\n']) = lines.next() {
        let first = at == 0;
        at += line.len() + 1;
        match line.trim_ascii() {
            b"P7" if first => {}
            _ if first => return Err(WireError::Header),
            b"ENDHDR" => return fields.shape().map(|shape| Some((shape, at))),
            line => fields.read(line)?,
        }
    }
    // Only the end of the first line may be missing: white space.
    let first_line_can_end = at > 0 || bytes.iter().skip(2).all(|&byte| is_space(byte));
    if first_line_can_end { Ok(None) } else { Err(WireError::Header) }
}

#[derive(Default)]
struct PamFields<'a> {
    width: Option<u32>,
    height: Option<u32>,
    depth: Option<u32>,
    maxval: Option<u32>,
    tuple_type: Option<&'a [u8]>,
}

impl<'a> PamFields<'a> {
    fn read(&mut self, line: &'a [u8]) -> Result<(), WireError> {
        if line.is_empty() || line[0] == b'#' {
            return Ok(());
        }
        let space = line.iter().position(|&byte| is_space(byte)).ok_or(WireError::Header)?;
        let (name, value) = (&line[..space], line[space..].trim_ascii());
        let field = match name {
            b"WIDTH" => &mut self.width,
            b"HEIGHT" => &mut self.height,
            b"DEPTH" => &mut self.depth,
            b"MAXVAL" => &mut self.maxval,
            b"TUPLTYPE" if self.tuple_type.is_none() => {
                self.tuple_type = Some(value);
                return Ok(());
            }
            _ => return Err(WireError::Header),
        };
        match field.replace(number(value).ok_or(WireError::Header)?) {
            None => Ok(()),
            Some(_) => Err(WireError::Header),
        }
    }

    fn shape(&self) -> Result<Shape, WireError> {
        let (Some(width), Some(height), Some(depth), Some(maxval)) =
            (self.width, self.height, self.depth, self.maxval)
        else {
            return Err(WireError::Header);
        };
        let channels = match (self.tuple_type, depth) {
            (Some(b"GRAYSCALE"), 1) => Channels::Luma,
            (Some(b"GRAYSCALE_ALPHA"), 2) => Channels::LumaAlpha,
            _ => return Err(WireError::Unsupported),
        };
        shape(width, height, maxval, channels)
    }
}

fn shape(width: u32, height: u32, maxval: u32, channels: Channels) -> Result<Shape, WireError> {
    if width == 0 || height == 0 || maxval == 0 {
        return Err(WireError::Header);
    }
    if maxval != 255 {
        return Err(WireError::Unsupported);
    }
    Ok(Shape { width, height, channels })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LUMA_2X3: Shape = Shape { width: 2, height: 3, channels: Channels::Luma };
    const ALPHA_2X3: Shape = Shape { width: 2, height: 3, channels: Channels::LumaAlpha };

    /// Checks the whole header, every prefix, and trailing data: the result must not depend on the cut.
    fn check(header: &[u8], expected: Result<Shape, WireError>) {
        let text = String::from_utf8_lossy(header);
        match expected {
            Ok(shape) => {
                for cut in 0..header.len() {
                    assert_eq!(parse(&header[..cut]), Ok(None), "{text:?} cut at {cut}");
                }
                for trailing in [&b""[..], b"\n", b"# 12 34\n", b"\xff\x00"] {
                    let bytes = [header, trailing].concat();
                    assert_eq!(parse(&bytes), Ok(Some((shape, header.len()))), "{text:?} + {trailing:?}");
                }
            }
            Err(error) => {
                assert_eq!(parse(header), Err(error), "{text:?}");
                assert_eq!(parse(&[header, b"\n\x80"].concat()), Err(error), "{text:?} + trailing");
                let first = (0..=header.len()).find(|&cut| parse(&header[..cut]).is_err());
                for cut in first.unwrap_or(header.len())..header.len() {
                    assert_eq!(parse(&header[..cut]), Err(error), "{text:?} cut at {cut}");
                }
            }
        }
    }

    #[test]
    fn pgm_headers_with_every_kind_of_space_and_comment() {
        for header in [
            "P5\n2 3\n255\n",
            "P5 2 3 255 ",
            "P5\t2\r\n3\x0b255\x0c",
            "P5\n# hecho a mano\n2 3\n255\n",
            "P5#2 2\n2#3\n 3\n#\n#\n255\n",
            "P5\n2 3\n255# the comment's end is the white space\n",
            "P5\n002 3\n0255\n",
        ] {
            check(header.as_bytes(), Ok(LUMA_2X3));
        }
    }

    #[test]
    fn pgm_headers_that_are_refused() {
        for (header, error) in [
            ("P5x2 3 255\n", WireError::Header),
            ("P52 3 255\n", WireError::Header),
            ("P5\n-2 3\n255\n", WireError::Header),
            ("P5\n2x3\n255\n", WireError::Header),
            ("P5\n2 3\n255x", WireError::Header),
            ("P5\n0 3\n255\n", WireError::Header),
            ("P5\n2 0\n255\n", WireError::Header),
            ("P5\n2 3\n0\n", WireError::Header),
            ("P5\n2 3\n254\n", WireError::Unsupported),
            ("P5\n2 3\n65535\n", WireError::Unsupported),
            ("P6\n2 3\n255\n", WireError::NotAnImage),
            ("P2\n2 3\n255\n", WireError::NotAnImage),
            ("\u{0}", WireError::NotAnImage),
            ("GIF89a", WireError::NotAnImage),
        ] {
            check(header.as_bytes(), Err(error));
        }
    }

    #[test]
    fn pam_headers() {
        for (header, shape) in [
            ("P7\nWIDTH 2\nHEIGHT 3\nDEPTH 1\nMAXVAL 255\nTUPLTYPE GRAYSCALE\nENDHDR\n", LUMA_2X3),
            ("P7\nWIDTH 2\nHEIGHT 3\nDEPTH 2\nMAXVAL 255\nTUPLTYPE GRAYSCALE_ALPHA\nENDHDR\n", ALPHA_2X3),
            (
                "P7 \r\nWIDTH 2\r\nHEIGHT 3\r\nDEPTH 1\r\nMAXVAL 255\r\nTUPLTYPE GRAYSCALE\r\nENDHDR\r\n",
                LUMA_2X3,
            ),
            (
                "P7\n# ancho al final\nTUPLTYPE  GRAYSCALE_ALPHA \n\nMAXVAL\t255\r\nDEPTH 2\nHEIGHT 3\nWIDTH 2\nENDHDR\n",
                ALPHA_2X3,
            ),
        ] {
            check(header.as_bytes(), Ok(shape));
        }
    }

    #[test]
    fn pam_headers_that_are_refused() {
        let header = |lines: &str| format!("P7\n{lines}ENDHDR\n");
        for (lines, error) in [
            ("", WireError::Header),
            ("WIDTH 2\nHEIGHT 3\nDEPTH 1\nTUPLTYPE GRAYSCALE\n", WireError::Header),
            ("WIDTH 2\nWIDTH 2\nHEIGHT 3\nDEPTH 1\nMAXVAL 255\nTUPLTYPE GRAYSCALE\n", WireError::Header),
            ("WIDTH 0\nHEIGHT 3\nDEPTH 1\nMAXVAL 255\nTUPLTYPE GRAYSCALE\n", WireError::Header),
            ("WIDTH -2\n", WireError::Header),
            ("WIDTH\n", WireError::Header),
            ("COLOR 2\n", WireError::Header),
            ("WIDTH 2\nHEIGHT 3\nDEPTH 1\nMAXVAL 255\n", WireError::Unsupported),
            ("WIDTH 2\nHEIGHT 3\nDEPTH 2\nMAXVAL 255\nTUPLTYPE GRAYSCALE\n", WireError::Unsupported),
            ("WIDTH 2\nHEIGHT 3\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\n", WireError::Unsupported),
            ("WIDTH 2\nHEIGHT 3\nDEPTH 1\nMAXVAL 1\nTUPLTYPE BLACKANDWHITE\n", WireError::Unsupported),
            ("WIDTH 2\nHEIGHT 3\nDEPTH 1\nMAXVAL 65535\nTUPLTYPE GRAYSCALE\n", WireError::Unsupported),
        ] {
            check(header(lines).as_bytes(), Err(error));
        }
        check(b"P7 332\n", Err(WireError::Header));
    }

    #[test]
    fn numbers_saturate_so_that_the_limits_can_name_them() {
        assert_eq!(number(b"99999999999999999999"), Some(u32::MAX));
        assert_eq!(number(b""), None);
    }

    #[test]
    fn what_is_emitted_is_parsed_back() {
        for shape in [LUMA_2X3, ALPHA_2X3] {
            let header = emit(shape.width, shape.height, shape.channels);
            assert_eq!(parse(header.as_bytes()), Ok(Some((shape, header.len()))));
        }
    }
}
