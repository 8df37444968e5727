//! What a conversation wants of the tasks, and what it does about the answers: decisions alone, as a function.
//!
//! ```text
//!  POST /tareas   Accept ----> 202 at once, or Ended ----> Status ----> File ----> 200
//!  GET /estado    Status ----> 200, or with ?espera Ended ----> 200
//!  GET /imagen    Status ----> 304, 409, 410, the failure's own code, or File ----> 200, 206
//!  DELETE         Deleted ---> 204
//! ```
//! Waiting for a task to end is one thing ([`Query::Watch`]) whoever waits: `?espera`, `Prefer: wait`. It is answered
//! when the task has ended, and not before; when the client's time is over, the conversation asks for the state as it
//! is then. So nobody but the conversation knows of its deadline.
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use uuid::Uuid;

use super::bank;
use super::parameters::WAIT_MAX;
use super::problem::HttpProblem;
use crate::http::conditional::{Conditions, Selection, Whole};
use crate::http::prefer::Preferences;
use crate::http::reply::Reply;
use crate::model::admission::Reservation;
use crate::model::error::WorkError;
use crate::model::now::Now;
use crate::model::picture::Picture;
use crate::model::server_state::ServerState;
use crate::model::store::{Finding, Found, Query, Question};
use crate::model::task::{Shape, Status, Submission, TaskState};

/// Longest wait for an answer of the store, which may have to wait for its disk.
const STORE_TIME: Duration = Duration::from_secs(30);

/// Prometheus's text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a request is after.
#[derive(Debug)]
pub enum Intent {
    /// The picture, in the answer to its upload, or whatever needs no task.
    Picture,
    /// A link to the picture.
    Link {
        /// What stands before the file's name in it.
        base: String,
    },
    /// That its picture is kept as a task.
    Task(TaskPreferences),
    /// What is known of a task.
    Status {
        /// The id as it was sent.
        asked: String,
        /// How long to wait for the task's end.
        wait: Duration,
    },
    /// The result of a task.
    Result {
        /// The id as it was sent.
        asked: String,
        /// What the client has already.
        conditions: Conditions,
    },
    /// That a task is forgotten.
    Delete {
        /// The id as it was sent.
        asked: String,
    },
    /// Something of the bank.
    Bank(bank::BankRequest),
}

/// How a picture is handed in.
#[derive(Debug, Default)]
pub struct TaskPreferences {
    /// The client's name for the request, under which it may send it again.
    pub key: Option<Vec<u8>>,
    /// What it prefers.
    pub preferences: Preferences,
    /// It asked for a task; otherwise it only prefers one to a wait.
    pub explicit: bool,
}

/// What a conversation waits for.
#[derive(Debug)]
pub enum Pending {
    /// The end of a run.
    Run,
    /// That its picture is kept.
    Accepted,
    /// The end of this task.
    Ended(Uuid),
    /// What is known of this task.
    Status(Uuid),
    /// A result.
    File(Box<ResultPart>),
    /// That this task is forgotten.
    Deleted(Uuid),
    /// What the bank has.
    Bank,
    /// The server's figures.
    Metrics,
}

/// The bytes of a result that are on their way here, and how to present them.
#[derive(Debug)]
pub struct ResultPart {
    status: Status,
    shape: Shape,
    range: Range<u64>,
}

/// What comes next.
#[derive(Debug)]
pub enum NextStep {
    /// Ask this, and wait for its answer.
    Ask {
        /// The question.
        query: Query,
        /// What its answer will be taken for.
        awaited: Pending,
        /// How long to wait.
        due: Instant,
    },
    /// Answer the request.
    Answer {
        /// With this.
        reply: Reply,
        /// Which holds the body's bytes.
        picture: Option<Arc<Picture>>,
        /// The task that it is about, where the answer is the task's.
        id: Option<Uuid>,
    },
    /// Begin an answer that goes on as the store brings more.
    Stream {
        /// Head and beginning.
        reply: Reply,
        /// What is to follow.
        rest: bank::Rest,
    },
    /// Refuse it.
    Refuse(HttpProblem),
}

impl TaskPreferences {
    /// How long the client waits for the result itself.
    fn wait(&self) -> Option<u32> {
        self.preferences.wait.map(|seconds| seconds.min(WAIT_MAX)).filter(|&seconds| seconds > 0)
    }

    /// Whether the answer is a document about the task, and no picture.
    pub(super) fn is_told_later(&self) -> bool {
        self.explicit || self.wait().is_none()
    }

    /// Says which preference was honoured (RFC 7240 §3).
    fn applied(&self, reply: Reply) -> Reply {
        match (self.wait(), self.preferences.respond_async) {
            (Some(seconds), true) => {
                reply.with("Preference-Applied", format!("respond-async, wait={seconds}"))
            }
            (Some(seconds), false) => reply.with("Preference-Applied", format!("wait={seconds}")),
            (None, true) => reply.with("Preference-Applied", "respond-async"),
            (None, false) => reply,
        }
    }
}

