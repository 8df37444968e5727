//! Every error that a client can get -> status, fields, Spanish text: the one table. A variant's text stands at the
//! variant, its status and its word for `type` are its row.
//!
//! Bodies are `application/problem+json` (RFC 9457). An error from a limit names the limit, its value, what was
//! received and the option that changes it, in words and as members. A browser that navigates gets the same texts as a
//! page, netcat mode as one line.
use std::time::Duration;

use serde_json::{Map, Value};
use uuid::Uuid;
use words::seconds;

use super::asset;
use crate::http::access::AccessError;
use crate::http::body::BodyError;
use crate::http::form::FormError;
use crate::http::format::Format;
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

/// Why a request fails.
#[derive(Debug, thiserror::Error)]
pub enum HttpProblem {
    /// The head can't be read.
    #[error("{0}")]
    Head(HeadError),
    /// The framing of the body is broken.
    #[error("{0}")]
    Body(BodyError),
    /// The peer closed its side in the middle of a request.
    #[error("la conexión se cerró antes de que la petición terminara")]
    Truncated,
    /// The connection begins with a TLS handshake.
    #[error("este puerto habla HTTP sin TLS: use http:// en lugar de https://")]
    Tls,
    /// The peer was too slow with head or body.
    #[error("{}", words::slow(*.time, *.rate, *.received, *.took))]
    Slow {
        /// How long it was given for a head, or for each stretch of a body.
        time: Duration,
        /// Bytes per second that were expected of a body; None for a head.
        rate: Option<u64>,
        /// Bytes that came: of a body, in its last stretch.
        received: u64,
        /// The time that they took.
        took: Duration,
    },
    /// Access is refused: by host name, key or origin.
    #[error("{}", words::access(.0))]
    Access(AccessError),
    /// An expectation other than `100-continue`.
    #[error("la única expectativa soportada es «Expect: 100-continue»")]
    Expectation,
    /// Nothing answers at this path, or not to this method.
    #[error("{}", words::absent(.0))]
    Absent(Absent),
    /// The body is longer than allowed.
    #[error("el cuerpo tiene al menos {received} bytes y el límite son {max} (opción --max-cuerpo)")]
    BodyTooLong {
        /// Bytes allowed.
        max: u64,
        /// Bytes announced, or received when it passed.
        received: u64,
    },
    /// The multipart body is malformed.
    #[error("{0}")]
    Form(FormError),
    /// Well-formed, but no picture in it; the names of the parts that were there.
    #[error("{}", words::no_picture_among(.0))]
    NoPicture(Vec<String>),
    /// The body is compressed, or coded in another way: this is its `Content-Encoding`.
    #[error("el cuerpo llegó codificado (Content-Encoding: {}) y aquí no se decodifica: envíelo tal como es, sin ese campo",
        words::shortened(.0))]
    Encoded(String),
    /// A body is needed, but has neither a length nor chunks.
    #[error(
        "la petición no trae cuerpo ni dice cuánto mide: envíe la imagen con Content-Length o con \
         Transfer-Encoding: chunked, como hace curl -F imagen=@foto.jpg"
    )]
    LengthRequired,
    /// No parameter has this name, and one has nearly the same.
    #[error("no hay ningún parámetro «{}»; ¿quiso decir «{meant}»?", words::shortened(.name))]
    UnknownParameter {
        /// As it was sent.
        name: String,
        /// The parameter that it resembles.
        meant: &'static str,
    },
    /// A parameter out of range.
    #[error("el parámetro «{name}» vale «{}» y debe ser {expected}", words::shortened(.value))]
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
    #[error("Accept no admite ninguno de los formatos disponibles: {}", Format::names(", "))]
    NotAcceptable,
    /// A precondition of the client does not hold.
    #[error("el archivo no es el que indican If-Match o If-Unmodified-Since; pídalo de nuevo sin ellos")]
    Precondition,
    /// The range that is asked for begins behind the end.
    #[error("el rango pedido empieza después del final: el archivo tiene {length} bytes")]
    Range {
        /// Bytes there are.
        length: u64,
    },
    /// The work failed.
    #[error("{}", words::failed(.failure, .limits))]
    Failed {
        /// Why.
        failure: WorkError,
        /// The limits in force, for the text.
        limits: LimitsInForce,
    },
    /// The picture was not ready in time.
    #[error("la imagen no estuvo lista dentro del plazo de {} s (opción --plazo): pasaron {} s", .deadline.as_secs(), seconds(*.took))]
    Late {
        /// `--plazo`.
        deadline: Duration,
        /// How long was waited.
        took: Duration,
    },
    /// As many pictures in hand as allowed.
    #[error("ya hay {in_hand} {} en espera o en proceso y el máximo es {max} (opción --cola); intente de nuevo en {retry_after} s",
        if *.in_hand == 1 { "imagen" } else { "imágenes" })]
    QueueFull {
        /// `--cola`.
        max: usize,
        /// Pictures that have a place.
        in_hand: usize,
        /// Seconds.
        retry_after: u64,
    },
    /// The memory for pictures is in use.
    #[error(
        "la memoria para imágenes está ocupada: el límite son {max} bytes (opción --memoria) y esta petición llevaba \
         {received}; intente de nuevo en {retry_after} s"
    )]
    MemoryFull {
        /// `--memoria`, bytes.
        max: u64,
        /// Bytes this upload holds already.
        received: u64,
        /// Seconds.
        retry_after: u64,
    },
    /// As many connections from one address as allowed.
    #[error("ya hay {max} {} desde su dirección y no se admiten {} (opción --conexiones-por-ip); intente de nuevo en 1 s",
        if *.max == 1 { "conexión" } else { "conexiones" }, .max + 1)]
    Crowded {
        /// `--conexiones-por-ip`.
        max: usize,
    },
    /// The server is stopping.
    #[error("el servidor se está deteniendo")]
    Draining,
    /// A picture of the self-test is stuck in this part of the server.
    #[error("{}", words::stuck(*.0))]
    Stuck(ServerPart),
    /// A job is older than its deadline.
    #[error("hay una imagen en proceso desde hace más que el plazo de {} s (opción --plazo)", .deadline.as_secs())]
    Overdue {
        /// `--plazo`.
        deadline: Duration,
    },
    /// As many threads as are replaced have not come back.
    #[error(
        "demasiados hilos de trabajo no volvieron y ya no se reemplazan: el servidor debe iniciarse de nuevo"
    )]
    WornOut,
    /// No task has this id, or it was deleted.
    #[error("no hay ninguna tarea con ese id, o fue eliminada")]
    UnknownTask {
        /// The id as it was sent.
        asked: String,
    },
    /// The task has not ended yet.
    #[error("la tarea está «{}»: la imagen aún no está lista; pregunte por ella en /estado/{id}?espera=60", .state.word())]
    NotReady {
        /// The task.
        id: Uuid,
        /// How it stands.
        state: TaskState,
    },
    /// The task's result is no longer kept.
    #[error("el resultado de esa tarea ya no se guarda; envíe la imagen de nuevo")]
    Expired(Uuid),
    /// The work was not a task: only the client that waited for it got its result.
    #[error("esa imagen se entregó a quien la envió y no se guarda; para eso está POST /tareas")]
    NotKept(Uuid),
    /// The task failed: this is what a waiting client would have been told.
    #[error("{}", .1.detail)]
    TaskFailed(Uuid, Problem),
    /// There is no such folder in the bank.
    #[error("no hay ninguna carpeta «{folder}»; la crea su primera imagen")]
    UnknownFolder {
        /// Its name.
        folder: String,
    },
    /// The folder has no such face.
    #[error("la carpeta «{folder}» no tiene ninguna imagen «{name}»")]
    UnknownFace {
        /// The folder.
        folder: String,
        /// The name.
        name: String,
    },
    /// A list of names is longer than one request may send.
    #[error("la lista de nombres tiene al menos {received} bytes y el límite son {max}: envíela por partes")]
    ListTooLong {
        /// Bytes allowed.
        max: u64,
        /// Bytes announced, or received.
        received: u64,
    },
    /// The body should be JSON, and is not.
    #[error("el cuerpo no es JSON; se espera {}", words::NAMES_EXAMPLE)]
    NotJson,
    /// The body is JSON, but no list of names.
    #[error("{}", words::not_names(.value))]
    NotNames {
        /// The part that is no name; empty if there is no list.
        value: String,
    },
    /// The service is not ready, because a picture would be answered with this.
    #[error("{0}")]
    Unready(Box<HttpProblem>),
    /// Another request was sent before under the same key.
    #[error("con esa misma «Idempotency-Key» ya se envió otra imagen, u otros parámetros: use otra clave")]
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
    /// One result of a task, bytes.
    pub result_max: u64,
}

