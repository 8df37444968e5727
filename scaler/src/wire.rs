//! The scaler's protocol as values: requests, replies, errors, and their bytes.
//!
//! `protocol.md` is the normative text; this module is its only implementation, used by both ends.
//!
//! ```text
//! request  ESCALAR 0.5\n       or  ESCALAR 80x90\n   then one PGM or PAM image
//! reply    OK\n + one image    or  ERROR 422 razón\n
//! ```
//!
//! Rules: pure (bytes come in as slices; no I/O, no clock); every limit is checked on the head, before a byte is
//! reserved for samples; a decoder never consumes a byte past its message. Strict syntax: a factor is digits with at
//! most one point, a size two plain numbers, nothing else.
//!
//! ```
//! use scaler::raster::{Channels, Raster};
//! use scaler::wire::{self, Limits, Reply, ReplyDecoder, RequestDecoder, Target};
//!
//! let mut requests = RequestDecoder::new(Limits::default(), wire::allocate);
//! let sent = b"ESCALAR 0.5\nP5\n2 2\n255\n\x00\x10\x20\x30ESCALAR 1\n";
//! assert_eq!(requests.push(sent)?, sent.len() - 10); // the next request stays outside
//! let request = requests.take().expect("all its bytes have come");
//! assert_eq!((request.width, request.height), (1, 1));
//! assert_eq!(request.raster.samples, [0, 16, 32, 48]);
//!
//! let mut replies = ReplyDecoder::new(Limits::default(), wire::allocate);
//! replies.push(b"ERROR 422 factor fuera de rango\n")?;
//! let refused = Reply::Error { code: 422, reason: "factor fuera de rango".to_owned() };
//! assert_eq!(replies.take(), Some(refused));
//! # Ok::<(), wire::WireError>(())
//! ```

mod decoder;
mod header;

pub(crate) use decoder::HeadBytes;
pub use decoder::{Bulk, Decoder, Head, ReplyDecoder, ReplyHead, RequestDecoder, RequestHead};

use std::fmt;

use crate::raster::{Channels, Raster};

/// Smallest factor, inclusive.
pub const FACTOR_MIN: f64 = 0.001;
/// Largest factor, inclusive.
pub const FACTOR_MAX: f64 = 10.0;
/// Bytes of a request's or reply's line and image header together, comments included. A head is parsed again each
/// time bytes of it arrive: this limit keeps that cheap for a peer that sends them one by one.
pub const HEAD_MAX: usize = 4096;

/// Limits of both the source and the resulting image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most pixels, width times height.
    pub pixels_max: u64,
    /// Longest side in pixels.
    pub side_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { pixels_max: 100_000_000, side_max: 65_535 }
    }
}

impl Limits {
    fn check(&self, width: u32, height: u32) -> Result<(), WireError> {
        if width > self.side_max || height > self.side_max {
            return Err(WireError::SideTooLong { width, height, side_max: self.side_max });
        }
        if u64::from(width) * u64::from(height) > self.pixels_max {
            return Err(WireError::TooManyPixels { width, height, pixels_max: self.pixels_max });
        }
        Ok(())
    }
}

/// The requested size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// Both sides times this factor, [`FACTOR_MIN`] to [`FACTOR_MAX`]; see [`scaled_side`].
    Factor(f64),
    /// Exactly this size in pixels, whatever the aspect.
    Size {
        /// Columns, at least 1.
        width: u32,
        /// Rows, at least 1.
        height: u32,
    },
}

impl Target {
    /// `0.5` or `80x90`, as in the request line.
    ///
    /// # Errors
    /// [`WireError::Factor`] or [`WireError::Size`], both 422.
    pub fn parse(text: &[u8]) -> Result<Self, WireError> {
        let Some(cross) = text.iter().position(|&byte| byte == b'x') else {
            return parse_factor(text).map(Self::Factor).ok_or(WireError::Factor);
        };
        let (width, height) = (header::number(&text[..cross]), header::number(&text[cross + 1..]));
        match (width, height) {
            (Some(width @ 1..), Some(height @ 1..)) => Ok(Self::Size { width, height }),
            _ => Err(WireError::Size),
        }
    }

