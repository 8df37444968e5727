//! Plain loops, for every processor: a literal implementation of the definition.

use super::{GROUP, Plan};
use crate::resize::weights::{HALF, POINT};

pub(in crate::resize) fn across(plan: &Plan, source: [&[u8]; GROUP], result: [&mut [u8]; GROUP]) {
    for (source, result) in source.into_iter().zip(result) {
        for (sample, (first, weights)) in result.iter_mut().zip(plan.outputs()) {
            *sample = sample_of(sum(source, first, weights));
        }
    }
}

/// Half a step, plus the samples from `first` on times their weights.
pub(super) fn sum(source: &[u8], first: usize, weights: &[i32]) -> i32 {
    let samples = source.get(first..).unwrap_or_default();
    samples.iter().zip(weights).fold(HALF, |sum, (&sample, weight)| sum + i32::from(sample) * weight)
}

pub(in crate::resize) fn down(rows: &[&[u8]], weights: &[i32], result: &mut [u8]) {
    const PART: usize = 256;
    for (index, part) in result.chunks_mut(PART).enumerate() {
        let mut sums = [HALF; PART];
        for (row, &weight) in rows.iter().zip(weights) {
            let samples = row.get(index * PART..).unwrap_or_default();
            sums.iter_mut().zip(samples).for_each(|(sum, &sample)| *sum += i32::from(sample) * weight);
        }
        finish(&sums, part);
    }
}

pub(in crate::resize) fn add(rows: &[&[u8]], weights: &[i32], sums: &mut [i32]) {
    for (row, &weight) in rows.iter().zip(weights) {
        sums.iter_mut().zip(*row).for_each(|(sum, &sample)| *sum += i32::from(sample) * weight);
    }
}

pub(in crate::resize) fn finish(sums: &[i32], result: &mut [u8]) {
    result.iter_mut().zip(sums).for_each(|(sample, &sum)| *sample = sample_of(sum));
}

/// Shifted to the binary point, clamped to a byte.
pub(super) fn sample_of(sum: i32) -> u8 {
    (sum >> POINT).clamp(0, 255).to_le_bytes()[0]
}
