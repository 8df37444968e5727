//! Sizes of everything a decoder allocates, from the header alone. The decoder allocates by these numbers, so that it
//! takes what was announced.
//!
//! Sides, block sizes and the choice of the upsampling are libjpeg-turbo's (its jdmaster.c and jdsample.c): a
//! subsampled component is transformed at a larger size if that saves upsampling it; fancy upsampling (triangle filter)
//! where the ratio is 2:1, repetition elsewhere.

use super::frame::{Component, Frame, Process};
use super::header::{Header, Scale};
use super::idct::Kernel;
use super::{BATCH_BYTES, FIXED_BYTES, TABLE_BYTES};
use crate::error::{Error, Unsupported};

/// How a component's rows become rows of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upsampling {
    /// They are.
    None,
    /// Triangle filter across, down, or both.
    FancyH2V1,
    FancyH1V2,
    FancyH2V2,
    /// Each sample again and again.
    Repeat,
}

impl Upsampling {
    /// Whether a row needs those above and below it.
    pub(super) fn has_context(self) -> bool {
        matches!(self, Self::FancyH1V2 | Self::FancyH2V2)
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct PlaneLayout {
    pub(super) component: Component,
    pub(super) kernel: Kernel,
    /// Blocks of whole MCUs, across and down.
    pub(super) across: usize,
    pub(super) down: usize,
    /// Real samples of the component, after reduction.
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) upsampling: Upsampling,
    /// Samples of the picture for one of the component.
    pub(super) across_factor: usize,
    pub(super) down_factor: usize,
    /// Rows that a row of MCUs brings.
    pub(super) rows: usize,
}

impl PlaneLayout {
    /// Side of what a block becomes: 8, 4, 2 or 1.
    pub(super) fn block(&self) -> usize {
        self.kernel.side()
    }

    /// Samples from one row of the component to the next.
    pub(super) fn stride(&self) -> usize {
        self.across * self.block()
    }

    /// The same after upsampling.
    pub(super) fn wide_stride(&self) -> usize {
        self.stride() * self.across_factor
    }

    /// Sums of two rows, which both-ways upsampling needs.
    pub(super) fn sums(&self) -> usize {
        if self.upsampling == Upsampling::FancyH2V2 { self.width } else { 0 }
    }

    pub(super) fn coefficients(&self) -> usize {
        self.across * self.down * 64
    }
}

#[derive(Clone, Debug)]
pub(super) struct Layout {
    planes: [PlaneLayout; 4],
    count: usize,
    /// Rows and samples of the picture.
    pub(super) width: usize,
    pub(super) height: usize,
    /// Rows of the component before the band that are kept: 2 if any plane needs neighbouring rows, else 0.
    pub(super) carry: usize,
    pub(super) stored: bool,
    /// Blocks of the skipped components, if it must be remembered which of their coefficients are set.
    pub(super) masks: [usize; 4],
}

impl Layout {
    pub(super) fn new(header: &Header, scale: Scale) -> Result<Self, Error> {
        let frame = &header.frame;
        let count = header.planes;
        let Some(&first) = frame.components().first() else { return Err(Error::NoImage) };
        let mut planes = [plane(frame, first, scale)?; 4];
        let mut masks = [0; 4];
        for (index, &component) in frame.components().iter().enumerate() {
            if index < count {
                planes[index & 3] = plane(frame, component, scale)?;
            }
            if frame.process == Process::Progressive {
                let (across, down) = frame.mcus();
                masks[index & 3] = across * component.h * down * component.v;
            }
        }
        let context = planes.iter().take(count).any(|plane| plane.upsampling.has_context());
        Ok(Self {
            planes,
            count,
            width: (usize::from(frame.width) * scale.block()).div_ceil(8),
            height: (usize::from(frame.height) * scale.block()).div_ceil(8),
            carry: if context { 2 } else { 0 },
            stored: header.stored,
            masks,
        })
    }

    pub(super) fn planes(&self) -> &[PlaneLayout] {
        self.planes.get(..self.count).unwrap_or_default()
    }

    /// Samples of a plane's band as it is decoded.
    pub(super) fn band(&self, plane: &PlaneLayout) -> usize {
        (self.carry + plane.rows) * plane.stride()
    }

    /// Samples of a plane's band after upsampling; 0 if it needs none.
    pub(super) fn upsampled(&self, plane: &PlaneLayout) -> usize {
        match plane.upsampling {
            Upsampling::None => 0,
            _ => (self.carry + plane.rows * plane.down_factor) * plane.wide_stride(),
        }
    }

    /// Bytes of all that a decoder allocates, at most.
    pub(super) fn memory(&self) -> u64 {
        let mut bytes = FIXED_BYTES + TABLE_BYTES;
        for plane in self.planes() {
            bytes += self.band(plane) + self.upsampled(plane) + 2 * plane.sums() + BATCH_BYTES;
            if self.stored {
                bytes += 2 * plane.coefficients();
            }
        }
        bytes += self.masks.iter().map(|blocks| 8 * blocks).sum::<usize>();
        bytes as u64
    }
}

/// What makes blocks of this side at that scale.
fn kernel(scale: Scale, side: usize) -> Kernel {
    match side {
        8 => Kernel::Whole,
        4 if scale == Scale::HalfSharp => Kernel::SharpHalf,
        4 => Kernel::Half,
        2 if scale == Scale::QuarterSharp => Kernel::SharpQuarter,
        2 => Kernel::Quarter,
        _ => Kernel::Mean,
    }
}

fn plane(frame: &Frame, component: Component, scale: Scale) -> Result<PlaneLayout, Error> {
    let (h_max, v_max, least) = (frame.h_max(), frame.v_max(), scale.block());
    let mut block = least;
    while block < 8
        && (h_max * least).is_multiple_of(component.h * block * 2)
        && (v_max * least).is_multiple_of(component.v * block * 2)
    {
        block *= 2;
    }
    // Samples of the component for h_max x v_max of the picture.
    let (h_in, v_in) = (component.h * block / least, component.v * block / least);
    if !h_max.is_multiple_of(h_in) || !v_max.is_multiple_of(v_in) {
        return Err(Unsupported::Sampling.into());
    }
    let side =
        |pixels: u16, factor: usize, most: usize| (usize::from(pixels) * factor * block).div_ceil(8 * most);
    let (width, height) = (side(frame.width, component.h, h_max), side(frame.height, component.v, v_max));
    let (across_factor, down_factor) = (h_max / h_in, v_max / v_in);
    let upsampling = match (across_factor, down_factor) {
        (1, 1) => Upsampling::None,
        _ if least == 1 => Upsampling::Repeat,
        (2, 1) if width > 2 => Upsampling::FancyH2V1,
        (1, 2) => Upsampling::FancyH1V2,
        (2, 2) if width > 2 => Upsampling::FancyH2V2,
        _ => Upsampling::Repeat,
    };
    let (across, down) = frame.mcus();
    Ok(PlaneLayout {
        component,
        kernel: kernel(scale, block),
        across: across * component.h,
        down: down * component.v,
        width,
        height,
        upsampling,
        across_factor,
        down_factor,
        rows: component.v * block,
    })
}
