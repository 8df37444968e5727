//! Conversations about tasks, with a store that answers when the test says so.
use super::*;
use crate::model::task::{Problem, Shape, Status, TaskState};

const ID: Uuid = Uuid::from_u128(0x34d6_916e_0000_4000_8000_0000_0000_0001);

fn status(id: Uuid, state: TaskState) -> Status {
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let is_done = state == TaskState::Done;
    Status {
        id,
        state,
        received: 75,
        accepted_at: at(1_000_000_000),
        begun_at: (state != TaskState::Pending).then(|| at(1_000_000_001)),
        ended_at: state.is_final().then(|| at(1_000_000_003)),
        result: is_done.then_some(Shape { format: Format::Png, width: 1, height: 2, length: 4 }),
        problem: (state == TaskState::Failed).then(|| Problem {
            code: 422,
            slug: "imagen-ilegible".into(),
            detail: "la imagen no se puede decodificar: faltan datos".into(),
        }),
    }
}

fn submit(target: &str, fields: &str) -> Vec<u8> {
    let head = format!("POST {target} HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: {}\r\n\r\n", PNG.len());
    [head.as_bytes(), PNG].concat()
}

impl World {
    fn told_status(&mut self, status: Option<Status>) {
        self.told(Ok(StoreReply::Status(status)));
    }

    fn told_file(&mut self, bytes: &'static [u8]) {
        let StoreRead::File { range, mut reservation, .. } = self.question().into_read() else { panic!() };
        assert_eq!(range, 0..bytes.len() as u64);
        reservation.charge(bytes.len() as u64).unwrap();
        self.told(Ok(StoreReply::File(Some((Bytes::from_static(bytes), reservation)))));
    }
}

#[test]
fn a_picture_that_is_handed_in_is_answered_when_it_is_kept() {
    let mut world = World::new();
    let StoreWrite::Accept(submission) =
        world.query(&submit("/tareas?escala=0.25", "Idempotency-Key: k1\r\n")).into_write()
    else {
        panic!()
    };
    assert!(world.text().is_empty() && world.orders.is_empty());
    assert_eq!((&submission.picture[..], submission.transform.size), (PNG, Size::Factor(0.25)));
    assert_eq!(submission.key.as_deref(), Some(&b"k1"[..]));
    assert_eq!(submission.reservation.bytes(), PNG.len() as u64);
    let id = submission.id;
    drop(submission);
    let begun = |world: &World| world.events.iter().any(|event| event.what == EventKind::Begun { id });
    assert!(!begun(&world));
    world.told(Ok(StoreReply::Accepted(Acceptance::New)));
    assert!(begun(&world), "its id is told once it is a task");
    assert_eq!(world.statuses(), [202]);
    assert!(world.has(&format!("Location: /estado/{id}")) && world.has("Retry-After: 1"));
    assert!(world.has(&format!("X-Tarea: {id}")) && world.has("Content-Type: application/json"));
    assert!(world.text().contains(&format!("\r\n\r\n{{\"id_tarea\":\"{id}\",\"estado\":\"Pendiente\",")));
    assert!(!world.text().contains("Preference-Applied"));
    assert_eq!(world.server.admission.bytes(), 0);
}

#[test]
fn a_key_leads_to_the_task_of_the_first_time_or_is_refused() {
    let mut world = World::new();
    world.query(&submit("/tareas", "Idempotency-Key: k\r\n"));
    world.told(Ok(StoreReply::Accepted(Acceptance::Same(status(ID, TaskState::Done)))));
    assert_eq!(world.statuses(), [202]);
    assert!(world.has(&format!("X-Tarea: {ID}")) && world.has(&format!("Location: /estado/{ID}")));
    assert_eq!(world.body()["estado"], "Completada");

    let mut world = World::new();
    world.query(&submit("/tareas", "Idempotency-Key: k\r\n"));
    world.told(Ok(StoreReply::Accepted(Acceptance::Different)));
    assert_eq!(
        (world.statuses(), &world.body()["type"]),
        (vec![422], &"urn:tp2:error:clave-repetida".into())
    );
    assert!(world.has("Connection: keep-alive"));

    let mut world = World::new();
    world.feed(&submit("/tareas", &format!("Idempotency-Key: {}\r\n", "x".repeat(256))));
    world.transmit();
    assert_eq!(world.statuses(), [422]);
}

