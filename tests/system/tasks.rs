//! A task's life over HTTP: submitted, queried, fetched, deleted, sent twice.
use super::common::fake_scaler::FakeScaler;
use super::common::pictures::{pgm, photo, picture, size_of};
use super::common::tasks::{Store, get};
use super::common::wait::until;
use super::common::{Client, Part, Server, form, post, request};
use tp2::http::format::Format;

fn submit(fields: &[&str], body: &[u8]) -> Vec<u8> {
    request("POST", "/tareas", fields, body)
}

/// The ids that connections get which send this at the same time.
fn ids_of(server: &Server, sent: &[u8], connections: usize) -> Vec<String> {
    let address = server.address();
    let ask = || Client::connect(address).ask(sent).expect(202).task();
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..connections).map(|_| scope.spawn(ask)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    })
}

#[test]
fn a_picture_handed_in_is_accepted_worked_on_and_fetched() {
    let scaler = FakeScaler::start();
    let server = Server::start(&["-s", &scaler.destination(), "-t", "1"]);
    let mut client = server.client();
    let accepted = client.ask(&post("/tareas", &pgm(30, 20))).expect(202);
    assert_eq!(accepted.field("retry-after"), Some("1"));
    assert_eq!(accepted.field("content-type"), Some("application/json"));
    let id = accepted.task();
    let text = String::from_utf8(accepted.body.clone()).unwrap();
    assert!(text.starts_with(&format!(r#"{{"id_tarea":"{id}","estado":"Pendiente","#)), "{text}");

    let mut question = scaler.question();
    let running = client.status(&id);
    assert_eq!((&running["estado"], &running["id_tarea"]), (&"En progreso".into(), &(*id).into()));
    assert!(running["creada"].is_string() && running["iniciada"].is_string(), "{running}");
    // One thread has at most four tasks in memory; the fifth waits in the store.
    let waiting: Vec<String> = (0..4).map(|_| client.hand_in(&pgm(30, 20))).collect();
    until("the second to be in work", || {
        (client.status(&waiting[0])["estado"] == "En progreso").then_some(())
    });
    assert_eq!(client.status(&waiting[3])["estado"], "Pendiente");
    let early = client.ask(&get(&format!("/tareas/{id}/imagen"), &[])).expect(409);
    assert_eq!(early.field("retry-after"), Some("1"));
    assert_eq!(early.problem_of(&id)["type"], "urn:tp2:error:tarea-sin-terminar");

    question.answer();
    let done = client.ended(&id);
    assert_eq!(done["estado"], "Completada");
    assert_eq!(done["imagen"], format!("/tareas/{id}/imagen"));
    assert_eq!((&done["ancho"], &done["alto"]), (&15.into(), &10.into()));
    let file = client.result(&id);
    assert_eq!(size_of(&file), (Format::Pnm, 15, 10));
    assert_eq!(done["bytes"], file.len());
    server.wait_log(&format!("{id} - Tarea recibida: /estado/{id}"));
    server.wait_log(&format!("{id} - POST /tareas 202"));
    server.wait_log(&format!("{id} - Tarea completada: 15x10, {} bytes", file.len()));
}

#[test]
fn the_result_is_what_the_same_upload_would_have_got_at_once() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let mut files: Vec<Vec<u8>> = ["rocket.jpg", "chelsea.png"].map(photo).into();
    files.extend(Format::ALL.map(|format| picture(format, 61, 47)));
    for file in &files {
        for query in ["", "?escala=1.5&formato=webp", "?formato=jpeg&calidad=20&fondo=00ff00"] {
            let now = client.ask(&post(&format!("/{query}"), file)).expect(200).body;
            let id = client.ask(&post(&format!("/tareas{query}"), file)).expect(202).task();
            assert!(client.result(&id) == now, "{query}, {} bytes", file.len());
        }
    }
    // Forms are parsed in the same way.
    let parts = [Part::File("imagen", "a.jpg", &files[0]), Part::Field("escala", "0.1")];
    let now = client.ask(&form("/", &parts)).expect(200).body;
    let id = client.ask(&form("/tareas", &parts)).expect(202).task();
    assert!(client.result(&id) == now);
}

#[test]
fn a_result_is_served_like_a_file() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let id = client.hand_in(&picture(Format::Png, 40, 40));
    let file = client.result(&id);
    let target = format!("/tareas/{id}/imagen");
    let whole = client.ask(&get(&target, &[])).expect(200);
    assert_eq!(whole.field("content-type"), Some("image/png"));
    assert_eq!((whole.field("x-ancho"), whole.field("x-alto")), (Some("20"), Some("20")));
    let tag = whole.field("etag").expect("an entity tag").to_owned();
    let known = client.ask(&get(&target, &[&format!("If-None-Match: {tag}")])).expect(304);
    assert_eq!(known.field("etag"), Some(&*tag));
    client.ask(&get(&target, &["If-None-Match: \"otro\""])).expect(200);
    client.send(&request("HEAD", &target, &[], b""));
    let head = client.response_to_head().expect(200);
    assert_eq!(head.field("content-length"), Some(&*file.len().to_string()));
    assert_eq!(head.field("etag"), Some(&*tag));
    client.assert_kept();
}

#[test]
fn what_was_never_handed_in_is_not_found() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let never = uuid::Uuid::new_v4().to_string();
    for id in [&*never, "nada", "%00", &never.to_uppercase()] {
        for answer in [
            client.ask(&get(&format!("/estado/{id}"), &[])),
            client.ask(&get(&format!("/estado/{id}?espera=60"), &[])),
            client.ask(&get(&format!("/tareas/{id}/imagen"), &[])),
            client.delete(id),
        ] {
            let answer = answer.expect(404).json();
            assert_eq!((&answer["id_tarea"], &answer["estado"]), (&id.into(), &"No encontrado".into()));
        }
    }
}

