//! Every way a multipart body can be wrong, and the text that tells a person what to do about it.
use std::fmt;

use super::{BOUNDARY_MAX, EPILOGUE_MAX, HEAD_MAX, PARTS_MAX, PREAMBLE_MAX};

/// Why a multipart body was refused: always 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MultipartError {
    /// No boundary, or one that can't be.
    Boundary,
    /// Something else than CR LF or `--` behind a boundary.
    Delimiter,
    /// A part's head that is not fields and an empty line.
    Head,
    /// A part without Content-Disposition.
    Disposition,
    /// A part's head is too long.
    HeadTooLong,
    /// Too many parts.
    TooManyParts,
    /// Too much before the first boundary.
    PreambleTooLong,
    /// Too much after the last boundary.
    EpilogueTooLong,
    /// The body ended before its closing boundary.
    Truncated,
}

impl MultipartError {
    /// The HTTP status that answers it.
    pub const fn status(&self) -> u16 {
        400
    }
}

impl fmt::Display for MultipartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boundary => write!(
                f,
                "Content-Type debe traer boundary, de 1 a {BOUNDARY_MAX} caracteres: deje que lo ponga el cliente HTTP"
            ),
            Self::Delimiter => {
                f.write_str("tras cada separador del formulario debe venir CRLF, o «--» en el último")
            }
            Self::Head => f.write_str("la cabecera de una parte del formulario está mal escrita"),
            Self::Disposition => {
                f.write_str("cada parte debe tener «Content-Disposition: form-data; name=\"…\"»")
            }
            Self::HeadTooLong => {
                write!(f, "la cabecera de una parte pasa de {HEAD_MAX} bytes: use nombres más cortos")
            }
            Self::TooManyParts => write!(f, "el formulario tiene más de {PARTS_MAX} partes: mande menos"),
            Self::PreambleTooLong => {
                write!(f, "hay más de {PREAMBLE_MAX} bytes antes del primer separador: revise boundary")
            }
            Self::EpilogueTooLong => {
                write!(f, "hay más de {EPILOGUE_MAX} bytes después del último separador: quítelos")
            }
            Self::Truncated => {
                f.write_str("el formulario está incompleto: falta el separador final, o no coincide")
            }
        }
    }
}

impl std::error::Error for MultipartError {}
