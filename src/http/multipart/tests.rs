use super::*;
use crate::http::limit::Limit;

/// A part as the tests see it: name, file name, data.
type Part = (String, Option<String>, Vec<u8>);

/// Scans `pieces` and gathers the parts, asserting the order of the events.
fn gather<'p>(
    boundary: &str,
    pieces: impl IntoIterator<Item = &'p [u8]>,
) -> Result<(Vec<Part>, usize), MultipartError> {
    let mut scanner = Scanner::new(boundary.as_bytes())?;
    let mut parts: Vec<Part> = Vec::new();
    let mut open = false;
    for piece in pieces {
        let mut rest = piece;
        loop {
            let (taken, event) = scanner.scan(rest)?;
            rest = &rest[taken..];
            match event {
                Event::Part(head) => {
                    assert!(!open);
                    open = true;
                    parts.push((head.name, head.file_name, Vec::new()));
                }
                Event::Data(data) => {
                    assert!(open && !data.is_empty());
                    parts.last_mut().unwrap().2.extend_from_slice(data);
                }
                Event::PartEnd => {
                    assert!(open);
                    open = false;
                }
                Event::NeedMore => {
                    assert!(rest.is_empty());
                    break;
                }
            }
        }
    }
    let work = scanner.work;
    scanner.finish()?;
    assert!(!open);
    Ok((parts, work))
}

/// Scans whole, byte by byte, in small pieces, and cut in two at every place; all must agree.
fn scan(boundary: &str, body: &[u8]) -> Result<Vec<Part>, MultipartError> {
    let parts = |result: Result<(Vec<Part>, usize), MultipartError>| result.map(|(parts, _)| parts);
    let whole = parts(gather(boundary, [body]));
    for step in [1, 2, 3, 5, 7, 11, 13, 64] {
        assert_eq!(
            parts(gather(boundary, body.chunks(step))),
            whole,
            "{step} a time: {}",
            body.escape_ascii()
        );
    }
    if body.len() < 4096 {
        for cut in 0..=body.len() {
            let (a, b) = body.split_at(cut);
            assert_eq!(parts(gather(boundary, [a, b])), whole, "cut at {cut}: {}", body.escape_ascii());
        }
    }
    whole
}

fn part(name: &str, file_name: Option<&str>, data: &[u8]) -> Part {
    (name.to_owned(), file_name.map(str::to_owned), data.to_vec())
}

/// A body with the boundary `xyz` and one part `a` that holds `data`.
fn holding(data: &[u8]) -> Vec<u8> {
    [b"--xyz\r\nContent-Disposition: form-data; name=a\r\n\r\n", data, b"\r\n--xyz--\r\n"].concat()
}

