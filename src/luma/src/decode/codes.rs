//! Huffman codes as tables that are looked up with the next bits (T.81 C.2, F.2.2.3).

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "fields of table entries, which have room for them"
)]
//!
//! Three kinds of table, for three uses: differences of DC; pairs of AC coefficients with their values; and codes that
//! are only skipped, where only lengths and advances count. Codes longer than a table's bits are searched for.

use super::bits::Window;
use super::tables::Huffman;
use crate::error::{Damage, Error};

/// Bits that AC tables are looked up with.
pub(super) const AC_BITS: u32 = 11;
/// The same for DC.
pub(super) const DC_BITS: u32 = 10;
/// The advance of an end of block: past every coefficient.
pub(super) const END: u32 = 128;

/// The code as bounds of each length.
pub(super) struct Codes {
    /// First code of a greater length, from the left of 16 bits; the last is never reached.
    bounds: [u32; 17],
    /// What to add to a code to find its symbol.
    offsets: [i32; 17],
    symbols: [u8; 256],
}

impl Codes {
    /// # Errors
    /// If it is no prefix code, or has a code of ones alone (T.81 C.2); for DC, if a category is beyond 15.
    pub(super) fn new(table: &Huffman, dc: bool) -> Result<Self, Error> {
        let mut codes = Self { bounds: [0; 17], offsets: [0; 17], symbols: table.symbols };
        let (mut code, mut index) = (0u32, 0i32);
        for (length, &count) in (1u32..).zip(&table.counts) {
            let at = length as usize;
            codes.offsets[at] = index - code.cast_signed();
            code += u32::from(count);
            index += i32::from(count);
            if count > 0 && code >= 1 << length {
                return Err(Damage::HuffmanTable.into());
            }
            codes.bounds[at] = code << (16 - length);
            code <<= 1;
        }
        let used = table.symbols.get(..Huffman::count(&table.counts)).ok_or(Damage::HuffmanTable)?;
        if dc && used.iter().any(|&symbol| symbol > 15) {
            return Err(Damage::HuffmanTable.into());
        }
        Ok(codes)
    }

    /// Length and symbol of the code in front of 16 bits.
    #[inline]
    pub(super) fn find(&self, bits: u32) -> Result<(u32, u8), Error> {
        let length = 1 + self.bounds[1..].iter().position(|&bound| bits < bound).ok_or(Damage::Code)?;
        let index = (bits >> (16 - length)).cast_signed() + self.offsets[length];
        Ok((length as u32, self.symbols[(index & 255) as usize]))
    }

    /// Length, and symbol above it, by the first bits; 0 for longer codes.
    fn by_prefix(&self) -> [u16; 1 << AC_BITS] {
        let mut table = [0; 1 << AC_BITS];
        let (mut at, mut index) = (0, 0);
        for length in 1..=AC_BITS {
            let end = (self.bounds[length as usize] >> (16 - AC_BITS)) as usize;
            let width = 1 << (AC_BITS - length);
            while at < end {
                table[at..at + width].fill(length as u16 | u16::from(self.symbols[index & 255]) << 8);
                at += width;
                index += 1;
            }
        }
        table
    }
}

/// A value of a category from its bits (T.81 F.2.2.1, EXTEND).
#[inline(always)]
pub(super) fn extend(bits: u32, category: u32) -> i32 {
    if category == 0 {
        0
    } else if bits < 1 << (category - 1) {
        bits.cast_signed() - (1 << category) + 1
    } else {
        bits.cast_signed()
    }
}

/// The first coefficient in these bits: bits of code and value, advance, value. None if it does not fit completely.
fn coefficient(entry: u16, bits: u32, blocks: bool) -> Option<(u32, u32, i32)> {
    let (length, run, category) =
        (u32::from(entry & 255), u32::from(entry >> 12), u32::from(entry >> 8 & 15));
    match (run, category) {
        _ if length == 0 || length + category > AC_BITS => None,
        (15, 0) => Some((length, 16, 0)),
        (0, 0) => Some((length, END, 0)),
        // Ends of several blocks belong to progressive scans; in others they end one.
        (_, 0) if blocks => None,
        (_, 0) => Some((length, END, 0)),
        _ => {
            let value = bits >> (AC_BITS - length - category) & ((1 << category) - 1);
            Some((length + category, run + 1, extend(value, category)))
        }
    }
}

/// The bits that follow when so many are taken, and zeros for those that are unknown then.
fn after(bits: u32, taken: u32) -> usize {
    (bits << taken & ((1 << AC_BITS) - 1)) as usize
}

/// Pairs of coefficients, from the lowest byte on: bits of both, advance of the first, advance of both, bits of the
/// first; then two bytes each of the values. If only one is known, both advances are its own, and both values too. 0
/// where a code is longer.
pub(super) struct Pairs {
    pub(super) codes: Codes,
    pub(super) table: Box<[u64; 1 << AC_BITS]>,
}

