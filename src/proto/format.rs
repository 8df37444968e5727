//! The picture formats we speak, and how the first bytes tell them apart.
//!
//! The client's own word for the type is never believed: [`Format::sniff`] looks at magic numbers alone.

/// A family of picture files that is read, and what is written for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// ITU-T T.81.
    Jpeg,
    /// W3C PNG, third edition.
    Png,
    /// GIF87a and GIF89a.
    Gif,
    /// Windows bitmap.
    Bmp,
    /// RFC 9649.
    WebP,
    /// TIFF 6.0.
    Tiff,
    /// Netpbm: P1 to P7 are read, PGM (P5) is written.
    Pnm,
}

/// What the first bytes of a stream say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sniff {
    /// They are the magic number of this format.
    Picture(Format),
    /// No picture of ours begins like this.
    Unknown,
    /// So far they are the beginning of a magic number; more bytes will tell.
    NeedMore,
}
