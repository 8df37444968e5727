//! The picture that the first directory of a TIFF file describes: its tags, checked against each other.
//!
//! Wrong values that don't matter are corrected, as other readers do: a count of BitsPerSample that is not that of the
//! samples, strips longer than the picture, a predictor beside a compression for which it doesn't count. The cost is
//! computed from the directory, and from the head of the first JPEG if there are any inside.
//!
//! The work is bounded here: chunks may not be much larger than the picture, nor so narrow or so many that the cost of
//! each row and each chunk would exceed that of the pixels.

use super::chunks::SLACK;
use super::tags::{TagEntry, Tags};
use super::{damaged, jpegs, names, truncated, unpack};
use crate::model::error::WorkError;
use crate::pixels::bytes::Endian;
use crate::pixels::cost;
use crate::pixels::gray::{luma, saturate};
use crate::pixels::header::undecodable;
use crate::pixels::orient::Orientation;

pub(super) use super::names::{Ink, Packing};

/// Strips or tiles of all planes that are read.
const CHUNKS_MAX: u64 = 250_000;
/// Pixels that the chunks together may have beyond four times those of the picture: a tile for a small one.
const CHUNK_AREA_EXTRA: u64 = 1 << 20;
/// Rows of all chunks together, beyond one for each eight pixels of the picture. Tiles are at least sixteen wide.
const CHUNK_ROWS_EXTRA: u64 = 1 << 17;
/// JPEGs inside, beyond one for each block of 64 pixels.
const JPEGS_EXTRA: u64 = 1024;
/// Bytes of the tables that the JPEGs inside share. Real ones have some 600.
const TABLES_MAX: u64 = 2048;
/// Bits of all samples of a pixel, those included that don't count.
const PIXEL_BITS_MAX: u32 = 512;

/// What the sample after the colours means (tag ExtraSamples).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alpha {
    None,
    /// Colours are multiplied by it.
    Associated,
    Unassociated,
}

/// The picture as the directory describes it.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    endian: Endian,
    pub(super) width: u32,
    pub(super) height: u32,
    /// Bits of every sample: 1 to 16, 24, 32 or 64.
    pub(super) bits: u16,
    pub(super) signed: bool,
    pub(super) ink: Ink,
    pub(super) alpha: Alpha,
    /// Samples of a pixel, extra ones included.
    pub(super) samples: u16,
    /// Whether each sample has strips or tiles of its own.
    pub(super) planar: bool,
    pub(super) packing: Packing,
    pub(super) differences: bool,
    /// Whether the leftmost pixel is in the lowest bits of a byte.
    pub(super) reversed: bool,
    pub(super) orientation: Orientation,
    /// Columns and rows of a strip or tile.
    pub(super) chunk: (u32, u32),
    pub(super) tiled: bool,
    /// Columns and rows of luma to one chroma, where they are stored together: 1, 2 or 4 each.
    pub(super) subsampling: (u32, u32),
    pub(super) offsets: TagEntry,
    pub(super) lengths: Option<TagEntry>,
    /// What decoding the JPEG of a chunk may allocate.
    pub(super) jpeg_cost: u64,
    jpeg_tables: Option<TagEntry>,
    color_map: Option<TagEntry>,
    reference: Option<TagEntry>,
}

