//! Errors of the system in Spanish: of files, sockets and processes, and panics.
//!
//! Rules: the text is chosen by the error's number where its kind is too coarse, then by the kind, then by the code
//! that made the error; the system's own English text is never shown. A number without a text here is shown as that
//! number, which errno(3) explains.
use std::fmt;
use std::io::{self, ErrorKind};
use std::panic::PanicHookInfo;

use crate::sys;

/// How std begins the error of a name that does not resolve, which has neither a number nor a kind of its own.
const UNRESOLVED: &str = "failed to lookup address information";

/// Displays a system error to the user.
#[derive(Debug)]
pub struct InWords<'a>(pub &'a io::Error);

impl fmt::Display for InWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(error) = self;
        if let Some(words) = error.raw_os_error().and_then(of_number).or_else(|| of_kind(error.kind())) {
            return f.write_str(words);
        }
        match (error.raw_os_error(), error.get_ref()) {
            (Some(number), _) => write!(f, "error {number} del sistema"),
            (None, Some(text)) if text.to_string().starts_with(UNRESOLVED) => {
                f.write_str("ese nombre no se encuentra")
            }
            // Made by this project, which writes Spanish.
            (None, Some(text)) => write!(f, "{text}"),
            (None, None) => f.write_str("error desconocido"),
        }
    }
}

/// A panic's place in the code, and its message if it is text (written by the code, in any language).
#[must_use]
pub fn of_panic(info: &PanicHookInfo<'_>) -> String {
    let place = info.location().map_or_else(|| "un lugar desconocido".to_owned(), ToString::to_string);
    format!("pánico en {place}: {}", info.payload_as_str().unwrap_or("sin mensaje"))
}

/// Numbers that share their kind with others, or have none.
fn of_number(number: i32) -> Option<&'static str> {
    Some(match number {
        sys::EMFILE | sys::ENFILE => "no quedan descriptores de archivo",
        sys::EAFNOSUPPORT => "esta máquina no tiene esa familia de direcciones",
        sys::ELOOP => "la ruta tiene demasiados enlaces simbólicos",
        sys::EIO => "el dispositivo falló",
        _ => return None,
    })
}

fn of_kind(kind: ErrorKind) -> Option<&'static str> {
    Some(match kind {
        ErrorKind::NotFound => "no existe",
        ErrorKind::PermissionDenied => "permiso denegado",
        ErrorKind::AlreadyExists => "ya existe",
        ErrorKind::IsADirectory => "es un directorio",
        ErrorKind::NotADirectory => "una parte de la ruta no es un directorio",
        ErrorKind::InvalidFilename => "el nombre es demasiado largo",
        ErrorKind::ReadOnlyFilesystem => "el sistema de archivos es de solo lectura",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "no queda espacio en el disco",
        ErrorKind::FileTooLarge => "el archivo sería demasiado grande",
        ErrorKind::WriteZero => "no se pudo escribir todo",
        ErrorKind::AddrInUse => "el puerto ya está en uso",
        ErrorKind::AddrNotAvailable => "esa dirección no es de esta máquina",
        ErrorKind::ConnectionRefused => "nadie escucha en esa dirección y ese puerto",
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => "la otra parte cortó la conexión",
        ErrorKind::NotConnected => "no hay conexión",
        ErrorKind::BrokenPipe => "la otra parte dejó de leer",
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => "no hay camino hasta esa dirección",
        ErrorKind::NetworkDown => "la red no funciona",
        ErrorKind::TimedOut | ErrorKind::WouldBlock => "no hubo respuesta a tiempo",
        ErrorKind::Interrupted => "una señal lo interrumpió",
        ErrorKind::UnexpectedEof => "la conexión terminó antes de tiempo",
        ErrorKind::InvalidData => "la otra parte no habla el protocolo esperado",
        ErrorKind::OutOfMemory => "no queda memoria",
        ErrorKind::Unsupported => "este sistema no lo ofrece",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::ToSocketAddrs;

    fn words(error: &io::Error) -> String {
        InWords(error).to_string()
    }

    #[test]
    fn what_the_system_reports_has_words() {
        assert_eq!(words(&std::fs::read("/no/existe").unwrap_err()), "no existe");
        assert_eq!(words(&std::fs::read("/").unwrap_err()), "es un directorio");
        let elsewhere = std::net::TcpListener::bind("192.0.2.1:0").unwrap_err();
        assert_eq!(words(&elsewhere), "esa dirección no es de esta máquina");
    }

    #[test]
    fn numbers_have_the_words_of_their_kind_or_their_own() {
        // Numbers of Linux: 24 EMFILE, 23 ENFILE, 13 EACCES, 1 EPERM, 104 ECONNRESET, 12 ENOMEM, 97 EAFNOSUPPORT.
        for (number, expected) in [
            (24, "no quedan descriptores de archivo"),
            (23, "no quedan descriptores de archivo"),
            (13, "permiso denegado"),
            (1, "permiso denegado"),
            (104, "la otra parte cortó la conexión"),
            (12, "no queda memoria"),
            (97, "esta máquina no tiene esa familia de direcciones"),
        ] {
            assert_eq!(words(&io::Error::from_raw_os_error(number)), expected, "{number}");
        }
    }

    #[test]
    fn no_number_is_shown_in_the_systems_own_words() {
        for number in 1..=133 {
            let error = io::Error::from_raw_os_error(number);
            let said = words(&error);
            assert!(!said.contains("os error") && !error.to_string().starts_with(&said), "{number}: {said}");
        }
        assert_eq!(words(&io::Error::from_raw_os_error(105)), "error 105 del sistema");
    }

    #[test]
    fn a_name_that_does_not_resolve_has_words() {
        // RFC 6761, 6.4: names below «invalid» do not exist; an unreachable resolver gives the same error.
        let error = ("no-existe.invalid", 1).to_socket_addrs().unwrap_err();
        assert_eq!(words(&error), "ese nombre no se encuentra");
    }

    #[test]
    fn errors_without_a_number() {
        assert_eq!(words(&io::Error::other("algo nuestro")), "algo nuestro");
        assert_eq!(words(&io::Error::new(ErrorKind::InvalidInput, "una ruta vacía")), "una ruta vacía");
        assert_eq!(words(&ErrorKind::InvalidInput.into()), "error desconocido");
    }
}
