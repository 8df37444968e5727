//! The image bank: folders of faces, each 80 columns by 90 rows of gray, as training data. Requests, answers, and the
//! rules for names; plain data and decisions.
//!
//! Names are data, never paths: nothing here or below opens a file by one. A folder is made by its first face; a face
//! is never replaced.
use std::borrow::Cow;
use std::collections::HashMap;

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};
use serde_json::error::Category;
use serde_json::json;
use serde_json::value::RawValue;

use super::parameters::Parameters;
use super::problem::HttpProblem;
use crate::http::reply::Reply;
use crate::model::admission::Reservation;
use crate::model::face::ListError;
use crate::model::picture::{self, Held};
use crate::model::store::{Ask, BankDocument, BankFound, BankLook, StoreReply, StoreWrite, WrongReply};

/// Longest name of a folder, in bytes; a MongoDB collection has not many more.
const FOLDER_MAX: usize = 120;
/// Longest name of a face, in bytes: that of a file.
const NAME_MAX: usize = 255;
/// Names of a page, where the client does not say.
const PAGE: usize = 1000;
/// Most names of a page that a client may ask for.
const PAGE_MAX: usize = 10_000;
/// Longest list of names that is looked through, in bytes.
pub const LIST_MAX: u64 = 1 << 20;
/// Documents that are read and sent at once, some fifty kilobytes each.
pub const STREAMED: usize = 4;

/// Bytes that are escaped in a segment of a path (RFC 3986 §3.3): all but letters, digits and these.
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
    /// Part of the folders.
    Folders {
        /// This name and those after it.
        from: Option<String>,
        /// The most to return.
        max: usize,
    },
    /// That a folder and its faces are forgotten.
    RemoveFolder {
        /// The folder.
        folder: String,
    },
    /// That a face is forgotten.
    RemoveFace {
        /// The folder.
        folder: String,
        /// The name.
        name: String,
    },
    /// Part of a folder's names.
    Names {
        /// The folder.
        folder: String,
        /// This name and those after it.
        from: Option<String>,
        /// The most to return.
        max: usize,
    },
    /// The documents of a folder.
    Documents {
        /// Of which, and how many.
        stream: Stream,
        /// Those after this name.
        after: Option<String>,
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
    /// This, whose bytes are charged to that.
    Whole(Reply, Held),
    /// This beginning, and more.
    Begun(Reply, Rest),
    /// There is no such folder or face (404).
    Refused(HttpProblem),
}

/// Documents of a folder, sent one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    folder: String,
    /// How many more, at most; None: all.
    left: Option<usize>,
}

impl Stream {
    /// The next part is this much: at least one document.
    fn part(&self) -> usize {
        self.left.map_or(STREAMED, |left| left.clamp(1, STREAMED))
    }

    /// Counts a part that was read; false: it was the last.
    fn goes_on_after(&mut self, part: &[u8]) -> bool {
        let sent = memchr::memchr_iter(b'\n', part).count();
        self.left = self.left.map(|left| left.saturating_sub(sent));
        self.left != Some(0)
    }
}

/// What of a folder's documents is still to be sent.
#[derive(Debug)]
pub struct Rest {
    stream: Stream,
    after: String,
    /// What the parts are charged to, one after the other.
    reservation: Reservation,
}

impl Rest {
    /// Asks for the next part of the stream.
    #[must_use]
    pub fn ask(self) -> (Stream, Ask) {
        let Self { stream, after, reservation } = self;
        let look = BankLook::Faces(stream.folder.clone(), Some(after), stream.part());
        (stream, Ask::Document { look, reservation })
    }

    /// A part of this stream: its bytes, and what is to follow then; if nothing, what the bytes are charged to.
    pub fn take(mut stream: Stream, document: BankDocument) -> (Bytes, Result<Self, Reservation>) {
        let BankDocument { body, last, reservation } = document;
        let rest = match last {
            Some(after) if stream.goes_on_after(&body) => Ok(Self { stream, after, reservation }),
            _ => Err(reservation),
        };
        (body, rest)
    }
}

