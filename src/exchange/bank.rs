//! The image bank: folders of faces, each 80 columns by 90 rows of gray, for people who train on them. Plain data.
use bytes::Bytes;

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
