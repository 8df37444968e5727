//! Tasks: work that was accepted for good, and what can be said of it. Plain data.
//!
//! Once its client is told the id, a task survives crashes and restarts. It ends exactly once. Its outcome can be asked
//! for until it expires, and for a good while after that the fact that it expired.
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};
use uuid::Uuid;

use super::admission::Reservation;
use super::transform::Transform;
use crate::http::format::Format;

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// It waits for its turn.
    Pending,
    /// It is being worked on.
    Running,
    /// Its picture is there.
    Done,
    /// It failed.
    Failed,
    /// It had ended; its result is no longer kept.
    Expired,
}

impl TaskState {
    /// The word for it, as the interface has it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "Pendiente",
            Self::Running => "En progreso",
            Self::Done => "Completada",
            Self::Failed => "Error",
            Self::Expired => "Vencida",
        }
    }

    /// Whether only expiry can follow.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }
}

/// The status of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its name, which can't be guessed.
    pub id: Uuid,
    /// Where it stands.
    pub state: TaskState,
    /// Bytes of the submitted picture.
    pub received: u64,
    /// When it was accepted.
    pub accepted_at: SystemTime,
    /// When work on it last began; None while it waits, also if it waits again.
    pub begun_at: Option<SystemTime>,
    /// When it ended.
    pub ended_at: Option<SystemTime>,
    /// Of a task that is done: what its result is like.
    pub result: Option<Shape>,
    /// Of a task that failed: why.
    pub problem: Option<Problem>,
}

impl Status {
    /// The entity tag of the result, with its quotes: a task has one result, and that never changes.
    #[must_use]
    pub fn etag(&self) -> String {
        format!("\"{}\"", self.id.as_hyphenated())
    }

    /// The document for clients: `id_tarea` and `estado` first, then the rest.
    #[must_use]
    pub fn document(&self) -> Value {
        let id = self.id.as_hyphenated();
        let mut document = Map::new();
        document.insert("id_tarea".into(), id.to_string().into());
        document.insert("estado".into(), self.state.word().into());
        if let Some(shape) = self.result.filter(|_| self.state == TaskState::Done) {
            document.insert("imagen".into(), format!("/tareas/{id}/imagen").into());
            document.insert("formato".into(), shape.format.name().into());
            document.insert("ancho".into(), shape.width.into());
            document.insert("alto".into(), shape.height.into());
            document.insert("bytes".into(), shape.length.into());
        }
        document.insert("detalle".into(), self.detail().into());
        if let Some(problem) = &self.problem {
            document.insert("codigo".into(), problem.code.into());
        }
        document.insert("bytes_recibidos".into(), self.received.into());
        for (name, time) in
            [("creada", Some(self.accepted_at)), ("iniciada", self.begun_at), ("terminada", self.ended_at)]
        {
            if let Some(text) = time.and_then(rfc3339) {
                document.insert(name.into(), text.into());
            }
        }
        Value::Object(document)
    }

    /// One sentence about the state, for people.
    fn detail(&self) -> &str {
        match (self.state, &self.problem) {
            (TaskState::Failed, Some(problem)) => &problem.detail,
            (TaskState::Failed, None) => "la tarea falló",
            (TaskState::Pending, _) => "en espera de su turno",
            (TaskState::Running, _) => "en proceso",
            (TaskState::Done, _) if self.result.is_some() => "la imagen está lista",
            (TaskState::Done, _) => "la imagen se entregó a quien la envió",
            (TaskState::Expired, _) => "el resultado ya no se guarda",
        }
    }

    /// The value of `Server-Timing` for a result that was waited for, in milliseconds.
    #[must_use]
    pub fn timing(&self) -> String {
        let between = |from: Option<SystemTime>, to: Option<SystemTime>| {
            let time = from.zip(to).and_then(|(from, to)| to.duration_since(from).ok());
            time.unwrap_or(Duration::ZERO).as_secs_f64() * 1000.0
        };
        let queue = between(Some(self.accepted_at), self.begun_at);
        format!("queue;dur={queue:.1}, work;dur={:.1}", between(self.begun_at, self.ended_at))
    }
}

/// In UTC, to the millisecond.
fn rfc3339(time: SystemTime) -> Option<String> {
    let time = jiff::Timestamp::try_from(time).ok()?;
    Some(time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string())
}

/// What a result is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Format of the file.
    pub format: Format,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Bytes of the file.
    pub length: u64,
}

/// Why a task failed: what a waiting client would have been told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub code: u16,
    /// The word in the problem document's `type`.
    pub slug: String,
    /// One sentence in Spanish.
    pub detail: String,
}

/// A picture that is submitted as a task.
#[derive(Debug)]
pub struct Submission {
    /// The task's name.
    pub id: Uuid,
    /// The file as it was sent.
    pub picture: Vec<u8>,
    /// What is to be done with it.
    pub transform: Transform,
    /// The client's name for this request, under which it may send it again.
    pub key: Option<Vec<u8>>,
    /// When it was complete.
    pub at: SystemTime,
    /// Holds the picture's bytes until they are durable.
    pub reservation: Reservation,
}

impl Submission {
    /// Its status as a new task.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            id: self.id,
            state: TaskState::Pending,
            received: self.picture.len() as u64,
            accepted_at: self.at,
            begun_at: None,
            ended_at: None,
            result: None,
            problem: None,
        }
    }
}

/// A task that was taken into work.
#[derive(Debug)]
pub struct Claim {
    /// Its name.
    pub id: Uuid,
    /// The file as it was sent.
    pub picture: Vec<u8>,
    /// What is to be done with it.
    pub transform: Transform,
    /// It was in work when a server crashed: until it ends, no other is in work beside it.
    pub suspect: bool,
    /// Failed tries before; a server that crashed or stopped in the middle counts.
    pub tries: u32,
    /// Holds the picture's bytes.
    pub reservation: Reservation,
}