impl HttpProblem {
    /// The HTTP status, which netcat mode shares, and the word for `type`, stable across versions: one row a problem. A
    /// task's own problem has another word, which [`HttpProblem::slug`] knows.
    fn row(&self) -> (u16, &'static str) {
        match self {
            Self::Head(error) => (error.status(), "cabecera"),
            Self::Body(error) => (error.status(), "cuerpo-mal-enmarcado"),
            Self::Truncated => (400, "peticion-incompleta"),
            Self::Tls => (400, "tls"),
            Self::Slow { .. } => (408, "cliente-lento"),
            Self::Expectation => (417, "expectativa"),
            Self::Absent(Absent::NotFound | Absent::Nameless) => (404, "no-encontrado"),
            Self::Absent(Absent::MethodNotAllowed { .. }) => (405, "metodo-no-permitido"),
            Self::Access(AccessError::Misdirected(_)) => (421, "nombre-ajeno"),
            Self::Access(AccessError::Unauthorized { .. }) => (401, "falta-la-clave"),
            Self::Access(AccessError::CrossSite(_)) => (403, "otro-sitio"),
            Self::BodyTooLong { .. } => (413, "cuerpo-demasiado-largo"),
            Self::Form(error) => (error.status(), "formulario-mal-formado"),
            Self::NoPicture(_) => (422, "falta-la-imagen"),
            Self::Encoded(_) => (415, "cuerpo-codificado"),
            Self::LengthRequired => (411, "falta-la-longitud"),
            Self::UnknownParameter { .. } => (422, "parametro-desconocido"),
            Self::Parameter { .. } => (422, "parametro-fuera-de-rango"),
            Self::NotAcceptable => (406, "formato-no-aceptable"),
            Self::Precondition => (412, "condicion-no-cumplida"),
            Self::Range { .. } => (416, "rango-fuera-del-archivo"),
            Self::Failed { failure, .. } => row_of_work(failure),
            Self::Late { .. } => (504, "plazo-vencido"),
            Self::QueueFull { .. } => (503, "cola-llena"),
            Self::MemoryFull { .. } => (503, "memoria-llena"),
            Self::Crowded { .. } => (503, "demasiadas-conexiones"),
            Self::Draining => (503, "servidor-deteniendose"),
            Self::Stuck(ServerPart::Workers) => (503, "hilos-detenidos"),
            Self::Stuck(ServerPart::Scaler) => (503, "escalador-detenido"),
            Self::Overdue { .. } => (503, "trabajo-atrasado"),
            Self::WornOut => (503, "hilos-agotados"),
            Self::UnknownTask { .. } => (404, "tarea-desconocida"),
            Self::NotReady { .. } => (409, "tarea-sin-terminar"),
            Self::Expired(_) => (410, "tarea-vencida"),
            Self::NotKept(_) => (404, "imagen-entregada"),
            Self::TaskFailed(_, problem) => (problem.code, "tarea-fallida"),
            Self::UnknownFolder { .. } => (404, "carpeta-desconocida"),
            Self::UnknownFace { .. } => (404, "imagen-desconocida"),
            Self::ListTooLong { .. } => (413, "lista-demasiado-larga"),
            Self::NotJson => (400, "json-mal-formado"),
            Self::NotNames { .. } => (422, "lista-de-nombres"),
            Self::Unready(reason) => (503, reason.reason()),
            Self::OtherBody => (422, "clave-repetida"),
        }
    }

