//! Every way a piece of work can fail: data; `reject` maps each to a status and a text.
use std::fmt;

use super::links_folder::FOLDER;
use crate::http::sniff::Foreign;

/// Why a piece of work came to nothing. `reject` maps each to a status and a Spanish text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkError {
    /// The bytes are no picture of a format we read.
    UnknownFormat,
    /// The same, and this is what they seem to be.
    Foreign(Foreign),
    /// They were sent as the fields of a form without files, and have lost their line ends and NULs on the way.
    SentAsFields {
        /// Their first bytes are still those of a picture.
        known: bool,
    },
    /// There are no bytes.
    Empty,
    /// There is no such file for us.
    NoFile,
    /// There is such a file, but we may not read it.
    NoPermission,
    /// A file that is no picture of a format we read.
    NotAPicture,
    /// A file longer than a picture may be.
    FileTooLong {
        /// Bytes it has.
        length: u64,
    },
    /// A file that was written to while we read it.
    Changing,
    /// The system failed to read a file; the reason is for the log.
    Unreadable(String),
    /// The client accepts nothing that we write.
    NotAcceptable,
    /// As many pictures in hand as allowed.
    QueueFull,
    /// There is no room for the file at the moment.
    MemoryFull {
        /// Bytes it has.
        length: u64,
    },
    /// A format we read, but these bytes can't be decoded; the reason is Spanish, for the client.
    Undecodable(String),
    /// More pixels than allowed, or a side too long.
    TooManyPixels {
        /// Columns.
        width: u64,
        /// Rows.
        height: u64,
    },
    /// The picture may exist here, but what was asked to be made of it may not.
    ResultTooLarge {
        /// Columns it would have.
        width: u64,
        /// Rows it would have.
        height: u64,
    },
    /// Its work would need more than all the memory there is for pictures.
    TooMuchMemory {
        /// Bytes it would need.
        needed: u64,
    },
    /// The decoder panicked on it: ours to mend, but the next picture is none the worse for it.
    Panicked,
    /// Our own fault, whatever the picture: an encoder failed, or an answer was lost.
    Lost,
    /// The deadline of one picture passed.
    Late,
    /// The scaler broke the connection again and again, or answered nonsense.
    ScalerLost,
    /// The scaler is being started again, or the one we were told of does not answer.
    ScalerAway,
    /// The scaler refused: its code and its reason.
    ScalerRefused {
        /// As in HTTP.
        code: u16,
        /// Spanish, from the scaler.
        reason: String,
    },
    /// The server stops, or nobody waits for the answer.
    Cancelled,
    /// There is no room on the store's disk; the reason is for the log.
    StoreFull(String),
    /// The store can't be reached, or failed; the reason is for the log.
    StoreBroken(String),
    /// There is no space left for another link; the reason is Spanish.
    FolderFull(String),
    /// The folder of links can't be written to; the reason is Spanish.
    FolderUnusable(String),
}

impl fmt::Display for WorkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownFormat | Self::SentAsFields { known: false } => {
                write!(f, "los bytes no son una imagen de un formato conocido")
            }
            Self::Foreign(foreign) => write!(
                f,
                "los bytes no son una imagen de un formato conocido: parecen {}; {}",
                foreign.name(),
                foreign.advice()
            ),
            Self::SentAsFields { known: true } => write!(f, "la imagen perdió bytes en el camino"),
            Self::Empty => write!(f, "no llegó ningún byte"),
            Self::NoFile => write!(f, "no existe ese archivo"),
            Self::NoPermission => write!(f, "no hay permiso para leer el archivo"),
            Self::NotAPicture => write!(f, "el archivo no es una imagen de un formato conocido"),
            Self::FileTooLong { length } => write!(f, "el archivo tiene {length} bytes y son demasiados"),
            Self::Changing => write!(f, "el archivo está cambiando; intente de nuevo"),
            Self::Unreadable(reason) => write!(f, "el archivo no se puede leer: {reason}"),
            Self::NotAcceptable => write!(f, "el cliente no acepta ningún formato disponible"),
            Self::QueueFull => write!(f, "ya hay tantas imágenes en proceso como se permiten"),
            Self::MemoryFull { length } => write!(f, "no hay memoria para un archivo de {length} bytes"),
            Self::Undecodable(reason) => write!(f, "la imagen no se puede decodificar: {reason}"),
            Self::TooManyPixels { width, height } => write!(f, "{width}x{height} píxeles son demasiados"),
            Self::ResultTooLarge { width, height } => {
                write!(f, "el resultado mediría {width}x{height} píxeles y son demasiados")
            }
            Self::TooMuchMemory { needed } => write!(f, "procesarla necesitaría {needed} bytes de memoria"),
            Self::Panicked => write!(f, "el decodificador falló con esta imagen"),
            Self::Lost => write!(f, "error interno"),
            Self::Late => write!(f, "no estuvo lista a tiempo"),
            Self::ScalerLost => write!(f, "el escalador cortó la conexión varias veces"),
            Self::ScalerAway => write!(f, "el escalador no está disponible por el momento"),
            Self::ScalerRefused { code, reason } => write!(f, "el escalador respondió {code}: {reason}"),
            Self::Cancelled => write!(f, "el trabajo fue cancelado"),
            Self::StoreFull(reason) => write!(f, "no queda espacio en el disco del almacén: {reason}"),
            Self::StoreBroken(reason) => write!(f, "el almacén falló: {reason}"),
            Self::FolderFull(reason) => write!(f, "no hay espacio para la imagen en {FOLDER}: {reason}"),
            Self::FolderUnusable(reason) => write!(f, "no se puede guardar la imagen en {FOLDER}: {reason}"),
        }
    }
}
