//! What a request wants done, from its parameters and its `Accept`: checked whole before any work is queued.
//!
//! A [`RequestedTransform`] is what the request alone says; with the picture's format it becomes a [`Transform`]. The
//! form wins over the query; an empty value means the default.
use std::fmt;
use std::hash::{Hash, Hasher};

use scaler::raster::Channels;
use scaler::wire::{parse_factor, scaled_side};

use super::error::WorkError;
use super::image::{Encoding, ImageInfo, PixelLimits};
use crate::http::accept;
use crate::http::format::Format;

/// What a request asks for, in range, before the picture has been looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestedTransform {
    pub(crate) size: Size,
    pub(crate) quality: u8,
    pub(crate) background: [u8; 3],
    pub(crate) format: Choice,
}

/// Which format the result is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// `formato`.
    Named(Format),
    /// The best one for this `Accept`.
    Accepted(Vec<u8>),
    /// The picture's own.
    Input,
}

/// How large the result is to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Size {
    /// New side = old side times factor, truncated, at least 1; [`FACTOR_MIN`](scaler::wire::FACTOR_MIN) to
    /// [`FACTOR_MAX`](scaler::wire::FACTOR_MAX).
    Factor(f64),
    /// The largest size of the picture's shape that fits into `ancho` and `alto` and is no larger than the picture:
    /// pixels, 1 to [`SIDE_MAX`], at least one of them given.
    Within {
        /// Most columns.
        width: Option<u32>,
        /// Most rows.
        height: Option<u32>,
    },
}

/// The longest side that may be asked for, in pixels.
pub const SIDE_MAX: u32 = 65_535;

// A factor is from FACTOR_MIN to FACTOR_MAX, so never NaN or a second zero: equal bits are equal values.
impl Eq for Size {}

impl Hash for Size {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Factor(factor) => factor.to_bits().hash(state),
            Self::Within { width, height } => (width, height).hash(state),
        }
    }
}

impl Size {
    /// Columns and rows of the result for a picture of this size, upright.
    #[must_use]
    pub fn target(&self, width: u32, height: u32) -> (u32, u32) {
        match *self {
            Self::Factor(factor) => (scaled_side(width, factor), scaled_side(height, factor)),
            Self::Within { width: columns, height: rows } => {
                let (columns, rows) =
                    (columns.unwrap_or(width).min(width), rows.unwrap_or(height).min(height));
                // The tighter bound decides, and is met exactly.
                if u64::from(columns) * u64::from(height) <= u64::from(rows) * u64::from(width) {
                    (columns, proportional(height, columns, width))
                } else {
                    (proportional(width, rows, height), rows)
                }
            }
        }
    }
}

/// `side * part / whole`, rounded half up, at least 1. `whole` is not zero, and `part` is at most `whole`.
fn proportional(side: u32, part: u32, whole: u32) -> u32 {
    let (side, part, whole) = (u64::from(side), u64::from(part), u64::from(whole).max(1));
    u32::try_from((2 * side * part + whole) / (2 * whole)).unwrap_or(u32::MAX).max(1)
}

/// A complete plan for a picture, in range.
///
/// The store keeps its canonical text: `escala=0.5&formato=jpeg&calidad=85&fondo=FFFFFF`, or `ancho=800&alto=600` in
/// place of the factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Transform {
    /// How large the result is to be.
    pub size: Size,
    /// How the result is written.
    pub encoding: Encoding,
}

impl RequestedTransform {
    /// The plan with this format of the result.
    fn written_as(&self, format: Format) -> Transform {
        let Self { size, quality, background, format: _ } = *self;
        Transform { size, encoding: Encoding { format, quality, background } }
    }

    /// The plan for a picture of this format whose result keeps it unless `formato` names another.
    #[must_use]
    pub fn resolve_as_input(&self, input: Format) -> Transform {
        self.written_as(if let Choice::Named(format) = self.format { format } else { input })
    }

    /// The plan for a picture of this format; None if the client accepts nothing that we write (406).
    #[must_use]
    pub fn transform(&self, input: Format) -> Option<Transform> {
        let format = match &self.format {
            Choice::Named(format) => *format,
            Choice::Accepted(field) => accept::choose(field, input)?,
            Choice::Input => input,
        };
        Some(self.written_as(format))
    }

    /// The plan for a picture that is to be kept as a link: always a JPEG, independent of `Accept`.
    #[must_use]
    pub fn resolve_for_link(&self) -> Transform {
        self.written_as(Format::Jpeg)
    }
}

