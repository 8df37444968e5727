//! The walk over the markers (T.81 B.1.1), up to the first scan and from each scan to the next.
//!
//! Rules are libjpeg's: bytes between segments that are no marker are skipped, FF 00 among them (old Photoshop files
//! for the Mac have extra bytes, and segments that lost their marker); any number of fill bytes; lone restart markers
//! and TEM are ignored; a marker that T.81 reserves is an error, because what follows it is unknown.

use core::ops::Range;

use memchr::memchr;

use super::bytes::Fields;
use super::frame::Frame;
use super::scan::ScanHeader;
use super::tables::Tables;
use crate::error::{Damage, Error, Unsupported};

/// Segments before the first scan; the largest real files have some 300 (colour profiles and previews in pieces). With
/// [`STRAY_MAX`] it bounds the walk to the first scan.
const SEGMENTS_MAX: usize = 2048;
/// Bytes before the first scan that belong to no segment; Photoshop wrote 16 too many.
const STRAY_MAX: usize = 1 << 20;

pub(super) enum Event {
    /// A scan; its entropy-coded data start where the walker stands.
    Scan(ScanHeader),
    /// EOI.
    End,
    /// The end of the data.
    Exhausted,
}

/// The walk, and the facts from the segments so far.
pub(super) struct Walker<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    /// Segments, and bytes between them, that may still come before the first scan; nothing once it has come.
    left: Option<(usize, usize)>,
    /// Whether stray bytes came behind the first scan: a segment may have lost its marker.
    pub(super) strayed: bool,
    pub(super) tables: Tables,
    pub(super) frame: Option<Frame>,
    /// MCUs from one restart marker to the next; 0 for none (T.81 B.2.4.4).
    pub(super) restart_interval: u16,
    /// Whether there is an APP0 of JFIF (T.871, 10.1).
    pub(super) jfif: bool,
    /// The transform of Adobe's APP14.
    pub(super) adobe: Option<u8>,
    /// The first APP1 of Exif.
    pub(super) exif: Option<Range<usize>>,
    /// The first APP1 of XMP.
    pub(super) xmp: Option<Range<usize>>,
}

/// How many FF bytes are checked to find the end of the first scan; noise of 250 MB has so many.
const LOOKS_MAX: usize = 1 << 20;

/// The next marker from `at` on, and where what follows it starts.
fn next_marker(bytes: &[u8], mut at: usize) -> Option<(u8, usize)> {
    loop {
        at += memchr(0xFF, bytes.get(at..)?)? + 1;
        while *bytes.get(at)? == 0xFF {
            at += 1;
        }
        at += 1;
        match *bytes.get(at - 1)? {
            0 => {}
            marker => return Some((marker, at)),
        }
    }
}

