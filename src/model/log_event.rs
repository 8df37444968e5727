//! What a connection reports to the log: data here; the shell writes it in Spanish words.
// An address is a value: nothing here can reach it.
use core::net::IpAddr;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::error::WorkError;

/// How important an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A fault of ours.
    Error,
    /// Unusual, but handled.
    Warning,
    /// What an operator wants to see.
    Info,
    /// Details for the study of the server.
    Debug,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "ERROR",
            Self::Warning => "WARNING",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
        })
    }
}

/// One line of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEvent {
    /// The request it belongs to, if there is one yet.
    pub id: Option<Uuid>,
    /// The client and its proxy's id for the request.
    pub caller: Caller,
    /// What happened.
    pub what: EventKind,
}

/// The client of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The client's address: the peer's, or the one that a trusted proxy reports.
    pub address: Option<IpAddr>,
    /// The id that a trusted proxy gave the request: visible ASCII.
    pub request_id: Option<Rc<str>>,
}

/// How an answer is counted: words from short, fixed lists, whatever the client has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricLabels {
    /// What was asked for: `netcat`, `none` for what could not be read or leads nowhere, else a route's name.
    pub route: &'static str,
    /// How: `none` without HTTP, `other` for a method that is not ours.
    pub method: &'static str,
    /// The word in the problem document's `type`, if it was refused.
    pub refused: Option<&'static str>,
}

impl MetricLabels {
    /// Of bytes that can't be read.
    pub const UNREAD: Self = Self { route: "none", method: "none", refused: None };
    /// Of a picture without HTTP.
    pub const NETCAT: Self = Self { route: "netcat", method: "none", refused: None };
}

/// What happened on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A client has connected.
    Connected,
    /// A picture has arrived whole.
    Received {
        /// Its bytes.
        bytes: u64,
    },
    /// A picture was taken on; its state can be asked for from now on.
    Begun {
        /// Under this name.
        id: Uuid,
    },
    /// A request was answered, or its answer cut off.
    Answered {
        /// Method and target.
        shown: String,
        /// Status sent.
        status: u16,
        /// Body bytes received.
        received: u64,
        /// Bytes sent, head included.
        sent: u64,
        /// From the head's arrival.
        took: Duration,
        /// From the answer's first byte to its last.
        writing: Duration,
        /// How it is counted.
        labels: MetricLabels,
        /// It has no end, by whose doing.
        cut: Option<Cut>,
        /// It was `/healthz`, `/readyz` or `/metrics` that was asked for.
        is_health_check: bool,
        /// What went wrong, where the status does not tell it.
        note: Option<LogNote>,
    },
    /// A client is given a link.
    Linked {
        /// To where.
        url: String,
    },
    /// The client left before there was anything to answer.
    Left {
        /// What it was in the middle of, in Spanish.
        during: &'static str,
    },
}

impl EventKind {
    /// How much it matters.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::Connected | Self::Received { .. } | Self::Left { .. } => Level::Debug,
            Self::Linked { .. } => Level::Info,
            Self::Answered { is_health_check: true, .. } => Level::Debug,
            Self::Answered { note: Some(note), .. } => note.level,
            // A method or version that we do not support (501, 505) is no fault of ours.
            Self::Begun { .. } | Self::Answered { status: 501 | 505, .. } => Level::Info,
            Self::Answered { status, .. } => level_of(*status),
        }
    }
}

impl EventKind {
    /// Its facts for programs: a word for the event, and members named in Spanish.
    #[must_use]
    pub fn facts(&self) -> Map<String, Value> {
        let (word, facts): (&str, Vec<(&str, Value)>) = match self {
            Self::Connected => ("conexión", Vec::new()),
            Self::Received { bytes } => ("imagen recibida", vec![("recibidos", (*bytes).into())]),
            Self::Begun { id } => ("tarea recibida", vec![("id_tarea", id.to_string().into())]),
            Self::Answered { shown, status, received, sent, took, labels, cut, note, .. } => {
                let mut facts: Vec<(&str, Value)> = vec![
                    ("peticion", shown.as_str().into()),
                    ("ruta", labels.route.into()),
                    ("estado", (*status).into()),
                    ("recibidos", (*received).into()),
                    ("enviados", (*sent).into()),
                    ("ms", u64::try_from(took.as_millis()).unwrap_or(u64::MAX).into()),
                    ("cortada", cut.is_some().into()),
                ];
                if let Some(cut) = cut {
                    facts.push(("cortada_por", cut.by().into()));
                }
                if let Some(note) = note {
                    facts.push(("motivo", note.reason.as_str().into()));
                }
                ("respuesta", facts)
            }
            Self::Linked { url } => ("enlace", vec![("enlace", url.as_str().into())]),
            Self::Left { during } => ("cliente perdido", vec![("durante", (*during).into())]),
        };
        let members = std::iter::once(("evento", word.into())).chain(facts);
        members.map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// Who ended an answer before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The client, which was gone.
    Client,
    /// The server, whose client did not take the answer.
    Slow,
    /// The server, whose store did not give the rest.
    Store,
}

impl Cut {
    /// In Spanish, behind «cortada por».
    #[must_use]
    pub const fn by(self) -> &'static str {
        match self {
            Self::Client => "el cliente",
            Self::Slow => "el servidor: el cliente no la recibía",
            Self::Store => "el servidor: el almacén no dio el resto",
        }
    }
}