impl Transform {
    /// The plan that scales to this size, and does nothing else.
    #[must_use]
    pub const fn new(size: Size, encoding: Encoding) -> Self {
        Self { size, encoding }
    }

    /// The size of the result for a source of this size, upright.
    #[must_use]
    pub fn target(&self, width: u32, height: u32) -> (u32, u32) {
        self.size.target(width, height)
    }

    /// The plan that its canonical text names; None if it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (mut factor, mut width, mut height) = (None, None, None);
        let (mut format, mut quality, mut background) = (None, None, None);
        for pair in text.split('&') {
            let (name, value) = pair.split_once('=')?;
            let is_first = match name {
                "escala" => factor.replace(parse_factor(value.as_bytes())?).is_none(),
                "ancho" => width.replace(parse_side(value)?).is_none(),
                "alto" => height.replace(parse_side(value)?).is_none(),
                "formato" => format.replace(Format::from_parameter(value)?).is_none(),
                "calidad" => quality.replace(parse_quality(value)?).is_none(),
                "fondo" => background.replace(parse_colour(value)?).is_none(),
                _ => false,
            };
            if !is_first {
                return None;
            }
        }
        let size = match (factor, width, height) {
            (Some(factor), None, None) => Size::Factor(factor),
            (None, None, None) | (Some(_), ..) => return None,
            (None, width, height) => Size::Within { width, height },
        };
        Some(Self {
            size,
            encoding: Encoding { format: format?, quality: quality?, background: background? },
        })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Factor(factor) => write!(f, "escala={factor}"),
            Self::Within { width: Some(width), height: Some(height) } => {
                write!(f, "ancho={width}&alto={height}")
            }
            Self::Within { width: Some(width), height: None } => write!(f, "ancho={width}"),
            Self::Within { width: None, height } => write!(f, "alto={}", height.unwrap_or(SIDE_MAX)),
        }
    }
}

impl fmt::Display for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Encoding { format, quality, background: [red, green, blue] } = self.encoding;
        write!(
            f,
            "{}&formato={}&calidad={quality}&fondo={red:02X}{green:02X}{blue:02X}",
            self.size,
            format.name()
        )
    }
}

/// The most bytes that the work on a picture of `picture_bytes` holds at once, over all processes; also checks the
/// result's size, `target`.
///
/// Decoding: the file and the decoder's memory. Scaling: the gray picture here and in the scaler's child, its half-way
/// picture (new width, old height), and the result there and here. Writing: the result and the encoder's memory,
/// `encode_cost`. Two channels are assumed, because the header does not always tell whether there is transparency.
///
/// # Errors
/// [`WorkError::ResultTooLarge`] if the result would pass the limits, [`WorkError::TooMuchMemory`] if the work would
/// need more than `memory_max` bytes.
pub fn needed(
    picture_bytes: usize,
    info: &ImageInfo,
    (width, height): (u32, u32),
    limits: &PixelLimits,
    encode_cost: u64,
    memory_max: u64,
) -> Result<u64, WorkError> {
    if limits.check(width, height).is_err() {
        return Err(WorkError::ResultTooLarge { width: width.into(), height: height.into() });
    }
    let area = |width: u32, height: u32| u64::from(width) * u64::from(height);
    let channels = if info.format == Format::Jpeg { Channels::Luma } else { Channels::LumaAlpha };
    let decoding = picture_bytes as u64 + info.decode_cost;
    let (columns, rows) = info.decoded_size();
    let half_way = area(width, rows).max(area(columns, height));
    let scaling = 2 * area(columns, rows) + half_way + 2 * area(width, height);
    let channels = channels.count() as u64;
    let writing = (area(width, height) * channels).saturating_add(encode_cost);
    let needed = decoding.max(scaling * channels).max(writing);
    if needed > memory_max { Err(WorkError::TooMuchMemory { needed }) } else { Ok(needed) }
}

pub(crate) fn parse_side(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|side| digits && (1..=SIDE_MAX).contains(side))
}

pub(crate) fn parse_quality(text: &str) -> Option<u8> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|quality| digits && (1..=100).contains(quality))
}

/// `RRGGBB`, with or without `#`.
pub(crate) fn parse_colour(text: &str) -> Option<[u8; 3]> {
    let digits = text.strip_prefix('#').unwrap_or(text);
    if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let [_, red, green, blue] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
    Some([red, green, blue])
}