#[test]
fn what_is_no_picture_is_refused_before_it_is_kept() {
    let server = Server::start(&["--max-pixeles", "1"]);
    let mut client = server.client();
    for (body, status) in [
        (&b"esto no es una imagen"[..], 415),
        (b"P5\n1001 1000\n255\n", 422),
        (b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x01", 422),
        (b"", 411),
    ] {
        let answer = client.ask(&submit(&[], body)).expect(status);
        assert!(answer.is_kept());
        client.ask(&get(&format!("/estado/{}", answer.id()), &[])).expect(404);
    }
    client.ask(&post("/tareas?escala=11", &pgm(2, 2))).expect(422);
    client.ask(&submit(&["Idempotency-Key:"], &pgm(2, 2))).expect(422);
}

#[test]
fn a_picture_that_turns_out_to_be_broken_fails_its_task_with_its_own_code() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let mut broken = picture(Format::Png, 64, 64);
    let middle = broken.len() / 2;
    broken.truncate(middle);
    let now = client.ask(&post("/", &broken)).expect(422).problem();
    let id = client.hand_in(&broken);
    let status = client.ended(&id);
    assert_eq!((&status["estado"], &status["codigo"]), (&"Error".into(), &422.into()));
    assert_eq!(status["detalle"], now["detail"]);
    let answer = client.ask(&get(&format!("/tareas/{id}/imagen"), &[])).expect(422);
    assert_eq!(answer.problem_of(&id)["type"], now["type"]);
    let waited = client.ask(&request("POST", "/", &["Prefer: wait=30"], &broken)).expect(422);
    let told: serde_json::Value = serde_json::from_slice(&waited.body).unwrap();
    assert_eq!(told["type"], now["type"]);
    server.wait_log(&format!("{id} - Tarea terminada con error 422: "));
}

#[test]
fn a_task_can_be_deleted_in_each_state() {
    let scaler = FakeScaler::start();
    let server = Server::start(&["-s", &scaler.destination(), "-t", "1"]);
    let mut client = server.client();
    let done = client.hand_in(&pgm(30, 20));
    scaler.question().answer();
    client.ended(&done);

    let running = client.hand_in(&pgm(32, 20));
    let mut question = scaler.question();
    let waiting: Vec<String> = (0..4).map(|_| client.hand_in(&pgm(34, 20))).collect();
    assert_eq!(client.status(&waiting[3])["estado"], "Pendiente");
    let mut watcher = server.client();
    watcher.send(&get(&format!("/estado/{running}?espera=60"), &[]));

    for id in [&done, &running, &waiting[3]] {
        let answer = client.delete(id).expect(204);
        assert!(answer.body.is_empty() && answer.is_kept());
        let gone = client.ask(&get(&format!("/estado/{id}"), &[])).expect(404).json();
        assert_eq!((&gone["id_tarea"], &gone["estado"]), (&(**id).into(), &"No encontrado".into()));
        client.ask(&get(&format!("/tareas/{id}/imagen"), &[])).expect(404);
        client.delete(id).expect(404);
    }
    assert_eq!(watcher.response().expect(404).json()["estado"], "No encontrado");

    // The scaler's answer for a deleted task is dropped.
    question.answer();
    for _ in 0..3 {
        scaler.question().answer();
    }
    for id in &waiting[..3] {
        assert_eq!(client.ended(id)["estado"], "Completada");
    }
    client.ask(&get(&format!("/estado/{running}"), &[])).expect(404);
    assert!(scaler.question_within(std::time::Duration::ZERO).is_none(), "what was deleted is not begun");
}

