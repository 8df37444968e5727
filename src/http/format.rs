//! The picture formats that we support, one row each ([`FORMATS`]), and how the first bytes tell them apart.
//!
//! The table `CODECS` of `pixels` has the codecs. Sentences that list formats are joined from the rows.
//!
//! Rules: the client's type is never believed: [`Format::sniff`] looks at magic numbers alone. It decides as soon as
//! the bytes allow, because the same port speaks HTTP and a method may begin with `BM` or `P`. A picture by its magic
//! number may still be broken: the decoders find that out.
//!
//! ```
//! use tp2::http::format::{Format, Sniff};
//!
//! assert_eq!(Format::sniff(b"GIF89a\x01\x00"), Sniff::Picture(Format::Gif));
//! assert_eq!(Format::sniff(b"G"), Sniff::NeedMore);
//! assert_eq!(Format::sniff(b"GET / HTTP/1.1\r\n"), Sniff::Unknown);
//! ```

/// A family of picture files that is read, and what is written for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// ITU-T T.81.
    Jpeg,
    /// W3C PNG, third edition.
    Png,
    /// GIF87a and GIF89a.
    Gif,
    /// RFC 9649.
    WebP,
    /// Windows bitmap.
    Bmp,
    /// TIFF 6.0, and BigTIFF.
    Tiff,
    /// Netpbm: P1 to P7 are read, PGM (P5) is written.
    Pnm,
}

/// The facts about a format that do not concern its pixels.
struct Row {
    format: Format,
    /// Its name for people.
    title: &'static str,
    /// The word for it in requests and answers.
    name: &'static str,
    /// The usual ending of a file name, without its dot; in a request as good as the name.
    extension: &'static str,
    /// Of what is written.
    media_type: &'static str,
    /// Others that `Accept` may name it by.
    media_aliases: &'static [&'static str],
    magic: &'static [&'static Pattern],
    end: PictureEnd,
    /// Its samples are copied, not computed, so a longer file of it is still decoded quickly.
    is_copied: bool,
}

/// Every format, in the order of [`Format`].
static FORMATS: [Row; Format::ALL.len()] = [
    Row {
        format: Format::Jpeg,
        title: "JPEG",
        name: "jpeg",
        extension: "jpg",
        media_type: "image/jpeg",
        media_aliases: &["image/jpg", "image/pjpeg"],
        magic: &[&[b"\xff", b"\xd8", b"\xff"]],
        end: PictureEnd::JpegSegments,
        is_copied: false,
    },
    Row {
        format: Format::Png,
        title: "PNG",
        name: "png",
        extension: "png",
        media_type: "image/png",
        media_aliases: &[],
        magic: &[&[b"\x89", b"P", b"N", b"G", b"\r", b"\n", b"\x1a", b"\n"]],
        end: PictureEnd::PngChunks,
        is_copied: false,
    },
    Row {
        format: Format::Gif,
        title: "GIF",
        name: "gif",
        extension: "gif",
        media_type: "image/gif",
        media_aliases: &[],
        magic: &[&[b"G", b"I", b"F", b"8", b"79", b"a"]],
        end: PictureEnd::GifBlocks,
        is_copied: false,
    },
    Row {
        format: Format::WebP,
        title: "WebP",
        name: "webp",
        extension: "webp",
        media_type: "image/webp",
        media_aliases: &[],
        magic: &[&[b"R", b"I", b"F", b"F", ANY, ANY, ANY, ANY, b"W", b"E", b"B", b"P"]],
        end: PictureEnd::RiffSize,
        is_copied: false,
    },
    Row {
        format: Format::Bmp,
        title: "BMP",
        name: "bmp",
        extension: "bmp",
        media_type: "image/bmp",
        media_aliases: &["image/x-ms-bmp", "image/x-bmp"],
        magic: &[BMP],
        end: PictureEnd::BmpSize,
        is_copied: true,
    },
    Row {
        format: Format::Tiff,
        title: "TIFF",
        name: "tiff",
        extension: "tiff",
        media_type: "image/tiff",
        media_aliases: &[],
        magic: &[&[b"I", b"I", b"*+", b"\0"], &[b"M", b"M", b"\0", b"*+"]],
        end: PictureEnd::Connection,
        is_copied: false,
    },
    Row {
        format: Format::Pnm,
        title: "PNM",
        name: "pgm",
        extension: "pgm",
        media_type: "image/x-portable-graymap",
        media_aliases: &["image/x-portable-anymap"],
        magic: &[&[b"P", b"1234567", GAP]],
        end: PictureEnd::PnmSize,
        is_copied: true,
    },
];

