//! PNG (W3C, third edition): the walk over its chunks, and decoding row by row with the png crate.
//!
//! Rows are turned into gray as they come, interlaced ones straight to their places, so that only a row or two are in
//! memory beside the finished raster. Transparent colours (tRNS) become alpha. Of an animated PNG the default image
//! counts, as for every decoder that knows no animation.
//!
//! The crate is shown IHDR, PLTE and tRNS, and then the image data as one chunk: it keeps some other chunks in memory,
//! refuses others, and takes a tenth of a millisecond for each piece of the data. A wrong or missing checksum behind
//! complete data is accepted, and so is a missing end: the data are whole if the checksums of their chunks (CRC) or
//! that of their stream (Adler) are right. IHDR and PLTE must have theirs; a tRNS without it is skipped, as every
//! ancillary chunk.
//!
//! The orientation is in eXIf, or in the texts «Raw profile type exif» and «XML:com.adobe.xmp».
//!
//! Work: up to the image data at most 4,096 chunks are checked, and their content is skipped; then one walk over all
//! chunks, of at least 12 bytes each, one checksum of the image data, and at most the first 64 KiB of two compressed
//! texts. The crate inflates no more than the rows need, and spends some steps a byte of each row.

use std::borrow::Cow;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::mem;

use flate2::Crc;
use flate2::bufread::ZlibDecoder;
use png::{
    BitDepth, ColorType, DecodeOptions, Decoder, DecodingError, InterlaceInfo, Limits, Transformations,
};
use scaler::raster::{Channels, Raster};

use super::bytes::be32;
use super::gray::{Layout, byte, row_to_gray};
use super::header::{PictureHeader, undecodable};
use super::orient::Orientation;
use super::{cost, exif, interrupt};
use crate::model::error::WorkError;
use crate::model::image::PixelLimits;
use crate::model::job::Cancel;

/// Chunks before the image data; a picture's own list is shorter than twenty.
const CHUNKS_MAX: usize = 4096;
/// Signature and IHDR, whole.
const START: usize = 33;
/// Bytes of a compressed text that are looked at; the orientation stands in the first few hundred of EXIF.
const TEXT_MAX: usize = 64 * 1024;
/// Bytes handed to the decoder at a time.
const STEP: usize = 16 * 1024;

struct Chunk<'a> {
    kind: &'a [u8],
    content: &'a [u8],
    /// All of it: length, kind, content and as much of the checksum as there is.
    whole: &'a [u8],
}

impl<'a> Chunk<'a> {
    /// The one at that place; `None` if its content does not end before the file does.
    fn read(bytes: &'a [u8], at: usize) -> Option<Self> {
        let rest = bytes.get(at..)?;
        let length = be32(rest, 0)? as usize;
        let end = length.checked_add(8)?;
        let content = rest.get(8..end)?;
        let whole = &rest[..rest.len().min(end.saturating_add(4))];
        Some(Self { kind: &rest[4..8], content, whole })
    }

    /// Whether its checksum is there and right.
    fn is_sound(&self) -> bool {
        let mut crc = Crc::new();
        crc.update(self.kind);
        crc.update(self.content);
        be32(self.whole, 8 + self.content.len()) == Some(crc.sum())
    }
}

struct PngHeader<'a> {
    width: u32,
    height: u32,
    /// Bits of a stored pixel.
    pixel_bits: u64,
    alpha: bool,
    /// PLTE and tRNS where they count, or nothing.
    palette: &'a [u8],
    transparency: &'a [u8],
    data: usize,
}

