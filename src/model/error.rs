//! Every way a piece of work can fail: data; `reject` maps each to a status and a text.
use super::links_folder::FOLDER;
use crate::http::sniff::Foreign;

/// Why a piece of work failed. `reject` maps each to a status and a Spanish text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkError {
    /// The bytes are no picture of a format we read.
    #[error("los bytes no son una imagen de un formato conocido")]
    UnknownFormat,
    /// The same, and this is what they seem to be.
    #[error("los bytes no son una imagen de un formato conocido: parecen {}; {}", .0.name(), .0.advice())]
    Foreign(Foreign),
    /// They were sent as the fields of a form without files, and have lost their line ends and NULs on the way.
    #[error("{}", if *.known { "la imagen perdió bytes en el camino" } else { "los bytes no son una imagen de un formato conocido" })]
    SentAsFields {
        /// Their first bytes are still those of a picture.
        known: bool,
    },
    /// A picture without a single line end or NUL, which every picture of its format has: `curl -d` drops them.
    #[error("la imagen perdió bytes en el camino")]
    LineEndsLost,
    /// There are no bytes.
    #[error("no llegó ningún byte")]
    Empty,
    /// There is no such file that may be served.
    #[error("no existe ese archivo")]
    NoFile,
    /// There is such a file, but we may not read it.
    #[error("no hay permiso para leer el archivo")]
    NoPermission,
    /// A file that is no picture of a format we read.
    #[error("el archivo no es una imagen de un formato conocido")]
    NotAPicture,
    /// A file longer than a picture may be.
    #[error("el archivo tiene {length} bytes y son demasiados")]
    FileTooLong {
        /// Bytes it has.
        length: u64,
    },
    /// A file that was written to while we read it.
    #[error("el archivo está cambiando; intente de nuevo")]
    Changing,
    /// The system failed to read a file; the reason is for the log.
    #[error("el archivo no se puede leer: {0}")]
    Unreadable(String),
    /// The client accepts nothing that we write.
    #[error("el cliente no acepta ningún formato disponible")]
    NotAcceptable,
    /// As many pictures in hand as allowed.
    #[error("ya hay tantas imágenes en proceso como se permiten")]
    QueueFull,
    /// There is no room for the file at the moment.
    #[error("no hay memoria para un archivo de {length} bytes")]
    MemoryFull {
        /// Bytes it has.
        length: u64,
    },
    /// A format we read, but these bytes can't be decoded; the reason is Spanish, for the client.
    #[error("la imagen no se puede decodificar: {0}")]
    Undecodable(String),
    /// More pixels than allowed, or a side too long.
    #[error("{width}x{height} píxeles son demasiados")]
    TooManyPixels {
        /// Columns.
        width: u64,
        /// Rows.
        height: u64,
    },
    /// The picture is within the limits, but its result is not.
    #[error("el resultado mediría {width}x{height} píxeles y son demasiados")]
    ResultTooLarge {
        /// Columns it would have.
        width: u64,
        /// Rows it would have.
        height: u64,
    },
    /// A task's result would take, or takes, too large a part of the space for results.
    #[error("el resultado tendría {length} bytes y son demasiados para guardarlo")]
    ResultTooLong {
        /// Bytes it has, or would have at least.
        length: u64,
    },
    /// Its work would need more than all the memory there is for pictures.
    #[error("procesarla necesitaría {needed} bytes de memoria")]
    TooMuchMemory {
        /// Bytes it would need.
        needed: u64,
    },
    /// The decoder panicked: a bug of ours; other pictures are unaffected.
    #[error("el decodificador falló con esta imagen")]
    Panicked,
    /// A bug of ours, whatever the picture: an encoder failed, or an answer was lost.
    #[error("error interno")]
    Lost,
    /// The deadline of one picture passed.
    #[error("no estuvo lista a tiempo")]
    Late,
    /// The scaler broke the connection again and again, or answered nonsense.
    #[error("el escalador cortó la conexión varias veces")]
    ScalerLost,
    /// The scaler is being restarted, or the external one does not answer.
    #[error("el escalador no está disponible por el momento")]
    ScalerAway,
    /// The scaler refused: its code and its reason.
    #[error("el escalador respondió {code}: {reason}")]
    ScalerRefused {
        /// As in HTTP.
        code: u16,
        /// Spanish, from the scaler.
        reason: String,
    },
    /// The server stops, or no client waits for the answer.
    #[error("el trabajo fue cancelado")]
    Cancelled,
    /// There is no room on the store's disk; the reason is for the log.
    #[error("no queda espacio en el disco del almacén: {0}")]
    StoreFull(String),
    /// The store can't be reached, or failed; the reason is for the log.
    #[error("el almacén falló: {0}")]
    StoreBroken(String),
    /// There is no space left for another link; the reason is Spanish.
    #[error("no hay espacio para la imagen en {FOLDER}: {0}")]
    FolderFull(String),
    /// The links take as much space as they may.
    #[error("los enlaces ocuparían {held} bytes en {FOLDER} y el límite son {max}")]
    LinksFull {
        /// Bytes they may take: `--enlaces-espacio`.
        max: u64,
        /// Bytes they would take with this one.
        held: u64,
    },
    /// The folder of links can't be written to; the reason is Spanish.
    #[error("no se puede guardar la imagen en {FOLDER}: {0}")]
    FolderUnusable(String),
}