/// The first question about the task `id`.
#[must_use]
pub fn first(intent: &Intent, id: Uuid, server: &ServerState, now: Now) -> NextStep {
    match intent {
        Intent::Status { wait, .. } if !wait.is_zero() => watch(id, *wait, server, now),
        Intent::Delete { .. } => NextStep::Ask {
            query: Query::Delete(id),
            awaited: Pending::Deleted(id),
            due: now.at + STORE_TIME,
        },
        _ => look(id, now),
    }
}

/// A question to the bank.
#[must_use]
pub fn ask_store(question: Question, now: Now) -> NextStep {
    NextStep::Ask { query: Query::Bank(question), awaited: Pending::Bank, due: now.at + STORE_TIME }
}

/// Asks for the server's figures.
#[must_use]
pub fn measure(now: Now) -> NextStep {
    NextStep::Ask { query: Query::Metrics, awaited: Pending::Metrics, due: now.at + STORE_TIME }
}

/// Hands a picture in.
#[must_use]
pub fn submit_task(submission: Submission, now: Now) -> NextStep {
    let query = Query::Accept(Box::new(submission));
    NextStep::Ask { query, awaited: Pending::Accepted, due: now.at + STORE_TIME }
}

/// The time to wait is over.
#[must_use]
pub fn overdue(awaited: &Pending, server: &ServerState, now: Now) -> NextStep {
    match awaited {
        Pending::Ended(id) => look(*id, now),
        Pending::Run => NextStep::Refuse(server.failed(WorkError::Late)),
        _ => NextStep::Refuse(server.failed(WorkError::StoreBroken("no respondió a tiempo".into()))),
    }
}

/// What to do about an answer.
#[must_use]
pub fn next(intent: &Intent, awaited: Pending, finding: Finding, server: &ServerState, now: Now) -> NextStep {
    match (awaited, finding) {
        (Pending::Accepted, Finding::Accepted(status)) => match intent {
            Intent::Task(handover) => match handover.wait() {
                Some(seconds) => watch(status.id, Duration::from_secs(seconds.into()), server, now),
                None => accepted(handover, &status),
            },
            _ => lost(server),
        },
        (Pending::Accepted, Finding::Different) => NextStep::Refuse(HttpProblem::OtherBody),
        (Pending::Ended(id) | Pending::Status(id), Finding::Status(status)) => match status {
            Some(status) => known(intent, status, server, now),
            None => unknown(intent, id),
        },
        (Pending::File(part), Finding::File(Some((bytes, reservation)))) => {
            deliver(intent, *part, bytes, reservation)
        }
        (Pending::File(part), Finding::File(None)) => NextStep::Refuse(HttpProblem::Expired(part.status.id)),
        (Pending::Deleted(_), Finding::Deleted(true)) => answer(Reply::empty(204)),
        (Pending::Deleted(id), Finding::Deleted(false)) => unknown(intent, id),
        (Pending::Metrics, Finding::Metrics(page)) => {
            answer(Reply::new(200, METRICS_TYPE, page).with("Cache-Control", "no-store"))
        }
        (Pending::Bank, Finding::Bank(found)) => match intent {
            Intent::Bank(requested) => told(requested, found),
            _ => lost(server),
        },
        _ => lost(server),
    }
}

/// What the bank has, as an answer; a whole folder goes on from where its first part ends.
fn told(requested: &bank::BankRequest, found: Found) -> NextStep {
    let rest = match (requested, &found) {
        (bank::BankRequest::Documents { folder }, Found::Faces(Some(faces))) => {
            bank::Rest::after(folder, faces)
        }
        _ => None,
    };
    match (requested.answer(found), rest) {
        (Ok(reply), Some(rest)) => NextStep::Stream { reply, rest },
        (Ok(reply), None) => answer(reply),
        (Err(reject), _) => NextStep::Refuse(reject),
    }
}

fn look(id: Uuid, now: Now) -> NextStep {
    NextStep::Ask { query: Query::Status(id), awaited: Pending::Status(id), due: now.at + STORE_TIME }
}

/// Waits for the end; not on a server that stops, which begins no task.
fn watch(id: Uuid, time: Duration, server: &ServerState, now: Now) -> NextStep {
    if server.draining.get() {
        return look(id, now);
    }
    NextStep::Ask { query: Query::Watch(id), awaited: Pending::Ended(id), due: now.at + time }
}

