//! What the system says, in Spanish: the errors of files and sockets that a person may meet.
use std::fmt;
use std::io::{self, ErrorKind};

/// An error of the system, to be shown to a person.
#[derive(Debug)]
pub struct InWords<'a>(pub &'a io::Error);

impl fmt::Display for InWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self.0.kind() {
            ErrorKind::NotFound => "no existe",
            ErrorKind::PermissionDenied => "permiso denegado",
            ErrorKind::AlreadyExists => "ya existe",
            ErrorKind::IsADirectory => "es un directorio",
            ErrorKind::NotADirectory => "una parte de la ruta no es un directorio",
            ErrorKind::ReadOnlyFilesystem => "el sistema de archivos es de solo lectura",
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "no queda espacio en el disco",
            ErrorKind::FileTooLarge => "el archivo sería demasiado grande",
            ErrorKind::AddrInUse => "el puerto ya está en uso",
            ErrorKind::AddrNotAvailable => "esa dirección no es de esta máquina",
            ErrorKind::ConnectionRefused => "nadie escucha en esa dirección y ese puerto",
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => "la otra parte cortó la conexión",
            ErrorKind::BrokenPipe => "la otra parte dejó de leer",
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => "no hay camino hasta esa dirección",
            ErrorKind::TimedOut | ErrorKind::WouldBlock => "no hubo respuesta a tiempo",
            ErrorKind::UnexpectedEof => "la conexión terminó antes de tiempo",
            ErrorKind::InvalidData => "la otra parte no habla el protocolo esperado",
            ErrorKind::OutOfMemory => "no queda memoria",
            // A name that does not resolve has no kind of its own, and the resolver's words are all there is.
            _ => return write!(f, "{}", self.0),
        };
        f.write_str(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_errors_have_words() {
        let missing = std::fs::read("/no/existe").unwrap_err();
        assert_eq!(InWords(&missing).to_string(), "no existe");
        let directory = std::fs::read("/").unwrap_err();
        assert_eq!(InWords(&directory).to_string(), "es un directorio");
        let other = io::Error::other("algo");
        assert_eq!(InWords(&other).to_string(), "algo");
    }
}
