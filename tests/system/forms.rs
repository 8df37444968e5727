//! Forms as browsers and programs send them: the table in `tests/data/http/forms.txt`, and the limits of a form.
use super::common::http::problem_slug;
use super::common::pictures::size_of;
use super::common::table::{Case, cases};
use super::common::{Part, Server, form};

fn table() -> Vec<Case> {
    cases(include_str!("../data/http/forms.txt"))
}

/// Sends a form in pieces of this size, and checks the answer.
fn post(server: &Server, case: &Case, piece: usize) {
    let mut client = server.client();
    for bytes in case.bytes.chunks(piece) {
        if !client.try_send(bytes) {
            break;
        }
    }
    let [file_request] = &case.file_request[..] else { panic!("{}: one line", case.name) };
    let answer = client.response();
    if let Some((width, height)) = file_request.split_once('x') {
        let answer = answer.expect(200);
        let (_, found_width, found_height) = size_of(&answer.body);
        assert_eq!((found_width.to_string(), found_height.to_string()), (width.into(), height.into()));
        return;
    }
    let words: Vec<&str> = file_request.split(' ').collect();
    let answer = answer.expect(words[0].parse().unwrap());
    assert_eq!(problem_slug(&answer), words[1]);
    if let [_, _, value, received] = words[..] {
        let problem = answer.problem();
        assert_eq!(
            (problem["valor"].to_string(), problem["recibido"].to_string()),
            (value.into(), received.into())
        );
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(value) && detail.contains(received), "{detail}");
    }
}

#[test]
fn forms_of_all_kinds_whole_and_in_pieces() {
    let server = Server::start(&["-q"]);
    let mut failed = Vec::new();
    for case in table() {
        for piece in [case.bytes.len(), 1 + case.bytes.len() / 4000, 53] {
            let posted = std::panic::AssertUnwindSafe(|| post(&server, &case, piece));
            if std::panic::catch_unwind(posted).is_err() {
                failed.push((case.name.clone(), piece));
            }
        }
    }
    assert_eq!(failed, []);
}

/// Refused before the rest of it is sent.
#[test]
fn a_form_of_ten_thousand_parts_is_refused_at_the_first_too_many() {
    let server = Server::start(&[]);
    let parts: Vec<Part<'_>> = (0..10_000).map(|_| Part::Field("a", "")).collect();
    let sent = form("/", &parts);
    let early = sent.len() / 10_000 * 135;
    let mut client = server.client();
    client.send(&sent[..early]);
    let answer = client.response().expect(400);
    assert_eq!((&answer.problem()["limite"], &answer.problem()["valor"]), (&"partes".into(), &128.into()));
}