/// How the end of a picture without any frame around it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureEnd {
    /// Behind EOI.
    JpegSegments,
    /// Behind IEND.
    PngChunks,
    /// Behind the trailer.
    GifBlocks,
    /// RIFF's header has its length.
    RiffSize,
    /// Rows times columns, behind where the header says that they begin.
    BmpSize,
    /// Rows times columns; a plain one ends with the connection.
    PnmSize,
    /// It ends with the connection.
    Connection,
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

impl Format {
    /// Every format, in the order in which they are offered to people.
    pub const ALL: [Self; 7] =
        [Self::Jpeg, Self::Png, Self::WebP, Self::Gif, Self::Bmp, Self::Tiff, Self::Pnm];

    const fn row(self) -> &'static Row {
        &FORMATS[self as usize]
    }

    /// Tells the format of a stream from its first bytes; 18 of them are always enough.
    pub fn sniff(first: &[u8]) -> Sniff {
        let mut verdict = Sniff::Unknown;
        for row in &FORMATS {
            for magic in row.magic {
                match begins(first, magic) {
                    Some(true) => return Sniff::Picture(row.format),
                    Some(false) => {}
                    None => verdict = Sniff::NeedMore,
                }
            }
        }
        verdict
    }

    /// The format of a whole file. For a JPEG, SOI is enough (T.81 B.2.1): some programs write stray bytes between it
    /// and the next marker.
    #[must_use]
    pub fn of_file(bytes: &[u8]) -> Option<Self> {
        match Self::sniff(bytes) {
            Sniff::Picture(format) => Some(format),
            _ => bytes.starts_with(b"\xff\xd8").then_some(Self::Jpeg),
        }
    }

    /// The media type of what is written for this format.
    pub const fn media_type(self) -> &'static str {
        self.row().media_type
    }

    /// Whether this is one of its media types, in any case.
    #[must_use]
    pub fn has_media_type(self, name: &[u8]) -> bool {
        let Row { media_type, media_aliases, .. } = self.row();
        std::iter::once(media_type)
            .chain(*media_aliases)
            .any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
    }

    /// The usual ending of a file name, without its dot.
    pub const fn extension(self) -> &'static str {
        self.row().extension
    }

    /// The word for it in requests and answers: `jpeg`, `png`, `webp`, `gif`, `bmp`, `tiff`, `pgm`.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// How a picture of this format tells where it ends.
    pub const fn end(self) -> PictureEnd {
        self.row().end
    }

    /// Whether decoding it only copies samples.
    pub const fn is_copied(self) -> bool {
        self.row().is_copied
    }

    /// The format that a request's parameter names: `jpeg` (or `jpg`), `png`, `webp`, `gif`, `bmp`, `tiff`, `pgm`,
    /// in any case.
    pub fn from_parameter(name: &str) -> Option<Self> {
        let is_meant =
            |row: &&Row| [row.name, row.extension].iter().any(|word| name.eq_ignore_ascii_case(word));
        FORMATS.iter().find(is_meant).map(|row| row.format)
    }

    /// Their names in requests as a list, with this before the last one: `jpeg, png, webp, gif, bmp, tiff, pgm`.
    #[must_use]
    pub fn names(last: &str) -> String {
        join(Self::ALL.map(Self::name), last)
    }

    /// Their names for people as a list, with this before the last one: `JPEG, PNG, GIF, WebP, BMP, TIFF y PNM`.
    #[must_use]
    pub fn titles(last: &str) -> String {
        join(FORMATS.each_ref().map(|row| row.title), last)
    }
}

fn join(words: [&str; Format::ALL.len()], last: &str) -> String {
    let [first @ .., end] = words;
    [&first.join(", "), last, end].concat()
}

