//! Progressive scans (T.81 G.1.2, G.2), a row of MCUs at a time.

#![expect(
    clippy::cast_possible_truncation,
    reason = "fields of table entries; coefficients wrap at 16 bits, as libjpeg's do"
)]
//!
//! A word for each block has one bit for each coefficient that is not 0, in zigzag order: refinement reads one bit for
//! each of these, so their number is a count of bits. Unwanted components keep that word alone, so that their scans are
//! walked over, and checked, without their coefficients.

use super::bits::{BITS_BYTES, Bits, Window};
use super::block::PLACE;
use super::codes::{AC_BITS, Differences, Pairs, Symbols, extend};
use super::frame::Frame;
use super::plane::Plane;
use super::restarts::Restarts;
use super::scan::{ScanHeader, Shape};
use super::tables::{Tables, ZIGZAG};
use crate::error::{Damage, Error};

/// The state of one component.
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
    AcRefine(Symbols),
}

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
                    Coding::AcRefine(Symbols::new(table)?)
                }
            }
        };
        let (shape, restarts) = (scan.shape(frame), Restarts::new(interval));
        Ok(Self { header: *scan, coding, shape, restarts, predictions: [0; 4], ended: 0, row: 0 })
    }

    pub(super) fn is_done(&self) -> bool {
        self.row >= self.shape.down
    }

    pub(super) fn next_row(
        &mut self,
        frame: &Frame,
        bits: &mut Bits<'_>,
        planes: &mut [Plane],
        components: &mut [Component],
    ) -> Result<(), Error> {
        let walked = match self.coding {
            Coding::DcFirst(_) | Coding::DcRefine => self.walk_dc(frame, bits, planes),
            Coding::AcFirst(_) | Coding::AcRefine(_) => self.walk_ac(frame, bits, planes, components),
        };
        walked.map_err(|error| bits.explain(error))?;
        bits.check()?;
        self.row += 1;
        Ok(())
    }

    /// DC of one or more components (T.81 G.1.2.1).
    fn walk_dc(&mut self, frame: &Frame, bits: &mut Bits<'_>, planes: &mut [Plane]) -> Result<(), Error> {
        let (mcus, alone, low) = (frame.mcus().0, self.header.members().len() == 1, self.header.low);
        for mcu in 0..self.shape.across {
            if self.restarts.is_due() {
                self.restarts.pass(bits)?;
                self.predictions = [0; 4];
            }
            bits.ready();
            for place in self.shape.blocks() {
                let Some(member) = self.header.members().get(place.member) else { continue };
                let Some(component) = frame.components().get(member.component) else { continue };
                let (h, v) = if alone { (1, 1) } else { (component.h, component.v) };
                let at = (self.row * v + place.y) * mcus * component.h + mcu * h + place.x;
                let block = planes.get_mut(member.component);
                let block = block.and_then(|plane| plane.stored.as_chunks_mut::<64>().0.get_mut(at));
                match (&self.coding, block) {
                    (Coding::DcFirst(tables), Some(block)) => {
                        let Some(table) = tables.get(place.member) else { continue };
                        let prediction = &mut self.predictions[place.member & 3];
                        *prediction = prediction.wrapping_add(bits.dc(table)?);
                        block[0] = (*prediction << low) as i16;
                    }
                    (Coding::DcFirst(tables), None) => {
                        let Some(table) = tables.get(place.member) else { continue };
                        bits.skip_dc(table)?;
                    }
                    (_, Some(block)) => block[0] |= (bits.bit() << low) as i16,
                    (_, None) => {
                        bits.bit();
                    }
                }
            }
        }
        Ok(())
    }

    /// A band of AC coefficients of one component, which stands alone in its scan.
    fn walk_ac(
        &mut self,
        frame: &Frame,
        bits: &mut Bits<'_>,
        planes: &mut [Plane],
        components: &mut [Component],
    ) -> Result<(), Error> {
        let index = self.header.members().first().ok_or(Damage::Scan)?.component;
        let component = frame.components().get(index).ok_or(Damage::Scan)?;
        let start = self.row * frame.mcus().0 * component.h;
        let row = start..start + self.shape.across;
        let known = components.get_mut(index).ok_or(Damage::Scan)?;
        let sets = known.set.get_mut(row.clone()).ok_or(Damage::Scan)?;
        match planes.get_mut(index) {
            Some(plane) => {
                let blocks = plane.stored.as_chunks_mut::<64>().0.get_mut(row).ok_or(Damage::Scan)?;
                for (set, block) in sets.iter_mut().zip(blocks) {
                    self.block(bits, set, &mut Kept(block))?;
                }
            }
            None => {
                for set in sets {
                    self.block(bits, set, &mut Passed)?;
                }
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn block(&mut self, bits: &mut Bits<'_>, set: &mut u64, to: &mut impl Coefficients) -> Result<(), Error> {
        if self.restarts.is_due() {
            self.restarts.pass(bits)?;
            self.ended = 0;
        }
        let (first, last) = (self.header.first, self.header.last);
        match &self.coding {
            Coding::AcFirst(pairs) => {
                if self.ended > 0 {
                    self.ended -= 1;
                } else {
                    bits.ready();
                    let band = (usize::from(first), usize::from(last));
                    self.ended = bits.ac_first(pairs, band, self.header.low, set, to)?;
                }
            }
            Coding::AcRefine(symbols) => {
                bits.ready();
                let band = (u32::from(first), u32::from(last));
                if self.ended == 0 {
                    self.ended = bits.ac_refine(symbols, band, self.header.low, set, to)?;
                } else {
                    let (buffer, window) = bits.parts();
                    to.correct(buffer, window, *set & bits_of(band.0, band.1), 1 << self.header.low);
                    self.ended -= 1;
                }
            }
            Coding::DcFirst(_) | Coding::DcRefine => {}
        }
        Ok(())
    }
}

trait Coefficients {
    /// A new coefficient, at that index of the zigzag order.
    fn put(&mut self, index: usize, value: i16);

    /// Takes a bit for each coefficient of `which`: where it is set, the coefficient grows by `one`, away from 0.
    fn correct(&mut self, buffer: &[u8; BITS_BYTES], window: &mut Window, which: u64, one: i16);
}

/// Into a block.
struct Kept<'a>(&'a mut [i16; 64]);

/// Nowhere.
struct Passed;

impl Coefficients for Kept<'_> {
    #[inline(always)]
    fn put(&mut self, index: usize, value: i16) {
        self.0[usize::from(PLACE[index & 255]) & 63] = value;
    }

    #[inline(always)]
    fn correct(&mut self, buffer: &[u8; BITS_BYTES], window: &mut Window, mut which: u64, one: i16) {
        let mut count = which.count_ones();
        while count > 0 {
            window.refill(buffer);
            let now = count.min(32);
            let mut bits = window.bits;
            window.pass(now);
            count -= now;
            for _ in 0..now {
                let value = &mut self.0[usize::from(ZIGZAG[which.trailing_zeros() as usize & 63]) & 63];
                let sign = *value >> 15;
                // All ones where the bit is set and the coefficient has it not yet.
                let grows = (bits.cast_signed() >> 63) as i16 & -i16::from(*value & one == 0);
                *value = value.wrapping_add(grows & ((one ^ sign) - sign));
                bits <<= 1;
                which &= which - 1;
            }
        }
    }
}

