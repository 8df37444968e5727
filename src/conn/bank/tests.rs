//! Names, lists, pages and documents, as data.
use bytes::Bytes;
use serde_json::Value;

use super::*;
use crate::model::admission::Admission;
use crate::model::face::{FACE_SAMPLES, Face};

fn face(name: &str) -> Face {
    let samples = (0..FACE_SAMPLES).map(|at| u8::try_from(at % 256).unwrap()).collect::<Vec<_>>().into();
    Face { name: name.into(), image: "/9j/4AA+Zw==".into(), samples }
}

fn document(face: &Face) -> String {
    let mut document = Vec::new();
    face.write_document(&mut document);
    String::from_utf8(document).unwrap()
}

fn parameters(query: &str) -> Parameters {
    Parameters { query: Some(query.as_bytes().to_vec()), accept: None }
}

fn body(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap()
}

fn field<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    reply.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| &**value)
}

/// What a segment of a path is refused with, and which rule it broke.
fn refusal(result: Result<String, HttpProblem>) -> (u16, &'static str, String) {
    match result {
        Err(reject @ HttpProblem::Parameter { .. }) => {
            let status = reject.status();
            let HttpProblem::Parameter { name, value, .. } = reject else { unreachable!() };
            (status, name, value)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_name_in_a_path_leads_back_to_it() {
    for (name, expected) in [
        ("a b/ñ.jpg", "a%20b%2F%C3%B1.jpg"),
        ("%2e%2e", "%252e%252e"),
        ("..", "%2E%2E"),
        (".", "%2E"),
        ("...", "..."),
        (".a", ".a"),
    ] {
        assert_eq!(segment(name), expected);
    }
}

#[test]
fn names_are_decoded_once_and_taken_as_they_are() {
    for (segment, name) in [
        ("1A58003.jpg", "1A58003.jpg"),
        ("a%20b.jpg", "a b.jpg"),
        ("a+b.jpg", "a+b.jpg"),
        ("%C3%B1and%C3%BA.jpg", "ñandú.jpg"),
        ("ñandú.jpg", "ñandú.jpg"),
        ("%F0%9F%98%80.jpg", "😀.jpg"),
        ("%2541.jpg", "%41.jpg"),
        ("%5C..%5c", "\\..\\"),
        (".", "."),
        ("..", ".."),
        ("%2E%2e", ".."),
        ("system.users", "system.users"),
        ("$set", "$set"),
        ("faltantes", "faltantes"),
        ("%0D%0A", "\r\n"),
        ("%zz", "%zz"),
        ("%", "%"),
        ("'; DROP TABLE imagen; --", "'; DROP TABLE imagen; --"),
    ] {
        assert_eq!(face_name(segment.as_bytes()).unwrap(), name, "{segment}");
    }
    for segment in ["a/b", "a%2Fb", "%2f", "a%00.jpg", "", "%FF.jpg", "%ED%A0%80", "%C3"] {
        let (status, what, _) = refusal(face_name(segment.as_bytes()));
        assert_eq!((status, what), (422, "nombre"), "{segment}");
    }
    assert_eq!(refusal(face_name(b"a%2Fb")).2, "a/b");
    assert_eq!(refusal(face_name(b"%FF.jpg")).2, "\u{fffd}.jpg");
}

#[test]
fn folders_have_more_rules() {
    for (segment, folder) in [
        ("img_to_learn", "img_to_learn"),
        ("mis%20caras", "mis caras"),
        ("%F0%9F%98%80", "😀"),
        ("system", "system"),
        ("systems.x", "systems.x"),
        ("a.system.b", "a.system.b"),
        ("System.x", "System.x"),
        ("a..", "a.."),
        ("a%5Cb", "a\\b"),
    ] {
        assert_eq!(folder_name(segment.as_bytes()).unwrap(), folder, "{segment}");
    }
    for segment in [
        "",
        ".",
        "..",
        "%2e%2e",
        ".a",
        "a$b",
        "$",
        "%24",
        "a%2Fb",
        "a/b",
        "a%00",
        "system.",
        "system.x",
        "%73ystem.x",
        "%FF",
    ] {
        let (status, what, _) = refusal(folder_name(segment.as_bytes()));
        assert_eq!((status, what), (422, "carpeta"), "{segment}");
    }
}

#[test]
fn lengths_are_counted_in_bytes() {
    type Name = fn(&[u8]) -> Result<String, HttpProblem>;
    for (name, max) in [(folder_name as Name, 120), (face_name as Name, 255)] {
        for letter in ["a", "é", "文", "😀"] {
            let longest = letter.repeat(max / letter.len());
            let longest = format!("{longest}{}", "x".repeat(max - longest.len()));
            assert_eq!(longest.len(), max);
            assert_eq!(name(longest.as_bytes()).unwrap(), longest);
            let encoded = utf8_percent_encode(&longest, NON_ALPHANUMERIC).to_string();
            assert_eq!(name(encoded.as_bytes()).unwrap(), longest, "escapes do not count");
            assert!(name(format!("{longest}x").as_bytes()).is_err());
        }
    }
}

#[test]
fn a_document_has_the_members_that_it_always_had() {
    let text = document(&face("1A58003.jpg"));
    assert!(text.starts_with(
        r#"{"nombre":"1A58003.jpg","imagen_str":"/9j/4AA+Zw==","vector":[0.0,0.001,0.002,0.003,"#
    ));
    assert!(
        text.ends_with("0.028,0.029,0.03,0.031]}\n") && text.lines().count() == 1,
        "{}",
        &text[text.len() - 60..]
    );
    let value: Value = serde_json::from_str(&text).unwrap();
    let members: Vec<&String> = value.as_object().unwrap().keys().collect();
    assert_eq!(members, ["nombre", "imagen_str", "vector"]);
    assert_eq!(value["vector"].as_array().unwrap().len(), FACE_SAMPLES);
}

#[test]
fn a_vector_is_each_sample_divided_by_1000_and_nothing_else() {
    let text = document(&face("a"));
    let (_, vector) = text.split_once("\"vector\":[").unwrap();
    let numbers: Vec<&str> = vector.trim_end_matches("]}\n").split(',').collect();
    for (number, sample) in numbers[..256].iter().zip(0_u8..=255) {
        // The nearest double, as Python's division and Python's json have it.
        assert_eq!(
            number.parse::<f64>().unwrap().to_bits(),
            (f64::from(sample) / 1000.0).to_bits(),
            "{number}"
        );
        assert!(number.len() <= 5, "{number}");
    }
}

#[test]
fn any_name_is_a_json_string_and_a_document_one_line() {
    for name in ["a\"b\\c.jpg", "a\nb\r\t", "\u{1}", "ñ 文 😀", "\u{2028}", "</script>"] {
        let text = document(&face(name));
        assert_eq!(text.matches('\n').count(), 1);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["nombre"], name);
    }
}

#[test]
fn a_face_that_somebody_else_wrote_is_no_crash() {
    let nothing = Face { name: "a".into(), image: "no es base64".into(), samples: Bytes::new() };
    assert_eq!(document(&nothing), "{\"nombre\":\"a\",\"imagen_str\":\"no es base64\",\"vector\":[]}\n");
}

#[test]
fn what_comes_of_an_insertion() {
    let requested = BankRequest::Insert { folder: "mis caras".into(), name: "a/ñ?.jpg".into() };
    for (fresh, code, result) in [(true, 201, "insertada"), (false, 200, "ya existe")] {
        let BankAnswer::Whole(reply, Held::Nothing) = requested.answer(StoreReply::Inserted(fresh)).unwrap()
        else {
            panic!()
        };
        assert_eq!(reply.status, code);
        let expected = json!({
            "nombre": "a/ñ?.jpg", "resultado": result, "mensaje": format!("imagen a/ñ?.jpg {result}"),
        });
        assert_eq!(body(&reply).to_string(), expected.to_string(), "in this order");
        assert_eq!(field(&reply, "Location"), Some("/carpetas/mis%20caras/a%2F%C3%B1%3F.jpg"));
        assert_eq!(field(&reply, "Content-Type"), Some("application/json"));
        assert_eq!(field(&reply, "Cache-Control"), Some("no-store"));
    }
}

/// What the store has made, charged to a counter of its own.
fn made(body: &'static str, last: Option<&str>) -> StoreReply {
    let mut reservation = Admission::new(1, 100, 1).reservation();
    reservation.charge(body.len() as u64).unwrap();
    StoreReply::Bank(BankFound::Document(BankDocument {
        body: body.into(),
        last: last.map(Into::into),
        reservation,
    }))
}

#[test]
fn documents_are_sent_as_the_store_made_them_and_stay_charged() {
    let (folder, name) = (|| "c".to_owned(), || "a".to_owned());
    let policy = Some(picture::POLICY);
    for (requested, media_type, vary, restricted) in [
        (BankRequest::Folders { from: None, max: 1 }, "application/json", None, None),
        (BankRequest::Names { folder: folder(), from: None, max: 2 }, "application/json", None, None),
        (BankRequest::Missing { folder: folder() }, "application/json", None, None),
        (documents(), "application/x-ndjson", None, None),
        (
            BankRequest::Face { folder: folder(), name: name(), as_image: false },
            "application/json",
            Some("Accept"),
            None,
        ),
        (
            BankRequest::Face { folder: folder(), name: name(), as_image: true },
            "image/jpeg",
            Some("Accept"),
            policy,
        ),
    ] {
        let Ok(BankAnswer::Whole(reply, Held::Bytes(reservation))) = requested.answer(made("{}\n", None))
        else {
            panic!("{requested:?}")
        };
        assert_eq!((reply.status, &reply.body[..]), (200, &b"{}\n"[..]));
        assert_eq!((field(&reply, "Content-Type"), field(&reply, "Vary")), (Some(media_type), vary));
        assert_eq!(field(&reply, "Content-Security-Policy"), restricted);
        assert_eq!(field(&reply, "Cache-Control"), Some("no-store"));
        assert_eq!(reservation.bytes(), 3, "{requested:?}");
    }
}

#[test]
fn what_is_not_there() {
    let (folder, name) = (|| "c".to_owned(), || "a".to_owned());
    let one = || BankRequest::Face { folder: folder(), name: name(), as_image: false };
    let remove_face = || BankRequest::RemoveFace { folder: folder(), name: name() };
    let remove_folder = || BankRequest::RemoveFolder { folder: folder() };
    for (requested, found, slug) in [
        (
            BankRequest::Names { folder: folder(), from: None, max: 1 },
            StoreReply::Bank(BankFound::NoFolder),
            "carpeta-desconocida",
        ),
        (documents(), StoreReply::Bank(BankFound::NoFolder), "carpeta-desconocida"),
        (one(), StoreReply::Bank(BankFound::NoFolder), "carpeta-desconocida"),
        (one(), StoreReply::Bank(BankFound::NoFace), "imagen-desconocida"),
        (remove_face(), StoreReply::Known(false), "imagen-desconocida"),
        (remove_folder(), StoreReply::Known(false), "carpeta-desconocida"),
    ] {
        let BankAnswer::Refused(reject) = requested.answer(found).unwrap() else { panic!("{slug}") };
        assert_eq!((reject.status(), &*reject.problem().slug), (404, slug));
    }
    for requested in [remove_face(), remove_folder()] {
        let Ok(BankAnswer::Whole(reply, Held::Nothing)) = requested.answer(StoreReply::Known(true)) else {
            panic!()
        };
        assert_eq!((reply.status, reply.body.len()), (204, 0));
    }
    // An answer to another question ends in no panic.
    assert_eq!(one().answer(StoreReply::Inserted(true)).unwrap_err(), WrongReply);
}

/// All of the folder `c`.
fn documents() -> BankRequest {
    BankRequest::Documents { stream: Stream { folder: "c".into(), left: None }, after: None }
}

#[test]
fn a_stream_ends_after_as_many_documents_as_were_asked_for() {
    for (left, parts) in [(1, &[1][..]), (4, &[4]), (6, &[4, 2]), (9, &[4, 4, 1])] {
        let mut stream = Stream { folder: "c".into(), left: Some(left) };
        let mut asked = Vec::new();
        loop {
            let part = stream.part();
            asked.push(part);
            if !stream.goes_on_after(&b"{}\n".repeat(part)) {
                break;
            }
        }
        assert_eq!(asked, parts, "{left}");
    }
    // A part may be shorter, because its documents are long.
    let mut stream = Stream { folder: "c".into(), left: Some(3) };
    assert!(stream.goes_on_after(b"{}\n") && stream.part() == 2);
}

#[test]
fn names_from_one_on_are_those_after_what_is_just_before_it() {
    let names =
        ["\u{1}", "a", "a\u{1}", "aa", "az", "a\u{10ffff}", "b", "b.jpg", "\u{d7ff}", "\u{e000}", "ñ", "😀"];
    let long = ["a".repeat(255), "\u{10ffff}".repeat(63)];
    let names: Vec<&str> = names.into_iter().chain(long.iter().map(String::as_str)).collect();
    for from in names.iter().copied().chain(["a\0b", "\0", "c", "a\u{2}"]) {
        let after = just_before(from);
        assert!(!after.as_deref().is_some_and(|after| after.contains('\0') || after.is_empty()), "{from:?}");
        for name in &names {
            assert_eq!(
                *name >= from,
                after.as_deref().is_none_or(|after| *name > after),
                "{name:?} from {from:?}"
            );
        }
    }
    assert_eq!(just_before(""), None);
}

#[test]
fn a_folder_goes_on_after_a_full_part() {
    let requested = documents();
    let Ok(BankAnswer::Begun(_, rest)) = requested.answer(made("{}\n", Some("15"))) else { panic!() };
    let (stream, ask) = rest.ask();
    let Ask::Document { look, reservation } = ask else { panic!("{ask:?}") };
    assert_eq!(look, BankLook::Faces("c".into(), Some("15".into()), STREAMED));
    assert_eq!((&*stream.folder, reservation.bytes()), ("c", 3), "what it is charged to goes along");
    let document = BankDocument { body: Bytes::new(), last: None, reservation };
    let (body, rest) = Rest::take(stream, document);
    assert!(body.is_empty() && rest.is_err_and(|reservation| reservation.bytes() == 3));
}

#[test]
fn what_a_listing_asks_for() {
    let names =
        |from: Option<&str>, max| BankRequest::Names { folder: "c".into(), from: from.map(Into::into), max };
    for (query, requested) in [
        ("", names(None, 1000)),
        ("desde=&cantidad=&formato=", names(None, 1000)),
        ("desde=a.jpg", names(Some("a.jpg"), 1000)),
        ("cantidad=1&desde=a%20b+c%2B.jpg", names(Some("a b c+.jpg"), 1)),
        ("desde=%20a%20", names(Some(" a "), 1000)),
        ("cantidad=10000&formato=json", names(None, 10_000)),
        ("formato=ndjson", documents()),
        (
            "formato=ndjson&cantidad=7&desde=b",
            BankRequest::Documents {
                stream: Stream { folder: "c".into(), left: Some(7) },
                after: just_before("b"),
            },
        ),
        ("nada=1", names(None, 1000)),
    ] {
        assert_eq!(listing("c".into(), &parameters(query)).unwrap(), requested, "{query}");
    }
    assert_eq!(listing("c".into(), &Parameters::default()).unwrap(), names(None, 1000));
    for query in [
        "cantidad=0",
        "cantidad=10001",
        "cantidad=-1",
        "cantidad=%2B5",
        "cantidad=1.5",
        "cantidad=todas",
        "cantidad=99999999999999999999",
        "formato=ndjson&cantidad=0",
        "formato=xml",
        "formato=NDJSON",
    ] {
        assert_eq!(listing("c".into(), &parameters(query)).unwrap_err().status(), 422, "{query}");
    }
    let part = |from: Option<&str>, max| BankRequest::Folders { from: from.map(Into::into), max };
    assert_eq!(folders(&Parameters::default()).unwrap(), part(None, 1000));
    assert_eq!(folders(&parameters("desde=b%20&cantidad=7")).unwrap(), part(Some("b "), 7));
    assert_eq!(folders(&parameters("cantidad=0")).unwrap_err().status(), 422);
}

#[test]
fn lists_of_names() {
    for (list, names) in [
        (r#"{"nombres": []}"#, &[][..]),
        (r#"{"nombres": ["a.jpg", "b c.jpg", "a.jpg"]}"#, &["a.jpg", "b c.jpg", "a.jpg"]),
        (
            r#" {"otra": {"x": [1]}, "nombres": ["\u00f1", "😀", "..", "\ud83d\ude00"]} "#,
            &["ñ", "😀", "..", "😀"],
        ),
    ] {
        assert_eq!(names_of(list.as_bytes()).unwrap(), names, "{list}");
    }
    for (list, status) in [
        ("", 400),
        ("nombres", 400),
        ("{\"nombres\": [\"a\"]", 400),
        ("[1, 2", 400),
        ("{\"nombres\": [7], \"x\": }", 400),
        ("{\"\\ud800\": 0, \"nombres\": []}", 400),
        ("{\"nombres\": [\"a\"]} x", 400),
        ("{\"nombres\": [\"\\ud800\"]}", 400),
        ("{nombres: []}", 400),
        ("null", 422),
        ("[]", 422),
        ("[\"a.jpg\"]", 422),
        ("{}", 422),
        ("{\"nombres\": \"a.jpg\"}", 422),
        ("{\"nombres\": null}", 422),
        ("{\"nombres\": [1]}", 422),
        ("{\"nombres\": [\"a\", null]}", 422),
        ("{\"nombres\": [[\"a\"]]}", 422),
        ("{\"nombres\": [\"\"]}", 422),
        ("{\"nombres\": [\"a/b\"]}", 422),
        ("{\"nombres\": [\"a\\u0000\"]}", 422),
    ] {
        assert_eq!(HttpProblem::from(names_of(list.as_bytes()).unwrap_err()).status(), status, "{list}");
    }
    assert_eq!(HttpProblem::from(names_of(b"{\"nombres\": [\"\xff\"]}").unwrap_err()).status(), 400);
    assert_eq!(
        HttpProblem::from(names_of("[".repeat(100_000).as_bytes()).unwrap_err()).status(),
        400,
        "no stack is that deep"
    );
    let deep = format!("{{\"nombres\": [{}{}]}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(HttpProblem::from(names_of(deep.as_bytes()).unwrap_err()).status(), 422);
    match names_of(br#"{"nombres": ["a", {"b": 1}]}"#) {
        Err(ListError::NotNames(value)) => assert_eq!(value, r#"{"b": 1}"#),
        other => panic!("{other:?}"),
    }
    for (length, taken) in [(255, true), (256, false)] {
        let list = json!({ "nombres": ["x".repeat(length)] }).to_string();
        assert_eq!(names_of(list.as_bytes()).is_ok(), taken, "{length}");
    }
}