impl BankRequest {
    /// What is asked first; None where that takes the body. What a document takes is charged to `reservation`.
    #[must_use]
    pub fn first_ask(&self, reservation: Reservation) -> Option<Ask> {
        let look = match self.clone() {
            Self::Insert { .. } | Self::Missing { .. } => return None,
            Self::RemoveFolder { folder } => return Some(StoreWrite::RemoveFolder { folder }.into()),
            Self::RemoveFace { folder, name } => return Some(StoreWrite::RemoveFace { folder, name }.into()),
            Self::Folders { from, max } => BankLook::Folders(from, max),
            Self::Names { folder, from, max } => BankLook::Names(folder, from, max),
            Self::Documents { stream, after } => {
                let part = stream.part();
                BankLook::Faces(stream.folder, after, part)
            }
            Self::Face { folder, name, as_image } => BankLook::Face { folder, name, as_image },
        };
        Some(Ask::Document { look, reservation })
    }

    /// The bank's answer to the request, from the store's.
    ///
    /// # Errors
    /// The store has answered another request.
    pub fn answer(&self, reply: StoreReply) -> Result<BankAnswer, WrongReply> {
        Ok(match self {
            Self::Insert { folder, name } => {
                let (code, result) = if reply.inserted()? { (201, "insertada") } else { (200, "ya existe") };
                let message = format!("imagen {name} {result}");
                let value = json!({ "nombre": name, "resultado": result, "mensaje": message });
                let location = format!("/carpetas/{}/{}", segment(folder), segment(name));
                let reply = Reply::new(code, "application/json", format!("{value}\n"));
                BankAnswer::Whole(uncached(reply).with("Location", location), Held::Nothing)
            }
            Self::RemoveFolder { folder } | Self::RemoveFace { folder, .. } => match (reply.known()?, self) {
                (true, _) => BankAnswer::Whole(Reply::empty(204), Held::Nothing),
                (false, Self::RemoveFace { name, .. }) => no_face(folder, name),
                (false, _) => no_folder(folder),
            },
            Self::Missing { folder }
            | Self::Names { folder, .. }
            | Self::Documents { stream: Stream { folder, .. }, .. }
            | Self::Face { folder, .. } => match (reply.bank()?, self) {
                (BankFound::Document(document), _) => {
                    let stream = match self {
                        Self::Documents { stream, .. } => stream.clone(),
                        _ => Stream::default(),
                    };
                    let (body, rest) = Rest::take(stream, document);
                    let reply = uncached(self.document(body));
                    match rest {
                        Ok(rest) => BankAnswer::Begun(reply, rest),
                        Err(reservation) => BankAnswer::Whole(reply, Held::Bytes(reservation)),
                    }
                }
                (BankFound::NoFace, Self::Face { name, .. }) => no_face(folder, name),
                (BankFound::NoList(error), _) => BankAnswer::Refused(error.into()),
                (BankFound::NoFolder | BankFound::NoFace, _) => no_folder(folder),
            },
            Self::Folders { .. } => match reply.bank()? {
                BankFound::Document(BankDocument { body, reservation, .. }) => {
                    BankAnswer::Whole(uncached(self.document(body)), Held::Bytes(reservation))
                }
                BankFound::NoFolder | BankFound::NoFace | BankFound::NoList(_) => return Err(WrongReply),
            },
        })
    }

    /// A document as this request asked for it.
    fn document(&self, body: Bytes) -> Reply {
        match self {
            Self::Documents { .. } => Reply::new(200, "application/x-ndjson", body),
            Self::Face { as_image: true, .. } => Reply::new(200, "image/jpeg", body)
                .with("Content-Security-Policy", picture::POLICY)
                .with("Vary", "Accept"),
            Self::Face { .. } => Reply::new(200, "application/json", body).with("Vary", "Accept"),
            _ => Reply::new(200, "application/json", body),
        }
    }
}

fn uncached(reply: Reply) -> Reply {
    reply.with("Cache-Control", "no-store")
}

fn no_folder(folder: &str) -> BankAnswer {
    BankAnswer::Refused(HttpProblem::UnknownFolder { folder: folder.to_owned() })
}

fn no_face(folder: &str, name: &str) -> BankAnswer {
    BankAnswer::Refused(HttpProblem::UnknownFace { folder: folder.to_owned(), name: name.to_owned() })
}