impl<'a> PngHeader<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, WorkError> {
        // Signature, length and type of the first chunk: 16 bytes; IHDR must be first (5.6).
        let ihdr = match bytes.get(8..16) {
            None => return Err(truncated()),
            Some([0, 0, 0, 13, b'I', b'H', b'D', b'R']) => bytes.get(16..START).ok_or_else(truncated)?,
            // Apple's tools write it into programs; its data are no PNG's: no zlib header, and colours exchanged.
            Some([.., b'C', b'g', b'B', b'I']) => {
                return Err(undecodable(
                    "es un PNG de iPhone (CgBI), que solo leen los programas de Apple; expórtelo de nuevo como PNG",
                ));
            }
            Some(_) => return Err(undecodable("el PNG no empieza por su cabecera")),
        };
        let (Some(width), Some(height)) = (be32(ihdr, 0), be32(ihdr, 4)) else { return Err(truncated()) };
        let (depth, color) = (ihdr[8], ihdr[9]);
        // Table 11.1: the depths a colour type may have, and its samples.
        let samples = match (color, depth) {
            (0, 1 | 2 | 4 | 8 | 16) | (3, 1 | 2 | 4 | 8) => 1,
            (2, 8 | 16) => 3,
            (4, 8 | 16) => 2,
            (6, 8 | 16) => 4,
            _ => return Err(undecodable("el PNG declara un tipo de color que no existe")),
        };
        if width == 0 || height == 0 || width > i32::MAX as u32 || height > i32::MAX as u32 {
            return Err(undecodable("el PNG declara un tamaño imposible"));
        }
        if !Chunk::read(bytes, 8).is_some_and(|chunk| chunk.is_sound()) {
            return Err(undecodable("la cabecera del PNG está dañada: no coincide su suma de control"));
        }
        let mut header = PngHeader {
            width,
            height,
            pixel_bits: u64::from(depth) * samples,
            alpha: color == 4 || color == 6,
            palette: b"",
            transparency: b"",
            data: 0,
        };
        header.walk(bytes, color)?;
        header.alpha |= !header.transparency.is_empty();
        Ok(header)
    }

    /// Looks at the chunks between IHDR and the image data.
    fn walk(&mut self, bytes: &'a [u8], color: u8) -> Result<(), WorkError> {
        self.data = START;
        for _ in 0..CHUNKS_MAX {
            let kind = self.data.checked_add(4).and_then(|at| bytes.get(at..)?.first_chunk::<4>());
            let kind = kind.ok_or_else(truncated)?;
            if kind == b"IDAT" {
                return if color == 3 && self.palette.is_empty() {
                    Err(undecodable("al PNG le falta su paleta"))
                } else {
                    Ok(())
                };
            }
            let chunk = Chunk::read(bytes, self.data).ok_or_else(truncated)?;
            match kind {
                // A suggestion in pictures without indices.
                b"PLTE" if color != 3 => {}
                b"PLTE" => {
                    let length = chunk.content.len();
                    let right = length.is_multiple_of(3) && (3..=768).contains(&length);
                    if !right || !chunk.is_sound() || !self.palette.is_empty() {
                        return Err(undecodable(if length.is_multiple_of(3) {
                            "la paleta del PNG está dañada"
                        } else {
                            "la paleta del PNG está dañada: su longitud no es múltiplo de 3"
                        }));
                    }
                    self.palette = chunk.whole;
                }
                // A sample of gray, three of a colour, or alphas of the palette before it (11.3.1.1).
                b"tRNS" if self.transparency.is_empty() => {
                    let shortest = match color {
                        0 => 2,
                        2 => 6,
                        3 if !self.palette.is_empty() => 1,
                        _ => usize::MAX,
                    };
                    if (shortest..=256).contains(&chunk.content.len()) && chunk.is_sound() {
                        self.transparency = chunk.whole;
                    }
                }
                b"IEND" => return Err(undecodable("el PNG no contiene ninguna imagen")),
                b"IHDR" => return Err(damaged()),
                // Bit 5 of the first letter: not to be passed over (5.4).
                [first, ..] if first & 0x20 == 0 => {
                    return Err(undecodable("el PNG tiene un bloque obligatorio que no se conoce"));
                }
                _ => {}
            }
            let next = self.data.checked_add(12).and_then(|at| at.checked_add(chunk.content.len()));
            self.data = next.ok_or_else(truncated)?;
        }
        Err(undecodable("el PNG tiene demasiados bloques antes de la imagen"))
    }

    fn channels(&self) -> Channels {
        if self.alpha { Channels::LumaAlpha } else { Channels::Luma }
    }

    fn cost(&self) -> u64 {
        let row = u64::from(self.width).saturating_mul(self.pixel_bits).div_ceil(8);
        let raster = cost::area(self.width, self.height, self.channels().count() as u64);
        cost::turnable(raster, row.saturating_mul(24).saturating_add(cost::BASE))
    }
}

