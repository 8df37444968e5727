//! What can be wrong with a JPEG.

use core::fmt;

/// Why a JPEG is not decoded. Nothing of the input is kept in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The first bytes are not those of a JPEG (T.81 B.2.1: SOI).
    NotJpeg,
    /// The data end before the picture does, with or without an end marker.
    Truncated,
    /// An end marker comes before any picture.
    NoImage,
    /// The data contradict T.81, or themselves.
    Damaged(Damage),
    /// A process or a layout of T.81 that this decoder does not know.
    Unsupported(Unsupported),
    /// More scans than any encoder writes; each costs a walk over the whole picture.
    TooManyScans,
    /// More segments, or more bytes between them, before the first scan than any file has.
    TooManySegments,
    /// The system gives no memory.
    OutOfMemory,
}

/// Which part of a JPEG is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    /// A marker that T.81 reserves, or one where it has no business.
    Marker,
    /// A segment whose length does not fit what it holds.
    Length,
    /// The frame header (T.81 B.2.2): no area, sampling factors, a second frame.
    Frame,
    /// A scan header (T.81 B.2.3): components, too many blocks in an MCU.
    Scan,
    /// A scan of a progressive picture that does not follow from those before it (T.81 G.1.1.1).
    Progression,
    /// A Huffman table that is no prefix code, or one that is missing (T.81 B.2.4.2, C.2).
    HuffmanTable,
    /// A quantization table that is missing or has a wrong number (T.81 B.2.4.1).
    QuantizationTable,
    /// Entropy-coded data that are no code of their table.
    Code,
    /// Entropy-coded data that are left over when all blocks are decoded.
    LeftOver,
    /// Restart markers out of order, or at the wrong place (T.81 E.2.4).
    Restart,
}

/// What this decoder does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsupported {
    /// Samples of that many bits; only 8 are known.
    Precision(u8),
    /// Arithmetic coding (SOF9 and on).
    Arithmetic,
    /// Lossless coding (SOF3, or JPEG-LS).
    Lossless,
    /// Hierarchical coding (SOF5 to SOF7, DHP, EXP).
    Hierarchical,
    /// That many components; only 1, 3 and 4 are known.
    Components(u8),
    /// Sampling factors of a wanted component that don't divide the largest ones; libjpeg refuses them too.
    Sampling,
}

impl From<Damage> for Error {
    fn from(damage: Damage) -> Self {
        Self::Damaged(damage)
    }
}

impl From<Unsupported> for Error {
    fn from(what: Unsupported) -> Self {
        Self::Unsupported(what)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJpeg => f.write_str("not a JPEG"),
            Self::Truncated => f.write_str("the JPEG's data end early"),
            Self::NoImage => f.write_str("the JPEG ends before its picture"),
            Self::Damaged(damage) => write!(f, "the JPEG is damaged: {damage}"),
            Self::Unsupported(what) => write!(f, "the JPEG is of a kind that is not decoded: {what}"),
            Self::TooManyScans => f.write_str("the JPEG has too many scans"),
            Self::TooManySegments => f.write_str("too many segments before the picture"),
            Self::OutOfMemory => f.write_str("no memory for the JPEG"),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Marker => "unexpected marker",
            Self::Length => "length of a segment",
            Self::Frame => "frame header",
            Self::Scan => "scan header",
            Self::Progression => "order of progressive scans",
            Self::HuffmanTable => "Huffman table",
            Self::QuantizationTable => "quantization table",
            Self::Code => "bad Huffman code",
            Self::LeftOver => "data left over",
            Self::Restart => "restart marker",
        })
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Precision(bits) => write!(f, "samples of {bits} bits"),
            Self::Arithmetic => f.write_str("arithmetic coding"),
            Self::Lossless => f.write_str("lossless coding"),
            Self::Hierarchical => f.write_str("hierarchical coding"),
            Self::Components(count) => write!(f, "{count} components"),
            Self::Sampling => f.write_str("fractional sampling"),
        }
    }
}

impl core::error::Error for Error {}
