//! The horizontal pass: each row by itself, from one width to another.
//!
//! [`Plan`] has the weights of all columns, laid out as the kernels read them. There are two layouts for vectors:
//!
//! - [`Narrow`], while four neighbours begin within 14 samples of each other, which is down to a fifth of the width
//!   (for fewer columns several may begin at the same sample, with many taps): one lane is one column, and a shuffle
//!   gathers the samples of two taps for eight columns from two loads. A weight of 22 bits is split into two halves
//!   of 11 bits, because the processor multiplies 16 bits: the sums of both halves put together are exact.
//! - [`Wide`], for more taps: one lane is one tap, and each column adds up its lanes at the end. There two halves
//!   would cost twice as much, so the weights are rounded to 16 bits, and the largest error of a sum is known
//!   ([`Wide::doubt`]). Where that error could change the rounding, which is one sample in a hundred, the kernel also
//!   adds up what rounding took away from the weights.

use super::weights::{Axis, POINT, Weights};
use super::{ResizeError, reserved};

/// The lower half of a weight in [`Narrow`].
pub(crate) const LOW: u32 = 11;
/// Bytes behind a row that a kernel may read.
pub(crate) const SLACK: usize = 64;
/// Pairs of taps of a [`Narrow`] column, at most.
const PAIRS_MAX: usize = 16;
/// Columns of a group.
const LANES: usize = 8;
/// Taps multiplied at once.
pub(crate) const TAPS: usize = 16;
/// Up to so many vectors of weights, every column is padded to the same number, so that the loop has a fixed length.
pub(crate) const EVEN_MAX: usize = 4;
/// 16 numbers of 16 bits, or 32 bytes.
pub(crate) type Vector = [u8; 32];

/// From a width to another.
#[derive(Debug)]
pub(crate) struct Plan {
    /// For each column its first sample, and where its weights begin.
    starts: Vec<(u32, u32)>,
    weights: Vec<i32>,
    /// The layout for vectors; none without them.
    pub(crate) layout: Option<Layout>,
}

#[derive(Debug)]
pub(crate) enum Layout {
    /// For few taps.
    Narrow(Narrow),
    /// For many.
    Wide(Wide),
}

/// One lane a column.
#[derive(Debug)]
pub(crate) struct Narrow {
    /// Pairs of taps of a group: each has a vector of upper halves and one of lower halves.
    pub(crate) pairs: usize,
    /// All samples of four columns lie within 16 bytes: one load is enough.
    pub(crate) compact: bool,
    pub(crate) groups: Vec<Group>,
    pub(crate) weights: Vec<[Vector; 2]>,
}

/// Eight columns.
#[derive(Debug)]
pub(crate) struct Group {
    /// The first samples of columns 0 and 4.
    pub(crate) bases: [u32; 2],
    /// Each column's first two samples, counted from its base, in the order of a byte shuffle.
    pub(crate) gather: Vector,
    /// Each column begins two samples behind the one before it: half the width, which needs no shuffle.
    pub(crate) halving: bool,
}

/// One lane a tap.
#[derive(Debug)]
pub(crate) struct Wide {
    /// Bits behind the binary point of the rounded weights.
    pub(crate) point: u32,
    /// The largest difference between a sum of rounded weights and the exact one, in its own last bits.
    pub(crate) doubt: i32,
    /// Vectors of weights of every column; 0 if columns differ.
    pub(crate) even: usize,
    /// For two columns each its first sample and its vectors of weights; none behind the last one.
    pub(crate) columns: Vec<[(u32, u32); 2]>,
    /// The rounded weights of all columns in sequence, each padded with zeros to 16 taps.
    pub(crate) weights: Vec<Vector>,
    /// What rounding took away from them, in the last bits of an exact weight.
    pub(crate) rests: Vec<Vector>,
}

impl Plan {
    /// The widths, and whether vectors will be used.
    pub(super) fn new(from: usize, to: usize, vectors: bool) -> Result<Self, ResizeError> {
        let axis = Axis::new(from, to);
        let mut plan = Self { starts: reserved(to)?, weights: Vec::new(), layout: None };
        let mut one = Weights::default();
        for column in 0..to {
            axis.weigh(column, &mut one);
            let at = plan.weights.len();
            plan.weights.try_reserve(one.fixed.len()).map_err(|_| ResizeError::Memory)?;
            plan.weights.extend_from_slice(&one.fixed);
            plan.starts.push((narrow(one.first), narrow(at)));
        }
        if vectors {
            let apart = |columns: &[(u32, u32)]| columns[columns.len() - 1].0 - columns[0].0;
            let spread = plan.starts.chunks(LANES / 2).map(apart).max().unwrap_or(0);
            plan.layout = Some(if spread <= 14 && axis.taps_max() <= 2 * PAIRS_MAX {
                Layout::Narrow(Narrow::new(&plan, axis.taps_max().div_ceil(2), spread)?)
            } else {
                Layout::Wide(Wide::new(&plan)?)
            });
        }
        Ok(plan)
    }

