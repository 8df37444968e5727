//! Invariant: a stream of requests gives the same heads and ends with the same error, or with the same leftover
//! bytes, in whatever pieces it comes; a head borrows only parts of the stream; and an accepted head keeps the rules
//! that other readers of the same bytes rely on.
#![no_main]

use std::time::SystemTime;

use libfuzzer_sys::fuzz_target;
use tp2::http::buf::RecvBuf;
use tp2::http::conditional::{Conditions, Selection, Whole};
use tp2::http::head::{Framing, HeadError, HeadLimits, Method, RequestHead, Version, poll_head};

/// Small enough that the fuzzer reaches them.
const LIMITS: HeadLimits = HeadLimits { bytes_max: 300, fields_max: 6, target_max: 40 };

fuzz_target!(|data: &[u8]| {
    let Some((seed, stream)) = data.split_first() else { return };
    let [whole, others @ ..] = tp2_fuzz::cuts(*seed, stream).map(|pieces| read(&pieces));
    let (heads, left, fault) = &whole;
    for other in &others {
        assert_eq!(*fault, other.2);
        assert!(fault.is_some() || *left == other.1);
        assert_eq!(heads.len(), other.0.len());
        for (a, b) in heads.iter().zip(&other.0) {
            assert_eq!(format!("{a:?}"), format!("{b:?}"));
        }
    }
    let mut from = 0;
    for head in heads {
        from += judge(head, &stream[from..]);
    }
    assert!(fault.is_some() || stream[from..] == **left);
});

/// Reads heads until one is faulty or incomplete: the heads, the bytes left, the fault.
fn read(pieces: &[&[u8]]) -> (Vec<RequestHead>, Vec<u8>, Option<HeadError>) {
    let mut recv = RecvBuf::new(usize::MAX);
    let mut heads = Vec::new();
    for piece in pieces {
        recv.extend(piece);
        loop {
            match poll_head(&mut recv, &LIMITS) {
                Ok(Some(head)) => heads.push(head),
                Ok(None) => break,
                Err(fault) => {
                    assert!(matches!(fault.status(), 400 | 414 | 431 | 501 | 505));
                    assert!(!fault.to_string().is_empty());
                    return (heads, Vec::new(), Some(fault));
                }
            }
        }
        assert_eq!(recv.searched(), recv.len());
        assert!(recv.len() < LIMITS.bytes_max);
    }
    (heads, recv.data().to_vec(), None)
}

/// Compares `head` with its bytes, the first of `stream`; returns their number.
fn judge(head: &RequestHead, stream: &[u8]) -> usize {
    // An oracle that knows lines only: the head ends with the first empty line after one that is not.
    let mut lines = stream.split_inclusive(|byte| *byte == b'\n').scan(0, |end, line| {
        *end += line.len();
        Some((*end, line))
    });
    let (_, first) = lines.find(|(_, line)| !line.trim_ascii_end().is_empty()).unwrap();
    let (end, _) = lines.find(|(_, line)| line.trim_ascii_end().is_empty()).unwrap();
    let bytes = &stream[..end];
    assert!(bytes.len() <= LIMITS.bytes_max && head.target().len() <= LIMITS.target_max);

    let ends =
        |separator: &[u8]| bytes.windows(separator.len()).filter(|window| *window == separator).count();
    assert!(!bytes.contains(&0));
    assert_eq!(ends(b"\r"), ends(b"\r\n"));
    assert!(ends(b"\r\n") == 0 || ends(b"\r\n") == ends(b"\n"));

    let line = [head.method().as_str().as_bytes(), b" ", head.target(), b" HTTP/1."].concat();
    assert!(first.starts_with(&line));
    assert!(
        matches!(head.path(), b"*")
            || head.path().starts_with(b"/")
            || matches!(head.method(), Method::Other(_))
    );
    assert!(!head.path().iter().any(|byte| matches!(byte, b'?' | b'#' | b' ')));
    assert!(head.query().is_none_or(|query| !query.contains(&b'#')));
    assert!(head.fields("host").count() <= 1);
    assert!(head.host().is_some() || head.version() == Version::Http10);
    let (lengths, codings) =
        (head.fields("content-length").count(), head.fields("transfer-encoding").count());
    match head.framing() {
        Framing::None => assert_eq!((lengths, codings), (0, 0)),
        Framing::Length(length) => {
            assert_eq!((lengths, codings), (1, 0));
            let text = std::str::from_utf8(head.field("content-length").unwrap()).unwrap();
            assert_eq!(text.parse(), Ok(length));
        }
        Framing::Chunked => assert_eq!((lengths, codings, head.version()), (0, 1, Version::Http11)),
    }
    let _ = (head.keep_alive(), head.expectation());
    let whole = Whole { length: 9, etag: "\"a\"", modified: SystemTime::UNIX_EPOCH };
    if let Selection::Part(part) = Conditions::of(head).select(&whole) {
        assert!(part.start < part.end && part.end <= whole.length && *head.method() == Method::Get);
    }
    end
}
