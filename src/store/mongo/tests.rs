//! MongoDB's own tests; [`crate::store::contract`] has what every bank must do.
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

use ::mongodb::bson::doc;
use uuid::Uuid;

use super::*;
use crate::model::face::FACE_SAMPLES;
use crate::store::contract::{Place, bank_contract_tests};
use crate::store::{Retention, tools};

#[path = "../../../tests/common/mongodb.rs"]
#[expect(dead_code, reason = "the tests of whole servers need more of it")]
mod mongodb;

/// The server that all tests of this process share, each with a database of its own.
fn shared() -> Option<String> {
    // Kept open until the process ends, and FerretDB with it.
    static SHARED: LazyLock<Option<mongodb::FerretDb>> = LazyLock::new(mongodb::FerretDb::start);
    match std::env::var("TP2_PRUEBA_MONGODB_URI") {
        Ok(uri) if !uri.is_empty() => Some(uri),
        _ => SHARED.as_ref().map(mongodb::FerretDb::uri),
    }
}

/// A database for one test, removed at its end.
struct Bank {
    uri: String,
    name: String,
}

impl Default for Bank {
    fn default() -> Self {
        Self { uri: shared().unwrap(), name: format!("Banco-{}", Uuid::new_v4().simple()) }
    }
}

impl Bank {
    fn link(&self) -> MongoLink {
        MongoLink::open(&self.uri, &self.name).unwrap_or_else(|reason| panic!("{}", reason.of(&self.uri)))
    }
}

impl Place for Bank {
    // FerretDB scans the whole folder for each piece.
    const FACES: u32 = 110;

    fn is_there() -> bool {
        shared().is_some()
    }

    fn open(&self, _: Retention, _: SystemTime) -> Backend {
        open_as(&self.uri, &self.name).map_err(|reason| reason.of(&self.uri)).unwrap().0
    }
}

impl Drop for Bank {
    fn drop(&mut self) {
        let link = self.link();
        let _ = link.run(async { link::step(link.bank.drop()).await });
    }
}

bank_contract_tests!(Bank);

#[test]
fn folders_of_other_programs_are_read_as_they_are() {
    if !Bank::is_there() {
        return;
    }
    let bank = Bank::default();
    let link = bank.link();
    let vector = |samples: usize| vec![0.007_f64; samples];
    let theirs = [
        doc! { "nombre": "a.jpg", "imagen_str": "AA==", "vector": vector(FACE_SAMPLES) },
        doc! { "nombre": "b.jpg", "imagen_str": "AA==", "vector": vector(3) },
        doc! { "otro": 1 },
        doc! { "nombre": "c.jpg", "imagen_str": "AA==", "vector": vector(FACE_SAMPLES) },
        doc! { "nombre": "c.jpg", "imagen_str": "AA==", "vector": vector(FACE_SAMPLES) },
    ];
    for document in theirs {
        assert!(link.run(link::insert(&link.bank.collection("caras"), document)).unwrap());
    }
    let faces = link.run(super::bank::faces(&link.bank, "caras", None, 1)).unwrap().unwrap();
    let face =
        |name: &str| Face { name: name.into(), image: "AA==".into(), samples: vec![7; FACE_SAMPLES].into() };
    assert_eq!(faces, [face("a.jpg")]);
    let faces = link.run(super::bank::faces(&link.bank, "caras", Some("a.jpg".into()), 1)).unwrap().unwrap();
    assert_eq!(faces[..1], [face("c.jpg")], "what is no face is passed over");
    assert_eq!(link.run(super::bank::face(&link.bank, "caras", "b.jpg")).unwrap(), Some(vec![]));
    let page = link.run(super::bank::names(&link.bank, "caras", None, 9)).unwrap().unwrap();
    assert_eq!((page.total, page.names.len()), (4, 4), "what has a name is counted");
    // A name is repeated: no index can be created, and still no name is added twice.
    let (mut writer, _) = bank.open(Retention::default(), SystemTime::now());
    for (name, is_new) in [("c.jpg", false), ("d.jpg", true), ("d.jpg", false)] {
        let insertion = StoreWrite::Insert { folder: "caras".into(), face: Box::new(face(name)) };
        let answer = writer.write(vec![(1, insertion)]).remove(0);
        assert!(matches!(answer.result, Ok(StoreReply::Inserted(inserted)) if inserted == is_new), "{name}");
    }
}

#[test]
fn tasks_of_an_older_version_are_seen() {
    if !Bank::is_there() {
        return;
    }
    let mut database = mongodb::FerretDb::start().unwrap();
    assert!(!open(&database.uri()).unwrap().1);
    let link = MongoLink::open(&database.uri(), TASKS).unwrap_or_else(|_| panic!());
    assert!(link.run(link::insert(&link.bank.collection("tareas"), doc! { "_id": "x" })).unwrap());
    assert!(open(&database.uri()).unwrap().1);
    database.stop();
}

#[test]
fn a_database_that_is_away_is_said_in_a_line_and_not_waited_for_again_and_again() {
    let uri = "mongodb://root:s3creto@127.0.0.1:1/?serverSelectionTimeoutMS=300";
    let error = open(uri).map(drop).unwrap_err().to_string();
    assert!(
        error.starts_with("no se puede abrir el almacén «mongodb://127.0.0.1:1»: no responde"),
        "{error}"
    );
    let link = MongoLink::open(uri, "b").unwrap_or_else(|_| panic!());
    let first = Instant::now();
    link.run(ping(&link)).unwrap_err();
    assert!(first.elapsed() >= Duration::from_millis(300));
    let again: Result<(), StoreError> = link.run(async { unreachable!("nobody answered a moment ago") });
    assert!(matches!(again, Err(StoreError::Broken(_))));
    for wrong in ["mongodb://", "mongodb://a/?nada=1", "mongodb://u:p:s3creto@a"] {
        let error = open(wrong).map(drop).unwrap_err().to_string();
        assert!(error.contains("la dirección no es") && !error.contains("s3creto"), "{error}");
    }
    assert!(matches!(StoreError::from(MongoError::Late), StoreError::Broken(_)));
}
