//! WebP (RFC 9649): the walk over the chunks, and decoding with the image crate.
//!
//! The sizes inside (of the VP8 frame, of the first frame of an animation) are compared with the canvas before any
//! decoding, because the decoder allocates by them. The first frame of an animation is drawn on a transparent canvas.
//!
//! The flags of the extended header are hints: a picture is decoded even if its flags promise an alpha, EXIF, XMP or
//! ICC chunk that is missing. So the decoder is shown not the file but a new one, of the chunks that make the picture,
//! below a correct header. An alpha plane, EXIF and XMP count only where they are flagged, as in libwebp's demuxer; a
//! lossless stream has its own alpha.
//!
//! Work: the walk checks at most 4,096 chunks and skips their content. The head of a lossy frame is read as far as its
//! partitions' sizes. Prefix codes are walked once before they are decoded (`vp8l.rs`: at most some steps a bit); the
//! decoder then spends some steps for each bit and each pixel of the frame, four passes of transforms, one pass to
//! gray.

mod vp8;
mod vp8l;

use ::image::ColorType;
use ::image::codecs::webp::WebPDecoder;
use scaler::raster::Raster;

use crate::model::error::WorkError;
use crate::model::job::Cancel;

use super::header::{PictureHeader, undecodable};
use crate::pixels::bytes::{le16, le32};
use crate::pixels::cost;
use crate::pixels::exif;
use crate::pixels::gray::Layout;
use crate::pixels::image::{self, Announced};
use crate::pixels::orient::Orientation;
use crate::pixels::pieces::Pieces;

const NAME: &str = "WebP";

/// Chunks looked at; an animation has one a frame, and EXIF follows them.
const CHUNKS_MAX: usize = 4096;

/// Bytes granted to tables of prefix codes whatever the size; a picture without groups needs some 20 KiB.
const TABLES_BASE: u64 = 1024 * 1024;

/// The flags of the extended header (RFC 9649, section 2.7).
const ALPHA: u8 = 0x10;
const EXIF: u8 = 0x08;
const XMP: u8 = 0x04;
const ANIMATION: u8 = 0x02;

/// Bytes before the chunks of a frame of an animation: its place, its sides, how long it stays (section 2.7.1.1).
const FRAME_HEAD: usize = 16;

/// The size a bitstream announces, and what it is.
#[derive(Clone, Copy)]
struct WebpStream<'a> {
    name: &'static [u8; 4],
    content: &'a [u8],
    width: u32,
    height: u32,
    alpha: bool,
    /// Of a lossless one, what follows its head.
    lossless: Option<&'a [u8]>,
}

struct WebpHeader<'a> {
    width: u32,
    height: u32,
    /// Whether some pixel may be transparent.
    alpha: bool,
    /// Of an animation, the head of its first frame.
    animated: Option<&'a [u8]>,
    /// The picture itself, or the first frame.
    stream: WebpStream<'a>,
    alpha_plane: Option<&'a [u8]>,
    exif: Option<&'a [u8]>,
    xmp: Option<&'a [u8]>,
}

/// A chunk: its name, its content, and where the next one starts. `None` if it does not end before the file does.
fn chunk(bytes: &[u8], at: usize) -> Option<(&[u8], &[u8], usize)> {
    let name = bytes.get(at..at.checked_add(4)?)?;
    let length = le32(bytes, at + 4)? as usize;
    let end = at.checked_add(8)?.checked_add(length)?;
    // Content is padded to an even length (RFC 9649, section 2.3).
    Some((name, bytes.get(at + 8..end)?, end + (length & 1)))
}

