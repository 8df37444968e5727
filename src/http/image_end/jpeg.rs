//! JPEG: marker segments, and the entropy-coded data between them (ITU-T T.81, B.1.1).
use super::{EndStep, Malformed};

/// Walks marker by marker. Segments are passed over by their length, so the thumbnail in an Exif segment, a whole
/// JPEG with an EOI of its own, is never looked at.
#[derive(Clone, Debug)]
pub(super) struct Jpeg {
    state: JpegState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum JpegState {
    /// Outside of segments: data, or garbage that decoders pass over.
    Data,
    /// FF has come.
    Marker,
    /// A segment begins: the high byte of its length.
    LengthHigh,
    LengthLow {
        high: u8,
    },
}

impl Jpeg {
    pub(super) fn new() -> Self {
        Self { state: JpegState::Data }
    }

    /// How many bytes at the start of `rest` are no marker and need no step.
    pub(super) fn entropy_coded(&self, rest: &[u8]) -> usize {
        match self.state {
            JpegState::Data => memchr::memchr(0xff, rest).unwrap_or(rest.len()),
            _ => 0,
        }
    }

    pub(super) fn step(&mut self, byte: u8) -> Result<EndStep, Malformed> {
        let (state, step) = match (self.state, byte) {
            (JpegState::Data, 0xff) => (JpegState::Marker, EndStep::Next),
            (JpegState::Data, _) => (JpegState::Data, EndStep::Next),
            // Any number of fill bytes may precede a marker (B.1.1.2).
            (JpegState::Marker, 0xff) => (JpegState::Marker, EndStep::Next),
            (JpegState::Marker, EOI) => (JpegState::Data, EndStep::EndAfter(0)),
            // Stuffed zero, TEM, RST0 to RST7, SOI: no segment follows.
            (JpegState::Marker, 0x00 | 0x01 | 0xd0..=0xd8) => (JpegState::Data, EndStep::Next),
            (JpegState::Marker, _) => (JpegState::LengthHigh, EndStep::Next),
            (JpegState::LengthHigh, high) => (JpegState::LengthLow { high }, EndStep::Next),
            (JpegState::LengthLow { high }, low) => {
                // The length counts its own two bytes (B.1.1.4).
                let length = u64::from(u16::from_be_bytes([high, low]));
                (JpegState::Data, EndStep::Skip(length.checked_sub(2).ok_or(Malformed)?))
            }
        };
        self.state = state;
        Ok(step)
    }
}

const EOI: u8 = 0xd9;
