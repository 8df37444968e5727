//! The head of one part: which field it is, and whether it is a file.
use super::MultipartError;
use crate::proto::param;

/// What a part's head says, as far as forms need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartHead {
    /// The field's name; empty if it has none.
    pub name: String,
    /// The file's name as sent, which may be empty; `None`: the part is no file.
    pub file_name: Option<String>,
}

impl PartHead {
    /// Parses a part's head, its empty line included.
    pub(super) fn parse(head: &[u8]) -> Result<Self, MultipartError> {
        if memchr::memchr_iter(b'\n', head).any(|lf| lf == 0 || head.get(lf - 1) != Some(&b'\r')) {
            return Err(MultipartError::Head);
        }
        let mut slots = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let Ok(httparse::Status::Complete((_, fields))) = httparse::parse_headers(head, &mut slots) else {
            return Err(MultipartError::Head);
        };
        // RFC 7578, 4.2: each part has this field, with a name. Its type is not asked for, nor is an absent name
        // refused: a file alone needs none.
        let disposition = fields
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case("content-disposition"))
            .ok_or(MultipartError::Disposition)?
            .value;
        let text = |name: &str| {
            let value = param::find(disposition, name).map_err(|param::Unterminated| MultipartError::Head)?;
            // RFC 7578, 5.1: UTF-8. Names in anything else are only shown, never compared.
            Ok(value.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
        };
        Ok(Self { name: text("name")?.unwrap_or_default(), file_name: text("filename")? })
    }
}

/// Fields of one part's head; RFC 7578, 4.8 knows three.
const FIELDS_MAX: usize = 16;
