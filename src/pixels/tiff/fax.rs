//! Rows of black and white as fax machines send them: ITU-T T.4 in one and two dimensions, T.6, and the modified
//! Huffman rows of TIFF 6.0, section 10.
//!
//! The code tables are those of the fax crate. The rows are ours: the crate's readers accept damaged lines as whole
//! ones, and support neither rows without marks between them nor T.4 in two dimensions. White is 0, black 1.
//!
//! The work is at most a constant for each code word and each byte of a row: every code takes at least one bit of the
//! chunk, and the position in the line above only moves forward. A line never has more changes of colour than pixels.
//!
//! Refused: uncompressed mode (by name), lines that are shorter or longer than they must be, data that end early.

use std::convert::Infallible;

use fax::BitReader;
use fax::maps::{Mode, black, mode, white};

use super::{damaged, truncated};
use crate::model::error::WorkError;
use crate::pixels::header::undecodable;

/// How rows are coded, and what stands between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fax {
    /// Compression 2 and 32771: T.4 in one dimension without marks; each row begins at a multiple of so many bits.
    Rle { aligned: usize },
    /// Compression 3: T.4 with a mark before each row.
    Group3 { two_dimensions: bool },
    /// Compression 4: T.6.
    Group4,
}

/// The place of the next bit in a chunk. Behind its end are zeros, which no code consists of.
struct FaxBits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl BitReader for FaxBits<'_> {
    type Error = Infallible;

    fn peek(&self, bits: u8) -> Option<u16> {
        let first = self.at / 8;
        let byte = |i: usize| u32::from(self.bytes.get(first + i).copied().unwrap_or(0));
        let window = byte(0) << 16 | byte(1) << 8 | byte(2);
        let shift = 24usize.checked_sub(self.at % 8 + usize::from(bits))?;
        u16::try_from(window >> shift & ((1 << bits) - 1)).ok()
    }

    fn consume(&mut self, bits: u8) -> Result<(), Infallible> {
        self.at += usize::from(bits);
        Ok(())
    }

    fn bits_to_byte_boundary(&self) -> u8 {
        u8::try_from(self.at.wrapping_neg() % 8).unwrap_or(0)
    }
}

impl FaxBits<'_> {
    fn shows(&self, bits: u8, value: u16) -> bool {
        self.peek(bits) == Some(value)
    }

    fn take_bit(&mut self) -> bool {
        let bit = self.shows(1, 1);
        self.at += 1;
        bit
    }

    fn is_past_end(&self) -> bool {
        self.at >= 8 * self.bytes.len()
    }

    /// Why no code word was found here: the longest has thirteen bits.
    fn failure(&self) -> WorkError {
        if self.at + 13 > 8 * self.bytes.len() { truncated() } else { damaged() }
    }

    /// The length of a run: codes for multiples of 64, then one for less (T.4, 4.1.1).
    fn run(&mut self, is_black: bool, width: usize) -> Result<usize, WorkError> {
        let mut run = 0;
        loop {
            let code = if is_black { black::decode(self) } else { white::decode(self) };
            let length = usize::from(code.ok_or_else(|| self.failure())?);
            run += length;
            if run > width {
                return Err(damaged());
            }
            if length < 64 {
                return Ok(run);
            }
        }
    }

    /// Passes a mark between rows (T.4, 4.1.2): at least eleven zeros and a one. Whether there was one.
    fn end_of_line(&mut self) -> Result<bool, WorkError> {
        if !self.shows(11, 0) {
            return Ok(false);
        }
        self.at += 11;
        while !self.is_past_end() {
            // Byte by byte where a machine filled with zeros.
            if self.at.is_multiple_of(8) && self.shows(8, 0) {
                self.at += 8;
                continue;
            }
            if self.take_bit() {
                return Ok(true);
            }
        }
        Err(truncated())
    }
}

/// The columns at which a row changes colour, ascending, the first from white to black; none at its end.
#[derive(Default)]
struct Changes(Vec<u32>);

impl Changes {
    /// A change at a column; two at the same are none.
    fn push(&mut self, column: usize, width: usize) {
        let Ok(column) = u32::try_from(column) else { return };
        if self.0.last() == Some(&column) {
            self.0.pop();
        } else if (column as usize) < width {
            self.0.push(column);
        }
    }

