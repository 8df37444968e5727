//! The picture that the first directory of a TIFF file describes: its tags, checked against each other.
//!
//! What is said wrong and doesn't matter is put right, as other readers do: a count of BitsPerSample that is not that of
//! the samples, lengths that reach past the file, strips longer than the picture. The cost is computed from it alone.

use crate::exchange::job::Failure;
use crate::pixels::bytes::Endian;
use crate::pixels::cost;
use crate::pixels::gray::{luma, saturate};
use crate::pixels::orient::Orientation;
use crate::pixels::probe::undecodable;

use super::tags::{Entry, Tags};
use super::{damaged, truncated};

/// Strips or tiles of all planes: each costs a decompressor of its own, and the crate reads no longer lists.
const CHUNKS_MAX: u64 = 250_000;
/// Bytes of the tables that the JPEGs inside share; the crate makes a list of them. Real ones have some 600.
const TABLES_MAX: u32 = 4096;

/// What the colour samples of a pixel mean (tag PhotometricInterpretation).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    WhiteIsZero,
    BlackIsZero,
    Rgb,
    Palette,
    Cmyk,
    /// Only inside JPEG: its first sample is luma.
    Ycc,
}

impl Ink {
    /// Colour samples of a pixel.
    pub(super) const fn samples(self) -> u16 {
        match self {
            Self::WhiteIsZero | Self::BlackIsZero | Self::Palette => 1,
            Self::Rgb | Self::Ycc => 3,
            Self::Cmyk => 4,
        }
    }
}

/// What the sample after the colours means (tag ExtraSamples).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alpha {
    None,
    /// Colours are multiplied by it.
    Associated,
    Unassociated,
}

/// Compressions that are read (tag Compression).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// None, LZW, Deflate, PackBits, fax: decompressed as a stream.
    Stream,
    /// Baseline JPEG in every strip or tile.
    Jpeg,
}

/// The picture as the directory describes it.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    pub(super) endian: Endian,
    pub(super) width: u32,
    pub(super) height: u32,
    /// Bits of every sample: 1, 2, 4, 8, 16 or 32.
    pub(super) bits: u16,
    pub(super) signed: bool,
    pub(super) ink: Ink,
    pub(super) alpha: Alpha,
    /// Samples of a pixel, extra ones included.
    pub(super) samples: u16,
    /// Whether each sample has strips or tiles of its own.
    pub(super) planar: bool,
    pub(super) packing: Packing,
    /// Whether the leftmost pixel is in the lowest bits of a byte.
    pub(super) reversed: bool,
    pub(super) orientation: Orientation,
    /// Columns and rows of a strip or tile.
    pub(super) chunk: (u32, u32),
    pub(super) tiled: bool,
    /// Numbers of the tags Compression and Predictor.
    pub(super) compression: u32,
    pub(super) predictor: u32,
    offsets: Entry,
    lengths: Option<Entry>,
    jpeg_tables: Option<Entry>,
    color_map: Option<Entry>,
}

