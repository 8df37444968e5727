use super::*;

/// Decodes `input` offered in pieces of `step` bytes: the body if it is complete, and what lies behind it.
fn decode(framing: Framing, input: &[u8], step: usize) -> Result<(Vec<u8>, bool, Vec<u8>), BodyError> {
    let mut decoder = BodyDecoder::new(framing);
    let (mut body, mut behind) = (Vec::new(), Vec::new());
    let mut done = decoder.decode(b"") == Ok((0, BodyEvent::Done));
    for piece in input.chunks(step) {
        let mut rest = piece;
        loop {
            let (taken, event) = decoder.decode(rest)?;
            match event {
                BodyEvent::Data(data) => {
                    assert!(!data.is_empty());
                    assert!(rest[..taken].ends_with(data));
                    body.extend_from_slice(data);
                }
                BodyEvent::NeedMore => {
                    assert_eq!(taken, rest.len());
                    assert!(!done);
                }
                BodyEvent::Done => done = true,
            }
            rest = &rest[taken..];
            if !matches!(event, BodyEvent::Data(_)) {
                break;
            }
        }
        behind.extend_from_slice(rest);
    }
    Ok((body, done, behind))
}

/// Decodes whole, byte by byte, and with trailing data; all must agree.
fn chunked(input: &[u8]) -> Result<Option<Vec<u8>>, BodyError> {
    let whole = decode(Framing::Chunked, input, input.len().max(1));
    for step in [1, 2, 7] {
        assert_eq!(decode(Framing::Chunked, input, step), whole, "{step} a time: {}", input.escape_ascii());
    }
    let (body, done, behind) = whole?;
    if done && behind.is_empty() {
        let more = [input, b"GET /"].concat();
        for step in [1, more.len()] {
            assert_eq!(decode(Framing::Chunked, &more, step), Ok((body.clone(), true, b"GET /".to_vec())));
        }
    }
    Ok(done.then_some(body))
}

#[test]
fn announced_lengths() {
    for step in [1, 3, 100] {
        assert_eq!(decode(Framing::None, b"GET", step), Ok((vec![], true, b"GET".to_vec())));
        assert_eq!(decode(Framing::Length(0), b"GET", step), Ok((vec![], true, b"GET".to_vec())));
        assert_eq!(
            decode(Framing::Length(5), b"helloGET", step),
            Ok((b"hello".to_vec(), true, b"GET".to_vec()))
        );
        assert_eq!(decode(Framing::Length(5), b"hell", step), Ok((b"hell".to_vec(), false, vec![])));
    }
    let mut decoder = BodyDecoder::new(Framing::Length(u64::MAX));
    assert_eq!(decoder.decode(b"abc"), Ok((3, BodyEvent::Data(b"abc"))));
}

#[test]
fn chunks() {
    for (input, body) in [
        (&b"0\r\n\r\n"[..], &b""[..]),
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"1\r\nh\r\n4\r\nello\r\n0\r\n\r\n", b"hello"),
        (b"000005\r\nhello\r\n000\r\n\r\n", b"hello"),
        (b"a\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
        (b"A\r\n\r\n0\r\n\r\n\r\n\n\r\n0\r\n\r\n", b"\r\n0\r\n\r\n\r\n\n"),
        (b"0000000000000001\r\nx\r\n0\r\n\r\n", b"x"),
        (b"1;a\r\nx\r\n0;b=c\r\n\r\n", b"x"),
        (b"0\r\nA: b\r\nC:\r\n\r\n", b""),
        (b"0\r\nHostA: b\r\nTransfer-EncodingX: y\r\nHos: t\r\nContent-Type: z\r\n\r\n", b""),
    ] {
        assert_eq!(chunked(input), Ok(Some(body.to_vec())), "{}", input.escape_ascii());
    }
    assert_eq!(chunked(b"1 ; a = b ;c\t=\t\"d;\\\"\t=\"\r\nx\r\n0\r\n\r\n"), Ok(Some(b"x".to_vec())));
    for unfinished in [
        "",
        "5",
        "5\r",
        "5\r\n",
        "5\r\nhel",
        "5\r\nhello",
        "5\r\nhello\r\n",
        "0\r\n",
        "0\r\nA: b\r\n",
        "0\r\n\r",
    ] {
        assert_eq!(chunked(unfinished.as_bytes()), Ok(None), "{unfinished:?}");
    }
}