    pub(super) fn outputs(&self) -> impl Iterator<Item = (usize, &[i32])> {
        (0..self.starts.len()).map(|column| self.output(column))
    }

    pub(crate) fn output(&self, column: usize) -> (usize, &[i32]) {
        let (first, at) = self.starts.get(column).copied().unwrap_or_default();
        let end = self.starts.get(column + 1).map_or(self.weights.len(), |next| next.1 as usize);
        (first as usize, self.weights.get(at as usize..end).unwrap_or_default())
    }
}

impl Narrow {
    fn new(plan: &Plan, pairs: usize, spread: u32) -> Result<Self, ResizeError> {
        let columns = plan.starts.len();
        let count = columns.div_ceil(LANES);
        let (mut groups, mut weights) = (reserved(count)?, reserved(count * pairs)?);
        for group in 0..count {
            // Behind the last column the last one again.
            let lanes: [(usize, &[i32]); LANES] =
                std::array::from_fn(|lane| plan.output((group * LANES + lane).min(columns - 1)));
            let mut gather = [0x80_u8; 32];
            for (lane, &(first, _)) in lanes.iter().enumerate() {
                let offset = (first - lanes[lane & 4].0).to_le_bytes()[0];
                (gather[4 * lane], gather[4 * lane + 2]) = (offset, offset + 1);
            }
            groups.push(Group {
                bases: [narrow(lanes[0].0), narrow(lanes[4].0)],
                gather,
                halving: lanes.iter().enumerate().all(|(lane, &(first, _))| first == lanes[0].0 + 2 * lane),
            });
            for pair in 0..pairs {
                let weight = |at: usize| lanes[at / 2].1.get(2 * pair + at % 2).copied().unwrap_or(0);
                weights.push([
                    vector(std::array::from_fn(|at| weight(at) >> LOW)),
                    vector(std::array::from_fn(|at| weight(at) & ((1 << LOW) - 1))),
                ]);
            }
        }
        Ok(Self { pairs, compact: spread as usize + 2 * pairs <= 16, groups, weights })
    }
}

impl Wide {
    fn new(plan: &Plan) -> Result<Self, ResizeError> {
        let greatest = plan.weights.iter().map(|weight| weight.unsigned_abs()).max().unwrap_or(0);
        // The most bits with which the greatest weight still fits 16, its sign included.
        let cut = (0..POINT).find(|cut| greatest >> cut < 0x7fff).unwrap_or(POINT);
        let rounded = |weight: i32| if cut == 0 { weight } else { (weight + (1 << (cut - 1))) >> cut };
        let columns = plan.starts.len();
        let most = plan.outputs().map(|(_, weights)| weights.len().div_ceil(TAPS)).max().unwrap_or(0);
        let mut wide = Self {
            point: POINT - cut,
            doubt: 0,
            even: if most <= EVEN_MAX { most } else { 0 },
            columns: reserved(columns.div_ceil(2))?,
            weights: Vec::new(),
            rests: Vec::new(),
        };
        let mut doubt = 0;
        for (column, (first, weights)) in plan.outputs().enumerate() {
            let (mut over, mut under) = (0_i64, 0_i64);
            let steps = if wide.even == 0 { weights.len().div_ceil(TAPS) } else { wide.even };
            wide.weights.try_reserve(steps).map_err(|_| ResizeError::Memory)?;
            wide.rests.try_reserve(steps).map_err(|_| ResizeError::Memory)?;
            for step in 0..steps {
                let (mut near, mut rests) = ([0; TAPS], [0; TAPS]);
                let part = weights.get(step * TAPS..).unwrap_or_default();
                for (tap, &weight) in part.iter().take(TAPS).enumerate() {
                    near[tap] = rounded(weight);
                    rests[tap] = weight - (near[tap] << cut);
                    over += i64::from(rests[tap].max(0));
                    under -= i64::from(rests[tap].min(0));
                }
                wide.weights.push(vector(near));
                wide.rests.push(vector(rests));
            }
            doubt = doubt.max(over).max(under);
            let this = (narrow(first), narrow(steps));
            match wide.columns.last_mut() {
                Some([_, second]) if column % 2 == 1 => *second = this,
                _ => wide.columns.push([this, (0, 0)]),
            }
        }
        // Behind an odd last column an empty one.
        if let (Some([_, second]), 1) = (wide.columns.last_mut(), columns % 2) {
            *second = (0, narrow(wide.even));
            wide.weights.extend(std::iter::repeat_n([0; 32], wide.even));
            wide.rests.extend(std::iter::repeat_n([0; 32], wide.even));
        }
        // Samples are at most 255, and none is negative: only errors of one sign add up.
        wide.doubt = i32::try_from(((255 * doubt) >> cut) + 1).unwrap_or(i32::MAX);
        Ok(wide)
    }
}

/// Sides, and weights of a side, fit 32 bits.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// 16 numbers that fit 16 bits each.
fn vector(numbers: [i32; 16]) -> Vector {
    let mut all = [0; 32];
    for (two, number) in all.chunks_exact_mut(2).zip(numbers) {
        two.copy_from_slice(&number.to_le_bytes()[..2]);
    }
    all
}