#[test]
fn bodies_of_real_clients() {
    // Firefox: a file and a field; a boundary of dashes and digits.
    let firefox = b"-----------------------------9051914041544843365972754266\r\n\
        Content-Disposition: form-data; name=\"escala\"\r\n\r\n0.5\r\n\
        -----------------------------9051914041544843365972754266\r\n\
        Content-Disposition: form-data; name=\"imagen\"; filename=\"ni\xc3\xb1o \\\"a\\\".gif\"\r\n\
        Content-Type: image/gif\r\n\r\nGIF89a\r\n\r\n\r\n\
        -----------------------------9051914041544843365972754266--\r\n";
    assert_eq!(
        scan("---------------------------9051914041544843365972754266", firefox),
        Ok(vec![part("escala", None, b"0.5"), part("imagen", Some("niño \"a\".gif"), b"GIF89a\r\n\r\n")])
    );
    // Chrome: a file input that was left empty, quotes as %22.
    let chrome = b"------WebKitFormBoundary7MA4YWxkTrZu0gW\r\n\
        Content-Disposition: form-data; name=\"imagen\"; filename=\"\"\r\n\
        Content-Type: application/octet-stream\r\n\r\n\r\n\
        ------WebKitFormBoundary7MA4YWxkTrZu0gW\r\n\
        Content-Disposition: form-data; name=\"a%22b\"\r\n\r\n\r\n\
        ------WebKitFormBoundary7MA4YWxkTrZu0gW--\r\n";
    assert_eq!(
        scan("----WebKitFormBoundary7MA4YWxkTrZu0gW", chrome),
        Ok(vec![part("imagen", Some(""), b""), part("a%22b", None, b"")])
    );
    // Internet Explorer 6: the whole path, in a code page of its own.
    let explorer = b"-----------------------------7d91b03a20128\r\n\
        Content-Disposition: form-data; name=\"file1\"; filename=\"C:\\fotos\\ni\xf1o.bmp\"\r\n\
        Content-Type: image/bmp\r\n\r\nBM\r\n-----------------------------7d91b03a20128--\r\n";
    assert_eq!(
        scan("---------------------------7d91b03a20128", explorer),
        Ok(vec![part("file1", Some("C:\\fotos\\ni\u{fffd}o.bmp"), b"BM")])
    );
    // curl, with a Content-Type before the disposition as some libraries write it.
    let curl = b"--------------------------d74496d66958873e\r\nContent-Type: image/png\r\n\
        content-disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\n\x89PNG\
        \r\n--------------------------d74496d66958873e--\r\n";
    assert_eq!(
        scan("------------------------d74496d66958873e", curl),
        Ok(vec![part("file", Some("a.png"), b"\x89PNG")])
    );
    // requests (Python): no CR LF behind the last boundary of some versions, filename* for others.
    let requests = b"--02b0e2b1\r\nContent-Disposition: form-data; name=\"image\"; \
        filename*=utf-8''%C3%B1.jpg\r\n\r\n\xff\xd8\r\n--02b0e2b1--";
    assert_eq!(scan("02b0e2b1", requests), Ok(vec![part("image", Some("ñ.jpg"), b"\xff\xd8")]));
}

#[test]
fn data_that_looks_like_a_boundary() {
    let nearly: &[&[u8]] = &[
        b"",
        b"\r",
        b"\n",
        b"\r\n",
        b"\r\n\r\n",
        b"--xyz",
        b"--xyz--",
        b"\n--xyz--",
        b"\r--xyz--",
        b"\r\n-",
        b"\r\n--",
        b"\r\n--x",
        b"\r\n--xy",
        b"\r\n--xy\r\n--xy",
        b"\r\n--xyy",
        b"\r\n-\r\n--\r\n--x\r\n--xy\r\r\n--x",
        b"\r\n\r\n--xy",
        b"\r\r\r\r",
        b"a\r\n --xyz",
        b"\r\n---xyz",
        b"\r\n--Xyz",
        b"\0\xff\r\n--xy\0",
    ];
    for data in nearly {
        assert_eq!(scan("xyz", &holding(data)), Ok(vec![part("a", None, data)]), "{}", data.escape_ascii());
    }
    for boundary in ["\"", "'()+_,-./:=?", "a b", &"x".repeat(70)] {
        let body = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n-\r\n--\r\n--{boundary}--"
        );
        let data =
            body.split("\r\n\r\n").nth(1).unwrap().strip_suffix(&format!("\r\n--{boundary}--")).unwrap();
        assert_eq!(scan(boundary, body.as_bytes()), Ok(vec![part("a", None, data.as_bytes())]), "{boundary}");
    }
}

#[test]
fn what_surrounds_the_parts() {
    let one = Ok(vec![part("a", None, b"1")]);
    for (before, after) in [
        ("", ""),
        ("\r\n", "\r\n"),
        ("\r\n\r\n", "\r\n\r\n"),
        ("preamble\r\n", "\r\nepilogue"),
        ("--xy\r\n--xy\r\n", "-- \r\n--xyz\r\nnot a part\r\n\r\n"),
        ("x--xyz\r\n\r\n", "junk"),
    ] {
        let body =
            format!("{before}--xyz\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--xyz--{after}");
        assert_eq!(scan("xyz", body.as_bytes()), one, "{body:?}");
    }
    let padded = b"--xyz \t \r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--xyz\t\r\n\
        Content-Disposition: form-data; name=b\r\n\r\n\r\n--xyz--";
    assert_eq!(scan("xyz", padded), Ok(vec![part("a", None, b"1"), part("b", None, b"")]));
    assert_eq!(scan("xyz", b"--xyz--"), Ok(vec![]));
    assert_eq!(scan("xyz", b"--xyz--\r\n"), Ok(vec![]));
}

