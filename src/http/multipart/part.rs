//! The head of one part: which field it is, and whether it is a file.
//!
//! Folded fields are read, because MIME allows them (RFC 2046, 5.1; RFC 5322, 2.2.3). A part with only an extended file
//! name (`filename*`, RFC 8187) is a file, although RFC 7578, 4.2 forbids that name in forms: some clients send it.
use std::borrow::Cow;

use super::MultipartError;
use crate::http::param;

/// What a part's head says, as far as forms need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartHead {
    /// The field's name; empty if it has none.
    pub name: String,
    /// The file's name as sent, which may be empty; `None`: the part is no file.
    pub file_name: Option<String>,
}

impl PartHead {
    /// Parses a part's head, its empty line included.
    pub(super) fn parse(head: &[u8]) -> Result<Self, MultipartError> {
        if memchr::memchr_iter(b'\n', head).any(|lf| lf == 0 || head.get(lf - 1) != Some(&b'\r')) {
            return Err(MultipartError::Head);
        }
        let head = unfolded(head);
        let mut slots = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let Ok(httparse::Status::Complete((_, fields))) = httparse::parse_headers(&head, &mut slots) else {
            return Err(MultipartError::Head);
        };
        // RFC 7578, 4.2: each part has this field, with a name. Its type is not checked, and a missing name is
        // accepted: a file alone needs none.
        let disposition = fields
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case("content-disposition"))
            .ok_or(MultipartError::Disposition)?
            .value;
        let value =
            |name: &str| param::find(disposition, name).map_err(|param::Unterminated| MultipartError::Head);
        // RFC 7578, 5.1: UTF-8. Names in anything else are only shown, never compared.
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let file_name = match value("filename")? {
            Some(name) => Some(text(name)),
            None => value("filename*")?.map(|name| extended(&name)),
        };
        Ok(Self { name: value("name")?.map(text).unwrap_or_default(), file_name })
    }
}

/// The head with each fold (a line end and white space) replaced by blanks. The first line is no fold.
fn unfolded(head: &[u8]) -> Cow<'_, [u8]> {
    let mut head = Cow::Borrowed(head);
    let mut at = 0;
    while let Some(found) = head.get(at..).and_then(|rest| memchr::memchr(b'\r', rest)) {
        at += found;
        if matches!(head.get(at + 1..at + 3), Some([b'\n', b' ' | b'\t'])) {
            head.to_mut()[at..at + 2].fill(b' ');
        }
        at += 1;
    }
    head
}

/// The text of an extended value: `charset'language'text`, percent-encoded (RFC 8187, 3.2). Any other value is taken as
/// it is, because the name is only shown.
fn extended(value: &[u8]) -> String {
    let mut parts = value.splitn(3, |&byte| byte == b'\'');
    let (Some(charset), Some(_), Some(text)) = (parts.next(), parts.next(), parts.next()) else {
        return String::from_utf8_lossy(value).into_owned();
    };
    let bytes: Vec<u8> = percent_encoding::percent_decode(text).collect();
    if charset.eq_ignore_ascii_case(b"iso-8859-1") {
        bytes.into_iter().map(char::from).collect()
    } else {
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Fields of one part's head; RFC 7578, 4.8 knows three.
const FIELDS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(fields: &str) -> Result<PartHead, MultipartError> {
        PartHead::parse(format!("{fields}\r\n\r\n").as_bytes())
    }

    fn file_name(disposition: &str) -> Option<String> {
        parse(&format!("Content-Disposition: form-data; {disposition}")).unwrap().file_name
    }

    #[test]
    fn folded_fields_are_one_line() {
        let head =
            parse("Content-Disposition: form-data;\r\n name=\"imagen\";\r\n\t filename=\"f.jpg\"\r\nA: b")
                .unwrap();
        assert_eq!((head.name.as_str(), head.file_name.as_deref()), ("imagen", Some("f.jpg")));
        assert_eq!(parse(" Content-Disposition: form-data; name=a"), Err(MultipartError::Head));
        assert_eq!(parse("Content-Disposition: form-data\n ; name=a"), Err(MultipartError::Head));
    }

    #[test]
    fn an_extended_name_counts_where_it_is_alone() {
        assert_eq!(file_name("name=a; filename*=utf-8''ni%C3%B1o.jpg").unwrap(), "niño.jpg");
        assert_eq!(file_name("filename*=ISO-8859-1'es'ni%F1o.jpg").unwrap(), "niño.jpg");
        assert_eq!(file_name("filename*=UTF-8''b.jpg; filename=\"a.jpg\"").unwrap(), "a.jpg");
        assert_eq!(file_name("filename*=b.jpg").unwrap(), "b.jpg");
        assert_eq!(file_name("filename*=utf-8''%FF").unwrap(), "\u{fffd}");
        assert_eq!(file_name("name=a"), None);
    }
}
