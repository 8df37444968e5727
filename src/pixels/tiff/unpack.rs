//! The stored bytes of a strip or tile, decompressed a row at a time.
//!
//! Crates provide the codecs: flate2 deflate, weezl LZW, fax the tables of fax; JPEG is decoded like every JPEG. The
//! tiff crate has them too, but accepts only faultless chunks: it refuses data whose checksum is missing, predictors
//! that don't count, fax of group 3, and BigTIFF behind a directory like ours, and walks and allocates anew for every
//! chunk. Here a decompressor is made once and reset for each chunk.
//!
//! The work is at most a constant for each stored byte and each byte of a row asked for: the decompressors stop when
//! the row is full, and when the chunk ends. Bytes behind the last row are ignored, except the checksum of deflate.

use std::borrow::Cow;

use flate2::{Decompress, FlushDecompress, Status};
use weezl::decode::{Configuration, Decoder};
use weezl::{BitOrder, LzwStatus};

use super::directory::{Directory, Packing};
use super::fax::{Rows, rows_cost};
use super::{damaged, jpegs, truncated};
use crate::model::error::WorkError;
use crate::model::job::Cancel;
use crate::pixels::jpeg::Stored;

/// What the decompressors allocate: flate2 some 45 KiB, weezl some 30.
const STATE: u64 = 64 * 1024;

/// Where the compressed rows of one plane come from, a chunk after the other.
pub(super) struct Unpacker<'a> {
    chunk: Cow<'a, [u8]>,
    /// Bytes of the chunk that were taken.
    at: usize,
    state: State,
    /// Whether the lowest bit of a stored byte comes first.
    reversed: bool,
}

enum State {
    Plain,
    Lzw { newer: Decoder, older: Option<Decoder>, is_older: bool },
    Deflate(Decompress),
    PackBits(Run),
    Fax(Rows),
    Jpeg(Stored),
}

/// What is left of a run of PackBits.
#[derive(Clone, Copy)]
enum Run {
    Literal(usize),
    Repeat(usize, u8),
}

/// Upper bound in bytes of what the unpackers of all planes allocate, for chunks of at most `length` bytes altogether.
pub(super) fn cost(directory: &Directory, length: u64) -> u64 {
    let state = match directory.packing {
        Packing::Plain | Packing::PackBits | Packing::Jpeg => 0,
        Packing::Lzw | Packing::Deflate => STATE,
        Packing::Fax(_) => rows_cost(directory.chunk.0),
    };
    let copies = if directory.reversed && directory.packing != Packing::Plain { length } else { 0 };
    state.saturating_mul(directory.planes().into()).saturating_add(copies)
}

fn lzw(order: BitOrder) -> Decoder {
    // TIFF 6.0, section 13: the code grows one code early; what stood in the drafts before it does as GIF does.
    let configuration = match order {
        BitOrder::Msb => Configuration::with_tiff_size_switch(order, 8),
        BitOrder::Lsb => Configuration::new(order, 8),
    };
    configuration.with_yield_on_full_buffer(true).build()
}

impl<'a> Unpacker<'a> {
    pub(super) fn new(directory: &Directory) -> Self {
        let state = match directory.packing {
            Packing::Plain => State::Plain,
            Packing::Lzw => State::Lzw { newer: lzw(BitOrder::Msb), older: None, is_older: false },
            Packing::Deflate => State::Deflate(Decompress::new(true)),
            Packing::PackBits => State::PackBits(Run::Literal(0)),
            Packing::Fax(fax) => State::Fax(Rows::new(fax, directory.chunk.0)),
            Packing::Jpeg => State::Jpeg(Stored::default()),
        };
        // Bytes are turned for every compression but JPEG, whose own order it is.
        let reversed = directory.reversed && directory.packing != Packing::Jpeg;
        Self { chunk: Cow::Borrowed(&[]), at: 0, state, reversed }
    }

    /// Begins with a chunk, whose pixels are `columns` and `rows` at least.
    pub(super) fn open(
        &mut self,
        chunk: &'a [u8],
        directory: &Directory,
        needed: (u32, u32),
        file: &[u8],
        cancelled: &Cancel,
    ) -> Result<(), WorkError> {
        self.at = 0;
        self.chunk = if self.reversed && !matches!(self.state, State::Plain) {
            // The last chunk's copy goes first: there is room for one.
            self.chunk = Cow::Borrowed(&[]);
            Cow::Owned(chunk.iter().map(|byte| byte.reverse_bits()).collect())
        } else {
            Cow::Borrowed(chunk)
        };
        match &mut self.state {
            State::Plain => {}
            State::Lzw { newer, older, is_older } => {
                // As in libtiff: the first code clears the table, 256 in nine bits, whose lowest eight come first.
                *is_older = matches!(*self.chunk, [0, second, ..] if second & 1 == 1);
                if *is_older {
                    older.get_or_insert_with(|| lzw(BitOrder::Lsb)).reset();
                } else {
                    newer.reset();
                }
            }
            State::Deflate(inflate) => inflate.reset(true),
            State::PackBits(run) => *run = Run::Literal(0),
            State::Fax(rows) => rows.reset(),
            State::Jpeg(stored) => {
                // There is room for one.
                *stored = Stored::default();
                *stored = jpegs::decode(chunk, directory, needed, file, cancelled)?;
            }
        }
        Ok(())
    }

