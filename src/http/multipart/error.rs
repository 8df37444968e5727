//! Every way a multipart body can be wrong, and the text that says what to do about it.
use super::{BOUNDARY_MAX, EPILOGUE_MAX, HEAD_MAX, PARTS_MAX, PREAMBLE_MAX};
use crate::http::limit::Limit;

/// Why a multipart body was refused: always 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MultipartError {
    /// No boundary, or one that can't be.
    #[error(
        "Content-Type debe traer boundary, de 1 a {BOUNDARY_MAX} caracteres: deje que lo ponga el cliente HTTP"
    )]
    Boundary,
    /// A boundary longer than RFC 2046 lets it be.
    #[error(
        "boundary tiene {length} caracteres y el límite son {BOUNDARY_MAX}: deje que lo ponga el cliente HTTP"
    )]
    BoundaryTooLong {
        /// Its bytes.
        length: usize,
    },
    /// Something else than CR LF or `--` behind a boundary.
    #[error("tras cada separador del formulario debe venir CRLF, o «--» en el último")]
    Delimiter,
    /// A part's head that is not fields and an empty line.
    #[error("la cabecera de una parte del formulario está mal escrita")]
    Head,
    /// A part without Content-Disposition.
    #[error("cada parte debe tener «Content-Disposition: form-data; name=\"…\"»")]
    Disposition,
    /// A part's head is too long.
    #[error("la cabecera de una parte tiene al menos {} bytes y el límite son {HEAD_MAX}: use nombres más cortos", HEAD_MAX + 1)]
    HeadTooLong,
    /// Too many parts.
    #[error("el formulario tiene al menos {} partes y el límite son {PARTS_MAX}: mande menos", PARTS_MAX + 1)]
    TooManyParts,
    /// Too much before the first boundary.
    #[error("hay al menos {} bytes antes del primer separador y el límite son {PREAMBLE_MAX}: revise boundary", PREAMBLE_MAX + 1)]
    PreambleTooLong,
    /// Too much after the last boundary.
    #[error("hay al menos {} bytes después del último separador y el límite son {EPILOGUE_MAX}: quítelos", EPILOGUE_MAX + 1)]
    EpilogueTooLong,
    /// The body ended before its closing boundary.
    #[error("el formulario está incompleto: falta el separador final, o no coincide")]
    Truncated,
}

impl MultipartError {
    /// The HTTP status that answers it.
    pub const fn status(&self) -> u16 {
        400
    }

    /// The limit that was passed, if it is that.
    #[must_use]
    pub const fn limit(&self) -> Option<Limit> {
        Some(match self {
            Self::BoundaryTooLong { length } => Limit::new("boundary", BOUNDARY_MAX, *length),
            Self::HeadTooLong => Limit::passed("cabecera de una parte", HEAD_MAX),
            Self::TooManyParts => Limit::passed("partes", PARTS_MAX),
            Self::PreambleTooLong => Limit::passed("preámbulo", PREAMBLE_MAX),
            Self::EpilogueTooLong => Limit::passed("epílogo", EPILOGUE_MAX),
            _ => return None,
        })
    }
}
