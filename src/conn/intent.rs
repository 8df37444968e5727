//! What a connection asks of the tasks, and how it handles the answers: pure decisions.
//!
//! ```text
//!  POST /tareas   Accept ----> 202 at once, or Ended ----> Status ----> File ----> 200
//!  GET /estado    Status ----> 200, or with ?espera Ended ----> 200
//!  GET /imagen    Status ----> 304, 409, 410, the failure's own code, or File ----> 200, 206
//!  DELETE         Deleted ---> 204
//! ```
//! Waiting for a task's end ([`NextStep::Watch`]) is the same for `?espera` and for `Prefer: wait`. It is answered only
//! when the task has ended; the connection, which alone knows its deadline, asks for the state when time is over.
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
use crate::model::picture::{Held, Picture};
use crate::model::server_state::{Figures, ServerState};
use crate::model::store::{Acceptance, Ask, StoreRead, StoreReply, StoreWrite, WrongReply};
use crate::model::task::{Shape, Status, Submission, TaskState};

/// Longest wait for an answer of the store, which may have to wait for its disk.
const STORE_TIME: Duration = Duration::from_secs(30);

/// Prometheus's text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The purpose of a request.
#[derive(Debug)]
pub enum Intent {
    /// The picture, in the answer to its upload, or anything else without a task.
    Picture,
    /// A link to the picture.
    Link {
        /// What stands before the file's name in it.
        base: String,
    },
    /// Its picture is to be kept as a task.
    Task(TaskPreferences),
    /// The status of a task.
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
    /// A task is to be deleted.
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

/// The answer that a connection waits for.
#[derive(Debug)]
pub enum Pending {
    /// The end of a run.
    Run,
    /// Its picture is stored: as this task, if it is new.
    Accepted(Box<Status>),
    /// The end of this task.
    Ended(Uuid),
    /// The status of this task.
    Status(Uuid),
    /// A result.
    File(Box<ResultPart>),
    /// This task is deleted.
    Deleted(Uuid),
    /// What the bank has.
    Bank,
    /// The server's figures.
    Metrics(Figures),
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
    /// Ask the store this, and wait for its answer.
    Ask {
        /// The request.
        ask: Ask,
        /// What its answer will be taken for.
        awaited: Pending,
        /// How long to wait.
        due: Instant,
    },
    /// Wait for the end of a task.
    Watch {
        /// The task.
        task: Uuid,
        /// How long to wait.
        due: Instant,
    },
    /// Collect the server's figures.
    Measure(Figures),
    /// Answer the request.
    Answer {
        /// With this.
        reply: Reply,
        /// What the body's bytes are charged to.
        held: Held,
        /// The task that it is about, where the answer is the task's.
        id: Option<Uuid>,
    },
    /// Begin an answer that continues with each part from the store.
    Stream {
        /// Head and beginning.
        reply: Reply,
        /// The rest of the answer.
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
        Intent::Delete { .. } => ask(StoreWrite::Delete { id }, Pending::Deleted(id), now),
        _ => look(id, now),
    }
}

/// Asks the bank.
#[must_use]
pub fn ask_bank(request: impl Into<Ask>, now: Now) -> NextStep {
    ask(request, Pending::Bank, now)
}

/// Hands a picture in.
#[must_use]
pub fn submit_task(submission: Submission, now: Now) -> NextStep {
    let status = Box::new(submission.status());
    ask(StoreWrite::Accept(Box::new(submission)), Pending::Accepted(status), now)
}

/// When a connection gives up waiting for the store, or for the server's figures.
#[must_use]
pub fn store_due(now: Now) -> Instant {
    now.at + STORE_TIME
}

/// The page of the server's figures.
#[must_use]
pub fn metrics_reply(figures: Figures, page: Bytes) -> Reply {
    let media_type = match figures {
        Figures::Prometheus => METRICS_TYPE,
        Figures::Panel => "application/json",
    };
    Reply::new(200, media_type, page).with("Cache-Control", "no-store")
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
///
/// # Errors
/// It answers another request than the one that is awaited.
pub fn next(
    intent: &Intent,
    awaited: Pending,
    reply: StoreReply,
    server: &ServerState,
    now: Now,
) -> Result<NextStep, WrongReply> {
    Ok(match awaited {
        Pending::Accepted(new) => match reply.accepted()? {
            Acceptance::New => kept(intent, *new, server, now),
            Acceptance::Same(status) => kept(intent, status, server, now),
            Acceptance::Different => NextStep::Refuse(HttpProblem::OtherBody),
        },
        Pending::Ended(id) | Pending::Status(id) => match reply.status()? {
            Some(status) => known(intent, status, server, now),
            None => unknown(intent, id),
        },
        Pending::File(part) => match reply.file()? {
            Some((bytes, reservation)) => deliver(intent, *part, bytes, reservation),
            None => NextStep::Refuse(HttpProblem::Expired(part.status.id)),
        },
        Pending::Deleted(id) => {
            if reply.known()? {
                answer(Reply::empty(204))
            } else {
                unknown(intent, id)
            }
        }
        Pending::Bank => match intent {
            Intent::Bank(requested) => match requested.answer(reply)? {
                bank::BankAnswer::Whole(reply, held) => NextStep::Answer { reply, held, id: None },
                bank::BankAnswer::Begun(reply, rest) => NextStep::Stream { reply, rest },
                bank::BankAnswer::Refused(reject) => NextStep::Refuse(reject),
            },
            _ => lost(server),
        },
        Pending::Run | Pending::Metrics(_) => return Err(WrongReply),
    })
}

/// The picture is stored as a task.
fn kept(intent: &Intent, status: Status, server: &ServerState, now: Now) -> NextStep {
    match intent {
        Intent::Task(handover) => match handover.wait() {
            Some(seconds) => watch(status.id, Duration::from_secs(seconds.into()), server, now),
            None => accepted(handover, &status),
        },
        _ => lost(server),
    }
}

fn ask(request: impl Into<Ask>, awaited: Pending, now: Now) -> NextStep {
    NextStep::Ask { ask: request.into(), awaited, due: store_due(now) }
}

fn look(id: Uuid, now: Now) -> NextStep {
    ask(StoreRead::Status(id), Pending::Status(id), now)
}

/// Waits for the end; not on a stopping server, which begins no task.
fn watch(id: Uuid, time: Duration, server: &ServerState, now: Now) -> NextStep {
    if server.draining.get() {
        return look(id, now);
    }
    NextStep::Watch { task: id, due: now.at + time }
}

fn known(intent: &Intent, status: Status, server: &ServerState, now: Now) -> NextStep {
    match intent {
        Intent::Status { .. } => answer(status_reply(200, &status)),
        Intent::Task(handover) if !status.state.is_final() => accepted(handover, &status),
        Intent::Task(_) => fetch(status, &Conditions::default(), server, now),
        Intent::Result { conditions, .. } => fetch(status, conditions, server, now),
        Intent::Picture | Intent::Link { .. } | Intent::Delete { .. } | Intent::Bank(_) => lost(server),
    }
}

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
            let read = StoreRead::File { id, range: range.clone(), reservation };
            ask(read, Pending::File(Box::new(ResultPart { status, shape, range })), now)
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
    NextStep::Answer { reply, held: Held::Picture(Arc::new(picture)), id }
}

/// A result never changes, but may expire: clients may keep it, and must revalidate.
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
    NextStep::Answer { reply: handover.applied(reply), held: Held::Nothing, id: Some(status.id) }
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
    NextStep::Answer { reply, held: Held::Nothing, id: None }
}

/// The refusal for an answer that belongs to another intent.
fn lost(server: &ServerState) -> NextStep {
    NextStep::Refuse(server.failed(WorkError::Lost))
}
