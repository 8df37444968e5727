//! What bytes that are no supported picture seem to be, and what their sender can do about it.
//!
//! A pure look at the first [`LOOKED_AT`] bytes: a table of magic numbers, then, for text, a few rules. The order of
//! the table decides where two rows match. The verdict is only for a message: the request is refused anyway.
//!
//! Refuses to do: look at file names or at the client's Content-Type; decode anything. Known limits: a text file that
//! happens to begin with a magic number of two bytes is named after that.
//!
//! ```
//! use tp2::http::sniff::Foreign;
//!
//! assert_eq!(Foreign::of(b"%PDF-1.7\n"), Some(Foreign::Pdf));
//! assert_eq!(Foreign::of(b"foto.jpg"), Some(Foreign::Path));
//! assert_eq!(Foreign::of(b"\x01\x02\x03\x04"), None);
//! ```
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use memchr::memmem;

use super::format::{Format, Sniff};

/// Most bytes that are looked at.
pub const LOOKED_AT: usize = 512;

/// What bytes seem to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// A picture of a phone (ISO 23008-12).
    Heic,
    /// A picture of AV1 (AVIF 1.1).
    Avif,
    /// ISO 18181.
    JpegXl,
    /// ISO 15444.
    Jpeg2000,
    /// The raw data of a camera.
    Raw,
    /// Vector graphics of the web.
    Svg,
    /// Icons or cursors of Windows or macOS.
    Icon,
    /// A document of Photoshop or GIMP.
    Layers,
    /// A picture of another format without a decoder here.
    OtherPicture,
    /// A PDF or PostScript document.
    Pdf,
    /// A video.
    Video,
    /// Sound.
    Audio,
    /// ZIP, and what is packed in one: a document of Office, an app.
    Zip,
    /// One file, compressed.
    Compressed,
    /// Files packed together.
    Archive,
    /// A document of an older Office.
    Office,
    /// A program, a library or a database.
    Program,
    /// What Python's pickle writes.
    Pickle,
    /// A file of macOS beside the real one (`._foto.jpg`).
    AppleDouble,
    /// A picture behind bytes that do not belong to it, for example its length.
    Prefixed,
    /// A picture whose bytes were turned into text.
    Garbled,
    /// A PNG whose line ends were changed.
    LineEnds,
    /// A picture in base64.
    Base64,
    /// A picture in a `data:` URL.
    DataUrl,
    /// JSON.
    Json,
    /// An HTML page.
    Html,
    /// XML other than SVG.
    Xml,
    /// The address of a picture.
    Url,
    /// The name of a file.
    Path,
    /// Text.
    Text,
}