impl Coefficients for Passed {
    #[inline(always)]
    fn put(&mut self, _: usize, _: i16) {}

    #[inline(always)]
    fn correct(&mut self, buffer: &[u8; BITS_BYTES], window: &mut Window, which: u64, _: i16) {
        let mut count = which.count_ones();
        while count > 0 {
            window.refill(buffer);
            window.pass(count.min(32));
            count -= count.min(32);
        }
    }
}

/// Whether a scan may come now (T.81 G.1.1.1, table B.3); updates the bits that are missing.
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

/// Blocks that an end-of-band run still ends, this one not counted (T.81 G.1.2.2).
#[inline(always)]
fn run(window: &mut Window, size: u32) -> u32 {
    if size == 0 {
        return 0;
    }
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

    /// First scan of a band of coefficients (T.81 G.1.2.2). Returns how many further blocks have none.
    #[inline(always)]
    fn ac_first(
        &mut self,
        table: &Pairs,
        (first, last): (usize, usize),
        low: u8,
        set: &mut u64,
        to: &mut impl Coefficients,
    ) -> Result<u32, Error> {
        let (buffer, shared) = self.parts();
        let mut window = *shared;
        let mut k = first - 1;
        let mut found = 0;
        let mut put = |k: usize, value: i16| {
            let value = (i32::from(value) << low) as i16;
            if value != 0 {
                to.put(k, value);
                found |= 1 << k.min(63);
            }
        };
        let mut ended = 0;
        while k < last {
            window.refill(buffer);
            let entry = table.table[window.peek(AC_BITS) as usize];
            if entry == 0 {
                let (length, symbol) = table.codes.find(window.peek(16))?;
                window.pass(length);
                let (zeros, category) = (usize::from(symbol >> 4), u32::from(symbol & 15));
                if category != 0 {
                    k += zeros + 1;
                    put(k, extend(window.peek(category), category) as i16);
                    window.pass(category);
                } else if zeros == 15 {
                    k += 16;
                } else {
                    ended = run(&mut window, zeros as u32);
                    break;
                }
                continue;
            }
            let (length, advance_1) = ((entry >> 24) as u32 & 255, (entry >> 8 & 255) as usize);
            let (both, advance_2) = (entry as u32 & 255, (entry >> 16 & 255) as usize);
            put(k + advance_1, (entry >> 32) as i16);
            // The second of a pair belongs to this block if the first does not end the band.
            if k + advance_1 >= last || both == length {
                window.pass(length);
                k += advance_1;
            } else {
                window.pass(both);
                k += advance_2;
                put(k, (entry >> 48) as i16);
            }
        }
        *set |= found;
        *shared = window;
        Ok(ended)
    }

    /// One more bit of a band of coefficients (T.81 G.1.2.3). Returns how many further blocks have no new ones.
    #[inline(always)]
    fn ac_refine(
        &mut self,
        table: &Symbols,
        (first, last): (u32, u32),
        low: u8,
        set: &mut u64,
        to: &mut impl Coefficients,
    ) -> Result<u32, Error> {
        let one = 1i16 << low;
        let (buffer, shared) = self.parts();
        let mut window = *shared;
        let mut k = first;
        let mut ended = 0;
        while k <= last {
            window.refill(buffer);
            let (length, symbol) = table.find(&window)?;
            window.pass(length);
            let (zeros, category) = (u32::from(symbol >> 4), symbol & 15);
            let value = match category {
                0 if zeros < 15 => {
                    ended = run(&mut window, zeros);
                    to.correct(buffer, &mut window, *set & bits_of(k, last), one);
                    break;
                }
                0 => 0,
                1 => {
                    let positive = window.peek(1) == 1;
                    window.pass(1);
                    if positive { one } else { -one }
                }
                _ => return Err(Damage::Code.into()),
            };
            // The coefficient of 0 after so many others of 0; the end of the band if there are fewer.
            let mut free = !*set & bits_of(k, last);
            for _ in 0..zeros {
                free &= free.wrapping_sub(1);
            }
            let place = if free == 0 { last + 1 } else { free.trailing_zeros() };
            to.correct(buffer, &mut window, *set & bits_of(k, last) & before(place), one);
            if value != 0 {
                // libjpeg puts a coefficient past the band behind it, or at the last coefficient of all.
                let place = place.min(63);
                to.put(place as usize, value);
                *set |= 1 << place;
            }
            k = place + 1;
        }
        *shared = window;
        Ok(ended)
    }
}

/// Bits `first` to `last`, both 0 to 63.
#[inline(always)]
fn bits_of(first: u32, last: u32) -> u64 {
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
                Coding::AcRefine(symbols) => size_of_val(&*symbols.table),
                Coding::DcRefine => 0,
            }
    }
}
