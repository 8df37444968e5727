//! Every fault of a body's framing, and the text that tells a person what to do about it.
use std::fmt;

use super::{EXTENSION_MAX, TRAILER_MAX};
use crate::http::limit::Limit;

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

    /// The limit that was passed, if it is that.
    #[must_use]
    pub const fn limit(&self) -> Option<Limit> {
        match self {
            Self::ExtensionTooLong => Some(Limit::passed("extensiones", EXTENSION_MAX)),
            Self::TrailerTooLong => Some(Limit::passed("campos tras el cuerpo", TRAILER_MAX)),
            _ => None,
        }
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
                let received = EXTENSION_MAX + 1;
                write!(
                    f,
                    "las extensiones de los trozos tienen al menos {received} bytes y el límite son \
                     {EXTENSION_MAX}: quítelas"
                )
            }
            Self::Trailer => f.write_str("el final del cuerpo debe ser CRLF o campos «Nombre: valor» y CRLF"),
            Self::TrailerForbidden => f.write_str(
                "Content-Length, Transfer-Encoding y Host no pueden ir tras el cuerpo: van en la cabecera",
            ),
            Self::TrailerTooLong => {
                let received = TRAILER_MAX + 1;
                write!(
                    f,
                    "los campos tras el cuerpo tienen al menos {received} bytes y el límite son {TRAILER_MAX}: \
                     mándelos en la cabecera"
                )
            }
        }
    }
}

impl std::error::Error for BodyError {}