#[test]
fn the_same_key_with_the_same_body_is_the_same_task() {
    let store = Store::new();
    let mut server = store.serve(&[]);
    let sent = submit(&["Idempotency-Key: \"pedido 1\""], &pgm(40, 30));
    let id = server.ask(&sent).expect(202).task();
    assert_eq!(ids_of(&server, &sent, 8), vec![id.clone(); 8]);
    let mut client = server.client();
    client.ended(&id);
    let again = client.ask(&sent).expect(202);
    assert_eq!((again.task(), &again.json()["estado"]), (id.clone(), &"Completada".into()));
    assert_ne!(client.ask(&submit(&["Idempotency-Key: pedido 2"], &pgm(40, 30))).expect(202).task(), id);
    let other = client.ask(&submit(&["Idempotency-Key: \"pedido 1\""], &pgm(40, 31))).expect(422);
    assert_eq!(other.problem()["type"], "urn:tp2:error:clave-repetida");
    assert!(other.is_kept());
    // The parameters belong to the submission.
    let fields = ["Idempotency-Key: \"pedido 1\""];
    client.ask(&request("POST", "/tareas?escala=0.3", &fields, &pgm(40, 30))).expect(422);

    server.terminate();
    assert_eq!(server.wait().code(), Some(0));
    let mut server = store.serve(&[]);
    assert_eq!(server.ask(&sent).expect(202).task(), id);
    server.kill();
    let server = store.serve(&[]);
    let mut client = server.client();
    assert_eq!(client.ask(&sent).expect(202).task(), id);
    client.delete(&id).expect(204);
    let anew = client.ask(&sent).expect(202).task();
    assert_ne!(anew, id);
    assert_eq!(client.ended(&anew)["estado"], "Completada");
}

#[test]
fn one_key_from_many_connections_at_once_is_one_task() {
    let store = Store::new();
    let server = store.serve(&[]);
    for key in 0..5 {
        let field = format!("Idempotency-Key: {key}");
        let sent = submit(&[&field], &pgm(50, 50));
        let mut ids = ids_of(&server, &sent, 10);
        ids.dedup();
        assert_eq!(ids.len(), 1, "{ids:?}");
    }
    let (_, counts) = store.inspect();
    assert_eq!(counts.iter().map(|(_, count)| count).sum::<u64>(), 5, "{counts:?}");
}

#[test]
fn work_that_a_client_waits_for_can_be_asked_about_too() {
    let scaler = FakeScaler::start();
    let server = Server::start(&["-s", &scaler.destination(), "-v"]);
    let mut waiting = server.client();
    waiting.send(&post("/", &pgm(30, 20)));
    let mut question = scaler.question();
    let line = until("the id in the log", || {
        server.log().lines().find(|line| line.contains("Tarea recibida: /estado/")).map(str::to_owned)
    });
    let id = line.rsplit_once('/').unwrap().1.to_owned();
    assert!(line.contains(&format!("{id} - ")), "{line}");
    let mut client = server.client();
    assert_eq!(client.status(&id)["estado"], "En progreso");
    client.ask(&get(&format!("/tareas/{id}/imagen"), &[])).expect(409);
    let mut watcher = server.client();
    watcher.send(&get(&format!("/estado/{id}?espera=60"), &[]));
    watcher.stream.set_nonblocking(true).unwrap();
    let early = watcher.stream.peek(&mut [0]);
    assert!(early.is_err(), "nothing is told before the end");
    watcher.stream.set_nonblocking(false).unwrap();
    question.answer();
    assert_eq!(waiting.response().expect(200).id(), id);
    assert_eq!(watcher.response().expect(200).json()["estado"], "Completada");
    let status = client.status(&id);
    assert_eq!(status["estado"], "Completada");
    assert!(status["imagen"].is_null(), "it was delivered, and is not kept: {status}");
    client.ask(&get(&format!("/tareas/{id}/imagen"), &[])).expect(404);
    server.wait_log(&format!("{id} - POST / 200"));

    let failed = client.ask(&post("/", b"P5\n4 4\n255\nx")).expect(422);
    let status = client.status(failed.id());
    assert_eq!((&status["estado"], &status["codigo"]), (&"Error".into(), &422.into()));
}

#[test]
fn netcat_is_no_task() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.send(&pgm(30, 20)).half_close();
    let answer = client.rest();
    assert_eq!(size_of(&answer), (Format::Pnm, 15, 10));
    server.wait_log("Tarea recibida: /estado/");
    server.wait_log(" - netcat 200 ");
}

#[test]
fn the_options_of_the_routes_are_told() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for (target, allow) in [
        ("/tareas", "POST, OPTIONS"),
        ("/tareas/x", "DELETE, OPTIONS"),
        ("/tareas/x/imagen", "GET, HEAD, OPTIONS"),
        ("/estado/x", "GET, HEAD, OPTIONS"),
    ] {
        let told = client.ask(&request("OPTIONS", target, &[], b"")).expect(204);
        assert_eq!(told.field("allow"), Some(allow));
        let refused = client.ask(&request("PATCH", target, &[], b"")).expect(405);
        assert_eq!(refused.field("allow"), Some(allow));
    }
}
