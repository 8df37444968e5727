//! Every fault of a body's framing, and the text that says what to do about it.
use super::{EXTENSION_MAX, TRAILER_MAX};
use crate::http::limit::Limit;

/// A fault in the chunk framing of a body: always 400, and the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The line of a chunk's size is not hexadecimal digits and CR LF, or the size passes 64 bits.
    #[error("cada trozo debe empezar con su tamaño en hexadecimal y CRLF")]
    ChunkSize,
    /// No CR LF after a chunk's data.
    #[error("los datos de cada trozo deben terminar en CRLF tras los bytes anunciados")]
    ChunkEnd,
    /// A chunk extension outside its grammar.
    #[error("una extensión de trozo está mal escrita: quítela")]
    Extension,
    /// Too many bytes of chunk extensions.
    #[error("las extensiones de los trozos tienen al menos {} bytes y el límite son {EXTENSION_MAX}: quítelas", EXTENSION_MAX + 1)]
    ExtensionTooLong,
    /// A trailer outside its grammar.
    #[error("el final del cuerpo debe ser CRLF o campos «Nombre: valor» y CRLF")]
    Trailer,
    /// A trailer field that could change where the body ends or whom it is for.
    #[error("Content-Length, Transfer-Encoding y Host no pueden ir tras el cuerpo: van en la cabecera")]
    TrailerForbidden,
    /// Too many bytes of trailer fields.
    #[error("los campos tras el cuerpo tienen al menos {} bytes y el límite son {TRAILER_MAX}: mándelos en la cabecera", TRAILER_MAX + 1)]
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
