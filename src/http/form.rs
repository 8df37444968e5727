//! An uploaded form: from the scanner's events to the picture and the known parameters.
//!
//! Rules: the picture is the first part named `imagen`, `image`, `file` or `media`, else the first with a file name. A
//! part with an empty file name and no bytes is an empty file input, and counts as absent. Of a parameter, as of the
//! picture, the first part counts. Bytes that will not be needed are dropped as they come.
//!
//! Refuses to do: judge the picture or the parameters' values; believe the part's own Content-Type.
//!
//! Known limits: until a part of a preferred name has come, the first other file is kept as well; both together are
//! never more than the body.
//!
//! ```
//! use tp2::http::form::Form;
//!
//! let mut form = Form::new(b"multipart/form-data; boundary=xyz")?;
//! form.push(b"--xyz\r\nContent-Disposition: form-data; name=\"escala\"\r\n\r\n0.25\r\n")?;
//! form.push(b"--xyz\r\nContent-Disposition: form-data; name=\"imagen\"; filename=\"a.gif\"\r\n\r\nGIF")?;
//! form.push(b"89a\r\n--xyz--\r\n")?;
//! let upload = form.finish()?;
//! assert_eq!(upload.picture.as_deref(), Some(&b"GIF89a"[..]));
//! assert_eq!(upload.fields, [("escala".to_owned(), b"0.25".to_vec())]);
//! # Ok::<(), tp2::http::form::FormError>(())
//! ```
use super::field::Field;
use super::limit::Limit;
use super::multipart::{Event, MultipartError, PartHead, Scanner};
use super::param;

/// What a form brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FormUpload {
    /// The bytes of the picture; `None`: no part was one.
    pub picture: Option<Vec<u8>>,
    /// The parameters by name, each at most once, in order of arrival; a synonym is replaced by its name.
    pub fields: Vec<(String, Vec<u8>)>,
    /// The first misspelt field: its name as sent, shortened, and the parameter that it resembles.
    pub misspelt: Option<(String, &'static str)>,
    /// The names of the first parts, shortened: for the complaint that no picture came.
    pub names_seen: Vec<String>,
}

/// Whether this Content-Type announces a form with files (RFC 7578).
pub fn is_form(content_type: &[u8]) -> bool {
    param::split(content_type).0.eq_ignore_ascii_case(b"multipart/form-data")
}

