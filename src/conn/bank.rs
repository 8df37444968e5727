//! The image bank: folders of faces, each 80 columns by 90 rows of gray, for people who train on them. What a request
//! wants of it, what it is answered, and the rules for names; plain data and decisions.
//!
//! Names are data, never paths: nothing here or below opens a file by one. A folder is made by its first face; a face
//! is never replaced.
use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};
use serde_json::error::Category;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::parameters::Parameters;
use super::problem::HttpProblem;
use crate::http::reply::Reply;
use crate::model::face::{Face, Page};
use crate::model::picture;
use crate::model::store::{StoreRead, StoreReply, WrongReply};

/// Longest name of a folder, in bytes; a MongoDB collection has not many more.
const FOLDER_MAX: usize = 120;
/// Longest name of a face, in bytes: that of a file.
const NAME_MAX: usize = 255;
/// Names of a page, where the client does not say.
const PAGE: usize = 1000;
/// The most it may ask for.
const PAGE_MAX: usize = 10_000;
/// Longest list of names that is looked through, in bytes: it is parsed on the loop.
pub const LIST_MAX: u64 = 1 << 20;
/// Documents that are read and sent at once, some fifty kilobytes each.
pub const STREAMED: usize = 16;

/// What stands for itself in a segment of a path (RFC 3986 §3.3, the safe part of it).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a request wants of the bank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BankRequest {
    /// Its picture as a face.
    Insert {
        /// The folder.
        folder: String,
        /// The name.
        name: String,
    },
    /// Which names a folder lacks; the list is its body.
    Missing {
        /// The folder.
        folder: String,
    },
    /// All folders.
    Folders,
    /// Part of a folder's names.
    Names {
        /// The folder.
        folder: String,
        /// This name and those after it.
        from: Option<String>,
        /// At most so many.
        max: usize,
    },
    /// All documents of a folder.
    Documents {
        /// The folder.
        folder: String,
    },
    /// One face.
    Face {
        /// The folder.
        folder: String,
        /// The name.
        name: String,
        /// The JPEG itself, not the document.
        as_image: bool,
    },
}

/// What the bank answers.
#[derive(Debug)]
pub enum BankAnswer {
    /// This.
    Whole(Reply),
    /// This beginning, and more.
    Begun(Reply, Rest),
    /// There is no such folder or face (404).
    Refused(HttpProblem),
}

/// What of a folder's documents is still to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    folder: String,
    after: String,
}

impl Rest {
    /// What follows these; None if they were the last.
    #[must_use]
    pub fn after(folder: &str, faces: &[Face]) -> Option<Self> {
        let last = faces.last().filter(|_| faces.len() == STREAMED)?;
        Some(Self { folder: folder.to_owned(), after: last.name.clone() })
    }

    /// Asks for the next part.
    #[must_use]
    pub fn read(&self) -> StoreRead {
        StoreRead::Faces { folder: self.folder.clone(), after: Some(self.after.clone()), max: STREAMED }
    }

    /// The next part: its bytes, and what is to follow then.
    #[must_use]
    pub fn take(&self, faces: &[Face]) -> (Vec<u8>, Option<Self>) {
        (lines(faces), Self::after(&self.folder, faces))
    }
}

impl BankRequest {
    /// What is asked first; None where that takes the body.
    #[must_use]
    pub fn first_read(&self) -> Option<StoreRead> {
        match self.clone() {
            Self::Insert { .. } | Self::Missing { .. } => None,
            Self::Folders => Some(StoreRead::Folders),
            Self::Names { folder, from, max } => Some(StoreRead::Names { folder, from, max }),
            Self::Documents { folder } => Some(StoreRead::Faces { folder, after: None, max: STREAMED }),
            Self::Face { folder, name, .. } => Some(StoreRead::Face { folder, name }),
        }
    }

    /// What becomes of the request now that the store has answered.
    ///
    /// # Errors
    /// The store has answered another request.
    pub fn answer(&self, reply: StoreReply) -> Result<BankAnswer, WrongReply> {
        let uncached = |reply: Reply| reply.with("Cache-Control", "no-store");
        let document =
            |code, value: Value| uncached(Reply::new(code, "application/json", format!("{value}\n")));
        Ok(BankAnswer::Whole(match self {
            Self::Insert { folder, name } => {
                let (code, result) = if reply.inserted()? { (201, "insertada") } else { (200, "ya existe") };
                let message = format!("imagen {name} {result}");
                let value = json!({ "nombre": name, "resultado": result, "mensaje": message });
                let segment = |text| utf8_percent_encode(text, SEGMENT);
                let location = format!("/carpetas/{}/{}", segment(folder), segment(name));
                document(code, value).with("Location", location)
            }
            Self::Missing { .. } => document(200, json!({ "faltantes": reply.names()? })),
            Self::Folders => {
                let folders = reply.folders()?.into_iter();
                let folders: Vec<Value> =
                    folders.map(|(name, count)| json!({ "nombre": name, "imagenes": count })).collect();
                document(200, json!({ "carpetas": folders }))
            }
            Self::Names { folder, .. } => {
                let Some(Page { total, names, next }) = reply.page()? else { return Ok(no_folder(folder)) };
                let value =
                    json!({ "carpeta": folder, "imagenes": total, "nombres": names, "siguiente": next });
                document(200, value)
            }
            Self::Documents { folder } => {
                let Some(faces) = reply.faces()? else { return Ok(no_folder(folder)) };
                let reply = uncached(Reply::new(200, "application/x-ndjson", lines(&faces)));
                match Rest::after(folder, &faces) {
                    Some(rest) => return Ok(BankAnswer::Begun(reply, rest)),
                    None => reply,
                }
            }
            Self::Face { folder, name, as_image } => {
                let Some(mut faces) = reply.faces()? else { return Ok(no_folder(folder)) };
                let Some(face) = faces.pop() else {
                    let (folder, name) = (folder.clone(), name.clone());
                    return Ok(BankAnswer::Refused(HttpProblem::UnknownFace { folder, name }));
                };
                let reply = if *as_image { face_image(&face) } else { face_document(&face) };
                uncached(reply).with("Vary", "Accept")
            }
        }))
    }
}