impl Directory {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Failure> {
        let endian = Endian::of_tiff(bytes).ok_or_else(damaged)?;
        let tags = Tags::read(bytes, endian)?;
        let first = |entry: Option<Entry>| entry.and_then(|e| e.value(bytes, endian, 0));
        let (Some(width), Some(height)) = (first(tags.width), first(tags.height)) else {
            return Err(undecodable("el TIFF no dice cuánto mide"));
        };
        if width == 0 || height == 0 {
            return Err(undecodable("el TIFF mide cero píxeles"));
        }
        let compression = first(tags.compression).unwrap_or(1);
        let packing = packing(compression)?;
        let reversed = first(tags.fill_order) == Some(2);
        if reversed && compression != 1 {
            return Err(undecodable("el TIFF está comprimido con los bits al revés, que no se lee"));
        }
        let ink = ink(first(tags.ink), packing)?;
        let samples = u16::try_from(first(tags.samples).unwrap_or(1)).map_err(|_| damaged())?;
        if !(ink.samples()..=32).contains(&samples) {
            return Err(Failure::Undecodable(format!(
                "el TIFF tiene {samples} canales y no son de ese color"
            )));
        }
        let bits = match (first(tags.bits).unwrap_or(1), samples) {
            (1, 1) => 1,
            (2, 1) => 2,
            (4, 1) => 4,
            (8, _) => 8,
            (16, _) => 16,
            (32, _) => 32,
            (bits, _) => {
                return Err(Failure::Undecodable(format!(
                    "el TIFF tiene muestras de {bits} bits, que no se leen"
                )));
            }
        };
        let all_alike = |entry: Entry| {
            (1..entry.count.min(samples.into()) as usize)
                .all(|i| entry.value(bytes, endian, i) == first(Some(entry)))
        };
        if !tags.bits.is_none_or(all_alike) {
            return Err(undecodable("el TIFF tiene canales de distinto número de bits, que no se leen"));
        }
        let signed = match first(tags.sample_format).unwrap_or(1) {
            1 | 4 => false,
            // Eight signed bits are read as unsigned ones, as everybody does.
            2 => bits > 8,
            _ => return Err(undecodable("el TIFF tiene muestras de punto flotante, que no se leen")),
        };
        let alpha = match first(tags.extra) {
            _ if samples == ink.samples() || ink == Ink::Cmyk || ink == Ink::Ycc => Alpha::None,
            Some(1) => Alpha::Associated,
            Some(2 | 999) => Alpha::Unassociated,
            // Four samples without a word about the fourth.
            None if ink == Ink::Rgb && samples == 4 => Alpha::Unassociated,
            _ => Alpha::None,
        };
        let tiled = tags.tile_width.is_some();
        let chunk = if tiled {
            (first(tags.tile_width).unwrap_or(0), first(tags.tile_height).unwrap_or(0))
        } else {
            (width, first(tags.rows_per_strip).unwrap_or(height).min(height))
        };
        if chunk.0 == 0 || chunk.1 == 0 {
            return Err(damaged());
        }
        let directory = Self {
            endian,
            width,
            height,
            bits,
            signed,
            ink,
            alpha,
            samples,
            planar: first(tags.planar) == Some(2) && samples > 1,
            packing,
            reversed,
            orientation: tags.orientation,
            chunk,
            tiled,
            compression,
            predictor: first(tags.predictor).unwrap_or(1),
            offsets: tags.offsets.ok_or_else(|| undecodable("el TIFF no dice dónde están sus píxeles"))?,
            lengths: tags.lengths,
            jpeg_tables: tags.jpeg_tables,
            color_map: tags.color_map,
        };
        if directory.chunks() > CHUNKS_MAX {
            return Err(undecodable("el TIFF está partido en demasiados trozos"));
        }
        if directory.jpeg_tables.is_some_and(|tables| tables.count > TABLES_MAX) {
            return Err(damaged());
        }
        Ok(directory)
    }

    /// Strips or tiles of one plane from left to right and from top to bottom.
    pub(super) fn grid(&self) -> (u32, u32) {
        (self.width.div_ceil(self.chunk.0), self.height.div_ceil(self.chunk.1))
    }

    /// Planes that are stored apart.
    pub(super) fn planes(&self) -> u16 {
        if self.planar { self.samples } else { 1 }
    }

    fn chunks(&self) -> u64 {
        let (across, down) = self.grid();
        u64::from(across) * u64::from(down) * u64::from(self.planes())
    }

    /// Offset of each strip or tile.
    pub(super) fn offsets(&self, bytes: &[u8]) -> Result<Vec<u32>, Failure> {
        let count = usize::try_from(self.chunks()).map_err(|_| truncated())?;
        (0..count).map(|i| self.offsets.value(bytes, self.endian, i).ok_or_else(truncated)).collect()
    }