/// Whether a content type is that of a form without files, which `curl -d` gives to every body.
#[must_use]
pub fn is_without_files(content_type: &[u8]) -> bool {
    param::split(content_type).0.eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

/// A form that is still coming in.
#[derive(Debug)]
pub struct Form {
    scanner: Scanner,
    /// What happens to the bytes of the part that is coming in.
    sink: PartSink,
    preferred: Option<File>,
    other: Option<File>,
    fields: Vec<(String, Vec<u8>)>,
    misspelt: Option<(String, &'static str)>,
    names_seen: Vec<String>,
}

#[derive(Debug)]
enum PartSink {
    Preferred(File),
    Other(File),
    Field(String, Vec<u8>),
    Drop,
}

#[derive(Debug)]
struct File {
    name: Option<String>,
    bytes: Vec<u8>,
}

impl Form {
    /// A form whose body begins now.
    ///
    /// # Errors
    /// The Content-Type has no boundary, or one that can't be.
    pub fn new(content_type: &[u8]) -> Result<Self, FormError> {
        let boundary = param::find(content_type, "boundary").map_err(|_| MultipartError::Boundary)?;
        let scanner = Scanner::new(&boundary.unwrap_or_default())?;
        Ok(Self {
            scanner,
            sink: PartSink::Drop,
            preferred: None,
            other: None,
            fields: Vec::new(),
            misspelt: None,
            names_seen: Vec::new(),
        })
    }

    /// Takes in the next bytes of the body, cut anywhere.
    ///
    /// # Errors
    /// The form is malformed or passes a limit: it can't be completed any more.
    pub fn push(&mut self, data: &[u8]) -> Result<(), FormError> {
        let mut rest = data;
        loop {
            let (taken, event) = self.scanner.scan(rest)?;
            rest = rest.get(taken..).unwrap_or_default();
            match event {
                Event::Part(head) => self.begin(head),
                Event::Data(bytes) => self.sink.take_in(bytes)?,
                Event::PartEnd => self.end(),
                Event::NeedMore => return Ok(()),
            }
        }
    }

    /// Ends the form.
    ///
    /// # Errors
    /// Its closing boundary has not come.
    pub fn finish(self) -> Result<FormUpload, FormError> {
        self.scanner.finish()?;
        Ok(FormUpload {
            picture: self.preferred.or(self.other).map(|file| file.bytes),
            fields: self.fields,
            misspelt: self.misspelt,
            names_seen: self.names_seen,
        })
    }

    fn begin(&mut self, head: PartHead) {
        let PartHead { name, file_name } = head;
        if self.names_seen.len() < NAMES_MAX {
            self.names_seen.push(printable(&name, NAME_CHARS_MAX));
        }
        self.sink = if self.preferred.is_none() && PICTURE_NAMES.contains(&name.as_str()) {
            PartSink::Preferred(File { name: file_name, bytes: Vec::new() })
        } else if file_name.is_some() && self.preferred.is_none() && self.other.is_none() {
            PartSink::Other(File { name: file_name, bytes: Vec::new() })
        } else if file_name.is_none() {
            self.begin_field(&name)
        } else {
            PartSink::Drop
        };
    }

    fn begin_field(&mut self, name: &str) -> PartSink {
        match Field::of(name) {
            Field::Known(known) if self.fields.iter().all(|(seen, _)| seen != known) => {
                PartSink::Field(known.to_owned(), Vec::new())
            }
            Field::Misspelt(known) => {
                self.misspelt.get_or_insert_with(|| (printable(name, NAME_CHARS_MAX), known));
                PartSink::Drop
            }
            Field::Known(_) | Field::Other => PartSink::Drop,
        }
    }

    fn end(&mut self) {
        match std::mem::replace(&mut self.sink, PartSink::Drop) {
            PartSink::Preferred(file) if !file.is_absent() => {
                self.preferred = Some(file);
                self.other = None;
            }
            PartSink::Other(file) if !file.is_absent() => self.other = Some(file),
            PartSink::Field(name, value) => self.fields.push((name, value)),
            PartSink::Preferred(_) | PartSink::Other(_) | PartSink::Drop => {}
        }
    }
}

impl PartSink {
    fn take_in(&mut self, bytes: &[u8]) -> Result<(), FormError> {
        match self {
            Self::Preferred(file) | Self::Other(file) => file.bytes.extend_from_slice(bytes),
            Self::Field(name, value) if value.len() + bytes.len() > FIELD_MAX => {
                return Err(FormError::FieldTooLong { name: std::mem::take(name) });
            }
            Self::Field(_, value) => value.extend_from_slice(bytes),
            Self::Drop => {}
        }
        Ok(())
    }
}

impl File {
    /// A file input that was left empty: browsers send it with an empty file name and no bytes.
    fn is_absent(&self) -> bool {
        self.bytes.is_empty() && self.name.as_deref() == Some("")
    }
}

fn printable(text: &str, chars_max: usize) -> String {
    text.chars().filter(|char| !char.is_control()).take(chars_max).collect()
}

/// Why a form was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// It is malformed, or passes a limit of its form.
    #[error("{0}")]
    Multipart(#[from] MultipartError),
    /// A parameter's value is longer than any value of its range.
    #[error("el valor de «{name}» tiene al menos {} bytes y el límite son {FIELD_MAX}: acórtelo", FIELD_MAX + 1)]
    FieldTooLong {
        /// The parameter.
        name: String,
    },
}

impl FormError {
    /// The HTTP status that answers it: 400, and 422 for a parameter out of range in a form that is well-formed.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Multipart(error) => error.status(),
            Self::FieldTooLong { .. } => 422,
        }
    }

    /// The limit that was passed, if it is that.
    #[must_use]
    pub const fn limit(&self) -> Option<Limit> {
        match self {
            Self::Multipart(error) => error.limit(),
            Self::FieldTooLong { .. } => Some(Limit::passed("campo del formulario", FIELD_MAX)),
        }
    }
}

/// The names by which the picture is preferred.
const PICTURE_NAMES: [&str; 4] = ["imagen", "image", "file", "media"];
/// Bytes of one parameter's value.
const FIELD_MAX: usize = 1024;
/// Parts whose names are remembered.
const NAMES_MAX: usize = 16;
const NAME_CHARS_MAX: usize = 64;

#[cfg(test)]
mod tests;