impl<'a> Walker<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        if !bytes.starts_with(&[0xFF, 0xD8]) {
            return Err(if b"\xFF\xD8".starts_with(bytes) { Error::Truncated } else { Error::NotJpeg });
        }
        Ok(Self {
            bytes,
            at: 2,
            left: Some((SEGMENTS_MAX, STRAY_MAX)),
            strayed: false,
            tables: Tables::default(),
            frame: None,
            restart_interval: 0,
            jfif: false,
            adobe: None,
            exif: None,
            xmp: None,
        })
    }

    pub(super) fn advance(&mut self) -> Result<Event, Error> {
        while let Some((marker, start)) = self.next_marker()? {
            self.at = start;
            match marker {
                0xD9 => return Ok(Event::End),
                // TEM and RST have no parameters (T.81 B.1.1.3).
                0x01 | 0xD0..=0xD7 => continue,
                // The frame of JPEG-LS (T.87 C.1.1).
                0xF7 => return Err(Unsupported::Lossless.into()),
                // A second SOI, and what T.81 reserves.
                0x02..=0xBF | 0xD8 | 0xF0..=0xFD => return Err(Damage::Marker.into()),
                0xDE | 0xDF => return Err(Unsupported::Hierarchical.into()),
                0xC8 => return Err(Damage::Marker.into()),
                _ => {}
            }
            let rest = self.bytes.get(start..).unwrap_or_default();
            let Some(&length) = rest.first_chunk::<2>() else { return Ok(Event::Exhausted) };
            let length = usize::from(u16::from_be_bytes(length));
            if length < 2 {
                return Err(Damage::Length.into());
            }
            let Some(segment) = rest.get(2..length) else {
                self.at = self.bytes.len();
                return Ok(Event::Exhausted);
            };
            self.at = start + length;
            if let Some(scan) = self.segment(marker, segment)? {
                self.left = None;
                return Ok(Event::Scan(scan));
            }
        }
        self.at = self.bytes.len();
        Ok(Event::Exhausted)
    }

    /// The next marker, and where what follows it starts, within the bounds that hold before the first scan.
    fn next_marker(&mut self) -> Result<Option<(u8, usize)>, Error> {
        let Some((segments, stray)) = self.left else {
            let found = next_marker(self.bytes, self.at);
            self.strayed |= found.is_some_and(|(_, start)| start > self.at + 2);
            return Ok(found);
        };
        let end = self.bytes.len().min(self.at.saturating_add(stray).saturating_add(2));
        let found = next_marker(&self.bytes[..end], self.at);
        match found {
            None if end < self.bytes.len() => Err(Error::TooManySegments),
            None => Ok(None),
            Some((_, start)) => {
                let skipped = start.saturating_sub(self.at + 2);
                let segments = segments.checked_sub(1).ok_or(Error::TooManySegments)?;
                self.left = Some((segments, stray.saturating_sub(skipped)));
                Ok(found)
            }
        }
    }

    fn segment(&mut self, marker: u8, segment: &[u8]) -> Result<Option<ScanHeader>, Error> {
        let mut fields = Fields(segment);
        match marker {
            0xC4 => self.tables.huffman(fields)?,
            // Conditions of arithmetic coding: they say nothing to a Huffman decoder.
            0xCC => {}
            0xC0..=0xCF => {
                if self.frame.is_some() {
                    return Err(Damage::Frame.into());
                }
                self.frame = Some(Frame::read(marker, fields)?);
            }
            0xDA => {
                let frame = self.frame.as_ref().ok_or(Damage::Scan)?;
                return ScanHeader::read(frame, fields).map(Some);
            }
            0xDB => self.tables.quantization(fields)?,
            0xDD => {
                self.restart_interval = fields.word()?;
                fields.end()?;
            }
            // libjpeg looks at these two if they have their whole length, and not at their versions.
            0xE0 if segment.len() >= 14 && segment.starts_with(b"JFIF\0") => self.jfif = true,
            0xEE if segment.len() >= 12 && segment.starts_with(b"Adobe") => {
                self.adobe = segment.get(11).copied();
            }
            0xE1 if self.exif.is_none() && segment.starts_with(b"Exif\0\0") => {
                self.exif = Some(self.at - segment.len()..self.at);
            }
            0xE1 if self.xmp.is_none() && segment.starts_with(b"http://ns.adobe.com/xap/1.0/\0") => {
                self.xmp = Some(self.at - segment.len()..self.at);
            }
            _ => {}
        }
        Ok(None)
    }

    /// The number of lines, where the frame leaves it to a DNL segment directly behind the first scan (T.81 B.2.5).
    pub(super) fn lines(&self) -> Result<u16, Error> {
        let mut at = self.at;
        for _ in 0..LOOKS_MAX {
            at += memchr(0xFF, self.bytes.get(at..).unwrap_or_default()).ok_or(Error::Truncated)? + 1;
            match self.bytes.get(at).ok_or(Error::Truncated)? {
                // A stuffed byte, fill bytes, restart markers.
                0x00 | 0xFF | 0xD0..=0xD7 => {}
                0xDC => {
                    let mut fields = Fields(self.bytes.get(at + 1..).unwrap_or_default());
                    let (length, lines) = (fields.word()?, fields.word()?);
                    if length != 4 || lines == 0 {
                        return Err(Damage::Frame.into());
                    }
                    return Ok(lines);
                }
                _ => return Err(Damage::Frame.into()),
            }
        }
        Err(Error::TooManySegments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stray_bytes_stuffing_and_fill_bytes_are_passed_over() {
        assert_eq!(next_marker(b"ab\xFF\x00\xFF\xFF\xFF\xC4rest", 0), Some((0xC4, 8)));
        assert_eq!(next_marker(b"ab\xFF\x00\xFF\xFF", 0), None);
    }

    #[test]
    fn the_walk_to_the_first_scan_is_bounded() {
        let walk = |bytes: &[u8]| Walker::new(bytes).and_then(|mut walker| walker.advance().map(drop));
        let comments = |count| [&b"\xFF\xD8"[..], &b"\xFF\xFE\0\x02".repeat(count)].concat();
        assert_eq!(walk(&comments(SEGMENTS_MAX)), Ok(()));
        assert_eq!(walk(&comments(SEGMENTS_MAX + 1)), Err(Error::TooManySegments));
        let stray = |count| [&b"\xFF\xD8"[..], &vec![0; count], b"\xFF\xD9"].concat();
        assert_eq!(walk(&stray(STRAY_MAX)), Ok(()));
        assert_eq!(walk(&stray(STRAY_MAX + 1)), Err(Error::TooManySegments));
        let stuffed = [&b"\xFF\xD8"[..], &b"\xFF\0".repeat(STRAY_MAX)].concat();
        assert_eq!(walk(&stuffed), Err(Error::TooManySegments));
    }

    #[test]
    fn the_search_for_the_number_of_lines_is_bounded() {
        let lines = |scan: &[u8]| Walker::new(&[b"\xFF\xD8", scan].concat()).unwrap().lines();
        assert_eq!(lines(b"ab\xFF\0c\xFF\xD0\xFF\xFF\xDC\0\x04\0\x09"), Ok(9));
        assert_eq!(lines(b"ab\xFF\xDA\0\x04"), Err(Damage::Frame.into()));
        assert_eq!(lines(b"ab\xFF\0"), Err(Error::Truncated));
        for mark in [b"\xFF\0", b"\xFF\xD0", b"\xFF\xFF"] {
            assert_eq!(lines(&mark.repeat(LOOKS_MAX + 1)), Err(Error::TooManySegments));
        }
    }

    #[test]
    fn reserved_markers_and_short_lengths_are_damage_and_a_cut_segment_is_an_end() {
        let walk = |bytes: &[u8]| Walker::new(bytes).and_then(|mut walker| walker.advance().map(drop));
        assert_eq!(walk(b"\xFF\xD8\xFF\x05\0\0"), Err(Damage::Marker.into()));
        assert_eq!(walk(b"\xFF\xD8\xFF\xE0\0\x01"), Err(Damage::Length.into()));
        assert_eq!(walk(b"\xFF\xD8\xFF\xE0\0\x09ab"), Ok(()));
        assert_eq!(walk(b"GIF89a"), Err(Error::NotJpeg));
        assert_eq!(walk(b"\xFF"), Err(Error::Truncated));
    }
}