    /// Length of each strip or tile as stored; to the end of the file where it isn't said.
    pub(super) fn lengths(&self, bytes: &[u8], offsets: &[u32]) -> Vec<u32> {
        let rest = |offset: u32| u32::try_from(bytes.len()).unwrap_or(u32::MAX).saturating_sub(offset);
        let said = |i| self.lengths.and_then(|lengths| lengths.value(bytes, self.endian, i));
        offsets
            .iter()
            .enumerate()
            .map(|(i, &offset)| said(i).unwrap_or(rest(offset)).min(rest(offset)))
            .collect()
    }

    /// Count and offset of the tables that the JPEGs inside share.
    pub(super) fn jpeg_tables(&self) -> Option<(u32, u32)> {
        self.jpeg_tables.and_then(|tables| Some((tables.count, u32::try_from(tables.at).ok()?)))
    }

    /// Samples of a pixel in one plane.
    pub(super) fn samples_in_plane(&self) -> usize {
        if self.planar { 1 } else { self.samples.into() }
    }

    /// Luma of each index of the palette: all reds, all greens, all blues, 16 bits each (TIFF 6.0, section 5).
    pub(super) fn grays(&self, bytes: &[u8]) -> Result<[u8; 256], Failure> {
        let map = self.color_map.ok_or_else(|| undecodable("el TIFF tiene paleta y no la trae"))?;
        let colors = 1usize << self.bits.min(8);
        let high = |index| map.value(bytes, self.endian, index).map(|v| saturate((v >> 8).into()));
        let mut grays = [0; 256];
        for (index, gray) in grays.iter_mut().enumerate().take(colors) {
            let (Some(r), Some(g), Some(b)) = (high(index), high(colors + index), high(2 * colors + index))
            else {
                return Err(undecodable("la paleta del TIFF está incompleta"));
            };
            *gray = luma(r, g, b);
        }
        Ok(grays)
    }

    pub(super) fn cost(&self, length: usize) -> u64 {
        let channels = if self.alpha == Alpha::None { 1 } else { 2 };
        let raster = cost::area(self.width, self.height, channels);
        let bits = u64::from(self.bits) * u64::from(self.samples);
        // A row is rounded up to bytes in every plane, and then spread to a byte a sample; fax
        // remembers where two rows change colour.
        let row = u64::from(self.chunk.0).saturating_mul(bits).div_ceil(8) + u64::from(self.planes());
        let spread = u64::from(self.chunk.0) * (u64::from(self.samples) + 16);
        let chunk = row.saturating_mul(self.chunk.1.into());
        let jpeg = match self.packing {
            Packing::Stream => 0,
            // The compressed chunk, the decoder's planes of coefficients and its output.
            Packing::Jpeg => (length as u64).saturating_add(chunk.saturating_mul(8)),
        };
        // Offset and length of each chunk, and the lists of values they come from.
        let index = self.chunks() * 96;
        cost::turnable(raster, chunk.saturating_add(spread).saturating_add(jpeg).saturating_add(index))
    }
}

fn packing(compression: u32) -> Result<Packing, Failure> {
    match compression {
        1 | 4 | 5 | 8 | 32_773 | 32_946 => Ok(Packing::Stream),
        7 => Ok(Packing::Jpeg),
        _ => Err(Failure::Undecodable(format!("el TIFF usa la compresión {compression}, que no se lee"))),
    }
}

fn ink(photometric: Option<u32>, packing: Packing) -> Result<Ink, Failure> {
    match (photometric, packing) {
        (Some(0), _) => Ok(Ink::WhiteIsZero),
        (Some(1), _) => Ok(Ink::BlackIsZero),
        (Some(2), _) => Ok(Ink::Rgb),
        (Some(3), _) => Ok(Ink::Palette),
        (Some(5), _) => Ok(Ink::Cmyk),
        (Some(6), Packing::Jpeg) => Ok(Ink::Ycc),
        (Some(other), _) => {
            Err(Failure::Undecodable(format!("el TIFF usa el espacio de color {other}, que no se lee")))
        }
        (None, _) => Err(undecodable("el TIFF no dice qué colores tiene")),
    }
}