    pub(super) fn read(&mut self, row: &mut [u8]) -> Result<(), WorkError> {
        let rest = self.chunk.get(self.at..).unwrap_or_default();
        match &mut self.state {
            State::Plain => {
                row.copy_from_slice(rest.get(..row.len()).ok_or_else(truncated)?);
                self.at += row.len();
                if self.reversed {
                    row.iter_mut().for_each(|byte| *byte = byte.reverse_bits());
                }
            }
            State::Lzw { newer, older, is_older } => {
                let decoder = if *is_older { older.as_mut().ok_or_else(damaged)? } else { newer };
                self.at += unlzw(decoder, rest, row)?;
            }
            State::Deflate(decompress) => self.at += inflate(decompress, rest, row)?,
            State::PackBits(run) => self.at += unpack_bits(run, rest, row)?,
            State::Fax(rows) => rows.read(&self.chunk, row)?,
            State::Jpeg(stored) => {
                let length = stored.width as usize * stored.components;
                let samples = stored.samples.get(self.at..self.at + length).ok_or_else(truncated)?;
                // The JPEG of the last tile may be narrower than the others.
                let length = length.min(row.len());
                row[..length].copy_from_slice(&samples[..length]);
                self.at += stored.width as usize * stored.components;
            }
        }
        Ok(())
    }

    /// After the last row of a chunk that was read whole: deflate's checksum of it is held against it, if there is one.
    pub(super) fn finish(&mut self) -> Result<(), WorkError> {
        if let State::Deflate(decompress) = &mut self.state {
            let rest = self.chunk.get(self.at..).unwrap_or_default();
            // More than there are rows for is no damage.
            decompress.decompress(rest, &mut [0], FlushDecompress::None).map_err(|_| damaged())?;
        }
        Ok(())
    }
}

/// Fills a row; returns how many bytes it took.
fn unlzw(decoder: &mut Decoder, mut input: &[u8], mut row: &mut [u8]) -> Result<usize, WorkError> {
    let whole = input.len();
    while !row.is_empty() {
        let result = decoder.decode_bytes(input, row);
        input = input.get(result.consumed_in..).unwrap_or_default();
        row = row.get_mut(result.consumed_out..).unwrap_or_default();
        match result.status {
            Ok(LzwStatus::Ok) => {}
            Ok(_) if row.is_empty() => {}
            Ok(_) => return Err(truncated()),
            Err(_) => return Err(damaged()),
        }
    }
    Ok(whole - input.len())
}

/// The same of deflate (RFC 1950).
fn inflate(decompress: &mut Decompress, input: &[u8], row: &mut [u8]) -> Result<usize, WorkError> {
    let (mut taken, mut filled) = (0, 0);
    while filled < row.len() {
        let before = (decompress.total_in(), decompress.total_out());
        let status = decompress
            .decompress(&input[taken..], &mut row[filled..], FlushDecompress::None)
            .map_err(|_| damaged())?;
        let step = |now: u64, before: u64| usize::try_from(now - before).map_err(|_| damaged());
        let moved = (step(decompress.total_in(), before.0)?, step(decompress.total_out(), before.1)?);
        taken += moved.0;
        filled += moved.1;
        if filled < row.len() && (status == Status::StreamEnd || moved == (0, 0)) {
            return Err(truncated());
        }
    }
    Ok(taken)
}

