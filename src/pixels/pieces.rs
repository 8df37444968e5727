//! A file made of pieces of another, for a decoder that reads and seeks, without copying.
//!
//! Reads fail once the picture is no longer wanted, as those of [`interrupt`] do.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use super::interrupt;
use crate::model::job::Cancel;

const PIECES: usize = 8;
/// Bytes between two looks at the flag.
const STEP: usize = 16 * 1024;

pub(super) struct Pieces<'a> {
    pieces: [&'a [u8]; PIECES],
    /// The piece that is read, and how much of it is behind us: all of it only at the end of the last one.
    index: usize,
    offset: usize,
    cancelled: &'a Cancel,
}

impl<'a> Pieces<'a> {
    /// Those pieces behind each other; empty ones fill up their number.
    pub(super) fn new(pieces: [&'a [u8]; PIECES], cancelled: &'a Cancel) -> Self {
        let mut all = Self { pieces, index: 0, offset: 0, cancelled };
        all.settle();
        all
    }

    /// Goes on to the next piece that has something left.
    fn settle(&mut self) {
        while self.index + 1 < PIECES && self.offset >= self.pieces[self.index].len() {
            self.offset -= self.pieces[self.index].len();
            self.index += 1;
        }
    }

    /// Bytes before the place that is read next.
    fn position(&self) -> u64 {
        let before: usize = self.pieces[..self.index].iter().map(|piece| piece.len()).sum();
        (before + self.offset) as u64
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.fill_buf()?;
        let length = buffer.len().min(rest.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Pieces<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        // Not Interrupted: callers try that again.
        interrupt::check(self.cancelled).map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
        let rest = self.pieces[self.index].get(self.offset..).unwrap_or_default();
        Ok(&rest[..rest.len().min(STEP)])
    }

    fn consume(&mut self, count: usize) {
        self.offset += count;
        self.settle();
    }
}

impl Seek for Pieces<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let end: usize = self.pieces.iter().map(|piece| piece.len()).sum();
        let target = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::Current(by) => self.position().checked_add_signed(by),
            SeekFrom::End(by) => (end as u64).checked_add_signed(by),
        };
        let target =
            target.and_then(|place| usize::try_from(place).ok()).ok_or(io::ErrorKind::InvalidInput)?;
        (self.index, self.offset) = (0, target);
        self.settle();
        Ok(target as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_read_as_one_file() {
        let cancelled = Cancel::default();
        let mut file = Pieces::new([b"", b"abc", b"", b"de", b"f", b"", b"", b""], &cancelled);
        let mut all = String::new();
        file.read_to_string(&mut all).unwrap();
        assert_eq!((all.as_str(), file.stream_position().unwrap()), ("abcdef", 6));
        for (place, rest) in [(0, "abcdef"), (2, "cdef"), (3, "def"), (5, "f"), (6, ""), (9, "")] {
            assert_eq!(file.seek(SeekFrom::Start(place)).unwrap(), place);
            let mut read = String::new();
            file.read_to_string(&mut read).unwrap();
            assert_eq!(read, rest, "from {place}");
        }
        file.seek(SeekFrom::End(-4)).unwrap();
        file.seek_relative(1).unwrap();
        assert_eq!(file.fill_buf().unwrap(), b"de");
        assert!(file.seek(SeekFrom::Current(-4)).is_err());
        cancelled.set();
        assert_eq!(file.fill_buf().unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