#[test]
fn a_store_that_can_keep_nothing_is_no_crash() {
    for (failure, code, level) in [
        (WorkError::StoreFull("SQLITE_FULL".into()), 507, Level::Error),
        (WorkError::StoreBroken("EIO".into()), 503, Level::Warning),
        (WorkError::UnknownFormat, 415, Level::Info),
    ] {
        let mut world = World::new();
        world.query(&submit("/tareas", ""));
        world.told(Err(failure.clone()));
        assert_eq!(world.statuses(), [code]);
        assert!(!world.text().contains("SQLITE") && !world.text().contains("EIO"), "reasons are for the log");
        assert_eq!(world.events.last().unwrap().what.level(), level);
        assert_eq!(world.has("Retry-After: 1"), code == 503);

        let mut known = World::new();
        *known.server.store_away.borrow_mut() = Some(failure);
        known.feed(&submit("/tareas", "Expect: 100-continue\r\n")[..100]);
        known.transmit();
        assert_eq!(known.statuses(), [code], "before the body is asked for");
    }
}

#[test]
fn preferences_make_a_task_of_an_ordinary_upload() {
    let mut world = World::new();
    let StoreWrite::Accept(submission) = world.query(&submit("/", "Prefer: respond-async\r\n")).into_write()
    else {
        panic!()
    };
    assert!(submission.key.is_none());
    world.told(Ok(StoreReply::Accepted(Acceptance::Same(status(ID, TaskState::Pending)))));
    assert_eq!(world.statuses(), [202]);
    assert!(world.has("Preference-Applied: respond-async"));

    let mut other = World::new();
    other.feed(&submit("/", "Prefer: handling=lenient\r\n"));
    assert!(other.queries.is_empty() && other.orders.len() == 1, "no preference of ours");
}

#[test]
fn an_upload_with_patience_gets_the_picture_if_it_is_ready_in_time() {
    let mut world = World::new();
    world.query(&submit("/", "Prefer: wait=5\r\n"));
    world.told(Ok(StoreReply::Accepted(Acceptance::Same(status(ID, TaskState::Pending)))));
    assert!(matches!(world.question(), Query::Watch(ID)));
    world.told_status(Some(status(ID, TaskState::Done)));
    world.told_file(b"GRAY");
    assert_eq!(world.statuses(), [200]);
    assert!(world.text().ends_with("\r\n\r\nGRAY"));
    for field in ["X-Ancho: 1", "X-Alto: 2", "Preference-Applied: wait=5", "Vary: Accept"] {
        assert!(world.has(field), "{field}: {}", world.text());
    }
    assert!(
        world.has(&format!("X-Tarea: {ID}")) && world.has("Server-Timing: queue;dur=1000.0, work;dur=2000.0")
    );
    assert_eq!(world.server.admission.bytes(), 0);
}

#[test]
fn and_the_id_if_it_is_not() {
    let mut world = World::new();
    world.query(&submit("/tareas", "Prefer: respond-async, wait=5\r\n"));
    world.told(Ok(StoreReply::Accepted(Acceptance::Same(status(ID, TaskState::Pending)))));
    world.wait(Duration::from_millis(4999));
    assert_eq!(world.queries.len(), 1);
    world.wait(Duration::from_millis(1));
    world.queries.remove(0);
    assert!(world.question().is_status(ID), "the time is over");
    world.told_status(Some(status(ID, TaskState::Running)));
    assert_eq!((world.statuses(), &world.body()["estado"]), (vec![202], &"En progreso".into()));
    assert!(world.has("Preference-Applied: respond-async, wait=5"));
}

#[test]
fn a_failure_that_was_waited_for_is_told_with_its_own_code() {
    let mut world = World::new();
    world.query(&submit("/", "Prefer: wait=5\r\n"));
    world.told(Ok(StoreReply::Accepted(Acceptance::Same(status(ID, TaskState::Pending)))));
    world.told_status(Some(status(ID, TaskState::Failed)));
    assert_eq!(
        (world.statuses(), &world.body()["type"]),
        (vec![422], &"urn:tp2:error:imagen-ilegible".into())
    );
}