fn truncated() -> WorkError {
    undecodable("el PNG está incompleto")
}

fn damaged() -> WorkError {
    undecodable("el PNG está dañado")
}

pub(super) fn probe(bytes: &[u8], limits: &PixelLimits) -> Result<PictureHeader, WorkError> {
    // A size past a limit is a better reason to refuse it than a fault behind its header.
    if bytes.get(12..16) == Some(b"IHDR")
        && let (Some(width @ 1..), Some(height @ 1..)) = (be32(bytes, 16), be32(bytes, 20))
    {
        limits.check(width, height)?;
    }
    let header = PngHeader::read(bytes)?;
    Ok(PictureHeader { width: header.width, height: header.height, cost: header.cost() })
}

/// Facts from the chunks beside the picture itself.
#[derive(Default)]
struct Surroundings<'a> {
    exif: Option<&'a [u8]>,
    /// Content of the text chunks that hold EXIF in hexadecimal and XMP, with their kind.
    profile: Option<(&'a [u8], &'a [u8])>,
    xmp: Option<(&'a [u8], &'a [u8])>,
    /// Whether the checksum of some piece of the image data is wrong.
    unsound: bool,
}

impl<'a> Surroundings<'a> {
    /// Walks over all chunks behind IHDR.
    fn read(bytes: &'a [u8], cancelled: &Cancel) -> Result<Self, WorkError> {
        let mut found = Self::default();
        let mut at = START;
        while let Some(chunk) = Chunk::read(bytes, at) {
            let Chunk { kind, content, .. } = chunk;
            match kind {
                b"eXIf" if found.exif.is_none() => found.exif = Some(content),
                b"tEXt" | b"zTXt" | b"iTXt" => {
                    if content.starts_with(b"Raw profile type exif\0") && found.profile.is_none() {
                        found.profile = Some((kind, content));
                    } else if content.starts_with(b"XML:com.adobe.xmp\0") && found.xmp.is_none() {
                        found.xmp = Some((kind, content));
                    }
                }
                b"IDAT" => {
                    interrupt::check(cancelled)?;
                    // One that the file's end has cut off is missing.
                    found.unsound |= chunk.whole.len() == content.len() + 12 && !chunk.is_sound();
                }
                b"IEND" => break,
                _ => {}
            }
            at += content.len() + 12;
        }
        Ok(found)
    }

    fn orientation(&self) -> Orientation {
        let profile = match self.exif {
            None => self.profile.and_then(|(kind, content)| text(kind, content)).map(|hex| unhex(&hex)),
            Some(_) => None,
        };
        let packet = self.xmp.and_then(|(kind, content)| text(kind, content));
        exif::orientation(self.exif.or(profile.as_deref()), packet.as_deref())
    }
}

/// The text of a chunk (11.3.3), as far as it is looked at.
fn text<'a>(kind: &[u8], content: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    let mut fields = content.splitn(2, |&byte| byte == 0);
    let (_, rest) = (fields.next()?, fields.next()?);
    let (compressed, text) = match kind {
        b"tEXt" => (false, rest),
        b"zTXt" => (true, rest.get(1..)?),
        _ => {
            // Whether it is compressed, how, its language, and the keyword in that.
            let mut fields = rest.get(2..)?.splitn(3, |&byte| byte == 0);
            let (_, _, text) = (fields.next()?, fields.next()?, fields.next()?);
            (rest.first() == Some(&1), text)
        }
    };
    if !compressed {
        return Some(Cow::Borrowed(text));
    }
    let mut inflated = vec![0; TEXT_MAX];
    let mut length = 0;
    let mut decoder = ZlibDecoder::new(text);
    while let Ok(count @ 1..) = decoder.read(&mut inflated[length..]) {
        length += count;
    }
    inflated.truncate(length);
    Some(Cow::Owned(inflated))
}

