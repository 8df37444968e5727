//! The entries of the first directory of a TIFF file: which are there, and where their values are.
//!
//! Classic TIFF (TIFF 6.0, section 2) has offsets of 32 bits, BigTIFF (43 in place of 42) of 64; there is no other
//! difference. The only check is that the directory ends before the file does, and nothing is allocated. The work is
//! one look at each of at most 4096 entries.

use super::{damaged, truncated};
use crate::model::error::WorkError;
use crate::pixels::bytes::Endian;
use crate::pixels::header::undecodable;
use crate::pixels::orient::Orientation;

/// Entries of the directory that are looked at; real ones have some thirty.
const ENTRIES_MAX: u64 = 4096;

#[derive(Clone, Copy, Debug)]
pub(super) struct TagEntry {
    kind: u16,
    pub(super) count: u64,
    pub(super) at: usize,
}

impl TagEntry {
    /// The value at an index: an unsigned integer of any size, or a signed one that isn't negative, as some write it.
    pub(super) fn value(self, bytes: &[u8], endian: Endian, index: usize) -> Option<u64> {
        if index as u64 >= self.count {
            return None;
        }
        let at = self.at.checked_add(index.checked_mul(size_of_kind(self.kind))?)?;
        match self.kind {
            1 | 7 => bytes.get(at).map(|&byte| byte.into()),
            3 => endian.u16(bytes, at).map(u64::from),
            4 | 13 => endian.u32(bytes, at).map(u64::from),
            6 => u64::try_from(bytes.get(at)?.cast_signed()).ok(),
            8 => u64::try_from(endian.u16(bytes, at)?.cast_signed()).ok(),
            9 => u64::try_from(endian.u32(bytes, at)?.cast_signed()).ok(),
            16..=18 => u64_at(endian, bytes, at).filter(|&value| i64::try_from(value).is_ok()),
            _ => None,
        }
    }

    /// The RATIONAL at an index, or an integer in its place.
    pub(super) fn rational(self, bytes: &[u8], endian: Endian, index: usize) -> Option<f64> {
        if self.kind != 5 || index as u64 >= self.count {
            #[expect(clippy::cast_precision_loss, reason = "the values are those of samples")]
            return self.value(bytes, endian, index).map(|value| value as f64);
        }
        let at = self.at.checked_add(index.checked_mul(8)?)?;
        let denominator = endian.u32(bytes, at.checked_add(4)?)?;
        (denominator != 0).then_some(f64::from(endian.u32(bytes, at)?) / f64::from(denominator))
    }
}

/// Bytes of a value of a type (TIFF 6.0, section 2; BigTIFF adds 16 to 18).
const fn size_of_kind(kind: u16) -> usize {
    match kind {
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16..=18 => 8,
        _ => 1,
    }
}

fn u64_at(endian: Endian, bytes: &[u8], at: usize) -> Option<u64> {
    let (first, second) = (endian.u32(bytes, at)?, endian.u32(bytes, at.checked_add(4)?)?);
    let (high, low) = match endian {
        Endian::Little => (second, first),
        Endian::Big => (first, second),
    };
    Some(u64::from(high) << 32 | u64::from(low))
}

/// The tags that matter, by what they say.
#[derive(Default)]
pub(super) struct Tags {
    pub(super) width: Option<TagEntry>,
    pub(super) height: Option<TagEntry>,
    pub(super) bits: Option<TagEntry>,
    pub(super) compression: Option<TagEntry>,
    pub(super) ink: Option<TagEntry>,
    pub(super) fill_order: Option<TagEntry>,
    pub(super) samples: Option<TagEntry>,
    pub(super) rows_per_strip: Option<TagEntry>,
    pub(super) planar: Option<TagEntry>,
    pub(super) fax_options: Option<TagEntry>,
    pub(super) color_map: Option<TagEntry>,
    pub(super) tile_width: Option<TagEntry>,
    pub(super) tile_height: Option<TagEntry>,
    pub(super) extra: Option<TagEntry>,
    pub(super) sample_format: Option<TagEntry>,
    pub(super) orientation: Orientation,
    pub(super) predictor: Option<TagEntry>,
    pub(super) offsets: Option<TagEntry>,
    pub(super) lengths: Option<TagEntry>,
    pub(super) jpeg_tables: Option<TagEntry>,
    pub(super) subsampling: Option<TagEntry>,
    pub(super) reference: Option<TagEntry>,
}

