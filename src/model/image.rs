//! The facts about a picture before it is decoded, the limits for each, and how a result is written.
use super::error::WorkError;
use crate::http::format::Format;

/// Bounds that hold for every picture, checked on the header before any allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelLimits {
    /// Most pixels (width times height) of a picture, in or out: `--max-pixeles`.
    pub pixels_max: u64,
    /// Longest side in pixels.
    pub side_max: u32,
}

impl PixelLimits {
    /// Whether a picture of this size may exist here.
    ///
    /// # Errors
    /// [`WorkError::TooManyPixels`] if not.
    pub fn check(&self, width: u32, height: u32) -> Result<(), WorkError> {
        let pixels = u64::from(width) * u64::from(height);
        if pixels > self.pixels_max || width.max(height) > self.side_max {
            return Err(WorkError::TooManyPixels { width: width.into(), height: height.into() });
        }
        Ok(())
    }
}

/// What the header of a picture says, known before a byte is allocated for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageInfo {
    /// The format its bytes have.
    pub format: Format,
    /// Stored columns, before orientation.
    pub width: u32,
    /// Stored rows, before orientation.
    pub height: u32,
    /// How much smaller it is decoded.
    pub reduction: Reduction,
    /// Upper bound, in bytes, of what decoding it to gray allocates at its peak, the result included.
    pub decode_cost: u64,
}

impl ImageInfo {
    /// Columns and rows of what is decoded, before orientation.
    #[must_use]
    pub fn decoded_size(&self) -> (u32, u32) {
        self.reduction.size(self.width, self.height)
    }
}

/// How much smaller than stored a picture is decoded; of all formats a JPEG alone can be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reduction {
    /// As stored.
    #[default]
    None,
    /// Half the sides, rounded up.
    Half,
    /// A quarter of the sides, rounded up.
    Quarter,
}

impl Reduction {
    /// The largest reduction that leaves the resampling enough, from a picture of this stored size to the size
    /// `target`: a factor of 2 from half the sides, of 3 from a quarter.
    ///
    /// With those factors and luma's sharp half and quarter the result stays within a mean of 0.35 and 12 levels of
    /// full decoding (measured on photographs, docs/benchmarks.md; means of 8x8, the next step, are 45 off at hard
    /// edges). Only where it divides the sides: a last row that stands for half as many rows would shift all before it.
    #[must_use]
    pub fn for_target((width, height): (u32, u32), target: (u32, u32)) -> Self {
        let leaves_enough = |reduction: &Self| {
            let (divisor, least) = (reduction.divisor(), if *reduction == Self::Half { 2 } else { 3 });
            let enough = |side: u32, target: u32| {
                side.is_multiple_of(divisor)
                    && least * u64::from(target) * u64::from(divisor) <= u64::from(side)
            };
            enough(width, target.0) && enough(height, target.1)
        };
        [Self::Quarter, Self::Half].into_iter().find(leaves_enough).unwrap_or(Self::None)
    }

    /// Columns and rows of a picture of this size, reduced.
    #[must_use]
    pub fn size(self, width: u32, height: u32) -> (u32, u32) {
        (width.div_ceil(self.divisor()), height.div_ceil(self.divisor()))
    }

    const fn divisor(self) -> u32 {
        match self {
            Self::None => 1,
            Self::Half => 2,
            Self::Quarter => 4,
        }
    }
}

/// How a result is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Encoding {
    /// The format of the file.
    pub format: Format,
    /// 1 to 100, for the formats that lose: `calidad`.
    pub quality: u8,
    /// Red, green, blue behind transparent pixels, where the format has no transparency: `fondo`.
    pub background: [u8; 3],
}