/// The bytes of a profile as ImageMagick writes it: an empty line, its name, its length, and hexadecimal digits.
fn unhex(text: &[u8]) -> Vec<u8> {
    let text = &text[..text.len().min(TEXT_MAX)];
    let digits = text.splitn(4, |&byte| byte == b'\n').nth(3).unwrap_or_default();
    let mut digits = digits.iter().filter_map(|&digit| char::from(digit).to_digit(16));
    let mut bytes = Vec::with_capacity(text.len() / 2);
    while let (Some(high), Some(low)) = (digits.next(), digits.next()) {
        bytes.push(byte(high << 4 | low));
    }
    bytes
}

/// A PNG of only the picture, with its data in one chunk: a small piece costs the decoder as much as 16 KiB.
struct PngStream<'a> {
    /// Signature, IHDR, PLTE, tRNS, and the head of the image data.
    front: Cursor<Vec<u8>>,
    /// What is left of the piece that is read, and where the next one begins.
    piece: &'a [u8],
    bytes: &'a [u8],
    next: usize,
    /// A checksum that is not looked at, and IEND.
    end: &'static [u8],
    cancelled: &'a Cancel,
}

impl<'a> PngStream<'a> {
    fn new(header: &PngHeader<'a>, bytes: &'a [u8], cancelled: &'a Cancel) -> Self {
        let mut front = bytes[..START.min(bytes.len())].to_vec();
        front.extend(header.palette);
        front.extend(header.transparency);
        let mut whole = Self {
            front: Cursor::default(),
            piece: b"",
            bytes,
            next: header.data,
            end: b"\0\0\0\0\0\0\0\0IEND\0\0\0\0",
            cancelled,
        };
        let mut length = 0usize;
        while whole.advance() {
            length = length.saturating_add(whole.piece.len());
        }
        (whole.piece, whole.next) = (b"", header.data);
        front.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        front.extend(b"IDAT");
        whole.front = Cursor::new(front);
        whole
    }

    /// Goes to the next piece of the image data, which the end of the file may cut; whether there is one.
    fn advance(&mut self) -> bool {
        let rest = self.bytes.get(self.next..).unwrap_or_default();
        let (Some(length), Some(b"IDAT")) = (be32(rest, 0), rest.get(4..8)) else { return false };
        let length = length as usize;
        self.piece = &rest[8..rest.len().min(length.saturating_add(8))];
        self.next = self.next.saturating_add(12).saturating_add(length);
        true
    }
}

impl Read for PngStream<'_> {
    fn read(&mut self, mut buffer: &mut [u8]) -> io::Result<usize> {
        // Not Interrupted: callers try that again.
        interrupt::check(self.cancelled).map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
        let whole = buffer.len();
        let count = self.front.read(buffer)?;
        buffer = &mut buffer[count..];
        while !buffer.is_empty() {
            if self.piece.is_empty() && !self.advance() {
                self.piece = mem::take(&mut self.end);
                if self.piece.is_empty() {
                    break;
                }
            }
            let count = self.piece.read(buffer)?;
            buffer = &mut buffer[count..];
        }
        Ok(whole - buffer.len())
    }
}

impl Seek for PngStream<'_> {
    /// The decoder asks for a file that can, and never does.
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

