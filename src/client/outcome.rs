//! The outcome of one picture, and its output: a line for a person, the result alone, or a JSON object. Pure.
use std::fmt;
use std::path::Path;

use serde_json::{Value, json};

/// How the client tells what it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Each step and each result, a line.
    #[default]
    Steps,
    /// The results alone, a path or a link a line.
    Results,
    /// One JSON object a picture.
    Json,
    /// Nothing: the picture itself goes there.
    Nothing,
}

/// The end of one picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// One word, `estado`.
    pub(super) word: &'static str,
    pub(super) line: String,
    /// The input as it was named or found.
    pub(super) origin: String,
    /// A path, a link, or the name in the bank.
    pub(super) destination: Option<String>,
    /// Whether the destination was made by this run.
    pub(super) is_new: bool,
    /// Length of the result.
    pub(super) bytes: Option<u64>,
    /// Columns and rows of the result.
    pub(super) sides: Option<(u64, u64)>,
    /// Why there is no result, where it should be one.
    pub(super) error: Option<String>,
}

impl Outcome {
    /// An outcome without details.
    #[must_use]
    pub(super) fn new(word: &'static str, origin: &Path, line: impl fmt::Display) -> Self {
        Self {
            word,
            line: line.to_string(),
            origin: origin.to_string_lossy().into_owned(),
            destination: None,
            is_new: false,
            bytes: None,
            sides: None,
            error: None,
        }
    }

    /// The picture has no result, and this is why.
    #[must_use]
    pub(super) fn failed(origin: &Path, why: &str) -> Self {
        let line = format!("imagen {}: error: {why}", origin.display());
        Self { error: Some(why.to_owned()), ..Self::new("error", origin, line) }
    }

    /// The object of `--json`, in one line.
    #[must_use]
    pub(super) fn json(&self) -> String {
        let value: Value = json!({
            "origen": self.origin,
            "destino": self.destination,
            "estado": self.word,
            "bytes": self.bytes,
            "ancho": self.sides.map(|(width, _)| width),
            "alto": self.sides.map(|(_, height)| height),
            "error": self.error,
        });
        let mut line = String::new();
        for c in value.to_string().chars() {
            // JSON allows these in a string, and a terminal obeys them (RFC 8259 §7, ECMA-48 §5.3).
            match u32::from(c) {
                code @ 0x7f..=0x9f => line += &format!("\\u{code:04x}"),
                _ => line.push(c),
            }
        }
        line
    }
}

/// How many pictures were left out, for a summary.
pub(super) fn left_out(count: usize) -> String {
    format!("{count} {}", if count == 1 { "omitida" } else { "omitidas" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_has_its_seven_members_and_is_one_line() {
        let outcome = Outcome {
            destination: Some("salida/a\nb\u{9b}.jpg".into()),
            bytes: Some(7),
            sides: Some((3, 2)),
            ..Outcome::new("guardada", Path::new("a\nb.jpg"), "")
        };
        let text = outcome.json();
        assert_eq!(
            text,
            "{\"origen\":\"a\\nb.jpg\",\"destino\":\"salida/a\\nb\\u009b.jpg\",\"estado\":\"guardada\",\"bytes\":7,\
             \"ancho\":3,\"alto\":2,\"error\":null}"
        );
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["destino"], "salida/a\nb\u{9b}.jpg");
    }

    #[test]
    fn a_failure_has_a_reason_and_no_result() {
        let outcome = Outcome::failed(Path::new("x.jpg"), "está rota");
        assert_eq!(outcome.line, "imagen x.jpg: error: está rota");
        let value: Value = serde_json::from_str(&outcome.json()).unwrap();
        assert_eq!((&value["error"], &value["destino"]), (&json!("está rota"), &Value::Null));
    }
}
