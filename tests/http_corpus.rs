//! The parsers against raw requests and multipart bodies collected from other sources.
//!
//! `TP2_CORPUS_HTTP1` and `TP2_CORPUS_MULTIPART` name the collections. Of the application's refusals, only unknown
//! methods and announced lengths are checked here; `tests/system/collections.rs` checks the whole server. Run with
//! `--nocapture` to see the cases with different verdicts.
#![expect(clippy::expect_used, reason = "a test's own functions, not only the test itself")]

use std::fs;

use tp2::http::body::{BodyDecoder, BodyEvent};
use tp2::http::buf::RecvBuf;
use tp2::http::form::{self, Form};
use tp2::http::head::{Framing, HeadLimits, Method, RequestHead, poll_head};

#[path = "common/collections.rs"]
mod collections;

use collections::{Score, directory, index, requests_in};

/// The parsers' verdict on a connection's bytes.
#[derive(Debug, PartialEq)]
enum Verdict {
    /// So many whole requests, and nothing after them.
    Whole(usize),
    /// So many whole requests, and the beginning of one more.
    Wait(usize),
    /// So many whole requests, and then this.
    Refused(usize, String),
}

/// Reads requests from `input` as a server that receives `step` bytes at a time.
fn serve(input: &[u8], step: usize) -> Verdict {
    let mut recv = RecvBuf::new(usize::MAX);
    let mut body: Option<BodyDecoder> = None;
    let mut whole = 0;
    for piece in input.chunks(step) {
        recv.extend(piece);
        loop {
            let Some(decoder) = &mut body else {
                match poll_head(&mut recv, &HeadLimits::default()) {
                    Ok(Some(head)) if let Some(status) = application(&head) => {
                        return Verdict::Refused(whole, format!("{status} by the application"));
                    }
                    Ok(Some(head)) => body = Some(BodyDecoder::new(head.framing())),
                    Ok(None) => break,
                    Err(error) => return Verdict::Refused(whole, format!("{} {error:?}", error.status())),
                }
                continue;
            };
            let (taken, event) = match decoder.decode(recv.data()) {
                Ok((taken, event)) => (taken, event),
                Err(error) => return Verdict::Refused(whole, format!("{} {error:?}", error.status())),
            };
            let (done, more) = (event == BodyEvent::Done, event == BodyEvent::NeedMore);
            recv.consume(taken);
            if done {
                whole += 1;
                body = None;
            } else if more {
                break;
            }
        }
    }
    if body.is_none() && recv.is_empty() { Verdict::Whole(whole) } else { Verdict::Wait(whole) }
}

/// The status with which the application refuses a head by itself, whatever its target.
fn application(head: &RequestHead) -> Option<u16> {
    match (head.method(), head.framing()) {
        (Method::Other(_), _) => Some(405),
        (_, Framing::Length(length)) if length > 32 << 20 => Some(413),
        _ => None,
    }
}

/// What this server refuses although other servers accept it: transfer codings besides `chunked`, in one field or in
/// several, and folded lines. The documentation says so.
const STRICTER: [&str; 3] = ["CodingUnknown", "\"transfer-encoding\"", "Folded"];

#[test]
fn raw_requests() {
    let Some(directory) = directory("TP2_CORPUS_HTTP1") else { return };
    let mut score = Score::default();
    for row in index(&directory) {
        let input = fs::read(directory.join(&row["file"])).expect("a case");
        let verdict = serve(&input, input.len().max(1));
        for step in [1, 2, 5] {
            assert_eq!(serve(&input, step), verdict, "{step} bytes a time: {}", row["id"]);
        }
        let answers = requests_in(&row);
        let good = match (row["expect"].as_str(), &verdict) {
            ("ok", Verdict::Refused(_, reason)) if reason.starts_with("405") => true,
            ("ok", Verdict::Refused(0, reason)) if STRICTER.iter().any(|one| reason.contains(one)) => true,
            ("ok", Verdict::Whole(n) | Verdict::Wait(n) | Verdict::Refused(n, _)) => *n >= answers,
            ("refuse", verdict) => matches!(verdict, Verdict::Refused(..)),
            ("wait", verdict) => matches!(verdict, Verdict::Wait(_)),
            ("refuse-or-wait", verdict) => !matches!(verdict, Verdict::Whole(_)),
            _ => true,
        };
        score.note(&row["expect"], good, &row["id"], &verdict);
    }
    score.assert_at_least("ok", 98);
    score.assert_at_least("refuse", 99);
    score.assert_at_least("wait", 100);
    score.assert_at_least("refuse-or-wait", 100);
}

#[test]
fn multipart_bodies() {
    let Some(directory) = directory("TP2_CORPUS_MULTIPART") else { return };
    let mut score = Score::default();
    for row in index(&directory) {
        let body = fs::read(directory.join(&row["body"])).expect("a case");
        let content_type = row["content_type"].as_bytes();
        let upload = |step: usize| {
            if !form::is_form(content_type) {
                return Err("not a form".to_owned());
            }
            let mut form = Form::new(content_type).map_err(|error| format!("{error:?}"))?;
            body.chunks(step).try_for_each(|piece| form.push(piece)).map_err(|error| format!("{error:?}"))?;
            form.finish().map_err(|error| format!("{error:?}"))
        };
        let verdict = upload(body.len().max(1));
        for step in [1, 2, 5] {
            assert_eq!(upload(step), verdict, "{step} bytes a time: {}", row["id"]);
        }
        let good = match row["expect"].as_str() {
            "accept" => verdict.is_ok(),
            "reject" => verdict.is_err(),
            _ => true,
        };
        score.note(&row["expect"], good, &row["id"], &verdict.map(|upload| upload.names_seen));
    }
    score.assert_at_least("accept", 98);
    score.assert_at_least("reject", 99);
}
