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
