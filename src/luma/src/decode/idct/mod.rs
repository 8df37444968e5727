//! The inverse transform (T.81 A.3.3), as libjpeg-turbo's «islow» computes it to the bit, whole and reduced to 4x4, 2x2
//! or one sample; each with dequantization (A.3.4), the shift by 128 (A.3.1) and clamping.
//!
//! Its kernels work in 16 bits between the steps, and so do these: values beyond what a picture has wrap or clamp in the
//! same places, so that files of the strangest tables come out alike too.

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
    pub(super) const F1_451: i32 = 11_893;
    pub(super) const F2_172: i32 = 17_799;
    pub(super) const F3_624: i32 = 29_692;
}

/// Blocks to be transformed.
#[derive(Clone, Copy)]
pub(super) struct Blocks<'a> {
    /// 64 for each block, in rows.
    pub(super) coefficients: &'a [i16],
    /// Index in zigzag order behind which all of a block's coefficients are 0.
    pub(super) last: &'a [u8],
    /// Where in `out` each block's first sample goes.
    pub(super) places: &'a [u32],
    pub(super) quantization: &'a Quantization,
}

impl<'a> Blocks<'a> {
    fn iter(self) -> impl Iterator<Item = (&'a [i16; 64], u8, usize)> {
        let (blocks, _) = self.coefficients.as_chunks::<64>();
        blocks.iter().zip(self.last).zip(self.places).map(|((block, &last), &place)| (block, last, place as usize))
    }
}

/// Transforms to blocks of `side` (8, 4, 2 or 1) samples in `out`, whose rows are `stride` samples apart.
pub(super) fn transform(side: usize, blocks: Blocks<'_>, out: &mut [u8], stride: usize) {
    match side {
        #[cfg(target_arch = "x86_64")]
        8 if std::arch::is_x86_feature_detected!("avx2") => {
            #[expect(unsafe_code, reason = "the one call into code compiled for a feature of the processor")]
            // SAFETY: the processor has AVX2, as the line above has found out.
            unsafe {
                avx2::transform(blocks, out, stride);
            }
        }
        8 => portable::whole(blocks, out, stride),
        4 => portable::half(blocks, out, stride),
        2 => portable::quarter(blocks, out, stride),
        _ => portable::eighth(blocks, out),
    }
}
