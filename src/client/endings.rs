//! What the ending of a file's name says of its format. Pure.
use std::path::Path;

use crate::http::format::Format;

/// Endings of pictures, and the format that is written for each. The first of a format is the usual one.
#[rustfmt::skip]
const ENDINGS: &[(&str, Format)] = &[
    ("jpg", Format::Jpeg), ("jpeg", Format::Jpeg), ("jpe", Format::Jpeg), ("jfif", Format::Jpeg),
    ("png", Format::Png),
    ("webp", Format::WebP),
    ("gif", Format::Gif),
    ("bmp", Format::Bmp), ("dib", Format::Bmp),
    ("tiff", Format::Tiff), ("tif", Format::Tiff),
    ("pgm", Format::Pnm), ("pnm", Format::Pnm), ("ppm", Format::Pnm), ("pbm", Format::Pnm), ("pam", Format::Pnm),
];

/// Endings of pictures of others, of which the phones' are the most common.
const FOREIGN: [&str; 5] = ["heic", "heif", "avif", "jxl", "jp2"];
/// Endings of what else a picture can be kept in, and is not written here.
const UNWRITTEN: [&str; 10] = ["svg", "pdf", "psd", "ico", "eps", "ps", "tga", "exr", "hdr", "xcf"];

#[must_use]
pub(super) fn format_of(path: &Path) -> Option<Format> {
    let ending = path.extension()?.to_str()?;
    ENDINGS.iter().find(|(name, _)| name.eq_ignore_ascii_case(ending)).map(|&(_, format)| format)
}

/// Whether the ending is one of a picture, of ours or of others.
#[must_use]
pub(super) fn is_pictures(path: &Path) -> bool {
    format_of(path).is_some() || ends_in(path, &FOREIGN)
}

/// Whether the ending promises a format that is not written.
#[must_use]
pub(super) fn is_unwritten(path: &Path) -> bool {
    ends_in(path, &FOREIGN) || ends_in(path, &UNWRITTEN)
}

fn ends_in(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| endings.iter().any(|name| name.eq_ignore_ascii_case(ending)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_name_formats_in_any_case() {
        for (path, format) in [
            ("a.jpg", Some(Format::Jpeg)),
            ("a/b.JPEG", Some(Format::Jpeg)),
            ("a.tar.Tif", Some(Format::Tiff)),
            (".png", None),
            ("png", None),
            ("a.", None),
            ("a.heic", None),
        ] {
            assert_eq!(format_of(Path::new(path)), format, "{path}");
        }
        for format in Format::ALL {
            assert_eq!(format_of(Path::new(&format!("a.{}", format.extension()))), Some(format));
        }
        assert!(is_unwritten(Path::new("a.HEIC")) && is_unwritten(Path::new("a.pdf")));
        assert!(
            !is_unwritten(Path::new("a.jpg"))
                && !is_unwritten(Path::new("heic"))
                && !is_unwritten(Path::new("a.x"))
        );
        assert!(is_pictures(Path::new("a.HEIC")) && !is_pictures(Path::new("a.2024")));
    }
}