/// Documents, one a line.
#[must_use]
pub fn lines(faces: &[Face]) -> Vec<u8> {
    let mut lines = Vec::new();
    for face in faces {
        face.write_document(&mut lines);
    }
    lines
}

fn no_folder(folder: &str) -> BankAnswer {
    BankAnswer::Refused(HttpProblem::UnknownFolder { folder: folder.to_owned() })
}

fn face_document(face: &Face) -> Reply {
    let mut document = Vec::new();
    face.write_document(&mut document);
    Reply::new(200, "application/json", document)
}

fn face_image(face: &Face) -> Reply {
    // What is stored was encoded here; should somebody else have written it, there is no picture in it.
    let jpeg = STANDARD.decode(&face.image).unwrap_or_default();
    Reply::new(200, "image/jpeg", jpeg).with("Content-Security-Policy", picture::POLICY)
}

/// A folder's name, out of a segment of a path.
///
/// # Errors
/// It is none (422).
pub fn folder_name(segment: &[u8]) -> Result<String, HttpProblem> {
    let is_name = |name: &str| {
        (1..=FOLDER_MAX).contains(&name.len())
            && !name.contains(['$', '/', '\0'])
            && !name.starts_with('.')
            && !name.starts_with("system.")
    };
    name(
        segment,
        is_name,
        "carpeta",
        "de 1 a 120 bytes de UTF-8, sin $ ni /, y no empezar por . ni por system.",
    )
}

/// A face's name, out of a segment of a path.
///
/// # Errors
/// It is none (422).
pub fn face_name(segment: &[u8]) -> Result<String, HttpProblem> {
    name(segment, is_face_name, "nombre", "de 1 a 255 bytes de UTF-8, sin /")
}

fn is_face_name(name: &str) -> bool {
    (1..=NAME_MAX).contains(&name.len()) && !name.contains(['/', '\0'])
}

fn name(
    segment: &[u8],
    is_name: impl Fn(&str) -> bool,
    what: &'static str,
    expected: &'static str,
) -> Result<String, HttpProblem> {
    let decoded: Vec<u8> = percent_decode(segment).collect();
    String::from_utf8(decoded)
        .map_err(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
        .and_then(|name| if is_name(&name) { Ok(name) } else { Err(name) })
        .map_err(|value| HttpProblem::Parameter { name: what, value, expected, range: None })
}

/// What a GET of a folder wants.
///
/// # Errors
/// A parameter out of range (422).
pub fn listing(folder: String, parameters: &Parameters) -> Result<BankRequest, HttpProblem> {
    match parameters.text("formato").as_deref() {
        Some("ndjson") => return Ok(BankRequest::Documents { folder }),
        None | Some("json") => {}
        Some(other) => {
            return Err(HttpProblem::Parameter {
                name: "formato",
                value: other.to_owned(),
                expected: "json o ndjson",
                range: None,
            });
        }
    }
    let max = match parameters.text("cantidad") {
        None => PAGE,
        Some(text) => {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            let count = text.parse().ok().filter(|count| digits && (1..=PAGE_MAX).contains(count));
            count.ok_or(HttpProblem::Parameter {
                name: "cantidad",
                value: text,
                expected: "un número entero de 1 a 10000",
                range: Some(("cantidad", format!("1 a {PAGE_MAX}"))),
            })?
        }
    };
    Ok(BankRequest::Names { folder, from: parameters.data("desde"), max })
}

/// The names of a list: `{"nombres": ["a.jpg", …]}`. Nothing is built of what is no name: the list is a stranger's.
///
/// # Errors
/// It is no JSON (400), or another (422).
pub fn names_of(list: &[u8]) -> Result<Vec<String>, HttpProblem> {
    let refused = |error: &serde_json::Error, value: &str| match error.classify() {
        Category::Data => HttpProblem::NotNames { value: value.to_owned() },
        Category::Syntax | Category::Eof | Category::Io => HttpProblem::NotJson,
    };
    // The whole is looked through first: what is broken further on is no list either.
    let whole: &RawValue = serde_json::from_slice(list).map_err(|_| HttpProblem::NotJson)?;
    let members: HashMap<String, &RawValue> =
        serde_json::from_str(whole.get()).map_err(|error| refused(&error, ""))?;
    let names = members.get("nombres").ok_or(HttpProblem::NotNames { value: String::new() })?;
    let names: Vec<&RawValue> = serde_json::from_str(names.get()).map_err(|error| refused(&error, ""))?;
    names
        .into_iter()
        .map(|name| match serde_json::from_str::<String>(name.get()) {
            Ok(text) if is_face_name(&text) => Ok(text),
            Ok(_) => Err(HttpProblem::NotNames { value: name.get().to_owned() }),
            Err(error) => Err(refused(&error, name.get())),
        })
        .collect()
}

#[cfg(test)]
mod tests;
