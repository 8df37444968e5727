//! Why a request failed, in words for the user of the client.
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use super::response::Response;
use super::retry::{is_passing, retry_after};
use scaler::words::InWords;

/// Why there is no result.
#[derive(Debug)]
pub enum Failure {
    /// This can't be read.
    Read(PathBuf, io::Error),
    /// There is nothing in this.
    Empty(PathBuf),
    /// The picture that is being sent can't be read any further.
    Body(io::Error),
    /// The name does not resolve, or no address accepts the connection.
    Connect(io::Error),
    /// The conversation broke.
    Broken(io::Error),
    /// The server's answer is not what was asked for.
    Refused {
        /// Its status.
        status: u16,
        /// Its words.
        detail: String,
        /// How long it asks us to wait.
        retry_after: Option<Duration>,
    },
    /// The answer has the right status but is invalid: what is missing from it.
    Senseless(&'static str),
    /// The last of several tries.
    GaveUp {
        /// How many there were.
        tries: u32,
        /// When the wait before it began, or of a single try, when that did.
        waited_since: Instant,
        /// How the last one did.
        last: Box<Failure>,
    },
    /// The result can't be written.
    Write(PathBuf, io::Error),
    /// The result would replace the picture it is made from.
    Input(PathBuf),
    /// The server ended the task without a result: its words.
    Task(String),
}

impl Failure {
    /// The answer that was not asked for.
    #[must_use]
    pub fn refused(response: &Response) -> Self {
        let asked = response.field("retry-after").and_then(|value| retry_after(value, SystemTime::now()));
        Self::Refused { status: response.status, detail: detail(response), retry_after: asked }
    }

    /// Whether another try may do better.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Connect(_) => true,
            // A peer that speaks another protocol will not change.
            Self::Broken(error) => error.kind() != io::ErrorKind::InvalidData,
            Self::Refused { status, .. } => is_passing(*status),
            _ => false,
        }
    }

    /// Whether every other picture would fail the same way: no server answers, it does not let us in, or the server or
    /// our disk is full.
    #[must_use]
    pub fn is_general(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Broken(_) => true,
            Self::Refused { status, .. } => matches!(status, 401 | 403 | 421 | 503 | 507),
            Self::Write(_, error) => {
                use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
                matches!(error.kind(), StorageFull | QuotaExceeded | ReadOnlyFilesystem)
            }
            Self::GaveUp { last, .. } => last.is_general(),
            _ => false,
        }
    }

    /// How the same order may go on, in words; None: as long as the server refuses it, repeating it changes nothing.
    #[must_use]
    pub(super) fn repeat(&self) -> Option<&'static str> {
        match self.root() {
            Self::Refused { status: 503 | 507, .. } | Self::Write(..) => Some("repita la orden más tarde"),
            Self::Refused { .. } => None,
            _ => Some("repita la orden"),
        }
    }

    /// The failure itself, of however many tries.
    #[must_use]
    pub(super) fn root(&self) -> &Self {
        match self {
            Self::GaveUp { last, .. } => last.root(),
            _ => self,
        }
    }

    /// Whether an established connection broke: the server may have crashed, perhaps because of this request.
    #[must_use]
    pub fn is_break(&self) -> bool {
        match self {
            Self::Broken(_) => true,
            Self::GaveUp { last, .. } => last.is_break(),
            _ => false,
        }
    }

    /// When only waiting was left to do.
    pub(super) fn waited_since(&self) -> Option<Instant> {
        match self {
            Self::GaveUp { waited_since, .. } => Some(*waited_since),
            _ => None,
        }
    }

    /// How long the server asks us to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, error) => write!(f, "no se puede leer {}: {}", path.display(), InWords(error)),
            Self::Empty(path) => write!(f, "no se puede enviar {}: está vacío", path.display()),
            Self::Body(error) => write!(f, "no se puede leer la imagen: {}", InWords(error)),
            Self::Connect(error) => write!(f, "no se puede conectar al servidor: {}", InWords(error)),
            Self::Broken(error) => write!(f, "la conversación con el servidor falló: {}", InWords(error)),
            Self::Refused { status, detail, .. } => {
                let colon = if detail.is_empty() { "" } else { ": " };
                // The server's words are for any program; these are for the user of this one.
                let key =
                    if *status == 401 { "; dé la clave de este servidor con --clave-archivo" } else { "" };
                write!(f, "el servidor respondió {status}{colon}{detail}{key}")
            }
            Self::Senseless(what) => write!(f, "la respuesta del servidor no trae {what}"),
            Self::GaveUp { tries: 1, last, .. } => match last.retry_after() {
                Some(time) => write!(f, "{last}; pide esperar {} s, que es demasiado", time.as_secs()),
                None => write!(f, "{last}"),
            },
            Self::GaveUp { tries, last, .. } => write!(f, "{last} (tras {tries} intentos)"),
            Self::Write(path, error) => {
                write!(f, "no se puede guardar {}: {}", path.display(), InWords(error))
            }
            Self::Input(path) => write!(
                f,
                "no se guarda en {}: es la imagen de entrada, que no se reemplaza; elija otra --salida",
                path.display()
            ),
            Self::Task(detail) => write!(f, "la tarea terminó con error: {detail}"),
        }
    }
}