/// What is known of the task.
fn known(intent: &Intent, status: Status, server: &ServerState, now: Now) -> NextStep {
    match intent {
        Intent::Status { .. } => answer(status_reply(200, &status)),
        Intent::Task(handover) if !status.state.is_final() => accepted(handover, &status),
        Intent::Task(_) => fetch(status, &Conditions::default(), server, now),
        Intent::Result { conditions, .. } => fetch(status, conditions, server, now),
        Intent::Picture | Intent::Link { .. } | Intent::Delete { .. } | Intent::Bank(_) => lost(server),
    }
}

/// Asks for what the client wants of the result, if there is one.
fn fetch(status: Status, conditions: &Conditions, server: &ServerState, now: Now) -> NextStep {
    match (status.state, status.result) {
        (TaskState::Done, Some(shape)) => {
            let (length, etag) = (shape.length, status.etag());
            let modified = status.ended_at.unwrap_or(status.accepted_at);
            let range = match conditions.select(&Whole { length, etag: &etag, modified }) {
                Selection::Whole => 0..length,
                Selection::Part(range) => range,
                Selection::NotModified => return answer(described(Reply::empty(304), &status)),
                Selection::Failed => return NextStep::Refuse(HttpProblem::Precondition),
                Selection::Unsatisfiable => return NextStep::Refuse(HttpProblem::Range { length }),
            };
            let (id, reservation) = (status.id, server.admission.reservation());
            let query = Query::File { id, range: range.clone(), reservation };
            let awaited = Pending::File(Box::new(ResultPart { status, shape, range }));
            NextStep::Ask { query, awaited, due: now.at + STORE_TIME }
        }
        (TaskState::Done, None) => NextStep::Refuse(HttpProblem::NotKept(status.id)),
        (TaskState::Pending | TaskState::Running, _) => {
            NextStep::Refuse(HttpProblem::NotReady { id: status.id, state: status.state })
        }
        (TaskState::Expired, _) => NextStep::Refuse(HttpProblem::Expired(status.id)),
        (TaskState::Failed, _) => NextStep::Refuse(match status.problem {
            Some(problem) => HttpProblem::TaskFailed(status.id, problem),
            None => server.failed(WorkError::Lost),
        }),
    }
}

/// The result is here.
fn deliver(intent: &Intent, part: ResultPart, file: Bytes, reservation: Reservation) -> NextStep {
    let ResultPart { status, shape: Shape { format, width, height, length }, range } = part;
    let picture = Picture { file, format, width, height, variant: None, reservation };
    let reply = picture.bare_reply(200);
    let (reply, id) = match intent {
        Intent::Task(handover) => {
            let reply = reply.with("Server-Timing", status.timing()).with("Vary", "Accept");
            (handover.applied(reply.with("Cache-Control", "no-store")), Some(status.id))
        }
        _ if range == (0..length) => (described(reply, &status), None),
        _ => (described(reply.into_part(&range, length), &status), None),
    };
    NextStep::Answer { reply, picture: Some(Arc::new(picture)), id }
}

/// A result never changes, but may be gone tomorrow: it may be kept, and is to be asked about.
fn described(reply: Reply, status: &Status) -> Reply {
    let reply = reply
        .with("ETag", status.etag())
        .with("Accept-Ranges", "bytes")
        .with("Cache-Control", "private, no-cache");
    match status.ended_at {
        Some(ended_at) => reply.with("Last-Modified", httpdate::fmt_http_date(ended_at)),
        None => reply,
    }
}

/// The id of a task, for a client that will come again.
fn accepted(handover: &TaskPreferences, status: &Status) -> NextStep {
    let reply = status_reply(202, status)
        .with("Location", format!("/estado/{}", status.id.as_hyphenated()))
        .with("Retry-After", "1");
    NextStep::Answer { reply: handover.applied(reply), picture: None, id: Some(status.id) }
}

fn status_reply(code: u16, status: &Status) -> Reply {
    let body = format!("{}\n", status.document());
    Reply::new(code, "application/json", body).with("Cache-Control", "no-store")
}

fn unknown(intent: &Intent, id: Uuid) -> NextStep {
    let asked = match intent {
        Intent::Status { asked, .. } | Intent::Result { asked, .. } | Intent::Delete { asked } => asked,
        // It has been deleted while its sender waited for it.
        Intent::Task(_) | Intent::Picture | Intent::Link { .. } | Intent::Bank(_) => {
            return NextStep::Refuse(HttpProblem::Expired(id));
        }
    };
    NextStep::Refuse(HttpProblem::UnknownTask { asked: asked.clone() })
}

fn answer(reply: Reply) -> NextStep {
    NextStep::Answer { reply, picture: None, id: None }
}

/// An answer to another question: nobody gives one.
fn lost(server: &ServerState) -> NextStep {
    NextStep::Refuse(server.failed(WorkError::Lost))
}
