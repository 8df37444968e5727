//! Why the store can't be opened, as one line for the operator: it names the servers, and no password.
use std::{fmt, io};

use mongodb::error::{Error, ErrorKind};
use scaler::words::InWords;

use super::error;
use crate::store::StoreError;
use crate::store::rules::without_user;

/// The store can't be opened.
#[derive(Debug)]
pub struct MongoOpenError {
    /// The URI without user and password.
    place: String,
    reason: MongoRefusal,
}

#[derive(Debug)]
pub(super) enum MongoRefusal {
    /// The driver can't parse the URI.
    Uri(Error),
    /// The driver's threads can't be started.
    Runtime(io::Error),
    /// The database refuses, or does not answer.
    Trouble(StoreError),
}

impl From<StoreError> for MongoRefusal {
    fn from(trouble: StoreError) -> Self {
        Self::Trouble(trouble)
    }
}

impl MongoRefusal {
    /// Adds the URI to the reason.
    pub(super) fn of(self, uri: &str) -> MongoOpenError {
        MongoOpenError { place: without_user(uri), reason: self }
    }
}

impl fmt::Display for MongoOpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, reason } = self;
        write!(f, "no se puede abrir el almacén «{place}»: ")?;
        match reason {
            MongoRefusal::Uri(error) => match &*error.kind {
                // The driver's text names the part that is wrong, but may quote it.
                ErrorKind::InvalidArgument { .. } => {
                    f.write_str("la dirección no es de la forma mongodb://USUARIO:CONTRASEÑA@HOST:PUERTO/?OPCIÓN=VALOR, o tiene una opción que el controlador no conoce")
                }
                _ => f.write_str(&error::words(error)),
            },
            MongoRefusal::Runtime(error) => write!(f, "{}", InWords(error)),
            MongoRefusal::Trouble(StoreError::Full(words) | StoreError::Damaged(words) | StoreError::Broken(words)) => f.write_str(words),
            MongoRefusal::Trouble(trouble @ (StoreError::NoRoom { .. } | StoreError::Bank(_))) => write!(f, "{trouble}"),
        }
    }
}

impl std::error::Error for MongoOpenError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_servers_and_no_secret() {
        for (uri, shown) in [
            ("mongodb://root:s3creto@localhost:27017/", "mongodb://localhost:27017"),
            ("mongodb://a,b:1/?replicaSet=r&tlsCertificateKeyFilePassword=s3creto", "mongodb://a,b:1"),
            ("mongodb+srv://u:s3cr/e@to@casa/", "mongodb+srv://casa"),
            ("mongodb://h/?tlsCertificateKeyFilePassword=s3@creto", "mongodb://…"),
            ("mongodb://[::1]:27017", "mongodb://[::1]:27017"),
        ] {
            assert_eq!(without_user(uri), shown);
        }
        let broken =
            MongoRefusal::Trouble(StoreError::Broken("no responde".into())).of("mongodb://u:s3creto@h/");
        assert_eq!(broken.to_string(), "no se puede abrir el almacén «mongodb://h»: no responde");
    }
}