impl Directory {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, WorkError> {
        let (tags, endian) = Tags::read(bytes)?;
        let first = |entry: Option<TagEntry>| entry.and_then(|e| e.value(bytes, endian, 0));
        let side = |entry| first(entry).map(|side| u32::try_from(side).unwrap_or(u32::MAX));
        let (Some(width), Some(height)) = (side(tags.width), side(tags.height)) else {
            return Err(undecodable("el TIFF no dice cuánto mide"));
        };
        if width == 0 || height == 0 {
            return Err(undecodable("el TIFF mide cero píxeles"));
        }
        let packing =
            names::packing(first(tags.compression).unwrap_or(1), first(tags.fax_options).unwrap_or(0))?;
        let ink = match (first(tags.ink), packing) {
            (Some(photometric), _) => names::ink(photometric)?,
            // Fax is ink on paper, also if the tag is missing.
            (None, Packing::Fax(_)) => Ink::WhiteIsZero,
            (None, _) => return Err(undecodable("el TIFF no dice qué colores tiene")),
        };
        let samples = first(tags.samples).unwrap_or(1);
        let Some(samples) = u16::try_from(samples).ok().filter(|n| (ink.samples()..=32).contains(n)) else {
            return Err(WorkError::Undecodable(format!(
                "el TIFF dice tener {samples} canales, que son demasiados o muy pocos para sus colores"
            )));
        };
        let planar = first(tags.planar) == Some(2) && samples > 1;
        let is_signed = match first(tags.sample_format).unwrap_or(1) {
            1 | 4 => false,
            2 => true,
            3 => return Err(undecodable("el TIFF tiene muestras de punto flotante, que no se leen")),
            _ => return Err(undecodable("el TIFF tiene muestras de números complejos, que no se leen")),
        };
        let bits = bits(bytes, endian, &tags, samples)?;
        check_depth(packing, ink, bits, samples, planar)?;
        let alpha = match first(tags.extra) {
            _ if samples == ink.samples() || ink == Ink::Cmyk || ink == Ink::Ycc => Alpha::None,
            Some(1) => Alpha::Associated,
            Some(2 | 999) => Alpha::Unassociated,
            // Four samples, and no tag about the fourth.
            None if ink == Ink::Rgb && samples == 4 => Alpha::Unassociated,
            _ => Alpha::None,
        };
        let subsampling = if ink == Ink::Ycc && packing != Packing::Jpeg && !planar {
            // Two and two by default (TIFF 6.0, section 21).
            let factor = |i| {
                let said = tags.subsampling.map_or(Some(2), |entry| entry.value(bytes, endian, i))?;
                u32::try_from(said).ok().filter(|factor| matches!(factor, 1 | 2 | 4))
            };
            match (factor(0), factor(1)) {
                (Some(h), Some(v)) if samples == 3 => (h, v),
                _ => return Err(undecodable("el TIFF submuestrea los colores de un modo que no se lee")),
            }
        } else {
            (1, 1)
        };
        let tiled = tags.tile_width.is_some();
        let chunk = if tiled {
            (side(tags.tile_width).unwrap_or(0), side(tags.tile_height).unwrap_or(0))
        } else {
            (width, side(tags.rows_per_strip).unwrap_or(height).min(height))
        };
        if chunk.0 == 0 || chunk.1 == 0 {
            return Err(damaged());
        }
        let differences = differences(packing, first(tags.predictor).unwrap_or(1), bits, subsampling)?;
        let mut directory = Self {
            endian,
            width,
            height,
            bits,
            // Eight signed bits are read as unsigned ones, as other decoders do.
            signed: is_signed && bits > 8,
            ink,
            alpha,
            samples,
            planar,
            packing,
            differences,
            reversed: first(tags.fill_order) == Some(2),
            orientation: tags.orientation,
            chunk,
            tiled,
            subsampling,
            offsets: tags.offsets.ok_or_else(|| undecodable("el TIFF no dice dónde están sus píxeles"))?,
            lengths: tags.lengths,
            jpeg_cost: 0,
            jpeg_tables: tags.jpeg_tables,
            color_map: tags.color_map,
            reference: tags.reference,
        };
        directory.check_grid()?;
        if packing == Packing::Jpeg {
            directory.jpeg_cost = jpegs::announce(bytes, &directory)?;
        }
        Ok(directory)
    }

    /// Refuses a grid of chunks that would be more work than the picture.
    fn check_grid(&self) -> Result<(), WorkError> {
        let pixels = u64::from(self.width) * u64::from(self.height);
        let (across, down) = self.grid();
        let (across, down) = (u64::from(across), u64::from(down));
        let (columns, rows) =
            (across.saturating_mul(self.chunk.0.into()), down.saturating_mul(self.chunk.1.into()));
        if columns.saturating_mul(rows) > pixels.saturating_mul(4).saturating_add(CHUNK_AREA_EXTRA) {
            return Err(undecodable("el TIFF está partido en trozos mucho mayores que la imagen"));
        }
        if across.saturating_mul(rows) > pixels / 8 + CHUNK_ROWS_EXTRA {
            return Err(undecodable("el TIFF está partido en trozos demasiado estrechos"));
        }
        let jpegs = if self.packing == Packing::Jpeg { pixels / 64 + JPEGS_EXTRA } else { u64::MAX };
        if self.chunks() > CHUNKS_MAX.min(jpegs) {
            return Err(undecodable("el TIFF está partido en demasiados trozos"));
        }
        Ok(())
    }

    pub(super) fn is_little(&self) -> bool {
        self.endian == Endian::Little
    }

    /// Strips or tiles of one plane from left to right and from top to bottom.
    pub(super) fn grid(&self) -> (u32, u32) {
        (self.width.div_ceil(self.chunk.0), self.height.div_ceil(self.chunk.1))
    }

