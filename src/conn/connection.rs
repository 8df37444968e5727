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
//! Rules: a transition takes the phase out (`mem::replace` with `Closed`), matches it by value and puts the next in,
//! so a bug in between leaves a closed connection, never a half-alive one; [`phase`](super::phase) has the whole
//! table and every transition is checked against it. Every live phase has an absolute deadline, and interest in input is a function
//! of the phase: neither is a field that could disagree with it. While an answer is on its way, pipelined bytes
//! wait in `RecvBuf` (16 KiB) and then in the kernel: that is the back-pressure. An end of input is judged by the
//! phase: cutting a request short is a 400, having sent it whole and half-closed is how netcat asks.
//!
//! Its surface is quinn's: `handle_*` take input, `poll_*` give output; each input is followed by a full drain of
//! [`Connection::poll_action`].
use core::net::IpAddr;
use std::collections::VecDeque;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use uuid::Uuid;

use super::bank::{self, LIST_MAX, Rest};
use super::intent::{self, Intent, NextStep, Pending};
use super::local_address::{ListenerRole, LocalAddress};
use super::phase::{After, Continuation, Continued, Name, Phase, Replying, may_follow};
use super::problem::HttpProblem;
use super::request::{Decision, Kind, Request, decide};
use super::upload::{EarlyReply, Progress, Received, Upload};
use crate::http::access::AccessError;
use crate::http::buf::{RecvBuf, SendBuf};
use crate::http::format::{Format, Sniff};
use crate::http::forwarded::Forwarded;
use crate::http::head::{RequestHead, poll_head};
use crate::http::image_end::ImageEnd;
use crate::http::reply::{CONTINUE, Extent, Frame, LAST_CHUNK, Reply, push_chunk};
use crate::http::sniff::{Foreign, Opening};
use crate::model::error::WorkError;
use crate::model::job::{Product, WorkOutput, WorkResult};
use crate::model::links::Link;
use crate::model::log_event::{Caller, EventKind, LogEvent, LogNote};
use crate::model::now::Now;
use crate::model::picture::{Held, Picture, Times};
use crate::model::server_state::{Figures, ServerState};
use crate::model::store::{Acceptance, Ask, BankFound, BankLook, StoreReply, StoreWrite};
use crate::model::task::Submission;
use crate::model::transform::RequestedTransform;
use crate::model::work_request::{WorkRequest, WorkSource};

/// The most bytes that may be handed to [`Connection::handle_input`] at once.
pub const INPUT_MAX: usize = 64 << 10;
/// Input that waits its turn while an answer is on its way; past this the kernel keeps it.
const PIPELINED_MAX: usize = 16 << 10;
/// Line ends between requests that are waited through; more are judged as the beginning of a head.
const BLANK_MAX: usize = 8;
/// A stopping server keeps an idle connection so long: a proxy may just have sent a request on it.
const PARTING: Duration = Duration::from_secs(1);
/// A run ends by its own deadline; should it be lost, the conversation ends so much later.
const SLACK: Duration = Duration::from_secs(5);

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
    /// Where the client came in.
    local_address: LocalAddress,
    server: Rc<ServerState>,
}

