//! The body of a request: its framing removed, slices of the input handed on.
//!
//! Rules: the decoder takes every byte it is offered until the body ends, so framing that is cut anywhere needs no
//! buffer. Chunk framing is read to the letter of RFC 9112, 7.1 (CR LF alone ends a line, a size is hexadecimal digits,
//! an extension and a trailer keep to the grammar): a fault there is an attack, or leaves a stream that can't be
//! trusted. Extensions and trailers are ignored, and bounded.
//!
//! Refuses to do: count the body against a limit. The caller sees every slice, and counts.
//!
//! ```
//! use tp2::http::body::{BodyDecoder, BodyEvent};
//! use tp2::http::head::Framing;
//!
//! let mut decoder = BodyDecoder::new(Framing::Chunked);
//! let input = b"3\r\nfot\r\n1;x=y\r\no\r\n0\r\n\r\nGET /";
//! let (n, event) = decoder.decode(input)?;
//! assert_eq!(event, BodyEvent::Data(b"fot"));
//! let (m, event) = decoder.decode(&input[n..])?;
//! assert_eq!(event, BodyEvent::Data(b"o"));
//! let (k, event) = decoder.decode(&input[n + m..])?;
//! assert_eq!(event, BodyEvent::Done);
//! assert_eq!(&input[n + m + k..], b"GET /");
//! # Ok::<(), tp2::http::body::BodyError>(())
//! ```
use super::head::{Framing, is_token_byte};

mod error;

pub use error::BodyError;

/// A result of [`BodyDecoder::decode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEvent<'a> {
    /// The next bytes of the body; never empty.
    Data(&'a [u8]),
    /// The whole input is taken, and the body is incomplete.
    NeedMore,
    /// The body is complete; what is left of the input belongs to the next request.
    Done,
}

/// Removes the framing from a body.
#[derive(Clone, Debug)]
pub struct BodyDecoder {
    state: BodyState,
    /// Bytes of extensions so far, in all chunks.
    extension: usize,
    /// Bytes of trailer fields so far.
    trailer: usize,
    /// The name of the trailer field, in lower case, as far as it has come and fits.
    name: [u8; NAME_MAX],
    name_len: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BodyState {
    Length { left: u64 },
    ChunkSize { size: u64, digits: u8 },
    Extension { size: u64, part: ExtensionPart },
    ChunkSizeLf { size: u64 },
    ChunkData { left: u64 },
    ChunkDataCr,
    ChunkDataLf,
    Trailer(TrailerPart),
    LastLf,
    Done,
}

/// chunk-ext = *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ) (RFC 9112, 7.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ExtensionPart {
    BeforeSemicolon,
    BeforeName,
    Name,
    AfterName,
    BeforeValue,
    Value,
    Quoted,
    Escaped,
    AfterValue,
}

/// field-line = field-name ":" OWS field-value OWS (RFC 9112, 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TrailerPart {
    LineStart,
    Name,
    Value,
    LineLf,
}

