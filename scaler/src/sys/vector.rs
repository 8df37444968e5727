//! Vector instructions: detects them, and calls the functions that need them.
//!
//! A function with `target_feature` is safe inside, and unsafe to call: on a processor without the feature its
//! instructions are undefined. A value of [`Avx2`] proves that the processor has it, so the calls are here, where
//! `unsafe` is.

use crate::resize::kernels::avx2;
use crate::resize::{across::Plan, kernels::GROUP};

/// This processor has AVX2.
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

impl Avx2 {
    /// Detects it, once for a process and its children.
    #[must_use]
    pub fn detect() -> Option<Self> {
        std::arch::is_x86_feature_detected!("avx2").then_some(Self(()))
    }
}

/// The kernels of `resize::kernels`.
impl Avx2 {
    pub(crate) fn across(self, plan: &Plan, source: [&[u8]; GROUP], result: [&mut [u8]; GROUP]) {
        // SAFETY: a value of this type exists only where the processor has AVX2.
        unsafe { avx2::across(plan, source, result) }
    }

    pub(crate) fn down(self, rows: &[&[u8]], weights: &[i32], result: &mut [u8]) {
        // SAFETY: as in `across`.
        unsafe { avx2::down(rows, weights, result) }
    }

    pub(crate) fn add(self, rows: &[&[u8]], weights: &[i32], sums: &mut [i32]) {
        // SAFETY: as in `across`.
        unsafe { avx2::add(rows, weights, sums) }
    }

    pub(crate) fn finish(self, sums: &[i32], result: &mut [u8]) {
        // SAFETY: as in `across`.
        unsafe { avx2::finish(sums, result) }
    }

    pub(crate) fn split(self, pixels: &[u8], gray: &mut [u8], opacity: &mut [u8]) {
        // SAFETY: as in `across`.
        unsafe { avx2::split(pixels, gray, opacity) }
    }

    pub(crate) fn join(self, gray: &[u8], opacity: &[u8], pixels: &mut [u8]) {
        // SAFETY: as in `across`.
        unsafe { avx2::join(gray, opacity, pixels) }
    }
}