#[test]
fn faults_in_chunk_framing() {
    for (input, error) in [
        (&b"\r\n"[..], BodyError::ChunkSize),
        (b"x", BodyError::ChunkSize),
        (b"+5\r\n", BodyError::ChunkSize),
        (b"-5\r\n", BodyError::ChunkSize),
        (b" 5\r\n", BodyError::ChunkSize),
        (b"0x5\r\n", BodyError::ChunkSize),
        (b"5_0\r\n", BodyError::ChunkSize),
        (b"5\n", BodyError::ChunkSize),
        (b"5\rx", BodyError::ChunkSize),
        (b";a\r\n", BodyError::ChunkSize),
        (b"fffffffffffffffff\r\n", BodyError::ChunkSize),
        (b"00000000000000001\r\n", BodyError::ChunkSize),
        (b"5 \r\n", BodyError::Extension),
        (b"5 5\r\n", BodyError::Extension),
        (b"5;\r\n", BodyError::Extension),
        (b"5;a\n", BodyError::Extension),
        (b"5;a=\r\n", BodyError::Extension),
        (b"5;a=\"b\r\n", BodyError::Extension),
        (b"5;a=\"\\\r\n", BodyError::Extension),
        (b"5;a=\"b\n\"\r\n", BodyError::Extension),
        (b"5;a=b\x00\r\n", BodyError::Extension),
        (b"5;a=b \r\n", BodyError::Extension),
        (b"5\r\nhelloX", BodyError::ChunkEnd),
        (b"5\r\nhello\n", BodyError::ChunkEnd),
        (b"5\r\nhello\r\r", BodyError::ChunkEnd),
        (b"5\r\nhello0\r\n", BodyError::ChunkEnd),
        (b"0\r\n\n", BodyError::Trailer),
        (b"0\r\n\rX", BodyError::Trailer),
        (b"0\r\nA b\r\n", BodyError::Trailer),
        (b"0\r\n A: b\r\n", BodyError::Trailer),
        (b"0\r\nA: b\n", BodyError::Trailer),
        (b"0\r\nA: b\rX", BodyError::Trailer),
        (b"0\r\nA : b\r\n", BodyError::Trailer),
        (b"0\r\nA: \0\r\n", BodyError::Trailer),
        (b"0\r\nContent-Length: 0\r\n\r\n", BodyError::TrailerForbidden),
        (b"0\r\nA: b\r\nTRANSFER-ENCODING:\r\n\r\n", BodyError::TrailerForbidden),
        (b"0\r\nhost: a\r\n\r\n", BodyError::TrailerForbidden),
        (b"0\r\nGET / HTTP/1.1\r\n", BodyError::Trailer),
    ] {
        assert_eq!(chunked(input), Err(error), "{}", input.escape_ascii());
        assert_eq!(error.status(), 400);
    }
}

#[test]
fn what_is_ignored_is_bounded() {
    let extension = |n: usize| [b"1;", &vec![b'a'; n - 1][..], b"\r\nx\r\n0\r\n\r\n"].concat();
    assert_eq!(decode(Framing::Chunked, &extension(EXTENSION_MAX), 1000).map(|(_, done, _)| done), Ok(true));
    assert_eq!(
        decode(Framing::Chunked, &extension(EXTENSION_MAX + 1), 1000),
        Err(BodyError::ExtensionTooLong)
    );
    // All extensions of a body together.
    let many = b"1;abcdefg\r\nx\r\n".repeat(EXTENSION_MAX / 8 + 1);
    assert_eq!(decode(Framing::Chunked, &many, 1000), Err(BodyError::ExtensionTooLong));
    let trailer =
        b"0\r\nA: b\r\n".iter().copied().chain(b"A: b\r\n".iter().copied().cycle().take(TRAILER_MAX));
    assert_eq!(decode(Framing::Chunked, &trailer.collect::<Vec<_>>(), 1000), Err(BodyError::TrailerTooLong));
}

#[test]
fn a_fault_stays_one() {
    let mut decoder = BodyDecoder::new(Framing::Chunked);
    assert_eq!(decoder.decode(b"5\r\nhe"), Ok((5, BodyEvent::Data(b"he"))));
    assert_eq!(decoder.decode(b"llo"), Ok((3, BodyEvent::Data(b"llo"))));
    assert_eq!(decoder.decode(b"!"), Err(BodyError::ChunkEnd));
    assert_eq!(decoder.decode(b"!"), Err(BodyError::ChunkEnd));
}
