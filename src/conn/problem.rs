//! Every error that a client can meet -> status, fields, Spanish text: the one table.
//!
//! Bodies are `application/problem+json` (RFC 9457); an error from a limit names the limit, its value, what was
//! received and the option that changes it, in words and as members. The same texts serve a browser that navigates as a page,
//! and netcat mode as one line.
use std::time::Duration;

use serde_json::{Map, Value};
use uuid::Uuid;
use words::seconds;

use super::asset;
use crate::http::access::AccessError;
use crate::http::body::BodyError;
use crate::http::form::FormError;
use crate::http::head::HeadError;
use crate::http::range::unsatisfied;
use crate::http::reply::Reply;
use crate::http::route::Absent;
use crate::model::error::WorkError;
use crate::model::server_state::ServerPart;
use crate::model::task::{Problem, TaskState};

mod limits;
mod page;
mod words;

/// Why a request is not answered with what it asked for.
#[derive(Debug)]
pub enum HttpProblem {
    /// The head can't be read.
    Head(HeadError),
    /// The framing of the body is broken.
    Body(BodyError),
    /// The peer closed its side in the middle of a request.
    Truncated,
    /// The connection begins with a TLS handshake.
    Tls,
    /// The peer was too slow with head or body.
    Slow {
        /// How long it was given for a head, or for each stretch of a body.
        time: Duration,
        /// Bytes per second that were expected of a body; None for a head.
        rate: Option<u64>,
        /// Bytes that came: of a body, in its last stretch.
        received: u64,
        /// How long it took over them.
        took: Duration,
    },
    /// The request may not be: what it was called, its key, the site that it comes from.
    Access(AccessError),
    /// An expectation other than `100-continue`.
    Expectation,
    /// Nothing answers at this path, or not to this method.
    Absent(Absent),
    /// The body is longer than allowed.
    BodyTooLong {
        /// Bytes allowed.
        max: u64,
        /// Bytes announced, or received when it passed.
        received: u64,
    },
    /// The multipart body is malformed.
    Form(FormError),
    /// Well-formed, but no picture in it; the names of the parts that were there.
    NoPicture(Vec<String>),
    /// The body is compressed, or coded in another way: this is its `Content-Encoding`.
    Encoded(String),
    /// A body is needed, and neither its length is told nor that it comes in chunks.
    LengthRequired,
    /// No parameter has this name, and one has nearly the same.
    UnknownParameter {
        /// As it was sent.
        name: String,
        /// The parameter that it resembles.
        meant: &'static str,
    },
    /// A parameter out of range.
    Parameter {
        /// Its name.
        name: &'static str,
        /// What was sent.
        value: String,
        /// What would be right, in Spanish.
        expected: &'static str,
        /// The limit that it passes and its bounds, where it is a number.
        range: Option<(&'static str, String)>,
    },
    /// No format that we write is acceptable to the client.
    NotAcceptable,
    /// It is not the representation that the client means.
    Precondition,
    /// The range that is asked for begins behind the end.
    Range {
        /// Bytes there are.
        length: u64,
    },
    /// The work came to nothing.
    Failed {
        /// Why.
        failure: WorkError,
        /// The limits in force, for the text.
        limits: LimitsInForce,
    },
    /// The picture was not ready in time.
    Late {
        /// `--plazo`.
        deadline: Duration,
        /// How long was waited.
        took: Duration,
    },
    /// As many pictures in hand as allowed.
    QueueFull {
        /// `--cola`.
        max: usize,
        /// Pictures that have a place.
        in_hand: usize,
        /// Seconds.
        retry_after: u64,
    },
    /// The memory for pictures is in use.
    MemoryFull {
        /// `--memoria`, bytes.
        max: u64,
        /// Bytes this upload holds already.
        received: u64,
        /// Seconds.
        retry_after: u64,
    },
    /// The server is stopping.
    Draining,
    /// A picture of its own has not come back from this part of the server.
    Stuck(ServerPart),
    /// Work in hand is older than it may become.
    Overdue {
        /// `--plazo`.
        deadline: Duration,
    },
    /// As many threads as are replaced have not come back.
    WornOut,
    /// No task has this id, or it was deleted.
    UnknownTask {
        /// The id as it was sent.
        asked: String,
    },
    /// The task has not ended yet.
    NotReady {
        /// The task.
        id: Uuid,
        /// How it stands.
        state: TaskState,
    },
    /// The task's result is no longer kept.
    Expired(Uuid),
    /// The work was not a task: its result went to whoever waited for it.
    NotKept(Uuid),
    /// The task came to nothing: this is what a client would have been told that had waited.
    TaskFailed(Uuid, Problem),
    /// There is no such folder in the bank.
    UnknownFolder {
        /// Its name.
        folder: String,
    },
    /// The folder has no such face.
    UnknownFace {
        /// The folder.
        folder: String,
        /// The name.
        name: String,
    },
    /// A list of names is longer than is looked through at once.
    ListTooLong {
        /// Bytes allowed.
        max: u64,
        /// Bytes announced, or received.
        received: u64,
    },
    /// The body should be JSON, and is not.
    NotJson,
    /// The body is JSON, but no list of names.
    NotNames {
        /// What of it is no name; empty if there is no list at all.
        value: String,
    },
    /// The service is not ready, because a picture would be answered with this.
    Unready(Box<HttpProblem>),
    /// Under the same key something else was handed in before.
    OtherBody,
}

/// Values of limits that a [`WorkError`] does not carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitsInForce {
    /// `--max-cuerpo`, bytes.
    pub body_max: u64,
    /// `--max-pixeles`, pixels.
    pub pixels_max: u64,
    /// Longest side.
    pub side_max: u32,
    /// `--memoria`, bytes.
    pub memory_max: u64,
}

