//! Whether a whole job can be done, and what it will take, from the header alone: decoding, scaling and writing.

use super::encode::{encode_cost, side_max};
use super::{probe, reduce};
use crate::http::format::Format;
use crate::model::error::WorkError;
use crate::model::image::PixelLimits;
use crate::model::job::{Brief, Loaded};

/// Checks a picture's header before work on it is queued. It takes microseconds and allocates next to nothing.
///
/// # Errors
/// The picture or its result passes a limit, or the work needs too much memory.
pub fn appraise(
    picture: Vec<u8>,
    brief: Brief,
    limits: &PixelLimits,
    memory_max: u64,
) -> Result<Loaded, WorkError> {
    let mut found = probe(&picture, limits)?;
    if found.format == Format::Jpeg {
        let reduction = brief.reduction(found.width, found.height);
        reduce(&mut found, &picture, reduction)?;
    }
    let (width, height) = brief.largest_target(found.width, found.height);
    let format = brief.transform.encoding.format;
    let cost = encode_cost(width, height, format);
    let loaded = Loaded::appraise(picture, found, brief, limits, cost, memory_max)?;
    if width.max(height) > side_max(format) {
        return Err(WorkError::TooManyPixels { width: width.into(), height: height.into() });
    }
    Ok(loaded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conn::parameters::Parameters;
    use crate::model::job::Product;
    use crate::model::transform::RequestedTransform;

    const LIMITS: PixelLimits = PixelLimits { pixels_max: 100_000_000, side_max: 65_535 };

    fn appraised(width: u32, query: &str, memory_max: u64) -> Result<Loaded, WorkError> {
        let parameters = Parameters { query: Some(query.into()), ..Parameters::default() };
        let transform =
            RequestedTransform::read(&parameters, &[], 1.0).unwrap().transform(Format::Pnm).unwrap();
        let mut picture = format!("P5\n{width} 1\n255\n").into_bytes();
        picture.resize(picture.len() + width as usize, 9);
        appraise(picture, Brief::new(transform, Product::File), &LIMITS, memory_max)
    }

    #[test]
    fn a_side_that_the_format_can_not_have_is_refused_before_the_work() {
        assert!(appraised(16_383, "formato=webp", u64::MAX).is_ok());
        let refused = appraised(16_384, "formato=webp", u64::MAX).unwrap_err();
        assert_eq!(refused, WorkError::TooManyPixels { width: 16_384, height: 1 });
        assert!(appraised(16_384, "formato=png", u64::MAX).is_ok());
    }

    #[test]
    fn writing_counts() {
        let png = appraised(60_000, "formato=png", u64::MAX).unwrap().memory;
        let pgm = appraised(60_000, "formato=pgm", u64::MAX).unwrap().memory;
        assert!(png > pgm, "{png} {pgm}");
        let refused = appraised(60_000, "formato=png", png - 1).unwrap_err();
        assert_eq!(refused, WorkError::TooMuchMemory { needed: png });
    }
}