/// The server's words: the `detail` of its problem document (RFC 9457 §3.1.4), else the body if it is text.
fn detail(response: &Response) -> String {
    const TEXT_MAX: usize = 1000;
    let problem = response.json().and_then(|problem| Some(problem.get("detail")?.as_str()?.to_owned()));
    let text = || String::from_utf8(response.body.clone()).unwrap_or_default().trim().to_owned();
    problem.unwrap_or_else(text).chars().take(TEXT_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, field: Option<&str>, body: &str) -> Response {
        let fields = field.map(|value| ("retry-after".to_owned(), value.to_owned()));
        Response { status, fields: fields.into_iter().collect(), body: body.into(), keep_alive: true }
    }

    fn gave_up(tries: u32, last: Failure) -> Failure {
        Failure::GaveUp { tries, waited_since: Instant::now(), last: Box::new(last) }
    }

    #[test]
    fn the_servers_words_are_told() {
        for (body, expected) in [
            (
                r#"{"detail": "no es una imagen", "status": 415}"#,
                "el servidor respondió 415: no es una imagen",
            ),
            ("no\n", "el servidor respondió 415: no"),
            (r#"{"detail": 3}"#, r#"el servidor respondió 415: {"detail": 3}"#),
            ("", "el servidor respondió 415"),
        ] {
            assert_eq!(Failure::refused(&response(415, None, body)).to_string(), expected);
        }
    }

    #[test]
    fn what_passes_and_what_concerns_everybody() {
        let refused = |status| Failure::refused(&response(status, Some("7"), ""));
        for (failure, passing, general) in [
            (Failure::Connect(io::ErrorKind::ConnectionRefused.into()), true, true),
            (Failure::Broken(io::ErrorKind::UnexpectedEof.into()), true, true),
            (Failure::Broken(io::ErrorKind::InvalidData.into()), false, true),
            (Failure::Body(io::ErrorKind::UnexpectedEof.into()), false, false),
            (refused(502), true, false),
            (refused(503), true, true),
            (refused(504), true, false),
            (refused(507), false, true),
            (refused(401), false, true),
            (refused(421), false, true),
            (refused(500), false, false),
            (refused(422), false, false),
            (Failure::Write("x".into(), io::ErrorKind::StorageFull.into()), false, true),
            (Failure::Write("x".into(), io::ErrorKind::NotFound.into()), false, false),
            (gave_up(8, refused(503)), false, true),
            (gave_up(8, refused(504)), false, false),
        ] {
            assert_eq!((failure.is_passing(), failure.is_general()), (passing, general), "{failure}");
        }
        assert_eq!(refused(503).retry_after(), Some(Duration::from_secs(7)));
    }

    #[test]
    fn an_order_is_to_be_repeated_only_where_that_helps() {
        let refused = |status| Failure::refused(&response(status, None, "no"));
        let later = Some("repita la orden más tarde");
        for (failure, repeat) in [
            (refused(401), None),
            (refused(403), None),
            (refused(421), None),
            (refused(507), later),
            (gave_up(8, refused(503)), later),
            (Failure::Write("x".into(), io::ErrorKind::StorageFull.into()), later),
            (gave_up(8, Failure::Broken(io::ErrorKind::UnexpectedEof.into())), Some("repita la orden")),
        ] {
            assert_eq!(failure.repeat(), repeat, "{failure}");
        }
        let key = "el servidor respondió 401: no; dé la clave de este servidor con --clave-archivo";
        assert_eq!(refused(401).to_string(), key);
    }

    #[test]
    fn giving_up_says_after_how_many_tries_or_why_at_once() {
        let refused = || Failure::refused(&response(503, Some("600"), "lleno"));
        assert_eq!(gave_up(8, refused()).to_string(), "el servidor respondió 503: lleno (tras 8 intentos)");
        assert_eq!(
            gave_up(1, refused()).to_string(),
            "el servidor respondió 503: lleno; pide esperar 600 s, que es demasiado"
        );
    }
}
