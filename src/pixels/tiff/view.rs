//! A TIFF file as the tiff crate is to see it: the bytes of the real one behind a directory of our own.
//!
//! Ours says "gray, so many bits, so many samples" whatever they mean, so that the crate hands out raw samples and
//! refuses no palette, no alpha, no extra channel. It has whole tiles, because the crate cuts those at the edge
//! wrongly where planes are apart, and no second page, because a chain of pages may bite its tail. And its lists have
//! the length they must have: the crate allocates by the count in the file, a hundred times the bytes of the value.

use std::io::{Cursor, Read, Seek, SeekFrom};

use crate::exchange::job::{Cancel, Failure};
use crate::pixels::bytes::Endian;
use crate::pixels::interrupt;

use super::directory::{Directory, Packing};
use super::truncated;

/// LONG and UNDEFINED, of the types of TIFF 6.0, section 2.
const LONG: u16 = 4;
const UNDEFINED: u16 = 7;
/// BlackIsZero, of the values of PhotometricInterpretation.
const BLACK_IS_ZERO: u32 = 1;

/// The eight bytes of the head and everything behind the file are ours, what is between them is the file's.
pub(super) struct View<'a> {
    head: Vec<u8>,
    bytes: &'a [u8],
    tail: Vec<u8>,
    position: u64,
    cancelled: &'a Cancel,
}

impl<'a> View<'a> {
    pub(super) fn new(
        bytes: &'a [u8],
        directory: &Directory,
        cancelled: &'a Cancel,
    ) -> Result<Self, Failure> {
        let endian = directory.endian;
        let (across, down) = directory.grid();
        let offsets = directory.offsets(bytes)?;
        let lengths = directory.lengths(bytes, &offsets);
        let mut tail = Tail { endian, start: bytes.len(), bytes: Vec::new() };
        let offsets = tail.list(&offsets)?;
        let lengths = tail.list(&lengths)?;

        let one = |tag: u16, value: u32| (tag, LONG, 1, value);
        let (columns, rows) = directory.chunk;
        let mut entries = vec![
            one(258, directory.bits.into()),
            one(259, directory.compression),
            one(262, BLACK_IS_ZERO),
            one(277, directory.samples.into()),
            one(284, if directory.planar { 2 } else { 1 }),
            one(317, directory.predictor),
        ];
        if directory.tiled {
            entries.extend([
                one(256, across.saturating_mul(columns)),
                one(257, down.saturating_mul(rows)),
                one(322, columns),
                one(323, rows),
                (324, LONG, offsets.0, offsets.1),
                (325, LONG, lengths.0, lengths.1),
            ]);
        } else {
            entries.extend([
                one(256, directory.width),
                one(257, directory.height),
                (273, LONG, offsets.0, offsets.1),
                one(278, rows),
                (279, LONG, lengths.0, lengths.1),
            ]);
        }
        if let (Packing::Jpeg, Some((count, at))) = (directory.packing, directory.jpeg_tables()) {
            entries.push((347, UNDEFINED, count, at));
        }
        entries.sort_unstable();
        let directory_at = tail.directory(&entries)?;

        let mut head = Tail { endian, start: 0, bytes: Vec::new() };
        head.bytes.extend(if endian == Endian::Little { b"II" } else { b"MM" });
        head.u16(42);
        head.u32(directory_at);
        Ok(Self { head: head.bytes, bytes, tail: tail.bytes, position: 0, cancelled })
    }
}

/// What is written behind the file, in the file's order of bytes.
struct Tail {
    endian: Endian,
    /// Where it starts.
    start: usize,
    bytes: Vec<u8>,
}

impl Tail {
    fn u16(&mut self, value: u16) {
        self.bytes.extend(match self.endian {
            Endian::Little => value.to_le_bytes(),
            Endian::Big => value.to_be_bytes(),
        });
    }

    fn u32(&mut self, value: u32) {
        self.bytes.extend(match self.endian {
            Endian::Little => value.to_le_bytes(),
            Endian::Big => value.to_be_bytes(),
        });
    }

    /// The offset of what comes next.
    fn here(&self) -> Result<u32, Failure> {
        u32::try_from(self.start + self.bytes.len()).map_err(|_| truncated())
    }

    /// A list of LONGs: its count, and its offset, or the value itself if it has only one.
    fn list(&mut self, values: &[u32]) -> Result<(u32, u32), Failure> {
        let count = u32::try_from(values.len()).map_err(|_| truncated())?;
        if let [value] = values {
            return Ok((count, *value));
        }
        let at = self.here()?;
        self.bytes.reserve_exact(4 * values.len() + 256);
        for &value in values {
            self.u32(value);
        }
        Ok((count, at))
    }

    /// A directory without a successor: tag, type, count, value. Returns its offset.
    fn directory(&mut self, entries: &[(u16, u16, u32, u32)]) -> Result<u32, Failure> {
        let at = self.here()?;
        self.u16(u16::try_from(entries.len()).map_err(|_| truncated())?);
        for &(tag, kind, count, value) in entries {
            self.u16(tag);
            self.u16(kind);
            self.u32(count);
            self.u32(value);
        }
        self.u32(0);
        Ok(at)
    }
}

impl Read for View<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        // Not Interrupted: callers try that again.
        interrupt::check(self.cancelled).map_err(|_| std::io::ErrorKind::TimedOut)?;
        let (head, whole) = (self.head.len() as u64, self.bytes.len() as u64);
        let (part, start) = match self.position {
            at if at < head => (&self.head[..], 0),
            at if at < whole => (self.bytes, 0),
            _ => (&self.tail[..], whole),
        };
        let mut part = Cursor::new(part);
        part.set_position(self.position - start);
        let count = part.read(out)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for View<'_> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let end = (self.bytes.len() + self.tail.len()) as u64;
        let position = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => end.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or(std::io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
