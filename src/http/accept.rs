//! `Accept` (RFC 9110 §12.5.1): which of the formats we write the client likes best. A bare `*`, which some libraries
//! send, counts as `*/*`.
//!
//! ```
//! use tp2::http::{accept, format::Format};
//! assert_eq!(accept::choose(b"image/webp, image/png;q=0.8", Format::Jpeg), Some(Format::WebP));
//! assert_eq!(accept::choose(b"*/*", Format::Png), Some(Format::Png));
//! assert_eq!(accept::choose(b"audio/ogg", Format::Png), None);
//! ```
use super::format::Format;

/// Whether the field names `text/html`: a browser that navigates, which takes any picture.
#[must_use]
pub fn is_browser(field: &[u8]) -> bool {
    ranges(field).any(|(range, _)| range.eq_ignore_ascii_case(b"text/html"))
}

/// Whether a picture (JPEG) is preferred to the document (JSON) about it; a browser that navigates gets the document.
#[must_use]
pub fn prefers_picture(field: &[u8]) -> bool {
    !is_browser(field) && quality_of(field, Format::Jpeg) > quality_of_json(field)
}

/// Whether a page is preferred to a problem document: `text/html` is named, and no JSON is preferred as much.
#[must_use]
pub fn prefers_page(field: &[u8]) -> bool {
    let html = ranges(field).filter(|(range, _)| range.eq_ignore_ascii_case(b"text/html"));
    html.map(|(_, quality)| quality).max().is_some_and(|html| html > quality_of_named_json(field))
}

/// Thousandths: of a type of JSON that is named as such, 0 if there is none.
fn quality_of_named_json(field: &[u8]) -> u16 {
    let is_json = |range: &[u8]| {
        ["application/problem+json", "application/json"]
            .iter()
            .any(|name| range.eq_ignore_ascii_case(name.as_bytes()))
    };
    ranges(field).filter(|(range, _)| is_json(range)).map(|(_, quality)| quality).max().unwrap_or(0)
}

/// Thousandths, as [`quality_of`].
fn quality_of_json(field: &[u8]) -> u16 {
    let of = |wanted: &str| {
        let named = ranges(field).filter(|(range, _)| range.eq_ignore_ascii_case(wanted.as_bytes()));
        named.map(|(_, quality)| quality).max()
    };
    of("application/json").or_else(|| of("application/*")).or_else(|| of("*/*")).unwrap_or(0)
}

/// The format of highest quality; ties go to the input's own format, then to the order of [`Format::ALL`]. None: no
/// format that we write is acceptable. An empty field accepts everything.
#[must_use]
pub fn choose(field: &[u8], input: Format) -> Option<Format> {
    if field.trim_ascii().is_empty() {
        return Some(input);
    }
    let mut best: Option<(u16, Format)> = None;
    for format in std::iter::once(input).chain(Format::ALL) {
        let quality = quality_of(field, format);
        if quality > best.map_or(0, |(best, _)| best) {
            best = Some((quality, format));
        }
    }
    best.map(|(_, format)| format)
}

/// Thousandths: that of the most specific range that matches, 0 if none does.
fn quality_of(field: &[u8], format: Format) -> u16 {
    let mut found = (0, 0);
    for (range, quality) in ranges(field) {
        let specific = match range {
            b"*/*" => 1,
            _ if range.eq_ignore_ascii_case(b"image/*") => 2,
            _ if format.has_media_type(range) => 3,
            _ => continue,
        };
        if specific > found.0 || specific == found.0 && quality > found.1 {
            found = (specific, quality);
        }
    }
    found.1
}

/// Each media range with its quality; an unreadable one counts as 0, like an absent one.
fn ranges(field: &[u8]) -> impl Iterator<Item = (&[u8], u16)> {
    field.split(|&byte| byte == b',').map(|item| {
        let mut pieces = item.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let range = match pieces.next().unwrap_or_default() {
            b"*" => b"*/*",
            range => range,
        };
        let weight = pieces.find_map(|piece| piece.strip_prefix(b"q=").or_else(|| piece.strip_prefix(b"Q=")));
        (range, weight.map_or(1000, |digits| parse_quality(digits).unwrap_or(0)))
    })
}

/// `qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )` (RFC 9110 §12.4.2), in thousandths.
fn parse_quality(digits: &[u8]) -> Option<u16> {
    let (whole, fraction) = match digits.split_first()? {
        (whole @ (b'0' | b'1'), []) => (*whole, &[][..]),
        (whole @ (b'0' | b'1'), [b'.', fraction @ ..]) if fraction.len() <= 3 => (*whole, fraction),
        _ => return None,
    };
    let mut thousandths = u16::from(whole - b'0') * 1000;
    for (digit, unit) in fraction.iter().zip([100, 10, 1]) {
        thousandths += u16::from(digit.checked_sub(b'0').filter(|&value| value < 10)?) * unit;
    }
    (thousandths <= 1000).then_some(thousandths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_or_the_document_about_it() {
        for (field, picture) in [
            ("image/*", true),
            ("image/jpeg", true),
            ("image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5", true),
            ("text/html,application/xhtml+xml,image/avif,image/jpeg,*/*;q=0.8", false),
            ("*/*", false),
            ("application/json", false),
            ("application/json, image/jpeg;q=0.9", false),
            ("application/*;q=0.1, image/*;q=0.2", true),
            ("", false),
        ] {
            assert_eq!(prefers_picture(field.as_bytes()), picture, "{field}");
        }
    }

    #[test]
    fn chooses_as_the_client_wishes() {
        for (field, input, chosen) in [
            ("image/*", Format::Gif, Some(Format::Gif)),
            ("image/*;q=0.5, image/png", Format::Gif, Some(Format::Png)),
            ("image/png, image/jpeg", Format::Jpeg, Some(Format::Jpeg)),
            ("image/png, image/jpeg", Format::Png, Some(Format::Png)),
            ("image/png, image/jpeg", Format::Gif, Some(Format::Jpeg)),
            ("image/jpeg;q=0.2, image/webp;q=0.9", Format::Jpeg, Some(Format::WebP)),
            ("IMAGE/WEBP ; Q=0.3", Format::Jpeg, Some(Format::WebP)),
            ("image/png;q=0, */*", Format::Png, Some(Format::Jpeg)),
            ("image/png;q=0", Format::Png, None),
            ("application/json", Format::Png, None),
            ("image/png;q=1.001", Format::Png, None),
            ("image/png;q=nan", Format::Png, None),
            ("image/jpg", Format::Png, Some(Format::Jpeg)),
            ("", Format::Bmp, Some(Format::Bmp)),
            (",,;;q", Format::Bmp, None),
        ] {
            assert_eq!(choose(field.as_bytes(), input), chosen, "{field}");
        }
    }

    #[test]
    fn knows_a_browser() {
        assert!(is_browser(b"text/html,application/xhtml+xml,*/*;q=0.8"));
        assert!(!is_browser(b"image/png, */*"));
    }

    #[test]
    fn a_page_is_for_those_who_name_it_before_json() {
        for (field, page) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", true),
            ("text/html", true),
            ("application/json, text/html;q=0.9", false),
            ("text/html, application/problem+json", false),
            ("*/*", false),
            ("image/*", false),
            ("text/html;q=0", false),
        ] {
            assert_eq!(prefers_page(field.as_bytes()), page, "{field}");
        }
    }
}