    fn at(&self, index: usize, width: usize) -> usize {
        self.0.get(index).map_or(width, |&column| column as usize)
    }
}

/// Where the rows of a chunk are read: its next bit, and the rows before.
pub(super) struct Rows {
    fax: Fax,
    width: usize,
    at: usize,
    above: Changes,
    current: Changes,
}

/// Upper bound of what [`Rows`] allocates: two lists that may have grown by doubling.
pub(super) fn rows_cost(width: u32) -> u64 {
    16 * u64::from(width) + 256
}

impl Rows {
    pub(super) fn new(fax: Fax, width: u32) -> Self {
        let (above, current) = (Changes::default(), Changes::default());
        Self { fax, width: width as usize, at: 0, above, current }
    }

    pub(super) fn reset(&mut self) {
        self.at = 0;
        self.above.0.clear();
    }

    /// The next row of a chunk, eight pixels a byte.
    pub(super) fn read(&mut self, chunk: &[u8], row: &mut [u8]) -> Result<(), WorkError> {
        let mut bits = FaxBits { bytes: chunk, at: self.at };
        self.current.0.clear();
        match self.fax {
            Fax::Rle { aligned } => {
                bits.at = bits.at.next_multiple_of(aligned);
                self.one_dimension(&mut bits)?;
            }
            Fax::Group3 { two_dimensions } => {
                let marked = bits.end_of_line()?;
                // A second mark says that the page is over (T.4, 4.1.4); in two dimensions a bit stands between.
                if marked && (bits.shows(12, 1) || two_dimensions && bits.shows(13, 0b1_0000_0000_0001)) {
                    return Err(truncated());
                }
                match (two_dimensions, marked) {
                    (false, _) => self.one_dimension(&mut bits)?,
                    (true, false) => return Err(bits.failure()),
                    (true, true) => {
                        // The tag bit (T.4, 4.2.2).
                        if bits.take_bit() {
                            self.one_dimension(&mut bits)?;
                        } else {
                            self.two_dimensions(&mut bits)?;
                        }
                    }
                }
            }
            Fax::Group4 => {
                // The end of the page (T.6, 2.4.1.1).
                if bits.shows(12, 1) {
                    return Err(truncated());
                }
                self.two_dimensions(&mut bits)?;
            }
        }
        if bits.at > 8 * chunk.len() {
            return Err(truncated());
        }
        self.at = bits.at;
        std::mem::swap(&mut self.above, &mut self.current);
        paint(&self.above, self.width, row);
        Ok(())
    }

    /// A row of runs (T.4, 4.1).
    fn one_dimension(&mut self, bits: &mut FaxBits) -> Result<(), WorkError> {
        let (mut at, mut is_black) = (0, false);
        loop {
            at += bits.run(is_black, self.width)?;
            if at > self.width {
                return Err(damaged());
            }
            if at == self.width {
                return Ok(());
            }
            self.current.push(at, self.width);
            is_black = !is_black;
        }
    }

    /// A row coded by the one above it (T.4, 4.2; T.6, 2.2).
    fn two_dimensions(&mut self, bits: &mut FaxBits) -> Result<(), WorkError> {
        let width = self.width;
        // a0 of the recommendations; before the row's beginning nothing has happened yet.
        let (mut a0, mut begun, mut is_black) = (0, false, false);
        // The first change above that is right of a0.
        let mut above = 0;
        while a0 < width {
            while self.above.0.get(above).is_some_and(|&b| begun && b as usize <= a0) {
                above += 1;
            }
            // b1 changes to the other colour; white to black have even indices.
            let b1 = above + usize::from((above % 2 == 1) != is_black);
            // Seven zeros begin no mode, but the crate's table has one there.
            if bits.shows(7, 0) {
                return Err(bits.failure());
            }
            match mode::decode(bits).ok_or_else(|| bits.failure())? {
                Mode::Pass => a0 = self.above.at(b1 + 1, width),
                Mode::Vertical(by) => {
                    let a1 = self.above.at(b1, width).checked_add_signed(by.into()).ok_or_else(damaged)?;
                    if a1 < a0 || a1 > width {
                        return Err(damaged());
                    }
                    self.current.push(a1, width);
                    a0 = a1;
                    is_black = !is_black;
                }
                Mode::Horizontal => {
                    let a1 = a0 + bits.run(is_black, width)?;
                    let a2 = a1 + bits.run(!is_black, width)?;
                    if a2 > width {
                        return Err(damaged());
                    }
                    self.current.push(a1, width);
                    self.current.push(a2, width);
                    a0 = a2;
                }
                Mode::Extension => {
                    return Err(undecodable("el TIFF usa el modo sin comprimir del fax, que no se lee"));
                }
                Mode::EOF => return Err(bits.failure()),
            }
            begun = true;
        }
        Ok(())
    }
}

