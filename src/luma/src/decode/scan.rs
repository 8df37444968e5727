//! The scan header (T.81 B.2.3), and the order of blocks in an MCU (A.2).

use super::bytes::Fields;
use super::frame::{Component, Frame, Process};
use crate::error::{Damage, Error};

/// Blocks of one MCU of several components (T.81 B.2.3).
const BLOCKS_MAX: usize = 10;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Member {
    /// Which component of the frame.
    pub(super) component: usize,
    pub(super) dc_table: u8,
    pub(super) ac_table: u8,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct ScanHeader {
    members: [Member; 4],
    count: usize,
    /// First and last coefficient of the zigzag order.
    pub(super) first: u8,
    pub(super) last: u8,
    /// Successive approximation: bits that came before (0 for a first scan) and that remain.
    pub(super) high: u8,
    pub(super) low: u8,
}

impl ScanHeader {
    pub(super) fn read(frame: &Frame, mut fields: Fields<'_>) -> Result<Self, Error> {
        let count = usize::from(fields.byte()?);
        if !(1..=4).contains(&count) {
            return Err(Damage::Scan.into());
        }
        let mut members = [Member::default(); 4];
        let mut taken = [false; 4];
        for member in members.iter_mut().take(count) {
            let (id, tables) = (fields.byte()?, fields.byte()?);
            // Two components may have the same identifier: the first one that is free counts.
            let component = (frame.components().iter().zip(&taken))
                .position(|(component, &taken)| component.id == id && !taken)
                .ok_or(Damage::Scan)?;
            if let Some(taken) = taken.get_mut(component) {
                *taken = true;
            }
            *member = Member { component, dc_table: tables >> 4, ac_table: tables & 15 };
        }
        let (first, last, bits) = (fields.byte()?, fields.byte()?, fields.byte()?);
        fields.end()?;
        // A sequential scan has all coefficients, of all bits (T.81 table B.3). Some writers set all fields to 0 and
        // mean that; anything else is damage.
        if frame.process == Process::Sequential && !matches!((first, last, bits), (0, 63, 0) | (0, 0, 0)) {
            return Err(Damage::Scan.into());
        }
        let scan = Self { members, count, first, last, high: bits >> 4, low: bits & 15 };
        let blocks: usize = scan.components(frame).map(|c| c.h * c.v).sum();
        if count > 1 && blocks > BLOCKS_MAX {
            return Err(Damage::Scan.into());
        }
        Ok(scan)
    }

    pub(super) fn members(&self) -> &[Member] {
        self.members.get(..self.count).unwrap_or_default()
    }

    fn components<'a>(&'a self, frame: &'a Frame) -> impl Iterator<Item = &'a Component> {
        self.members().iter().filter_map(|member| frame.components().get(member.component))
    }

    /// The MCUs of this scan, and the blocks in each.
    pub(super) fn shape(&self, frame: &Frame) -> Shape {
        let mut shape = Shape { across: 0, down: 0, blocks: [Place::default(); BLOCKS_MAX], count: 0 };
        if let &[member] = self.members()
            && let Some(component) = frame.components().get(member.component)
        {
            // A component alone: its blocks row by row, without those that merely fill up an MCU (T.81 A.2.2).
            (shape.across, shape.down) = frame.blocks(component);
            shape.count = 1;
            return shape;
        }
        (shape.across, shape.down) = frame.mcus();
        for (index, component) in self.components(frame).enumerate() {
            for y in 0..component.v {
                for x in 0..component.h {
                    // `read` has counted them.
                    if let Some(place) = shape.blocks.get_mut(shape.count) {
                        *place = Place { member: index, x, y };
                        shape.count += 1;
                    }
                }
            }
        }
        shape
    }
}

/// A block of an MCU: whose it is, and where it stands among the component's blocks there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    pub(super) member: usize,
    pub(super) x: usize,
    pub(super) y: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// MCUs in a row, and rows of them.
    pub(super) across: usize,
    pub(super) down: usize,
    blocks: [Place; BLOCKS_MAX],
    count: usize,
}

impl Shape {
    pub(super) fn blocks(&self) -> &[Place] {
        self.blocks.get(..self.count).unwrap_or_default()
    }
}