    /// The HTTP status; netcat mode and the scaler's protocol use the same.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.row().0
    }

    /// A word for `type`, stable across versions.
    fn slug(&self) -> &str {
        match self {
            Self::TaskFailed(_, problem) => &problem.slug,
            other => other.reason(),
        }
    }

    /// The same, but one word for all failures of tasks: for metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.row().1
    }

    /// The title, the same for every error of its kind.
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
            507 if matches!(self, Self::Failed { failure: WorkError::LinksFull { .. }, .. }) => {
                "No queda espacio para enlaces"
            }
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

    /// The part that a task stores.
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
            // A request for a state carries the id of its task.
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

/// The row of failed work.
fn row_of_work(failure: &WorkError) -> (u16, &'static str) {
    match failure {
        WorkError::NoFile | WorkError::NoPermission => (404, "no-encontrado"),
        WorkError::NotAcceptable => (406, "formato-no-aceptable"),
        WorkError::UnknownFormat
        | WorkError::Foreign(_)
        | WorkError::SentAsFields { known: false }
        | WorkError::Empty
        | WorkError::NotAPicture => (415, "formato-desconocido"),
        WorkError::SentAsFields { known: true }
        | WorkError::LineEndsLost
        | WorkError::Undecodable(_)
        | WorkError::Panicked => (422, "imagen-ilegible"),
        WorkError::FileTooLong { .. } => (422, "archivo-demasiado-largo"),
        WorkError::TooManyPixels { .. } | WorkError::ResultTooLarge { .. } => (422, "demasiados-pixeles"),
        WorkError::ResultTooLong { .. } => (422, "resultado-demasiado-largo"),
        WorkError::TooMuchMemory { .. } => (422, "memoria-insuficiente"),
        WorkError::Changing => (503, "archivo-cambiante"),
        WorkError::Unreadable(_) => (500, "archivo-ilegible"),
        WorkError::QueueFull => (503, "cola-llena"),
        WorkError::MemoryFull { .. } => (503, "memoria-llena"),
        WorkError::Late => (504, "plazo-vencido"),
        WorkError::ScalerRefused { code: 413 | 422, .. } => (422, "escalador-perdido"),
        WorkError::ScalerRefused { code: code @ (503 | 504), .. } => (*code, "escalador-perdido"),
        WorkError::ScalerRefused { .. } | WorkError::ScalerLost => (502, "escalador-perdido"),
        WorkError::ScalerAway => (503, "escalador-ausente"),
        WorkError::Cancelled => (503, "trabajo-cancelado"),
        WorkError::Lost => (500, "error-interno"),
        WorkError::StoreFull(_) => (507, "almacen-lleno"),
        WorkError::StoreBroken(_) => (503, "almacen-ausente"),
        WorkError::FolderFull(_) => (507, "disco-lleno"),
        WorkError::LinksFull { .. } => (507, "enlaces-llenos"),
        WorkError::FolderUnusable(_) => (500, "carpeta-inutilizable"),
    }
}

#[cfg(test)]
mod tests;
