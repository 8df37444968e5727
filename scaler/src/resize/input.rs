//! Source rows that are not used yet, packed in one buffer.

use super::across::SLACK;
use super::kernels::GROUP;
use super::{ResizeError, zeroed};

/// Read size, if a picture has that much: as much as stays in the second-level cache beside the rest of the work.
const BYTES: usize = 128 << 10;

#[derive(Debug)]
pub(super) struct Input {
    /// With bytes behind the last row, which kernels may read.
    bytes: Vec<u8>,
    /// Start of the unused bytes.
    start: usize,
    end: usize,
    /// Bytes of a row.
    row: usize,
    missing: usize,
}

impl Input {
    pub(super) fn new(row: usize, rows: usize) -> Result<Self, ResizeError> {
        let missing = row.checked_mul(rows).ok_or(ResizeError::Memory)?;
        // While less than a group is there, there is room for another one.
        let room = (2 * GROUP * row).max(BYTES).min(missing);
        Ok(Self { bytes: zeroed(room + SLACK)?, start: 0, end: 0, row, missing })
    }

    /// Buffer for the next bytes; then call [`Self::filled`].
    pub(super) fn space(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let room = (self.bytes.len() - SLACK - self.end).min(self.missing);
        self.bytes.get_mut(self.end..self.end + room).unwrap_or_default()
    }

    /// The same, growing the buffer when it is full: unused bytes are held.
    pub(super) fn more_space(&mut self) -> Result<&mut [u8], ResizeError> {
        if self.space().is_empty() && self.missing > 0 {
            let whole = self.end + self.missing + SLACK;
            // All at once: untouched memory costs nothing, and less would be moved again.
            let bytes = &mut self.bytes;
            bytes.try_reserve_exact(whole - bytes.len()).map_err(|_| ResizeError::Memory)?;
            bytes.resize((2 * bytes.len()).min(whole), 0);
        }
        Ok(self.space())
    }

    pub(super) fn filled(&mut self, count: usize) {
        self.end += count;
        self.missing -= count;
    }

    pub(super) fn missing(&self) -> usize {
        self.missing
    }

    /// How many rows can be taken at once: a group, or the picture's last ones.
    pub(super) fn rows(&self) -> usize {
        let rows = (self.end - self.start) / self.row;
        if rows >= GROUP || self.missing == 0 { rows.min(GROUP) } else { 0 }
    }

    /// The next rows, each with at least [`SLACK`] bytes behind it; if fewer than a group, the last one is repeated.
    pub(super) fn group(&self, count: usize) -> [&[u8]; GROUP] {
        std::array::from_fn(|row| {
            let at = self.start + row.min(count.saturating_sub(1)) * self.row;
            self.bytes.get(at..).unwrap_or_default()
        })
    }

    pub(super) fn used(&mut self, rows: usize) {
        self.start += rows * self.row;
    }

    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.bytes.len()
    }
}
