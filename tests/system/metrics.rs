//! `GET /metrics`: what is counted, and that other parsers can read it.
use std::io::Write;
use std::process::{Command, Stdio};

use super::common::pictures::pgm;
use super::common::processes::{children, kill_9, open_descriptors};
use super::common::tasks::get;
use super::common::wait::until;
use super::common::{Client, Server, post, request, tools};

fn page(client: &mut Client) -> String {
    let answer = client.ask(&get("/metrics", &[])).expect(200);
    assert_eq!(answer.field("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    String::from_utf8(answer.body).unwrap()
}

/// The value of a sample; 0 if there is none.
fn value(page: &str, sample: &str) -> f64 {
    let found = page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    found.map_or(0.0, |value| value.parse().unwrap())
}

#[test]
fn the_page_has_a_small_document_of_its_own() {
    let server =
        Server::start(&["-t", "2", "-e", "0.25", "--max-cuerpo", "3", "--cola", "9", "--conexiones", "50"]);
    let mut client = server.client();
    let panel = |client: &mut Client| {
        let answer = client.ask(&get("/panel.json", &[])).expect(200);
        assert_eq!(answer.field("content-type"), Some("application/json"));
        assert_eq!(answer.field("cache-control"), Some("no-store"));
        assert!(answer.body.len() < 1000, "{} bytes", answer.body.len());
        answer.json()
    };
    let before = panel(&mut client);
    assert_eq!((&before["escala"], &before["max_cuerpo"]), (&0.25.into(), &(3 << 20).into()));
    assert_eq!(
        (&before["cola"], &before["conexiones"]),
        (&serde_json::json!([0, 9]), &serde_json::json!([1, 50]))
    );
    assert!(before["memoria"].as_u64().is_some_and(|bytes| bytes > 1 << 20), "{before}");
    let encoded = |panel: &serde_json::Value| panel["etapas"]["encode"][1].as_u64().unwrap_or(0);
    // The self-test picture may be among them.
    let earlier = encoded(&before);
    client.ask(&post("/", &pgm(40, 30))).expect(200);
    let after = panel(&mut client);
    assert!(encoded(&after) > earlier, "{after}");
    assert!(after["etapas"]["encode"][0].as_f64().is_some_and(|seconds| seconds > 0.0), "{after}");
}

#[test]
fn requests_stages_and_refusals_are_counted() {
    let server = Server::start(&["-t", "2"]);
    let mut client = server.client();
    for _ in 0..3 {
        client.ask(&post("/", &pgm(40, 30))).expect(200);
    }
    client.ask(&post("/", b"ni idea")).expect(415);
    client.ask(&get("/nada/de/eso", &[])).expect(404);
    client.ask(&request("PATCH", "/", &[], b"")).expect(405);
    let mut netcat = server.client();
    netcat.send(&pgm(8, 8)).half_close();
    assert!(netcat.rest().starts_with(b"P5"));

    let page = page(&mut client);
    for (sample, expected) in [
        ("http_requests_total{route=\"process\",method=\"POST\",code=\"200\"}", 3.0),
        ("http_requests_total{route=\"process\",method=\"POST\",code=\"415\"}", 1.0),
        ("http_requests_total{route=\"none\",method=\"GET\",code=\"404\"}", 1.0),
        ("http_requests_total{route=\"none\",method=\"other\",code=\"405\"}", 1.0),
        ("http_requests_total{route=\"netcat\",method=\"none\",code=\"200\"}", 1.0),
        ("http_request_duration_seconds_count{route=\"process\"}", 4.0),
        ("tp2_rejected_total{reason=\"formato-desconocido\"}", 1.0),
        ("tp2_rejected_total{reason=\"no-encontrado\"}", 1.0),
        ("tp2_stage_seconds_count{stage=\"decode\"}", 4.0),
        ("tp2_stage_seconds_count{stage=\"scale\"}", 4.0),
        ("tp2_stage_seconds_count{stage=\"write\"}", 7.0),
        ("tp2_connections_accepted_total", 2.0),
        ("tp2_queue_places_max", 32.0),
        ("tp2_workers", 4.0),
        ("tp2_ready", 1.0),
        ("tp2_build_info{version=\"0.1.0\"}", 1.0),
    ] {
        assert_eq!(value(&page, sample), expected, "{sample}\n{page}");
    }
    assert!(value(&page, "tp2_received_bytes_total") > 4000.0);
    assert!(value(&page, "tp2_sent_bytes_total") > 1000.0);
    assert!(!page.contains("nada"), "a path makes no series");
    let descriptors = open_descriptors(server.pid());
    assert!((value(&page, "process_open_fds") - descriptors as f64).abs() <= 3.0, "{descriptors}\n{page}");
    assert!(value(&page, "process_resident_memory_bytes") > 1e6);
    assert!(value(&page, "process_cpu_seconds_total") > 0.0);
    assert!(value(&page, "process_start_time_seconds") > 1.7e9);
}

#[test]
fn tasks_and_the_scalers_children_are_counted() {
    let server = Server::start(&["-t", "1"]);
    let mut client = server.client();
    let id = client.hand_in(&pgm(30, 30));
    client.result(&id);
    until("that the task is counted", || {
        (value(&page(&mut client), "tp2_tasks{state=\"Completada\"}") == 1.0).then_some(())
    });
    let child = until("a child", || children(server.scaler_pid()).first().copied());
    kill_9(child);
    until("that its end is counted", || {
        (value(&page(&mut client), "tp2_scaler_children_total{cause=\"killed\"}") == 1.0).then_some(())
    });
    assert!(!server.log().contains("=killed"), "{}", server.log());
    let scaler = server.scaler_pid();
    kill_9(scaler);
    until("that the scaler's end is counted", || {
        (value(&page(&mut client), "tp2_scaler_ends_total") == 1.0).then_some(())
    });
}

/// Every sample, read by a parser of other authors.
const PARSER: &str = "
import sys
from prometheus_client.parser import text_string_to_metric_families
families = list(text_string_to_metric_families(sys.stdin.read()))
for family in families:
    assert family.type in ('counter', 'gauge', 'histogram'), family
    assert family.documentation, family
    if family.type == 'histogram':
        for labels in {tuple(sorted((k, v) for k, v in s.labels.items() if k != 'le')) for s in family.samples}:
            mine = [s for s in family.samples if set(labels) <= set(s.labels.items())]
            buckets = [s.value for s in mine if s.name.endswith('_bucket')]
            count = [s.value for s in mine if s.name.endswith('_count')]
            assert buckets == sorted(buckets) and [buckets[-1]] == count, family
print(len(families))
";

#[test]
fn a_parser_that_others_wrote_reads_the_page() {
    let Some(python) = tools::find("python3") else { return };
    let has_it =
        Command::new(&python).args(["-c", "import prometheus_client"]).stderr(Stdio::null()).status();
    if !has_it.is_ok_and(|status| status.success()) {
        return tools::skip("a python3 le falta prometheus_client");
    }
    let server = Server::start(&["-t", "1"]);
    let mut client = server.client();
    client.ask(&post("/", &pgm(40, 30))).expect(200);
    client.ask(&post("/", b"ni idea")).expect(415);
    let page = page(&mut client);
    let mut parser = Command::new(python);
    parser.args(["-c", PARSER]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut parser = parser.spawn().unwrap();
    parser.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = parser.wait_with_output().unwrap();
    assert!(output.status.success(), "{}\n{page}", String::from_utf8_lossy(&output.stderr));
    let families: u32 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    assert!(families > 30, "{families}");
}
