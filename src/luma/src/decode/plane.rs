//! A plane of the picture: the band of rows that is being decoded, and the blocks that wait for their transform.

use super::block::Block;
use super::idct::{self, Blocks};
use super::layout::{Layout, PlaneLayout, Upsampling};
use super::tables::Quantization;
use super::upsample::{fancy_h1v2, fancy_h2v1, fancy_h2v2, repeat};
use super::{BATCH, COEFFICIENTS, Error, buffer};

/// A component whose samples are wanted.
pub(super) struct Plane {
    pub(super) layout: PlaneLayout,
    /// Steps of its coefficients, taken when its first scan begins (T.81 B.2.4.1).
    pub(super) quantization: Option<Quantization>,
    /// `carry` rows of the band before, then this band's; whole MCUs wide.
    samples: Vec<u8>,
    carry: usize,
    upsampled: Vec<u8>,
    sums: Vec<u16>,
    /// Rows that a row of MCUs of the scan brings.
    pub(super) rows: usize,
    pub(super) batch: Batch,
    /// All coefficients, block by block, where they come in pieces.
    pub(super) stored: Vec<i16>,
}

impl Plane {
    pub(super) fn new(layout: &Layout, plane: &PlaneLayout) -> Result<Self, Error> {
        Ok(Self {
            layout: *plane,
            quantization: None,
            samples: buffer(layout.band(plane))?,
            carry: layout.carry,
            upsampled: buffer(layout.upsampled(plane))?,
            sums: buffer(plane.sums())?,
            rows: plane.rows,
            batch: Batch::new()?,
            stored: buffer(if layout.stored { plane.coefficients() } else { 0 })?,
        })
    }

    /// Keeps the last rows of the band before, for those that need them.
    pub(super) fn next_band(&mut self) {
        let stride = self.layout.stride();
        let from = self.rows * stride;
        self.samples.copy_within(from..from + self.carry * stride, 0);
    }

    /// Takes the decoded block, the `x`th of row `y` of the band; `last` is the index of its last coefficient.
    #[inline(always)]
    pub(super) fn push(&mut self, last: u8, x: usize, y: usize) {
        let side = self.layout.block();
        self.batch.push(last, y * side * self.layout.stride() + x * side);
        if self.batch.count == BATCH {
            self.flush();
        }
    }

    /// Keeps the decoded block, the `x`th of the plane's row `y` of blocks.
    pub(super) fn store(&mut self, x: usize, y: usize) {
        let block = self.batch.block();
        if let Some(stored) = self.stored.as_chunks_mut::<64>().0.get_mut(y * self.layout.across + x) {
            stored.copy_from_slice(&block[..64]);
        }
        block[..65].fill(0);
    }

    pub(super) fn flush(&mut self) {
        let Some(quantization) = &self.quantization else { return };
        let stride = self.layout.stride();
        let batch = &mut self.batch;
        let blocks = Blocks {
            coefficients: &batch.coefficients[..batch.count * 64],
            last: &batch.last[..batch.count],
            places: &batch.places[..batch.count],
            quantization,
        };
        idct::transform(self.layout.kernel, blocks, &mut self.samples[self.carry * stride..], stride);
        batch.coefficients[..batch.count * 64 + 1].fill(0);
        batch.count = 0;
    }

    /// Transforms a row of stored blocks, the `row`th of the band, which begins at block row `down`. `set` has the
    /// coefficients of each block that are not 0.
    pub(super) fn transform_stored(&mut self, down: usize, row: usize, set: &[u64]) {
        let Some(quantization) = &self.quantization else { return };
        let (stride, block) = (self.layout.stride(), self.layout.block());
        let first = (down + row) * self.layout.across;
        let out = &mut self.samples[self.carry * stride..];
        let (mut last, mut places) = ([0; BATCH], [0; BATCH]);
        let mut at = 0;
        while at < self.layout.across {
            let count = BATCH.min(self.layout.across - at);
            for index in 0..count {
                last[index] = set.get(first + at + index).map_or(63, |&set| last_of(set));
                places[index] = row * block * stride + (at + index) * block;
            }
            let blocks = Blocks {
                coefficients: &self.stored[(first + at) * 64..(first + at + count) * 64],
                last: &last[..count],
                places: &places[..count],
                quantization,
            };
            idct::transform(self.layout.kernel, blocks, out, stride);
            at += count;
        }
    }

