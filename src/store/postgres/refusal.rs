//! Why the store can't be opened, as one line for the operator: it names the servers, and no password.
use std::{fmt, io};

use scaler::words::InWords;

use super::error::{self, PgError};
use crate::store::rules::without_user;

/// The store can't be opened.
#[derive(Debug)]
pub struct PgOpenError {
    /// The URI without user and password.
    place: String,
    reason: PgRefusal,
}

#[derive(Debug)]
pub(super) enum PgRefusal {
    /// The driver can't parse the URI.
    Uri,
    /// This file of certificates can't be read, or has none.
    Certificates(String),
    /// The runtime's threads can't be started.
    Runtime(io::Error),
    /// The database refuses, or does not answer.
    Fault(PgError),
}

impl From<PgError> for PgRefusal {
    fn from(fault: PgError) -> Self {
        Self::Fault(fault)
    }
}

impl PgRefusal {
    /// Adds the URI to the reason.
    pub(super) fn of(self, uri: &str) -> PgOpenError {
        PgOpenError { place: without_user(uri), reason: self }
    }
}

impl fmt::Display for PgOpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, reason } = self;
        write!(f, "no se puede abrir el almacén «{place}»: ")?;
        match reason {
            PgRefusal::Uri => f.write_str(
                "la dirección no es de la forma postgres://USUARIO:CONTRASEÑA@HOST:PUERTO/BASE?OPCIÓN=VALOR, o tiene una opción que no se conoce",
            ),
            PgRefusal::Certificates(path) => write!(f, "el archivo de sslrootcert «{path}» no tiene certificados que se puedan leer"),
            PgRefusal::Runtime(error) => write!(f, "{}", InWords(error)),
            PgRefusal::Fault(fault) => f.write_str(&error::words(fault)),
        }
    }
}

impl std::error::Error for PgOpenError {}