/// Sets the bits of the black runs.
fn paint(changes: &Changes, width: usize, row: &mut [u8]) {
    row.fill(0);
    for pair in changes.0.chunks(2) {
        let from = pair[0] as usize;
        let to = pair.get(1).map_or(width, |&column| column as usize);
        let (first, last) = (from / 8, to / 8);
        let (head, tail) = (0xFF_u8 >> (from % 8), !(0xFF_u8 >> (to % 8)));
        if first == last {
            row[first] |= head & tail;
        } else {
            row[first] |= head;
            row[first + 1..last].fill(0xFF);
            // Where the row ends with a byte there is nothing left.
            if tail != 0 {
                row[last] |= tail;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of a chunk that is written in bits, as many as there are.
    fn rows(fax: Fax, width: u32, bits: &str) -> (Vec<Vec<u8>>, WorkError) {
        let digits: Vec<u8> = bits.bytes().filter(|digit| *digit != b' ').map(|digit| digit - b'0').collect();
        let chunk: Vec<u8> = digits
            .chunks(8)
            .map(|byte| byte.iter().enumerate().fold(0, |sum, (i, bit)| sum | bit << (7 - i)))
            .collect();
        let mut rows = Rows::new(fax, width);
        let mut read = Vec::new();
        loop {
            let mut row = vec![0xAA; width.div_ceil(8) as usize];
            match rows.read(&chunk, &mut row) {
                Ok(()) => read.push(row),
                Err(failure) => return (read, failure),
            }
        }
    }

    const RUNS: Fax = Fax::Rle { aligned: 8 };
    const MARKED: Fax = Fax::Group3 { two_dimensions: false };

    #[test]
    fn runs_are_painted_where_they_are() {
        // White 3, black 2, white 7; the second row, at a byte, begins with black: white 0, black 12.
        let (read, failure) = rows(RUNS, 12, "1000 11 1111 000000 00110101 0000111 0");
        assert_eq!(read, [[0b0001_1000, 0], [0xFF, 0xF0]]);
        assert_eq!(failure, truncated());
        // The same in one row that ends in a byte.
        assert_eq!(rows(RUNS, 8, "1000 0011 00000000").0, [[0b0001_1111]]);
    }

    #[test]
    fn runs_of_nothing_change_no_colour() {
        // White 2, black 0, white 1, black 1: three white and one black.
        assert_eq!(rows(RUNS, 4, "0111 0000110111 000111 010 00").0, [[0b0001_0000]]);
    }

    #[test]
    fn lines_of_another_length_are_damage() {
        // White 3, black 2 of four pixels.
        assert_eq!(rows(RUNS, 4, "1000 11 00000000 00000000 00000000"), (vec![], damaged()));
        // White 2, and the mark of the next line.
        let short = "000000000001 0111 000000000001 0111 11 00000000 00000000";
        assert_eq!(rows(MARKED, 4, short), (vec![], damaged()));
        // Group 4: the first change would be left of the line, the second right of it.
        assert_eq!(rows(Fax::Group4, 4, "1 00000000 00000000 00000000").0, [[0]]);
        assert_eq!(rows(Fax::Group4, 4, "011 00000000 00000000 00000000"), (vec![], damaged()));
    }

    #[test]
    fn marks_may_be_filled_or_missing_and_two_are_the_end() {
        let row = "0111 11";
        let (read, failure) = rows(
            MARKED,
            4,
            &format!("{row} 0000000000000000000000001 {row} 000000000001 {row} 000000000001 000000000001"),
        );
        assert_eq!(read, [[0b0011_0000]; 3]);
        assert_eq!(failure, truncated());
    }

    #[test]
    fn uncompressed_mode_has_a_name() {
        let (read, failure) = rows(Fax::Group4, 4, "1 0000001111 0000 00000000");
        assert_eq!(read.len(), 1);
        assert!(failure.to_string().contains("sin comprimir"), "{failure}");
    }
}
