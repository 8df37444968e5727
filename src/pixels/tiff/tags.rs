//! The entries of the first directory of a TIFF file (TIFF 6.0, section 2): which are there, and where their values are.
//!
//! Nothing is checked here but that the directory ends before the file does, and nothing is allocated.

use crate::exchange::job::Failure;
use crate::pixels::bytes::Endian;
use crate::pixels::orient::Orientation;
use crate::pixels::probe::undecodable;

use super::truncated;

/// Entries of the directory that are looked at; real ones have some thirty.
const ENTRIES_MAX: u16 = 4096;

/// One tag: where its values are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    kind: u16,
    pub(super) count: u32,
    /// Offset of the first value.
    pub(super) at: usize,
}

impl Entry {
    /// The value at an index: SHORT and LONG (TIFF 6.0, section 2), and BYTE as some write it.
    pub(super) fn value(self, bytes: &[u8], endian: Endian, index: usize) -> Option<u32> {
        if index >= self.count as usize {
            return None;
        }
        match self.kind {
            1 => bytes.get(self.at.checked_add(index)?).map(|&b| b.into()),
            3 => endian.u16(bytes, self.at.checked_add(2 * index)?).map(u32::from),
            4 => endian.u32(bytes, self.at.checked_add(4 * index)?),
            _ => None,
        }
    }
}

/// The tags that matter, by what they say.
#[derive(Default)]
pub(super) struct Tags {
    pub(super) width: Option<Entry>,
    pub(super) height: Option<Entry>,
    pub(super) bits: Option<Entry>,
    pub(super) compression: Option<Entry>,
    pub(super) ink: Option<Entry>,
    pub(super) fill_order: Option<Entry>,
    pub(super) samples: Option<Entry>,
    pub(super) rows_per_strip: Option<Entry>,
    pub(super) planar: Option<Entry>,
    pub(super) color_map: Option<Entry>,
    pub(super) tile_width: Option<Entry>,
    pub(super) tile_height: Option<Entry>,
    pub(super) extra: Option<Entry>,
    pub(super) sample_format: Option<Entry>,
    pub(super) orientation: Orientation,
    pub(super) predictor: Option<Entry>,
    pub(super) offsets: Option<Entry>,
    pub(super) lengths: Option<Entry>,
    pub(super) jpeg_tables: Option<Entry>,
}

impl Tags {
    pub(super) fn read(bytes: &[u8], endian: Endian) -> Result<Self, Failure> {
        let start = endian.u32(bytes, 4).ok_or_else(truncated)? as usize;
        let count = endian.u16(bytes, start).ok_or_else(truncated)?;
        if count > ENTRIES_MAX {
            return Err(undecodable("el TIFF tiene demasiadas etiquetas"));
        }
        let mut tags = Self::default();
        for index in 0..usize::from(count) {
            let at = start + 2 + 12 * index;
            let entry = bytes.get(at..at + 12).ok_or_else(truncated)?;
            let (Some(tag), Some(kind), Some(values), Some(offset)) =
                (endian.u16(entry, 0), endian.u16(entry, 2), endian.u32(entry, 4), endian.u32(entry, 8))
            else {
                return Err(truncated());
            };
            let size = match kind {
                3 => 2,
                4 => 4,
                _ => 1,
            };
            // Values that fit into four bytes stand in the entry itself.
            let inline = u64::from(values) * size <= 4;
            let found =
                Some(Entry { kind, count: values, at: if inline { at + 8 } else { offset as usize } });
            match tag {
                256 => tags.width = found,
                257 => tags.height = found,
                258 => tags.bits = found,
                259 => tags.compression = found,
                262 => tags.ink = found,
                266 => tags.fill_order = found,
                274 => tags.orientation = Orientation::from_entry(endian, entry).unwrap_or_default(),
                273 | 324 => tags.offsets = found,
                277 => tags.samples = found,
                278 => tags.rows_per_strip = found,
                279 | 325 => tags.lengths = found,
                284 => tags.planar = found,
                317 => tags.predictor = found,
                320 => tags.color_map = found,
                322 => tags.tile_width = found,
                323 => tags.tile_height = found,
                338 => tags.extra = found,
                339 => tags.sample_format = found,
                347 => tags.jpeg_tables = found,
                _ => {}
            }
        }
        Ok(tags)
    }
}