#[test]
fn the_states_as_the_seeds_have_them() {
    for (state, word) in [
        (TaskState::Pending, "Pendiente"),
        (TaskState::Running, "En progreso"),
        (TaskState::Done, "Completada"),
        (TaskState::Failed, "Error"),
        (TaskState::Expired, "Vencida"),
    ] {
        let mut world = World::new();
        assert!(world.query(&get(&format!("/estado/{ID}"), "")).is_status(ID));
        world.told_status(Some(status(ID, state)));
        let body = world.body();
        assert_eq!(
            (world.statuses(), &body["id_tarea"], &body["estado"]),
            (vec![200], &ID.to_string().into(), &word.into())
        );
        let members: Vec<&String> = body.as_object().unwrap().keys().take(2).collect();
        assert_eq!(members, ["id_tarea", "estado"]);
        assert_eq!(body["imagen"].is_string(), state == TaskState::Done);
        assert!(body["detalle"].as_str().is_some_and(|text| !text.is_empty()));
        assert_eq!(body["creada"], "2001-09-09T01:46:40.000Z");
    }
}

#[test]
fn what_was_never_given_out_is_not_found() {
    for (target, asks) in [
        (format!("/estado/{ID}"), true),
        (format!("/tareas/{ID}/imagen"), true),
        ("/estado/nada".to_owned(), false),
        ("/estado//".to_owned(), false),
        (format!("/estado/{{{ID}}}"), false),
        (format!("/estado/{}", ID.as_simple()), false),
        (format!("/estado/%00{}", "x".repeat(500)), false),
    ] {
        let mut world = World::new();
        world.feed(&get(&target, ""));
        if asks {
            world.told_status(None);
        }
        world.transmit();
        assert_eq!(world.statuses(), [404], "{target}");
        let body = world.body();
        assert_eq!(body["estado"], "No encontrado");
        let asked = body["id_tarea"].as_str().unwrap();
        assert!(target.contains(asked) && asked.len() <= 64, "{body}");
    }
}

#[test]
fn whoever_waits_for_the_end_is_answered_then_or_when_the_time_is_over() {
    let mut world = World::new();
    assert!(matches!(world.query(&get(&format!("/estado/{ID}?espera=60"), "")), Query::Watch(ID)));
    world.wait(Duration::from_secs(59));
    assert!(world.text().is_empty());
    world.told_status(Some(status(ID, TaskState::Done)));
    assert_eq!(world.body()["estado"], "Completada");

    let mut world = World::new();
    world.query(&get(&format!("/estado/{ID}?espera=60"), ""));
    world.wait(Duration::from_secs(60));
    world.queries.remove(0);
    assert!(world.question().is_status(ID));
    world.told_status(Some(status(ID, TaskState::Pending)));
    assert_eq!(world.body()["estado"], "Pendiente");

    let mut stopping = World::new();
    stopping.query(&get(&format!("/estado/{ID}?espera=60"), ""));
    stopping.server.draining.set(true);
    stopping.connection.handle_drain(stopping.now);
    stopping.drain_actions();
    stopping.queries.remove(0);
    stopping.told_status(Some(status(ID, TaskState::Pending)));
    assert!(stopping.has("Connection: close") && stopping.half_closed);
}

#[test]
fn nobody_begins_to_wait_on_a_server_that_stops() {
    let mut world = World::new();
    world.server.draining.set(true);
    assert!(world.query(&get(&format!("/estado/{ID}?espera=60"), "")).is_status(ID));

    let mut world = World::new();
    let sent = submit("/tareas", "Prefer: wait=60\r\n");
    let (first, second) = sent.split_at(sent.len() - 1);
    world.feed(first);
    world.server.draining.set(true);
    world.query(second);
    world.told(Ok(StoreReply::Accepted(Acceptance::Same(status(ID, TaskState::Pending)))));
    assert!(world.question().is_status(ID));
    world.told_status(Some(status(ID, TaskState::Pending)));
    assert_eq!(world.statuses(), [202]);
}

