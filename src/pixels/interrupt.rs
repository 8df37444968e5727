//! Ends a running decoder or encoder when its picture is no longer wanted.
//!
//! The job's [`Cancel`] flag is set when the deadline of `--plazo` has passed or the client has left. Our decoders call
//! [`check`] between rows. Decoders of other crates read the file through [`Interruptible`], and encoders write it
//! through [`InterruptibleWriter`]; both fail once the flag is set, and [`decode_from`](super::decode_from) and
//! [`encode_until`](super::encode_until) then replace the crate's error. A check is one relaxed load.
//!
//! Known limit: a crate's computation between two reads or writes, bounded by the pixels, runs to its end.

use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom, Write};

use crate::model::error::WorkError;
use crate::model::job::Cancel;

/// Bytes between two looks at the flag.
const PIECE: usize = 16 * 1024;

/// Fails once the picture is no longer wanted.
pub(super) fn check(cancelled: &Cancel) -> Result<(), WorkError> {
    if cancelled.is_set() { Err(WorkError::Cancelled) } else { Ok(()) }
}

/// The bytes of a file, until the picture is no longer wanted.
pub(super) struct Interruptible<'a> {
    bytes: Cursor<&'a [u8]>,
    cancelled: &'a Cancel,
}

impl<'a> Interruptible<'a> {
    pub(super) fn new(bytes: &'a [u8], cancelled: &'a Cancel) -> Self {
        Self { bytes: Cursor::new(bytes), cancelled }
    }

    fn check(&self) -> io::Result<()> {
        // Not Interrupted: callers try that again.
        check(self.cancelled).map_err(|_| io::ErrorKind::TimedOut.into())
    }
}

impl Read for Interruptible<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.check()?;
        let length = buffer.len().min(PIECE);
        self.bytes.read(&mut buffer[..length])
    }
}

impl BufRead for Interruptible<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.check()?;
        let rest = self.bytes.fill_buf()?;
        Ok(&rest[..rest.len().min(PIECE)])
    }

    fn consume(&mut self, count: usize) {
        self.bytes.consume(count);
    }
}

impl Seek for Interruptible<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(to)
    }
}

/// Takes the bytes of a file that is being written, until the picture is no longer wanted.
pub(super) struct InterruptibleWriter<'a, W> {
    file: W,
    cancelled: &'a Cancel,
}

impl<'a, W> InterruptibleWriter<'a, W> {
    pub(super) fn new(file: W, cancelled: &'a Cancel) -> Self {
        Self { file, cancelled }
    }
}

impl<W: Write> Write for InterruptibleWriter<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        check(self.cancelled).map_err(|_| io::ErrorKind::TimedOut)?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl<W: Seek> Seek for InterruptibleWriter<'_, W> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_pass_until_the_flag_is_set() {
        let bytes: Vec<u8> = (0..40_000u32).map(|i| i.to_le_bytes()[0]).collect();
        let cancelled = Cancel::default();
        let mut reader = Interruptible::new(&bytes, &cancelled);
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert!(all == bytes);
        reader.seek(SeekFrom::Start(39_999)).unwrap();
        assert_eq!(reader.fill_buf().unwrap(), &bytes[39_999..]);
        reader.seek(SeekFrom::Start(0)).unwrap();
        assert_eq!(reader.fill_buf().unwrap().len(), PIECE);
        reader.consume(PIECE);
        cancelled.set();
        assert_eq!(reader.read(&mut [0; 10]).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(reader.fill_buf().unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn writes_pass_until_the_flag_is_set() {
        let (mut file, cancelled) = (Vec::new(), Cancel::default());
        let mut writer = InterruptibleWriter::new(&mut file, &cancelled);
        writer.write_all(b"abc").unwrap();
        cancelled.set();
        assert_eq!(writer.write(b"d").unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(file, b"abc");
    }
}
