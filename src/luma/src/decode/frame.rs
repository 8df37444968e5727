//! The frame header (T.81 B.2.2).

use super::bytes::Fields;
use crate::error::{Damage, Error, Unsupported};

/// The coding processes that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// Sequential, Huffman coded: SOF0 and SOF1, which differ in what they allow, not in how they are read.
    Sequential,
    /// Progressive, Huffman coded: SOF2.
    Progressive,
}

/// One component of the frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Component {
    pub(super) id: u8,
    /// Sampling factors, 1 to 4.
    pub(super) h: usize,
    pub(super) v: usize,
    /// Number of its quantization table, as it stands in the file.
    pub(super) quantization: u8,
}

/// A frame: one, three or four components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) process: Process,
    pub(super) width: u16,
    /// Lines; 0 where a DNL segment behind the first scan says it (T.81 B.2.5).
    pub(super) height: u16,
    components: [Component; 4],
    count: usize,
}

impl Frame {
    /// `marker` is one of SOF0 to SOF15, DHP or EXP.
    pub(super) fn read(marker: u8, mut fields: Fields<'_>) -> Result<Self, Error> {
        let process = match marker {
            0xC0 | 0xC1 => Process::Sequential,
            0xC2 => Process::Progressive,
            0xC3 => return Err(Unsupported::Lossless.into()),
            0xC9..=0xCB => return Err(Unsupported::Arithmetic.into()),
            _ => return Err(Unsupported::Hierarchical.into()),
        };
        let precision = fields.byte()?;
        let (height, width, count) = (fields.word()?, fields.word()?, fields.byte()?);
        if precision != 8 {
            return Err(Unsupported::Precision(precision).into());
        }
        if width == 0 || count == 0 {
            return Err(Damage::Frame.into());
        }
        if !matches!(count, 1 | 3 | 4) {
            return Err(Unsupported::Components(count).into());
        }
        let mut components = [Component::default(); 4];
        let count = usize::from(count);
        for component in components.iter_mut().take(count) {
            let (id, sampling, quantization) = (fields.byte()?, fields.byte()?, fields.byte()?);
            let (h, v) = (usize::from(sampling >> 4), usize::from(sampling & 15));
            if !(1..=4).contains(&h) || !(1..=4).contains(&v) {
                return Err(Damage::Frame.into());
            }
            *component = Component { id, h, v, quantization };
        }
        fields.end()?;
        Ok(Self { process, width, height, components, count })
    }

    pub(super) fn components(&self) -> &[Component] {
        self.components.get(..self.count).unwrap_or_default()
    }

    pub(super) fn h_max(&self) -> usize {
        self.components().iter().map(|c| c.h).max().unwrap_or(1)
    }

    pub(super) fn v_max(&self) -> usize {
        self.components().iter().map(|c| c.v).max().unwrap_or(1)
    }

    /// MCUs of a scan of all components, across and down (T.81 A.2.3).
    pub(super) fn mcus(&self) -> (usize, usize) {
        (
            usize::from(self.width).div_ceil(8 * self.h_max()),
            usize::from(self.height).div_ceil(8 * self.v_max()),
        )
    }

    /// Blocks of a component in a scan of its own, across and down (T.81 A.2.2, A.1.1).
    pub(super) fn blocks(&self, component: &Component) -> (usize, usize) {
        (
            (usize::from(self.width) * component.h).div_ceil(8 * self.h_max()),
            (usize::from(self.height) * component.v).div_ceil(8 * self.v_max()),
        )
    }
}
