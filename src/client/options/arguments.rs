//! Arguments that are not text: a file's name is bytes, and the reader of options wants text. Pure.
//!
//! Rules: a byte that is not UTF-8 becomes NUL and two hexadecimal digits, and is decoded when the path is read; no
//! argument holds a NUL (execve(2)), so nothing else is changed. A value that is no path is never decoded: it is
//! refused ([`is_text`]).
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// What stands before the digits.
const MARK: char = '\0';

/// The argument as text.
pub(super) fn encode(argument: &OsStr) -> OsString {
    let mut text = String::new();
    for chunk in argument.as_bytes().utf8_chunks() {
        text += chunk.valid();
        for byte in chunk.invalid() {
            text += &format!("{MARK}{byte:02x}");
        }
    }
    text.into()
}

/// The path in that text.
pub(super) fn path(text: &str) -> PathBuf {
    let mut parts = text.split(MARK);
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or_default();
        bytes.extend(u8::from_str_radix(digits, 16));
        bytes.extend(rest.bytes());
    }
    OsString::from_vec(bytes).into()
}

/// Whether it was text from the beginning.
pub(super) fn is_text(text: &str) -> bool {
    !text.contains(MARK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_argument_comes_back() {
        for bytes in
            [&b"foto.jpg"[..], b"", b"mal\xff.jpg", b"\xc3", b"\xff\xfe0a\xc3\xb1\n", "ñ/\u{1b}".as_bytes()]
        {
            let encoded = encode(OsStr::from_bytes(bytes)).into_string().unwrap();
            assert_eq!(path(&encoded).as_os_str().as_bytes(), bytes);
            assert_eq!(is_text(&encoded), std::str::from_utf8(bytes).is_ok());
        }
    }
}
