//! Every fault of a body's framing, and the text that tells a person what to do about it.
use std::fmt;

use super::{EXTENSION_MAX, TRAILER_MAX};

/// A fault in the chunk framing of a body: always 400, and the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// The line of a chunk's size is not hexadecimal digits and CR LF, or the size passes 64 bits.
    ChunkSize,
    /// No CR LF after a chunk's data.
    ChunkEnd,
    /// A chunk extension outside its grammar.
    Extension,
    /// Too many bytes of chunk extensions.
    ExtensionTooLong,
    /// A trailer outside its grammar.
    Trailer,
    /// A trailer field that could change where the body ends or whom it is for.
    TrailerForbidden,
    /// Too many bytes of trailer fields.
    TrailerTooLong,
}

impl BodyError {
    /// The HTTP status that answers it.
    pub const fn status(&self) -> u16 {
        400
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ChunkSize => f.write_str("cada trozo debe empezar con su tamaño en hexadecimal y CRLF"),
            Self::ChunkEnd => {
                f.write_str("los datos de cada trozo deben terminar en CRLF tras los bytes anunciados")
            }
            Self::Extension => f.write_str("una extensión de trozo está mal escrita: quítela"),
            Self::ExtensionTooLong => {
                write!(f, "las extensiones de los trozos pasan de {EXTENSION_MAX} bytes: quítelas")
            }
            Self::Trailer => f.write_str("el final del cuerpo debe ser CRLF o campos «Nombre: valor» y CRLF"),
            Self::TrailerForbidden => f.write_str(
                "Content-Length, Transfer-Encoding y Host no pueden ir tras el cuerpo: van en la cabecera",
            ),
            Self::TrailerTooLong => {
                write!(f, "los campos tras el cuerpo pasan de {TRAILER_MAX} bytes: mándelos en la cabecera")
            }
        }
    }
}

impl std::error::Error for BodyError {}