#[test]
fn a_wait_has_bounds() {
    for text in ["61", "-1", "1.5", "mucho", "99999999999"] {
        let mut world = World::new();
        world.feed(&get(&format!("/estado/{ID}?espera={text}"), ""));
        world.transmit();
        assert_eq!(world.statuses(), [422], "{text}");
    }
    let mut world = World::new();
    assert!(world.query(&get(&format!("/estado/{ID}?espera="), "")).is_status(ID));
}

#[test]
fn a_store_that_does_not_answer_is_not_waited_for_forever() {
    let mut world = World::new();
    world.query(&get(&format!("/estado/{ID}"), ""));
    world.wait(Duration::from_secs(30));
    world.transmit();
    assert_eq!(world.statuses(), [503]);
    let (request, _) = world.queries.remove(0);
    world.connection.handle_told(request, Ok(StoreReply::Status(None)), world.now);
    world.transmit();
    assert_eq!(world.statuses(), [503], "too late");
}

#[test]
fn the_result_of_a_task() {
    let target = format!("/tareas/{ID}/imagen");
    let mut world = World::new();
    assert!(world.query(&get(&target, "")).is_status(ID));
    world.told_status(Some(status(ID, TaskState::Done)));
    world.told_file(b"GRAY");
    assert_eq!(world.statuses(), [200]);
    let tag = format!("\"{ID}\"");
    for field in [
        "Content-Type: image/png",
        "X-Alto: 2",
        "Content-Length: 4",
        "Last-Modified: Sun, 09 Sep 2001 01:46:43 GMT",
        &format!("ETag: {tag}"),
    ] {
        assert!(world.has(field), "{field}: {}", world.text());
    }
    assert!(world.text().ends_with("\r\n\r\nGRAY"));

    let mut known = World::new();
    known.query(&get(&target, &format!("If-None-Match: {tag}\r\n")));
    known.told_status(Some(status(ID, TaskState::Done)));
    assert_eq!(known.statuses(), [304]);
    assert!(known.has(&format!("ETag: {tag}")) && known.queries.is_empty());

    let mut head = World::new();
    head.query(&[b"HEAD", &get(&target, "")[3..]].concat());
    head.told_status(Some(status(ID, TaskState::Done)));
    head.told_file(b"GRAY");
    assert!(head.has("Content-Length: 4") && head.text().ends_with("\r\n\r\n"));
}

#[test]
fn part_of_a_result() {
    let target = format!("/tareas/{ID}/imagen");
    let mut world = World::new();
    world.query(&get(&target, "Range: bytes=1-2\r\n"));
    world.told_status(Some(status(ID, TaskState::Done)));
    let StoreRead::File { range, reservation, .. } = world.question().into_read() else { panic!() };
    assert_eq!(range, 1..3, "no more is read than is sent");
    world.told(Ok(StoreReply::File(Some((Bytes::from_static(b"RA"), reservation)))));
    assert_eq!(world.statuses(), [206]);
    assert!(world.has("Content-Range: bytes 1-2/4") && world.has("Content-Length: 2"));
    assert!(world.text().ends_with("\r\n\r\nRA"));
    for (fields, code) in [("Range: bytes=4-\r\n", 416), ("If-Match: \"otra\"\r\n", 412)] {
        let mut refused = World::new();
        refused.query(&get(&target, fields));
        refused.told_status(Some(status(ID, TaskState::Done)));
        assert_eq!(refused.statuses(), [code]);
    }
}

#[test]
fn a_result_that_is_not_there() {
    let mut not_kept = status(ID, TaskState::Done);
    not_kept.result = None;
    for (status, code) in [
        (status(ID, TaskState::Pending), 409),
        (status(ID, TaskState::Running), 409),
        (status(ID, TaskState::Expired), 410),
        (status(ID, TaskState::Failed), 422),
        (not_kept, 404),
    ] {
        let mut world = World::new();
        world.query(&get(&format!("/tareas/{ID}/imagen"), ""));
        world.told_status(Some(status));
        assert_eq!(world.statuses(), [code]);
        assert_eq!(world.body()["id_tarea"], ID.to_string(), "the task, not the question about it");
        assert_eq!(world.has("Retry-After: 1"), code == 409);
    }
    let mut swept = World::new();
    swept.query(&get(&format!("/tareas/{ID}/imagen"), ""));
    swept.told_status(Some(status(ID, TaskState::Done)));
    swept.told(Ok(StoreReply::File(None)));
    assert_eq!(swept.statuses(), [410], "it expired between two looks");
}

