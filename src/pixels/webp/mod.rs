//! WebP (RFC 9649): the walk over the chunks, and decoding with the image crate.
//!
//! The sizes inside (of the VP8 frame, of the first frame of an animation) are held against the canvas before any
//! decoding, as the decoder allocates by them. Of an animation the first frame is drawn on a transparent canvas.

mod vp8;
mod vp8l;

use ::image::ColorType;
use ::image::codecs::webp::WebPDecoder;
use scaler::raster::Raster;

use crate::exchange::job::{Cancel, Failure};

use crate::pixels::bytes::{le16, le32};
use crate::pixels::cost;
use crate::pixels::exif;
use crate::pixels::gray::Layout;
use crate::pixels::image::{self, Announced};
use crate::pixels::interrupt::Interruptible;
use crate::pixels::orient::Orientation;
use crate::pixels::probe::{Found, undecodable};

const NAME: &str = "WebP";

/// Chunks looked at; an animation has one a frame, and EXIF follows them.
const CHUNKS_MAX: usize = 4096;

/// Bytes granted to tables of prefix codes whatever the size; a picture without groups needs some 20 KiB.
const TABLES_BASE: u64 = 1024 * 1024;

/// The size a bitstream announces, and what it is.
#[derive(Clone, Copy)]
struct Stream<'a> {
    width: u32,
    height: u32,
    alpha: bool,
    /// Of a lossless one, what follows its head.
    lossless: Option<&'a [u8]>,
}

struct Header<'a> {
    width: u32,
    height: u32,
    alpha: bool,
    animated: bool,
    /// The picture itself, or the first frame.
    stream: Stream<'a>,
    /// The alpha chunk that comes with a lossy stream.
    alpha_plane: Option<&'a [u8]>,
    exif: Option<&'a [u8]>,
}

/// A chunk: its name, its content, and where the next one starts. `None` if it does not end before the file does.
fn chunk(bytes: &[u8], at: usize) -> Option<(&[u8], &[u8], usize)> {
    let name = bytes.get(at..at.checked_add(4)?)?;
    let length = le32(bytes, at + 4)? as usize;
    let end = at.checked_add(8)?.checked_add(length)?;
    // Content is padded to an even length (RFC 9649, section 2.3).
    Some((name, bytes.get(at + 8..end)?, end + (length & 1)))
}

impl<'a> Stream<'a> {
    /// Sizes are in the frame header of VP8 (RFC 6386, section 9.1) and in that of VP8L (RFC 9649, section 3.4).
    fn read(name: &[u8], content: &'a [u8]) -> Result<Option<Self>, Failure> {
        match name {
            b"VP8 " => {
                let (width, height) = vp8::sides(content).ok_or_else(damaged)?;
                if !vp8::is_whole(content) {
                    return Err(truncated());
                }
                Ok(Some(Self { width, height, alpha: false, lossless: None }))
            }
            b"VP8L" => match (content.first(), le32(content, 1)) {
                (Some(0x2F), Some(bits)) => Ok(Some(Self {
                    width: (bits & 0x3FFF) + 1,
                    height: (bits >> 14 & 0x3FFF) + 1,
                    alpha: bits >> 28 & 1 == 1,
                    lossless: content.get(5..),
                })),
                (Some(0x2F) | None, None) => Err(truncated()),
                _ => Err(damaged()),
            },
            _ => Ok(None),
        }
    }
}

