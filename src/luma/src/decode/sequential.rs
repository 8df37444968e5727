//! Sequential scans (T.81 F.2), a row of MCUs at a time. Blocks of wanted planes are decoded; all others are skipped
//! code by code, because damage in them counts too.

use super::bits::Bits;
use super::codes::{Differences, Pairs, Skips};
use super::frame::Frame;
use super::plane::Plane;
use super::restarts::Restarts;
use super::scan::{ScanHeader, Shape};
use super::tables::Tables;
use crate::error::{Damage, Error};

/// How a member's AC coefficients are read: by which of the scan's pairs or skips.
#[derive(Clone, Copy)]
enum Ac {
    Wanted(usize),
    /// The mean alone is wanted.
    Mean(usize),
    Unwanted(usize),
}

/// Tables made once for each number, however many members use it.
struct Shared<T>(Vec<(u8, T)>);

impl<T> Shared<T> {
    fn new() -> Result<Self, Error> {
        super::list(4).map(Self)
    }

    /// Where the table of that number stands; it is made if it is new.
    fn place(&mut self, number: u8, make: impl FnOnce() -> Result<T, Error>) -> Result<usize, Error> {
        if let Some(found) = self.0.iter().position(|&(known, _)| known == number) {
            return Ok(found);
        }
        self.0.push((number, make()?));
        Ok(self.0.len() - 1)
    }
}

struct Member {
    /// Which component, and which plane if it is wanted.
    component: usize,
    dc: usize,
    ac: Ac,
    prediction: i32,
    /// Blocks in an MCU, across and down.
    across: usize,
    down: usize,
}

pub(super) struct Sequential {
    members: Vec<Member>,
    differences: Shared<Differences>,
    pairs: Shared<Pairs>,
    skips: Shared<Skips>,
    shape: Shape,
    restarts: Restarts,
    /// Rows of MCUs that are done.
    row: usize,
    /// Whether blocks are kept, rather than transformed.
    stored: bool,
}

impl Sequential {
    pub(super) fn new(
        frame: &Frame,
        scan: &ScanHeader,
        tables: &Tables,
        interval: u16,
        planes: &mut [Plane],
        stored: bool,
    ) -> Result<Self, Error> {
        let mut members = super::list(scan.members().len())?;
        let (mut differences, mut pairs, mut skips) = (Shared::new()?, Shared::new()?, Shared::new()?);
        let alone = scan.members().len() == 1;
        for member in scan.members() {
            let component = frame.components().get(member.component).ok_or(Damage::Scan)?;
            let (across, down) = if alone { (1, 1) } else { (component.h, component.v) };
            let (dc_table, ac_table) = (tables.dc(member.dc_table)?, tables.ac(member.ac_table)?);
            let dc = differences.place(member.dc_table, || Differences::new(dc_table))?;
            let mut skipped = || skips.place(member.ac_table, || Skips::new(ac_table));
            let ac = match planes.get_mut(member.component) {
                Some(plane) => {
                    if !stored {
                        plane.rows = down * plane.layout.block();
                    }
                    if plane.layout.block() == 1 {
                        Ac::Mean(skipped()?)
                    } else {
                        Ac::Wanted(pairs.place(member.ac_table, || Pairs::new(ac_table, false))?)
                    }
                }
                None => Ac::Unwanted(skipped()?),
            };
            members.push(Member { component: member.component, dc, ac, prediction: 0, across, down });
        }
        let (shape, restarts) = (scan.shape(frame), Restarts::new(interval));
        Ok(Self { members, differences, pairs, skips, shape, restarts, row: 0, stored })
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.members.iter().any(|member| !matches!(member.ac, Ac::Unwanted(_)))
    }

    pub(super) fn is_done(&self) -> bool {
        self.row >= self.shape.down
    }

    /// The next row of MCUs. Blocks of the planes are transformed into their bands, or stored.
    pub(super) fn next_row(&mut self, bits: &mut Bits<'_>, planes: &mut [Plane]) -> Result<(), Error> {
        self.walk(bits, planes).map_err(|error| bits.explain(error))?;
        bits.check()?;
        self.row += 1;
        Ok(())
    }

    fn walk(&mut self, bits: &mut Bits<'_>, planes: &mut [Plane]) -> Result<(), Error> {
        for mcu in 0..self.shape.across {
            if self.restarts.is_due() {
                self.restarts.pass(bits)?;
                self.members.iter_mut().for_each(|member| member.prediction = 0);
            }
            bits.ready();
            for place in self.shape.blocks() {
                let Some(member) = self.members.get_mut(place.member) else { continue };
                let dc = &self.differences.0[member.dc].1;
                if let Ac::Unwanted(skips) = member.ac {
                    bits.skip_dc(dc)?;
                    bits.skip_ac(&self.skips.0[skips].1)?;
                    continue;
                }
                let Some(plane) = planes.get_mut(member.component) else { continue };
                member.prediction = member.prediction.wrapping_add(bits.dc(dc)?);
                let block = plane.batch.block();
                block[0] = wrapped(member.prediction);
                let last = match member.ac {
                    Ac::Wanted(pairs) => bits.ac(&self.pairs.0[pairs].1, block)?,
                    Ac::Mean(skips) | Ac::Unwanted(skips) => {
                        bits.skip_ac(&self.skips.0[skips].1)?;
                        0
                    }
                };
                let x = mcu * member.across + place.x;
                if self.stored {
                    plane.store(x, self.row * member.down + place.y);
                } else {
                    plane.push(last, x, place.y);
                }
            }
        }
        for plane in planes {
            plane.flush();
        }
        Ok(())
    }
}

/// A DC coefficient in 16 bits: it wraps, as libjpeg's does.
#[expect(clippy::cast_possible_truncation, reason = "it wraps")]
fn wrapped(prediction: i32) -> i16 {
    prediction as i16
}

#[cfg(test)]
impl Sequential {
    /// Bytes that it has allocated, itself among them.
    pub(super) fn allocated(&self) -> usize {
        let differences = self.differences.0.iter().map(|(_, table)| size_of_val(&*table.table));
        let pairs = self.pairs.0.iter().map(|(_, table)| size_of_val(&*table.table));
        let skips =
            self.skips.0.iter().map(|(_, table)| size_of_val(&*table.many) + size_of_val(&*table.one));
        let lists = self.differences.0.capacity() * size_of::<(u8, Differences)>()
            + self.pairs.0.capacity() * size_of::<(u8, Pairs)>()
            + self.skips.0.capacity() * size_of::<(u8, Skips)>()
            + self.members.capacity() * size_of::<Member>();
        size_of::<Self>() + lists + differences.chain(pairs).chain(skips).sum::<usize>()
    }
}
