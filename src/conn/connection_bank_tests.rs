//! Conversations about the bank, with a store that answers when the test says so.
use super::*;
use crate::conn::bank::STREAMED;
use crate::model::face::{FACE_SAMPLES, Face, FaceImage, ListError};
use crate::model::store::BankDocument;

fn put(target: &str, fields: &str) -> Vec<u8> {
    let head = format!("PUT {target} HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: {}\r\n\r\n", PNG.len());
    [head.as_bytes(), PNG].concat()
}

fn list(target: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn face_image() -> FaceImage {
    FaceImage { image: "/9j/2Q==".into(), samples: vec![7; FACE_SAMPLES].into() }
}

fn faces(numbers: std::ops::Range<usize>) -> Vec<Face> {
    numbers.map(|number| face_image().named(&format!("{number:03}.jpg"))).collect()
}

/// Takes a body in chunks apart; panics unless it is whole and ends where `bytes` do.
fn unchunked(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    loop {
        let end = bytes.windows(2).position(|pair| pair == b"\r\n").expect("a line of a chunk");
        let size = std::str::from_utf8(&bytes[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        bytes = &bytes[end + 2..];
        let (data, rest) = bytes.split_at(size);
        bytes = rest.strip_prefix(b"\r\n").expect("a chunk's end");
        if size == 0 {
            assert_eq!(String::from_utf8_lossy(bytes), "", "behind the last chunk");
            return parts;
        }
        parts.push(data.to_vec());
    }
}

/// The names in lines of documents.
fn names(lines: &[u8]) -> Vec<String> {
    let lines = std::str::from_utf8(lines).unwrap().lines();
    let documents = lines.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    documents.map(|document| document["nombre"].as_str().unwrap().to_owned()).collect()
}

fn look_of(ask: Ask) -> BankLook {
    match ask {
        Ask::Document { look, .. } => look,
        other => panic!("{other:?}"),
    }
}

impl World {
    /// The store has found a document of so many bytes; nothing of it is sent yet.
    pub(super) fn answer_of_length(&mut self, length: usize) {
        let (request, _) = self.queries.remove(0);
        let found = self.document(vec![b'x'; length], None);
        self.connection.handle_told(request, Ok(found), self.now);
        self.drain_actions();
    }

    fn asked(&mut self, request: &[u8]) -> Ask {
        match self.query(request) {
            Query::Ask(ask) => ask,
            other => panic!("{other:?}"),
        }
    }

    /// What the store is asked now.
    fn next_ask(&mut self) -> Ask {
        match self.question() {
            Query::Ask(ask) => ask,
            other => panic!("{other:?}"),
        }
    }

    fn found(&mut self, found: StoreReply) {
        self.told(Ok(found));
    }

    /// A document, charged to the counter that the connection was given.
    fn document(&self, body: impl Into<bytes::Bytes>, last: Option<String>) -> StoreReply {
        let (body, mut reservation) = (body.into(), self.server.admission.reservation());
        reservation.charge(body.len() as u64).unwrap();
        StoreReply::Bank(BankFound::Document(BankDocument { body, last, reservation }))
    }

    fn found_document(&mut self, body: &'static str) {
        self.found(self.document(body, None));
    }

    /// A part of a stream, as the store makes it.
    fn part(&self, numbers: std::ops::Range<usize>) -> StoreReply {
        let faces = faces(numbers);
        let mut lines = Vec::new();
        faces.iter().for_each(|face| face.write_document(&mut lines));
        let last = faces.last().filter(|_| faces.len() == STREAMED).map(|face| face.name.clone());
        self.document(lines, last)
    }

    fn found_faces(&mut self, numbers: std::ops::Range<usize>) {
        self.found(self.part(numbers));
    }

    /// The subject of the document that the request leads to.
    fn look(&mut self, request: &[u8]) -> BankLook {
        look_of(self.asked(request))
    }

    /// The store is asked for what follows this face, and nothing else.
    fn assert_asked_after(&mut self, face: usize) {
        assert_eq!(
            look_of(self.next_ask()),
            BankLook::Faces("c".into(), Some(format!("{face:03}.jpg")), STREAMED)
        );
    }

    /// What was sent behind the head.
    fn sent_body(&self) -> &[u8] {
        let at = self.sent.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
        &self.sent[at + 4..]
    }
}

#[test]
fn a_picture_becomes_a_face_then_a_question_then_an_answer() {
    for (fresh, code, result) in [(true, 201, "insertada"), (false, 200, "ya existe")] {
        let mut world = World::new();
        // Whatever it would take in an answer: what is kept is a JPEG.
        world.feed(&put("/carpetas/mis%20caras/%C3%B1.jpg", "Accept: application/json\r\n"));
        let WorkSource::Upload { picture, product, .. } = &world.orders[0].source else { panic!() };
        assert_eq!((&picture[..], product), (PNG, &Product::Face));
        assert!(world.queries.is_empty(), "the store is asked when there is a face");
        world.done(&Ok(WorkOutput::Face(face_image(), Times::default())));
        let StoreWrite::Insert { folder, face } = world.question().into_write() else { panic!() };
        assert_eq!((&*folder, *face), ("mis caras", face_image().named("ñ.jpg")));
        assert!(world.text().is_empty(), "nothing is promised before the store has it");
        world.found(StoreReply::Inserted(fresh));
        assert_eq!(world.statuses(), [code]);
        assert!(
            world.has("Location: /carpetas/mis%20caras/%C3%B1.jpg") && world.has("Connection: keep-alive")
        );
        assert_eq!(world.body()["mensaje"], format!("imagen ñ.jpg {result}"));
        assert_eq!(world.server.admission.bytes(), 0);
    }
}

#[test]
fn a_picture_that_is_none_never_gets_to_the_store() {
    for (failure, code) in [
        (WorkError::Undecodable("faltan datos".into()), 422),
        (WorkError::ScalerLost, 502),
        (WorkError::Late, 504),
    ] {
        let mut world = World::new();
        world.feed(&put("/carpetas/c/a.jpg", ""));
        world.done(&Err(failure));
        assert_eq!(world.statuses(), [code]);
        assert!(world.queries.is_empty());
    }
    let mut text = World::new();
    text.feed(b"PUT /carpetas/c/a.jpg HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nhola");
    text.transmit();
    assert_eq!((text.statuses(), text.orders.len()), (vec![415], 0));
    let mut nothing = World::new();
    nothing.feed(b"PUT /carpetas/c/a.jpg HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    nothing.transmit();
    assert_eq!(nothing.statuses(), [415]);
}

#[test]
fn names_are_judged_before_the_picture_is_asked_for() {
    for target in ["/carpetas/.c/a.jpg", "/carpetas/c%2Fd/a.jpg", "/carpetas/c/a%2Fb.jpg", "/carpetas/c/"] {
        let mut world = World::new();
        let request = put(target, "Expect: 100-continue\r\n");
        world.feed(&request[..request.len() - PNG.len()]);
        world.transmit();
        assert_eq!(world.statuses(), [422], "{target}");
        assert!(world.orders.is_empty() && world.queries.is_empty());
    }
    let mut world = World::new();
    let request = put("/carpetas/c/a.jpg", "Expect: 100-continue\r\n");
    world.feed(&request[..request.len() - PNG.len()]);
    world.transmit();
    assert_eq!(world.sent, CONTINUE);
}

#[test]
fn a_store_that_can_not_keep_it_says_so() {
    for (failure, code) in
        [(WorkError::StoreFull("SQLITE_FULL".into()), 507), (WorkError::StoreBroken("EIO".into()), 503)]
    {
        let mut world = World::new();
        world.feed(&put("/carpetas/c/a.jpg", ""));
        world.done(&Ok(WorkOutput::Face(face_image(), Times::default())));
        world.told(Err(failure.clone()));
        assert_eq!(world.statuses(), [code]);
        assert!(!world.text().contains("SQLITE") && !world.text().contains("EIO"), "reasons are for the log");

        let mut known = World::new();
        *known.server.store_away.borrow_mut() = Some(failure);
        known.feed(&put("/carpetas/c/a.jpg", "Expect: 100-continue\r\n")[..110]);
        known.transmit();
        assert_eq!(known.statuses(), [code], "before the body is asked for");
    }
    let mut silent = World::new();
    silent.feed(&put("/carpetas/c/a.jpg", ""));
    silent.done(&Ok(WorkOutput::Face(face_image(), Times::default())));
    silent.wait(Duration::from_secs(30));
    silent.transmit();
    assert_eq!(silent.statuses(), [503]);
}

#[test]
fn a_client_that_leaves_before_its_face_is_kept_is_told_nothing() {
    let mut world = World::new();
    world.feed(&put("/carpetas/c/a.jpg", ""));
    world.done(&Ok(WorkOutput::Face(face_image(), Times::default())));
    world.connection.handle_gone(world.now);
    world.drain_actions();
    world.found(StoreReply::Inserted(true));
    assert!(world.connection.is_closed() && world.text().is_empty());
}

#[test]
fn what_is_missing_is_asked_with_the_list_in_the_body() {
    let mut world = World::new();
    let look = world.look(&list("/carpetas/c/faltantes", br#"{"nombres": ["b.jpg", "a.jpg"]}"#));
    assert_eq!(
        look,
        BankLook::Missing("c".into(), Bytes::from_static(br#"{"nombres": ["b.jpg", "a.jpg"]}"#))
    );
    world.found_document("{\"faltantes\":[\"a.jpg\"]}\n");
    assert_eq!(
        (world.statuses(), world.body().to_string()),
        (vec![200], r#"{"faltantes":["a.jpg"]}"#.into())
    );

    // It is no picture: no place in the queue is needed, and no form is looked for.
    let mut full = World::with(Limits::default(), Admission::new(1, 1 << 20, 1));
    let mut taken = full.server.admission.reservation();
    taken.admit(0).unwrap();
    let form = b"POST /carpetas/c/faltantes HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data\r\n\
        Content-Length: 14\r\n\r\n{\"nombres\":[]}";
    assert_eq!(full.look(form), BankLook::Missing("c".into(), Bytes::from_static(b"{\"nombres\":[]}")));
}

#[test]
fn a_list_that_is_none() {
    for (error, code, slug) in [
        (ListError::NotJson, 400, "json-mal-formado"),
        (ListError::NotNames(String::new()), 422, "lista-de-nombres"),
        (ListError::NotNames("7".into()), 422, "lista-de-nombres"),
    ] {
        let mut world = World::new();
        world.look(&list("/carpetas/c/faltantes", b"hola"));
        world.found(StoreReply::Bank(BankFound::NoList(error)));
        world.transmit();
        assert_eq!(world.statuses(), [code]);
        assert_eq!(world.body()["type"], format!("urn:tp2:error:{slug}"));
        assert!(world.has("Connection: keep-alive") && world.queries.is_empty());
    }
}

#[test]
fn a_list_that_is_too_long() {
    let roomy = || World::with(Limits::default(), Admission::new(4, 64 << 20, 1));
    let mut announced = roomy();
    let head =
        format!("POST /carpetas/c/faltantes HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", LIST_MAX + 1);
    announced.feed(head.as_bytes());
    announced.transmit();
    assert_eq!(announced.statuses(), [413], "before any of it has come");
    assert_eq!(announced.body()["recibido"], LIST_MAX + 1);

    let mut chunked = roomy();
    chunked.feed(b"POST /carpetas/c/faltantes HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let piece = [b"8000\r\n", &[b' '; 0x8000][..], b"\r\n"].concat();
    for _ in 0..=LIST_MAX / 0x8000 {
        chunked.feed(&piece);
    }
    chunked.feed(b"0\r\n\r\n");
    chunked.transmit();
    assert_eq!(chunked.statuses(), [413]);
    assert_eq!(chunked.server.admission.bytes(), 0);

    let mut longest = roomy();
    let mut body = br#"{"nombres": ["a.jpg"]}"#.to_vec();
    body.resize(usize::try_from(LIST_MAX).unwrap(), b' ');
    let request = list("/carpetas/c/faltantes", &body);
    for piece in request.chunks(INPUT_MAX) {
        longest.feed(piece);
    }
    assert_eq!(look_of(longest.next_ask()), BankLook::Missing("c".into(), body.into()));
}

#[test]
fn folders_and_pages() {
    let mut world = World::new();
    assert_eq!(world.look(&get("/carpetas", "")), BankLook::Folders(None, 1000));
    world.found_document("{\"carpetas\":[{\"nombre\":\"c\",\"imagenes\":3}]}\n");
    assert_eq!(world.body().to_string(), r#"{"carpetas":[{"nombre":"c","imagenes":3}]}"#);

    let mut world = World::new();
    let look = world.look(&get("/carpetas/c?desde=b%20&cantidad=2", ""));
    assert_eq!(look, BankLook::Names("c".into(), Some("b ".into()), 2));
    world.found_document("{\"siguiente\":\"d\"}\n");
    assert_eq!(world.body()["siguiente"], "d");

    let mut unknown = World::new();
    unknown.asked(&get("/carpetas/c", ""));
    unknown.found(StoreReply::Bank(BankFound::NoFolder));
    assert_eq!((unknown.statuses(), unknown.has("Connection: keep-alive")), (vec![404], true));
}

#[test]
fn a_face_as_its_client_likes_it() {
    for (fields, as_image) in
        [("", false), ("Accept: image/*\r\n", true), ("Accept: text/html, image/*, */*;q=0.8\r\n", false)]
    {
        let mut world = World::new();
        let look = world.look(&get("/carpetas/c/..", fields));
        assert_eq!(look, BankLook::Face { folder: "c".into(), name: "..".into(), as_image });
        world.found_faces(0..1);
        assert_eq!(world.has("Content-Type: image/jpeg"), as_image, "{fields}");
        assert!(world.has("Vary: Accept"));
    }
    let mut head = World::new();
    head.asked(&[b"HEAD", &get("/carpetas/c/a", "")[3..]].concat());
    head.found_faces(0..1);
    assert!(head.text().contains("Content-Length: ") && head.sent_body().is_empty());
}

#[test]
fn a_question_with_a_body_that_nobody_wants_is_a_question() {
    let mut world = World::new();
    world.feed(&get("/carpetas", "Content-Length: 3\r\n"));
    assert!(world.queries.is_empty());
    assert_eq!(world.look(b"abc"), BankLook::Folders(None, 1000));
}

#[test]
fn a_folder_that_fits_one_part_has_a_length() {
    for count in [0, 1, STREAMED - 1] {
        let mut world = World::new();
        let look = world.look(&get("/carpetas/c?formato=ndjson", ""));
        assert_eq!(look, BankLook::Faces("c".into(), None, STREAMED));
        world.found_faces(0..count);
        assert_eq!(world.statuses(), [200]);
        assert!(world.has("Content-Type: application/x-ndjson"));
        assert!(world.has(&format!("Content-Length: {}", world.sent_body().len())), "{count}");
        assert_eq!(names(world.sent_body()).len(), count);
        assert!(world.queries.is_empty());
    }
    let mut unknown = World::new();
    unknown.asked(&get("/carpetas/c?formato=ndjson", ""));
    unknown.found(StoreReply::Bank(BankFound::NoFolder));
    assert_eq!(unknown.statuses(), [404]);
}

#[test]
fn a_longer_one_comes_in_chunks_as_the_client_takes_them() {
    for count in [STREAMED, STREAMED + 1, 4 * STREAMED - 1, 4 * STREAMED, 4 * STREAMED + 1] {
        let mut world = World::new();
        world.asked(&get("/carpetas/c?formato=ndjson", ""));
        world.found_faces(0..STREAMED);
        let mut told = STREAMED;
        loop {
            world.assert_asked_after(told - 1);
            let part = told..(told + STREAMED).min(count);
            world.found_faces(part.clone());
            told = part.end;
            if part.len() < STREAMED {
                break;
            }
        }
        assert!(world.queries.is_empty());
        assert!(world.has("Transfer-Encoding: chunked") && !world.text().contains("Content-Length"));
        let parts = unchunked(world.sent_body());
        assert_eq!(parts.len(), count.div_ceil(STREAMED));
        assert_eq!(
            names(&parts.concat()),
            faces(0..count).iter().map(|face| face.name.clone()).collect::<Vec<_>>()
        );
        assert!(!world.connection.is_closed() && !world.half_closed);
        assert!(matches!(
            world.events.last().unwrap().what,
            EventKind::Answered { status: 200, cut: None, .. }
        ));
    }
}

#[test]
fn the_next_part_is_asked_for_when_the_last_is_with_the_kernel() {
    let mut world = World::new();
    world.asked(&get("/carpetas/c?formato=ndjson", ""));
    let (request, _) = world.queries.remove(0);
    let all = Ok(world.part(0..STREAMED));
    world.connection.handle_told(request, all, world.now);
    world.drain_actions();
    while let Some(pending) = world.connection.poll_transmit() {
        assert!(world.queries.is_empty());
        let length = pending.len();
        world.connection.sent(length.min(1000), world.now);
        world.drain_actions();
    }
    world.assert_asked_after(STREAMED - 1);
    assert!(!world.connection.is_closed());
}

#[test]
fn for_http_1_0_the_end_is_the_connections() {
    for count in [STREAMED, STREAMED + 2, 4 * STREAMED] {
        let mut world = World::new();
        world.asked(b"GET /carpetas/c?formato=ndjson HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        world.found_faces(0..STREAMED);
        for from in (STREAMED..=count).step_by(STREAMED) {
            world.assert_asked_after(from - 1);
            assert!(!world.half_closed);
            world.found_faces(from..(from + STREAMED).min(count));
        }
        assert!(!world.text().contains("Transfer-Encoding") && !world.text().contains("Content-Length"));
        assert!(world.has("Connection: close") && world.half_closed);
        assert_eq!(names(world.sent_body()).len(), count);
    }
}

#[test]
fn head_of_a_whole_folder_asks_no_further() {
    for (version, field) in [("1.1", "Transfer-Encoding: chunked"), ("1.0", "Connection: close")] {
        let mut world = World::new();
        world.asked(format!("HEAD /carpetas/c?formato=ndjson HTTP/{version}\r\nHost: a\r\n\r\n").as_bytes());
        world.found_faces(0..STREAMED);
        assert!(world.queries.is_empty() && world.has(field));
        assert!(world.sent_body().is_empty());
        assert_eq!(world.half_closed, version == "1.0");
    }
}

#[test]
fn a_stream_of_some_documents_ends_behind_them() {
    let mut world = World::new();
    let look = world.look(&get("/carpetas/c?formato=ndjson&cantidad=5", ""));
    assert_eq!(look, BankLook::Faces("c".into(), None, STREAMED));
    world.found_faces(0..STREAMED);
    assert_eq!(look_of(world.next_ask()), BankLook::Faces("c".into(), Some("003.jpg".into()), 1));
    // Full for the store: there may be more.
    let mut lines = Vec::new();
    faces(4..5)[0].write_document(&mut lines);
    world.found(world.document(lines, Some("004.jpg".into())));
    assert!(world.queries.is_empty() && world.sent.ends_with(LAST_CHUNK));
    assert_eq!(names(&unchunked(world.sent_body()).concat()).len(), 5);
}

#[test]
fn a_store_that_fails_in_the_middle_leaves_no_last_chunk() {
    for told in [Err(WorkError::StoreBroken("EIO".into())), Ok(StoreReply::Bank(BankFound::NoFolder))] {
        let mut world = World::new();
        world.asked(&get("/carpetas/c?formato=ndjson", ""));
        world.found_faces(0..STREAMED);
        world.assert_asked_after(STREAMED - 1);
        world.told(told);
        assert!(world.connection.is_closed(), "no other way is left to say it");
        assert!(!world.sent.ends_with(LAST_CHUNK));
        assert!(matches!(
            world.events.last().unwrap().what,
            EventKind::Answered { cut: Some(Cut::Store), .. }
        ));
    }
    let mut silent = World::new();
    silent.asked(&get("/carpetas/c?formato=ndjson", ""));
    silent.found_faces(0..STREAMED);
    silent.wait(Duration::from_secs(29));
    assert!(!silent.connection.is_closed());
    silent.wait(Duration::from_secs(1));
    assert!(silent.connection.is_closed() && !silent.sent.ends_with(LAST_CHUNK));
    let ended_by = |world: &World| match world.events.last().unwrap().what {
        EventKind::Answered { cut, .. } => cut,
        _ => None,
    };
    assert_eq!(ended_by(&silent), Some(Cut::Store));
    // The client does not take what is there.
    let mut slow = World::new();
    slow.feed(&get("/carpetas/c", ""));
    slow.answer_of_length(100);
    slow.wait(Duration::from_secs(30));
    assert_eq!(ended_by(&slow), Some(Cut::Slow));
    let mut gone = World::new();
    gone.feed(&get("/carpetas/c", ""));
    gone.answer_of_length(100);
    gone.connection.handle_gone(gone.now);
    gone.drain_actions();
    assert_eq!(ended_by(&gone), Some(Cut::Client));
}

#[test]
fn a_client_that_leaves_in_the_middle_ends_it() {
    let mut world = World::new();
    world.asked(&get("/carpetas/c?formato=ndjson", ""));
    world.found_faces(0..STREAMED);
    world.connection.handle_gone(world.now);
    world.drain_actions();
    let sent = world.sent.len();
    world.found_faces(STREAMED..STREAMED + 1);
    assert!(world.connection.is_closed() && world.queries.is_empty());
    assert_eq!(world.sent.len(), sent);
}

#[test]
fn what_follows_a_stream_is_answered_behind_it() {
    let mut world = World::new();
    let requests =
        [get("/carpetas/c?formato=ndjson", ""), get("/healthz", ""), get("/carpetas?x", "")].concat();
    world.asked(&requests);
    world.found_faces(0..STREAMED);
    assert_eq!(world.statuses(), [200]);
    world.found_faces(STREAMED..STREAMED + 3);
    assert_eq!(world.statuses(), [200, 200]);
    assert_eq!(look_of(world.next_ask()), BankLook::Folders(None, 1000));
    let text = world.text();
    let (stream, _) = text.rsplit_once("HTTP/1.1 200 OK").unwrap();
    let (_, body) = stream.split_once("\r\n\r\n").unwrap();
    assert_eq!(names(&unchunked(body.as_bytes()).concat()).len(), STREAMED + 3);
}

#[test]
fn a_half_closed_client_gets_the_whole_stream() {
    let mut world = World::new();
    world.asked(&get("/carpetas/c?formato=ndjson", ""));
    world.eof();
    world.found_faces(0..STREAMED);
    world.assert_asked_after(STREAMED - 1);
    world.found_faces(0..0);
    assert!(world.has("Connection: close") && world.connection.is_closed());
    assert_eq!(names(&unchunked(world.sent_body()).concat()).len(), STREAMED);
}

#[test]
fn faces_and_folders_are_removed_when_the_store_says_so() {
    for (target, face) in [("/carpetas/mis%20caras/a.jpg", true), ("/carpetas/mis%20caras", false)] {
        for known in [true, false] {
            let mut world = World::new();
            let request = format!("DELETE {target} HTTP/1.1\r\nHost: a\r\n\r\n");
            match world.asked(request.as_bytes()) {
                Ask::Write(StoreWrite::RemoveFace { folder, name }) if face => {
                    assert_eq!((&*folder, &*name), ("mis caras", "a.jpg"));
                }
                Ask::Write(StoreWrite::RemoveFolder { folder }) if !face => assert_eq!(folder, "mis caras"),
                other => panic!("{other:?}"),
            }
            assert!(world.text().is_empty());
            world.found(StoreReply::Known(known));
            assert_eq!(world.statuses(), [if known { 204 } else { 404 }]);
            assert!(world.has("Connection: keep-alive"));
        }
    }
    let mut world = World::new();
    world.feed(b"DELETE /carpetas/.c HTTP/1.1\r\nHost: a\r\n\r\n");
    world.transmit();
    assert_eq!((world.statuses(), world.queries.len()), (vec![422], 0));
}

#[test]
fn a_document_is_charged_until_its_last_byte_is_with_the_kernel() {
    let mut world = World::new();
    world.asked(&get("/carpetas/c", ""));
    let (request, _) = world.queries.remove(0);
    let page = world.document(vec![b'x'; 1000], None);
    world.connection.handle_told(request, Ok(page), world.now);
    world.drain_actions();
    let length = world.connection.poll_transmit().unwrap().len();
    world.connection.sent(length - 1, world.now);
    assert!(world.server.admission.bytes() > 0);
    world.connection.sent(1, world.now);
    assert_eq!(world.server.admission.bytes(), 0);

    // An answer in parts is charged until its end; one of which only the head is sent is not.
    let mut stream = World::new();
    stream.asked(&get("/carpetas/c?formato=ndjson", ""));
    stream.found_faces(0..STREAMED);
    assert!(stream.server.admission.bytes() > 0);
    stream.assert_asked_after(STREAMED - 1);
    assert_eq!(stream.server.admission.bytes(), 0, "what holds the next part went along with the question");
    let mut head = World::new();
    head.asked(b"HEAD /carpetas/c?formato=ndjson HTTP/1.1\r\nHost: a\r\n\r\n");
    head.found_faces(0..STREAMED);
    assert_eq!(head.server.admission.bytes(), 0);
}