impl<'a> Header<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Failure> {
        let (name, content, next) = chunk(bytes, 12).ok_or_else(truncated)?;
        if let Some(stream) = Stream::read(name, content)? {
            let Stream { width, height, alpha, .. } = stream;
            return Ok(Header {
                width,
                height,
                alpha,
                animated: false,
                stream,
                alpha_plane: None,
                exif: None,
            });
        }
        if name != b"VP8X" {
            return Err(damaged());
        }
        // Flags, three reserved bytes, canvas sides less one in 24 bits (RFC 9649, section 2.7.1).
        let (Some(&flags), Some(width), Some(low), Some(&high)) =
            (content.first(), le32(content, 4), le16(content, 7), content.get(9))
        else {
            return Err(truncated());
        };
        let canvas = ((width & 0xFF_FFFF) + 1, (u32::from(low) | u32::from(high) << 16) + 1);
        let animated = flags & 0x02 != 0;
        let mut stream = None;
        let (mut alpha_plane, mut exif) = (None, None);
        let mut at = next;
        for _ in 0..CHUNKS_MAX {
            let Some((name, content, next)) = chunk(bytes, at) else { break };
            match name {
                b"EXIF" if exif.is_none() => exif = Some(content),
                b"ANMF" if animated && stream.is_none() => {
                    let (first, plane) = first_frame(content, canvas)?;
                    (stream, alpha_plane) = (Some(first), plane);
                }
                b"ALPH" if !animated && alpha_plane.is_none() => alpha_plane = Some(content),
                b"VP8 " | b"VP8L" if !animated && stream.is_none() => {
                    stream = Stream::read(name, content)?;
                    if stream.is_some_and(|s| (s.width, s.height) != canvas) {
                        return Err(undecodable("el WebP declara dos tamaños distintos"));
                    }
                }
                _ => {}
            }
            at = next;
        }
        let stream = stream.ok_or_else(truncated)?;
        let (width, height) = canvas;
        Ok(Header { width, height, alpha: flags & 0x10 != 0, animated, stream, alpha_plane, exif })
    }

    fn layout(&self) -> Layout {
        if self.alpha { Layout::Rgba } else { Layout::Rgb }
    }

    fn announced(&self) -> Announced {
        let color = if self.alpha { ColorType::Rgba8 } else { ColorType::Rgb8 };
        Announced { sides: (self.width, self.height), color }
    }

    /// Whether prefix codes are among what is decoded.
    fn has_codes(&self) -> bool {
        self.stream.lossless.is_some() || self.alpha_plane.is_some()
    }

    /// Bytes that the tables of prefix codes may take: more than encoders ever make of a picture of that size.
    fn tables_max(&self) -> u64 {
        TABLES_BASE.saturating_add(cost::area(self.stream.width, self.stream.height, 1))
    }

    /// Refuses a picture whose prefix codes would take more than announced.
    fn check_tables(&self) -> Result<(), Failure> {
        let Stream { width, height, .. } = self.stream;
        // An alpha plane says in its first two bits whether it is lossless (RFC 9649, section 2.7.1.2).
        let plane = self.alpha_plane.and_then(<[u8]>::split_first).filter(|(head, _)| *head & 3 == 1);
        for stream in self.stream.lossless.into_iter().chain(plane.map(|(_, stream)| stream)) {
            let bytes = vp8l::table_bytes(stream, width, height).ok_or_else(damaged)?;
            if bytes > self.tables_max() {
                return Err(undecodable("el WebP necesita demasiadas tablas para descomprimirse"));
            }
        }
        Ok(())
    }

    /// What the decoder allocates: `length` is that of the file.
    fn cost(&self, length: usize) -> u64 {
        let canvas = |bytes| cost::area(self.width, self.height, bytes);
        let padded = |side: u32| side.next_multiple_of(16);
        let frame = |bytes| cost::area(padded(self.stream.width), padded(self.stream.height), bytes);
        let output = canvas(self.layout().bytes() as u64);
        let raster = canvas(self.layout().channels().count() as u64);
        let stream = if self.stream.lossless.is_some() {
            // RGBA, from which RGB is taken; it decodes RGBA in place, beside transforms of a sixteenth each.
            frame(if self.alpha { 1 } else { 5 })
        } else {
            // Y, U and V (3 bytes for 2 pixels), what is remembered of each macroblock, the compressed partitions
            // (twice while they are read), the alpha plane decoded as RGBA.
            frame(if self.alpha { 7 } else { 2 }).saturating_add(2 * length as u64)
        };
        // The first frame in RGBA, and the canvas it is drawn on.
        let animation = if self.animated { canvas(4).saturating_add(frame(4)) } else { 0 };
        let work = output.saturating_sub(raster).saturating_add(stream.max(animation + length as u64));
        let work = if self.has_codes() { work.saturating_add(self.tables_max()) } else { work };
        cost::turnable(raster, work)
    }
}

/// The stream of an animation's first frame (RFC 9649, section 2.7.1.1), which must lie on the canvas.
fn first_frame(frame: &[u8], canvas: (u32, u32)) -> Result<(Stream<'_>, Option<&[u8]>), Failure> {
    let side = |at| le32(frame, at).map(|v| v & 0xFF_FFFF).ok_or_else(truncated);
    let (x, y, width, height) = (2 * side(0)?, 2 * side(3)?, side(6)? + 1, side(9)? + 1);
    if x + width > canvas.0 || y + height > canvas.1 {
        return Err(undecodable("la primera imagen del WebP no cabe en su lienzo"));
    }
    // The frame's header is 16 bytes; an ALPH chunk may come before the VP8 one.
    let mut at = 16;
    let mut plane = None;
    for _ in 0..2 {
        let (name, content, next) = chunk(frame, at).ok_or_else(truncated)?;
        if let Some(stream) = Stream::read(name, content)? {
            if (stream.width, stream.height) != (width, height) {
                return Err(undecodable("el WebP declara dos tamaños distintos"));
            }
            return Ok((stream, plane));
        }
        if name == b"ALPH" {
            plane = Some(content);
        }
        at = next;
    }
    Err(damaged())
}

fn truncated() -> Failure {
    image::truncated(NAME)
}

fn damaged() -> Failure {
    image::damaged(NAME)
}

pub(super) fn probe(bytes: &[u8]) -> Result<Found, Failure> {
    let header = Header::read(bytes)?;
    // The decoder computes the bytes of an animation's canvas in 32 bits.
    if header.animated && cost::area(header.width, header.height, 4) > u64::from(u32::MAX) {
        return Err(Failure::TooManyPixels { width: header.width.into(), height: header.height.into() });
    }
    Ok(Found { width: header.width, height: header.height, cost: header.cost(bytes.len()) })
}

pub(super) fn decode(bytes: &[u8], cancelled: &Cancel) -> Result<(Raster, Orientation), Failure> {
    let header = Header::read(bytes)?;
    header.check_tables()?;
    let decoder =
        WebPDecoder::new(Interruptible::new(bytes, cancelled)).map_err(|e| image::refusal(NAME, &e))?;
    let raster = image::decode(NAME, decoder, header.announced())?;
    Ok((raster, header.exif.map_or(Orientation::Upright, exif::orientation)))
}
