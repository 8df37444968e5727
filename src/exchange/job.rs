//! Plain data that crosses threads: what a picture's header says, and every way its processing can fail.
use std::fmt;

use crate::proto::format::Format;

/// Bounds that hold for every picture, checked on the header before any allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelLimits {
    /// Most pixels (width times height) of a picture, in or out: `--max-pixeles`.
    pub pixels_max: u64,
    /// Longest side in pixels.
    pub side_max: u32,
}

/// What the header of a picture says, known before a byte is allocated for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The format its bytes have.
    pub format: Format,
    /// Stored columns, before orientation.
    pub width: u32,
    /// Stored rows, before orientation.
    pub height: u32,
    /// Upper bound, in bytes, of what decoding it to gray allocates at its peak, the result included.
    pub decode_cost: u64,
}

/// Why a piece of work came to nothing. `reject` maps each to a status and a Spanish text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The bytes are no picture of a format we read, or there are none.
    UnknownFormat,
    /// A format we read, but these bytes can't be decoded; the reason is Spanish, for the client.
    Undecodable(String),
    /// Width, height: more pixels than allowed, or a side too long.
    TooManyPixels {
        /// Columns, in or out.
        width: u64,
        /// Rows, in or out.
        height: u64,
    },
    /// The worker panicked, or a decoder did: our fault, of one picture's making.
    Lost,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownFormat => write!(f, "formato desconocido"),
            Self::Undecodable(reason) => write!(f, "imagen ilegible: {reason}"),
            Self::TooManyPixels { width, height } => write!(f, "{width}x{height} píxeles son demasiados"),
            Self::Lost => write!(f, "el proceso de la imagen se interrumpió"),
        }
    }
}
