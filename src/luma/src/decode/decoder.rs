//! Bands of rows, one after the other, and the way to them through one scan or many.
//!
//! If a scan brings whole rows of every wanted component, they are handed over as they come, and only the band is kept.
//! Progressive pictures, and pictures of several wanted components in separate scans, come after their last scan; until
//! then the bands are empty, so that the caller gets its turn.

use super::bits::Bits;
use super::frame::Process;
use super::header::{Header, Scale, open};
use super::layout::Layout;
use super::plane::Plane as Wanted;
use super::progressive::{Component, Progressive, UNSEEN};
use super::rows::{Plane, Rows};
use super::scan::ScanHeader;
use super::sequential::Sequential;
use super::walker::{Event, Walker};
use super::{buffer, list};
use crate::error::{Damage, Error};

/// Scans of a picture; encoders write about ten.
const SCANS_MAX: usize = 100;

/// A decoder of one picture.
pub struct Decoder<'a> {
    header: Header,
    scale: Scale,
    layout: Layout,
    walker: Walker<'a>,
    bits: Bits<'a>,
    planes: Vec<Wanted>,
    components: Vec<Component>,
    seen: [bool; 4],
    scans: usize,
    state: State,
    /// Rows of the picture that were handed over.
    row: usize,
    /// Rows of MCUs, or of blocks, that were transformed.
    bands: usize,
}

enum State {
    /// The walk to the next scan, or to the end.
    Between,
    Scan(ScanHeader),
    Sequential(Box<Sequential>),
    Progressive(Box<Progressive>),
    /// Bands of what was stored.
    Stored,
    Done,
    /// A scan that did not end well.
    Failed(Error),
}

impl<'a> Decoder<'a> {
    /// Reads the header and makes room: `Header::memory` says how much at most.
    ///
    /// # Errors
    /// As of `Header::read`; or if there is no memory, or a wanted component is sampled by fractions.
    pub fn new(bytes: &'a [u8], scale: Scale) -> Result<Self, Error> {
        open(bytes).and_then(|(header, scan, walker)| Self::prepare(header, scan, walker, scale))
    }

    /// The same, but all components are decoded as they are stored, luma and chroma too: for files that define the
    /// meaning of the components outside of the JPEG. [`Header::with_all_components`] says how much memory that takes.
    ///
    /// # Errors
    /// As of [`Decoder::new`].
    pub fn with_all_components(bytes: &'a [u8], scale: Scale) -> Result<Self, Error> {
        let (header, scan, walker) = open(bytes)?;
        Self::prepare(header.with_all_components(), scan, walker, scale)
    }

    fn prepare(header: Header, scan: ScanHeader, walker: Walker<'a>, scale: Scale) -> Result<Self, Error> {
        let bytes = walker.bytes;
        let layout = Layout::new(&header, scale)?;
        let mut planes = list(layout.planes().len())?;
        for plane in layout.planes() {
            planes.push(Wanted::new(&layout, plane)?);
        }
        let mut components = list(4)?;
        for &blocks in &layout.masks {
            components.push(Component { set: buffer(blocks)?, missing: [UNSEEN; 64] });
        }
        Ok(Self {
            header,
            scale,
            layout,
            walker,
            bits: Bits::new(bytes)?,
            planes,
            components,
            seen: [false; 4],
            scans: 0,
            state: State::Scan(scan),
            row: 0,
            bands: 0,
        })
    }

    /// What was read before the picture.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Width and height of what is decoded.
    #[must_use]
    pub fn size(&self) -> (u32, u32) {
        self.header.size(self.scale)
    }

