//! Every way a request head can be wrong, with its status and the text that says what to do about it.
use crate::http::limit::Limit;

/// Why a request head was refused. The connection is closed after any of them, because the beginning of the next
/// request is uncertain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// The first byte can't begin a method: TLS, a picture that came late, noise.
    #[error("esto no es HTTP ni una imagen conocida: use http:// (sin TLS) o mande la imagen sola")]
    NotHttp,
    /// No `method SP target SP version` (RFC 9112, 3).
    #[error("la primera línea debe ser «MÉTODO /ruta HTTP/1.1», con un solo espacio entre cada parte")]
    RequestLine,
    /// The method is longer than any that exists (RFC 9112, 3: 501).
    #[error("no existe un método de nombre tan largo: use GET, POST o PUT")]
    MethodTooLong,
    /// The target is in none of the four forms of RFC 9112, 3.2.
    #[error("la ruta debe empezar con «/», o ser una URL completa sin espacios")]
    Target,
    /// The target is longer than `max` bytes.
    #[error("la ruta pedida tiene al menos {} bytes y el límite son {max}: acórtela", .max.saturating_add(1))]
    TargetTooLong {
        /// [`super::HeadLimits::target_max`].
        max: usize,
    },
    /// A version we don't speak, the preface of HTTP/2 among them.
    #[error("versión de HTTP no admitida: use HTTP/1.1")]
    Version,
    /// More than a few empty lines before the request line (RFC 9112, 2.2 asks for one to be borne).
    #[error("demasiadas líneas vacías antes de la petición: mande primero «MÉTODO /ruta HTTP/1.1»")]
    EmptyLines,
    /// The head is longer than `max` bytes.
    #[error("la cabecera de la petición tiene al menos {} bytes y el límite son {max}: mande menos campos o más cortos", .max.saturating_add(1))]
    TooLarge {
        /// [`super::HeadLimits::bytes_max`].
        max: usize,
    },
    /// More fields than `max`.
    #[error("la cabecera de la petición tiene {received} campos y el límite son {max}: mande menos")]
    TooManyFields {
        /// [`super::HeadLimits::fields_max`].
        max: usize,
        /// How many there are.
        received: usize,
    },
    /// Some lines end in CR LF and some in LF alone.
    #[error("unas líneas terminan en CRLF y otras en LF: termine todas en CRLF")]
    MixedLineEnds,
    /// A CR that no LF follows (RFC 9112, 2.2).
    #[error("hay un CR sin LF: termine cada línea en CRLF")]
    BareCr,
    /// A NUL byte.
    #[error("hay un byte nulo en la cabecera: quítelo")]
    Nul,
    /// A line that begins with white space (RFC 9112, 5.2).
    #[error("una línea empieza con espacio: escriba cada campo en una sola línea")]
    Folded,
    /// No token before the colon: white space there, an empty name, no colon at all (RFC 9112, 5.1).
    #[error("cada campo debe ser «Nombre: valor», sin espacios antes de los dos puntos")]
    FieldName,
    /// A control character in a value (RFC 9110, 5.5).
    #[error("hay un carácter de control en el valor de un campo: quítelo")]
    FieldValue,
    /// No Host in a request of HTTP/1.1 (RFC 9112, 3.2).
    #[error("falta el campo Host, obligatorio en HTTP/1.1")]
    HostMissing,
    /// A Host that is no `host[:port]`.
    #[error("el campo Host debe ser «nombre» o «nombre:puerto»")]
    HostInvalid,
    /// A field that has one value came more than once, where that leaves a doubt.
    #[error("el campo {name} está repetido: mande uno solo")]
    FieldRepeated {
        /// The field, in lower case.
        name: &'static str,
    },
    /// A Content-Length that is not digits alone, or more than 64 bits hold.
    #[error("Content-Length debe ser un único número decimal sin signo")]
    LengthInvalid,
    /// Content-Length and Transfer-Encoding together: how requests are smuggled (RFC 9112, 6.3).
    #[error("mande Content-Length o Transfer-Encoding, no los dos")]
    LengthAndCoding,
    /// Transfer-Encoding in HTTP/1.0 (RFC 9112, 6.1).
    #[error("Transfer-Encoding no existe en HTTP/1.0: mande Content-Length")]
    CodingInHttp10,
    /// A transfer coding other than `chunked` alone (RFC 9112, 6.1: 501).
    #[error("la única codificación de transferencia admitida es «chunked»")]
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