    /// Columns and rows of the result for a source of `width` times `height` pixels.
    #[must_use]
    pub fn apply(self, width: u32, height: u32) -> (u32, u32) {
        match self {
            Self::Factor(factor) => (scaled_side(width, factor), scaled_side(height, factor)),
            Self::Size { width, height } => (width, height),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Factor(factor) => write!(f, "{factor}"),
            Self::Size { width, height } => write!(f, "{width}x{height}"),
        }
    }
}

/// A scale factor: decimal digits with at most one point, value from [`FACTOR_MIN`] to [`FACTOR_MAX`]. No sign,
/// exponent, white space, `inf`, `nan` or hexadecimal. Both programs use this definition.
#[must_use]
pub fn parse_factor(text: &[u8]) -> Option<f64> {
    let points = text.iter().filter(|&&byte| byte == b'.').count();
    let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
    if points > 1 || digits == 0 || digits + points != text.len() {
        return None;
    }
    let factor: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (FACTOR_MIN..=FACTOR_MAX).contains(&factor).then_some(factor)
}

/// The new length of a side: the product in double precision, truncated (Python's `int(side * factor)`), at least 1.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "truncation is the definition, and `as` saturates what can't be a side"
)]
pub fn scaled_side(side: u32, factor: f64) -> u32 {
    ((f64::from(side) * factor) as u32).max(1)
}

/// One complete request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The picture to resize.
    pub raster: Raster,
    /// Columns of the result, within the limits.
    pub width: u32,
    /// Rows of the result, within the limits.
    pub height: u32,
}

/// One complete reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The resized picture.
    Image(Raster),
    /// The scaler refused: the connection is unusable after this.
    Error {
        /// As in HTTP.
        code: u16,
        /// Spanish, one line.
        reason: String,
    },
}

/// The bytes that go before the samples of a request.
#[must_use]
pub fn emit_request_head(target: Target, width: u32, height: u32, channels: Channels) -> Vec<u8> {
    format!("ESCALAR {target}\n{}", header::emit(width, height, channels)).into_bytes()
}

/// The bytes that go before the samples of a good reply.
#[must_use]
pub fn emit_reply_head(width: u32, height: u32, channels: Channels) -> Vec<u8> {
    format!("OK\n{}", header::emit(width, height, channels)).into_bytes()
}

/// A whole error reply. Line ends within the reason become spaces.
#[must_use]
pub fn emit_error(code: u16, reason: &str) -> Vec<u8> {
    format!("ERROR {code} {}\n", reason.replace(['\r', '\n'], " ")).into_bytes()
}

/// An empty buffer with room for `capacity` bytes, or `None` without memory: a decoder's default source of sample
/// buffers.
#[must_use]
pub fn allocate(capacity: usize) -> Option<Vec<u8>> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(capacity).ok()?;
    Some(buffer)
}

/// Why bytes are no valid message. `Display` is the Spanish reason of an `ERROR` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// The request line is invalid.
    Line,
    /// The reply line is invalid.
    ReplyLine,
    /// Line and image header exceed [`HEAD_MAX`].
    HeadTooLong,
    /// The factor is invalid or out of range.
    Factor,
    /// The size is invalid, or has a side of 0.
    Size,
    /// The image begins with the magic number of neither PGM (binary) nor PAM.
    NotAnImage,
    /// The image's header breaks the format's rules.
    Header,
    /// A PGM or PAM of a kind that is not gray in 8 bits.
    Unsupported,
    /// A side exceeds the limit, before or after scaling.
    SideTooLong {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// The limit.
        side_max: u32,
    },
    /// Too many pixels, before or after scaling.
    TooManyPixels {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// The limit.
        pixels_max: u64,
    },
    /// The peer closed in the middle of a message.
    Truncated,
    /// No memory for the samples.
    Memory,
}