#[test]
fn part_heads() {
    for (head, name, file_name) in [
        ("Content-Disposition: form-data; name=\"a\"", "a", None),
        ("CONTENT-DISPOSITION:form-data;NAME=a;FileName=b", "a", Some("b")),
        ("X: y\r\nContent-Disposition: form-data; name=\"a; filename=b\"", "a; filename=b", None),
        ("Content-Disposition: attachment; name=a; filename=\"\"", "a", Some("")),
        ("Content-Disposition: form-data; filename=b", "", Some("b")),
        ("Content-Disposition: form-data", "", None),
    ] {
        let body = format!("--xyz\r\n{head}\r\n\r\n1\r\n--xyz--");
        assert_eq!(scan("xyz", body.as_bytes()), Ok(vec![part(name, file_name, b"1")]), "{head}");
    }
    for (head, error) in [
        ("", MultipartError::Disposition),
        ("\r\na\nb\r\n", MultipartError::Disposition),
        ("Content-Type: image/png\r\n", MultipartError::Disposition),
        ("Content-Disposition form-data\r\n", MultipartError::Head),
        ("Content-Disposition : form-data; name=a\r\n", MultipartError::Head),
        (": form-data; name=a\r\n", MultipartError::Head),
        ("Content-Disposition: form-data; name=\"a\r\n", MultipartError::Head),
        ("Content-Disposition: form-data; name=a\nX: y\r\n", MultipartError::Head),
        ("Content-Disposition: form-data; name=a\0\r\n", MultipartError::Head),
        (&"X: y\r\n".repeat(17), MultipartError::Head),
    ] {
        let body = format!("--xyz\r\n{head}\r\n1\r\n--xyz--");
        assert_eq!(scan("xyz", body.as_bytes()), Err(error), "{head:?}");
    }
}

#[test]
fn faults_around_boundaries() {
    for (body, error) in [
        (&b""[..], MultipartError::Truncated),
        (b"no boundary at all", MultipartError::Truncated),
        (b"--xyz", MultipartError::Truncated),
        (b"--xyz-", MultipartError::Truncated),
        (b"--xyz\r\nContent-Disposition: form-data; name=a\r\n\r\n1", MultipartError::Truncated),
        (b"--xyz\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--xyz\r\n", MultipartError::Truncated),
        (b"--xyz\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--xy--", MultipartError::Truncated),
        (b"--xyz\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--xyz0", MultipartError::Delimiter),
        (b"--xyz\n\n", MultipartError::Delimiter),
        (b"--xyz\rX", MultipartError::Delimiter),
        (b"--xyz-X", MultipartError::Delimiter),
        (b"--xyz x\r\n", MultipartError::Delimiter),
    ] {
        assert_eq!(scan("xyz", body), Err(error), "{}", body.escape_ascii());
        assert_eq!(error.status(), 400);
        assert!(!error.to_string().is_empty());
    }
    for boundary in ["", "a ", "a\r", "a\n", "\u{e9}", "a\0"] {
        assert_eq!(Scanner::new(boundary.as_bytes()).err(), Some(MultipartError::Boundary), "{boundary:?}");
    }
    let long = Scanner::new("x".repeat(BOUNDARY_MAX + 1).as_bytes()).unwrap_err();
    assert_eq!(long, MultipartError::BoundaryTooLong { length: 71 });
    assert!(Scanner::new("x".repeat(BOUNDARY_MAX).as_bytes()).is_ok());
}

