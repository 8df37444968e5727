//! Those who carry: a few threads, each with a conversation of its own, that take one picture after the other.
//!
//! Rules: while the server works on the picture of one, the next ones are being read and sent by the others, so neither the disk
//! nor the network nor the server waits for another; a picture is read from the disk as it is sent. Whatever is wrong
//! with one picture is told and never ends the run; the server being lost does, for all at once.
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use scaler::words::InWords;

use super::tally::Tally;
use crate::client::console::Bar;
use crate::client::failure::Failure;
use crate::client::request::{Body, ClientRequest, segment};
use crate::client::session::{Conversation, Session};

/// Connections, and threads: as many pictures are under way.
const UPLOADERS_MAX: usize = 4;

/// The work, and how far it has come.
pub(super) struct Uploaders<'a> {
    session: &'a Session<'a>,
    directory: &'a Path,
    /// Path of the folder at the server, encoded.
    route: String,
    names: &'a [String],
    bar: Bar<'a>,
    /// The next one to be taken from `names`.
    next: AtomicUsize,
    state: Mutex<Shared>,
}

/// What all threads write to.
struct Shared {
    tally: Tally,
    /// When the server last took a picture, or said that it has it.
    settled_at: Option<Instant>,
    /// Why the run ended before the names did.
    lost: Option<Failure>,
}

/// What the server did with a picture.
enum Insertion {
    Inserted,
    Existed,
}

/// Why a picture is not with the server.
enum UploadError {
    /// Something about this picture, in words.
    Own(String),
    /// The server is lost.
    Lost(Failure),
}

impl<'a> Uploaders<'a> {
    pub(super) fn new(
        session: &'a Session<'a>,
        directory: &'a Path,
        folder: &str,
        names: &'a [String],
        (bar, tally): (Bar<'a>, Tally),
    ) -> Self {
        Self {
            session,
            directory,
            route: format!("/carpetas/{}", segment(folder)),
            names,
            bar,
            next: AtomicUsize::new(0),
            state: Mutex::new(Shared { tally, settled_at: None, lost: None }),
        }
    }

    /// Sends them all, beginning with the conversation that there is already. The counts, and why the server was lost if
    /// it was.
    pub(super) fn send_all(self, first: Conversation<'a>) -> (Tally, Option<Failure>) {
        let threads = UPLOADERS_MAX.min(self.names.len());
        std::thread::scope(|scope| {
            let uploaders = &self;
            for number in 1..threads {
                let work = move || uploaders.work(uploaders.session.another());
                // With fewer threads it takes longer, and that is all.
                let _ = std::thread::Builder::new().name(format!("envío {number}")).spawn_scoped(scope, work);
            }
            uploaders.work(first);
        });
        let Shared { mut tally, lost, .. } = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        tally.unsent += self.names.len().saturating_sub(self.next.into_inner());
        (tally, lost)
    }

    fn work(&self, mut conversation: Conversation<'a>) {
        while !self.session.pause.is_in_vain() {
            let Some(name) = self.names.get(self.next.fetch_add(1, Relaxed)) else { return };
            match self.send(&mut conversation, name) {
                Ok(outcome) => self.settle(name, &outcome),
                Err(UploadError::Own(why)) => {
                    self.session.console.line(format_args!("imagen {name}: error: {why}"));
                    self.state().tally.failures.push((name.clone(), why));
                }
                Err(UploadError::Lost(failure)) => {
                    // Told first: those who are woken fail because of it, and theirs is not the reason.
                    let mut state = self.state();
                    state.tally.unsent += 1;
                    state.lost.get_or_insert(failure);
                    drop(state);
                    return self.session.pause.give_up();
                }
            }
            self.bar.advance();
        }
    }

    fn settle(&self, name: &str, outcome: &Insertion) {
        let mut state = self.state();
        state.settled_at = Some(Instant::now());
        let (count, what) = match outcome {
            Insertion::Inserted => (&mut state.tally.inserted, "insertada"),
            Insertion::Existed => (&mut state.tally.existing, "ya existe"),
        };
        *count += 1;
        drop(state);
        self.session.console.line(format_args!("imagen {name} {what}"));
    }

    fn send(&self, conversation: &mut Conversation<'a>, name: &str) -> Result<Insertion, UploadError> {
        let body = Body::open(&self.directory.join(name))
            .map_err(|error| UploadError::Own(format!("no se puede leer: {}", InWords(&error))))?;
        if body.length() == 0 {
            return Err(UploadError::Own("el archivo está vacío".into()));
        }
        let target = format!("{}/{}", self.route, segment(name));
        let mut request = ClientRequest { method: "PUT", target, fields: Vec::new(), body };
        match conversation.ask(&mut request, &mut |_| {}) {
            Ok(response) => match response.status {
                201 => Ok(Insertion::Inserted),
                200 => Ok(Insertion::Existed),
                _ => Err(self.judge(conversation, Failure::refused(&response))),
            },
            Err(failure) => Err(self.judge(conversation, failure)),
        }
    }

    /// Whose fault it is. The server is not lost if it took other pictures while this one waited for its last try; nor if it
    /// answers something else while this one breaks every connection.
    fn judge(&self, conversation: &Conversation<'a>, failure: Failure) -> UploadError {
        let others_go_through =
            || failure.waited_since().is_some_and(|since| self.state().settled_at > Some(since));
        let is_own = !failure.is_general()
            || others_go_through()
            || (failure.is_break() && !self.session.pause.is_in_vain() && conversation.is_alive());
        if is_own { UploadError::Own(failure.to_string()) } else { UploadError::Lost(failure) }
    }

    fn state(&self) -> MutexGuard<'_, Shared> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
