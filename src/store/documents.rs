//! Documents of the bank: the reader's thread turns what a backend found into the bytes of an answer.
//!
//! Rules: a document's size is charged before anything is read, so that any number of slow clients cost no more than
//! `--memoria`. A request without room is refused ([`StoreError::NoRoom`]). A page ends at [`DOCUMENT_MAX`] bytes and
//! says where the next begins; a part of a stream ends with the face that reaches that size.
//!
//! Known limit: the memory of the backend itself while it reads one page (at most ten thousand names) is not charged:
//! there is one reader. Nor are the names of a list that is looked through, some ten times as long as the list.
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;

use super::{Reader, StoreError, StoreRead, StoreReply};
use crate::conn::bank::names_of;
use crate::model::admission::Reservation;
use crate::model::face::{Face, FolderPage, Page};
use crate::model::store::{BankDocument, BankFound, BankLook};

/// Size in bytes at which a page, or a part of a stream, ends.
pub(crate) const DOCUMENT_MAX: usize = 256 << 10;

/// Size at which a page takes no further name: the last name and the next page's start are below 2 KiB each in JSON.
const PAGE_MAX: usize = DOCUMENT_MAX - (4 << 10);

/// Charged before the size is known: the last name of a page, or face of a part, may exceed [`DOCUMENT_MAX`].
const CHARGE: u64 = (DOCUMENT_MAX + (64 << 10)) as u64;

/// Reads the bank and makes a document of the result.
///
/// # Errors
/// There is no memory for it, or the store failed.
pub(super) fn look_at(
    reader: &mut dyn Reader,
    look: BankLook,
    mut reservation: Reservation,
) -> Result<BankFound, StoreError> {
    let charge = match &look {
        // Each of its names may be missing.
        BankLook::Missing(_, list) => list.len() as u64 + 64,
        _ => CHARGE,
    };
    reservation.reserve(charge).map_err(|_| StoreError::NoRoom { length: charge })?;
    let is_stream = matches!(look, BankLook::Faces(..));
    let rendered = match look {
        BankLook::Missing(folder, list) => {
            let names = match names_of(&list) {
                Ok(names) => names,
                Err(error) => return Ok(BankFound::NoList(error)),
            };
            match reader.read(StoreRead::Missing { folder, names })? {
                StoreReply::Names(names) => Rendered::whole(missing(&names)),
                _ => return Err(strange()),
            }
        }
        BankLook::Folders(from, max) => match reader.read(StoreRead::Folders { from, max })? {
            StoreReply::Folders(page) => Rendered::whole(folders(page)),
            _ => return Err(strange()),
        },
        BankLook::Names(folder, from, max) => {
            match reader.read(StoreRead::Names { folder: folder.clone(), from, max })? {
                StoreReply::Page(Some(page)) => Rendered::whole(names(&folder, page)),
                StoreReply::Page(None) => return Ok(BankFound::NoFolder),
                _ => return Err(strange()),
            }
        }
        BankLook::Face { folder, name, as_image } => match reader.read(StoreRead::Face { folder, name })? {
            StoreReply::Faces(Some(faces)) => match faces.first() {
                Some(face) if as_image => Rendered::whole(image(face)),
                Some(face) => Rendered::whole(document(face)),
                None => return Ok(BankFound::NoFace),
            },
            StoreReply::Faces(None) => return Ok(BankFound::NoFolder),
            _ => return Err(strange()),
        },
        BankLook::Faces(folder, after, max) => match reader.read(StoreRead::Faces { folder, after, max })? {
            StoreReply::Faces(Some(faces)) => lines(&faces, max),
            StoreReply::Faces(None) => return Ok(BankFound::NoFolder),
            _ => return Err(strange()),
        },
    };
    let Rendered { mut body, last } = rendered;
    body.shrink_to_fit();
    let length = body.len() as u64;
    reservation.reserve(length).map_err(|_| StoreError::NoRoom { length })?;
    // A stream keeps the charge of its largest part, so that it never runs out of room in its middle.
    if !is_stream {
        reservation.shrink_to(length);
    }
    Ok(BankFound::Document(BankDocument { body: Bytes::from(body), last, reservation }))
}

/// The bytes of a document; for a stream also its last name, if others may follow.
struct Rendered {
    body: Vec<u8>,
    last: Option<String>,
}

impl Rendered {
    fn whole(body: Vec<u8>) -> Self {
        Self { body, last: None }
    }
}

fn strange() -> StoreError {
    StoreError::Broken("otra respuesta que la esperada".into())
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(Value::from(text).to_string().as_bytes());
}

fn missing(names: &[String]) -> Vec<u8> {
    let mut out = b"{\"faltantes\":[".to_vec();
    for (number, name) in names.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        push_text(&mut out, name);
    }
    out.extend_from_slice(b"]}\n");
    out
}