impl<'a> WebpStream<'a> {
    /// Sizes are in the frame header of VP8 (RFC 6386, section 9.1) and in that of VP8L (RFC 9649, section 3.4).
    fn read(name: &[u8], content: &'a [u8]) -> Result<Option<Self>, WorkError> {
        match name {
            b"VP8 " => {
                let (width, height) = vp8::sides(content).ok_or_else(damaged)?;
                if !vp8::is_whole(content) {
                    return Err(truncated());
                }
                Ok(Some(Self { name: b"VP8 ", content, width, height, alpha: false, lossless: None }))
            }
            b"VP8L" => match (content.first(), le32(content, 1)) {
                (Some(0x2F), Some(bits)) => Ok(Some(Self {
                    name: b"VP8L",
                    content,
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

impl<'a> WebpHeader<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, WorkError> {
        let (name, content, next) = chunk(bytes, 12).ok_or_else(truncated)?;
        if let Some(stream) = WebpStream::read(name, content)? {
            return Ok(Self::still(stream, None, None, None));
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
        let (mut stream, mut frame) = (None, None);
        let (mut alpha_plane, mut exif, mut xmp) = (None, None, None);
        let mut at = next;
        for _ in 0..CHUNKS_MAX {
            let Some((name, content, next)) = chunk(bytes, at) else { break };
            match name {
                b"EXIF" if exif.is_none() && flags & EXIF != 0 => exif = Some(content),
                b"XMP " if xmp.is_none() && flags & XMP != 0 => xmp = Some(content),
                b"ANMF" if flags & ANIMATION != 0 && frame.is_none() => {
                    frame = Some(first_frame(content, canvas)?);
                }
                b"ALPH" if alpha_plane.is_none() && flags & ALPHA != 0 => alpha_plane = Some(content),
                b"VP8 " | b"VP8L" if flags & ANIMATION == 0 && stream.is_none() => {
                    stream = WebpStream::read(name, content)?;
                    if stream.is_some_and(|s| (s.width, s.height) != canvas) {
                        return Err(undecodable("el WebP declara dos tamaños distintos"));
                    }
                }
                _ => {}
            }
            at = next;
        }
        if let Some((head, stream, alpha_plane)) = frame {
            let ((width, height), alpha) = (canvas, flags & ALPHA != 0);
            return Ok(WebpHeader {
                width,
                height,
                alpha,
                animated: Some(head),
                stream,
                alpha_plane,
                exif,
                xmp,
            });
        }
        Ok(Self::still(stream.ok_or_else(truncated)?, alpha_plane, exif, xmp))
    }

    /// A picture that is not animated: its streams decide about alpha, not the flags.
    fn still(
        stream: WebpStream<'a>,
        alpha_plane: Option<&'a [u8]>,
        exif: Option<&'a [u8]>,
        xmp: Option<&'a [u8]>,
    ) -> Self {
        // A lossless stream has its own.
        let alpha_plane = alpha_plane.filter(|_| stream.lossless.is_none());
        let WebpStream { width, height, .. } = stream;
        let alpha = stream.alpha || alpha_plane.is_some();
        WebpHeader { width, height, alpha, animated: None, stream, alpha_plane, exif, xmp }
    }

    /// The headers of a file of what is decoded alone: that of the file, those of the animation and its frame.
    fn heads(&self) -> [Vec<u8>; 2] {
        let padded = |content: &[u8]| 8 + content.len().next_multiple_of(2);
        let picture = padded(self.stream.content) + self.alpha_plane.map_or(0, padded);
        // The extended header is 18 bytes, those of the animation are 14 and 24.
        let animation = if self.animated.is_some() { 14 + 8 + FRAME_HEAD } else { 0 };
        let flags = if self.alpha { ALPHA } else { 0 } | if self.animated.is_some() { ANIMATION } else { 0 };
        let mut file = b"RIFF".to_vec();
        file.extend(saturated(4 + 18 + animation + picture));
        file.extend(b"WEBPVP8X\x0A\0\0\0");
        file.extend([flags, 0, 0, 0]);
        file.extend(&(self.width - 1).to_le_bytes()[..3]);
        file.extend(&(self.height - 1).to_le_bytes()[..3]);
        let mut frame = Vec::new();
        if let Some(head) = self.animated {
            frame.extend(b"ANIM\x06\0\0\0\0\0\0\0\0\0ANMF");
            frame.extend(saturated(FRAME_HEAD + picture));
            frame.extend(head);
        }
        [file, frame]
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
    fn check_tables(&self) -> Result<(), WorkError> {
        let WebpStream { width, height, .. } = self.stream;
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
        let animation = if self.animated.is_some() { canvas(4).saturating_add(frame(4)) } else { 0 };
        let work = output.saturating_sub(raster).saturating_add(stream.max(animation + length as u64));
        let work = if self.has_codes() { work.saturating_add(self.tables_max()) } else { work };
        cost::turnable(raster, work)
    }
}

/// The head of an animation's first frame (RFC 9649, section 2.7.1.1), which must lie on the canvas, and what is in it.
#[expect(clippy::type_complexity, reason = "used once, and taken apart there")]
fn first_frame(
    frame: &[u8],
    canvas: (u32, u32),
) -> Result<(&[u8], WebpStream<'_>, Option<&[u8]>), WorkError> {
    let side = |at| le32(frame, at).map(|v| v & 0xFF_FFFF).ok_or_else(truncated);
    let (x, y, width, height) = (2 * side(0)?, 2 * side(3)?, side(6)? + 1, side(9)? + 1);
    if x + width > canvas.0 || y + height > canvas.1 {
        return Err(undecodable("la primera imagen del WebP no cabe en su lienzo"));
    }
    let head = frame.get(..FRAME_HEAD).ok_or_else(truncated)?;
    // An ALPH chunk may come before the VP8 one.
    let mut at = FRAME_HEAD;
    let mut plane = None;
    for _ in 0..2 {
        let (name, content, next) = chunk(frame, at).ok_or_else(truncated)?;
        if let Some(stream) = WebpStream::read(name, content)? {
            if (stream.width, stream.height) != (width, height) {
                return Err(undecodable("el WebP declara dos tamaños distintos"));
            }
            return Ok((head, stream, plane.filter(|_| stream.lossless.is_none())));
        }
        if name == b"ALPH" {
            plane = Some(content);
        }
        at = next;
    }
    Err(damaged())
}

fn saturated(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

fn truncated() -> WorkError {
    image::truncated(NAME)
}

fn damaged() -> WorkError {
    image::damaged(NAME)
}

pub(super) fn probe(bytes: &[u8]) -> Result<PictureHeader, WorkError> {
    let header = WebpHeader::read(bytes)?;
    // The decoder computes the bytes of an animation's canvas in 32 bits.
    if header.animated.is_some() && cost::area(header.width, header.height, 4) > u64::from(u32::MAX) {
        return Err(WorkError::TooManyPixels { width: header.width.into(), height: header.height.into() });
    }
    Ok(PictureHeader { width: header.width, height: header.height, cost: header.cost(bytes.len()) })
}

pub(super) fn decode(bytes: &[u8], cancelled: &Cancel) -> Result<(Raster, Orientation), WorkError> {
    let header = WebpHeader::read(bytes)?;
    header.check_tables()?;
    let [file, frame] = header.heads();
    let mut alpha = b"ALPH".to_vec();
    alpha.extend(saturated(header.alpha_plane.map_or(0, <[u8]>::len)));
    let mut stream = header.stream.name.to_vec();
    stream.extend(saturated(header.stream.content.len()));
    let pad = |content: &[u8]| &b"\0"[..content.len() % 2];
    let [alpha_head, alpha_content, alpha_pad] =
        header.alpha_plane.map_or([&b""[..]; 3], |content| [&alpha, content, pad(content)]);
    let content = header.stream.content;
    let pieces = [&file, &frame, alpha_head, alpha_content, alpha_pad, &stream, content, pad(content)];
    let decoder = WebPDecoder::new(Pieces::new(pieces, cancelled)).map_err(|e| image::refusal(NAME, &e))?;
    let raster = image::decode(NAME, decoder, header.announced())?;
    Ok((raster, exif::orientation(header.exif, header.xmp)))
}

#[cfg(test)]
mod tests {
    use scaler::raster::Channels;

    use super::*;

    fn decoded(bytes: &[u8]) -> Result<(Raster, Orientation), WorkError> {
        probe(bytes)?;
        decode(bytes, &Cancel::default())
    }

    fn chunk_of(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).unwrap().to_le_bytes();
        [&name[..], &length, content, &b"\0"[..content.len() % 2]].concat()
    }

    fn file(chunks: &[Vec<u8>]) -> Vec<u8> {
        let content = [b"WEBP".to_vec(), chunks.concat()].concat();
        chunk_of(b"RIFF", &content)
    }

    /// An extended header with those flags, and sides less one.
    fn extended(flags: u8, width: u8, height: u8) -> Vec<u8> {
        chunk_of(b"VP8X", &[flags, 0, 0, 0, width, 0, 0, height, 0, 0])
    }

    /// A lossless stream of one colour: no transform, no cache, no groups, five codes of one symbol.
    fn lossless(width: u32, height: u32, alpha: bool) -> Vec<u8> {
        let head = (width - 1) | (height - 1) << 14 | u32::from(alpha) << 28;
        let mut content = vec![0x2F];
        content.extend(head.to_le_bytes());
        // Green 0, red 0, blue 0, alpha 1, distance 0: a code's bits are 1, 0, 0 and the symbol.
        content.extend((0b0001_1001_0001_0001_0001u32 << 3).to_le_bytes());
        chunk_of(b"VP8L", &content)
    }

    fn exif_of(orientation: u8) -> Vec<u8> {
        let tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0";
        chunk_of(b"EXIF", &[&tiff[..], &[orientation, 0, 0, 0, 0, 0, 0, 0]].concat())
    }

    #[test]
    fn flags_are_hints() {
        let plain = decoded(&file(&[lossless(3, 2, false)])).unwrap();
        assert_eq!(plain.0.samples, [0; 6]);
        for flags in [ALPHA, EXIF, XMP, 0x20, 0xFD] {
            assert_eq!(
                decoded(&file(&[extended(flags, 2, 1), lossless(3, 2, false)])),
                Ok(plain.clone()),
                "{flags:x}"
            );
        }
        // A stream with alpha has it, flagged or not.
        let clear = decoded(&file(&[extended(0, 2, 1), lossless(3, 2, true)])).unwrap().0;
        assert_eq!((clear.channels, &clear.samples[..4]), (Channels::LumaAlpha, &[0, 1, 0, 1][..]));
        // What is neither known nor wanted does not count, nor does a second picture.
        let chunks =
            [extended(0, 2, 1), chunk_of(b"????", b"odd"), lossless(3, 2, false), chunk_of(b"VP8 ", b"?")];
        assert_eq!(decoded(&file(&chunks)), Ok(plain));
    }

    #[test]
    fn an_alpha_plane_counts_where_it_is_flagged() {
        let plain = include_bytes!("../../../tests/data/pixels/webp_flag_alpha.webp");
        let (sides, picture) = (&plain[24..30], plain[30..].to_vec());
        let Raster { width, height, .. } = decoded(plain).unwrap().0;
        // Neither compressed nor filtered, all of it clear (RFC 9649, section 2.7.1.2).
        let plane = chunk_of(b"ALPH", &vec![0; 1 + (width * height) as usize]);
        let channels = |flags| {
            let head = chunk_of(b"VP8X", &[&[flags, 0, 0, 0], sides].concat());
            decoded(&file(&[head, plane.clone(), picture.clone()])).unwrap().0.channels
        };
        assert_eq!([0, EXIF, ALPHA].map(channels), [Channels::Luma, Channels::Luma, Channels::LumaAlpha]);
    }

    #[test]
    fn metadata_count_where_they_are_flagged() {
        let orientation = |flags, metadata: Vec<u8>| {
            decoded(&file(&[extended(flags, 2, 1), lossless(3, 2, false), metadata])).unwrap().1
        };
        assert_eq!(orientation(EXIF, exif_of(6)), Orientation::TurnRight);
        assert_eq!(orientation(0, exif_of(6)), Orientation::Upright);
        let xmp = || chunk_of(b"XMP ", b"<rdf:Description tiff:Orientation=\"3\"/>");
        assert_eq!(orientation(XMP, xmp()), Orientation::HalfTurn);
        assert_eq!(orientation(EXIF, xmp()), Orientation::Upright);
    }

    #[test]
    fn an_animation_needs_nothing_but_a_frame() {
        let frame = [&[0; 6][..], &[2, 0, 0, 1, 0, 0], &[0; 4], &lossless(3, 2, false)].concat();
        let chunks = [extended(ANIMATION | EXIF, 2, 1), chunk_of(b"ANMF", &frame)];
        assert_eq!(decoded(&file(&chunks)).unwrap().0.samples, [0; 6]);
        assert_eq!(decoded(&file(&chunks[..1])), Err(truncated()));
    }

    /// The longest side that the format can say (RFC 9649, section 3.4).
    #[test]
    fn the_longest_side_is_read() {
        let raster = decoded(&file(&[lossless(16_384, 1, false)])).unwrap().0;
        assert_eq!((raster.width, raster.samples.len()), (16_384, 16_384));
    }
}
