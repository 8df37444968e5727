//! An answer can always be read, also when its client closes a side or has sent unwanted data.
use std::process::Command;
use std::time::{Duration, Instant};

use tp2::http::format::Format;

use super::common::fake_scaler::FakeScaler;
use super::common::http::{chunked, problem_slug};
use super::common::pictures::{pgm, size_of};
use super::common::processes::open_descriptors;
use super::common::wait::until;
use super::common::{Part, Server, form, post, request, tools};

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
const MIB: usize = 1 << 20;

#[test]
fn a_half_close_in_every_phase_is_judged_by_the_phase() {
    let scaler = FakeScaler::start();
    let server = Server::start(&["-s", &scaler.destination()]);
    // Waiting: the request is complete, as with `nc -N`.
    let mut waiting = server.client();
    waiting.send(&post("/?escala=1", &pgm(9, 7)));
    let mut question = scaler.question();
    waiting.half_close();
    assert!(server.is_healthy());
    question.answer();
    let answer = waiting.response().expect(200);
    assert!(!answer.is_kept());
    assert_eq!(size_of(&answer.body), (Format::Pnm, 9, 7));
    waiting.assert_closed();

    // Waiting, with another request behind it: both are answered.
    let mut pipelined = server.client();
    pipelined.send(&[post("/?escala=1", &pgm(9, 7)), HEALTH.to_vec()].concat());
    let mut question = scaler.question();
    pipelined.half_close();
    question.answer();
    pipelined.response().expect(200);
    assert_eq!(pipelined.response().expect(200).body, b"ok\n");
    pipelined.assert_closed();

    // Waiting, with half a request behind it.
    let mut cut = server.client();
    cut.send(&[&post("/?escala=1", &pgm(9, 7)), &HEALTH[..20]].concat());
    let mut question = scaler.question();
    cut.half_close();
    question.answer();
    cut.response().expect(200);
    assert_eq!(problem_slug(&cut.response().expect(400)), "peticion-incompleta");
    cut.assert_closed();

    // Reply: the rest of it still comes.
    let mut large = server.client();
    large.send(&post("/?escala=1&formato=bmp", &pgm(2000, 1500)));
    scaler.question().answer();
    assert_eq!(large.stream.peek(&mut [0]).unwrap(), 1);
    large.half_close();
    assert_eq!(size_of(&large.response().expect(200).body), (Format::Bmp, 2000, 1500));
    large.assert_closed();

    // Linger: ends at once; without input it would take two seconds. Retried on a busy machine.
    let is_over_at_once = || {
        let began_at = Instant::now();
        let before = open_descriptors(server.pid());
        let mut refused = server.client();
        refused.send(b"GET /\r\n");
        refused.response().expect(400);
        refused.half_close().assert_closed();
        until("that it is closed", || (open_descriptors(server.pid()) <= before).then_some(()));
        began_at.elapsed() < Duration::from_millis(1500)
    };
    assert!((0..5).any(|_| is_over_at_once()));
}

/// Whatever is refused early, a client that keeps sending can read the reason.
#[test]
fn who_sends_eight_mebibytes_before_it_looks_reads_its_refusal() {
    let server = Server::start(&["--max-cuerpo", "1"]);
    let body = vec![b'P'; 8 * MIB];
    let long_form = form("/", &[Part::File("imagen", "a.pgm", &body)]);
    let many_parts: Vec<Part<'_>> = (0..100_000).map(|_| Part::Field("a", "b")).collect();
    let unreadable = [b"GET / HTTP/9.9\r\n\r\n".to_vec(), body.clone()].concat();
    for (sent, status, slug) in [
        (post("/", &body), 413, "cuerpo-demasiado-largo"),
        (chunked("/", &body, 50_000), 413, "cuerpo-demasiado-largo"),
        (long_form, 413, "cuerpo-demasiado-largo"),
        (request("POST", "/nada", &[], &body), 404, "no-encontrado"),
        (chunked("/nada", &body, 50_000), 404, "no-encontrado"),
        (request("DELETE", "/", &[], &body), 405, "metodo-no-permitido"),
        (request("POST", "/", &["Expect: 100-continue"], &body), 413, "cuerpo-demasiado-largo"),
        (request("POST", "/", &["Expect: milagros"], &body), 417, "expectativa"),
        (request("PUT", "/carpetas/a/b", &[], &body), 413, "cuerpo-demasiado-largo"),
        (unreadable, 505, "cabecera"),
    ] {
        let mut client = server.client();
        client.send(&sent);
        let answer = client.response().expect(status);
        assert_eq!(problem_slug(&answer), slug);
        assert!(!answer.is_kept());
        client.assert_closed();
    }
    let roomy = Server::start(&[]);
    let mut client = roomy.client();
    client.send(&form("/", &many_parts));
    let answer = client.response().expect(400);
    assert_eq!((&answer.problem()["limite"], &answer.problem()["valor"]), (&"partes".into(), &128.into()));
}

#[test]
fn curl_shows_the_refusal_of_a_body_that_is_too_long() {
    let Some(curl) = tools::find("curl") else { return };
    let server = Server::start(&["--max-cuerpo", "1"]);
    let file = server.home.0.join("larga.pgm");
    std::fs::write(&file, vec![b'P'; 8 * MIB]).unwrap();
    let (path, url) = (file.to_str().unwrap(), format!("http://127.0.0.1:{}/", server.port));
    let (data, part) = (format!("@{path}"), format!("imagen=@{path}"));
    for arguments in [
        &["--data-binary", &data][..],
        &["--data-binary", &data, "-H", "Expect:"],
        &["--data-binary", &data, "-H", "Expect:", "-H", "Transfer-Encoding: chunked"],
        &["-T", path],
        &["-T", path, "-H", "Expect:"],
        &["-T", path, "-H", "Transfer-Encoding: chunked"],
        &["-F", &part],
        &["-F", &part, "-H", "Expect:"],
        &["--http1.0", "--data-binary", &data],
    ] {
        let mut command = Command::new(&curl);
        command.args(["-sS", "-m", "30", "-w", " %{http_code}"]).args(arguments).arg(&url);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {complaints}");
        assert!(said.ends_with(" 413") && said.contains("--max-cuerpo"), "{arguments:?}: {said}{complaints}");
    }
}

#[test]
fn python_reads_the_refusal_of_a_body_that_is_too_long() {
    // It sends all of its body before it reads an answer, with a length or in chunks.
    const SCRIPT: &str = "
import http.client, sys
for chunked in False, True:
    connection = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]), timeout=30)
    body = (bytes(1 << 16) for _ in range(128)) if chunked else bytes(8 << 20)
    connection.request('POST', '/', body, encode_chunked=chunked)
    answer = connection.getresponse()
    print(answer.status, b'--max-cuerpo' in answer.read())
";
    let Some(python) = tools::find("python3") else { return };
    let server = Server::start(&["--max-cuerpo", "1"]);
    let mut command = Command::new(python);
    command.args(["-c", SCRIPT, &server.port.to_string()]);
    let output = command.output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "413 True\n413 True\n", "{complaints}");
}
