//! Where a picture ends that comes without any frame around it: `nc` sends the file and nothing else.
//!
//! Each format that marks its end is walked by its outermost structure alone: JPEG segments to the first EOI, PNG
//! chunks to IEND, GIF blocks to the trailer, the RIFF size of WebP, rows times columns of BMP and of binary Netpbm.
//! Plain Netpbm (P1 to P3) and TIFF end with the connection: no end is ever found.
//!
//! Rules: bytes are checked as they come, and only a header's few are kept; lengths are used to skip, and for nothing
//! else. Where a structure is broken in a way that decoders survive, the end is unknown and the peer's half-close
//! decides; [`Malformed`] is for what no decoder survives.
//!
//! Known limits: the caller must discard what follows the end (phones append megabytes to a JPEG, BMP an ICC profile).
//!
//! ```
//! use tp2::http::format::Format;
//! use tp2::http::image_end::ImageEnd;
//!
//! let mut end = ImageEnd::new(Format::Jpeg);
//! assert_eq!(end.push(b"\xff\xd8\xff\xda\x00\x02data\xff\x00more\xff")?, None);
//! assert_eq!(end.push(b"\xd9and what a phone appends")?, Some(1));
//! # Ok::<(), tp2::http::image_end::Malformed>(())
//! ```
use std::fmt;

use chunks::{Gif, Png};
use jpeg::Jpeg;
use size::{Measured, SizeHeader};

use super::format::{Format, PictureEnd};

mod chunks;
mod jpeg;
mod size;

/// Looks for the end of one picture of a known format.
#[derive(Clone, Debug)]
pub struct ImageEnd {
    /// Bytes to skip before the next step.
    skip: u64,
    walk: Walk,
}

#[derive(Clone, Debug)]
enum Walk {
    Jpeg(Jpeg),
    Png(Png),
    Gif(Gif),
    Measured(Measured),
    /// Only the connection's end ends it.
    Endless,
    Over,
}

/// What a walk wants after each byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EndStep {
    /// The next byte.
    Next,
    /// To skip this many bytes.
    Skip(u64),
    /// Nothing: the picture ends after this many more bytes.
    EndAfter(u64),
    /// Nothing: its end can't be told from its bytes.
    Unknown,
}

impl ImageEnd {
    /// A search that begins at the picture's first byte.
    pub fn new(format: Format) -> Self {
        let walk = match format.end() {
            PictureEnd::JpegSegments => Walk::Jpeg(Jpeg::new()),
            PictureEnd::PngChunks => Walk::Png(Png::new()),
            PictureEnd::GifBlocks => Walk::Gif(Gif::new()),
            PictureEnd::RiffSize => Walk::Measured(Measured::new(SizeHeader::Riff)),
            PictureEnd::BmpSize => Walk::Measured(Measured::new(SizeHeader::Bmp)),
            PictureEnd::PnmSize => Walk::Measured(Measured::new(SizeHeader::Pnm)),
            PictureEnd::Connection => Walk::Endless,
        };
        Self { skip: 0, walk }
    }

    /// Checks the next bytes. `Some(n)`: the picture ends after the first `n` of exactly these; every later byte is
    /// behind its end (`Some(0)`).
    ///
    /// # Errors
    /// No decoder can make a picture of these bytes. Later bytes are not checked: no end is ever found in them.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        let found = self.search(bytes);
        if found.is_err() {
            self.walk = Walk::Endless;
        }
        found
    }

    fn search(&mut self, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        let mut at = 0;
        loop {
            let left = bytes.len() - at;
            let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(left);
            at += skipped;
            self.skip -= skipped as u64;
            if self.skip > 0 {
                return Ok(None);
            }
            if matches!(self.walk, Walk::Over) {
                return Ok(Some(at));
            }
            let rest = bytes.get(at..).unwrap_or_default();
            let Some((byte, _)) = rest.split_first() else { return Ok(None) };
            let step = match &mut self.walk {
                Walk::Jpeg(walk) => {
                    // Most of a JPEG is entropy-coded data, which is searched instead of stepped through.
                    let data = walk.entropy_coded(rest);
                    if data > 0 {
                        at += data;
                        continue;
                    }
                    walk.step(*byte)?
                }
                Walk::Png(walk) => walk.step(*byte)?,
                Walk::Gif(walk) => walk.step(*byte),
                Walk::Measured(walk) => walk.step(*byte)?,
                Walk::Endless | Walk::Over => return Ok(None),
            };
            at += 1;
            match step {
                EndStep::Next => {}
                EndStep::Skip(n) => self.skip = n,
                EndStep::EndAfter(n) => {
                    self.skip = n;
                    self.walk = Walk::Over;
                }
                EndStep::Unknown => self.walk = Walk::Endless,
            }
        }
    }
}

/// The picture's structure contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl Malformed {
    /// The HTTP status that answers it, in netcat mode the code of the error line: undecodable.
    pub const fn status(&self) -> u16 {
        422
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("la estructura de la imagen se contradice: está dañada")
    }
}

impl std::error::Error for Malformed {}

#[cfg(test)]
mod tests;