pub(super) fn decode(bytes: &[u8], cancelled: &Cancel) -> Result<(Raster, Orientation), WorkError> {
    let header = PngHeader::read(bytes)?;
    let surroundings = Surroundings::read(bytes, cancelled)?;
    let orientation = surroundings.orientation();
    let mut options = DecodeOptions::default();
    options.set_ignore_crc(true);
    options.set_ignore_adler32(!surroundings.unsound);
    options.set_ignore_text_chunk(true);
    options.set_ignore_iccp_chunk(true);
    let picture = BufReader::with_capacity(STEP, PngStream::new(&header, bytes, cancelled));
    let mut decoder = Decoder::new_with_options(picture, options);
    decoder.set_limits(Limits { bytes: usize::try_from(header.cost()).unwrap_or(usize::MAX) });
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(|e| refusal(&e))?;
    let layout = match reader.output_color_type() {
        (ColorType::Grayscale, BitDepth::Eight) => Layout::Gray,
        (ColorType::GrayscaleAlpha, BitDepth::Eight) => Layout::GrayAlpha,
        (ColorType::Rgb, BitDepth::Eight) => Layout::Rgb,
        (ColorType::Rgba, BitDepth::Eight) => Layout::Rgba,
        _ => return Err(damaged()),
    };
    let channels = layout.channels();
    let stride = header.width as usize * channels.count();
    let mut samples = vec![0; stride * header.height as usize];
    let mut gray = vec![0; stride];
    let mut rows = samples.chunks_exact_mut(stride);
    if !reader.info().interlaced {
        for out in &mut rows {
            let row = reader.next_row().map_err(|e| refusal(&e))?.ok_or_else(truncated)?;
            row_to_gray(layout, row.data(), out);
        }
    } else {
        while let Some(row) = reader.next_interlaced_row().map_err(|e| refusal(&e))? {
            let InterlaceInfo::Adam7(place) = *row.interlace() else { return Err(damaged()) };
            let pixels = row.data().len() / layout.bytes();
            let gray = &mut gray[..pixels * channels.count()];
            row_to_gray(layout, row.data(), gray);
            let depth = if channels == Channels::Luma { 8 } else { 16 };
            ::png::expand_interlaced_row(&mut samples, stride, gray, &place, depth);
        }
    }
    Ok((Raster { width: header.width, height: header.height, channels, samples }, orientation))
}