/// What the shell is to do.
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
        // Whoever connects has something to say: as long as for a head, not as long as between two requests.
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
            Phase::Reply { mut answer, .. } => {
                let caller = mem::take(&mut answer.caller);
                self.tell_log(Some(answer.id), caller, answer.told(true, now));
            }
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
                        Ok(reply) => self.answer(Name::Waiting, &request, &reply, After::Next, now),
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

    /// The figures that request `id` asked for.
    pub fn handle_metrics(&mut self, id: Uuid, page: Bytes, now: Now) {
        match mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Waiting { request, awaited: Pending::Metrics(figures), .. } if request.id == id => {
                self.answer(Name::Waiting, &request, &intent::metrics_reply(figures, page), After::Next, now);
            }
            other => self.phase = other,
        }
        self.advance(now);
    }

    /// The next part of an answer that goes on has come; if it has not, the client sees an end without a last chunk.
    fn go_on(&mut self, id: Uuid, told: Result<StoreReply, WorkError>, now: Now) {
        let Phase::Reply { answer, rest, due, held, .. } = &mut self.phase else { return };
        let Some(continued) = rest.as_mut().filter(|_| answer.id == id) else { return };
        let Continuation::Asked(folder) = &mut continued.rest else { return };
        let Ok(StoreReply::Bank(BankFound::Document(document))) = told else { return self.handle_gone(now) };
        let (part, next) = Rest::take(mem::take(folder), document);
        let chunked = continued.chunked;
        *due = now.at + self.server.limits.reply_time;
        let is_last = next.is_err();
        match next {
            Ok(next) => continued.rest = Continuation::Due(next),
            Err(reservation) => {
                *rest = None;
                *held = Held::Bytes(reservation);
            }
        }
        if chunked {
            push_chunk(part, &mut self.send);
        } else {
            self.send.push(part);
        }
        if is_last && chunked {
            self.send.push(LAST_CHUNK);
        }
        if self.send.is_empty() {
            // Nothing was left, and the end of the connection says so.
            self.end_reply(now);
        }
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
            Phase::Reply { .. } => self.handle_gone(now),
        }
    }

    /// The server is stopping: another request ends the connection with its answer, and none within a moment ends it too
    /// (one may be on its way already, and its sender could not know); who waits for a task to end is told how it stands.
    pub fn handle_drain(&mut self, now: Now) {
        match &mut self.phase {
            Phase::Idle { due, .. } => *due = (*due).min(now.at + PARTING),
            Phase::Waiting { awaited: Pending::Ended(_), .. } => self.stop_waiting(now),
            _ => {}
        }
    }

    /// What the shell is to do next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// What is to be sent.
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
            match mem::replace(&mut continued.rest, Continuation::Asked(String::new())) {
                Continuation::Due(next) => {
                    let (folder, ask) = next.ask();
                    continued.rest = Continuation::Asked(folder);
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

    /// Whether bytes from the peer are of use now.
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

    /// After a last answer, and in netcat mode behind the picture (phones append megabytes), input is thrown away.
    fn discards_input(&self) -> bool {
        match &self.phase {
            Phase::Waiting { request, .. } => request.kind == Kind::Netcat,
            Phase::Reply { then, .. } => *then == After::Close,
            Phase::Linger { .. } | Phase::Closed => true,
            _ => false,
        }
    }

    /// Works through what waits in `recv` until it takes no more; if nothing will follow it, judges that too.
    fn advance(&mut self, now: Now) {
        self.work_through(now);
        if self.peer_done {
            self.judge_eof(now);
        }
    }

    /// All input has been looked at, and there will be no more.
    fn judge_eof(&mut self, now: Now) {
        match &mut self.phase {
            Phase::Idle { .. } | Phase::Linger { .. } | Phase::Closed => self.phase = Phase::Closed,
            Phase::Head { .. } => self.end_head(&HttpProblem::Truncated, now),
            Phase::Body { upload, .. } => {
                let progress = upload.handle_eof();
                self.handle_progress(progress, now);
            }
            // It has asked and waits for the answer, as `nc -N` does.
            Phase::Waiting { .. } | Phase::Reply { .. } => {}
        }
    }

    fn work_through(&mut self, now: Now) {
        while !self.recv.is_empty() {
            match &mut self.phase {
                // RFC 9112 §2.2: an empty line between requests is none of the next one's.
                Phase::Idle { .. } if is_blank(self.recv.data()) => return,
                Phase::Idle { fresh, .. } => {
                    let (fresh, since) = (*fresh, now.at);
                    self.enter(Name::Idle, Phase::Head { fresh, since });
                }
                Phase::Head { fresh: fresh @ true, .. } => match Format::sniff(self.recv.data()) {
                    Sniff::NeedMore => return,
                    Sniff::Unknown => match Opening::of(self.recv.data()) {
                        Opening::Request => *fresh = false,
                        Opening::NeedMore => return,
                        Opening::Foreign(judged) => self.refuse_foreign(judged, now),
                    },
                    Sniff::Picture(format) => self.begin_netcat(format, now),
                },
                Phase::Head { fresh: false, .. } => {
                    match poll_head(&mut self.recv, &self.server.limits.head) {
                        Ok(None) => return,
                        Ok(Some(head)) => self.begin_http(&head, now),
                        // RFC 8446 §5.1: a handshake record, of which no more than this byte may have come.
                        Err(_) if self.recv.data().first() == Some(&0x16) => {
                            self.refuse_unread(&HttpProblem::Tls, now);
                        }
                        Err(error) => self.refuse_unread(&HttpProblem::Head(error), now),
                    }
                }
                Phase::Body { upload, .. } => {
                    let (used, progress) = upload.push(self.recv.data(), &self.server);
                    self.recv.consume(used);
                    self.handle_progress(progress, now);
                }
                Phase::Waiting { .. } | Phase::Reply { .. } | Phase::Linger { .. } | Phase::Closed => return,
            }
        }
    }

    /// No more of a head comes: `reject`, unless the connection began with bytes that are neither HTTP nor a picture.
    fn end_head(&mut self, reject: &HttpProblem, now: Now) {
        let first = self.recv.data();
        let is_fresh = matches!(self.phase, Phase::Head { fresh: true, .. });
        match (Format::sniff(first), Opening::at_end(first)) {
            (Sniff::Unknown, Opening::Foreign(judged)) if is_fresh => self.refuse_foreign(judged, now),
            _ => self.refuse_unread(reject, now),
        }
    }

    /// The connection's first bytes are a picture's.
    fn begin_netcat(&mut self, format: Format, now: Now) {
        let mut request = Request::netcat((self.server.ids)(), now.at);
        if let port @ Some(_) = self.server.limits.links_port {
            request.intent =
                Intent::Link { base: self.local_address.base(&Forwarded::default(), None, port) };
        }
        if self.server.access.key.borrow().is_some() {
            // There is no place for a key.
            let reject = HttpProblem::Access(AccessError::Unauthorized { sent: false });
            return self.refuse(Name::Head, &request, &reject, After::Close, now);
        }
        if let Some(reject) = self.server.overloaded() {
            return self.refuse(Name::Head, &request, &reject, After::Close, now);
        }
        let upload = Upload::picture(ImageEnd::new(format), self.server.admission.reservation(), now.at);
        self.enter(Name::Head, Phase::Body { request, upload: Box::new(upload) });
    }

    /// The connection's first bytes, so many of them, are neither HTTP nor a picture: netcat is told what they seem to be.
    fn refuse_foreign(&mut self, judged: usize, now: Now) {
        let first = self.recv.data();
        let failure = Foreign::of(&first[..judged]).map_or(WorkError::UnknownFormat, WorkError::Foreign);
        let request = Request::netcat((self.server.ids)(), now.at);
        let reject = self.server.failed(failure);
        self.refuse(Name::Head, &request, &reject, After::Close, now);
    }

    /// A head is complete.
    fn begin_http(&mut self, head: &RequestHead, now: Now) {
        let id = (self.server.ids)();
        let mut request = Request::http(id, head, now.at);
        match decide(head, &mut request, &self.local_address, &self.server) {
            Decision::Answer(known) => self.settle(Name::Head, request, known, After::Next, now),
            Decision::Dismiss(known) => self.settle(Name::Head, request, known, After::Close, now),
            Decision::Read { sink, ask } => {
                // RFC 9110 §10.1.1: a client whose body has begun to arrive need not be asked for it.
                if ask && self.recv.is_empty() {
                    self.send.push(CONTINUE);
                }
                let upload = Upload::http(head.framing(), sink, self.server.admission.reservation(), now.at);
                self.enter(Name::Head, Phase::Body { request, upload: Box::new(upload) });
            }
        }
    }

    /// The body has moved on.
    fn handle_progress(&mut self, progress: Progress, now: Now) {
        if matches!(progress, Progress::More) {
            return;
        }
        let Phase::Body { mut request, upload } = mem::replace(&mut self.phase, Phase::Closed) else {
            return;
        };
        request.received = upload.received();
        match progress {
            Progress::More => {}
            Progress::Complete => self.submit(request, *upload, now),
            Progress::Refused(reject) => self.refuse(Name::Body, &request, &reject, After::Close, now),
            Progress::TooLongToDiscard(known) => {
                self.settle(Name::Body, request, *known, After::Close, now);
            }
        }
    }

    /// The upload is complete: checks what can be checked without looking into the picture, and hands it over.
    fn submit(&mut self, request: Request, upload: Upload, now: Now) {
        match self.order(&request, upload, now) {
            Err(reject) => self.refuse(Name::Body, &request, &reject, After::Next, now),
            Ok(Ordered::Known(known)) => self.settle(Name::Body, request, *known, After::Next, now),
            Ok(Ordered::Work(order)) => {
                self.log(&request, EventKind::Received { bytes: request.received });
                self.log(&request, EventKind::Begun { id: request.id });
                self.watch(Name::Body, request, order, now);
            }
            Ok(Ordered::Task(submission)) => {
                self.log(&request, EventKind::Received { bytes: request.received });
                self.proceed(Name::Body, request, intent::submit_task(*submission, now), now.at, now);
            }
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

    /// Does what was known from the head alone.
    fn settle(&mut self, from: Name, mut request: Request, known: EarlyReply, then: After, now: Now) {
        if then == After::Close {
            request.close_after();
        }
        let next = match known {
            EarlyReply::Reply(reply) => return self.answer(from, &request, &reply, then, now),
            EarlyReply::File(file_request) => {
                return self.look(from, request, WorkSource::File(Box::new(file_request)), now);
            }
            EarlyReply::Linked(link_request) => {
                return self.look(from, request, WorkSource::Linked(Box::new(link_request)), now);
            }
            EarlyReply::Metrics(figures) => NextStep::Measure(figures),
            EarlyReply::Bank(read) => intent::ask_bank(read, now),
            EarlyReply::Task(id) => intent::first(&request.intent, id, &self.server, now),
        };
        self.proceed(from, request, next, now.at, now);
    }

    /// A stretch of the body is over.
    fn judge_pace(&mut self, now: Now) {
        if let Phase::Body { upload, .. } = &mut self.phase
            && let Err(reject) = upload.keep_pace(&self.server, now.at)
        {
            self.handle_progress(Progress::Refused(reject), now);
        }
    }

    /// The client's time to wait is over, or ours.
    fn stop_waiting(&mut self, now: Now) {
        match mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Waiting { request, awaited, since, .. } => {
                let next = intent::overdue(&awaited, &self.server, now);
                self.proceed(Name::Waiting, request, next, since, now);
            }
            other => self.phase = other,
        }
        self.advance(now);
    }

    /// Does what was decided about a request that concerns a task.
    fn proceed(&mut self, from: Name, mut request: Request, next: NextStep, since: Instant, now: Now) {
        match next {
            NextStep::Ask { ask, awaited, due } => {
                self.actions.push_back(Action::Ask(request.id, ask));
                self.enter(from, Phase::Waiting { request, awaited, since, due });
            }
            NextStep::Watch { task, due } => {
                self.actions.push_back(Action::Watch(request.id, task));
                self.enter(from, Phase::Waiting { request, awaited: Pending::Ended(task), since, due });
            }
            NextStep::Measure(figures) => {
                self.actions.push_back(Action::Metrics(request.id, figures));
                let due = intent::store_due(now);
                self.enter(from, Phase::Waiting { request, awaited: Pending::Metrics(figures), since, due });
            }
            NextStep::Answer { reply, held, id } => {
                // Where the answer is a task's, it carries the task's name.
                request.id = id.unwrap_or(request.id);
                let then = self.emit(&request, &reply, After::Next, now);
                self.begin_reply(from, &request, reply.status, then, held, now);
            }
            NextStep::Stream { reply, rest } => self.stream(from, &request, &reply, rest, now),
            NextStep::Refuse(reject) => self.refuse(from, &request, &reject, After::Next, now),
        }
    }

    /// Has a file looked at.
    fn look(&mut self, from: Name, request: Request, origin: WorkSource, now: Now) {
        let (id, reservation) = (request.id, self.server.admission.reservation());
        let order = WorkRequest { id, origin, reservation, read: None };
        self.watch(from, request, Box::new(order), now);
    }

    /// Begins an answer that goes on.
    fn stream(&mut self, from: Name, request: &Request, reply: &Reply, rest: Rest, now: Now) {
        let chunked = request.chunks;
        let extent = if chunked { Extent::Chunked } else { Extent::UntilClose };
        let after = if chunked { After::Next } else { After::Close };
        let then = self.emit_as(request, reply, extent, after, now);
        self.begin_reply(from, request, reply.status, then, Held::Nothing, now);
        if let Phase::Reply { rest: continued, .. } = &mut self.phase
            && !matches!(request.kind, Kind::Http { head_only: true, .. })
        {
            *continued = Some(Box::new(Continued { rest: Continuation::Due(rest), chunked }));
        }
    }

    /// Hands work over and waits for its end.
    fn watch(&mut self, from: Name, request: Request, order: Box<WorkRequest>, now: Now) {
        self.actions.push_back(Action::Submit(order));
        let due = now.at + self.server.limits.deadline + SLACK;
        self.enter(from, Phase::Waiting { request, awaited: Pending::Run, since: now.at, due });
    }

    fn order(&self, request: &Request, upload: Upload, now: Now) -> Result<Ordered, HttpProblem> {
        let received = upload.received();
        let (picture, fields, reservation) = match upload.finish()? {
            Received::Discarded(known) => return Ok(Ordered::Known(known)),
            Received::Picture { picture, fields, reservation } => (picture, fields, reservation),
        };
        if let Intent::Bank(bank::BankRequest::Missing { folder }) = &request.intent {
            if received > LIST_MAX {
                return Err(HttpProblem::ListTooLong { max: LIST_MAX, received });
            }
            let (folder, names) = (folder.clone(), bank::names_of(&picture)?);
            let ask = Ask::Document { look: BankLook::Missing(folder, names), reservation };
            return Ok(Ordered::Known(Box::new(EarlyReply::Bank(ask))));
        }
        let format = format_of(&picture, request.as_fields).map_err(|failure| self.server.failed(failure))?;
        let requested = RequestedTransform::read(&request.parameters, &fields, self.server.limits.factor)?;
        if let Intent::Task(handover) = &request.intent {
            // Who asks for a task accepts a document about it; the picture comes later, to another request.
            let transform = requested
                .transform(format)
                .or_else(|| handover.is_told_later().then(|| requested.resolve_as_input(format)));
            let (transform, key) = (transform.ok_or(HttpProblem::NotAcceptable)?, handover.key.clone());
            let submission =
                Submission { id: request.id, picture, transform, key, at: now.wall, reservation };
            return Ok(Ordered::Task(Box::new(submission)));
        }
        let (transform, product) = match &request.intent {
            // What is kept here is a JPEG, whatever its sender would take in an answer.
            Intent::Link { .. } => (requested.resolve_for_link(), Product::Link),
            Intent::Bank(_) => (requested.resolve_for_link(), Product::Face),
            _ => (requested.transform(format).ok_or(HttpProblem::NotAcceptable)?, Product::File),
        };
        let origin = WorkSource::Upload { picture, transform, product };
        let read = Some(now.at - request.began_at);
        Ok(Ordered::Work(Box::new(WorkRequest { id: request.id, origin, reservation, read })))
    }

    /// Answers with a picture.
    fn deliver(&mut self, request: &Request, picture: &Arc<Picture>, times: &Times, now: Now) {
        if request.kind == Kind::Netcat {
            self.send.push(picture.file.clone());
            self.begin_reply(
                Name::Waiting,
                request,
                200,
                After::Close,
                Held::Picture(Arc::clone(picture)),
                now,
            );
        } else {
            let then = self.emit(request, &picture.reply(times, now.wall), After::Next, now);
            self.begin_reply(Name::Waiting, request, 200, then, Held::Picture(Arc::clone(picture)), now);
        }
    }

    /// Answers with a link.
    fn announce(&mut self, request: &Request, link: &Link, times: &Times, now: Now) {
        let base = if let Intent::Link { base } = &request.intent { base } else { "" };
        let url = format!("{base}{}", link.name);
        if request.kind == Kind::Netcat {
            self.send.push(Link::line(&url).into_bytes());
            self.begin_reply(Name::Waiting, request, 201, After::Close, Held::Nothing, now);
        } else {
            self.answer(Name::Waiting, request, &link.reply(&url, times), After::Next, now);
        }
        self.log(request, EventKind::Linked { url });
    }

    /// Answers with an error.
    fn refuse(&mut self, from: Name, request: &Request, reject: &HttpProblem, then: After, now: Now) {
        if request.kind == Kind::Netcat {
            self.send.push(reject.line().into_bytes());
            self.begin_reply(from, request, reject.status(), After::Close, Held::Nothing, now);
        } else {
            self.answer(from, request, &reject.reply(request.id, request.as_page), then, now);
        }
        if let Phase::Reply { answer, .. } = &mut self.phase {
            answer.labels.refused = Some(reject.reason());
        }
    }

    /// Answers what could not be read as a request.
    fn refuse_unread(&mut self, reject: &HttpProblem, now: Now) {
        let since = match &self.phase {
            Phase::Head { since, .. } => *since,
            _ => now.at,
        };
        let request = Request::unreadable((self.server.ids)(), since);
        self.refuse(Name::Head, &request, reject, After::Close, now);
    }

    fn answer(&mut self, from: Name, request: &Request, reply: &Reply, then: After, now: Now) {
        let then = self.emit(request, reply, then, now);
        self.begin_reply(from, request, reply.status, then, Held::Nothing, now);
    }

    /// Puts an answer into the send buffer; says what will follow it.
    fn emit(&mut self, request: &Request, reply: &Reply, then: After, now: Now) -> After {
        self.emit_as(request, reply, Extent::Whole, then, now)
    }

    fn emit_as(&mut self, request: &Request, reply: &Reply, extent: Extent, then: After, now: Now) -> After {
        let Kind::Http { keep_alive, head_only } = request.kind else { return After::Close };
        let last = self.server.draining.get() || self.peer_done && self.recv.is_empty();
        let keep_alive = keep_alive && then == After::Next && !last;
        let frame =
            Frame { id: request.id, date: now.wall, keep_alive, head_only, extent, extra: &request.extra };
        reply.emit(&frame, &mut self.send);
        if keep_alive { After::Next } else { After::Close }
    }

    fn begin_reply(&mut self, from: Name, request: &Request, status: u16, then: After, held: Held, now: Now) {
        let answer = Replying {
            id: request.id,
            caller: request.caller.clone(),
            shown: request.shown.clone(),
            status,
            received: request.received,
            sent: 0,
            began_at: request.began_at,
            answered_at: now.at,
            labels: request.labels,
            is_health_check: request.is_health_check,
            note: request.note.clone(),
        };
        let due = now.at + self.server.limits.reply_time;
        self.enter(from, Phase::Reply { then, answer, due, rest: None, held });
    }

    /// The last byte of an answer is with the kernel.
    fn end_reply(&mut self, now: Now) {
        let Phase::Reply { then, mut answer, .. } = mem::replace(&mut self.phase, Phase::Closed) else {
            return;
        };
        let caller = mem::take(&mut answer.caller);
        self.tell_log(Some(answer.id), caller, answer.told(false, now));
        let limits = &self.server.limits;
        let next = match then {
            After::Next => Phase::Idle { fresh: false, since: Some(now.at), due: now.at + limits.idle_time },
            After::Close if self.peer_done => Phase::Closed,
            After::Close => {
                // RFC 9112 §9.6: closing at once could reset the connection before the peer has read the answer.
                self.actions.push_back(Action::ShutdownWrite);
                Phase::Linger { due: now.at + limits.linger_time }
            }
        };
        self.enter(Name::Reply, next);
    }

    /// Puts the next phase in; `from` is the one that was taken out.
    fn enter(&mut self, from: Name, next: Phase) {
        debug_assert!(may_follow(from, next.name()), "{from:?} -> {:?}", next.name());
        self.phase = next;
    }
}

/// What a complete upload turns out to be.
enum Ordered {
    Work(Box<WorkRequest>),
    Task(Box<Submission>),
    Known(Box<EarlyReply>),
}

/// The format of what was sent as a picture; `as_fields`: with the type of a form without files.
fn format_of(picture: &[u8], as_fields: bool) -> Result<Format, WorkError> {
    // What `curl -d` takes out of a file, and what no file of these formats is without (of Netpbm there is one in text).
    let is_stripped = as_fields && memchr::memchr3(b'\r', b'\n', 0, picture).is_none();
    match (Format::of_file(picture), Foreign::of(picture)) {
        _ if picture.is_empty() => Err(WorkError::Empty),
        (Some(format), _) if !is_stripped || format == Format::Pnm => Ok(format),
        (Some(_), _) => Err(WorkError::SentAsFields { known: true }),
        (_, None | Some(Foreign::LineEnds)) if is_stripped => Err(WorkError::SentAsFields { known: false }),
        (_, Some(foreign)) => Err(WorkError::Foreign(foreign)),
        (_, None) => Err(WorkError::UnknownFormat),
    }
}

/// Nothing but a few line ends, as some clients send behind a body.
fn is_blank(input: &[u8]) -> bool {
    input.len() <= BLANK_MAX && input.iter().all(|byte| matches!(byte, b'\r' | b'\n'))
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