impl BodyDecoder {
    /// A decoder at the first byte after the head.
    pub fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::None | Framing::Length(0) => BodyState::Done,
            Framing::Length(left) => BodyState::Length { left },
            Framing::Chunked => BodyState::CHUNK_START,
        };
        Self { state, extension: 0, trailer: 0, name: [0; NAME_MAX], name_len: 0 }
    }

    /// Reads on in the body: returns how many bytes of `input` it took, and what they were; a returned slice is the end
    /// of them. Call it again with the rest until it says [`BodyEvent::NeedMore`] or [`BodyEvent::Done`].
    ///
    /// # Errors
    /// A fault in the chunk framing. The error is sticky: no byte is taken after it.
    pub fn decode<'a>(&mut self, input: &'a [u8]) -> Result<(usize, BodyEvent<'a>), BodyError> {
        let mut taken = 0;
        loop {
            let rest = input.get(taken..).unwrap_or_default();
            match (self.state, rest.split_first()) {
                (BodyState::Done, _) => return Ok((taken, BodyEvent::Done)),
                (_, None) => return Ok((taken, BodyEvent::NeedMore)),
                (BodyState::Length { left } | BodyState::ChunkData { left }, Some(_)) => {
                    let n = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    self.state = self.state.after_data(left - n as u64);
                    return Ok((taken + n, BodyEvent::Data(&rest[..n])));
                }
                (_, Some((byte, _))) => {
                    self.state = self.step(*byte)?;
                    taken += 1;
                }
            }
        }
    }

    fn step(&mut self, byte: u8) -> Result<BodyState, BodyError> {
        match self.state {
            BodyState::ChunkSize { size, digits } => match (char::from(byte).to_digit(16), byte) {
                (Some(_), _) if digits == SIZE_DIGITS_MAX => Err(BodyError::ChunkSize),
                (Some(digit), _) => {
                    Ok(BodyState::ChunkSize { size: (size << 4) | u64::from(digit), digits: digits + 1 })
                }
                (None, b'\r') if digits > 0 => Ok(BodyState::ChunkSizeLf { size }),
                (None, b';' | b' ' | b'\t') if digits > 0 => {
                    self.extension_step(size, ExtensionPart::BeforeSemicolon, byte)
                }
                _ => Err(BodyError::ChunkSize),
            },
            BodyState::Extension { size, part } => self.extension_step(size, part, byte),
            BodyState::ChunkSizeLf { size } => match (byte, size) {
                (b'\n', 0) => Ok(BodyState::Trailer(TrailerPart::LineStart)),
                (b'\n', left) => Ok(BodyState::ChunkData { left }),
                _ => Err(BodyError::ChunkSize),
            },
            BodyState::ChunkDataCr if byte == b'\r' => Ok(BodyState::ChunkDataLf),
            BodyState::ChunkDataLf if byte == b'\n' => Ok(BodyState::CHUNK_START),
            BodyState::ChunkDataCr | BodyState::ChunkDataLf => Err(BodyError::ChunkEnd),
            BodyState::Trailer(part) => self.trailer_step(part, byte),
            BodyState::LastLf if byte == b'\n' => Ok(BodyState::Done),
            BodyState::LastLf => Err(BodyError::Trailer),
            // Data is no framing: `decode` handed it on before it came here.
            state @ (BodyState::Length { .. } | BodyState::ChunkData { .. } | BodyState::Done) => Ok(state),
        }
    }

    fn extension_step(&mut self, size: u64, part: ExtensionPart, byte: u8) -> Result<BodyState, BodyError> {
        use ExtensionPart as Part;
        let next = match (part, byte) {
            (Part::BeforeSemicolon, b';') => Part::BeforeName,
            (
                Part::BeforeSemicolon | Part::BeforeName | Part::AfterName | Part::BeforeValue,
                b' ' | b'\t',
            ) => part,
            (Part::BeforeName | Part::Name, _) if is_token_byte(byte) => Part::Name,
            (Part::Name | Part::AfterName, b'=') => Part::BeforeValue,
            (Part::Name | Part::AfterName | Part::Value | Part::AfterValue, b';') => Part::BeforeName,
            (Part::BeforeValue | Part::Value, _) if is_token_byte(byte) => Part::Value,
            (Part::BeforeValue, b'"') => Part::Quoted,
            (Part::Quoted, b'"') => Part::AfterValue,
            (Part::Quoted, b'\\') => Part::Escaped,
            (Part::Quoted | Part::Escaped, _) if is_text_byte(byte) => Part::Quoted,
            (Part::Name, b' ' | b'\t') => Part::AfterName,
            (Part::Value | Part::AfterValue, b' ' | b'\t') => Part::BeforeSemicolon,
            (Part::Name | Part::Value | Part::AfterValue, b'\r') => {
                return Ok(BodyState::ChunkSizeLf { size });
            }
            _ => return Err(BodyError::Extension),
        };
        self.extension += 1;
        if self.extension > EXTENSION_MAX {
            return Err(BodyError::ExtensionTooLong);
        }
        Ok(BodyState::Extension { size, part: next })
    }

    fn trailer_step(&mut self, part: TrailerPart, byte: u8) -> Result<BodyState, BodyError> {
        use TrailerPart as Part;
        if part == Part::LineStart && byte == b'\r' {
            return Ok(BodyState::LastLf);
        }
        self.trailer += 1;
        if self.trailer > TRAILER_MAX {
            return Err(BodyError::TrailerTooLong);
        }
        if part == Part::LineStart {
            self.name_len = 0;
        }
        Ok(BodyState::Trailer(match (part, byte) {
            // RFC 9110, 6.5.1: fields of framing and routing don't belong here.
            (Part::Name, b':')
                if FORBIDDEN.iter().any(|name| self.name.get(..self.name_len) == Some(name)) =>
            {
                return Err(BodyError::TrailerForbidden);
            }
            (Part::Name, b':') => Part::Value,
            (Part::LineStart | Part::Name, _) if is_token_byte(byte) => {
                // A name longer than its place is none of the forbidden ones: its length says so.
                if let Some(slot) = self.name.get_mut(self.name_len) {
                    *slot = byte.to_ascii_lowercase();
                }
                self.name_len += 1;
                Part::Name
            }
            (Part::Value, b'\r') => Part::LineLf,
            (Part::Value, _) if is_text_byte(byte) => Part::Value,
            (Part::LineLf, b'\n') => Part::LineStart,
            _ => return Err(BodyError::Trailer),
        }))
    }
}

impl BodyState {
    const CHUNK_START: Self = Self::ChunkSize { size: 0, digits: 0 };

    /// The state when `left` bytes of the data that it stood in are still to come.
    fn after_data(self, left: u64) -> Self {
        match (self, left) {
            (Self::Length { .. }, 0) => Self::Done,
            (Self::Length { .. }, _) => Self::Length { left },
            (_, 0) => Self::ChunkDataCr,
            (_, _) => Self::ChunkData { left },
        }
    }
}

/// A byte of a quoted string or of a field value: no control character but HTAB.
fn is_text_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// 16 hexadecimal digits are 64 bits.
const SIZE_DIGITS_MAX: u8 = 16;
/// Bytes of extensions in all chunks of one body. Real clients send none; an attacker could hide a slow flood in them.
const EXTENSION_MAX: usize = 16 * 1024;
/// Bytes of trailer fields.
const TRAILER_MAX: usize = 8 * 1024;
/// Fields that are refused in a trailer, in lower case.
const FORBIDDEN: [&[u8]; 3] = [b"content-length", b"transfer-encoding", b"host"];
const NAME_MAX: usize = 17;

#[cfg(test)]
mod tests;