/// The same of PackBits (TIFF 6.0, section 9).
fn unpack_bits(run: &mut Run, input: &[u8], mut row: &mut [u8]) -> Result<usize, WorkError> {
    let mut rest = input;
    while !row.is_empty() {
        match run {
            Run::Literal(0) | Run::Repeat(0, _) => {
                let [head, behind @ ..] = rest else { return Err(truncated()) };
                rest = behind;
                let count = head.cast_signed();
                *run = match (count, rest) {
                    // Nothing, as padding.
                    (i8::MIN, _) => Run::Literal(0),
                    (0.., _) => Run::Literal(usize::from(*head) + 1),
                    (_, [byte, behind @ ..]) => {
                        rest = behind;
                        Run::Repeat(usize::from(count.unsigned_abs()) + 1, *byte)
                    }
                    _ => return Err(truncated()),
                };
            }
            Run::Literal(left) => {
                let count = row.len().min(*left);
                let (literal, behind) = rest.split_at_checked(count).ok_or_else(truncated)?;
                let (out, more) = row.split_at_mut(count);
                out.copy_from_slice(literal);
                (rest, row) = (behind, more);
                *left -= count;
            }
            Run::Repeat(left, byte) => {
                let (out, more) = row.split_at_mut(row.len().min(*left));
                out.fill(*byte);
                *left -= out.len();
                row = more;
            }
        }
    }
    Ok(input.len() - rest.len())
}

/// Undoes horizontal differencing in a row (TIFF 6.0, section 14): each sample is the difference to that of the pixel
/// before. Samples have whole bytes: 8, 16 or 32 bits.
pub(super) fn undo_differences(directory: &Directory, row: &mut [u8]) {
    let samples = if directory.planar { 1 } else { usize::from(directory.samples) };
    match (directory.bits, samples) {
        (8, 1) => add_bytes::<1>(row),
        (8, 2) => add_bytes::<2>(row),
        (8, 3) => add_bytes::<3>(row),
        (8, 4) => add_bytes::<4>(row),
        (8, _) => {
            for i in samples..row.len() {
                row[i] = row[i].wrapping_add(row[i - samples]);
            }
        }
        (16, _) if directory.is_little() => {
            add_words(row, samples, |a, b| {
                u16::from_le_bytes(a).wrapping_add(u16::from_le_bytes(b)).to_le_bytes()
            });
        }
        (16, _) => {
            add_words(row, samples, |a, b| {
                u16::from_be_bytes(a).wrapping_add(u16::from_be_bytes(b)).to_be_bytes()
            });
        }
        _ if directory.is_little() => {
            add_words(row, samples, |a, b| {
                u32::from_le_bytes(a).wrapping_add(u32::from_le_bytes(b)).to_le_bytes()
            });
        }
        _ => {
            add_words(row, samples, |a, b| {
                u32::from_be_bytes(a).wrapping_add(u32::from_be_bytes(b)).to_be_bytes()
            });
        }
    }
}

fn add_words<const N: usize>(row: &mut [u8], samples: usize, add: impl Fn([u8; N], [u8; N]) -> [u8; N]) {
    let words = row.as_chunks_mut::<N>().0;
    for i in samples..words.len() {
        words[i] = add(words[i], words[i - samples]);
    }
}

fn add_bytes<const N: usize>(row: &mut [u8]) {
    let mut sum = [0u8; N];
    for pixel in row.as_chunks_mut::<N>().0 {
        for (sum, byte) in sum.iter_mut().zip(pixel) {
            *sum = sum.wrapping_add(*byte);
            *byte = *sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_pack_bits_go_on_in_the_next_row() {
        // Three literals, nothing, five times 9, one literal (TIFF 6.0, section 9).
        let packed = [2, 1, 2, 3, 0x80, 0xFC, 9, 0, 7];
        let (mut run, mut at) = (Run::Literal(0), 0);
        for expected in [[1, 2], [3, 9], [9, 9], [9, 9]] {
            let mut row = [0; 2];
            at += unpack_bits(&mut run, &packed[at..], &mut row).unwrap();
            assert_eq!(row, expected);
        }
        let mut row = [0; 2];
        assert_eq!(unpack_bits(&mut run, &packed[at..], &mut row), Err(truncated()));
        assert_eq!(row[0], 7);
        assert_eq!(unpack_bits(&mut Run::Literal(0), &[0xFF], &mut row), Err(truncated()));
        assert_eq!(unpack_bits(&mut Run::Literal(0), &[5, 1], &mut row), Err(truncated()));
    }

    #[test]
    fn a_byte_added_to_that_of_the_pixel_before() {
        let mut row = [1, 10, 100, 1, 1, 200, 255, 0, 0];
        add_bytes::<3>(&mut row);
        assert_eq!(row, [1, 10, 100, 2, 11, 44, 1, 11, 44]);
        let mut row = [0xFF, 0x00, 0x01, 0x01];
        add_words(&mut row, 1, |a, b| {
            u16::from_le_bytes(a).wrapping_add(u16::from_le_bytes(b)).to_le_bytes()
        });
        assert_eq!(row, [0xFF, 0x00, 0x00, 0x02]);
    }
}
