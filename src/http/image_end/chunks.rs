//! PNG and GIF: chains of chunks and blocks that end with one of their own.
use super::{EndStep, Malformed};

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

    pub(super) fn step(&mut self, byte: u8) -> Result<EndStep, Malformed> {
        if let Some(slot) = self.header.get_mut(self.filled) {
            *slot = byte;
            self.filled += 1;
        }
        if self.filled < self.header.len() {
            return Ok(EndStep::Next);
        }
        self.filled = 0;
        if !self.signed {
            self.signed = true;
            return Ok(EndStep::Next);
        }
        let [l0, l1, l2, l3, kind @ ..] = self.header;
        let length = u32::from_be_bytes([l0, l1, l2, l3]);
        // W3C PNG, 5.3: a length is at most 2^31 - 1.
        if length > i32::MAX.unsigned_abs() {
            return Err(Malformed);
        }
        let rest = u64::from(length) + CRC;
        Ok(if kind == *b"IEND" { EndStep::EndAfter(rest) } else { EndStep::Skip(rest) })
    }
}

const CRC: u64 = 4;

/// A GIF: header and screen descriptor, then blocks; the last is the trailer (GIF89a, appendix A).
#[derive(Clone, Debug)]
pub(super) struct Gif {
    state: ChunkState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChunkState {
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
        Self { state: ChunkState::Screen { come: 0 } }
    }

    pub(super) fn step(&mut self, byte: u8) -> EndStep {
        let (state, step) = match (self.state, byte) {
            (ChunkState::Screen { come: 10 }, flags) => {
                (ChunkState::Block, EndStep::Skip(2 + color_table(flags)))
            }
            (ChunkState::Screen { come }, _) => (ChunkState::Screen { come: come + 1 }, EndStep::Next),
            (ChunkState::Block, b';') => (ChunkState::Block, EndStep::EndAfter(0)),
            (ChunkState::Block, b'!') => (ChunkState::ExtensionLabel, EndStep::Next),
            (ChunkState::Block, b',') => (ChunkState::Image { come: 0 }, EndStep::Next),
            // Some writers leave a zero too many behind a block; decoders pass over it.
            (ChunkState::Block, 0) => (ChunkState::Block, EndStep::Next),
            // The first picture may be whole before this.
            (ChunkState::Block, _) => (ChunkState::Block, EndStep::Unknown),
            (ChunkState::ExtensionLabel, _) => (ChunkState::SubBlock, EndStep::Next),
            (ChunkState::Image { come: 8 }, flags) => {
                (ChunkState::CodeSize, EndStep::Skip(color_table(flags)))
            }
            (ChunkState::Image { come }, _) => (ChunkState::Image { come: come + 1 }, EndStep::Next),
            (ChunkState::CodeSize, _) => (ChunkState::SubBlock, EndStep::Next),
            (ChunkState::SubBlock, 0) => (ChunkState::Block, EndStep::Next),
            (ChunkState::SubBlock, length) => (ChunkState::SubBlock, EndStep::Skip(u64::from(length))),
        };
        self.state = state;
        step
    }
}

/// Bytes of the colour table that the flags of a screen or an image announce.
fn color_table(flags: u8) -> u64 {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}
