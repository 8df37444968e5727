//! The path of a target -> the path of a file below a directory, or nothing.
//!
//! Rules: split at the slashes first, then decode each component, so that no escape can make a separator (RFC 3986
//! §2.4). A component that is empty, `.` or `..`, or holds a slash, a backslash or NUL once decoded, is no name. Paths
//! are not normalised: a file has one path. A name is bytes, UTF-8 or not. A `%` without digits stands for itself.
//!
//! Refuses to do: look at a file system. That nothing outside the directory is opened does not depend on this file
//! alone: `scaler::sys::open_beneath` asks the kernel for it.
//!
//! ```
//! use tp2::http::path::beneath;
//! assert_eq!(beneath(b"/fotos/d%C3%ADa%201.jpg"), Some("fotos/día 1.jpg".into()));
//! assert_eq!(beneath(b"/fotos/%2e%2e/secreto"), None);
//! ```
use percent_encoding::percent_decode;

/// The relative path of the file that `path` names; None if it can't name one.
#[must_use]
pub fn beneath(path: &[u8]) -> Option<Vec<u8>> {
    let mut file = Vec::with_capacity(path.len());
    for component in path.strip_prefix(b"/")?.split(|&byte| byte == b'/') {
        if !file.is_empty() {
            file.push(b'/');
        }
        let start = file.len();
        file.extend(percent_decode(component));
        let name = file.get(start..).unwrap_or_default();
        let is_name = !matches!(name, b"" | b"." | b"..")
            && !name.iter().any(|byte| matches!(byte, b'/' | b'\\' | b'\0'));
        if !is_name {
            return None;
        }
    }
    Some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files() {
        for (path, file) in [
            ("/a.jpg", "a.jpg"),
            ("/a/b/c.jpg", "a/b/c.jpg"),
            ("/a%20b+c.jpg", "a b+c.jpg"),
            ("/a b.jpg", "a b.jpg"),
            ("/%C3%B1and%C3%BA.jpg", "ñandú.jpg"),
            ("/ñandú.jpg", "ñandú.jpg"),
            ("/...", "..."),
            ("/.oculto", ".oculto"),
            ("/a..b", "a..b"),
            // Decoded once.
            ("/%252e%252e/a", "%2e%2e/a"),
            ("/100%.jpg", "100%.jpg"),
            ("/%zz", "%zz"),
            ("/%2", "%2"),
            ("/C:", "C:"),
        ] {
            assert_eq!(beneath(path.as_bytes()), Some(file.into()), "{path}");
        }
        assert_eq!(beneath(b"/%ff\xfe"), Some(vec![0xff, 0xfe]));
    }

    #[test]
    fn what_names_no_file() {
        for path in [
            "",
            "/",
            "a.jpg",
            "*",
            "//etc/passwd",
            "/a//b",
            "/a/",
            "/.",
            "/..",
            "/./a",
            "/a/.",
            "/../a",
            "/a/../b",
            "/a/..",
            "/%2e%2e/a",
            "/%2E./a",
            "/.%2e/a",
            "/%2e/a",
            "/..%2fa",
            "/%2fetc/passwd",
            "/a%2Fb",
            "/..%5ca",
            "/a%5C..%5Cb",
            "/..\\a",
            "/a%00.jpg",
            "/%00",
        ] {
            assert_eq!(beneath(path.as_bytes()), None, "{path}");
        }
    }

    /// Every path of up to five of these bytes behind a slash gives plain names or nothing.
    #[test]
    fn no_short_path_leads_elsewhere() {
        const BYTES: &[u8] = b"/.%2efF5cC0\\a";
        let mut paths = vec![b"/".to_vec()];
        let mut named = 0;
        while let Some(path) = paths.pop() {
            if let Some(file) = beneath(&path) {
                named += 1;
                let plain = file.split(|&byte| byte == b'/').all(|name| !matches!(name, b"" | b"." | b".."));
                assert!(plain && !file.contains(&b'\\') && !file.contains(&0), "{}", path.escape_ascii());
                let slashes = |bytes: &[u8]| bytes.iter().filter(|&&byte| byte == b'/').count();
                assert_eq!(slashes(&file) + 1, slashes(&path), "{}", path.escape_ascii());
            }
            if path.len() < 6 {
                paths.extend(BYTES.iter().map(|&byte| [&path[..], &[byte]].concat()));
            }
        }
        assert!(named > 0);
    }
}
