//! Entropy coding of blocks by the standard Huffman tables, T.81 F.1.2, into a small buffer of bits without stuffing.
//!
//! Bits gather at the top of 64; after each code eight bytes are stored and the position advances by the whole ones, so
//! that the loop over coefficients has no branch but its end and runs of sixteen zeros. A code and its following bits
//! are one number. Known limit: coefficients of more than ten bits, which 8-bit samples can't give.
use super::fdct::{Coefficients, Pair};
use super::tables::{AC_CODES, AMPLITUDES, DC_CODES, LENGTH_BITS, ZIGZAG};

/// Bytes that gather before they are handed on.
const FULL: usize = 4096;
/// Two blocks are at most 2 * 64 codes of at most 26 bits: FULL and they fit into twice FULL.
const ROOM: usize = 2 * FULL;

/// Symbols of T.81 F.1.2.2.1: sixteen noughts, and nothing but noughts up to the end.
const ZRL: usize = 0xF0;
const EOB: usize = 0x00;

/// The natural place of each coefficient in a [`Pair`], by its number in zigzag order.
static PLACES: [u8; 64] = {
    let mut places = ZIGZAG;
    let mut k = 0;
    while k < 64 {
        places[k] = ZIGZAG[k] / 8 * 16 + ZIGZAG[k] % 8;
        k += 1;
    }
    places
};

/// The coded bits that were not handed on yet.
pub(super) struct Coder {
    bytes: Box<[u8; ROOM + 8]>,
    /// Whole bytes of them.
    len: usize,
    rest: Bits,
    /// The last block's DC coefficient.
    dc: i32,
}

/// Fewer than eight bits, at the top.
#[derive(Clone, Copy, Default)]
struct Bits {
    bits: u64,
    count: u32,
}

impl Coder {
    pub(super) fn new() -> Self {
        Self { bytes: Box::new([0; ROOM + 8]), len: 0, rest: Bits::default(), dc: 0 }
    }

    /// Whether [`Coder::bytes`] are to be taken before the next pair of blocks.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.len >= FULL
    }

    /// What was coded, without stuffing, to the last whole byte.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len.min(ROOM)]
    }

    /// Forgets the bytes, which were taken.
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Fills the last byte with ones, T.81 F.1.2.3.
    pub(super) fn pad(&mut self) {
        let missing = self.rest.count.wrapping_neg() % 8;
        self.rest = put(&mut self.bytes, &mut self.len, self.rest, (1 << missing) - 1, missing);
    }

    /// Codes the first `count` blocks of a pair.
    #[inline(always)]
    pub(super) fn pair(&mut self, coefficients: &Coefficients, count: usize) {
        for (block, &mask) in coefficients.masks.iter().enumerate().take(count) {
            self.block(&coefficients.pair, 8 * block, mask);
        }
    }

    /// Codes the block that begins at `column`; `mask` has its nonzero coefficients.
    #[inline(always)]
    fn block(&mut self, pair: &Pair, column: usize, mask: u64) {
        let flat = pair.as_flattened();
        let (mut len, mut rest) = (self.len, self.rest);
        let bytes = &mut *self.bytes;

        let dc = i32::from(flat[column]);
        let difference = dc - self.dc;
        self.dc = dc;
        let category = 32 - difference.unsigned_abs().leading_zeros();
        let code = DC_CODES[category as usize & 15];
        // Of a negative one, one less: its low bits are those of T.81 F.1.2.1.1.
        let low = (difference + (difference >> 31)).cast_unsigned() & ((1 << category) - 1);
        rest = put(bytes, &mut len, rest, code >> LENGTH_BITS | low, code & 31);

        let mut mask = mask & !1;
        let mut before = 0;
        while mask != 0 {
            let k = mask.trailing_zeros();
            mask &= mask - 1;
            let mut run = k - before - 1;
            before = k;
            while run >= 16 {
                let code = AC_CODES[ZRL];
                rest = put(bytes, &mut len, rest, code >> LENGTH_BITS, code & 31);
                run -= 16;
            }
            let value = flat[(usize::from(PLACES[k as usize & 63]) + column) & 127];
            let amplitude = AMPLITUDES[usize::from(value.cast_unsigned() & 2047)];
            let code = AC_CODES[(run << 4 | u32::from(amplitude & 15)) as usize & 255];
            rest = put(bytes, &mut len, rest, code >> LENGTH_BITS | u32::from(amplitude >> 4), code & 31);
        }
        if before != 63 {
            let code = AC_CODES[EOB];
            rest = put(bytes, &mut len, rest, code >> LENGTH_BITS, code & 31);
        }
        (self.len, self.rest) = (len, rest);
    }
}

/// Puts the low `count` bits of `bits`, at most 32 and none above them, behind the rest, and stores what is whole.
#[inline(always)]
fn put(bytes: &mut [u8; ROOM + 8], len: &mut usize, rest: Bits, bits: u32, count: u32) -> Bits {
    let all = rest.count + count;
    let bits = rest.bits | u64::from(bits) << (64u32.wrapping_sub(all) & 63);
    let at = *len & (ROOM - 1);
    bytes[at..at + 8].copy_from_slice(&bits.to_be_bytes());
    *len += all as usize / 8;
    Bits { bits: bits << (all & 56), count: all & 7 }
}
