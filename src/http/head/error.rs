//! Every way a request head can be wrong, with its status and the text that tells a person what to do about it.
use std::fmt;

use crate::http::limit::Limit;

/// Why a request head was refused. The connection is closed after any of them: where the next request would begin is
/// no longer certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadError {
    /// The first byte can't begin a method: TLS, a picture that came late, noise.
    NotHttp,
    /// No `method SP target SP version` (RFC 9112, 3).
    RequestLine,
    /// The method is longer than any that exists (RFC 9112, 3: 501).
    MethodTooLong,
    /// The target is in none of the four forms of RFC 9112, 3.2.
    Target,
    /// The target is longer than `max` bytes.
    TargetTooLong {
        /// [`super::HeadLimits::target_max`].
        max: usize,
    },
    /// A version we don't speak, the preface of HTTP/2 among them.
    Version,
    /// More than a few empty lines before the request line (RFC 9112, 2.2 asks for one to be borne).
    EmptyLines,
    /// The head is longer than `max` bytes.
    TooLarge {
        /// [`super::HeadLimits::bytes_max`].
        max: usize,
    },
    /// More fields than `max`.
    TooManyFields {
        /// [`super::HeadLimits::fields_max`].
        max: usize,
        /// How many there are.
        received: usize,
    },
    /// Some lines end in CR LF and some in LF alone.
    MixedLineEnds,
    /// A CR that no LF follows (RFC 9112, 2.2).
    BareCr,
    /// A NUL byte.
    Nul,
    /// A line that begins with white space (RFC 9112, 5.2).
    Folded,
    /// No token before the colon: white space there, an empty name, no colon at all (RFC 9112, 5.1).
    FieldName,
    /// A control character in a value (RFC 9110, 5.5).
    FieldValue,
    /// No Host in a request of HTTP/1.1 (RFC 9112, 3.2).
    HostMissing,
    /// A Host that is no `host[:port]`.
    HostInvalid,
    /// A field that has one value came more than once, where that leaves a doubt.
    FieldRepeated {
        /// The field, in lower case.
        name: &'static str,
    },
    /// A Content-Length that is not digits alone, or more than 64 bits hold.
    LengthInvalid,
    /// Content-Length and Transfer-Encoding together: how requests are smuggled (RFC 9112, 6.3).
    LengthAndCoding,
    /// Transfer-Encoding in HTTP/1.0 (RFC 9112, 6.1).
    CodingInHttp10,
    /// A transfer coding other than `chunked` alone (RFC 9112, 6.1: 501).
    CodingUnknown,
}

impl HeadError {
    /// The HTTP status that answers it.
    pub const fn status(&self) -> u16 {
        match self {
            Self::TargetTooLong { .. } => 414,
            Self::TooLarge { .. } | Self::TooManyFields { .. } => 431,
            Self::MethodTooLong | Self::CodingUnknown => 501,
            Self::Version => 505,
            _ => 400,
        }
    }

    /// The limit that was passed, if it is that.
    #[must_use]
    pub const fn limit(&self) -> Option<Limit> {
        match self {
            Self::TargetTooLong { max } => Some(Limit::passed("ruta", *max)),
            Self::TooLarge { max } => Some(Limit::passed("cabecera", *max)),
            Self::TooManyFields { max, received } => Some(Limit::new("campos", *max, *received)),
            _ => None,
        }
    }
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TargetTooLong { max } => {
                let received = max.saturating_add(1);
                return write!(
                    f,
                    "la ruta pedida tiene al menos {received} bytes y el límite son {max}: acórtela"
                );
            }
            Self::TooLarge { max } => {
                let received = max.saturating_add(1);
                return write!(
                    f,
                    "la cabecera de la petición tiene al menos {received} bytes y el límite son {max}: mande \
                     menos campos o más cortos"
                );
            }
            Self::TooManyFields { max, received } => {
                return write!(
                    f,
                    "la cabecera de la petición tiene {received} campos y el límite son {max}: mande menos"
                );
            }
            Self::FieldRepeated { name } => {
                return write!(f, "el campo {name} está repetido: mande uno solo");
            }
            Self::NotHttp => {
                "esto no es HTTP ni una imagen conocida: use http:// (sin TLS) o mande la imagen sola"
            }
            Self::RequestLine => {
                "la primera línea debe ser «MÉTODO /ruta HTTP/1.1», con un solo espacio entre cada parte"
            }
            Self::MethodTooLong => "no existe un método de nombre tan largo: use GET, POST o PUT",
            Self::Target => "la ruta debe empezar con «/», o ser una URL completa sin espacios",
            Self::Version => "versión de HTTP no admitida: use HTTP/1.1",
            Self::EmptyLines => {
                "demasiadas líneas vacías antes de la petición: mande primero «MÉTODO /ruta HTTP/1.1»"
            }
            Self::MixedLineEnds => "unas líneas terminan en CRLF y otras en LF: termine todas en CRLF",
            Self::BareCr => "hay un CR sin LF: termine cada línea en CRLF",
            Self::Nul => "hay un byte nulo en la cabecera: quítelo",
            Self::Folded => "una línea empieza con espacio: escriba cada campo en una sola línea",
            Self::FieldName => "cada campo debe ser «Nombre: valor», sin espacios antes de los dos puntos",
            Self::FieldValue => "hay un carácter de control en el valor de un campo: quítelo",
            Self::HostMissing => "falta el campo Host, obligatorio en HTTP/1.1",
            Self::HostInvalid => "el campo Host debe ser «nombre» o «nombre:puerto»",
            Self::LengthInvalid => "Content-Length debe ser un único número decimal sin signo",
            Self::LengthAndCoding => "mande Content-Length o Transfer-Encoding, no los dos",
            Self::CodingInHttp10 => "Transfer-Encoding no existe en HTTP/1.0: mande Content-Length",
            Self::CodingUnknown => "la única codificación de transferencia admitida es «chunked»",
        })
    }
}

impl std::error::Error for HeadError {}