#[test]
fn a_task_is_forgotten_once() {
    for (known, code) in [(true, 204), (false, 404)] {
        let mut world = World::new();
        let request = format!("DELETE /tareas/{ID} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(matches!(world.query(request.as_bytes()).into_write(), StoreWrite::Delete { id: ID }));
        world.told(Ok(StoreReply::Known(known)));
        assert_eq!(world.statuses(), [code]);
    }
}

#[test]
fn a_task_needs_no_place_and_no_picture_in_accept() {
    let mut world = World::with(Limits::default(), Admission::new(1, 1 << 20, 1));
    let mut taken = world.server.admission.reservation();
    taken.admit(0).unwrap();
    assert!(matches!(
        world.query(&submit("/tareas", "Accept: application/json\r\n")).into_write(),
        StoreWrite::Accept(_)
    ));
    let mut picky = World::new();
    picky.feed(&submit("/", "Accept: application/json\r\nPrefer: wait=5\r\n"));
    picky.transmit();
    assert_eq!(picky.statuses(), [406], "a picture may be the answer");
    let mut told_later = World::new();
    let request = submit("/", "Accept: application/json\r\nPrefer: respond-async\r\n");
    assert!(matches!(told_later.query(&request).into_write(), StoreWrite::Accept(_)));
}

#[test]
fn a_preference_is_never_an_error() {
    let mut world = World::new();
    *world.server.store_away.borrow_mut() = Some(WorkError::StoreFull("ENOSPC".into()));
    world.feed(&submit("/", "Prefer: respond-async, wait=5\r\n"));
    assert!(world.queries.is_empty() && world.orders.len() == 1, "the picture is waited for");
    let mut ready = World::new();
    *ready.server.store_away.borrow_mut() = Some(WorkError::StoreFull("ENOSPC".into()));
    ready.feed(&get("/readyz", ""));
    ready.transmit();
    assert_eq!((ready.statuses(), &ready.body()["type"]), (vec![503], &"urn:tp2:error:almacen-lleno".into()));
}

#[test]
fn what_is_wrong_with_a_body_comes_before_what_is_wrong_with_a_parameter() {
    for (fields, code) in [("Content-Length: 99999999\r\n", 413), ("Content-Length: 0\r\n", 415)] {
        for request in ["PUT /carpetas/.a/x.jpg", "POST /tareas"] {
            let mut world = World::new();
            let head = format!("{request} HTTP/1.1\r\nHost: a\r\nIdempotency-Key:\r\n{fields}\r\n");
            world.feed(head.as_bytes());
            world.transmit();
            assert_eq!(world.statuses(), [code], "{request} {fields}");
        }
    }
}

#[test]
fn a_client_that_leaves_is_told_nothing() {
    let mut world = World::new();
    world.query(&submit("/tareas", ""));
    world.connection.handle_gone(world.now);
    world.drain_actions();
    assert!(world.connection.is_closed());
    world.told(Ok(StoreReply::Accepted(Acceptance::Same(status(ID, TaskState::Pending)))));
    assert!(world.text().is_empty());
}

#[test]
fn the_answer_to_another_request_is_an_error_of_ours() {
    for (request, reply) in [
        (get(&format!("/estado/{ID}"), ""), StoreReply::Known(true)),
        (get("/carpetas", ""), StoreReply::Inserted(true)),
        (submit("/tareas", ""), StoreReply::Nothing),
    ] {
        let mut world = World::new();
        world.query(&request);
        world.told(Ok(reply));
        assert_eq!(world.statuses(), [500]);
        assert_eq!(world.body()["type"], "urn:tp2:error:error-interno");
    }
}