fn refusal(error: &DecodingError) -> WorkError {
    match error {
        DecodingError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => truncated(),
        // The crate has no other way to say that the data end before the picture does.
        DecodingError::Format(e) => {
            let text = e.to_string();
            let early = text.contains("InsufficientInput") || text.contains("not have enough data");
            if early { truncated() } else { damaged() }
        }
        _ => damaged(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::ZlibEncoder;

    use super::*;

    fn decoded(bytes: &[u8]) -> Result<Vec<u8>, WorkError> {
        probe(bytes, &PixelLimits { pixels_max: u64::MAX, side_max: u32::MAX })?;
        decode(bytes, &Cancel::default()).map(|(raster, _)| raster.samples)
    }

    fn chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let mut crc = Crc::new();
        crc.update(kind);
        crc.update(content);
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        [&length[..], kind, content, &crc.sum().to_be_bytes()].concat()
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Of 3 by 2 pixels: what stands before the image data, those, and what follows them.
    fn png(color: u8, before: &[Vec<u8>], rows: &[u8], behind: &[Vec<u8>]) -> Vec<u8> {
        let ihdr = chunk(b"IHDR", &[0, 0, 0, 3, 0, 0, 0, 2, 8, color, 0, 0, 0]);
        let signature = b"\x89PNG\r\n\x1a\n".to_vec();
        [signature, ihdr, before.concat(), chunk(b"IDAT", &zlib(rows)), behind.concat(), chunk(b"IEND", b"")]
            .concat()
    }

    const ROWS: [u8; 8] = [0, 1, 2, 3, 0, 4, 5, 6];

    #[test]
    fn palettes() {
        let indexed = |before: &[Vec<u8>]| decoded(&png(3, before, &[0, 0, 1, 2, 0, 0, 1, 2], &[]));
        let palette = chunk(b"PLTE", &[9, 9, 9, 7, 7, 7]);
        assert_eq!(indexed(std::slice::from_ref(&palette)).unwrap(), [9, 7, 0, 9, 7, 0]);
        let clear = chunk(b"tRNS", &[5]);
        let transparent = [9, 5, 7, 255, 0, 255, 9, 5, 7, 255, 0, 255];
        assert_eq!(indexed(&[palette.clone(), clear.clone()]).unwrap(), transparent);
        // One that comes too early, is too long, or damaged, does not count.
        assert_eq!(indexed(&[clear.clone(), palette.clone()]).unwrap(), [9, 7, 0, 9, 7, 0]);
        assert_eq!(indexed(&[palette.clone(), chunk(b"tRNS", &[5; 257])]).unwrap(), [9, 7, 0, 9, 7, 0]);
        let mut unsound = clear;
        unsound[8] ^= 1;
        assert_eq!(indexed(&[palette.clone(), unsound]).unwrap(), [9, 7, 0, 9, 7, 0]);
        for length in [0, 1, 2, 4, 49, 767, 769, 771] {
            let Err(WorkError::Undecodable(reason)) = indexed(&[chunk(b"PLTE", &vec![7; length])]) else {
                panic!("{length}")
            };
            assert!(reason.contains("paleta"), "{reason}");
            assert_eq!(reason.contains("múltiplo"), length % 3 != 0, "{reason}");
        }
        let mut unsound = palette.clone();
        unsound[8] ^= 1;
        for before in [&[unsound][..], &[palette.clone(), palette], &[]] {
            assert!(indexed(before).is_err());
        }
        // Where there are no indices, a palette is a suggestion.
        assert_eq!(decoded(&png(0, &[chunk(b"PLTE", &[7; 4])], &ROWS, &[])).unwrap(), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn other_chunks() {
        let gray = |before: &[Vec<u8>]| decoded(&png(0, before, &ROWS, &[]));
        let mut unsound = chunk(b"tEXt", b"Title\0?");
        unsound[8] ^= 1;
        let odd = [
            unsound,
            chunk(b"sBIT", b""),
            chunk(b"gAMA", &[0; 9]),
            chunk(b"acTL", &[0; 8]),
            chunk(b"abCd", b"?"),
        ];
        assert_eq!(gray(&odd).unwrap(), [1, 2, 3, 4, 5, 6]);
        for grave in [chunk(b"ABCD", b""), chunk(b"IHDR", b""), chunk(b"IEND", b"")] {
            assert!(gray(&[grave]).is_err());
        }
        let mut unsound = png(0, &[], &ROWS, &[]);
        unsound[START - 1] ^= 1;
        assert!(decoded(&unsound).is_err());
        let apple = [&b"\x89PNG\r\n\x1a\n"[..], &chunk(b"CgBI", b"\x50\0\x20\x06")].concat();
        let Err(WorkError::Undecodable(reason)) = decoded(&apple) else { panic!() };
        assert!(reason.contains("iPhone") && reason.contains("expórtelo"), "{reason}");
        // A thousand of them are passed over; five thousand are refused.
        assert!(gray(&vec![chunk(b"tEXt", b""); 1000]).is_ok());
        assert!(gray(&vec![chunk(b"tEXt", b""); 5000]).is_err());
    }

    #[test]
    fn one_right_checksum_is_enough_and_none_is_needed_at_the_end() {
        let whole = png(0, &[], &ROWS, &[]);
        let data = &zlib(&ROWS);
        let adler = whole.len() - 12 - 4 - 4;
        let changed = |places: &[usize]| {
            let mut bytes = whole.clone();
            for &place in places {
                bytes[place] ^= 0x10;
            }
            decoded(&bytes)
        };
        let samples = Ok(vec![1, 2, 3, 4, 5, 6]);
        // The checksum of the chunk; that of the data with the chunk's right for it; the end.
        assert_eq!(changed(&[adler + 4]), samples);
        let mut other = data.clone();
        *other.last_mut().unwrap() ^= 1;
        let mut bytes = whole[..START].to_vec();
        bytes.extend(chunk(b"IDAT", &other));
        assert_eq!(decoded(&bytes), samples);
        // Without the rest of the file, as far as the rows go.
        for end in adler..whole.len() {
            assert_eq!(decoded(&whole[..end]), samples, "{end}");
        }
        for end in START..adler - 1 {
            assert_eq!(decoded(&whole[..end]), Err(truncated()), "{end}");
        }
        // A pixel changed, and neither is right: stored literally, it would come out.
        let mut stored = vec![0x78, 0x01, 1, 8, 0, 0xF7, 0xFF];
        stored.extend(ROWS);
        stored.extend(&data[data.len() - 4..]);
        let mut bytes = whole[..START].to_vec();
        bytes.extend(chunk(b"IDAT", &stored));
        assert_eq!(decoded(&bytes), samples);
        bytes[START + 8 + 10] ^= 1;
        assert_eq!(decoded(&bytes), Err(damaged()));
    }

    #[test]
    fn data_in_pieces_of_any_size() {
        let data = zlib(&ROWS);
        for size in [1, 2, 5, data.len() - 1] {
            let mut bytes = png(0, &[], &ROWS, &[])[..START].to_vec();
            for piece in data.chunks(size) {
                bytes.extend(chunk(b"IDAT", piece));
                bytes.extend(chunk(b"IDAT", b""));
            }
            assert_eq!(decoded(&bytes), Ok(vec![1, 2, 3, 4, 5, 6]), "{size}");
        }
    }

    #[test]
    fn data_that_end_early_are_named_whatever_follows() {
        for rows in [&ROWS[..4], &ROWS[..7], &[]] {
            assert_eq!(decoded(&png(0, &[], rows, &[])), Err(truncated()), "{rows:?}");
        }
        assert_eq!(decoded(&png(0, &[], &[&ROWS[..], &[0; 9]].concat(), &[])).unwrap(), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn orientations_in_texts() {
        let exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x09\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let hex: String = exif.iter().map(|byte| format!("{byte:02x}")).collect();
        let profile = format!("\nexif\n{:8}\n{}\n{}\n", exif.len(), &hex[..36], &hex[36..]);
        let packet = "<x:xmpmeta><tiff:Orientation>6</tiff:Orientation></x:xmpmeta>";
        let text = |keyword: &str, text: &str| chunk(b"tEXt", format!("{keyword}\0{text}").as_bytes());
        let compressed = |keyword: &str, text: &str| {
            chunk(b"zTXt", &[keyword.as_bytes(), b"\0\0", &zlib(text.as_bytes())].concat())
        };
        let international = |keyword: &str, text: &str, squeeze: bool| {
            let body = if squeeze { zlib(text.as_bytes()) } else { text.into() };
            chunk(b"iTXt", &[keyword.as_bytes(), &[0, squeeze.into(), 0], b"es\0Clave\0", &body].concat())
        };
        let (raw, xmp) = ("Raw profile type exif", "XML:com.adobe.xmp");
        for named in [
            text(raw, &profile),
            compressed(raw, &profile),
            international(raw, &profile, false),
            international(raw, &profile, true),
            international(xmp, packet, false),
            international(xmp, packet, true),
            text(xmp, packet),
            chunk(b"eXIf", &exif[6..]),
        ] {
            let named = std::slice::from_ref(&named);
            for bytes in [png(0, named, &ROWS, &[]), png(0, &[], &ROWS, named)] {
                assert_eq!(decode(&bytes, &Cancel::default()).unwrap().1, Orientation::TurnRight);
            }
        }
        for odd in [
            text(raw, ""),
            text(raw, "\n\n\n6"),
            compressed(raw, "?"),
            text("Title", packet),
            chunk(b"zTXt", raw.as_bytes()),
        ] {
            let decoded = decode(&png(0, &[odd], &ROWS, &[]), &Cancel::default()).unwrap();
            assert_eq!(decoded.1, Orientation::Upright);
        }
        // eXIf comes before a text.
        let both =
            [text(raw, &profile), chunk(b"eXIf", b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x03\0\0\0")];
        assert_eq!(decode(&png(0, &both, &ROWS, &[]), &Cancel::default()).unwrap().1, Orientation::HalfTurn);
    }
}
