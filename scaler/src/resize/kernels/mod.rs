//! The inner loops, in two versions: portable, and AVX2. Both give the same samples, bit by bit.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
pub(super) mod portable;

use super::across::Plan;
use super::alpha;
#[cfg(target_arch = "x86_64")]
use crate::sys::vector::Avx2;

/// Rows processed together: weights are read once for all of them.
pub(crate) const GROUP: usize = 4;
/// Rows of the vertical pass have a multiple of this many bytes.
pub(crate) const BLOCK: usize = 32;

/// The version that this processor runs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kernels {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
}

impl Kernels {
    /// The fastest version available here.
    pub(super) fn here() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = Avx2::detect() {
            return Self::Avx2(avx2);
        }
        Self::Portable
    }

    /// Whether it needs the weights laid out for vectors.
    pub(super) fn use_vectors(self) -> bool {
        !matches!(self, Self::Portable)
    }

    /// Resizes each row of `source` to the plan's width. A source row has at least the width that `plan` was made
    /// for; bytes behind it are read and not used. A row of the result has at least the plan's width, in whole
    /// blocks.
    pub(super) fn across(self, plan: &Plan, source: [&[u8]; GROUP], result: [&mut [u8]; GROUP]) {
        match self {
            Self::Portable => portable::across(plan, source, result),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(avx2) => avx2.across(plan, source, result),
        }
    }

    /// The weighted sum of the rows, which have the result's length, as samples.
    pub(super) fn down(self, rows: &[&[u8]], weights: &[i32], result: &mut [u8]) {
        match self {
            Self::Portable => portable::down(rows, weights, result),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(avx2) => avx2.down(rows, weights, result),
        }
    }

    /// Adds the weighted rows to `sums`, whose order is private to the kernels.
    pub(super) fn add(self, rows: &[&[u8]], weights: &[i32], sums: &mut [i32]) {
        match self {
            Self::Portable => portable::add(rows, weights, sums),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(avx2) => avx2.add(rows, weights, sums),
        }
    }

    /// The sums as samples.
    pub(super) fn finish(self, sums: &[i32], result: &mut [u8]) {
        match self {
            Self::Portable => portable::finish(sums, result),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(avx2) => avx2.finish(sums, result),
        }
    }

    /// [`alpha::split`].
    pub(super) fn split(self, pixels: &[u8], gray: &mut [u8], opacity: &mut [u8]) {
        match self {
            Self::Portable => alpha::split(pixels, gray, opacity),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(avx2) => avx2.split(pixels, gray, opacity),
        }
    }

    /// [`alpha::join`].
    pub(super) fn join(self, gray: &[u8], opacity: &[u8], pixels: &mut [u8]) {
        match self {
            Self::Portable => alpha::join(gray, opacity, pixels),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(avx2) => avx2.join(gray, opacity, pixels),
        }
    }
}
