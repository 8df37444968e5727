//! The facts about a JPEG before anything of it is decoded.

use core::ops::Range;

use super::frame::{Frame, Process};
use super::layout::Layout;
use super::scan::ScanHeader;
use super::walker::{Event, Walker};
use crate::error::Error;

/// What the samples of the components mean, by libjpeg's rules: a JFIF marker, then Adobe's, then the identifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// One component.
    Gray,
    /// Luma and two colour differences (T.871).
    YCbCr,
    /// Red, green, blue.
    Rgb,
    /// Four inks as they are stored; Adobe stores 255 for none.
    Cmyk,
    /// Inks whose first three were turned into luma and colour differences.
    Ycck,
}

impl Color {
    /// How many planes gray is made of: luma alone, or all components.
    #[must_use]
    pub const fn planes(self) -> usize {
        match self {
            Self::Gray | Self::YCbCr => 1,
            Self::Rgb => 3,
            Self::Cmyk | Self::Ycck => 4,
        }
    }
}

/// How much smaller than stored a picture is decoded, by reduced inverse transforms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// As stored.
    #[default]
    Full,
    /// Half the sides, rounded up.
    Half,
    /// Half the sides, rounded up, from the 4x4 lowest frequencies of each block alone: closer to resampling the full
    /// picture than [`Scale::Half`], and not libjpeg-turbo's. Blocks that would leave the range of samples by more than
    /// eight levels, as at hard edges beside white or black, are means of 2x2 samples instead.
    HalfSharp,
    /// A quarter of the sides, rounded up.
    Quarter,
    /// A quarter of the sides, rounded up, from the 2x2 lowest frequencies of each block, or means of 4x4 samples, as
    /// [`Scale::HalfSharp`] does.
    QuarterSharp,
    /// An eighth of the sides, rounded up: the mean of each block of 8x8.
    Eighth,
}

impl Scale {
    /// Side of what a block of 8x8 becomes.
    pub(super) const fn block(self) -> usize {
        match self {
            Self::Full => 8,
            Self::Half | Self::HalfSharp => 4,
            Self::Quarter | Self::QuarterSharp => 2,
            Self::Eighth => 1,
        }
    }
}

/// What the segments up to the first scan say.
#[derive(Clone, Debug)]
pub struct Header {
    pub(super) frame: Frame,
    color: Color,
    /// Whether rows can't be finished as they come, because coefficients of some component come in pieces.
    pub(super) stored: bool,
    /// Whether the first scan holds all components.
    whole: bool,
    exif: Option<Range<usize>>,
    xmp: Option<Range<usize>>,
    /// Planes that are decoded: as many as gray is made of, or all.
    pub(super) planes: usize,
}

impl Header {
    /// Reads up to the first scan, from segment to segment; if the height stands behind the first scan (DNL), that scan
    /// is searched for its end. Nothing is allocated.
    ///
    /// # Errors
    /// If it is no JPEG, one of a kind that is not decoded, or damaged before its first scan.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        open(bytes).map(|(header, _, _)| header)
    }

    /// Samples in a row, as stored.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.frame.width.into()
    }

    /// Rows, as stored.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.frame.height.into()
    }

    /// Width and height at that scale: fractions count whole.
    #[must_use]
    pub fn size(&self, scale: Scale) -> (u32, u32) {
        let side = |stored: u32| match scale {
            Scale::Full => stored,
            Scale::Half | Scale::HalfSharp => stored.div_ceil(2),
            Scale::Quarter | Scale::QuarterSharp => stored.div_ceil(4),
            Scale::Eighth => stored.div_ceil(8),
        };
        (side(self.width()), side(self.height()))
    }

    /// What the components mean.
    #[must_use]
    pub fn color(&self) -> Color {
        self.color
    }

    /// How it is coded.
    #[must_use]
    pub fn process(&self) -> Process {
        self.frame.process
    }

    /// The parameters of the first APP1 segment of Exif, which begin with `Exif\0\0`. `bytes` are those the header was
    /// read from.
    #[must_use]
    pub fn exif<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        bytes.get(self.exif.clone()?)
    }

    /// The parameters of the first APP1 segment of XMP, which begin with `http://ns.adobe.com/xap/1.0/\0`. `bytes` are
    /// those the header was read from.
    #[must_use]
    pub fn xmp<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        bytes.get(self.xmp.clone()?)
    }

    /// How many components there are.
    #[must_use]
    pub fn components(&self) -> usize {
        self.frame.components().len()
    }

    /// The same picture, of which all components are to be decoded as they are stored, luma and chroma too.
    #[must_use]
    pub fn with_all_components(mut self) -> Self {
        self.planes = self.components();
        self.stored |= self.planes > 1 && !self.whole;
        self
    }

    /// The most bytes that a decoder of this picture allocates at that scale.
    #[must_use]
    pub fn memory(&self, scale: Scale) -> u64 {
        Layout::new(self, scale).map_or(0, |layout| layout.memory())
    }
}

/// The header, its first scan, and the walk that stands at that scan's data.
pub(super) fn open(bytes: &[u8]) -> Result<(Header, ScanHeader, Walker<'_>), Error> {
    let mut walker = Walker::new(bytes)?;
    let scan = match walker.advance()? {
        Event::Scan(scan) => scan,
        Event::End => return Err(Error::NoImage),
        Event::Exhausted => return Err(Error::Truncated),
    };
    let mut frame = walker.frame.ok_or(crate::Damage::Frame)?;
    if frame.height == 0 {
        frame.height = walker.lines()?;
    }
    walker.frame = Some(frame);
    if frame.process == Process::Sequential {
        walker.tables.complete()?;
    }
    let color = color(&frame, walker.jfif, walker.adobe);
    let whole = scan.members().len() == frame.components().len();
    let header = Header {
        frame,
        color,
        stored: frame.process == Process::Progressive || (color.planes() > 1 && !whole),
        whole,
        exif: walker.exif.clone(),
        xmp: walker.xmp.clone(),
        planes: color.planes(),
    };
    Ok((header, scan, walker))
}

/// libjpeg's rules; a transform that Adobe does not define counts as one.
fn color(frame: &Frame, jfif: bool, adobe: Option<u8>) -> Color {
    let mut ids = [0; 3];
    for (id, component) in ids.iter_mut().zip(frame.components()) {
        *id = component.id;
    }
    match (frame.components().len(), adobe) {
        (1, _) => Color::Gray,
        (3, _) if jfif => Color::YCbCr,
        (3, Some(0)) => Color::Rgb,
        (3, None) if ids == *b"RGB" => Color::Rgb,
        (3, _) => Color::YCbCr,
        (_, None | Some(0)) => Color::Cmyk,
        _ => Color::Ycck,
    }
}