#[test]
fn a_limit_is_told_with_its_value_and_what_came() {
    for (error, name, max, received) in [
        (MultipartError::BoundaryTooLong { length: 90 }, "boundary", 70, 90),
        (MultipartError::HeadTooLong, "cabecera de una parte", 8192, 8193),
        (MultipartError::TooManyParts, "partes", 128, 129),
        (MultipartError::PreambleTooLong, "preámbulo", 65_536, 65_537),
        (MultipartError::EpilogueTooLong, "epílogo", 65_536, 65_537),
    ] {
        assert_eq!(error.limit(), Some(Limit { name, max, received }));
        let text = error.to_string();
        assert!(text.contains(&max.to_string()) && text.contains(&received.to_string()), "{text}");
    }
    assert_eq!(MultipartError::Truncated.limit(), None);
}

#[test]
fn limits_hold_at_their_byte() {
    let preamble = |n: usize| [&vec![b'p'; n][..], b"\r\n--xyz--"].concat();
    assert_eq!(scan("xyz", &preamble(PREAMBLE_MAX - 2)), Ok(vec![]));
    assert_eq!(scan("xyz", &preamble(PREAMBLE_MAX - 1)), Err(MultipartError::PreambleTooLong));
    let epilogue = |n: usize| [b"--xyz--", &vec![b'e'; n][..]].concat();
    assert_eq!(scan("xyz", &epilogue(EPILOGUE_MAX)), Ok(vec![]));
    assert_eq!(scan("xyz", &epilogue(EPILOGUE_MAX + 1)), Err(MultipartError::EpilogueTooLong));
    let head = |n: usize| {
        let fixed = b"Content-Disposition: form-data; name=a\r\nX: ";
        let fill = vec![b'x'; n - fixed.len() - 4];
        [b"--xyz\r\n", &fixed[..], &fill, b"\r\n\r\n1\r\n--xyz--"].concat()
    };
    assert_eq!(scan("xyz", &head(HEAD_MAX)), Ok(vec![part("a", None, b"1")]));
    assert_eq!(scan("xyz", &head(HEAD_MAX + 1)), Err(MultipartError::HeadTooLong));
    let parts = |n: usize| {
        [b"--xyz\r\nContent-Disposition: form-data\r\n\r\n\r\n".repeat(n), b"--xyz--".to_vec()].concat()
    };
    assert_eq!(scan("xyz", &parts(PARTS_MAX)).map(|parts| parts.len()), Ok(PARTS_MAX));
    assert_eq!(scan("xyz", &parts(PARTS_MAX + 1)), Err(MultipartError::TooManyParts));
}

/// Ten thousand tiny parts are refused when the 129th begins, not when the body is there.
#[test]
fn many_parts_are_refused_early() {
    let tiny = b"--xyz\r\nContent-Disposition: form-data\r\n\r\n\r\n".repeat(10_000);
    let mut scanner = Scanner::new(b"xyz").unwrap();
    let (mut rest, mut read) = (&tiny[..], 0);
    let error = loop {
        match scanner.scan(rest) {
            Ok((taken, _)) => {
                read += taken;
                rest = &rest[taken..];
            }
            Err(error) => break error,
        }
    };
    assert_eq!(error, MultipartError::TooManyParts);
    assert!(read <= 130 * 45, "{read} bytes");
}

/// Every byte is checked once, or twice where a cut made it part of a false boundary.
#[test]
fn work_is_linear_in_the_body() {
    let bodies = [
        holding(&b"\r\n--xy".repeat(20_000)),
        holding(&b"\r".repeat(100_000)),
        holding(&b"\r\n--".repeat(30_000)),
        holding(&vec![b'x'; 100_000]),
        [vec![b'p'; 60_000], b"\r\n".to_vec(), holding(b"1")].concat(),
    ];
    for body in bodies {
        for step in [1, 2, 6, 7, 8, 100, body.len()] {
            let (_, work) = gather("xyz", body.chunks(step)).unwrap();
            assert!(work <= 2 * body.len(), "{work} for {} in pieces of {step}", body.len());
        }
    }
}