/// For a cut page, the first name that it does not have is where the next one begins. A list without a next page has
/// no such member, which keeps the format from before there were pages.
fn folders(page: FolderPage) -> Vec<u8> {
    let FolderPage { folders, mut next } = page;
    let mut out = b"{\"carpetas\":[".to_vec();
    for (number, (name, faces)) in folders.into_iter().enumerate() {
        if out.len() >= PAGE_MAX {
            next = Some(name);
            break;
        }
        if number > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"nombre\":");
        push_text(&mut out, &name);
        out.extend_from_slice(format!(",\"imagenes\":{faces}}}").as_bytes());
    }
    out.push(b']');
    if let Some(next) = next {
        out.extend_from_slice(b",\"siguiente\":");
        push_text(&mut out, &next);
    }
    out.extend_from_slice(b"}\n");
    out
}

fn names(folder: &str, page: Page) -> Vec<u8> {
    let Page { total, names, mut next } = page;
    let mut out = b"{\"carpeta\":".to_vec();
    push_text(&mut out, folder);
    out.extend_from_slice(format!(",\"imagenes\":{total},\"nombres\":[").as_bytes());
    for (number, name) in names.into_iter().enumerate() {
        if out.len() >= PAGE_MAX {
            next = Some(name);
            break;
        }
        if number > 0 {
            out.push(b',');
        }
        push_text(&mut out, &name);
    }
    out.extend_from_slice(b"],\"siguiente\":");
    match next {
        Some(next) => push_text(&mut out, &next),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b"}\n");
    out
}

fn document(face: &Face) -> Vec<u8> {
    let mut out = Vec::new();
    face.write_document(&mut out);
    out
}

fn image(face: &Face) -> Vec<u8> {
    // Stored text was encoded here; a value that another program wrote wrongly gives an empty picture.
    STANDARD.decode(&face.image).unwrap_or_default()
}

