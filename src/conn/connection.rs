//! THE state machine of one client connection: bytes and time in, bytes and actions out. No socket inside.
//!
//! ```text
//!          first byte         head complete       body complete          work done            sent
//!   Idle ------------> Head ----------------> Body ------------> Waiting -----------> Reply ------+
//!    ^                   |  \                  |  \                 ^                  |  |       |
//!    |                   |   a picture's magic |   refused, or answered without work --+  |       |
//!    |                   |   number: Body      |                    |                     |       |
//!    |                   +--- a file is asked for ------------------+                     |       |
//!    |                   +--- no body, or an answer that does not need it ----------------+       |
//!    +------------------------------------------- kept alive -------------------------------------+
//!                                                                            else: Linger -> Closed
//! ```
//! Rules: a transition takes the phase out (`mem::replace` with `Closed`), matches it by value and puts the next in, so
//! a bug in between leaves a closed connection, never a half-alive one. Every transition is checked against the table
//! in [`phase`](super::phase). Every live phase has an absolute deadline, and the phase decides whether input is read:
//! neither is a field that could disagree with it. While an answer is on its way, pipelined bytes wait in `RecvBuf` (16
//! KiB) and then in the kernel: that is the back-pressure. The phase judges an end of input: a request cut short is a
//! 400; a whole one with a half-close is netcat's way to ask.
//!
//! Its interface is quinn's: `handle_*` take input, `poll_*` give output; each input is followed by a full drain of
//! [`Connection::poll_action`].
use core::net::IpAddr;
use std::collections::VecDeque;
use std::mem;
use std::rc::Rc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::bank;
use super::intent::{self, Intent, NextStep, Pending};
use super::local_address::{ListenerRole, LocalAddress};
use super::phase::{After, Continuation, Name, Phase, may_follow};
use super::problem::HttpProblem;
use super::request::{Kind, Request};
use crate::http::buf::{RecvBuf, SendBuf};
use crate::model::error::WorkError;
use crate::model::job::{WorkOutput, WorkResult};
use crate::model::log_event::{Caller, Cut, EventKind, LogEvent, LogNote};
use crate::model::now::Now;
use crate::model::server_state::{Figures, ServerState};
use crate::model::store::{Acceptance, Ask, StoreReply, StoreWrite};
use crate::model::work_request::WorkRequest;

mod reading;
mod replying;
mod submitting;

/// The most bytes that may be handed to [`Connection::handle_input`] at once.
pub const INPUT_MAX: usize = 64 << 10;
/// Input that waits while an answer is on its way; beyond it the kernel keeps the bytes.
const PIPELINED_MAX: usize = 16 << 10;
/// How long a stopping server keeps an idle connection: a proxy may just have sent a request on it.
const PARTING: Duration = Duration::from_secs(1);

/// One client connection.
#[derive(Debug)]
pub struct Connection {
    phase: Phase,
    /// Input that no phase has taken yet.
    recv: RecvBuf,
    /// Output that the socket has not taken yet.
    send: SendBuf,
    actions: VecDeque<Action>,
    /// The peer has closed its sending side.
    peer_done: bool,
    local_address: LocalAddress,
    server: Rc<ServerState>,
}

/// An order to the shell.
#[derive(Debug)]
pub enum Action {
    /// Have this done; answer with [`Connection::handle_done`].
    Submit(Box<WorkRequest>),
    /// Ask the store this for this request; answer with [`Connection::handle_told`].
    Ask(Uuid, Ask),
    /// Tell this request ([`Connection::handle_told`]) of the task's status once that has ended.
    Watch(Uuid, Uuid),
    /// This request wants the server's figures; answer with [`Connection::handle_metrics`].
    Metrics(Uuid, Figures),
    /// Close the sending side, so that the peer sees the end of the answer.
    ShutdownWrite,
    /// Tell the log.
    Log(LogEvent),
}

impl Connection {
    /// A client has connected.
    #[must_use]
    pub fn new(server: Rc<ServerState>, local_address: LocalAddress, now: Now) -> Self {
        // A new connection has the time of a head, not the longer time between two requests.
        let due = now.at + server.limits.head_time;
        let caller = Caller { address: local_address.peer, request_id: None };
        let connected = LogEvent { id: None, caller, what: EventKind::Connected };
        Self {
            // Pictures come without HTTP to the main port alone.
            phase: Phase::Idle { fresh: local_address.side == ListenerRole::Main, since: None, due },
            recv: RecvBuf::new(INPUT_MAX + PIPELINED_MAX),
            send: SendBuf::new(),
            actions: VecDeque::from([Action::Log(connected)]),
            peer_done: false,
            local_address,
            server,
        }
    }

    /// Bytes from the peer, at most [`INPUT_MAX`], and only while [`Connection::wants_input`].
    pub fn handle_input(&mut self, mut input: &[u8], now: Now) {
        while !input.is_empty() && !self.discards_input() {
            if let Phase::Body { upload, .. } = &mut self.phase
                && self.recv.is_empty()
            {
                // The common case of a long body: from the socket's buffer straight into the upload.
                let (used, progress) = upload.push(input, &self.server);
                input = &input[used..];
                self.handle_progress(progress, now);
            } else {
                let n = input.len().min(self.recv.room());
                debug_assert!(n > 0, "input that was not wanted");
                if n == 0 {
                    return;
                }
                self.recv.extend(&input[..n]);
                input = &input[n..];
            }
            self.advance(now);
        }
    }

