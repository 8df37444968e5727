//! Invariant: a body gives the same bytes and ends at the same place, or with the same error, in whatever pieces it
//! comes; a stateless decoder of the grammar alone finds the same body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tp2::http::body::{BodyDecoder, BodyError, BodyEvent};
use tp2::http::head::Framing;

fuzz_target!(|data: &[u8]| {
    let Some(([seed, kind], stream)) = data.split_first_chunk() else { return };
    let framing = match kind {
        0 => Framing::None,
        1..=9 => Framing::Length(u64::from(*seed)),
        _ => Framing::Chunked,
    };
    let [whole, others @ ..] = tp2_fuzz::cuts(*seed, stream).map(|pieces| decode(framing, &pieces));
    for other in others {
        assert_eq!(other, whole);
    }
    let Ok((body, done, behind)) = whole else { return };
    assert!(done || behind.is_empty());
    match framing {
        Framing::None => assert!(done && body.is_empty()),
        Framing::Length(length) => {
            assert_eq!(body.len() as u64, length.min(stream.len() as u64));
            assert_eq!([body, behind].concat(), stream);
        }
        Framing::Chunked if done => assert_eq!(reference(stream), Some((body, behind))),
        Framing::Chunked => {}
    }
});

/// The body, whether it is complete, and the bytes behind it.
fn decode(framing: Framing, pieces: &[&[u8]]) -> Result<(Vec<u8>, bool, Vec<u8>), BodyError> {
    let mut decoder = BodyDecoder::new(framing);
    let (mut body, mut behind) = (Vec::new(), Vec::new());
    let mut done = decoder.decode(b"") == Ok((0, BodyEvent::Done));
    for piece in pieces {
        let mut rest = *piece;
        loop {
            let (taken, event) = decoder.decode(rest)?;
            let before = rest;
            rest = &rest[taken..];
            match event {
                BodyEvent::Data(data) => {
                    assert!(!data.is_empty() && before[..taken].ends_with(data));
                    body.extend_from_slice(data);
                    continue;
                }
                BodyEvent::NeedMore => assert!(rest.is_empty() && !done),
                BodyEvent::Done => done = true,
            }
            break;
        }
        behind.extend_from_slice(rest);
    }
    Ok((body, done, behind))
}

/// A complete chunked body: its content, and the bytes behind it.
fn reference(mut stream: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut body = Vec::new();
    loop {
        let line = take_line(&mut stream)?;
        let size = line.split(|byte| matches!(byte, b';' | b' ' | b'\t')).next()?;
        let size = usize::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()?;
        if size == 0 {
            while !take_line(&mut stream)?.is_empty() {}
            return Some((body, stream.to_vec()));
        }
        let (data, rest) = stream.split_at_checked(size)?;
        body.extend_from_slice(data);
        stream = rest.strip_prefix(b"\r\n")?;
    }
}

fn take_line<'a>(stream: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = stream.windows(2).position(|pair| pair == b"\r\n")?;
    let line = &stream[..end];
    *stream = &stream[end + 2..];
    Some(line)
}
