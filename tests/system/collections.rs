//! The whole server against raw requests and multipart bodies collected from other sources, on real sockets.
//!
//! `TP2_CORPUS_HTTP1` and `TP2_CORPUS_MULTIPART` name the collections; `tests/http_corpus.rs` checks only the
//! parsers. Each case is sent whole and byte by byte; then the client closes its side, so that the answers are
//! complete without a time-out: where a case waits for more input, the answer is one to a truncated request.
use std::fs;
use std::net::{Shutdown, SocketAddr};

use super::common::collections::{Score, directory, index, requests_in};
use super::common::{Client, Server, request};

/// One answer: its status and, for an error, its kind and text.
#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    slug: String,
    detail: String,
}

impl Answer {
    /// It refuses the bytes, not what they ask for; an unknown method and a body that is too long count as well.
    fn is_refusal(&self) -> bool {
        matches!(&*self.slug, "cabecera" | "cuerpo-mal-enmarcado" | "tls")
            || matches!(self.status, 405 | 413 | 414 | 417 | 431)
    }

    /// What this server refuses by its contract although others accept it: transfer codings besides `chunked`, in one
    /// field or in several, and folded lines.
    fn is_stricter(&self) -> bool {
        self.status == 501
            || self.detail.contains("transfer-encoding está repetido")
            || self.detail.starts_with("una línea empieza con espacio")
    }

    fn is_of_cut_request(&self) -> bool {
        self.slug == "peticion-incompleta"
    }
}

/// Sends a case in pieces of this size; returns all answers until the server closes.
fn answers(address: SocketAddr, bytes: &[u8], piece: usize) -> Vec<Answer> {
    let mut client = Client::connect(address);
    if bytes.chunks(piece).all(|bytes| client.try_send(bytes)) {
        // It may have closed already.
        let _ = client.stream.shutdown(Shutdown::Write);
    }
    let all = client.rest();
    let mut answers = Vec::new();
    let mut rest = &all[..];
    while !rest.is_empty() {
        let end = memchr::memmem::find(rest, b"\r\n\r\n").expect("whole answers") + 4;
        let head = String::from_utf8(rest[..end].to_vec()).unwrap();
        let status: u16 = head["HTTP/1.1 ".len()..][..3].parse().unwrap();
        rest = &rest[end..];
        if status == 100 {
            continue;
        }
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let length: usize = length.map_or(0, |text| text.parse().unwrap());
        // The answer to HEAD announces a body that it does not have.
        let body = if rest.starts_with(b"HTTP/1.1 ") { b"" } else { &rest[..length.min(rest.len())] };
        rest = &rest[body.len()..];
        let problem: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |member: &str| problem[member].as_str().unwrap_or_default().to_owned();
        let slug = text("type").replace("urn:tp2:error:", "");
        answers.push(Answer { status, slug, detail: text("detail") });
    }
    answers
}

#[test]
fn raw_requests() {
    let Some(directory) = directory("TP2_CORPUS_HTTP1") else { return };
    let server = Server::start(&["-q"]);
    for by_byte in [false, true] {
        let mut score = Score::default();
        let mut by_contract = 0;
        for row in index(&directory) {
            let bytes = fs::read(directory.join(&row["file"])).expect("a case");
            let piece = if by_byte { bytes.len() / 2000 + 1 } else { bytes.len().max(1) };
            let answers = answers(server.address(), &bytes, piece);
            let requests = requests_in(&row);
            let refused = answers.iter().any(Answer::is_refusal);
            let waits = answers.last().is_none_or(Answer::is_of_cut_request);
            let good = match row["expect"].as_str() {
                "ok" if answers.first().is_some_and(Answer::is_stricter) => {
                    by_contract += 1;
                    true
                }
                "ok" => {
                    let read = |answer: &&Answer| !answer.is_refusal() || answer.status == 405;
                    answers.iter().take_while(read).count() >= requests
                }
                // This server may accept what is wrong with it, as long as it does nothing for it.
                "refuse" => refused || answers.iter().all(|answer| answer.status >= 400),
                "wait" => waits,
                "refuse-or-wait" => refused || waits,
                _ => true,
            };
            score.note(&row["expect"], good, &row["id"], &answers);
            if row["expect"] == "refuse" {
                score.note("refuse, as unreadable", refused, &row["id"], &answers);
            }
            if matches!(&*row["kind"], "full") || row["kind"].starts_with("pipeline:") {
                score.note("no answer too many", answers.len() <= requests, &row["id"], &answers);
            }
        }
        println!("refused by contract although others bear it: {by_contract}");
        score.assert_at_least("ok", 98);
        score.assert_at_least("refuse", 99);
        score.assert_at_least("refuse, as unreadable", 98);
        score.assert_at_least("wait", 100);
        score.assert_at_least("refuse-or-wait", 100);
        score.assert_at_least("no answer too many", 99);
    }
    assert!(server.is_healthy());
}

#[test]
fn multipart_bodies() {
    let Some(directory) = directory("TP2_CORPUS_MULTIPART") else { return };
    let server = Server::start(&["-q"]);
    let mut score = Score::default();
    for row in index(&directory) {
        let body = fs::read(directory.join(&row["body"])).expect("a case");
        let content_type = format!("Content-Type: {}", row["content_type"]);
        let body_is_empty = body.is_empty();
        let sent = if row["transfer"] == "chunked-raw" {
            [request("POST", "/", &[&content_type, "Transfer-Encoding: chunked"], b""), body].concat()
        } else {
            request("POST", "/", &[&content_type], &body)
        };
        for piece in [sent.len(), 1 + sent.len() / 4000] {
            let answers = answers(server.address(), &sent, piece);
            let [answer] = &answers[..] else { panic!("{}: {answers:?}", row["id"]) };
            // A picture, or a form that was read and has none.
            let read = matches!(answer.status, 200 | 415) || answer.slug == "falta-la-imagen";
            let good = match row["expect"].as_str() {
                "accept" => read || answer.slug == "imagen-ilegible",
                // Without a body, its form is not checked.
                "reject" => answer.status == if body_is_empty { 415 } else { 400 },
                _ => true,
            };
            score.note(&row["expect"], good, &row["id"], answer);
        }
    }
    score.assert_at_least("accept", 98);
    score.assert_at_least("reject", 99);
    assert!(server.is_healthy());
}
