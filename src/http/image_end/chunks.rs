//! PNG and GIF: chains of chunks and blocks that end with one of their own.
use super::{Malformed, Step};

/// A PNG: after the signature chunks of length, type, data and CRC; the last is IEND (W3C PNG, 5).
#[derive(Clone, Debug)]
pub(super) struct Png {
    /// What has come of the signature, or of the chunk's length and type.
    header: [u8; 8],
    filled: usize,
    signed: bool,
}

impl Png {
    pub(super) fn new() -> Self {
        Self { header: [0; 8], filled: 0, signed: false }
    }

    pub(super) fn step(&mut self, byte: u8) -> Result<Step, Malformed> {
        if let Some(slot) = self.header.get_mut(self.filled) {
            *slot = byte;
            self.filled += 1;
        }
        if self.filled < self.header.len() {
            return Ok(Step::Next);
        }
        self.filled = 0;
        if !self.signed {
            self.signed = true;
            return Ok(Step::Next);
        }
        let [l0, l1, l2, l3, kind @ ..] = self.header;
        let length = u32::from_be_bytes([l0, l1, l2, l3]);
        // W3C PNG, 5.3: a length is at most 2^31 - 1.
        if length > i32::MAX.unsigned_abs() {
            return Err(Malformed);
        }
        let rest = u64::from(length) + CRC;
        Ok(if kind == *b"IEND" { Step::EndAfter(rest) } else { Step::Skip(rest) })
    }
}

/// Bytes of a chunk's checksum.
const CRC: u64 = 4;

/// A GIF: header and screen descriptor, then blocks; the last is the trailer (GIF89a, appendix A).
#[derive(Clone, Debug)]
pub(super) struct Gif {
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Bytes of signature, version, width and height that have come, before the flags.
    Screen {
        come: u8,
    },
    Block,
    ExtensionLabel,
    /// Bytes of position and size of an image that have come, before its flags.
    Image {
        come: u8,
    },
    CodeSize,
    SubBlock,
}

impl Gif {
    pub(super) fn new() -> Self {
        Self { state: State::Screen { come: 0 } }
    }

    pub(super) fn step(&mut self, byte: u8) -> Step {
        let (state, step) = match (self.state, byte) {
            (State::Screen { come: 10 }, flags) => (State::Block, Step::Skip(2 + color_table(flags))),
            (State::Screen { come }, _) => (State::Screen { come: come + 1 }, Step::Next),
            (State::Block, b';') => (State::Block, Step::EndAfter(0)),
            (State::Block, b'!') => (State::ExtensionLabel, Step::Next),
            (State::Block, b',') => (State::Image { come: 0 }, Step::Next),
            // Some writers leave a zero too many behind a block; decoders pass over it.
            (State::Block, 0) => (State::Block, Step::Next),
            // The first picture may be whole before this.
            (State::Block, _) => (State::Block, Step::Unknown),
            (State::ExtensionLabel, _) => (State::SubBlock, Step::Next),
            (State::Image { come: 8 }, flags) => (State::CodeSize, Step::Skip(color_table(flags))),
            (State::Image { come }, _) => (State::Image { come: come + 1 }, Step::Next),
            (State::CodeSize, _) => (State::SubBlock, Step::Next),
            (State::SubBlock, 0) => (State::Block, Step::Next),
            (State::SubBlock, length) => (State::SubBlock, Step::Skip(u64::from(length))),
        };
        self.state = state;
        step
    }
}

/// Bytes of the colour table that the flags of a screen or an image announce.
fn color_table(flags: u8) -> u64 {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}
