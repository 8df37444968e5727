//! Names, lists, pages and documents, as data.
use bytes::Bytes;

use super::*;
use crate::model::face::FACE_SAMPLES;

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

/// The whole answer to a request.
fn whole(requested: &BankRequest, reply: StoreReply) -> Reply {
    match requested.answer(reply).unwrap() {
        BankAnswer::Whole(reply) => reply,
        other => panic!("{other:?}"),
    }
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
    let (folder, name) = ("c".to_owned(), "a".to_owned());
    let requested = BankRequest::Face { folder, name, as_image: true };
    let reply = whole(&requested, StoreReply::Faces(Some(vec![nothing])));
    assert_eq!((reply.status, reply.body.len()), (200, 0));
}

#[test]
fn what_comes_of_an_insertion() {
    let requested = BankRequest::Insert { folder: "mis caras".into(), name: "a/ñ?.jpg".into() };
    for (fresh, code, result) in [(true, 201, "insertada"), (false, 200, "ya existe")] {
        let reply = whole(&requested, StoreReply::Inserted(fresh));
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

#[test]
fn folders_pages_and_lists() {
    let reply = whole(&BankRequest::Folders, StoreReply::Folders(vec![("b".into(), 2), ("a".into(), 1)]));
    assert_eq!(
        reply.body,
        "{\"carpetas\":[{\"nombre\":\"b\",\"imagenes\":2},{\"nombre\":\"a\",\"imagenes\":1}]}\n"
    );
    assert_eq!(whole(&BankRequest::Folders, StoreReply::Folders(vec![])).body, "{\"carpetas\":[]}\n");

    let requested = BankRequest::Names { folder: "c".into(), from: None, max: 2 };
    let page = |next: Option<&str>| {
        StoreReply::Page(Some(Page {
            total: 7,
            names: vec!["a".into(), "b".into()],
            next: next.map(Into::into),
        }))
    };
    assert_eq!(
        whole(&requested, page(Some("d"))).body,
        "{\"carpeta\":\"c\",\"imagenes\":7,\"nombres\":[\"a\",\"b\"],\"siguiente\":\"d\"}\n"
    );
    assert_eq!(body(&whole(&requested, page(None)))["siguiente"], Value::Null);

    let requested = BankRequest::Missing { folder: "c".into() };
    assert_eq!(whole(&requested, StoreReply::Names(vec!["x".into()])).body, "{\"faltantes\":[\"x\"]}\n");
}

#[test]
fn what_is_not_there() {
    let (folder, name) = (|| "c".to_owned(), || "a".to_owned());
    let one = || BankRequest::Face { folder: folder(), name: name(), as_image: false };
    for (requested, found, slug) in [
        (
            BankRequest::Names { folder: folder(), from: None, max: 1 },
            StoreReply::Page(None),
            "carpeta-desconocida",
        ),
        (BankRequest::Documents { folder: folder() }, StoreReply::Faces(None), "carpeta-desconocida"),
        (one(), StoreReply::Faces(None), "carpeta-desconocida"),
        (one(), StoreReply::Faces(Some(vec![])), "imagen-desconocida"),
    ] {
        let BankAnswer::Refused(reject) = requested.answer(found).unwrap() else { panic!("{slug}") };
        assert_eq!((reject.status(), &*reject.problem().slug), (404, slug));
    }
    // A folder without faces is one all the same.
    let requested = BankRequest::Documents { folder: folder() };
    let reply = whole(&requested, StoreReply::Faces(Some(vec![])));
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    // An answer to another question ends in no panic.
    assert_eq!(one().answer(StoreReply::Inserted(true)).unwrap_err(), WrongReply);
}

#[test]
fn one_face_as_document_or_picture() {
    let requested = |as_image| BankRequest::Face { folder: "c".into(), name: "a".into(), as_image };
    let found = || StoreReply::Faces(Some(vec![face("a")]));
    let reply = whole(&requested(false), found());
    assert_eq!(reply.body, document(&face("a")));
    assert_eq!(
        (field(&reply, "Content-Type"), field(&reply, "Vary")),
        (Some("application/json"), Some("Accept"))
    );
    let reply = whole(&requested(true), found());
    assert_eq!(&reply.body[..], b"\xff\xd8\xff\xe0\x00\x3e\x67");
    assert_eq!((field(&reply, "Content-Type"), field(&reply, "Vary")), (Some("image/jpeg"), Some("Accept")));
}

#[test]
fn a_folder_goes_on_after_a_full_part() {
    let faces = |count: usize| (0..count).map(|number| face(&format!("{number:02}"))).collect::<Vec<_>>();
    for count in [0, 1, STREAMED - 1] {
        assert_eq!(Rest::after("c", &faces(count)), None, "{count}");
    }
    let rest = Rest::after("c", &faces(STREAMED)).unwrap();
    match rest.read() {
        StoreRead::Faces { folder, after: Some(after), max: STREAMED } => {
            assert_eq!((&*folder, &*after), ("c", "15"));
        }
        other => panic!("{other:?}"),
    }
    let (bytes, next) = rest.take(&faces(3));
    assert_eq!((bytes.iter().filter(|&&byte| byte == b'\n').count(), next), (3, None));
    assert_eq!(rest.take(&[]), (vec![], None));
    assert_eq!(rest.take(&faces(STREAMED)).1, Some(rest));
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
        ("formato=ndjson", BankRequest::Documents { folder: "c".into() }),
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
        "formato=xml",
        "formato=NDJSON",
    ] {
        assert_eq!(listing("c".into(), &parameters(query)).unwrap_err().status(), 422, "{query}");
    }
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
        assert_eq!(names_of(list.as_bytes()).unwrap_err().status(), status, "{list}");
    }
    assert_eq!(names_of(b"{\"nombres\": [\"\xff\"]}").unwrap_err().status(), 400);
    assert_eq!(names_of("[".repeat(100_000).as_bytes()).unwrap_err().status(), 400, "no stack is that deep");
    let deep = format!("{{\"nombres\": [{}{}]}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(names_of(deep.as_bytes()).unwrap_err().status(), 422);
    match names_of(br#"{"nombres": ["a", {"b": 1}]}"#) {
        Err(HttpProblem::NotNames { value }) => assert_eq!(value, r#"{"b": 1}"#),
        other => panic!("{other:?}"),
    }
    for (length, taken) in [(255, true), (256, false)] {
        let list = json!({ "nombres": ["x".repeat(length)] }).to_string();
        assert_eq!(names_of(list.as_bytes()).is_ok(), taken, "{length}");
    }
}
