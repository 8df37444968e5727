//! Invariant: a form gives the same upload, or the same error, in whatever pieces it comes; events come in order; no
//! part's data contains the delimiter, and the parts together are not longer than the body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tp2::http::form::{Form, FormError, FormUpload};
use tp2::http::multipart::{Event, Scanner};

const TYPES: [&[u8]; 4] = [
    b"multipart/form-data; boundary=x",
    b"multipart/form-data; boundary=\"--\"",
    b"multipart/form-data; boundary=xyz",
    b"multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
];

fuzz_target!(|data: &[u8]| {
    let Some(([seed, kind], body)) = data.split_first_chunk() else { return };
    // A Content-Type chosen by the fuzzer, if it wants one.
    let (content_type, body) = match TYPES.get(usize::from(*kind)) {
        Some(content_type) => (*content_type, body),
        None => body.split_at(usize::from(*kind).min(body.len())),
    };
    let [whole, others @ ..] = tp2_fuzz::cuts(*seed, body).map(|pieces| upload(content_type, &pieces));
    for other in others {
        assert_eq!(other, whole);
    }
    if let Ok(upload) = whole {
        let fields: usize = upload.fields.iter().map(|(_, value)| value.len()).sum();
        assert!(upload.picture.map_or(0, |picture| picture.len()) + fields <= body.len());
        assert!(upload.names_seen.len() <= 16);
    }
    if *kind == 2 {
        scan(b"xyz", &tp2_fuzz::cuts(*seed, body)[2]);
    }
});

fn upload(content_type: &[u8], pieces: &[&[u8]]) -> Result<FormUpload, FormError> {
    let mut form = Form::new(content_type)?;
    pieces.iter().try_for_each(|piece| form.push(piece))?;
    form.finish()
}

/// Checks the events of one body.
fn scan(boundary: &[u8], pieces: &[&[u8]]) {
    let Ok(mut scanner) = Scanner::new(boundary) else { return };
    let delimiter = [b"\r\n--", boundary].concat();
    let mut part: Option<Vec<u8>> = None;
    for piece in pieces {
        let mut rest = *piece;
        loop {
            let Ok((taken, event)) = scanner.scan(rest) else { return };
            rest = &rest[taken..];
            match event {
                Event::Part(_) => assert!(part.replace(Vec::new()).is_none()),
                Event::Data(data) => part.as_mut().unwrap().extend_from_slice(data),
                Event::PartEnd => {
                    let data = part.take().unwrap();
                    assert!(!data.windows(delimiter.len()).any(|window| window == delimiter));
                }
                Event::NeedMore => break,
            }
        }
        assert!(rest.is_empty());
    }
    assert!(scanner.finish().is_err() || part.is_none());
}