/// What went wrong behind an answer, for the operator: more than the client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogNote {
    /// How much it matters.
    pub level: Level,
    /// Spanish.
    pub reason: String,
}

impl LogNote {
    /// What the log adds for a failure answered with this status; None if the status says it all.
    #[must_use]
    pub fn of(failure: &WorkError, status: u16) -> Option<Self> {
        let level = match failure {
            // The client sees a 404 like any other.
            WorkError::NoPermission => Level::Warning,
            // The client sees an undecodable picture; the operator sees that the decoder panicked.
            WorkError::Panicked => Level::Error,
            // Ordinary, and said in full to the client.
            WorkError::Changing | WorkError::QueueFull | WorkError::MemoryFull { .. } => return None,
            _ if status >= 500 => level_of(status),
            _ => return None,
        };
        Some(Self { level, reason: failure.to_string() })
    }
}

/// A busy server tells its clients; only a fault is an error.
fn level_of(status: u16) -> Level {
    match status {
        503 => Level::Warning,
        500.. => Level::Error,
        _ => Level::Info,
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected => write!(f, "Cliente conectado."),
            Self::Received { bytes } => write!(f, "Recibido {bytes} bytes de la imagen del cliente."),
            Self::Begun { id } => write!(f, "Tarea recibida: /estado/{}", id.as_hyphenated()),
            Self::Answered { shown, status, received, sent, took, cut, note, .. } => {
                write!(f, "{shown} {status} {received} → {sent} bytes, {} ms", took.as_millis())?;
                if let Some(cut) = cut {
                    write!(f, ", cortada por {}", cut.by())?;
                }
                note.as_ref().map_or(Ok(()), |note| write!(f, " - {}", note.reason))
            }
            Self::Linked { url } => write!(f, "Enlace de imagen escalada enviado al cliente: {url}"),
            Self::Left { during } => write!(f, "El cliente se fue durante {during}."),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Every kind of event; a new one has to be added, or this does not compile.
    pub(crate) fn one_of_each() -> Vec<EventKind> {
        let note = LogNote::of(&WorkError::Unreadable("EIO".into()), 500);
        let events = vec![
            EventKind::Connected,
            EventKind::Received { bytes: 936_034 },
            EventKind::Begun { id: Uuid::from_u128(1) },
            answered(200, false, None),
            answered(500, false, note),
            EventKind::Linked { url: "http://x/scaled_image_1.jpg".into() },
            EventKind::Left { during: "la cabecera" },
        ];
        for event in &events {
            match event {
                EventKind::Connected
                | EventKind::Received { .. }
                | EventKind::Begun { .. }
                | EventKind::Answered { .. }
                | EventKind::Linked { .. }
                | EventKind::Left { .. } => {}
            }
        }
        events
    }

    fn answered(status: u16, is_health_check: bool, note: Option<LogNote>) -> EventKind {
        let took = Duration::from_millis(41);
        let (shown, writing, labels, cut) = ("GET /".into(), took, MetricLabels::UNREAD, None);
        EventKind::Answered {
            shown,
            status,
            received: 1,
            sent: 2,
            took,
            writing,
            labels,
            cut,
            is_health_check,
            note,
        }
    }

    #[test]
    fn levels_follow_the_status_unless_there_is_more_to_tell() {
        for (status, level) in [
            (200, Level::Info),
            (404, Level::Info),
            (422, Level::Info),
            (500, Level::Error),
            (501, Level::Info),
            (502, Level::Error),
            (503, Level::Warning),
            (504, Level::Error),
            (505, Level::Info),
            (507, Level::Error),
        ] {
            assert_eq!(answered(status, false, None).level(), level, "{status}");
            assert_eq!(answered(status, true, None).level(), Level::Debug, "{status}");
        }
        for (failure, status, level) in [
            (WorkError::Panicked, 422, Some(Level::Error)),
            (WorkError::NoPermission, 404, Some(Level::Warning)),
            (WorkError::ScalerLost, 502, Some(Level::Error)),
            (WorkError::ScalerAway, 503, Some(Level::Warning)),
            (WorkError::Late, 504, Some(Level::Error)),
            (WorkError::FolderUnusable("no es un directorio".into()), 500, Some(Level::Error)),
            (WorkError::FolderFull("ENOSPC".into()), 507, Some(Level::Error)),
            (WorkError::NoFile, 404, None),
            (WorkError::Changing, 503, None),
            (WorkError::QueueFull, 503, None),
            (WorkError::MemoryFull { length: 1 }, 503, None),
            (WorkError::Undecodable("faltan datos".into()), 422, None),
        ] {
            let note = LogNote::of(&failure, status);
            assert_eq!(note.as_ref().map(|note| note.level), level, "{failure:?}");
            if let Some(level) = level {
                assert_eq!(answered(status, false, note).level(), level);
            }
        }
    }

    #[test]
    fn the_line_of_an_answer_ends_with_the_reason() {
        let note = LogNote::of(&WorkError::Unreadable("EIO".into()), 500);
        let line = answered(500, false, note).to_string();
        assert_eq!(line, "GET / 500 1 → 2 bytes, 41 ms - el archivo no se puede leer: EIO");
        assert_eq!(answered(200, false, None).to_string(), "GET / 200 1 → 2 bytes, 41 ms");
    }
}
