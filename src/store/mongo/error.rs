//! The driver's errors: their text in Spanish, and their kind.
use mongodb::error::{Error, ErrorKind, WriteFailure};
use scaler::words::InWords;

use crate::store::StoreError;

#[derive(Debug)]
pub(super) enum MongoError {
    /// The driver's reason.
    Driver(Box<Error>),
    /// It exceeded its time limit.
    Late,
}

impl From<Error> for MongoError {
    fn from(error: Error) -> Self {
        Self::Driver(Box::new(error))
    }
}

/// A value of a unique index, `_id` among them, exists already.
const DUPLICATE: i32 = 11_000;
/// FerretDB's code when an index would have repeated values.
const INTERNAL: i32 = 1;
/// Another index of the same fields exists, with weaker rules.
const INDEX_OPTIONS: i32 = 85;
const INDEX_KEYS: i32 = 86;
const OUT_OF_DISK: i32 = 14_031;
/// Wrong user or password; no user given where one is needed.
const AUTHENTICATION: i32 = 18;
const UNAUTHORIZED: i32 = 13;

impl MongoError {
    pub(super) fn is_duplicate(&self) -> bool {
        matches!(self, Self::Driver(error) if code(error) == Some(DUPLICATE))
    }

    /// Of creating an index: existing values, or another index, conflict with it.
    pub(super) fn is_repeated(&self) -> bool {
        let codes = [DUPLICATE, INTERNAL, INDEX_OPTIONS, INDEX_KEYS];
        matches!(self, Self::Driver(error) if code(error).is_some_and(|code| codes.contains(&code)))
    }

    /// The database does not answer: the next request would also time out.
    pub(super) fn is_absence(&self) -> bool {
        match self {
            Self::Driver(error) => matches!(*error.kind, ErrorKind::ServerSelection { .. }),
            Self::Late => true,
        }
    }
}

impl From<MongoError> for StoreError {
    fn from(fault: MongoError) -> Self {
        match fault {
            MongoError::Driver(error) if code(&error) == Some(OUT_OF_DISK) => Self::Full(words(&error)),
            MongoError::Driver(error) => Self::Broken(words(&error)),
            MongoError::Late => Self::Broken("MongoDB no respondió a tiempo".into()),
        }
    }
}

fn code(error: &Error) -> Option<i32> {
    match &*error.kind {
        ErrorKind::Command(command) => Some(command.code),
        ErrorKind::Write(WriteFailure::WriteError(write)) => Some(write.code),
        ErrorKind::Write(WriteFailure::WriteConcernError(concern)) => Some(concern.code),
        _ => None,
    }
}

/// The error's text. Never the driver's own, which may quote the data to be written.
pub(super) fn words(error: &Error) -> String {
    let words = match (&*error.kind, code(error)) {
        (ErrorKind::Authentication { .. }, _) | (_, Some(AUTHENTICATION)) => {
            "MongoDB no acepta ese usuario o esa contraseña"
        }
        (_, Some(UNAUTHORIZED)) => "MongoDB pide otro usuario, con permiso para leer y escribir",
        (_, Some(OUT_OF_DISK)) => "a MongoDB no le queda espacio en el disco",
        (ErrorKind::ServerSelection { .. }, _) => "no responde ningún servidor de MongoDB que pueda escribir",
        (ErrorKind::Io(reason), _) => {
            return format!("se cortó la conexión con MongoDB: {}", InWords(reason));
        }
        (ErrorKind::ConnectionPoolCleared { .. }, _) => "se cortó la conexión con MongoDB",
        (ErrorKind::DnsResolve { .. }, _) => "no se encuentra el servidor de MongoDB por su nombre",
        (ErrorKind::InvalidTlsConfig { .. }, _) => "los archivos de TLS no sirven",
        (ErrorKind::IncompatibleServer { .. }, _) => "ese MongoDB es de una versión que no sirve",
        (ErrorKind::InvalidResponse { .. }, _) => "MongoDB respondió algo que no se entiende",
        _ => "MongoDB falló de un modo inesperado",
    };
    match code(error) {
        Some(code) => format!("{words} (MongoDB {code})"),
        None => words.into(),
    }
}