struct TagLayout {
    /// Bytes of an offset, and of the count of values.
    offset: usize,
    /// Bytes of an entry.
    entry: usize,
}

const CLASSIC: TagLayout = TagLayout { offset: 4, entry: 12 };
const BIG: TagLayout = TagLayout { offset: 8, entry: 20 };

impl TagLayout {
    fn offset(&self, endian: Endian, bytes: &[u8], at: usize) -> Option<u64> {
        if self.offset == 8 { u64_at(endian, bytes, at) } else { endian.u32(bytes, at).map(u64::from) }
    }
}

/// Order of bytes, form, and where the offset of the first directory stands.
fn head(bytes: &[u8]) -> Result<(Endian, TagLayout, usize), WorkError> {
    if let Some(endian) = Endian::of_tiff(bytes) {
        return Ok((endian, CLASSIC, 4));
    }
    let endian = match bytes {
        [b'I', b'I', 43, 0, ..] => Endian::Little,
        [b'M', b'M', 0, 43, ..] => Endian::Big,
        _ => return Err(damaged()),
    };
    // The size of an offset, and a zero.
    match (endian.u16(bytes, 4), endian.u16(bytes, 6)) {
        (Some(8), Some(0)) => Ok((endian, BIG, 8)),
        (Some(_), Some(_)) => Err(undecodable("el TIFF es un BigTIFF con una cabecera que no se lee")),
        _ => Err(truncated()),
    }
}

impl Tags {
    /// The tags of the first directory, and the file's order of bytes.
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, Endian), WorkError> {
        let (endian, form, at) = head(bytes)?;
        let place = |value: u64| usize::try_from(value).map_err(|_| truncated());
        let start = place(form.offset(endian, bytes, at).ok_or_else(truncated)?)?;
        let (count, mut at) = if form.offset == 8 {
            (u64_at(endian, bytes, start), start.saturating_add(8))
        } else {
            (endian.u16(bytes, start).map(u64::from), start.saturating_add(2))
        };
        let count = count.ok_or_else(truncated)?;
        if count > ENTRIES_MAX {
            return Err(undecodable("el TIFF tiene demasiadas etiquetas"));
        }
        let mut tags = Self::default();
        for _ in 0..count {
            let end = at.checked_add(form.entry).ok_or_else(truncated)?;
            let entry = bytes.get(at..end).ok_or_else(truncated)?;
            let value = 4 + form.offset;
            let (Some(tag), Some(kind), Some(values), Some(offset)) = (
                endian.u16(entry, 0),
                endian.u16(entry, 2),
                form.offset(endian, entry, 4),
                form.offset(endian, entry, value),
            ) else {
                return Err(truncated());
            };
            // Values that fit into an offset stand in its place.
            let inline = values.saturating_mul(size_of_kind(kind) as u64) <= form.offset as u64;
            let first = if inline { at + value } else { usize::try_from(offset).unwrap_or(usize::MAX) };
            tags.keep(bytes, endian, tag, TagEntry { kind, count: values, at: first });
            at = end;
        }
        Ok((tags, endian))
    }

    fn keep(&mut self, bytes: &[u8], endian: Endian, tag: u16, entry: TagEntry) {
        let place = match tag {
            256 => &mut self.width,
            257 => &mut self.height,
            258 => &mut self.bits,
            259 => &mut self.compression,
            262 => &mut self.ink,
            266 => &mut self.fill_order,
            273 | 324 => &mut self.offsets,
            274 => {
                let value = entry.value(bytes, endian, 0).and_then(|value| u32::try_from(value).ok());
                self.orientation = value.and_then(Orientation::from_tag).unwrap_or_default();
                return;
            }
            277 => &mut self.samples,
            278 => &mut self.rows_per_strip,
            279 | 325 => &mut self.lengths,
            284 => &mut self.planar,
            292 => &mut self.fax_options,
            317 => &mut self.predictor,
            320 => &mut self.color_map,
            322 => &mut self.tile_width,
            323 => &mut self.tile_height,
            338 => &mut self.extra,
            339 => &mut self.sample_format,
            347 => &mut self.jpeg_tables,
            530 => &mut self.subsampling,
            532 => &mut self.reference,
            _ => return,
        };
        *place = Some(entry);
    }
}
