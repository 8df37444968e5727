//! One block of a sequential scan (T.81 F.2.2.1, F.2.2.2).

#![expect(clippy::cast_possible_truncation, reason = "fields of table entries, and the bits of one code")]
//!
//! A run may lead past the last coefficient: libjpeg puts the value at the last one, and so it is here.

use super::bits::{BITS_BYTES, Bits, Window};
use super::codes::{AC_BITS, Codes, DC_BITS, Differences, END, Pairs, Skips, extend};
use super::tables::ZIGZAG;
use crate::error::Error;

/// A block, and behind it the dummy place, which takes values without a position: an end of block has one of 0.
pub(super) type Block = [i16; 256];

/// Place in a block of each index that a run can lead to.
pub(super) const PLACE: [u8; 256] = {
    let mut places = [64; 256];
    let mut index = 0;
    while index < 80 {
        places[index] = if index < 64 { ZIGZAG[index] } else { 63 };
        index += 1;
    }
    places
};

/// A code that no table holds: bits of code and value, advance, value.
#[cold]
#[inline(never)]
fn long(codes: &Codes, bits: u64) -> Result<(u32, usize, i16), Error> {
    let (length, symbol) = codes.find((bits >> 48) as u32)?;
    let (run, category) = (usize::from(symbol >> 4), u32::from(symbol & 15));
    if category == 0 {
        return Ok((length, if run == 15 { 16 } else { END as usize }, 0));
    }
    let value = (bits << length >> (64 - category)) as u32;
    Ok((length + category, run + 1, extend(value, category) as i16))
}

/// The length of a difference's code, and its category.
#[inline(always)]
fn difference(window: &Window, table: &Differences) -> Result<(u32, u32), Error> {
    let entry = table.table[window.peek(DC_BITS) as usize];
    if entry != 0 {
        return Ok((u32::from(entry & 255), u32::from(entry >> 8)));
    }
    let (length, category) = table.codes.find(window.peek(16))?;
    Ok((length, u32::from(category)))
}

impl Bits<'_> {
    /// The difference of a DC coefficient from the one before.
    #[inline(always)]
    pub(super) fn dc(&mut self, table: &Differences) -> Result<i32, Error> {
        let (buffer, window) = self.parts();
        window.refill(buffer);
        let (length, category) = difference(window, table)?;
        let bits = window.bits << length;
        let value = (bits >> 1 >> (63 - category)) as u32;
        // EXTEND without a branch: the first bit is 0 where the value is negative.
        let negative = !(bits.cast_signed() >> 63) as i32;
        window.pass(length + category);
        let value = value.cast_signed() + (negative & (1 - (1 << category)));
        Ok(if category == 0 { 0 } else { value })
    }

    /// Passes over it.
    #[inline(always)]
    pub(super) fn skip_dc(&mut self, table: &Differences) -> Result<(), Error> {
        let (buffer, window) = self.parts();
        window.refill(buffer);
        let (length, category) = difference(window, table)?;
        window.pass(length + category);
        Ok(())
    }

    /// The AC coefficients of a block that holds zeros; the index of the last one. `dc` or `skip_dc` came before, and
    /// left at least 25 bits.
    #[inline(always)]
    pub(super) fn ac(&mut self, table: &Pairs, block: &mut Block) -> Result<u8, Error> {
        let (buffer, shared) = self.parts();
        let mut window = *shared;
        let mut k = 0;
        // One look-up of at most 11 bits. The first of a pair leads to 62 at most: only the second can end the block.
        macro_rules! look_up {
            () => {
                let entry = table.table[window.peek(AC_BITS) as usize];
                if entry == 0 {
                    window.refill(buffer);
                    let (length, advance, value) = long(&table.codes, window.bits)?;
                    window.pass(length);
                    k += advance;
                    block[usize::from(PLACE[k & 255])] = value;
                    continue;
                }
                window.pass(entry as u32 & 255);
                let first = k + (entry >> 8 & 255) as usize;
                block[usize::from(PLACE[first & 255])] = (entry >> 32) as i16;
                k += (entry >> 16 & 255) as usize;
                block[usize::from(PLACE[k & 255])] = (entry >> 48) as i16;
                if k >= 47 {
                    break;
                }
            };
        }
        // 22 bits or more are there for two; then 56 or more for three, which leave 23; or 31 for a long code, which
        // leaves 25.
        while k < 47 {
            look_up!();
            look_up!();
            window.refill(buffer);
            look_up!();
            look_up!();
            look_up!();
        }
        while k < 63 {
            window.refill(buffer);
            let entry = table.table[window.peek(AC_BITS) as usize];
            let (length, advance, value) = if entry != 0 {
                ((entry >> 24) as u32 & 255, (entry >> 8 & 255) as usize, (entry >> 32) as i16)
            } else {
                long(&table.codes, window.bits)?
            };
            window.pass(length);
            k += advance;
            block[usize::from(PLACE[k & 255])] = value;
        }
        *shared = window;
        Ok(if k >= END as usize { (k - END as usize) as u8 } else { 63 })
    }

    /// Passes over the AC coefficients of a block; what `ac` says of bits holds here too.
    #[inline(always)]
    pub(super) fn skip_ac(&mut self, table: &Skips) -> Result<(), Error> {
        let (buffer, shared) = self.parts();
        let mut window = *shared;
        let mut k = 0;
        // All codes of an entry but the last lead to 62 at most: only the last can end the block.
        macro_rules! look_up {
            ($table:ident, $end:literal) => {
                let entry = u32::from(table.$table[window.peek(AC_BITS) as usize]);
                if entry == 0 {
                    window.refill(buffer);
                    let (length, advance, _) = long(&table.codes, window.bits)?;
                    window.pass(length);
                    k += advance;
                    continue;
                }
                window.pass(entry & 31);
                k += (entry >> 5) as usize;
                if k >= $end {
                    break;
                }
            };
        }
        while k < 48 {
            look_up!(many, 48);
            look_up!(many, 48);
            window.refill(buffer);
            look_up!(many, 48);
            look_up!(many, 48);
            look_up!(many, 48);
        }
        while k < 63 {
            window.refill(buffer);
            look_up!(one, 63);
        }
        *shared = window;
        Ok(())
    }
}

const _: () = assert!(BITS_BYTES > 2 * 10 * 64 * 31 / 8);