/// A name as a segment of a path. RFC 3986 §5.2.4: `.` and `..` would be taken out of it.
fn segment(name: &str) -> Cow<'_, str> {
    match name {
        "." => "%2E".into(),
        ".." => "%2E%2E".into(),
        name => utf8_percent_encode(name, SEGMENT).into(),
    }
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
        Some("ndjson") => {
            let left = parameters.text("cantidad").map(|_| page_size(parameters)).transpose()?;
            let after = parameters.data("desde").and_then(|from| just_before(&from));
            return Ok(BankRequest::Documents { stream: Stream { folder, left }, after });
        }
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
    Ok(BankRequest::Names { folder, from: parameters.data("desde"), max: page_size(parameters)? })
}

/// What a GET of the folders wants.
///
/// # Errors
/// A parameter out of range (422).
pub fn folders(parameters: &Parameters) -> Result<BankRequest, HttpProblem> {
    Ok(BankRequest::Folders { from: parameters.data("desde"), max: page_size(parameters)? })
}

/// A text after which, in the order of their bytes, are the names from `from` on and no other; None: all names are. The
/// stores give faces after a name, and a page begins with one.
fn just_before(from: &str) -> Option<String> {
    // No name has a NUL: what follows `a` follows `a\0b` too.
    if let Some((start, _)) = from.split_once('\0') {
        return Some(start.to_owned()).filter(|start| !start.is_empty());
    }
    let mut start = from.to_owned();
    let last = start.pop()?;
    // UTF-8 has the order of its characters. Between `start` with the character before `last`, and behind it more of the
    // last character than a name has room for, and `from` there is no name.
    let before = (0..u32::from(last)).rev().find_map(char::from_u32).filter(|before| *before != '\0');
    if let Some(before) = before {
        start.push(before);
        start.extend(std::iter::repeat_n(char::MAX, NAME_MAX / char::MAX.len_utf8() + 1));
    }
    Some(start).filter(|start| !start.is_empty())
}

fn page_size(parameters: &Parameters) -> Result<usize, HttpProblem> {
    let Some(text) = parameters.text("cantidad") else { return Ok(PAGE) };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let count = text.parse().ok().filter(|count| digits && (1..=PAGE_MAX).contains(count));
    count.ok_or(HttpProblem::Parameter {
        name: "cantidad",
        value: text,
        expected: "un número entero de 1 a 10000",
        range: Some(("cantidad", format!("1 a {PAGE_MAX}"))),
    })
}

impl From<ListError> for HttpProblem {
    fn from(error: ListError) -> Self {
        match error {
            ListError::NotJson => Self::NotJson,
            ListError::NotNames(value) => Self::NotNames { value },
        }
    }
}

/// The names of a list: `{"nombres": ["a.jpg", …]}`. The list is untrusted: nothing is built of what is no name. Of the
/// longest list that takes tens of milliseconds, so it is not for the loop.
///
/// # Errors
/// It is no JSON (400), or another (422).
pub fn names_of(list: &[u8]) -> Result<Vec<String>, ListError> {
    let refused = |error: &serde_json::Error, value: &str| match error.classify() {
        Category::Data => ListError::NotNames(value.to_owned()),
        Category::Syntax | Category::Eof | Category::Io => ListError::NotJson,
    };
    // Parsed whole first: a list that is broken further on is refused.
    let whole: &RawValue = serde_json::from_slice(list).map_err(|_| ListError::NotJson)?;
    let members: HashMap<String, &RawValue> =
        serde_json::from_str(whole.get()).map_err(|error| refused(&error, ""))?;
    let names = members.get("nombres").ok_or(ListError::NotNames(String::new()))?;
    let names: Vec<&RawValue> = serde_json::from_str(names.get()).map_err(|error| refused(&error, ""))?;
    names
        .into_iter()
        .map(|name| match serde_json::from_str::<String>(name.get()) {
            Ok(text) if is_face_name(&text) => Ok(text),
            Ok(_) => Err(ListError::NotNames(name.get().to_owned())),
            Err(error) => Err(refused(&error, name.get())),
        })
        .collect()
}

#[cfg(test)]
mod tests;
