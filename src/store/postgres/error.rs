//! The driver's errors: their text in Spanish, and their kind.
use std::error::Error as _;
use std::io;

use scaler::words::InWords;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::store::StoreError;

#[derive(Debug)]
pub(super) enum PgError {
    /// The driver's reason, or the database's.
    Driver(Error),
    /// It exceeded its time limit.
    Late,
    /// The database may lose committed data: this setting is off.
    Unsafe(&'static str),
    /// The database's encoding is this, not UTF-8.
    Encoding(String),
    /// The tables are of a later version than the ones known here.
    Newer { version: i32, known: usize },
    /// A value differs from what was written.
    Strange,
    /// There is no memory for so many bytes.
    NoRoom { length: u64 },
}

impl From<Error> for PgError {
    fn from(error: Error) -> Self {
        Self::Driver(error)
    }
}

impl PgError {
    fn code(&self) -> Option<&SqlState> {
        match self {
            Self::Driver(error) => error.code(),
            _ => None,
        }
    }

    /// Another transaction conflicted: a retry from the beginning may succeed at once.
    pub(super) fn is_contention(&self) -> bool {
        let codes = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
        self.code().is_some_and(|code| codes.contains(code))
    }

    /// The connection is unusable, or leads to a server that can't write.
    pub(super) fn is_absence(&self) -> bool {
        match self {
            Self::Driver(error) => error.code().is_none_or(|code| {
                let codes = [
                    SqlState::ADMIN_SHUTDOWN,
                    SqlState::CRASH_SHUTDOWN,
                    SqlState::CANNOT_CONNECT_NOW,
                    SqlState::READ_ONLY_SQL_TRANSACTION,
                    SqlState::TOO_MANY_CONNECTIONS,
                ];
                codes.contains(code) || code.code().starts_with("08")
            }),
            Self::Late | Self::Unsafe(_) => true,
            Self::Encoding(_) | Self::Newer { .. } | Self::Strange | Self::NoRoom { .. } => false,
        }
    }
}

impl From<PgError> for StoreError {
    fn from(fault: PgError) -> Self {
        let words = words(&fault);
        match &fault {
            PgError::NoRoom { length } => Self::NoRoom { length: *length },
            PgError::Strange => Self::Damaged(words),
            _ if fault.code() == Some(&SqlState::DISK_FULL) => Self::Full(words),
            _ if fault
                .code()
                .is_some_and(|code| code.code().starts_with("XX00") && code.code() != "XX000") =>
            {
                Self::Damaged(words)
            }
            _ => Self::Broken(words),
        }
    }
}

/// The error's text. Never the driver's own, which may quote the data to be written.
pub(super) fn words(fault: &PgError) -> String {
    match fault {
        PgError::Late => "PostgreSQL no respondió a tiempo".into(),
        PgError::Unsafe(setting) => {
            format!("PostgreSQL tiene {setting} = off y olvidaría lo que promete guardar: enciéndalo")
        }
        PgError::Encoding(name) => format!("la base de datos guarda sus textos en {name}, y debe ser UTF8"),
        PgError::Newer { version, known } => format!(
            "es de una versión más nueva de tp2 (su esquema es el {version}; esta versión conoce hasta el {known})"
        ),
        PgError::Strange => "un dato guardado no es lo que debería".into(),
        PgError::NoRoom { length } => format!("no hay memoria para {length} bytes"),
        PgError::Driver(error) => of_driver(error),
    }
}

fn of_driver(error: &Error) -> String {
    let Some(code) = error.code() else {
        let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
        return match io {
            Some(reason) if reason.kind() == io::ErrorKind::ConnectionRefused => {
                "no responde ningún servidor de PostgreSQL que pueda escribir".into()
            }
            Some(reason) => format!("no hay conexión con PostgreSQL: {}", InWords(reason)),
            None if error.is_closed() => "se cortó la conexión con PostgreSQL".into(),
            // The driver does not name these kinds.
            None if error.to_string().starts_with("invalid configuration") => {
                "PostgreSQL pide un usuario o una contraseña que la dirección no tiene".into()
            }
            None if error.to_string().starts_with("error performing TLS") => {
                "PostgreSQL no ofrece la conexión con TLS que pide la dirección".into()
            }
            None => "no responde ningún servidor de PostgreSQL que pueda escribir".into(),
        };
    };
    let words = match code.code() {
        "28P01" | "28000" => "PostgreSQL no acepta ese usuario o esa contraseña",
        "3D000" => "PostgreSQL no tiene esa base de datos",
        "3F000" => "en esa base de datos no hay un esquema donde crear las tablas",
        "42501" => "PostgreSQL pide otro usuario, con permiso para crear tablas, leer y escribir",
        "53100" => "a PostgreSQL no le queda espacio en el disco",
        "53200" => "a PostgreSQL no le queda memoria",
        "53300" => "PostgreSQL no admite más conexiones",
        "57P01" | "57P02" => "PostgreSQL se detuvo",
        "57P03" => "PostgreSQL está iniciando o deteniéndose",
        "25006" => "ese PostgreSQL es de solo lectura",
        "40001" | "40P01" => "otro servidor se ocupaba de lo mismo",
        "23505" => "un dato que debe ser único ya existe",
        "XX001" | "XX002" => "los archivos de PostgreSQL están dañados",
        _ => "PostgreSQL falló de un modo inesperado",
    };
    format!("{words} (PostgreSQL {})", code.code())
}