/// Documents, one per line; `max` were asked for.
fn lines(faces: &[Face], max: usize) -> Rendered {
    let mut body = Vec::new();
    let mut written = 0;
    for face in faces {
        face.write_document(&mut body);
        written += 1;
        if body.len() >= DOCUMENT_MAX {
            break;
        }
    }
    let is_cut = written < faces.len() || faces.len() >= max;
    let last = faces[..written].last().filter(|_| is_cut).map(|face| face.name.clone());
    Rendered { body, last }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::admission::Admission;
    use crate::model::face::{FACE_SAMPLES, ListError};

    /// A bank that answers once.
    struct Once(Option<StoreReply>);

    impl Reader for Once {
        fn read(&mut self, _: StoreRead) -> Result<StoreReply, StoreError> {
            Ok(self.0.take().expect("one question"))
        }
    }

    fn look(reply: StoreReply, look: BankLook, admission: &Admission) -> Result<BankFound, StoreError> {
        look_at(&mut Once(Some(reply)), look, admission.reservation())
    }

    fn found(reply: StoreReply, look_for: BankLook) -> BankDocument {
        let admission = Admission::new(1, 4 << 20, 1);
        match look(reply, look_for, &admission) {
            Ok(BankFound::Document(document)) => document,
            other => panic!("{other:?}"),
        }
    }

    fn text(document: &BankDocument) -> &str {
        std::str::from_utf8(&document.body).unwrap()
    }

    fn face(name: &str) -> Face {
        Face { name: name.into(), image: "/9j/2Q==".into(), samples: vec![255; FACE_SAMPLES].into() }
    }

    fn page_of(names: Vec<String>, next: Option<&str>) -> StoreReply {
        StoreReply::Page(Some(Page { total: 7, names, next: next.map(Into::into) }))
    }

    #[test]
    fn pages_are_as_they_always_were() {
        let names = || BankLook::Names("c".into(), None, 2);
        let document = found(page_of(vec!["a".into(), "b\"".into()], Some("d")), names());
        assert_eq!(
            text(&document),
            "{\"carpeta\":\"c\",\"imagenes\":7,\"nombres\":[\"a\",\"b\\\"\"],\"siguiente\":\"d\"}\n"
        );
        assert_eq!(document.reservation.bytes(), document.body.len() as u64);
        let last = found(page_of(vec![], None), names());
        assert_eq!(text(&last), "{\"carpeta\":\"c\",\"imagenes\":7,\"nombres\":[],\"siguiente\":null}\n");
        let folders = |folders, next: Option<&str>| {
            let page = FolderPage { folders, next: next.map(Into::into) };
            found(StoreReply::Folders(page), BankLook::Folders(None, 2)).body
        };
        assert_eq!(folders(vec![], None), "{\"carpetas\":[]}\n");
        assert_eq!(
            folders(vec![("a".into(), 2), ("b".into(), 1)], Some("ñ")),
            "{\"carpetas\":[{\"nombre\":\"a\",\"imagenes\":2},{\"nombre\":\"b\",\"imagenes\":1}],\"siguiente\":\"ñ\"}\n"
        );
        let missing = found(
            StoreReply::Names(vec!["x".into()]),
            BankLook::Missing("c".into(), Bytes::from_static(b"{\"nombres\":[]}")),
        );
        assert_eq!(text(&missing), "{\"faltantes\":[\"x\"]}\n");
    }

    #[test]
    fn a_page_that_is_cut_says_where_to_go_on() {
        // Letters that take six bytes each in JSON.
        let names: Vec<String> = (0..9000).map(|n| format!("{n:04}{}", "\u{1}".repeat(200))).collect();
        let mut seen = Vec::new();
        while seen.len() < names.len() {
            let document =
                found(page_of(names[seen.len()..].to_vec(), None), BankLook::Names("c".into(), None, 9000));
            assert!((PAGE_MAX..=DOCUMENT_MAX).contains(&document.body.len()) || seen.len() > 8500);
            let value: Value = serde_json::from_slice(&document.body).unwrap();
            let part = value["nombres"].as_array().unwrap();
            seen.extend(part.iter().map(|name| name.as_str().unwrap().to_owned()));
            assert_eq!(value["siguiente"].as_str(), names.get(seen.len()).map(String::as_str));
        }
        assert_eq!(seen, names);
        let folders: Vec<_> = names.iter().map(|name| (name.clone(), 1)).collect();
        let document =
            found(StoreReply::Folders(FolderPage { folders, next: None }), BankLook::Folders(None, 9000));
        let value: Value = serde_json::from_slice(&document.body).unwrap();
        let part = value["carpetas"].as_array().unwrap().len();
        assert!(part > 100 && value["siguiente"] == names[part]);
    }

    #[test]
    fn a_part_of_a_stream_ends_behind_the_face_that_fills_it() {
        let faces: Vec<Face> = (0..16).map(|n| face(&format!("{n:02}"))).collect();
        let look_for = |max| BankLook::Faces("c".into(), None, max);
        let document = found(StoreReply::Faces(Some(faces.clone())), look_for(16));
        let count = text(&document).lines().count();
        assert!(count < 16 && document.body.len() >= DOCUMENT_MAX);
        assert_eq!(document.last, Some(format!("{:02}", count - 1)));
        assert_eq!(document.reservation.bytes(), CHARGE, "a stream is never without room in its middle");
        let all = found(StoreReply::Faces(Some(faces[..2].to_vec())), look_for(3));
        assert_eq!((all.last.as_deref(), text(&all).lines().count()), (None, 2));
        let full = found(StoreReply::Faces(Some(faces[..2].to_vec())), look_for(2));
        assert_eq!(full.last.as_deref(), Some("01"));
        let none = found(StoreReply::Faces(Some(vec![])), look_for(2));
        assert_eq!((none.last.as_deref(), none.body.len()), (None, 0));
    }

    #[test]
    fn one_face_as_document_or_picture_or_none() {
        let look_for = |as_image| BankLook::Face { folder: "c".into(), name: "a".into(), as_image };
        let faces = || StoreReply::Faces(Some(vec![face("a")]));
        assert!(
            text(&found(faces(), look_for(false))).starts_with("{\"nombre\":\"a\",\"imagen_str\":\"/9j/")
        );
        assert_eq!(found(faces(), look_for(true)).body[..], [0xff, 0xd8, 0xff, 0xd9]);
        let admission = Admission::new(1, 4 << 20, 1);
        let none = look(StoreReply::Faces(Some(vec![])), look_for(true), &admission);
        assert!(matches!(none, Ok(BankFound::NoFace)));
        assert!(matches!(look(StoreReply::Faces(None), look_for(true), &admission), Ok(BankFound::NoFolder)));
        assert_eq!(admission.bytes(), 0);
    }

    #[test]
    fn what_finds_no_room_is_not_read() {
        let admission = Admission::new(1, CHARGE + 100, 1);
        let _held = look(page_of(vec![], None), BankLook::Names("c".into(), None, 1), &admission);
        let mut all = admission.reservation();
        all.charge(60).unwrap();
        let refused = look_at(&mut Once(None), BankLook::Folders(None, 1), admission.reservation());
        assert!(matches!(refused, Err(StoreError::NoRoom { length: CHARGE })));
        drop(all);
        let none = BankLook::Missing("c".into(), Bytes::from_static(b"hola"));
        let none = look_at(&mut Once(None), none, admission.reservation());
        assert!(matches!(none, Ok(BankFound::NoList(ListError::NotJson))));
        let other = look(StoreReply::Nothing, BankLook::Folders(None, 1), &admission);
        assert!(matches!(other, Err(StoreError::Broken(_))));
    }
}