impl HttpProblem {
    /// The HTTP status; netcat mode and the scaler's protocol use the same.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Head(error) => error.status(),
            Self::Form(error) => error.status(),
            Self::Body(_) | Self::Truncated | Self::Tls => 400,
            Self::Slow { .. } => 408,
            Self::LengthRequired => 411,
            Self::Encoded(_) => 415,
            Self::Late { .. } => 504,
            Self::Expectation => 417,
            Self::Access(AccessError::Misdirected(_)) => 421,
            Self::Access(AccessError::Unauthorized { .. }) => 401,
            Self::Access(AccessError::CrossSite(_)) => 403,
            Self::Absent(Absent::NotFound)
            | Self::UnknownTask { .. }
            | Self::NotKept(_)
            | Self::UnknownFolder { .. }
            | Self::UnknownFace { .. } => 404,
            Self::NotJson => 400,
            Self::NotReady { .. } => 409,
            Self::Expired(_) => 410,
            Self::TaskFailed(_, problem) => problem.code,
            Self::OtherBody | Self::NotNames { .. } => 422,
            Self::Unready(_) => 503,
            Self::Absent(Absent::MethodNotAllowed { .. }) => 405,
            Self::BodyTooLong { .. } | Self::ListTooLong { .. } => 413,
            Self::NoPicture(_) | Self::Parameter { .. } | Self::UnknownParameter { .. } => 422,
            Self::NotAcceptable => 406,
            Self::Precondition => 412,
            Self::Range { .. } => 416,
            Self::QueueFull { .. } | Self::MemoryFull { .. } | Self::Draining => 503,
            Self::Stuck(_) | Self::Overdue { .. } | Self::WornOut => 503,
            Self::Failed { failure, .. } => match failure {
                WorkError::NoFile | WorkError::NoPermission => 404,
                WorkError::NotAcceptable => 406,
                WorkError::UnknownFormat
                | WorkError::Foreign(_)
                | WorkError::SentAsFields { known: false }
                | WorkError::Empty
                | WorkError::NotAPicture => 415,
                WorkError::SentAsFields { known: true } => 422,
                WorkError::FileTooLong { .. }
                | WorkError::Undecodable(_)
                | WorkError::TooManyPixels { .. }
                | WorkError::ResultTooLarge { .. }
                | WorkError::TooMuchMemory { .. }
                | WorkError::Panicked => 422,
                WorkError::Lost | WorkError::Unreadable(_) | WorkError::FolderUnusable(_) => 500,
                WorkError::FolderFull(_) => 507,
                WorkError::ScalerRefused { code: 413 | 422, .. } => 422,
                WorkError::ScalerRefused { code: 503, .. }
                | WorkError::ScalerAway
                | WorkError::Cancelled
                | WorkError::Changing
                | WorkError::StoreBroken(_)
                | WorkError::QueueFull
                | WorkError::MemoryFull { .. } => 503,
                WorkError::StoreFull(_) => 507,
                WorkError::ScalerRefused { code: 504, .. } | WorkError::Late => 504,
                WorkError::ScalerRefused { .. } | WorkError::ScalerLost => 502,
            },
        }
    }

    /// A word for `type`, stable across versions.
    fn slug(&self) -> &str {
        match self {
            Self::TaskFailed(_, problem) => &problem.slug,
            other => other.reason(),
        }
    }

    /// The same, but one word for everything that a task may have failed of: for counting.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Head(_) => "cabecera",
            Self::Body(_) => "cuerpo-mal-enmarcado",
            Self::Truncated => "peticion-incompleta",
            Self::Tls => "tls",
            Self::Slow { .. } => "cliente-lento",
            Self::Late { .. } => "plazo-vencido",
            Self::Expectation => "expectativa",
            Self::Access(AccessError::Misdirected(_)) => "nombre-ajeno",
            Self::Access(AccessError::Unauthorized { .. }) => "falta-la-clave",
            Self::Access(AccessError::CrossSite(_)) => "otro-sitio",
            Self::Absent(Absent::NotFound) => "no-encontrado",
            Self::Absent(Absent::MethodNotAllowed { .. }) => "metodo-no-permitido",
            Self::BodyTooLong { .. } => "cuerpo-demasiado-largo",
            Self::Form(_) => "formulario-mal-formado",
            Self::NoPicture(_) => "falta-la-imagen",
            Self::Parameter { .. } => "parametro-fuera-de-rango",
            Self::UnknownParameter { .. } => "parametro-desconocido",
            Self::Encoded(_) => "cuerpo-codificado",
            Self::LengthRequired => "falta-la-longitud",
            Self::NotAcceptable => "formato-no-aceptable",
            Self::Precondition => "condicion-no-cumplida",
            Self::Range { .. } => "rango-fuera-del-archivo",
            Self::QueueFull { .. } => "cola-llena",
            Self::MemoryFull { .. } => "memoria-llena",
            Self::Draining => "servidor-deteniendose",
            Self::Stuck(ServerPart::Workers) => "hilos-detenidos",
            Self::Stuck(ServerPart::Scaler) => "escalador-detenido",
            Self::Overdue { .. } => "trabajo-atrasado",
            Self::WornOut => "hilos-agotados",
            Self::UnknownTask { .. } => "tarea-desconocida",
            Self::NotReady { .. } => "tarea-sin-terminar",
            Self::Expired(_) => "tarea-vencida",
            Self::NotKept(_) => "imagen-entregada",
            Self::TaskFailed(..) => "tarea-fallida",
            Self::Unready(reason) => reason.reason(),
            Self::OtherBody => "clave-repetida",
            Self::UnknownFolder { .. } => "carpeta-desconocida",
            Self::UnknownFace { .. } => "imagen-desconocida",
            Self::ListTooLong { .. } => "lista-demasiado-larga",
            Self::NotJson => "json-mal-formado",
            Self::NotNames { .. } => "lista-de-nombres",
            Self::Failed { failure, .. } => match failure {
                WorkError::NoFile | WorkError::NoPermission => "no-encontrado",
                WorkError::NotAcceptable => "formato-no-aceptable",
                WorkError::UnknownFormat
                | WorkError::Foreign(_)
                | WorkError::SentAsFields { known: false }
                | WorkError::Empty
                | WorkError::NotAPicture => "formato-desconocido",
                WorkError::SentAsFields { known: true } => "imagen-ilegible",
                WorkError::FileTooLong { .. } => "archivo-demasiado-largo",
                WorkError::Changing => "archivo-cambiante",
                WorkError::Unreadable(_) => "archivo-ilegible",
                WorkError::QueueFull => "cola-llena",
                WorkError::MemoryFull { .. } => "memoria-llena",
                WorkError::Undecodable(_) | WorkError::Panicked => "imagen-ilegible",
                WorkError::TooManyPixels { .. } | WorkError::ResultTooLarge { .. } => "demasiados-pixeles",
                WorkError::TooMuchMemory { .. } => "memoria-insuficiente",
                WorkError::Late => "plazo-vencido",
                WorkError::ScalerLost | WorkError::ScalerRefused { .. } => "escalador-perdido",
                WorkError::ScalerAway => "escalador-ausente",
                WorkError::Cancelled => "trabajo-cancelado",
                WorkError::Lost => "error-interno",
                WorkError::StoreFull(_) => "almacen-lleno",
                WorkError::StoreBroken(_) => "almacen-ausente",
                WorkError::FolderFull(_) => "disco-lleno",
                WorkError::FolderUnusable(_) => "carpeta-inutilizable",
            },
        }
    }

    /// The same for every error of its kind.
    fn title(&self) -> &'static str {
        match self.status() {
            400 => "Petición mal formada",
            401 => "Hace falta la clave",
            403 => "Petición de otro sitio",
            404 => "No encontrado",
            405 => "Método no permitido",
            406 => "Ningún formato aceptable",
            408 => "El cliente tardó demasiado",
            409 => "La tarea no ha terminado",
            410 => "El resultado ya no se guarda",
            411 => "Falta la longitud del cuerpo",
            412 => "La condición no se cumple",
            413 => "Cuerpo demasiado largo",
            414 => "Dirección demasiado larga",
            415 if matches!(self, Self::Encoded(_)) => "Cuerpo codificado",
            415 => "Formato de imagen desconocido",
            416 => "Rango fuera del archivo",
            417 => "Expectativa no soportada",
            421 => "Nombre de otro servidor",
            422 => "La imagen o un parámetro no se puede procesar",
            431 => "Cabecera demasiado grande",
            501 => "No implementado",
            502 => "El escalador falló",
            503 => "Servicio no disponible por el momento",
            504 => "Plazo vencido",
            505 => "Versión de HTTP no soportada",
            507 => "No queda espacio en disco",
            _ => "Error interno",
        }
    }

    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::QueueFull { retry_after, .. } | Self::MemoryFull { retry_after, .. } => Some(*retry_after),
            _ if matches!(self.status(), 409 | 503) => Some(1),
            _ => None,
        }
    }

    /// What a task keeps of it.
    #[must_use]
    pub fn problem(&self) -> Problem {
        Problem { code: self.status(), slug: self.slug().to_owned(), detail: self.to_string() }
    }

    /// The answer as HTTP has it; `as_page`: for a person before a browser.
    #[must_use]
    pub fn reply(&self, id: Uuid, as_page: bool) -> Reply {
        let mut reply = if as_page {
            Reply::new(self.status(), page::MEDIA_TYPE, self.page(id))
                .with("Content-Security-Policy", asset::POLICY)
        } else {
            Reply::new(self.status(), "application/problem+json", self.document(id))
        };
        reply = reply.with("Content-Language", "es").with("Cache-Control", "no-store");
        if let Self::Absent(Absent::MethodNotAllowed { allow }) = self {
            reply = reply.with("Allow", *allow);
        }
        if let Self::Access(AccessError::Unauthorized { sent }) = self {
            // RFC 6750 §3: without one there is no error to tell.
            let challenge =
                if *sent { "Bearer realm=\"tp2\", error=\"invalid_token\"" } else { "Bearer realm=\"tp2\"" };
            reply = reply.with("WWW-Authenticate", challenge);
        }
        if let Some(seconds) = self.retry_after() {
            reply = reply.with("Retry-After", seconds.to_string());
        }
        if let Self::Range { length } = self {
            reply = reply.with("Content-Range", unsatisfied(*length));
        }
        if matches!(self, Self::Encoded(_)) {
            // RFC 9110, section 12.5.3: what would be taken instead.
            reply = reply.with("Accept-Encoding", "identity");
        }
        if matches!(self, Self::NotAcceptable) {
            reply = reply.with("Vary", "Accept");
        }
        reply
    }

    /// The problem document (RFC 9457).
    fn document(&self, id: Uuid) -> String {
        let mut problem = Map::new();
        if let Self::UnknownTask { asked } = self {
            // Whoever asks for a state finds one, of the task that it asked for.
            problem.insert("id_tarea".into(), asked.as_str().into());
            problem.insert("estado".into(), "No encontrado".into());
        }
        problem.insert("type".into(), format!("urn:tp2:error:{}", self.slug()).into());
        problem.insert("title".into(), self.title().into());
        problem.insert("status".into(), self.status().into());
        problem.insert("detail".into(), self.to_string().into());
        let task = match self {
            Self::NotReady { id, .. } | Self::Expired(id) | Self::NotKept(id) | Self::TaskFailed(id, _) => {
                *id
            }
            _ => id,
        };
        problem.entry("id_tarea").or_insert_with(|| task.to_string().into());
        if let Some(limit) = self.limit() {
            problem.insert("limite".into(), limit.name.into());
            problem.insert("valor".into(), limit.max);
            problem.insert("recibido".into(), limit.received);
            if let Some(option) = limit.option {
                problem.insert("opcion".into(), option.into());
            }
        }
        if let Self::Slow { took, .. } = self {
            // What was received in which time: the limit is on both.
            problem.insert("segundos".into(), seconds(*took).into());
        }
        format!("{}\n", Value::Object(problem))
    }

    /// The answer as netcat mode has it: one line.
    #[must_use]
    pub fn line(&self) -> String {
        let text = self.to_string().replace(['\r', '\n'], " ");
        format!("ERROR {} {text}\n", self.status())
    }
}

#[cfg(test)]
mod tests;