impl Pairs {
    /// `blocks`: whether ends of several blocks are known (progressive scans).
    pub(super) fn new(table: &Huffman, blocks: bool) -> Result<Self, Error> {
        let codes = Codes::new(table, false)?;
        let mut single = [None; 1 << AC_BITS];
        for ((bits, single), entry) in (0u32..).zip(&mut single).zip(codes.by_prefix()) {
            *single = coefficient(entry, bits, blocks);
        }
        let word = |value: i32| u64::from(value.cast_unsigned() & 0xFFFF);
        let mut pairs = boxed::<u64, { 1 << AC_BITS }>()?;
        for ((bits, pair), first) in (0u32..).zip(pairs.iter_mut()).zip(single) {
            let Some((length_1, advance_1, value_1)) = first else { continue };
            let (mut length, mut advance, mut value) = (length_1, advance_1, value_1);
            if advance_1 < END
                && let Some((length_2, advance_2, value_2)) = single[after(bits, length_1)]
                // Unknown bits were taken for zeros; the length shows it.
                && length_1 + length_2 <= AC_BITS
            {
                (length, advance, value) = (length + length_2, advance + advance_2, value_2);
            }
            let low = length | advance_1 << 8 | advance << 16 | length_1 << 24;
            *pair = u64::from(low) | word(value_1) << 32 | word(value) << 48;
        }
        Ok(Self { codes, table: pairs })
    }
}

/// Skipped codes: bits in the lowest five, the advance above. 0 where a code is longer.
pub(super) struct Skips {
    pub(super) codes: Codes,
    /// As many codes as are known of which all but the last advance by 15 at most.
    pub(super) many: Box<[u16; 1 << AC_BITS]>,
    /// One code.
    pub(super) one: Box<[u16; 1 << AC_BITS]>,
}

impl Skips {
    pub(super) fn new(table: &Huffman) -> Result<Self, Error> {
        let codes = Codes::new(table, false)?;
        let (mut many, mut one) = (boxed::<u16, { 1 << AC_BITS }>()?, boxed::<u16, { 1 << AC_BITS }>()?);
        for ((bits, one), entry) in (0u32..).zip(one.iter_mut()).zip(codes.by_prefix()) {
            if let Some((length, advance, _)) = coefficient(entry, bits, false) {
                *one = (length | advance << 5) as u16;
            }
        }
        for (bits, many) in (0u32..).zip(many.iter_mut()) {
            let (mut taken, mut advance) = (0, 0);
            while advance <= 15 && taken < AC_BITS {
                let next = u32::from(one[after(bits, taken)]);
                if next == 0 || taken + (next & 31) > AC_BITS {
                    break;
                }
                taken += next & 31;
                advance += next >> 5;
            }
            *many = (taken | advance << 5) as u16;
        }
        Ok(Self { codes, many, one })
    }
}

/// Symbols alone: length of the code in the lowest byte, the symbol above. 0 where a code is longer.
pub(super) struct Symbols {
    codes: Codes,
    pub(super) table: Box<[u16; 1 << AC_BITS]>,
}

impl Symbols {
    pub(super) fn new(table: &Huffman) -> Result<Self, Error> {
        let codes = Codes::new(table, false)?;
        let mut table = boxed()?;
        *table = codes.by_prefix();
        Ok(Self { codes, table })
    }

    /// Length and symbol of the code that comes next.
    #[inline(always)]
    pub(super) fn find(&self, window: &Window) -> Result<(u32, u8), Error> {
        let entry = self.table[window.peek(AC_BITS) as usize];
        if entry != 0 {
            return Ok((u32::from(entry & 255), (entry >> 8) as u8));
        }
        self.codes.find(window.peek(16))
    }
}

/// Differences of DC: length of the code in the lowest byte, the category above. 0 where a code is longer.
pub(super) struct Differences {
    pub(super) codes: Codes,
    pub(super) table: Box<[u16; 1 << DC_BITS]>,
}

impl Differences {
    pub(super) fn new(table: &Huffman) -> Result<Self, Error> {
        let codes = Codes::new(table, true)?;
        let by_prefix = codes.by_prefix();
        let mut table = boxed::<u16, { 1 << DC_BITS }>()?;
        for (index, entry) in table.iter_mut().enumerate() {
            let found = by_prefix[index << (AC_BITS - DC_BITS)];
            if u32::from(found & 255) <= DC_BITS {
                *entry = found;
            }
        }
        Ok(Self { codes, table })
    }
}

fn boxed<T: Copy + Default, const N: usize>() -> Result<Box<[T; N]>, Error> {
    super::buffer::<T>(N)?.into_boxed_slice().try_into().map_err(|_| Error::OutOfMemory)
}