/// One byte of a magic number, or a set of bytes that may stand there.
type Pattern = [&'static [u8]];

/// Any byte.
const ANY: &[u8] = &[];
/// What may follow `P5`: white space, or the comment that begins the header.
const GAP: &[u8] = b" \t\r\n\x0b\x0c#";

/// A method may begin with `BM`, so a plausible DIB header must follow the 14 bytes of the file header: its size is 12,
/// 108 or 124, or 16 to 64 behind a field of OS/2 2.0, little-endian.
#[rustfmt::skip]
const BMP: &Pattern = &[
    b"B", b"M", ANY, ANY, ANY, ANY, ANY, ANY, ANY, ANY, ANY, ANY, ANY, ANY,
    &[12, 16, 20, 24, 28, 32, 36, 40, 42, 44, 46, 48, 52, 56, 60, 64, 108, 124], b"\0", b"\0", b"\0",
];

/// Whether `data` begins with `pattern`; `None` if it is a shorter beginning of it.
fn begins(data: &[u8], pattern: &Pattern) -> Option<bool> {
    let fits = data.iter().zip(pattern).all(|(byte, set)| set.is_empty() || set.contains(byte));
    if !fits {
        Some(false)
    } else if data.len() < pattern.len() {
        None
    } else {
        Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLES: &[(&[u8], Format)] = &[
        (b"\xff\xd8\xff\xe0\0\x10JFIF", Format::Jpeg),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", Format::Png),
        (b"GIF87a", Format::Gif),
        (b"GIF89a\x01", Format::Gif),
        (b"RIFF\x24\0\0\0WEBPVP8 ", Format::WebP),
        (b"II*\0\x08\0\0\0", Format::Tiff),
        (b"MM\0*\0\0\0\x08", Format::Tiff),
        (b"II+\0\x08\0\0\0", Format::Tiff),
        (b"MM\0+\0\x08\0\0", Format::Tiff),
        (b"P5\n3 2\n255\n", Format::Pnm),
        (b"P7\nWIDTH 3\n", Format::Pnm),
        (b"P2#comment\n", Format::Pnm),
        (b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x02", Format::Bmp),
        (b"BM\x46\0\0\0\0\0\0\0\x1a\0\0\0\x0c\0\0\0\x02", Format::Bmp),
        (b"BM\x46\0\0\0\0\0\0\0\x3e\0\0\0\x2e\0\0\0\x02", Format::Bmp),
    ];

    #[test]
    fn every_magic_number_is_known_and_every_beginning_waits() {
        for (sample, format) in SAMPLES {
            assert_eq!(Format::sniff(sample), Sniff::Picture(*format), "{sample:?}");
            let decided =
                (0..=sample.len()).find(|n| Format::sniff(&sample[..*n]) != Sniff::NeedMore).unwrap();
            assert!(decided <= 18);
            for n in decided..=sample.len() {
                assert_eq!(Format::sniff(&sample[..n]), Sniff::Picture(*format), "{n} bytes of {sample:?}");
            }
        }
    }

    #[test]
    fn of_a_whole_jpeg_its_first_marker_is_enough() {
        let stray = b"\xff\xd8\r\n\xff\xe0\0\x10JFIF";
        assert_eq!((Format::sniff(stray), Format::of_file(stray)), (Sniff::Unknown, Some(Format::Jpeg)));
        assert_eq!((Format::of_file(b"GIF89a"), Format::of_file(b"\xff")), (Some(Format::Gif), None));
    }

    #[test]
    fn requests_are_told_from_pictures_before_their_line_ends() {
        let requests: &[&[u8]] = &[
            b"GET / HTTP/1.1\r\n",
            b"GIF8 / HTTP/1.1\r\n",
            b"POST / HTTP/1.1\r\n",
            b"PUT / HTTP/1.1\r\n",
            b"BMOVE / HTTP/1.1\r\n\r\n",
            b"BM / HTTP/1.0\r\n\r\n",
            b"RIFF / HTTP/1.1\r\n",
            b"MKCOL / HTTP/1.1\r\n",
            b"II / HTTP/1.1\r\n",
            b"\r\nGET / HTTP/1.1\r\n",
            b"\x16\x03\x01\x02\0\x01",
            b"P8\n1 1\n255\n",
            b"RIFF\x24\0\0\0WAVEfmt ",
            b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x29\0\0\0",
        ];
        for request in requests {
            assert_eq!(Format::sniff(request), Sniff::Unknown, "{request:?}");
        }
        assert_eq!(Format::sniff(b""), Sniff::NeedMore);
    }

    #[test]
    fn each_format_has_its_row_and_is_offered() {
        for row in &FORMATS {
            assert_eq!(row.format.row().title, row.title);
            assert!(Format::ALL.contains(&row.format) && !row.magic.is_empty(), "{}", row.title);
        }
        assert!(
            include_str!("../page/index.html").contains(&Format::titles(" o ")),
            "the page lists them too"
        );
        assert_eq!(Format::names(", "), "jpeg, png, webp, gif, bmp, tiff, pgm");
        assert_eq!(Format::titles(" y "), "JPEG, PNG, GIF, WebP, BMP, TIFF y PNM");
    }

    #[test]
    fn names_and_endings() {
        for format in Format::ALL {
            assert_eq!(Format::from_parameter(format.extension()), Some(format));
        }
        assert_eq!(Format::from_parameter("JPEG"), Some(Format::Jpeg));
        assert_eq!(Format::from_parameter("Tiff"), Some(Format::Tiff));
        for unknown in ["", "jp", "svg", "pnm", "image/png"] {
            assert_eq!(Format::from_parameter(unknown), None, "{unknown}");
        }
    }
}
