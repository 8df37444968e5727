//! Sequential scans (T.81 F.2), a row of MCUs at a time. Blocks of planes that are wanted are decoded; all others are
//! walked over, since damage in them is damage too.

use super::bits::Bits;
use super::codes::{Differences, Pairs, Skips};
use super::frame::Frame;
use super::plane::Plane;
use super::restarts::Restarts;
use super::scan::{ScanHeader, Shape};
use super::tables::Tables;
use crate::error::{Damage, Error};

/// How a member's AC coefficients are read.
enum Ac {
    Wanted(Pairs),
    /// The mean alone is wanted.
    Mean(Skips),
    Unwanted(Skips),
}

/// A component's part in the scan.
struct Member {
    /// Which component, and which plane if it is wanted.
    component: usize,
    dc: Differences,
    ac: Ac,
    prediction: i32,
    /// Blocks in an MCU, across and down.
    across: usize,
    down: usize,
}

/// A scan on its way.
pub(super) struct Sequential {
    members: Vec<Member>,
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
        let alone = scan.members().len() == 1;
        for member in scan.members() {
            let component = frame.components().get(member.component).ok_or(Damage::Scan)?;
            let (across, down) = if alone { (1, 1) } else { (component.h, component.v) };
            let ac = tables.ac(member.ac_table)?;
            let ac = match planes.get_mut(member.component) {
                Some(plane) => {
                    if !stored {
                        plane.rows = down * plane.layout.block;
                    }
                    if plane.layout.block == 1 {
                        Ac::Mean(Skips::new(ac)?)
                    } else {
                        Ac::Wanted(Pairs::new(ac, false)?)
                    }
                }
                None => Ac::Unwanted(Skips::new(ac)?),
            };
            let dc = Differences::new(tables.dc(member.dc_table)?)?;
            members.push(Member { component: member.component, dc, ac, prediction: 0, across, down });
        }
        Ok(Self { members, shape: scan.shape(frame), restarts: Restarts::new(interval), row: 0, stored })
    }

    /// Whether it brings samples that are wanted.
    pub(super) fn is_wanted(&self) -> bool {
        self.members.iter().any(|member| !matches!(member.ac, Ac::Unwanted(_)))
    }

    /// Whether all rows are done.
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
                if let Ac::Unwanted(skips) = &member.ac {
                    bits.skip_dc(&member.dc)?;
                    bits.skip_ac(skips)?;
                    continue;
                }
                let Some(plane) = planes.get_mut(member.component) else { continue };
                member.prediction = member.prediction.wrapping_add(bits.dc(&member.dc)?);
                let block = plane.batch.block();
                block[0] = wrapped(member.prediction);
                let last = match &member.ac {
                    Ac::Wanted(pairs) => bits.ac(pairs, block)?,
                    Ac::Mean(skips) | Ac::Unwanted(skips) => {
                        bits.skip_ac(skips)?;
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
        let tables = self.members.iter().map(|member| match &member.ac {
            Ac::Wanted(pairs) => size_of_val(&*pairs.table),
            Ac::Mean(skips) | Ac::Unwanted(skips) => size_of_val(&*skips.many) + size_of_val(&*skips.one),
        });
        let differences = self.members.iter().map(|member| size_of_val(&*member.dc.table));
        size_of::<Self>()
            + self.members.capacity() * size_of::<Member>()
            + tables.chain(differences).sum::<usize>()
    }
}
