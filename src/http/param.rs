//! A field value with parameters: `form-data; name="imagen"; filename="foto.jpg"` (RFC 9110, 5.6.6).
//!
//! Rules: a backslash escapes only a quote or another backslash; before anything else it stands for itself, because old
//! browsers send `filename="C:\fotos\a.jpg"` and new ones never escape with it. What follows a closing quote is skipped
//! up to the next semicolon. An extended parameter (`filename*`, RFC 8187) is one more name; the caller decodes it.
//!
//! ```
//! use tp2::http::param;
//!
//! let (value, mut parameters) = param::split(br#"form-data; name="a;b"; filename="C:\x \"y\".jpg""#);
//! assert_eq!(value, b"form-data");
//! assert_eq!(parameters.next().unwrap()?, (&b"name"[..], b"a;b".to_vec()));
//! assert_eq!(parameters.next().unwrap()?, (&b"filename"[..], br#"C:\x "y".jpg"#.to_vec()));
//! assert!(parameters.next().is_none());
//! # Ok::<(), tp2::http::param::Unterminated>(())
//! ```
use std::fmt;

/// Takes a field value apart: what stands before the first semicolon, and the parameters after it.
pub fn split(value: &[u8]) -> (&[u8], FieldParameters<'_>) {
    let (first, rest) = cut(value, b';');
    (first.trim_ascii(), FieldParameters { rest })
}

/// The value of the first parameter of this name, in any case.
///
/// # Errors
/// A quoted string before it, or its own, has no end.
pub fn find(value: &[u8], name: &str) -> Result<Option<Vec<u8>>, Unterminated> {
    for parameter in split(value).1 {
        let (found, value) = parameter?;
        if found.eq_ignore_ascii_case(name.as_bytes()) {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// The parameters of a field value, in order: name as sent, value without quotes and escapes.
#[derive(Clone, Debug)]
pub struct FieldParameters<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for FieldParameters<'a> {
    type Item = Result<(&'a [u8], Vec<u8>), Unterminated>;

    fn next(&mut self) -> Option<Self::Item> {
        // Empty parameters, as a semicolon at the end leaves them, are none.
        self.rest = trim_start(self.rest, b" \t;");
        if self.rest.is_empty() {
            return None;
        }
        let name_end = memchr::memchr2(b'=', b';', self.rest).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(name_end);
        let after = rest.strip_prefix(b"=").map(|rest| trim_start(rest, b" \t"));
        let value = match after {
            None => {
                self.rest = rest;
                Vec::new()
            }
            Some([b'"', quoted @ ..]) => match unquote(quoted) {
                Some((value, rest)) => {
                    self.rest = cut(rest, b';').1;
                    value
                }
                None => {
                    self.rest = b"";
                    return Some(Err(Unterminated));
                }
            },
            Some(token) => {
                let (value, rest) = cut(token, b';');
                self.rest = rest;
                value.trim_ascii().to_vec()
            }
        };
        Some(Ok((name.trim_ascii(), value)))
    }
}

/// A quoted string without an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unterminated;

impl fmt::Display for Unterminated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faltan las comillas que cierran el valor de un parámetro")
    }
}

impl std::error::Error for Unterminated {}

/// Reads a quoted string behind its opening quote: its value, and what follows the closing quote.
fn unquote(quoted: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut value = Vec::new();
    let mut rest = quoted;
    loop {
        let at = memchr::memchr2(b'"', b'\\', rest)?;
        let (text, special) = rest.split_at(at);
        value.extend_from_slice(text);
        rest = match special {
            [b'\\', escaped @ (b'"' | b'\\'), rest @ ..] => {
                value.push(*escaped);
                rest
            }
            [b'\\', rest @ ..] => {
                value.push(b'\\');
                rest
            }
            _ => return Some((value, special.get(1..).unwrap_or_default())),
        };
    }
}

/// What stands before the first `separator`, and what after it.
fn cut(bytes: &[u8], separator: u8) -> (&[u8], &[u8]) {
    let at = memchr::memchr(separator, bytes).unwrap_or(bytes.len());
    let (before, rest) = bytes.split_at(at);
    (before, rest.get(1..).unwrap_or_default())
}

fn trim_start<'a>(bytes: &'a [u8], set: &[u8]) -> &'a [u8] {
    let skipped = bytes.iter().take_while(|byte| set.contains(byte)).count();
    bytes.get(skipped..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Value and parameters as text, a fault as `None`.
    fn parse(value: &str) -> (String, Vec<Option<(String, String)>>) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (first, parameters) = split(value.as_bytes());
        let parameters = parameters.map(|one| one.ok().map(|(name, value)| (text(name), text(&value))));
        (text(first), parameters.collect())
    }

    #[test]
    fn values_as_clients_send_them() {
        for (value, first, parameters) in [
            ("image/png", "image/png", &[][..]),
            ("", "", &[]),
            (" image/png ; ", "image/png", &[]),
            (
                "multipart/form-data; boundary=----WebKitX",
                "multipart/form-data",
                &[("boundary", "----WebKitX")],
            ),
            ("multipart/form-data;boundary=\"a b\"", "multipart/form-data", &[("boundary", "a b")]),
            ("a/b;;x=1; ;y=2;", "a/b", &[("x", "1"), ("y", "2")]),
            ("a/b; x = 1", "a/b", &[("x", "1")]),
            ("a/b; flag; x=", "a/b", &[("flag", ""), ("x", "")]),
            ("form-data; name=\"a\\\"b\\\\c\\d\"", "form-data", &[("name", "a\"b\\c\\d")]),
            ("form-data; name=\"\"; filename=\"\"", "form-data", &[("name", ""), ("filename", "")]),
            // Internet Explorer 6 sent the whole path.
            ("form-data; filename=\"C:\\fotos\\a.jpg\"", "form-data", &[("filename", "C:\\fotos\\a.jpg")]),
            ("form-data; filename=a b.jpg; x=1", "form-data", &[("filename", "a b.jpg"), ("x", "1")]),
            ("form-data; filename=\"a \"b\".jpg\"; x=1", "form-data", &[("filename", "a "), ("x", "1")]),
            ("form-data; name=\"año;=\"", "form-data", &[("name", "año;=")]),
            ("a/b; x=\"1\" ; y=2", "a/b", &[("x", "1"), ("y", "2")]),
            ("a/b; charset=----=t; c=u", "a/b", &[("charset", "----=t"), ("c", "u")]),
        ] {
            let expected = parameters.iter().map(|(n, v)| Some(((*n).to_owned(), (*v).to_owned())));
            assert_eq!(parse(value), (first.to_owned(), expected.collect()), "{value}");
        }
    }

    #[test]
    fn a_quoted_string_must_end() {
        for value in ["a; x=\"", "a; x=\"abc", "a; x=\"abc\\\"", "a; x=\"abc\\"] {
            assert_eq!(parse(value).1, [None], "{value}");
        }
        assert_eq!(find(b"a; x=\"; y=2", "y"), Err(Unterminated));
    }

    #[test]
    fn the_first_of_a_name_counts_in_any_case() {
        assert_eq!(find(b"a; NAME=1; name=2", "name"), Ok(Some(b"1".to_vec())));
        assert_eq!(find(b"a; filename*=UTF-8''x; b=2", "filename"), Ok(None));
        assert_eq!(find(b"name=1", "name"), Ok(None));
    }
}
