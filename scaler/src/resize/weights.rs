//! The weights of one sample along one axis: the kernel over the source grid, as whole numbers.
//!
//! Double precision and its order of operations are Pillow's (`precompute_coeffs` and `normalize_coeffs_8bpc` of
//! src/libImaging/Resample.c, Pillow 13.0): another order would change the last bit of a weight, and so some samples.

use std::ops::Range;

/// Bits behind the binary point of a weight. Sums fit 32 bits: the absolute values of the weights add up to less than
/// 1.5, and 255 times that to less than 2^31.
pub(super) const POINT: u32 = 22;
/// Half of a sample's step: every sum begins with it, so that shifting rounds.
pub(super) const HALF: i32 = 1 << (POINT - 1);
/// The kernel's radius, in steps of the larger of both grids.
const REACH: f64 = 2.0;

#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    from: usize,
    /// Source samples per sample of the result.
    scale: f64,
    /// The same, but at least 1: the kernel is stretched by this.
    stretch: f64,
    /// The scale has so few bits that no position is rounded: samples at the same distance from their middle have the
    /// same weights.
    repeats: bool,
}

/// The weights of one sample of the result: for consecutive source samples from `first` on.
#[derive(Debug, Default)]
pub(super) struct Weights {
    pub(super) first: usize,
    /// Whole numbers, 2^22 for 1; their sum is 2^22 up to rounding.
    pub(super) fixed: Vec<i32>,
    exact: Vec<f64>,
    /// From the first sample to the kernel's middle.
    reach: f64,
}

impl Axis {
    /// From so many samples to so many, at least 1 each.
    #[expect(clippy::cast_precision_loss, reason = "sides are far below 2^52")]
    pub(super) fn new(from: usize, to: usize) -> Self {
        let scale = from as f64 / to as f64;
        // A side has 16 bits, its half steps 17, and this scale 20 at most: far from the 53 of a position.
        let repeats = from.max(to) < 1 << 16 && (scale * 16.0).fract() == 0.0;
        Self { from, scale, stretch: scale.max(1.0), repeats }
    }

    /// The source samples under the kernel for sample `at` of the result.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "Pillow's way of rounding: cast to int, and `as` saturates below 0"
    )]
    pub(super) fn span(&self, at: usize) -> Range<usize> {
        let (center, reach) = (self.center(at), REACH * self.stretch);
        let first = (center - reach + 0.5) as usize;
        first..((center + reach + 0.5) as usize).min(self.from)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "4 times a side at most")]
    pub(super) fn taps_max(&self) -> usize {
        ((REACH * self.stretch).ceil() as usize * 2 + 1).min(self.from)
    }

    /// Computes the weights for sample `at` of the result. Those that `weights` has already, of the same axis, are kept
    /// where they are the same.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "no weight is much larger than 1, and sides are far below 2^52"
    )]
    pub(super) fn weigh(&self, at: usize, weights: &mut Weights) {
        let (span, center, shrink) = (self.span(at), self.center(at), 1.0 / self.stretch);
        weights.first = span.start;
        // Counted in 32 bits, which the compiler can vectorise; sides are no longer than that.
        let (first, count) = (span.start as f64, span.len() as i32);
        let reach = center - first;
        if self.repeats && weights.fixed.len() == span.len() && weights.reach.to_bits() == reach.to_bits() {
            return;
        }
        weights.reach = reach;
        weights.exact.clear();
        let sample = |tap: i32| first + f64::from(tap);
        weights.exact.extend((0..count).map(|tap| cubic((sample(tap) - center + 0.5) * shrink)));
        let mut sum = 0.0;
        for weight in &weights.exact {
            sum += weight;
        }
        let unit = f64::from(1 << POINT);
        weights.fixed.clear();
        let divisor = if sum == 0.0 { 1.0 } else { sum };
        weights.fixed.extend(weights.exact.iter().map(|weight| {
            let weight = weight / divisor;
            (weight * unit + 0.5_f64.copysign(weight)) as i32
        }));
    }

    /// The middle of sample `at` of the result, in samples of the source.
    #[expect(clippy::cast_precision_loss, reason = "sides are far below 2^52")]
    fn center(&self, at: usize) -> f64 {
        (at as f64 + 0.5) * self.scale
    }
}

/// Catmull-Rom: Keys' cubic with a = -0.5.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    let near = ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = (((x - 5.0) * x + 8.0) * x - 4.0) * A;
    if x < 1.0 {
        near
    } else if x < 2.0 {
        far
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_come_to_one_and_lie_within_the_source() {
        for (from, to) in [(1, 1), (1, 9), (2, 1), (9, 1), (640, 320), (640, 639), (101, 1010), (65_535, 7)] {
            let (axis, mut weights) = (Axis::new(from, to), Weights::default());
            let mut before = 0;
            for at in 0..to {
                axis.weigh(at, &mut weights);
                let count = weights.fixed.len();
                assert!(count >= 1 && count <= axis.taps_max() && weights.first + count <= from);
                assert!(weights.first >= before, "spans go one way");
                before = weights.first;
                let sum: i64 = weights.fixed.iter().map(|&weight| i64::from(weight)).sum();
                assert!(sum.abs_diff(1 << POINT) <= count as u64, "{from} to {to} at {at}: {sum}");
                let range: i64 = weights.fixed.iter().map(|&weight| i64::from(weight).abs()).sum();
                assert!(255 * range + i64::from(HALF) < 1 << 31, "{from} to {to} at {at}: sums overflow");
            }
        }
    }

    #[test]
    fn weights_that_are_kept_are_those_that_would_be_computed() {
        let mut kept = 0;
        for (from, to) in
            [(350, 175), (350, 35), (64, 48), (1000, 80), (640, 333), (100, 400), (65_535, 4369)]
        {
            let (axis, mut weights) = (Axis::new(from, to), Weights::default());
            for at in 0..to {
                axis.weigh(at, &mut weights);
                let mut fresh = Weights::default();
                axis.weigh(at, &mut fresh);
                assert_eq!((weights.first, &weights.fixed), (fresh.first, &fresh.fixed), "{from} to {to}");
                kept += usize::from(weights.exact.is_empty());
                weights.exact.clear();
            }
        }
        assert!(kept > 4000, "{kept}");
    }

    #[test]
    fn the_weights_of_a_half_are_the_textbooks() {
        // Catmull-Rom at the odd quarters, halved: (-0.5, 2.5, -4, 2) and (1.5, -2.5, 0, 1) as polynomials.
        let mut weights = Weights::default();
        Axis::new(16, 8).weigh(4, &mut weights);
        let expected = [-3.0, -9.0, 29.0, 111.0, 111.0, 29.0, -9.0, -3.0].map(|weight: f64| weight / 256.0);
        assert_eq!(weights.first, 5);
        let fixed: Vec<f64> = weights.fixed.iter().map(|&weight| f64::from(weight)).collect();
        assert_eq!(fixed, expected.map(|weight| weight * f64::from(1 << POINT)));
    }
}
