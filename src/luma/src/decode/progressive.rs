//! Progressive scans (T.81 G.1.2, G.2), a row of MCUs at a time.

#![expect(
    clippy::cast_possible_truncation,
    reason = "fields of table entries; coefficients wrap at 16 bits, as libjpeg's do"
)]
//!
//! Which coefficients of a block are not 0 is kept in a word, one bit each in zigzag order: refinement reads one bit for
//! each of these, and how many there are is then a count of bits. Components that are not wanted keep that word alone, so
//! that their scans are walked over, and checked, without their coefficients.

use super::bits::Bits;
use super::block::PLACE;
use super::codes::{AC_BITS, Codes, Differences, Pairs, extend};
use super::frame::Frame;
use super::plane::Plane;
use super::restarts::Restarts;
use super::scan::{ScanHeader, Shape};
use super::tables::Tables;
use crate::error::{Damage, Error};

/// What is known so far of one component.
pub(super) struct Component {
    /// Coefficients that are not 0, of each block of whole MCUs.
    pub(super) set: Vec<u64>,
    /// Bits of each coefficient that are still to come; `UNSEEN` before its first scan.
    pub(super) missing: [u8; 64],
}

/// No scan of a coefficient came yet.
pub(super) const UNSEEN: u8 = u8::MAX;

/// What a scan's codes say.
enum Coding {
    DcFirst(Vec<Differences>),
    DcRefine,
    AcFirst(Pairs),
    AcRefine(Codes),
}

/// A scan on its way.
pub(super) struct Progressive {
    header: ScanHeader,
    coding: Coding,
    shape: Shape,
    restarts: Restarts,
    predictions: [i32; 4],
    /// Blocks that end without a further code (T.81 G.1.2.2, EOBRUN).
    ended: u32,
    row: usize,
}

impl Progressive {
    pub(super) fn new(
        frame: &Frame,
        scan: &ScanHeader,
        tables: &Tables,
        interval: u16,
        components: &mut [Component],
    ) -> Result<Self, Error> {
        follow(scan, components)?;
        let coding = match (scan.first, scan.high) {
            (0, 0) => {
                let mut differences = super::list(scan.members().len())?;
                for member in scan.members() {
                    differences.push(Differences::new(tables.dc(member.dc_table)?)?);
                }
                Coding::DcFirst(differences)
            }
            (0, _) => Coding::DcRefine,
            (_, high) => {
                let table = tables.ac(scan.members().first().ok_or(Damage::Scan)?.ac_table)?;
                if high == 0 {
                    Coding::AcFirst(Pairs::new(table, true)?)
                } else {
                    Coding::AcRefine(Codes::new(table, false)?)
                }
            }
        };
        let (shape, restarts) = (scan.shape(frame), Restarts::new(interval));
        Ok(Self { header: *scan, coding, shape, restarts, predictions: [0; 4], ended: 0, row: 0 })
    }

    pub(super) fn is_done(&self) -> bool {
        self.row >= self.shape.down
    }

    /// The next row of MCUs.
    pub(super) fn next_row(
        &mut self,
        frame: &Frame,
        bits: &mut Bits<'_>,
        planes: &mut [Plane],
        components: &mut [Component],
    ) -> Result<(), Error> {
        self.walk(frame, bits, planes, components).map_err(|error| bits.explain(error))?;
        bits.check()?;
        self.row += 1;
        Ok(())
    }

