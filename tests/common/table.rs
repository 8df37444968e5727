//! Test cases as text: the request and the expected answers. `tests/data/http/requests.txt` describes the format.

pub(crate) struct Case {
    /// The case's title.
    pub(crate) name: String,
    /// The lines with the expected result, without their sign.
    pub(crate) file_request: Vec<String>,
    /// The request.
    pub(crate) bytes: Vec<u8>,
}

pub(crate) fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    // Lines of the case, an empty one at a time held back: the last one only separates.
    let mut empty = false;
    let mut within = false;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("## ") {
            cases.push(Case { name: name.to_owned(), file_request: Vec::new(), bytes: Vec::new() });
            (empty, within) = (false, true);
        } else if line.starts_with('#') {
            within = false;
        } else if within && let Some(case) = cases.last_mut() {
            if std::mem::take(&mut empty) {
                case.bytes.extend_from_slice(b"\r\n");
            }
            match line.strip_prefix("< ") {
                Some(file_request) if case.bytes.is_empty() => {
                    case.file_request.push(file_request.to_owned());
                }
                _ if line.is_empty() => empty = true,
                _ => push_line(line, &mut case.bytes),
            }
        }
    }
    assert!(!cases.is_empty(), "an empty table");
    cases.iter_mut().for_each(|case| state_length(&mut case.bytes));
    cases
}

/// Writes the body's length to its placeholder.
fn state_length(bytes: &mut Vec<u8>) {
    if let Some(at) = memchr::memmem::find(bytes, LENGTH) {
        let body = memchr::memmem::find(bytes, b"\r\n\r\n").expect("the end of a head") + 4;
        let length = bytes.len() - body;
        bytes.splice(at..at + LENGTH.len(), length.to_string().bytes());
    }
}

/// Placeholder for an unknown length; no case has it.
const LENGTH: &[u8] = b"\0\0length\0\0";

/// Appends a line as it is sent.
fn push_line(line: &str, bytes: &mut Vec<u8>) {
    // An unescaped backslash at the end removes the line's end.
    let backslashes = line.len() - line.trim_end_matches('\\').len();
    let (text, is_open) = if backslashes % 2 == 1 { (&line[..line.len() - 1], true) } else { (line, false) };
    push_text(text, bytes);
    if !is_open {
        bytes.extend_from_slice(b"\r\n");
    }
}

/// Appends text with its escapes decoded.
fn push_text(mut text: &str, bytes: &mut Vec<u8>) {
    while let Some((before, escape)) = text.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let (kind, rest) = escape.split_at(1);
        text = rest;
        match kind {
            "r" => bytes.push(b'\r'),
            "n" => bytes.push(b'\n'),
            "t" => bytes.push(b'\t'),
            "0" => bytes.push(0),
            "s" => bytes.push(b' '),
            "\\" => bytes.push(b'\\'),
            "#" => bytes.extend_from_slice(LENGTH),
            "x" => {
                let (digits, rest) = rest.split_at(2);
                bytes.push(u8::from_str_radix(digits, 16).expect("two digits"));
                text = rest;
            }
            "{" => {
                let (inner, rest) = rest.split_once('}').expect("the end of a repetition");
                let (count, what) = inner.split_once('*').expect("how often and what");
                for _ in 0..count.parse().expect("how often") {
                    push_text(what, bytes);
                }
                text = rest;
            }
            other => panic!("an unknown escape: {other}"),
        }
    }
    bytes.extend_from_slice(text.as_bytes());
}

#[test]
fn a_table_is_read_as_its_head_says() {
    let text = "# remark\n\n## one\n< 200 kept\nGET /\\x41\\\\ a\\\\\n\n\nend\\\n\n# remark\nx\n## two\n< quiet\n\\{2*a\\s}\\\n";
    let cases = cases(text);
    assert_eq!((cases[0].name.as_str(), &cases[0].file_request[..]), ("one", &["200 kept".to_owned()][..]));
    assert_eq!(cases[0].bytes.escape_ascii().to_string(), "GET /A\\\\ a\\\\\\r\\n\\r\\n\\r\\nend");
    assert_eq!((cases[1].file_request[0].as_str(), &cases[1].bytes[..]), ("quiet", &b"a a "[..]));
    assert_eq!(cases.len(), 2);
}
