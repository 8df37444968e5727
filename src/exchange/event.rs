//! What a conversation has to tell the log: data here, words in Spanish, written by the shell.
use std::fmt;
use std::time::Duration;

use uuid::Uuid;

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Ours to mend.
    Error,
    /// Unusual, but handled.
    Warning,
    /// What an operator wants to see.
    Info,
    /// What someone who studies the server wants to see.
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
pub struct Event {
    /// The request it belongs to, if there is one yet.
    pub id: Option<Uuid>,
    /// What happened.
    pub what: What,
}

/// What happened on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A client has connected.
    Connected,
    /// A picture has arrived whole.
    Received {
        /// Its bytes.
        bytes: u64,
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
        /// The client was gone before the end.
        cut: bool,
    },
    /// The client left before there was anything to answer.
    Left {
        /// What it was in the middle of, in Spanish.
        during: &'static str,
    },
}

impl What {
    /// How much it matters.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::Connected | Self::Received { .. } | Self::Left { .. } => Level::Debug,
            Self::Answered { shown, status: 200..300, .. } if is_probe(shown) => Level::Debug,
            // A server that is busy says so to its clients; only what broke is an error.
            Self::Answered { status: 500 | 502 | 504 | 507, .. } => Level::Error,
            Self::Answered { status: 503, .. } => Level::Warning,
            Self::Answered { .. } => Level::Info,
        }
    }
}

fn is_probe(shown: &str) -> bool {
    ["/healthz", "/readyz"].iter().any(|path| shown.ends_with(path))
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected => write!(f, "Cliente conectado."),
            Self::Received { bytes } => write!(f, "Recibido {bytes} bytes de la imagen del cliente."),
            Self::Answered { shown, status, received, sent, took, cut } => {
                write!(f, "{shown} {status} {received} → {sent} bytes, {} ms", took.as_millis())?;
                if *cut { write!(f, ", cortada por el cliente") } else { Ok(()) }
            }
            Self::Left { during } => write!(f, "El cliente se fue durante {during}."),
        }
    }
}