impl Foreign {
    /// Judges the beginning of what was sent; None: nothing is known of it.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let first = &bytes[..bytes.len().min(LOOKED_AT)];
        Self::of_binary(first).or_else(|| Self::of_text(first, bytes.len()))
    }

    /// Judges by magic numbers alone: what matches is no text, and no request of HTTP.
    #[must_use]
    pub fn of_binary(bytes: &[u8]) -> Option<Self> {
        let first = &bytes[..bytes.len().min(LOOKED_AT)];
        if let Some(brand) = first.get(4..).and_then(|rest| rest.strip_prefix(b"ftyp")) {
            return Some(of_brands(brand));
        }
        let row =
            MAGIC.iter().find(|(_, at, magic)| first.get(*at..).is_some_and(|rest| rest.starts_with(magic)));
        if let Some((kind, ..)) = row {
            return Some(*kind);
        }
        match first {
            // Reserved, type (icon or cursor), count, then the first picture if present: sides, colours, reserved.
            [0, 0, 1 | 2, 0, count, 0, rest @ ..] if *count > 0 && matches!(rest.get(3), None | Some(0)) => {
                return Some(Self::Icon);
            }
            [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', b' ', ..] => return Some(Self::Video),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => return Some(Self::Audio),
            // A pickle's protocol number, from 2 on, and the frame or the first operation of protocol 4.
            [0x80, 2..=5, ..] => return Some(Self::Pickle),
            _ => {}
        }
        (1..=PREFIX_MAX)
            .filter_map(|at| first.get(at..))
            .any(|rest| STRONG.iter().any(|magic| rest.starts_with(magic)))
            .then_some(Self::Prefixed)
    }

    fn of_text(first: &[u8], length: usize) -> Option<Self> {
        let text = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first);
        let text = text.trim_ascii_start();
        let starts = |word: &[u8]| {
            text.get(..word.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(word))
        };
        if starts(b"data:") {
            return Some(Self::DataUrl);
        }
        if is_base64_of_a_picture(text) {
            return Some(Self::Base64);
        }
        if first.starts_with(b"\xff\xfe") || first.starts_with(b"\xfe\xff") {
            return Some(Self::Text);
        }
        // A character that the cut has split is no fault of the text.
        let shown = match std::str::from_utf8(text) {
            Ok(shown) => shown,
            Err(error) if error.error_len().is_none() => {
                std::str::from_utf8(text.get(..error.valid_up_to()).unwrap_or_default()).unwrap_or_default()
            }
            Err(_) => return None,
        };
        // Replacement characters for undecodable bytes; no text of people has several.
        if shown.chars().filter(|&c| c == char::REPLACEMENT_CHARACTER).count() >= 3 {
            return Some(Self::Garbled);
        }
        let is_shown = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r' | '\x0c');
        if shown.is_empty() || !shown.chars().all(is_shown) {
            return None;
        }
        let has = |word: &str| shown.to_ascii_lowercase().contains(word);
        Some(match shown.as_bytes() {
            [b'<', ..] if has("<svg") => Self::Svg,
            [b'<', ..] if starts(b"<!doctype html") || has("<html") || has("<head") || has("<body") => {
                Self::Html
            }
            [b'<', b'?' | b'!' | b'a'..=b'z' | b'A'..=b'Z', ..] => Self::Xml,
            [b'{' | b'[', ..] => Self::Json,
            _ if length > LOOKED_AT || shown.trim_end().contains('\n') => Self::Text,
            _ if starts(b"http://") || starts(b"https://") || starts(b"ftp://") => Self::Url,
            _ if is_path(shown.trim()) => Self::Path,
            _ => Self::Text,
        })
    }

    /// What it seems to be, with its article.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.words().0
    }

    /// What its sender can do.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        self.words().1
    }

    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Heic => (
                "una imagen HEIC (la de muchos teléfonos)",
                "conviértala a JPEG, o elija en la cámara «Más compatible»",
            ),
            Self::Avif => ("una imagen AVIF", "conviértala a JPEG o PNG"),
            Self::JpegXl => ("una imagen JPEG XL", "conviértala a JPEG o PNG"),
            Self::Jpeg2000 => ("una imagen JPEG 2000", "conviértala a JPEG o PNG"),
            Self::Raw => ("una imagen RAW de cámara", "expórtela como JPEG o TIFF"),
            Self::Svg => ("un dibujo SVG", "expórtelo como PNG del tamaño que necesite"),
            Self::Icon => ("un icono (ICO, CUR o ICNS)", "guárdelo como PNG"),
            Self::Layers => ("un documento de Photoshop o GIMP (PSD, XCF)", "expórtelo como JPEG o PNG"),
            Self::OtherPicture => ("una imagen de un formato que no se lee", "conviértala a JPEG o PNG"),
            Self::Pdf => ("un documento PDF o PostScript", "exporte la página como JPEG o PNG"),
            Self::Video => ("un video", "envíe un fotograma guardado como JPEG o PNG"),
            Self::Audio => ("un archivo de audio", "envíe una imagen"),
            Self::Zip => (
                "un ZIP (o un documento de Office, que lo es por dentro)",
                "descomprímalo y envíe cada imagen por separado",
            ),
            Self::Compressed => ("un archivo comprimido", "descomprímalo y envíe la imagen"),
            Self::Archive => {
                ("un archivo de varios (7z, RAR o tar)", "descomprímalo y envíe cada imagen por separado")
            }
            Self::Office => ("un documento de Office", "guarde la imagen que contiene como JPEG o PNG"),
            Self::Program => ("un programa o una base de datos", "envíe el archivo de una imagen"),
            Self::Pickle => (
                "un objeto serializado con pickle de Python",
                "envíe los bytes de la imagen tal como están en su archivo",
            ),
            Self::AppleDouble => {
                ("un archivo auxiliar de macOS («._…»)", "envíe el archivo del mismo nombre sin «._»")
            }
            Self::Prefixed => (
                "una imagen con otros bytes delante (¿su longitud?)",
                "envíe solo los bytes de la imagen, desde el primero",
            ),
            Self::Garbled => (
                "una imagen cuyos bytes se convirtieron en texto en el camino",
                "léala y envíela como binario, sin decodificarla como texto",
            ),
            Self::LineEnds => (
                "un PNG cuyos saltos de línea se cambiaron en el camino",
                "transfiéralo en modo binario, o con curl use --data-binary o -F en lugar de -d",
            ),
            Self::Base64 => {
                ("una imagen en base64", "decodifíquela y envíe los bytes mismos (por ejemplo con base64 -d)")
            }
            Self::DataUrl => {
                ("una URL de datos («data:…»)", "decodifique lo que sigue a la coma y envíe los bytes mismos")
            }
            Self::Json => (
                "JSON",
                "envíe los bytes de la imagen en el cuerpo o en un formulario; los parámetros van en la dirección",
            ),
            Self::Html => ("una página HTML", "envíe la imagen misma, no la página que la muestra"),
            Self::Xml => ("un documento XML", "envíe el archivo de una imagen"),
            Self::Url => ("la dirección de una imagen", "descárguela primero y envíe sus bytes"),
            Self::Path => (
                "el nombre de un archivo, no su contenido",
                "con curl falta la arroba: curl -F imagen=@foto.jpg",
            ),
            Self::Text => ("texto", "envíe los bytes de una imagen"),
        }
    }
}

