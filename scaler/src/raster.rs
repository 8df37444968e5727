//! The picture that both processes exchange: gray samples in memory.

/// How many samples a pixel has, and what they mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channels {
    /// One byte a pixel: Rec. 601 luma, 0 is black.
    Luma,
    /// Two bytes a pixel: luma, then alpha (0 is transparent); luma is not premultiplied.
    LumaAlpha,
}

impl Channels {
    /// Bytes of one pixel.
    #[must_use]
    pub const fn count(self) -> usize {
        match self {
            Self::Luma => 1,
            Self::LumaAlpha => 2,
        }
    }
}

/// Pictures of up to so many pixels count as small: a JPEG of that size is decoded in some milliseconds.
const SMALL_PIXELS: u64 = 1 << 20;

/// Whether a picture of that size is one of those.
#[must_use]
pub fn is_small(width: u32, height: u32) -> bool {
    u64::from(width) * u64::from(height) <= SMALL_PIXELS
}

/// A gray picture: `width * height * channels.count()` bytes, rows from top to bottom, no padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raster {
    /// Pixels in a row, at least 1.
    pub width: u32,
    /// Rows, at least 1.
    pub height: u32,
    /// Samples of a pixel.
    pub channels: Channels,
    /// The samples; the length always agrees with the other fields.
    pub samples: Vec<u8>,
}