    /// Has rows `first` to `end` of the picture ready; the band begins at row `top` of the component.
    pub(super) fn upsample(&mut self, top: usize, first: usize, end: usize) {
        let plane = &self.layout;
        if plane.upsampling == Upsampling::None {
            return;
        }
        let (stride, wide, width) = (plane.stride(), plane.wide_stride(), plane.width);
        let row = |y: usize| {
            let at = (y.min(plane.height - 1) + self.carry - top) * stride;
            &self.samples[at..at + width]
        };
        for (y, out) in (first..end).zip(self.upsampled.chunks_exact_mut(wide)) {
            let near = y / plane.down_factor;
            let lower = y % plane.down_factor != 0;
            let far = if lower { near + 1 } else { near.saturating_sub(1) };
            match plane.upsampling {
                Upsampling::None => {}
                Upsampling::FancyH2V1 => fancy_h2v1(row(near), out),
                Upsampling::FancyH1V2 => fancy_h1v2(row(near), row(far), lower, out),
                Upsampling::FancyH2V2 => fancy_h2v2(row(near), row(far), &mut self.sums, out),
                Upsampling::Repeat => repeat(row(near), plane.across_factor, out),
            }
        }
    }

    /// What `upsample` made ready, from row `first` on: samples, and the distance of one row from the next.
    pub(super) fn ready(&self, top: usize, first: usize) -> (&[u8], usize) {
        let stride = self.layout.stride();
        match self.layout.upsampling {
            Upsampling::None => (&self.samples[(first + self.carry - top) * stride..], stride),
            _ => (&self.upsampled, self.layout.wide_stride()),
        }
    }
}

#[cfg(test)]
impl Plane {
    pub(super) fn allocated(&self) -> usize {
        let bytes = self.samples.capacity() + self.upsampled.capacity();
        bytes + 2 * (self.sums.capacity() + self.stored.capacity() + self.batch.coefficients.len())
    }
}

/// The index of the last coefficient that is set.
fn last_of(set: u64) -> u8 {
    u8::try_from((set | 1).ilog2()).unwrap_or(63)
}

/// Blocks decoded and not yet transformed: batches keep tables and code in the cache.
pub(super) struct Batch {
    /// 64 for each block; zeros where no block waits; behind the last, room for the dummy place.
    coefficients: Box<[i16; COEFFICIENTS]>,
    last: [u8; BATCH],
    places: [usize; BATCH],
    pub(super) count: usize,
}

impl Batch {
    fn new() -> Result<Self, Error> {
        let coefficients = buffer::<i16>(COEFFICIENTS)?.into_boxed_slice();
        let coefficients = coefficients.try_into().map_err(|_| Error::OutOfMemory)?;
        Ok(Self { coefficients, last: [0; BATCH], places: [0; BATCH], count: 0 })
    }

    /// The block that comes next. There are never more than fit: `flush` comes before.
    #[inline(always)]
    pub(super) fn block(&mut self) -> &mut Block {
        let at = 64 * (self.count & (BATCH - 1));
        let (head, _) = self.coefficients[at..].as_chunks_mut();
        &mut head[0]
    }

    /// Takes it, with the index of its last coefficient and its place in the band.
    #[inline(always)]
    fn push(&mut self, last: u8, place: usize) {
        let at = self.count & (BATCH - 1);
        self.last[at] = last;
        self.places[at] = place;
        self.count += 1;
    }
}