    /// Columns and rows of the picture that a chunk of a plane has, and the column and row where they begin.
    pub(super) fn part(&self, index: u32) -> ((u32, u32), (u32, u32)) {
        let (across, _) = self.grid();
        let (left, top) = (index % across * self.chunk.0, index / across * self.chunk.1);
        ((self.chunk.0.min(self.width - left), self.chunk.1.min(self.height - top)), (left, top))
    }

    /// Samples of a pixel that count: those of its colour, and alpha.
    pub(super) fn used(&self) -> u16 {
        let colors = if self.ink == Ink::Ycc { 1 } else { self.ink.samples() };
        colors + u16::from(self.alpha != Alpha::None)
    }

    /// Planes that are read, where samples are stored apart.
    pub(super) fn planes(&self) -> u16 {
        if self.planar { self.used() } else { 1 }
    }

    /// Chunks that are read.
    pub(super) fn chunks(&self) -> u64 {
        let (across, down) = self.grid();
        u64::from(across).saturating_mul(down.into()).saturating_mul(self.planes().into())
    }

    /// The value at an index of a tag's.
    pub(super) fn value(&self, bytes: &[u8], entry: TagEntry, index: usize) -> Option<u64> {
        entry.value(bytes, self.endian, index)
    }

    /// The tables that the JPEGs inside share: a JPEG without a picture.
    pub(super) fn jpeg_tables<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8], WorkError> {
        let Some(tables) = self.jpeg_tables else { return Ok(&[]) };
        if tables.count > TABLES_MAX {
            return Err(undecodable("las tablas de los JPEG del TIFF son demasiado grandes"));
        }
        let length = usize::try_from(tables.count).map_err(|_| truncated())?;
        bytes.get(tables.at..).and_then(|rest| rest.get(..length)).ok_or_else(truncated)
    }

    /// Samples of a pixel that a row of one plane has, once it is decompressed.
    pub(super) fn samples_in_plane(&self) -> u16 {
        match (self.planar, self.packing, self.ink) {
            (true, ..) => 1,
            // Of such a JPEG only luma is decoded.
            (false, Packing::Jpeg, Ink::Ycc) => 1,
            (false, ..) => self.samples,
        }
    }

    /// Bytes of a decompressed row of one chunk of one plane; where chromas are stored among the rows of luma, of as
    /// many rows as have one in common.
    pub(super) fn row_bytes(&self) -> u64 {
        let (h, v) = self.subsampling;
        if (h, v) != (1, 1) {
            // Units of luma and two chromas (TIFF 6.0, section 21).
            return u64::from(self.chunk.0.div_ceil(h)) * u64::from(h * v + 2);
        }
        let bits = u64::from(self.samples_in_plane()) * u64::from(self.bits);
        u64::from(self.chunk.0).saturating_mul(bits).div_ceil(8)
    }

    /// Gray of each value of the first sample, where it is neither that value nor needs others.
    pub(super) fn grays(&self, bytes: &[u8]) -> Result<Option<[u8; 256]>, WorkError> {
        let mut grays = [0; 256];
        match self.ink {
            Ink::WhiteIsZero => (0..=255).zip(&mut grays).for_each(|(value, gray)| *gray = !value),
            Ink::Palette => self.palette(bytes, &mut grays)?,
            Ink::Ycc if self.packing != Packing::Jpeg && self.stretch(bytes, &mut grays) => {}
            _ => return Ok(None),
        }
        Ok(Some(grays))
    }

    /// Luma of each index of the palette: all reds, all greens, all blues, 16 bits each (TIFF 6.0, section 5).
    fn palette(&self, bytes: &[u8], grays: &mut [u8; 256]) -> Result<(), WorkError> {
        let map = self.color_map.ok_or_else(|| undecodable("el TIFF tiene paleta y no la trae"))?;
        let colors = 1usize << self.bits.min(8);
        let high = |index| self.value(bytes, map, index).map(|v| saturate(v >> 8));
        for (index, gray) in grays.iter_mut().enumerate().take(colors) {
            let (Some(r), Some(g), Some(b)) = (high(index), high(colors + index), high(2 * colors + index))
            else {
                return Err(undecodable("la paleta del TIFF está incompleta"));
            };
            *gray = luma(r, g, b);
        }
        Ok(())
    }

    /// Stretches luma to the whole range, if black and white are said to be elsewhere (tag ReferenceBlackWhite; TIFF
    /// 6.0, section 20). Whether they are.
    fn stretch(&self, bytes: &[u8], grays: &mut [u8; 256]) -> bool {
        let level = |i| self.reference.and_then(|entry| entry.rational(bytes, self.endian, i));
        let (Some(black), Some(white)) = (level(0), level(1)) else { return false };
        if white - black < 1.0 || (black, white) == (0.0, 255.0) {
            return false;
        }
        for (value, gray) in (0..=255u8).zip(grays) {
            let stretched = (f64::from(value) - black) * 255.0 / (white - black);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within a byte")]
            let byte = stretched.round().clamp(0.0, 255.0) as u8;
            *gray = byte;
        }
        true
    }

    pub(super) fn cost(&self, length: usize) -> u64 {
        let channels = if self.alpha == Alpha::None { 1 } else { 2 };
        let raster = cost::area(self.width, self.height, channels);
        // A row of each plane, and those samples of it that count, a byte each.
        let rows = self.row_bytes().saturating_mul(self.planes().into());
        let spread = u64::from(self.chunk.0) * u64::from(self.used());
        // Chunks may be copied, turned or with tables; together they are no longer than that.
        let stored = (length as u64).saturating_add(SLACK + TABLES_MAX + length as u64 / 8);
        let jpegs = match self.packing {
            Packing::Jpeg => stored.saturating_add(self.jpeg_cost.saturating_mul(self.planes().into())),
            _ => 0,
        };
        // The offsets in order.
        let index = 8 * self.chunks();
        let work = [rows, spread, unpack::cost(self, stored), jpegs, index];
        cost::turnable(raster, work.into_iter().fold(0, u64::saturating_add))
    }
}

