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

/// Endings of pictures that are read by others, or of which the phones' are the most common.
const FOREIGN: [&str; 5] = ["heic", "heif", "avif", "jxl", "jp2"];

#[must_use]
pub(super) fn format_of(path: &Path) -> Option<Format> {
    let ending = path.extension()?.to_str()?;
    ENDINGS.iter().find(|(name, _)| name.eq_ignore_ascii_case(ending)).map(|&(_, format)| format)
}

/// Whether the ending is one of a picture, of ours or of others.
#[must_use]
pub(super) fn is_pictures(path: &Path) -> bool {
    let is_foreign = |ending: &str| FOREIGN.iter().any(|name| name.eq_ignore_ascii_case(ending));
    format_of(path).is_some() || path.extension().and_then(|ending| ending.to_str()).is_some_and(is_foreign)
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
        assert!(is_pictures(Path::new("a.HEIC")) && !is_pictures(Path::new("a.2024")));
    }
}
