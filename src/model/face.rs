//! Faces: pictures of 80 columns by 90 rows of gray, by name, in folders; plain data.
//!
//! Names are data, never paths: nothing opens a file by one.
use std::sync::LazyLock;

use bytes::Bytes;
use serde_json::{Value, json};

/// Columns of a face.
pub const FACE_WIDTH: u32 = 80;

/// Rows of a face.
pub const FACE_HEIGHT: u32 = 90;

/// Samples of a face.
pub const FACE_SAMPLES: usize = 80 * 90;

/// One picture of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Face {
    /// Its name, unique in its folder: data, never a path.
    pub name: String,
    /// The JPEG, in base64 (RFC 4648 §4, with padding): `imagen_str`.
    pub image: String,
    /// [`FACE_SAMPLES`] gray samples row by row, before they were encoded; `vector` is each divided by 1000.
    pub samples: Bytes,
}

/// A face without its name: what is made of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaceImage {
    /// As in [`Face`].
    pub image: String,
    /// As in [`Face`].
    pub samples: Bytes,
}

/// Why a list of names is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListError {
    /// It is no JSON.
    NotJson,
    /// It is JSON, and this part of it is no name; empty if there is no list.
    NotNames(String),
}

/// Part of the list of folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderPage {
    /// Names of folders in order of their bytes, and how many faces each has.
    pub folders: Vec<(String, u64)>,
    /// The first name after this part, if there is one.
    pub next: Option<String>,
}

/// Part of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Faces in the whole folder.
    pub total: u64,
    /// Names of this part.
    pub names: Vec<String>,
    /// The first name after this part, if there is one.
    pub next: Option<String>,
}

impl Face {
    /// Appends the document, as the class's own programs wrote it: the same members, in the same order.
    pub fn write_document(&self, out: &mut Vec<u8>) {
        /// Each sample divided by 1000, and the comma after it.
        static NUMBERS: LazyLock<[String; 256]> =
            LazyLock::new(|| std::array::from_fn(|sample| format!("{},", json!(sample as f64 / 1000.0))));
        out.reserve(self.samples.len() * 6 + self.image.len() + 128);
        let text = |text: &str| Value::from(text).to_string();
        out.extend_from_slice(b"{\"nombre\":");
        out.extend_from_slice(text(&self.name).as_bytes());
        // Base64 needs no escapes.
        out.extend_from_slice(b",\"imagen_str\":\"");
        out.extend_from_slice(self.image.as_bytes());
        out.extend_from_slice(b"\",\"vector\":[");
        for &sample in &self.samples {
            out.extend_from_slice(NUMBERS[usize::from(sample)].as_bytes());
        }
        if out.last() == Some(&b',') {
            out.pop();
        }
        out.extend_from_slice(b"]}\n");
    }
}

impl FaceImage {
    /// Under this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Face {
        Face { name: name.to_owned(), image: self.image.clone(), samples: self.samples.clone() }
    }
}