/// Bits of a sample.
fn bits(bytes: &[u8], endian: Endian, tags: &Tags, samples: u16) -> Result<u16, WorkError> {
    let Some(entry) = tags.bits else { return Ok(1) };
    let bits = entry.value(bytes, endian, 0).unwrap_or(1);
    let count = usize::try_from(entry.count.min(samples.into())).map_err(|_| damaged())?;
    if (1..count).any(|i| entry.value(bytes, endian, i) != Some(bits)) {
        return Err(undecodable("el TIFF tiene canales de distinto número de bits, que no se leen"));
    }
    match bits {
        1..=16 | 24 | 32 | 64 => u16::try_from(bits).map_err(|_| damaged()),
        _ => Err(WorkError::Undecodable(format!("el TIFF tiene muestras de {bits} bits, que no se leen"))),
    }
}

/// Holds the bits of a sample against what the compression and the colour can have.
fn check_depth(packing: Packing, ink: Ink, bits: u16, samples: u16, planar: bool) -> Result<(), WorkError> {
    let alone = samples == 1 || planar;
    match (packing, ink) {
        (Packing::Fax(_), _) if bits != 1 || !alone => {
            Err(undecodable("el TIFF usa la compresión de fax y no es de blanco y negro"))
        }
        (Packing::Jpeg, _) if bits != 8 => {
            Err(WorkError::Undecodable(format!("el TIFF contiene un JPEG de {bits} bits, que no se lee")))
        }
        (_, Ink::Palette) if bits > 8 => {
            Err(WorkError::Undecodable(format!("el TIFF tiene una paleta de {bits} bits, que no se lee")))
        }
        (_, Ink::Ycc) if bits != 8 => Err(WorkError::Undecodable(format!(
            "el TIFF es YCbCr con muestras de {bits} bits, que no se lee"
        ))),
        _ if u32::from(bits) * u32::from(samples) > PIXEL_BITS_MAX => Err(WorkError::Undecodable(format!(
            "el TIFF tiene {samples} canales de {bits} bits, que son demasiados"
        ))),
        _ => Ok(()),
    }
}

/// Whether samples are stored as differences. The tag counts for LZW and deflate alone (TIFF 6.0, section 14).
fn differences(
    packing: Packing,
    predictor: u64,
    bits: u16,
    subsampling: (u32, u32),
) -> Result<bool, WorkError> {
    match (packing, predictor) {
        (Packing::Lzw | Packing::Deflate, 2) => {
            if subsampling != (1, 1) || !matches!(bits, 8 | 16 | 32) {
                return Err(undecodable("el TIFF guarda diferencias (Predictor 2) de un modo que no se lee"));
            }
            Ok(true)
        }
        (Packing::Lzw | Packing::Deflate, 3) => {
            Err(undecodable("el TIFF usa el predictor de punto flotante, que no se lee"))
        }
        (Packing::Lzw | Packing::Deflate, 4..) => Err(WorkError::Undecodable(format!(
            "el TIFF usa un predictor desconocido (el número {predictor})"
        ))),
        _ => Ok(false),
    }
}
