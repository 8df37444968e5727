//! The vectors of `protocol.md`, run through `scaling` in this process (whole, byte by byte, with trailing data)
//! and through `tp2-scaler --stdio`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by a panic")]

use std::io::Write;
use std::process::{Command, Stdio};

use scaler::scaling::Scaling;
use scaler::wire::{self, Limits, Reply, ReplyDecoder, WireError};

#[path = "../../tests/common/vectors.rs"]
mod document;

struct Vector {
    /// Line of the block in `protocol.md`.
    line: usize,
    request: Vec<u8>,
    reply: Vec<u8>,
}

fn vectors() -> Vec<Vector> {
    let vector = |(line, lines): (usize, Vec<&str>)| {
        let mut vector = Vector { line, request: Vec::new(), reply: Vec::new() };
        for text in lines {
            match text.split_at(2) {
                ("> ", bytes) => document::unescape(bytes, &mut vector.request),
                ("< ", bytes) => document::unescape(bytes, &mut vector.reply),
                _ => unreachable!("line of a vector: {text:?}"),
            }
        }
        vector
    };
    document::blocks("```vector").into_iter().map(vector).collect()
}

/// The scaler's answer to `input` in pieces of `step` bytes, to a client that reads nothing before it has sent all.
fn answer(input: &[u8], step: usize, limits: Limits) -> Vec<u8> {
    let mut scaling = Scaling::new(limits);
    let mut replies = Vec::new();
    let mut at = 0;
    let refuse = |error: WireError| wire::emit_error(error.code(), &error.to_string());
    while at < input.len() {
        let piece = &input[at..input.len().min(at + step)];
        match scaling.push(piece) {
            Ok(consumed) => at += consumed,
            Err(error) => {
                replies.extend(refuse(error));
                return replies;
            }
        }
        if scaling.is_received() {
            while !scaling.ready().is_empty() {
                replies.extend_from_slice(scaling.ready());
                scaling.sent(scaling.ready().len()).unwrap();
            }
            scaling = Scaling::new(limits);
        }
    }
    replies.extend(scaling.finish().err().map(refuse).unwrap_or_default());
    replies
}

fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

#[test]
fn there_are_vectors() {
    assert!(vectors().len() >= 15);
}

#[test]
fn the_library_answers_them_however_they_are_cut() {
    for vector in vectors() {
        for step in [usize::MAX, 1, 2, 3, 7, 64] {
            let reply = answer(&vector.request, step.min(vector.request.len()), Limits::default());
            assert_eq!(shown(&reply), shown(&vector.reply), "line {}, in pieces of {step}", vector.line);
        }
    }
}

#[test]
fn what_follows_a_good_request_is_left_alone() {
    for vector in vectors().iter().filter(|vector| !vector.reply.windows(6).any(|bytes| bytes == b"ERROR ")) {
        for trailing in ["E", "ESCALAR 1\n", "ESCALAR 0.5\nP5\n9 9\n255\n123"] {
            let input = [vector.request.as_slice(), trailing.as_bytes()].concat();
            let reply = answer(&input, input.len(), Limits::default());
            let truncated = wire::emit_error(400, &WireError::Truncated.to_string());
            assert_eq!(
                shown(&reply),
                shown(&[vector.reply.as_slice(), &truncated].concat()),
                "line {}",
                vector.line
            );
        }
    }
}

#[test]
fn damaged_requests_get_one_verdict_however_they_are_cut() {
    let small = Limits { pixels_max: 10_000, side_max: 200 };
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap() % below
    };
    let vectors = vectors();
    for _ in 0..3000 {
        let mut bytes = vectors[random(vectors.len())].request.clone();
        for _ in 0..=random(3) {
            let at = random(bytes.len());
            match random(4) {
                0 => bytes[at] = b" \n#0159xP57\xff"[random(12)],
                1 => bytes.insert(at, b" \n#0159xP57\xff"[random(12)]),
                2 => bytes.truncate(at.max(1)),
                _ => drop(bytes.remove(at)),
            }
            if bytes.is_empty() {
                bytes.push(b'\n');
            }
        }
        let whole = answer(&bytes, bytes.len(), small);
        for step in [1, 3, 1 + random(50)] {
            assert_eq!(shown(&answer(&bytes, step, small)), shown(&whole), "{} by {step}", shown(&bytes));
        }
    }
}

#[test]
fn a_client_understands_the_replies_however_they_are_cut() {
    for vector in vectors() {
        for step in [usize::MAX, 1, 2, 5] {
            let mut replies = ReplyDecoder::new(Limits::default(), wire::allocate);
            let mut emitted = Vec::new();
            let mut rest = vector.reply.as_slice();
            while !rest.is_empty() {
                let consumed = replies.push(&rest[..step.min(rest.len())]).unwrap();
                rest = &rest[consumed..];
                match replies.take() {
                    Some(Reply::Image(raster)) => {
                        emitted.extend(wire::emit_reply_head(raster.width, raster.height, raster.channels));
                        emitted.extend(raster.samples);
                    }
                    Some(Reply::Error { code, reason }) => emitted.extend(wire::emit_error(code, &reason)),
                    None => {}
                }
            }
            assert_eq!(shown(&emitted), shown(&vector.reply), "line {}, in pieces of {step}", vector.line);
            assert_eq!(replies.finish(), Ok(()));
        }
    }
}

#[test]
fn the_binary_answers_them_by_stdio() {
    for vector in vectors() {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tp2-scaler"));
        command.arg("--stdio").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        // Small enough for the pipe, so that nothing waits for anything here.
        process.stdin.take().unwrap().write_all(&vector.request).unwrap();
        let output = process.wait_with_output().unwrap();
        assert_eq!(shown(&output.stdout), shown(&vector.reply), "line {}", vector.line);
        let refused = vector.reply.windows(6).any(|bytes| bytes == b"ERROR ");
        assert_eq!(output.status.code(), Some(if refused { 64 } else { 0 }), "line {}", vector.line);
    }
}
