//! The vertical pass: rows come in, and each row of the result goes out as soon as the last source row below its
//! kernel has come.
//!
//! - Few taps: the rows wait in a ring, and each row of the result is summed at once, in registers.
//! - Many taps, which is a reduction beyond eight: a ring would hold more than the sums do. Rows of the result are
//!   begun before their last row has come, and each group of sixteen rows is added to all sums that it is part of,
//!   which are five or six.
//!
//! So the memory is some dozens of rows at most, whatever the heights.

use super::kernels::{GROUP, Kernels};
use super::weights::{Axis, HALF, Weights};
use super::{ResizeError, zeroed};

/// Rows summed at once.
pub(crate) const ROWS_MAX: usize = 32;
/// Rows added to the sums at once.
pub(crate) const SUMMED: usize = 16;

#[derive(Debug)]
pub(super) struct Down {
    axis: Axis,
    from: usize,
    to: usize,
    /// Bytes of a row, whole blocks.
    stride: usize,
    /// The last rows, a multiple of a group.
    ring: Vec<u8>,
    rows: usize,
    arrived: usize,
    gone: usize,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// The weights of one row.
    AtOnce(Weights),
    Sums(Sums),
}

/// Rows of the result that are begun, row `n` in place `n` modulo their number.
#[derive(Debug)]
struct Sums {
    sums: Vec<i32>,
    weights: Vec<Weights>,
    /// Rows that are begun, the gone ones included.
    begun: usize,
}

impl Down {
    /// The heights, and the bytes of a row, which are whole blocks.
    pub(super) fn new(from: usize, to: usize, stride: usize) -> Result<Self, ResizeError> {
        let axis = Axis::new(from, to);
        let taps = axis.taps_max();
        let (rows, way) = if taps <= ROWS_MAX {
            // The next row needs at most `taps` rows, and a group is only taken when a row is missing.
            ((taps + GROUP - 1).next_multiple_of(GROUP), Way::AtOnce(Weights::default()))
        } else {
            // Rows of the result whose kernels touch some of the summed rows.
            let places = ((SUMMED + taps) * to).div_ceil(from) + 2;
            let mut sums = Vec::new();
            let count = places.checked_mul(stride).ok_or(ResizeError::Memory)?;
            sums.try_reserve_exact(count).map_err(|_| ResizeError::Memory)?;
            sums.resize(count, 0);
            let weights = std::iter::repeat_with(Weights::default).take(places).collect();
            (SUMMED, Way::Sums(Sums { sums, weights, begun: 0 }))
        };
        let ring = zeroed(rows.checked_mul(stride).ok_or(ResizeError::Memory)?)?;
        Ok(Self { axis, from, to, stride, ring, rows, arrived: 0, gone: 0, way })
    }

    /// Buffers for the next rows; then call [`Self::arrived`]. Only to be called when [`Self::next`] returns nothing.
    pub(super) fn places(&mut self) -> [&mut [u8]; GROUP] {
        // All groups but the last are whole, and the ring has whole groups: no group wraps around.
        let at = self.arrived % self.rows * self.stride;
        let mut places = self.ring.get_mut(at..).unwrap_or_default().chunks_exact_mut(self.stride);
        std::array::from_fn(|_| places.next().unwrap_or_default())
    }

    /// So many rows have come: a group, unless they are the last.
    pub(super) fn arrived(&mut self, count: usize, kernels: Kernels) {
        self.arrived += count;
        if let Way::Sums(sums) = &mut self.way
            && (self.arrived.is_multiple_of(SUMMED) || self.arrived == self.from)
        {
            let first = (self.arrived - 1) / SUMMED * SUMMED;
            let rows: [&[u8]; SUMMED] = std::array::from_fn(|row| row_of(&self.ring, row, self.stride));
            let places = sums.weights.len();
            while sums.begun < self.to && self.axis.span(sums.begun).start < self.arrived {
                let place = sums.begun % places;
                self.axis.weigh(sums.begun, &mut sums.weights[place]);
                sums.sums[place * self.stride..][..self.stride].fill(HALF);
                sums.begun += 1;
            }
            for row in self.gone..sums.begun {
                let Weights { first: begin, fixed, .. } = &sums.weights[row % places];
                let from = first.max(*begin);
                let to = self.arrived.min(begin + fixed.len());
                if from < to {
                    let sum = &mut sums.sums[row % places * self.stride..][..self.stride];
                    kernels.add(&rows[from - first..to - first], &fixed[from - begin..to - begin], sum);
                }
            }
        }
    }

    /// The next row of the result, if all source rows that it needs have come.
    pub(super) fn next(&mut self, result: &mut [u8], kernels: Kernels) -> bool {
        if self.gone == self.to || self.axis.span(self.gone).end > self.arrived {
            return false;
        }
        match &mut self.way {
            Way::AtOnce(weights) => {
                self.axis.weigh(self.gone, weights);
                let rows: [&[u8]; ROWS_MAX] = std::array::from_fn(|tap| {
                    row_of(&self.ring, (weights.first + tap) % self.rows, self.stride)
                });
                kernels.down(&rows[..weights.fixed.len().min(ROWS_MAX)], &weights.fixed, result);
            }
            Way::Sums(sums) => {
                let summed =
                    if self.arrived == self.from { self.from } else { self.arrived / SUMMED * SUMMED };
                if self.axis.span(self.gone).end > summed {
                    return false;
                }
                let place = self.gone % sums.weights.len();
                kernels.finish(&sums.sums[place * self.stride..][..self.stride], result);
            }
        }
        self.gone += 1;
        true
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let sums = if let Way::Sums(sums) = &self.way { 4 * sums.sums.len() } else { 0 };
        self.ring.len() + sums
    }
}

fn row_of(ring: &[u8], row: usize, stride: usize) -> &[u8] {
    ring.get(row * stride..(row + 1) * stride).unwrap_or_default()
}
