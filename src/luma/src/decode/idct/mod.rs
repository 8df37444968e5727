//! The inverse transform (T.81 A.3.3): to the bit as libjpeg-turbo's «islow», whole and reduced to 4x4, 2x2 or one
//! sample, and to 4x4 and 2x2 as the IJG's libjpeg since version 7; each with dequantization (A.3.4), the shift by 128
//! (A.3.1) and clamping.
//!
//! libjpeg-turbo's kernels work in 16 bits between the steps, and so do these: out-of-range values wrap or clamp in the
//! same places, so that files with extreme tables give the same samples too.

use super::tables::Quantization;

#[cfg(target_arch = "x86_64")]
mod avx2;
mod portable;

/// Cosines in 13 bits: libjpeg's FIX_0_298631336 and so on.
mod fix {
    pub(super) const F0_298: i32 = 2446;
    pub(super) const F0_390: i32 = 3196;
    pub(super) const F0_541: i32 = 4433;
    pub(super) const F0_765: i32 = 6270;
    pub(super) const F0_899: i32 = 7373;
    pub(super) const F1_175: i32 = 9633;
    pub(super) const F1_501: i32 = 12_299;
    pub(super) const F1_847: i32 = 15_137;
    pub(super) const F1_961: i32 = 16_069;
    pub(super) const F2_053: i32 = 16_819;
    pub(super) const F2_562: i32 = 20_995;
    pub(super) const F3_072: i32 = 25_172;
    // The reduced transforms (its jidctred.c).
    pub(super) const F0_211: i32 = 1730;
    pub(super) const F0_509: i32 = 4176;
    pub(super) const F0_601: i32 = 4926;
    pub(super) const F0_720: i32 = 5906;
    pub(super) const F0_850: i32 = 6967;
    pub(super) const F1_061: i32 = 8697;
    pub(super) const F1_272: i32 = 10_426;
    pub(super) const F1_306: i32 = 10_703;
    pub(super) const F1_451: i32 = 11_893;
    pub(super) const F2_172: i32 = 17_799;
    pub(super) const F3_624: i32 = 29_692;
}

/// The result of a block of 8x8 coefficients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kernel {
    /// 8x8 samples.
    Whole,
    /// 4x4 samples, as libjpeg-turbo reduces.
    Half,
    /// 4x4 samples from the 4x4 lowest frequencies, or means of 2x2 of the whole block where one of those would be more
    /// than [`OVER`] beyond the range of samples.
    SharpHalf,
    /// 2x2 samples, as libjpeg-turbo reduces.
    Quarter,
    /// 2x2 samples from the 2x2 lowest frequencies, or means of 4x4.
    SharpQuarter,
    /// One sample.
    Mean,
}

impl Kernel {
    pub(super) const fn side(self) -> usize {
        match self {
            Self::Whole => 8,
            Self::Half | Self::SharpHalf => 4,
            Self::Quarter | Self::SharpQuarter => 2,
            Self::Mean => 1,
        }
    }
}

/// Levels by which a block of the sharp kernels may leave the range of samples. Clamped values are lost to the
/// resampling that follows, which becomes visible.
const OVER: i16 = 8;

#[derive(Clone, Copy)]
pub(super) struct Blocks<'a> {
    /// 64 for each block, in rows.
    pub(super) coefficients: &'a [i16],
    /// Index in zigzag order behind which all of a block's coefficients are 0.
    pub(super) last: &'a [u8],
    /// Where in `out` each block's first sample goes.
    pub(super) places: &'a [usize],
    pub(super) quantization: &'a Quantization,
}

impl<'a> Blocks<'a> {
    fn iter(self) -> impl Iterator<Item = (&'a [i16; 64], u8, usize)> {
        let (blocks, _) = self.coefficients.as_chunks::<64>();
        blocks.iter().zip(self.last).zip(self.places).map(|((block, &last), &place)| (block, last, place))
    }
}

/// Transforms to blocks of samples in `out`, whose rows are `stride` samples apart.
pub(super) fn transform(kernel: Kernel, blocks: Blocks<'_>, out: &mut [u8], stride: usize) {
    match kernel {
        #[cfg(target_arch = "x86_64")]
        Kernel::Whole | Kernel::Half | Kernel::SharpHalf | Kernel::Quarter
            if std::arch::is_x86_feature_detected!("avx2") =>
        {
            #[expect(unsafe_code, reason = "the one call into code compiled for a feature of the processor")]
            // SAFETY: the processor has AVX2, as the line above has found out.
            unsafe {
                avx2::transform(kernel, blocks, out, stride);
            }
        }
        _ => portable::transform(kernel, blocks, out, stride),
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "numbers made up")]
mod tests {
    use super::*;
    use crate::decode::tables::ZIGZAG;

    const KERNELS: [Kernel; 6] =
        [Kernel::Whole, Kernel::Half, Kernel::SharpHalf, Kernel::Quarter, Kernel::SharpQuarter, Kernel::Mean];

    /// Blocks whose last coefficients are all over the place, of every amplitude; steps likewise.
    fn blocks(amplitude: u64, steps: u64) -> (Vec<i16>, Vec<u8>, Quantization) {
        let mut state = amplitude;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let mut coefficients = vec![0; 64 * 201];
        let mut last = Vec::new();
        for block in coefficients.as_chunks_mut::<64>().0 {
            let end = random(64) as u8 >> random(7);
            for &at in &ZIGZAG[..=usize::from(end)] {
                if random(3) != 0 {
                    block[usize::from(at)] = (random(2 * amplitude) as i64 - amplitude as i64) as i16;
                }
            }
            last.push(end);
        }
        (coefficients, last, std::array::from_fn(|_| (1 + random(steps)) as i16))
    }

    #[test]
    fn every_path_gives_the_same_samples() {
        for (amplitude, steps) in [(20, 10), (1024, 1), (1024, 16), (32_768, 255), (32_768, 65_535)] {
            let (coefficients, last, quantization) = blocks(amplitude, steps);
            let count = last.len();
            for kernel in KERNELS {
                let side = kernel.side();
                let stride = side * count;
                let places: Vec<usize> = (0..count).map(|index| index * side).collect();
                let blocks = Blocks {
                    coefficients: &coefficients,
                    last: &last,
                    places: &places,
                    quantization: &quantization,
                };
                let (mut fast, mut plain) = (vec![1; stride * side], vec![2; stride * side]);
                transform(kernel, blocks, &mut fast, stride);
                portable::transform(kernel, blocks, &mut plain, stride);
                assert_eq!(fast, plain, "{kernel:?} {amplitude} {steps}");
            }
        }
    }
    #[test]
    fn a_block_of_one_value_is_what_the_whole_transform_makes_of_it() {
        for kernel in KERNELS.into_iter().filter(|&kernel| kernel != Kernel::Mean) {
            for dc in (i16::MIN..=i16::MAX).step_by(37) {
                for step in [1, 16, 255, -3] {
                    let (mut block, mut quantization) = ([0; 64], [1; 64]);
                    (block[0], quantization[0]) = (dc, step);
                    let (mut short, mut long) = ([1; 64], [1; 64]);
                    portable::flat(kernel, dc, step, &mut short, kernel.side());
                    portable::one(kernel, &block, &quantization, &mut long, kernel.side());
                    assert_eq!(short, long, "{kernel:?} {dc} {step}");
                }
            }
        }
    }
}