impl WireError {
    /// The code of the `ERROR` line, as in HTTP.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Line | Self::HeadTooLong | Self::Header | Self::Truncated => 400,
            Self::NotAnImage => 415,
            Self::Factor
            | Self::Size
            | Self::Unsupported
            | Self::SideTooLong { .. }
            | Self::TooManyPixels { .. } => 422,
            Self::ReplyLine => 502,
            Self::Memory => 503,
        }
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line => write!(f, "la petición debe empezar por «ESCALAR FACTOR» o «ESCALAR ANCHOxALTO»"),
            Self::ReplyLine => write!(f, "la respuesta no empieza por «OK» ni por «ERROR»"),
            Self::HeadTooLong => write!(f, "la cabecera pasa de {HEAD_MAX} bytes"),
            Self::Factor => {
                write!(f, "el factor debe ser un número decimal entre {FACTOR_MIN} y {FACTOR_MAX}")
            }
            Self::Size => write!(f, "el tamaño debe ser ANCHOxALTO, en píxeles, con lados de 1 o más"),
            Self::NotAnImage => write!(f, "la imagen no es PGM binaria (P5) ni PAM (P7)"),
            Self::Header => write!(f, "la cabecera de la imagen está mal formada"),
            Self::Unsupported => {
                write!(f, "solo se admiten grises de 8 bits (máximo 255), con o sin transparencia")
            }
            Self::SideTooLong { width, height, side_max } => {
                write!(f, "{width}x{height}: ningún lado puede pasar de {side_max} píxeles")
            }
            Self::TooManyPixels { width, height, pixels_max } => {
                write!(f, "{width}x{height}: el límite es de {pixels_max} píxeles (--max-pixeles)")
            }
            Self::Truncated => write!(f, "la conexión se cerró antes del final de la imagen"),
            Self::Memory => write!(f, "no hay memoria para la imagen"),
        }
    }
}

impl std::error::Error for WireError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_are_digits_with_at_most_one_point_within_the_range() {
        for (text, value) in [
            ("0.5", 0.5),
            ("1", 1.0),
            ("10", 10.0),
            ("0.001", 0.001),
            (".5", 0.5),
            ("2.", 2.0),
            ("010.0", 10.0),
        ] {
            assert_eq!(parse_factor(text.as_bytes()), Some(value), "{text}");
        }
        for text in [
            "",
            ".",
            "1.2.3",
            "-1",
            "+1",
            "1e0",
            "1E0",
            "inf",
            "nan",
            "NaN",
            "0x1",
            " 1",
            "1 ",
            "1,5",
            "0",
            "0.0",
            "0.0009",
            "10.0001",
            "11",
            "1_0",
            "١",
            "99999999999999999999999999",
        ] {
            assert_eq!(parse_factor(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_factor(b"0.5\xff"), None);
    }

    #[test]
    fn sides_are_truncated_and_never_zero() {
        assert_eq!(scaled_side(640, 0.5), 320);
        assert_eq!(scaled_side(427, 0.5), 213);
        assert_eq!(scaled_side(1, 0.001), 1);
        assert_eq!(scaled_side(999, 0.001), 1);
        assert_eq!(scaled_side(65_535, 10.0), 655_350);
        // int(100 * 0.29) is 28 in Python too: 0.29 lies just below.
        assert_eq!(scaled_side(100, 0.29), 28);
    }

    #[test]
    fn targets_read_back_what_they_print() {
        for target in [Target::Factor(0.001), Target::Factor(1.5), Target::Size { width: 80, height: 90 }] {
            assert_eq!(Target::parse(target.to_string().as_bytes()), Ok(target));
        }
        for text in ["0x5", "5x0", "x", "5x", "x5", "5x5x5", "-5x5", "5X5", "5x 5", "4294967296x0"] {
            assert!(Target::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn an_error_is_always_one_line() {
        assert_eq!(emit_error(400, "a\r\nb"), b"ERROR 400 a  b\n");
    }
}
