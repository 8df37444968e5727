//! Where the strips and tiles of a TIFF are in the file, and how long each is as stored.
//!
//! Lengths are often wrong, and uncompressed chunks need none. A length that is missing, 0 or past the file is replaced
//! by the distance to the next offset, as libtiff estimates it; so are all lengths above that distance, if together
//! they exceed the file by more than a little. If they still do, chunks overlap and are refused: the work would not be
//! bounded by the bytes of the file. (Uncompressed ones may overlap: their work is that of their pixels.)

use super::directory::{Directory, Packing};
use super::truncated;
use crate::model::error::WorkError;
use crate::pixels::header::undecodable;

/// Bytes that all chunks together may be longer than the file and an eighth of it.
pub(super) const SLACK: u64 = 16 * 1024;

/// The chunks of the planes that are read.
pub(super) struct Chunks<'a> {
    bytes: &'a [u8],
    directory: &'a Directory,
    /// All offsets in ascending order, if lengths are estimated.
    offsets: Vec<usize>,
    /// Whether a length that is said may reach past the next offset.
    trusted: bool,
}

impl<'a> Chunks<'a> {
    /// Looks at each offset and length once or twice; where lengths have to be estimated, sorts the offsets.
    pub(super) fn new(bytes: &'a [u8], directory: &'a Directory) -> Result<Self, WorkError> {
        let mut chunks = Self { bytes, directory, offsets: Vec::new(), trusted: true };
        let count = usize::try_from(directory.chunks()).map_err(|_| truncated())?;
        for index in 0..count {
            if chunks.offset(index)? >= bytes.len() {
                return Err(truncated());
            }
        }
        if directory.packing == Packing::Plain {
            return Ok(chunks);
        }
        let most = bytes.len() as u64 + bytes.len() as u64 / 8 + SLACK;
        let fits = |chunks: &Self| {
            let lengths = (0..count).map(|index| chunks.length(index).map(|length| length as u64));
            lengths.sum::<Result<u64, WorkError>>().map(|sum| sum <= most)
        };
        if (0..count).any(|index| chunks.said(index).is_none()) {
            chunks.sort_offsets(count)?;
        }
        if !fits(&chunks)? {
            chunks.trusted = false;
            chunks.sort_offsets(count)?;
            if !fits(&chunks)? {
                return Err(undecodable("los trozos del TIFF están unos encima de otros"));
            }
        }
        Ok(chunks)
    }

    pub(super) fn get(&self, plane: usize, index: u32) -> Result<&'a [u8], WorkError> {
        let (across, down) = self.directory.grid();
        let index = plane * across as usize * down as usize + index as usize;
        let rest = self.bytes.get(self.offset(index)?..).ok_or_else(truncated)?;
        if self.directory.packing == Packing::Plain {
            return Ok(rest);
        }
        rest.get(..self.length(index)?).ok_or_else(truncated)
    }

    fn offset(&self, index: usize) -> Result<usize, WorkError> {
        let offset = self.directory.value(self.bytes, self.directory.offsets, index);
        offset.and_then(|offset| usize::try_from(offset).ok()).ok_or_else(truncated)
    }

    /// The length that the file says, if it can be true.
    fn said(&self, index: usize) -> Option<usize> {
        let lengths = self.directory.lengths?;
        let length = usize::try_from(self.directory.value(self.bytes, lengths, index)?).ok()?;
        let end = self.offset(index).ok()?.checked_add(length)?;
        (length > 0 && end <= self.bytes.len()).then_some(length)
    }

    fn length(&self, index: usize) -> Result<usize, WorkError> {
        let said = self.said(index);
        if let (Some(said), true) = (said, self.trusted) {
            return Ok(said);
        }
        let offset = self.offset(index)?;
        let next = self.offsets.partition_point(|&other| other <= offset);
        let end = self.offsets.get(next).copied().unwrap_or(self.bytes.len());
        let distance = end.saturating_sub(offset);
        Ok(said.map_or(distance, |said| said.min(distance)))
    }

    fn sort_offsets(&mut self, count: usize) -> Result<(), WorkError> {
        if self.offsets.is_empty() {
            self.offsets = Vec::with_capacity(count);
            for index in 0..count {
                let offset = self.offset(index)?;
                self.offsets.push(offset);
            }
            self.offsets.sort_unstable();
        }
        Ok(())
    }
}