    /// The peer has closed its sending side.
    pub fn handle_eof(&mut self, now: Now) {
        self.peer_done = true;
        self.judge_eof(now);
    }

    /// The connection is broken: reset, or an error on write.
    pub fn handle_gone(&mut self, now: Now) {
        let during = |during| EventKind::Left { during };
        match mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Idle { .. } | Phase::Linger { .. } | Phase::Closed => {}
            Phase::Head { .. } => self.tell_log(None, Caller::default(), during("la cabecera")),
            Phase::Body { request, .. } => self.log(&request, during("el envío de la imagen")),
            Phase::Waiting { request, .. } => self.log(&request, during("el proceso de la imagen")),
            reply @ Phase::Reply { .. } => {
                self.phase = reply;
                self.cut_reply(Cut::Client, now);
            }
        }
    }

    /// Ends the connection in the middle of an answer.
    fn cut_reply(&mut self, cut: Cut, now: Now) {
        if let Phase::Reply { mut answer, .. } = mem::replace(&mut self.phase, Phase::Closed) {
            let caller = mem::take(&mut answer.caller);
            self.tell_log(Some(answer.id), caller, answer.told(Some(cut), now));
        }
    }

    /// The run of request `id` has ended.
    pub fn handle_done(&mut self, id: Uuid, outcome: &WorkResult, now: Now) {
        match mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Waiting { mut request, awaited: Pending::Run, since, .. } if request.id == id => {
                match outcome {
                    Ok(WorkOutput::Picture(picture, times)) => self.deliver(&request, picture, times, now),
                    Ok(WorkOutput::NotModified(variant)) => {
                        self.answer(
                            Name::Waiting,
                            &request,
                            &variant.not_modified(now.wall),
                            After::Next,
                            now,
                        );
                    }
                    Ok(WorkOutput::Face(face_image, _)) => {
                        let Intent::Bank(bank::BankRequest::Insert { folder, name }) = &request.intent else {
                            return;
                        };
                        let (folder, face) = (folder.clone(), Box::new(face_image.named(name)));
                        let next = intent::ask_bank(StoreWrite::Insert { folder, face }, now);
                        self.proceed(Name::Waiting, request, next, since, now);
                    }
                    Ok(WorkOutput::Link(link, times)) => self.announce(&request, link, times, now),
                    Ok(WorkOutput::Excerpt(file_part)) => match file_part.reply(now.wall) {
                        Ok(reply) => {
                            let then = self.emit(&request, &reply, After::Next, now);
                            let status = reply.status;
                            drop(reply);
                            self.begin_reply(Name::Waiting, &request, status, then, file_part.held(), now);
                        }
                        Err(reject) => self.refuse(Name::Waiting, &request, &reject, After::Next, now),
                    },
                    Err(failure) => {
                        let reject = match failure {
                            WorkError::Late => self.server.late(now.at - since),
                            other => self.server.failed(other.clone()),
                        };
                        request.note = LogNote::of(failure, reject.status());
                        self.refuse(Name::Waiting, &request, &reject, After::Next, now);
                    }
                }
            }
            other => self.phase = other,
        }
        self.advance(now);
    }

    /// The store has answered request `id`, or could not.
    pub fn handle_told(&mut self, id: Uuid, told: Result<StoreReply, WorkError>, now: Now) {
        match mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Waiting { mut request, awaited, since, .. }
                if request.id == id && !matches!(awaited, Pending::Run) =>
            {
                let is_kept = match &told {
                    Ok(StoreReply::Accepted(Acceptance::New)) => true,
                    Ok(StoreReply::Accepted(Acceptance::Same(status))) => status.id == request.id,
                    _ => false,
                };
                if is_kept {
                    self.log(&request, EventKind::Begun { id: request.id });
                }
                let next = told.and_then(|reply| {
                    intent::next(&request.intent, awaited, reply, &self.server, now).map_err(WorkError::from)
                });
                let next = next.unwrap_or_else(|failure| {
                    let reject = self.server.failed(failure.clone());
                    request.note = LogNote::of(&failure, reject.status());
                    NextStep::Refuse(reject)
                });
                self.proceed(Name::Waiting, request, next, since, now);
            }
            other => {
                self.phase = other;
                self.go_on(id, told, now);
            }
        }
        self.advance(now);
    }

    /// The deadline of the phase may have passed.
    pub fn handle_timeout(&mut self, now: Now) {
        if self.poll_timeout().is_none_or(|due| now.at < due) {
            return;
        }
        match &self.phase {
            Phase::Idle { .. } | Phase::Linger { .. } | Phase::Closed => self.phase = Phase::Closed,
            Phase::Head { since, .. } => {
                let (time, took) = (self.server.limits.head_time, now.at - *since);
                let received = self.recv.len() as u64;
                self.end_head(&HttpProblem::Slow { time, rate: None, received, took }, now);
            }
            Phase::Body { .. } => self.judge_pace(now),
            Phase::Waiting { request, awaited: Pending::Run, .. } => {
                let id = request.id;
                self.handle_done(id, &Err(WorkError::Late), now);
            }
            Phase::Waiting { .. } => self.stop_waiting(now),
            Phase::Reply { rest, .. } => {
                let waits = rest.as_ref().is_some_and(|rest| matches!(rest.rest, Continuation::Asked(_)));
                let is_store = waits && self.send.is_empty();
                self.cut_reply(if is_store { Cut::Store } else { Cut::Slow }, now);
            }
        }
    }

    /// The server is stopping: the connection ends with the next answer, or after a moment without a request (one may
    /// be on its way, and its sender could not know). A client that waits for a task is told its state.
    pub fn handle_drain(&mut self, now: Now) {
        match &mut self.phase {
            Phase::Idle { due, .. } => *due = (*due).min(now.at + PARTING),
            Phase::Waiting { awaited: Pending::Ended(_), .. } => self.stop_waiting(now),
            _ => {}
        }
    }

    /// The next order to the shell.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The bytes to be sent.
    #[must_use]
    pub fn poll_transmit(&self) -> Option<&SendBuf> {
        (!self.send.is_empty()).then_some(&self.send)
    }

    /// The socket has taken `n` bytes.
    pub fn sent(&mut self, n: usize, now: Now) {
        self.send.consume(n);
        let Phase::Reply { due, answer, rest, .. } = &mut self.phase else { return };
        answer.sent += n as u64;
        *due = self.server.limits.reply_due(*due, n, now.at);
        if !self.send.is_empty() {
            return;
        }
        if let Some(continued) = rest {
            match mem::replace(&mut continued.rest, Continuation::Asked(bank::Stream::default())) {
                Continuation::Due(next) => {
                    let (stream, ask) = next.ask();
                    continued.rest = Continuation::Asked(stream);
                    // The store's time is not the client's.
                    *due = now.at + self.server.limits.reply_time;
                    self.actions.push_back(Action::Ask(answer.id, ask));
                }
                asked @ Continuation::Asked(_) => continued.rest = asked,
            }
        } else {
            self.end_reply(now);
            self.advance(now);
        }
    }

    /// When [`Connection::handle_timeout`] wants to be called; None once closed.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let limits = &self.server.limits;
        match &self.phase {
            Phase::Idle { due, .. }
            | Phase::Waiting { due, .. }
            | Phase::Reply { due, .. }
            | Phase::Linger { due } => Some(*due),
            Phase::Head { since, .. } => Some(*since + limits.head_time),
            Phase::Body { upload, .. } => Some(upload.due(&self.server)),
            Phase::Closed => None,
        }
    }

    /// Whether bytes from the peer can be handled now.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        !self.peer_done
            && match &self.phase {
                Phase::Idle { .. } | Phase::Head { .. } | Phase::Body { .. } | Phase::Linger { .. } => true,
                Phase::Waiting { .. } | Phase::Reply { .. } => {
                    self.discards_input() || self.recv.len() < PIPELINED_MAX
                }
                Phase::Closed => false,
            }
    }

    /// Since when it waits for another request; None if it waits for its first, or is in the middle of one.
    #[must_use]
    pub fn idle_since(&self) -> Option<Instant> {
        match self.phase {
            Phase::Idle { since, .. } => since,
            _ => None,
        }
    }

    /// Whether nothing more will happen, so that the socket may go.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    /// Whether input is discarded: after a last answer, and behind netcat's picture (phones append megabytes).
    fn discards_input(&self) -> bool {
        match &self.phase {
            Phase::Waiting { request, .. } => request.kind == Kind::Netcat,
            Phase::Reply { then, .. } => *then == After::Close,
            Phase::Linger { .. } | Phase::Closed => true,
            _ => false,
        }
    }

    /// Handles what is in `recv` until it takes no more; if nothing will follow, judges that too.
    fn advance(&mut self, now: Now) {
        self.work_through(now);
        if self.peer_done {
            self.judge_eof(now);
        }
    }

    fn log(&mut self, request: &Request, what: EventKind) {
        self.tell_log(Some(request.id), request.caller.clone(), what);
    }

    /// A line of the log; of a request whose head did not come it is the other end's.
    fn tell_log(&mut self, id: Option<Uuid>, caller: Caller, what: EventKind) {
        let caller = Caller { address: caller.address.or(self.local_address.peer), ..caller };
        self.actions.push_back(Action::Log(LogEvent { id, caller, what }));
    }

    /// The other end's address.
    #[must_use]
    pub fn peer(&self) -> Option<IpAddr> {
        self.local_address.peer
    }

    /// Puts the next phase in; `from` is the one that was taken out.
    fn enter(&mut self, from: Name, next: Phase) {
        debug_assert!(may_follow(from, next.name()), "{from:?} -> {:?}", next.name());
        self.phase = next;
    }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