/// What the first bytes of a connection open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// A request line, well-formed or not: the parser of heads judges it.
    Request,
    /// Neither a request nor a picture: what [`Foreign`] may know, in the bytes up to this number.
    Foreign(usize),
    /// More bytes will tell; at the end of input it is none of HTTP's.
    NeedMore,
}

impl Opening {
    /// Tells a request from other bytes that are no supported picture. The verdict depends on the first [`OPENING_MAX`]
    /// bytes alone, so it is the same however they are cut.
    ///
    /// A request line has a method of token characters and a space (RFC 9112, section 3). TLS, and bytes with `HTTP/`
    /// in spite of that, are left to the parser of heads, which answers in HTTP.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::judge(bytes, false)
    }

    /// The same of bytes behind which no more come: never [`Opening::NeedMore`].
    #[must_use]
    pub fn at_end(bytes: &[u8]) -> Self {
        Self::judge(bytes, true)
    }

    fn judge(bytes: &[u8], ended: bool) -> Self {
        let skipped = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let first = &bytes[skipped..bytes.len().min(skipped + OPENING_MAX)];
        let ended = ended || first.len() == OPENING_MAX;
        let Some(end) = first.iter().position(|&byte| !is_token(byte)) else {
            return if ended { Self::Request } else { Self::NeedMore };
        };
        if end > 0 && matches!(first[end], b' ' | b'\r' | b'\n') {
            let known = Foreign::of_binary(&first[..=end]).is_some();
            return if known { Self::Foreign(skipped + end + 1) } else { Self::Request };
        }
        // TLS, white space, and a whole head of something close to HTTP, or as much as is looked at.
        let blank = [&b"\n\n"[..], b"\r\n\r\n"];
        let head = blank.iter().filter_map(|line| memmem::find(first, line).map(|at| at + line.len())).min();
        let judged = head.unwrap_or(first.len());
        if matches!(first[0], 0x16 | b' ' | b'\t') || memmem::find(&first[..judged], b"HTTP/").is_some() {
            Self::Request
        } else if ended || head.is_some() {
            Self::Foreign(skipped + judged)
        } else {
            Self::NeedMore
        }
    }
}

/// RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// How many bytes decide how a connection opens.
pub const OPENING_MAX: usize = 32;

/// Bytes before a picture that count as a prefix: lengths, line ends, a short name.
const PREFIX_MAX: usize = 64;

/// The beginnings of pictures that are long enough to be found among other bytes.
const STRONG: [&[u8]; 6] = [
    b"\xff\xd8\xff\xe0\0\x10JFIF",
    b"\xff\xd8\xff\xe1",
    b"\xff\xd8\xff\xdb\0",
    b"\x89PNG\r\n\x1a\n",
    b"GIF89a",
    b"GIF87a",
];

/// Kind, place, magic number. The first row that matches decides.
#[rustfmt::skip]
const MAGIC: &[(Foreign, usize, &[u8])] = &[
    (Foreign::JpegXl, 0, b"\xff\x0a"),
    (Foreign::JpegXl, 0, b"\0\0\0\x0cJXL \r\n\x87\n"),
    (Foreign::Jpeg2000, 0, b"\0\0\0\x0cjP  \r\n\x87\n"),
    (Foreign::Jpeg2000, 0, b"\xff\x4f\xff\x51"),
    // Each byte from 80 on became the character U+FFFD, or, read as Latin-1, a character of its own.
    (Foreign::Garbled, 0, b"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"),
    (Foreign::Garbled, 0, b"\xef\xbf\xbdPNG"),
    (Foreign::Garbled, 0, b"\xc3\xbf\xc3\x98\xc3\xbf"),
    (Foreign::Garbled, 0, b"\xc2\x89PNG"),
    (Foreign::LineEnds, 0, b"\x89PNG\n\x1a"),
    (Foreign::LineEnds, 0, b"\x89PNG\r\n\x1a\r"),
    (Foreign::LineEnds, 0, b"\x89PNG\r\r"),
    (Foreign::LineEnds, 0, b"\x89PNG\x1a"),
    (Foreign::Raw, 0, b"FUJIFILMCCD-RAW"),
    (Foreign::Raw, 0, b"IIRO"),
    (Foreign::Raw, 0, b"IIRS"),
    (Foreign::Raw, 0, b"MMOR"),
    (Foreign::Raw, 0, b"IIU\0"),
    (Foreign::Raw, 0, b"FOVb"),
    (Foreign::Layers, 0, b"8BPS"),
    (Foreign::Layers, 0, b"gimp xcf"),
    (Foreign::Icon, 0, b"icns"),
    (Foreign::OtherPicture, 0, b"II\xbc\x01"),
    (Foreign::OtherPicture, 0, b"DDS "),
    (Foreign::OtherPicture, 0, b"\x76\x2f\x31\x01"),
    (Foreign::OtherPicture, 0, b"#?RADIANCE"),
    (Foreign::OtherPicture, 0, b"#?RGBE"),
    (Foreign::OtherPicture, 0, b"qoif"),
    (Foreign::OtherPicture, 0, b"farbfeld"),
    (Foreign::OtherPicture, 0, b"FLIF"),
    (Foreign::OtherPicture, 0, b"BPG\xfb"),
    (Foreign::OtherPicture, 0, b"SIMPLE  ="),
    (Foreign::OtherPicture, 0, b"\x0a\x05\x01"),
    (Foreign::OtherPicture, 0, b"\xd7\xcd\xc6\x9a"),
    (Foreign::OtherPicture, 0, b"AT&TFORM"),
    (Foreign::OtherPicture, 0, b"\x59\xa6\x6a\x95"),
    (Foreign::OtherPicture, 0, b"\x01\xda\0\x01"),
    (Foreign::OtherPicture, 0, b"\x01\xda\x01\x01"),
    (Foreign::OtherPicture, 0, b"PF\n"),
    (Foreign::OtherPicture, 0, b"Pf\n"),
    (Foreign::OtherPicture, 0, b"/* XPM */"),
    (Foreign::OtherPicture, 40, b" EMF"),
    (Foreign::OtherPicture, 128, b"DICM"),
    (Foreign::Pdf, 0, b"%PDF-"),
    (Foreign::Pdf, 0, b"%!PS"),
    (Foreign::Pdf, 0, b"\xc5\xd0\xd3\xc6"),
    (Foreign::Pdf, 0, b"\xef\xbb\xbf%PDF-"),
    (Foreign::Pdf, 0, b"\n%PDF-"),
    (Foreign::Pdf, 0, b"\r\n%PDF-"),
    (Foreign::Zip, 0, b"PK\x03\x04"),
    (Foreign::Zip, 0, b"PK\x05\x06"),
    (Foreign::Zip, 0, b"PK\x07\x08"),
    (Foreign::Compressed, 0, b"\x1f\x8b"),
    (Foreign::Compressed, 0, b"\x1f\x9d"),
    (Foreign::Compressed, 0, b"BZh"),
    (Foreign::Compressed, 0, b"\xfd7zXZ\0"),
    (Foreign::Compressed, 0, b"\x28\xb5\x2f\xfd"),
    (Foreign::Compressed, 0, b"\x04\x22\x4d\x18"),
    (Foreign::Archive, 0, b"7z\xbc\xaf\x27\x1c"),
    (Foreign::Archive, 0, b"Rar!\x1a\x07"),
    (Foreign::Archive, 257, b"ustar"),
    (Foreign::Office, 0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    (Foreign::Office, 0, b"{\\rtf"),
    (Foreign::Video, 0, b"\x1a\x45\xdf\xa3"),
    (Foreign::Video, 0, b"FLV\x01"),
    (Foreign::Video, 0, b"\0\0\x01\xba"),
    (Foreign::Video, 0, b"\0\0\x01\xb3"),
    (Foreign::Video, 0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    (Foreign::Video, 4, b"moov"),
    (Foreign::Video, 4, b"mdat"),
    (Foreign::Video, 4, b"wide"),
    (Foreign::Audio, 0, b"OggS"),
    (Foreign::Audio, 0, b"ID3"),
    (Foreign::Audio, 0, b"fLaC"),
    (Foreign::Audio, 0, b"MThd"),
    (Foreign::Audio, 0, b"\xff\xfb"),
    (Foreign::Program, 0, b"\x7fELF"),
    (Foreign::Program, 0, b"MZ\x90\0"),
    (Foreign::Program, 0, b"\xca\xfe\xba\xbe"),
    (Foreign::Program, 0, b"\xcf\xfa\xed\xfe"),
    (Foreign::Program, 0, b"SQLite format 3\0"),
    (Foreign::AppleDouble, 0, b"\0\x05\x16\x07"),
    (Foreign::AppleDouble, 0, b"\0\x05\x16\0"),
];

/// A file of the ISO base media format, by its brands (ISO 14496-12, 4.3): major, version, compatible ones.
fn of_brands(brands: &[u8]) -> Foreign {
    let (brands, _) = brands.as_chunks::<4>();
    let named = |wanted: &[&[u8; 4]]| brands.iter().take(16).any(|brand| wanted.contains(&brand));
    if named(&[b"avif", b"avis"]) {
        Foreign::Avif
    } else if named(&[b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"]) {
        Foreign::Heic
    } else if brands.first() == Some(b"crx ") {
        Foreign::Raw
    } else {
        Foreign::Video
    }
}

/// Whether it is base64 (RFC 4648, either alphabet, also with line ends) of a picture or a PDF.
fn is_base64_of_a_picture(text: &[u8]) -> bool {
    let mut digits: Vec<u8> =
        text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).take(32).collect();
    digits.truncate(digits.len() / 4 * 4);
    if digits.len() < 16 {
        return false;
    }
    let Ok(bytes) = STANDARD.decode(&digits).or_else(|_| URL_SAFE.decode(&digits)) else { return false };
    // Of WebP and ISO media files, what tells them apart stands behind their length.
    matches!(Format::sniff(&bytes), Sniff::Picture(_))
        || bytes.get(4..8) == Some(b"ftyp")
        || bytes.starts_with(b"RIFF")
        || bytes.starts_with(b"%PDF-")
}

/// One line that names a file: it ends like a picture's name, or begins like a path.
fn is_path(line: &str) -> bool {
    let name = line.trim_start_matches('@').trim_matches(['"', '\'']);
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    let is_picture = ending.is_some_and(|ending| {
        [
            "jpg", "jpeg", "png", "gif", "webp", "bmp", "tif", "tiff", "pgm", "pbm", "ppm", "pnm", "heic",
            "avif",
        ]
        .contains(&ending.as_str())
    });
    let is_rooted = ["/", "./", "../", "~/", "file://"].iter().any(|root| name.starts_with(root))
        || matches!(name.as_bytes(), [b'A'..=b'Z' | b'a'..=b'z', b':', b'\\' | b'/', ..]);
    is_picture || is_rooted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_known_by_its_first_bytes() {
        let cases: &[(&[u8], Foreign)] = &[
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", Foreign::Heic),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", Foreign::Heic),
            (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", Foreign::Avif),
            (b"\0\0\0\x20ftypavif\0\0\0\0avif", Foreign::Avif),
            (b"\0\0\0\x18ftypmp42\0\0\0\0isom", Foreign::Video),
            (b"\0\0\0\x14ftypqt  \0\0\0\0", Foreign::Video),
            (b"\0\0\0\x18ftypcrx \0\0\0\x01crx ", Foreign::Raw),
            (b"\xff\x0a\x7f\x00", Foreign::JpegXl),
            (b"\0\0\0\x0cJXL \r\n\x87\n", Foreign::JpegXl),
            (b"\0\0\0\x0cjP  \r\n\x87\n", Foreign::Jpeg2000),
            (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", Foreign::Pdf),
            (b"\0\0\x01\0\x01\0\x10\x10\0\0\x01\0\x20\0", Foreign::Icon),
            (b"\0\0\x01\0\x01\0\x10\x10", Foreign::Icon),
            (b"8BPS\0\x01\0\0", Foreign::Layers),
            (b"PK\x03\x04\x14\0", Foreign::Zip),
            (b"\x1f\x8b\x08\0", Foreign::Compressed),
            (b"\x80\x04\x95\x10\0\0\0\0\0\0\0", Foreign::Pickle),
            (b"\0\0\x19\x77\xff\xd8\xff\xe0\0\x10JFIF\0", Foreign::Prefixed),
            (b"\n\x89PNG\r\n\x1a\n\0\0\0\rIHDR", Foreign::Prefixed),
            (b"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\0\x10JFIF", Foreign::Garbled),
            (b"\xef\xbf\xbdPNG\r\n\x1a\n", Foreign::Garbled),
            (b"\xc3\xbf\xc3\x98\xc3\xbf\xc3\xa0\0\x10JFIF", Foreign::Garbled),
            (b"\x89PNG\n\x1a\n\0\0\0\rIHDR", Foreign::LineEnds),
            (b"\x89PNG\x1aIHDR", Foreign::LineEnds),
            (b"/9j/4AAQSkZJRgABAQEASABIAAD/2wBD", Foreign::Base64),
            (b"iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB\r\nCAYAAAAfFcSJ", Foreign::Base64),
            (b"data:image/png;base64,iVBORw0KGgo", Foreign::DataUrl),
            (b"  {\"imagen\": \"/9j/4AAQ\"}", Foreign::Json),
            (b"[1, 2]", Foreign::Json),
            (b"<!DOCTYPE html><html>", Foreign::Html),
            (b"\xef\xbb\xbf<?xml version=\"1.0\"?>\n<svg width=\"1\">", Foreign::Svg),
            (b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", Foreign::Svg),
            (b"<?xml version=\"1.0\"?><nota/>", Foreign::Xml),
            (b"https://ejemplo.com/foto.jpg\n", Foreign::Url),
            (b"foto.jpg", Foreign::Path),
            (b"@foto.jpg", Foreign::Path),
            (b"/home/ana/Im\xc3\xa1genes/foto", Foreign::Path),
            (b"C:\\fotos\\a", Foreign::Path),
            (b"hola, mundo\n", Foreign::Text),
            (b"\xff\xfeh\0o\0l\0a\0", Foreign::Text),
        ];
        for (bytes, kind) in cases {
            assert_eq!(Foreign::of(bytes), Some(*kind), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn the_rest_is_not_guessed() {
        for bytes in [&b"\x01\x02\x03\x04"[..], b"", b"\0", b"abc\0def", b"\x96\x97\x98"] {
            assert_eq!(Foreign::of(bytes), None, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn no_row_is_a_picture_of_ours_and_every_row_decides_for_itself() {
        for (kind, at, magic) in MAGIC {
            let mut bytes = vec![1; *at];
            bytes.extend(*magic);
            bytes.extend([1; 16]);
            assert!(!matches!(Format::sniff(&bytes), Sniff::Picture(_)), "{kind:?}");
            assert_eq!(Foreign::of(&bytes), Some(*kind), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_connection_opens_alike_however_it_is_cut() {
        let long = |bytes: &[u8]| [bytes, &[b'x'; OPENING_MAX]].concat();
        let cases: [(Vec<u8>, Opening); 14] = [
            (b"GET / HTTP/1.1\r\n".to_vec(), Opening::Request),
            (b"\r\n\r\nGET / HTTP/1.1\r\n".to_vec(), Opening::Request),
            (b"hola mundo\n".to_vec(), Opening::Request),
            (b"GET\r\n\r\n".to_vec(), Opening::Request),
            (b"GE\0T / HTTP/1.1\r\n\r\n".to_vec(), Opening::Request),
            (b" GET / HTTP/1.1\r\n\r\n".to_vec(), Opening::Request),
            (b"\x16\x03\x01\x02\0\x01".to_vec(), Opening::Request),
            (long(b"G"), Opening::Request),
            (b"GE".to_vec(), Opening::NeedMore),
            (b"\x80\x04".to_vec(), Opening::NeedMore),
            (long(b"\0\0\x01\0\x01\0\x10\x10\0\0"), Opening::Foreign(OPENING_MAX)),
            (long(b"{\"imagen\": 1}"), Opening::Foreign(OPENING_MAX)),
            (b"%PDF-1.7\n".to_vec(), Opening::Foreign(9)),
            (b"\xff\xfe\r\n\r\nmore".to_vec(), Opening::Foreign(6)),
        ];
        for (bytes, opening) in cases {
            assert_eq!(Opening::of(&bytes), opening, "{}", bytes.escape_ascii());
            let decided = (0..=bytes.len()).map(|n| Opening::of(&bytes[..n]));
            let decided = decided.into_iter().find(|opening| *opening != Opening::NeedMore);
            assert_eq!(decided.unwrap_or(Opening::NeedMore), opening, "{}", bytes.escape_ascii());
        }
        assert_eq!(Opening::at_end(b"GE"), Opening::Request);
        assert_eq!(Opening::at_end(b"\x80\x04"), Opening::Foreign(2));
    }

    #[test]
    fn a_text_cut_in_a_character_is_text() {
        let text = "ñ".repeat(LOOKED_AT);
        assert_eq!(Foreign::of(&text.as_bytes()[..301]), Some(Foreign::Text));
        assert_eq!(Foreign::of(text.as_bytes()), Some(Foreign::Text));
    }
}