    fn walk(
        &mut self,
        frame: &Frame,
        bits: &mut Bits<'_>,
        planes: &mut [Plane],
        components: &mut [Component],
    ) -> Result<(), Error> {
        let (mcus, alone) = (frame.mcus().0, self.header.members().len() == 1);
        for mcu in 0..self.shape.across {
            if self.restarts.is_due() {
                self.restarts.pass(bits)?;
                self.predictions = [0; 4];
                self.ended = 0;
            }
            bits.ready();
            for place in self.shape.blocks() {
                let Some(member) = self.header.members().get(place.member) else { continue };
                let Some(component) = frame.components().get(member.component) else { continue };
                let (h, v) = if alone { (1, 1) } else { (component.h, component.v) };
                let at = (self.row * v + place.y) * mcus * component.h + mcu * h + place.x;
                let coefficients =
                    planes.get_mut(member.component).map_or(&mut [][..], |plane| &mut plane.stored);
                let mut unwanted = [0; 64];
                let block = match coefficients.as_chunks_mut::<64>().0.get_mut(at) {
                    Some(block) => block,
                    None => &mut unwanted,
                };
                let Some(set) = components.get_mut(member.component).and_then(|known| known.set.get_mut(at))
                else {
                    continue;
                };
                let low = self.header.low;
                match &self.coding {
                    Coding::DcFirst(differences) => {
                        let Some(table) = differences.get(place.member) else { continue };
                        let prediction = &mut self.predictions[place.member & 3];
                        *prediction = prediction.wrapping_add(bits.dc(table)?);
                        block[0] = (*prediction << low) as i16;
                    }
                    Coding::DcRefine => block[0] |= (bits.bit() << low) as i16,
                    Coding::AcFirst(pairs) => {
                        if self.ended > 0 {
                            self.ended -= 1;
                            continue;
                        }
                        let band = (usize::from(self.header.first), usize::from(self.header.last));
                        self.ended = bits.ac_first(pairs, band, low, block, set)?;
                    }
                    Coding::AcRefine(codes) => {
                        let band = (u32::from(self.header.first), u32::from(self.header.last));
                        bits.ac_refine(codes, band, low, block, set, &mut self.ended)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Whether a scan may come now (T.81 G.1.1.1, table B.3), and what it leaves to come.
fn follow(scan: &ScanHeader, components: &mut [Component]) -> Result<(), Error> {
    let dc = scan.first == 0;
    let sound = if dc {
        scan.last == 0
    } else {
        scan.first <= scan.last && scan.last < 64 && scan.members().len() == 1
    };
    if !sound || scan.low > 13 || (scan.high != 0 && scan.low + 1 != scan.high) {
        return Err(Damage::Progression.into());
    }
    for member in scan.members() {
        let component = components.get_mut(member.component).ok_or(Damage::Scan)?;
        if !dc && component.missing[0] == UNSEEN {
            return Err(Damage::Progression.into());
        }
        let band = usize::from(scan.first)..=usize::from(scan.last);
        for missing in component.missing.get_mut(band).unwrap_or_default() {
            let expected = if scan.high == 0 { UNSEEN } else { scan.high };
            if *missing != expected {
                return Err(Damage::Progression.into());
            }
            *missing = scan.low;
        }
    }
    Ok(())
}

/// Blocks that an end of several leaves to end, this one not counted (T.81 G.1.2.2).
#[inline(always)]
fn run(bits: &mut Bits<'_>, size: u32) -> u32 {
    if size == 0 {
        return 0;
    }
    let (_, window) = bits.parts();
    let extra = window.peek(size);
    window.pass(size);
    (1 << size) - 1 + extra
}

impl Bits<'_> {
    #[inline(always)]
    fn bit(&mut self) -> i32 {
        let (buffer, window) = self.parts();
        window.refill(buffer);
        let bit = window.peek(1).cast_signed();
        window.pass(1);
        bit
    }

    /// A band of coefficients for the first time (T.81 G.1.2.2). How many further blocks have none.
    #[inline(always)]
    fn ac_first(
        &mut self,
        table: &Pairs,
        (first, last): (usize, usize),
        low: u8,
        block: &mut [i16; 64],
        set: &mut u64,
    ) -> Result<u32, Error> {
        let mut k = first - 1;
        let mut put = |k: usize, value: i16| {
            let value = ((i32::from(value)) << low) as i16;
            let place = usize::from(PLACE[k & 255]);
            if value != 0 {
                block[place & 63] = value;
                *set |= 1 << k.min(63);
            }
        };
        while k < last {
            let (buffer, window) = self.parts();
            window.refill(buffer);
            let entry = table.table[window.peek(AC_BITS) as usize];
            if entry == 0 {
                let (length, symbol) = table.codes.find(window.peek(16))?;
                window.pass(length);
                let (zeros, category) = (usize::from(symbol >> 4), u32::from(symbol & 15));
                if category != 0 {
                    k += zeros + 1;
                    let value = extend(window.peek(category), category);
                    window.pass(category);
                    put(k, value as i16);
                } else if zeros == 15 {
                    k += 16;
                } else {
                    return Ok(run(self, zeros as u32));
                }
                continue;
            }
            // The second of a pair belongs to this block if the first can't end the band.
            let (length, advance_1) = ((entry >> 24) as u32 & 255, (entry >> 8 & 255) as usize);
            let (both, advance_2) = (entry as u32 & 255, (entry >> 16 & 255) as usize);
            if k + advance_1 >= last || both == length {
                window.pass(length);
                k += advance_1;
                put(k, (entry >> 32) as i16);
            } else {
                window.pass(both);
                put(k + advance_1, (entry >> 32) as i16);
                k += advance_2;
                put(k, (entry >> 48) as i16);
            }
        }
        Ok(0)
    }

    /// One more bit of a band of coefficients (T.81 G.1.2.3).
    fn ac_refine(
        &mut self,
        codes: &Codes,
        (first, last): (u32, u32),
        low: u8,
        block: &mut [i16; 64],
        set: &mut u64,
        ended: &mut u32,
    ) -> Result<(), Error> {
        let one = 1i16 << low;
        let mut k = first;
        while *ended == 0 && k <= last {
            let (buffer, window) = self.parts();
            window.refill(buffer);
            let (length, symbol) = codes.find(window.peek(16))?;
            window.pass(length);
            let (zeros, category) = (u32::from(symbol >> 4), symbol & 15);
            let value = match category {
                0 if zeros < 15 => {
                    *ended = run(self, zeros) + 1;
                    break;
                }
                0 => 0,
                1 => {
                    let positive = window.peek(1) == 1;
                    window.pass(1);
                    if positive { one } else { one.wrapping_neg() }
                }
                _ => return Err(Damage::Code.into()),
            };
            // The coefficient of 0 that comes after so many others of 0; the end of the band if there are not so many.
            let mut free = !*set & band(k, last);
            for _ in 0..zeros {
                free &= free.wrapping_sub(1);
            }
            let place = if free == 0 { last + 1 } else { free.trailing_zeros() };
            self.correct(*set & band(k, place.saturating_sub(1).min(last)) & before(place), one, block);
            if value != 0 {
                // libjpeg puts what lies past the band at the last coefficient of all.
                let place = place.min(63);
                block[usize::from(PLACE[place as usize]) & 63] = value;
                *set |= 1 << place;
            }
            k = place + 1;
        }
        if *ended > 0 {
            if k <= last {
                self.correct(*set & band(k, last), one, block);
            }
            *ended -= 1;
        }
        Ok(())
    }

    /// A bit for each coefficient of `which`: where it is set, the coefficient grows by `one`, away from 0.
    #[inline(always)]
    fn correct(&mut self, mut which: u64, one: i16, block: &mut [i16; 64]) {
        let (buffer, window) = self.parts();
        while which != 0 {
            window.refill(buffer);
            let mut bits = which.count_ones().min(32);
            while bits > 0 {
                let at = usize::from(PLACE[which.trailing_zeros() as usize]) & 63;
                let value = block[at];
                if window.peek(1) == 1 && value & one == 0 {
                    block[at] = value.wrapping_add(if value >= 0 { one } else { one.wrapping_neg() });
                }
                window.pass(1);
                which &= which - 1;
                bits -= 1;
            }
        }
    }
}

/// Bits `first` to `last`, both 0 to 63.
#[inline(always)]
fn band(first: u32, last: u32) -> u64 {
    (u64::MAX >> (63 - last.min(63))) & (u64::MAX << first.min(63))
}

/// Bits below `end`.
#[inline(always)]
fn before(end: u32) -> u64 {
    if end >= 64 { u64::MAX } else { (1 << end) - 1 }
}

#[cfg(test)]
impl Progressive {
    /// Bytes that it has allocated, itself among them.
    pub(super) fn allocated(&self) -> usize {
        size_of::<Self>()
            + match &self.coding {
                Coding::DcFirst(tables) => {
                    let each = size_of::<Differences>() + (2 << super::codes::DC_BITS);
                    tables.capacity() * each
                }
                Coding::AcFirst(pairs) => size_of_val(&*pairs.table),
                Coding::DcRefine | Coding::AcRefine(_) => 0,
            }
    }
}