    /// The next band of rows; None when all are handed over and everything of the picture was read. Each call decodes
    /// one row of MCUs, so the caller may stop between any two.
    ///
    /// # Errors
    /// Where the data are damaged or end early. Rows handed over before are correct, but the picture is not whole; an
    /// error may also come after the last row, from scans of colour behind it.
    pub fn next_rows(&mut self) -> Result<Option<Rows<'_>>, Error> {
        let last = match &mut self.state {
            State::Done => return Ok(None),
            State::Failed(error) => return Err(*error),
            State::Between => {
                self.go_on()?;
                return Ok(Some(self.no_rows()));
            }
            State::Scan(scan) => {
                let scan = *scan;
                self.begin(&scan)?;
                return Ok(Some(self.no_rows()));
            }
            State::Progressive(scan) => {
                let frame = &self.header.frame;
                scan.next_row(frame, &mut self.bits, &mut self.planes, &mut self.components)?;
                if scan.is_done() {
                    self.end_scan()?;
                }
                return Ok(Some(self.no_rows()));
            }
            State::Sequential(scan) => {
                let wanted = !self.layout.stored && scan.is_wanted();
                if wanted && self.bands > 0 {
                    self.planes.iter_mut().for_each(Wanted::next_band);
                }
                scan.next_row(&mut self.bits, &mut self.planes)?;
                let last = scan.is_done();
                if last {
                    self.end_scan()?;
                }
                if !wanted {
                    return Ok(Some(self.no_rows()));
                }
                last
            }
            State::Stored => {
                for (plane, component) in self.planes.iter_mut().zip(&self.components) {
                    if self.bands > 0 {
                        plane.next_band();
                    }
                    let down = plane.layout.component.v;
                    for row in 0..down {
                        plane.transform_stored(self.bands * down, row, &component.set);
                    }
                }
                let last = self.bands + 1 >= self.header.frame.mcus().1;
                if last {
                    self.state = State::Done;
                }
                last
            }
        };
        Ok(Some(self.band(last)))
    }

    /// The rows that the band just decoded makes ready.
    fn band(&mut self, last: bool) -> Rows<'_> {
        let (band, first) = (self.bands, self.row);
        let Some(plane) = self.planes.first() else { return Rows::none() };
        // Rows that need the one below wait for it.
        let end = (band + 1) * plane.rows * plane.layout.down_factor;
        let end = if last {
            self.layout.height
        } else {
            end.saturating_sub(self.layout.carry).min(self.layout.height)
        };
        let mut rows = Rows {
            planes: [Plane::default(); 4],
            count: 0,
            width: self.layout.width,
            first,
            rows: end - first,
        };
        self.bands += 1;
        self.row = end;
        for plane in &mut self.planes {
            plane.upsample(band * plane.rows, first, end);
        }
        for (out, plane) in rows.planes.iter_mut().zip(&self.planes) {
            let (samples, stride) = plane.ready(band * plane.rows, first);
            *out = Plane { samples, stride };
            rows.count += 1;
        }
        rows
    }

    fn no_rows(&self) -> Rows<'_> {
        Rows { first: self.row, ..Rows::none() }
    }

    fn begin(&mut self, scan: &ScanHeader) -> Result<(), Error> {
        self.scans += 1;
        if self.scans > SCANS_MAX {
            return Err(Error::TooManyScans);
        }
        let (frame, tables) = (&self.header.frame, &self.walker.tables);
        let sequential = frame.process == Process::Sequential;
        for member in scan.members() {
            let (Some(component), Some(seen)) =
                (frame.components().get(member.component), self.seen.get_mut(member.component))
            else {
                return Err(Damage::Scan.into());
            };
            if *seen {
                if sequential {
                    return Err(Damage::Scan.into());
                }
                continue;
            }
            *seen = true;
            // The table as it stands when the component's first scan begins; all components must have one.
            let step = tables.step(component.quantization)?;
            if let Some(plane) = self.planes.get_mut(member.component) {
                plane.quantization = Some(*step);
            }
        }
        let interval = self.walker.restart_interval;
        self.state = if sequential {
            let stored = self.layout.stored;
            State::Sequential(Box::new(Sequential::new(
                frame,
                scan,
                tables,
                interval,
                &mut self.planes,
                stored,
            )?))
        } else {
            State::Progressive(Box::new(Progressive::new(
                frame,
                scan,
                tables,
                interval,
                &mut self.components,
            )?))
        };
        self.bits.start(self.walker.at);
        Ok(())
    }

    /// Ends a scan. A sequential picture is complete with the last component: what follows does not matter.
    fn end_scan(&mut self) -> Result<(), Error> {
        self.walker.at = self.bits.finish().inspect_err(|&error| self.state = State::Failed(error))?;
        let all = self.seen.iter().take(self.header.frame.components().len()).all(|&seen| seen);
        self.state = match self.header.frame.process {
            Process::Sequential if !all => State::Between,
            Process::Sequential if self.layout.stored => State::Stored,
            Process::Sequential => State::Done,
            Process::Progressive => State::Between,
        };
        Ok(())
    }

    fn go_on(&mut self) -> Result<(), Error> {
        let ends = match self.walker.advance()? {
            Event::Scan(scan) => {
                self.state = State::Scan(scan);
                return Ok(());
            }
            Event::End => !self.walker.strayed,
            Event::Exhausted => false,
        };
        // A progressive picture may leave out scans (T.81 G.1.1.1 requires only that of DC), but only with an end
        // marker, and only if no stray bytes may have been one of them.
        let count = self.header.frame.components().len();
        let whole = self.header.frame.process == Process::Progressive
            && self.components.iter().take(count).all(|component| {
                let missing = &component.missing;
                missing[0] != UNSEEN && (ends || missing.iter().all(|&bits| bits == 0))
            });
        if !whole {
            return Err(Error::Truncated);
        }
        self.state = State::Stored;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Decoder<'_> {
        fn allocated(&self) -> usize {
            let scan = match &self.state {
                State::Sequential(scan) => scan.allocated(),
                State::Progressive(scan) => scan.allocated(),
                _ => 0,
            };
            let planes = self.planes.iter().map(Wanted::allocated).sum::<usize>();
            let sets = self.components.iter().map(|component| 8 * component.set.capacity()).sum::<usize>();
            let lists = self.planes.capacity() * size_of::<Wanted>()
                + self.components.capacity() * size_of::<Component>();
            scan + planes + sets + lists + super::super::FIXED_BYTES
        }
    }

    #[test]
    fn no_more_is_allocated_than_the_header_promises() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
        let mut files = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            let Ok(header) = Header::read(&bytes) else { continue };
            files += 1;
            for scale in [
                Scale::Full,
                Scale::Half,
                Scale::HalfSharp,
                Scale::Quarter,
                Scale::QuarterSharp,
                Scale::Eighth,
            ] {
                let mut decoder = Decoder::new(&bytes, scale).unwrap();
                loop {
                    assert!(decoder.allocated() as u64 <= header.memory(scale));
                    if decoder.next_rows().unwrap().is_none() {
                        break;
                    }
                }
            }
        }
        assert!(files > 70);
    }

    #[test]
    fn a_picture_of_one_scan_needs_rows_and_a_progressive_one_its_coefficients() {
        let read = |name: &str| {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
            Header::read(&std::fs::read(format!("{folder}/{name}")).unwrap()).unwrap().memory(Scale::Full)
        };
        // 350x418: 44 x 54 blocks of luma, 22 x 27 of each colour.
        let (rows, coefficients) = (read("photo.jpg"), read("photo_prog.jpg"));
        assert!(rows < 200_000, "{rows}");
        assert_eq!(coefficients - rows, 44 * 54 * (128 + 8) + 2 * 22 * 27 * 8);
    }
}
