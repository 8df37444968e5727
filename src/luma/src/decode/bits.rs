//! The bits of entropy-coded data (T.81 F.2.2.5), freed of stuffing in large pieces: a refill is then one unaligned

#![expect(clippy::cast_possible_truncation, reason = "the highest bits of a word, shifted down to a few")]
//! big-endian load, without a branch.
//!
//! Behind the last byte come zeros; a check after each row of MCUs and at each restart marker finds out whether more
//! bits were taken than there are. Reading is bounded in any case: a block takes at most 64 codes.

use memchr::memchr;

use crate::error::{Damage, Error};

/// Bytes unstuffed at a time.
const ROOM: usize = 1 << 15;
/// Kept in front: more than one MCU can take, 10 blocks of 64 codes of 31 bits (16 of the code, 15 of the value).
const TAIL: usize = 4096;

pub(super) const BITS_BYTES: usize = ROOM + TAIL + 8;

pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// The next byte to unstuff.
    at: usize,
    buffer: Box<[u8; BITS_BYTES]>,
    /// Bytes of the buffer that are data.
    length: usize,
    /// From here on the buffer holds zeros.
    dirty: usize,
    /// Whether a marker, or the end, stands at `at`.
    ended: bool,
    pub(super) window: Window,
}

/// The part of the buffer that is in registers.
#[derive(Clone, Copy, Default)]
pub(super) struct Window {
    /// The next bits, from the highest on; at least 56 of them after a refill.
    pub(super) bits: u64,
    /// How many of them are counted as loaded.
    count: u32,
    next: usize,
}

impl Window {
    #[inline(always)]
    pub(super) fn refill(&mut self, buffer: &[u8; BITS_BYTES]) {
        let at = self.next.min(ROOM + TAIL);
        let loaded = buffer[at..].first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        self.bits |= loaded >> self.count;
        self.next += ((63 - self.count) >> 3) as usize;
        self.count |= 56;
    }

    /// Passes over bits, fewer than 64 and no more than there are after a refill.
    #[inline(always)]
    pub(super) fn pass(&mut self, count: u32) {
        self.bits <<= count & 63;
        self.count = self.count.wrapping_sub(count) & 63;
    }

    #[inline(always)]
    pub(super) fn peek(&self, count: u32) -> u32 {
        (self.bits >> (64 - count)) as u32
    }

    /// Bits left in the buffer of `length` bytes; negative if more were taken than there are. Bits that were loaded
    /// before the buffer was refilled come before its first byte, and count as left.
    fn left(&self, length: usize) -> isize {
        let bits = |bytes: usize| isize::try_from(8 * bytes).unwrap_or(isize::MAX);
        bits(length) - bits(self.next) + self.count as isize
    }
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        let buffer = super::buffer::<u8>(BITS_BYTES)?.into_boxed_slice();
        let buffer = buffer.try_into().map_err(|_| Error::OutOfMemory)?;
        Ok(Self { bytes, at: 0, buffer, length: 0, dirty: 0, ended: true, window: Window::default() })
    }

    pub(super) fn start(&mut self, at: usize) {
        self.at = at;
        self.dirty = self.dirty.max(self.length);
        self.length = 0;
        self.ended = false;
        self.window = Window::default();
        self.fill();
    }

    #[inline(always)]
    pub(super) fn parts(&mut self) -> (&[u8; BITS_BYTES], &mut Window) {
        (&self.buffer, &mut self.window)
    }

    /// Has bits enough for one MCU at hand.
    #[inline(always)]
    pub(super) fn ready(&mut self) {
        if self.window.next + TAIL > self.length && !self.ended {
            self.fill();
        }
    }

    /// Moves what is left to the front and fills up.
    #[cold]
    #[inline(never)]
    fn fill(&mut self) {
        let taken = self.window.next.min(self.length);
        self.dirty = self.dirty.max(self.length);
        self.buffer.copy_within(taken..self.length, 0);
        self.length -= taken;
        self.window.next -= taken;
        while self.length < ROOM && !self.ended {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let piece = &rest[..rest.len().min(ROOM - self.length)];
            let plain = memchr(0xFF, piece).unwrap_or(piece.len());
            self.buffer[self.length..self.length + plain].copy_from_slice(&piece[..plain]);
            self.length += plain;
            self.at += plain;
            if plain < piece.len() {
                match rest.get(plain + 1) {
                    Some(0) => {
                        self.buffer[self.length] = 0xFF;
                        self.length += 1;
                        self.at += 2;
                    }
                    // A fill byte (T.81 B.1.1.2).
                    Some(0xFF) => self.at += 1,
                    _ => self.ended = true,
                }
            } else if plain == rest.len() {
                self.ended = true;
            }
        }
        if self.length < self.dirty {
            self.buffer[self.length..self.dirty].fill(0);
        }
        self.dirty = self.length;
    }

    /// Whether no more bits were taken than there are.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.window.left(self.length) < 0 { Err(Error::Truncated) } else { Ok(()) }
    }

    /// The cause of an error in the codes: zeros behind the end of the data mean truncation, not damage.
    pub(super) fn explain(&self, error: Error) -> Error {
        self.check().err().unwrap_or(error)
    }

    /// Goes to the end of the data; returns whether only fill is left: the rest of a byte, and whole bytes that are all
    /// 00 or all FF, which some encoders write to get an even length. Other bytes mean that the codes lost step; so do
    /// zeros that began before the last code, which a broken transfer left.
    fn is_used_up(&mut self) -> bool {
        // Never less than none: `check` came before.
        let left = self.window.left(self.length).unsigned_abs();
        let last = self.length.checked_sub(left / 8 + 1).and_then(|at| self.buffer.get(at)).copied();
        self.window.pass((left & 7) as u32);
        let mut fill = None;
        loop {
            self.ready();
            if self.window.left(self.length) < 8 {
                return true;
            }
            self.window.refill(&self.buffer);
            let byte = self.window.peek(8);
            self.window.pass(8);
            let begun = byte == 0 && last == Some(0);
            if begun || !matches!(byte, 0 | 0xFF) || *fill.get_or_insert(byte) != byte {
                return false;
            }
        }
    }

    /// Ends an interval and passes over the restart marker of that number, 0 to 7 (T.81 E.2.4, F.2.2.4).
    ///
    /// Strict where libjpeg warns: another marker, or bytes left over, mean that MCUs were lost or made up.
    pub(super) fn restart(&mut self, number: u8) -> Result<(), Error> {
        self.check()?;
        if !self.is_used_up() {
            return Err(Damage::Restart.into());
        }
        match self.bytes.get(self.at + 1) {
            Some(&marker) if marker == 0xD0 | number => {}
            None | Some(0xD9) => return Err(Error::Truncated),
            Some(_) => return Err(Damage::Restart.into()),
        }
        self.start(self.at + 2);
        Ok(())
    }

    /// Ends a scan: returns where its end marker stands, or the end of the data. Data left over are damage, where
    /// libjpeg warns of extraneous bytes, or is silent because it has read fewer than eight of them.
    pub(super) fn finish(&mut self) -> Result<usize, Error> {
        self.check()?;
        if self.is_used_up() { Ok(self.at) } else { Err(Damage::LeftOver.into()) }
    }
}
