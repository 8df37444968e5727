//! The netcat vectors of `protocol.md`, over real sockets: as a whole, in single bytes, and with something behind them.
use super::common::Server;
use super::common::vectors::{blocks, unescape};

struct Vector {
    /// Line of the block in `protocol.md`.
    line: usize,
    sent: Vec<u8>,
    half_close: bool,
    answer: Vec<u8>,
    /// `answer` is only its beginning.
    more: bool,
}

fn vectors(fence: &str) -> Vec<Vector> {
    let vector = |(line, lines): (usize, Vec<&str>)| {
        let mut vector = Vector { line, sent: vec![], half_close: false, answer: vec![], more: false };
        for text in lines {
            match text.split_at(text.len().min(2)) {
                ("> ", bytes) if !vector.half_close => unescape(bytes, &mut vector.sent),
                ("|", "") => vector.half_close = true,
                ("< ", bytes) if !vector.more => {
                    vector.more = bytes.ends_with('…');
                    unescape(bytes.trim_end_matches('…'), &mut vector.answer);
                }
                _ => unreachable!("line of a vector: {text:?}"),
            }
        }
        vector
    };
    blocks(fence).into_iter().map(vector).collect()
}

/// Sends this in such pieces, half-closes if the vector says so, and reads until the server closes.
fn check(server: &Server, vector: &Vector, sent: &[u8], step: usize) {
    let mut client = server.client();
    for piece in sent.chunks(step) {
        // It may have been refused before the last byte.
        client.try_send(piece);
    }
    if vector.half_close {
        client.half_close();
    }
    let answer = client.rest();
    let shown = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let found = if vector.more { &answer[..answer.len().min(vector.answer.len())] } else { &answer[..] };
    assert_eq!(shown(found), shown(&vector.answer), "line {}, in pieces of {step}", vector.line);
    assert!(
        !vector.more || answer.len() > vector.answer.len(),
        "line {}: no more than its beginning",
        vector.line
    );
}

#[test]
fn they_are_answered_however_they_are_cut() {
    let server = Server::start(&[]);
    let vectors = vectors("```netcat");
    assert!(vectors.len() >= 14);
    for vector in &vectors {
        check(&server, vector, &vector.sent, vector.sent.len());
        check(&server, vector, &vector.sent, 1);
    }
}

#[test]
fn what_follows_a_picture_that_knows_its_end_is_thrown_away() {
    let server = Server::start(&[]);
    for vector in vectors("```netcat").iter().filter(|vector| !vector.half_close) {
        let sent = [&vector.sent[..], b"\xff\xd9 IEND; GET / HTTP/1.1\r\n\r\n"].concat();
        check(&server, vector, &sent, sent.len());
    }
}

#[test]
fn with_a_port_for_links_the_answer_is_a_line() {
    let vectors = vectors("```netcat -l");
    assert!(!vectors.is_empty());
    let server = Server::start(&["-l", "0"]);
    for vector in &vectors {
        check(&server, vector, &vector.sent, vector.sent.len());
    }
}
