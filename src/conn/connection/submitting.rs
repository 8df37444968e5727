//! What a complete request leads to: a known answer, work for the scheduler, a request to the store.
//!
//! Rules: what can be checked without looking into the picture is checked first. Each step that waits for another
//! enters [`Phase::Waiting`] with the deadline of that step.
use std::mem;
use std::time::{Duration, Instant};

use super::{Action, Connection};
use crate::conn::bank::{self, LIST_MAX};
use crate::conn::intent::{self, Intent, NextStep, Pending};
use crate::conn::phase::{After, Name, Phase};
use crate::conn::problem::HttpProblem;
use crate::conn::request::Request;
use crate::conn::upload::{EarlyReply, Received, Upload};
use crate::http::format::Format;
use crate::http::sniff::Foreign;
use crate::model::error::WorkError;
use crate::model::job::{Owner, Product};
use crate::model::log_event::EventKind;
use crate::model::now::Now;
use crate::model::store::{Ask, BankLook};
use crate::model::task::Submission;
use crate::model::transform::RequestedTransform;
use crate::model::work_request::{WorkRequest, WorkSource};

/// A run ends by its own deadline; if it is lost, the conversation ends so much later.
pub(super) const SLACK: Duration = Duration::from_secs(5);

impl Connection {
    /// The upload is complete: checks all that does not need the picture's content, and hands it over.
    pub(super) fn submit(&mut self, request: Request, upload: Upload, now: Now) {
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

    /// Does what the head alone has decided.
    pub(super) fn settle(
        &mut self,
        from: Name,
        mut request: Request,
        known: EarlyReply,
        then: After,
        now: Now,
    ) {
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

    /// The client's time to wait is over, or ours.
    pub(super) fn stop_waiting(&mut self, now: Now) {
        match mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Waiting { request, awaited, since, .. } => {
                let next = intent::overdue(&awaited, &self.server, now);
                self.proceed(Name::Waiting, request, next, since, now);
            }
            other => self.phase = other,
        }
        self.advance(now);
    }

    /// Does the next step of a request about a task.
    pub(super) fn proceed(
        &mut self,
        from: Name,
        mut request: Request,
        next: NextStep,
        since: Instant,
        now: Now,
    ) {
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

    /// Hands over the look at a file.
    fn look(&mut self, from: Name, request: Request, source: WorkSource, now: Now) {
        let (id, reservation) = (request.id, self.server.admission.reservation());
        let order = WorkRequest { id, owner: Owner::Client, source, reservation, read_time: None };
        self.watch(from, request, Box::new(order), now);
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
            let look = BankLook::Missing(folder.clone(), picture.into());
            let ask = Ask::Document { look, reservation };
            return Ok(Ordered::Known(Box::new(EarlyReply::Bank(ask))));
        }
        let format = format_of(&picture, request.as_fields).map_err(|failure| self.server.failed(failure))?;
        let requested = RequestedTransform::read(&request.parameters, &fields, self.server.limits.factor)?;
        if let Intent::Task(handover) = &request.intent {
            // A client that asks for a task accepts a document about it; another request fetches the picture.
            let transform = requested
                .transform(format)
                .or_else(|| handover.is_told_later().then(|| requested.resolve_as_input(format)));
            let (transform, key) = (transform.ok_or(HttpProblem::NotAcceptable)?, handover.key.clone());
            let submission =
                Submission { id: request.id, picture, transform, key, at: now.wall, reservation };
            return Ok(Ordered::Task(Box::new(submission)));
        }
        let (transform, product) = match &request.intent {
            // A link is a JPEG, whatever its client would accept in an answer.
            Intent::Link { .. } => (requested.resolve_for_link(), Product::Link),
            Intent::Bank(_) => (requested.resolve_for_link(), Product::Face),
            _ => (requested.transform(format).ok_or(HttpProblem::NotAcceptable)?, Product::File),
        };
        let source = WorkSource::Upload { picture, transform, product };
        let read_time = Some(now.at - request.began_at);
        let (id, owner) = (request.id, Owner::Client);
        Ok(Ordered::Work(Box::new(WorkRequest { id, owner, source, reservation, read_time })))
    }
}

enum Ordered {
    Work(Box<WorkRequest>),
    Task(Box<Submission>),
    Known(Box<EarlyReply>),
}

/// Shortest picture whose missing line ends tell something, in bytes: a shorter one is cut before it could have some.
const STRIPPED_MIN: usize = 64;

/// The format of what was sent as a picture; `as_fields`: with the type of a form without files.
fn format_of(picture: &[u8], as_fields: bool) -> Result<Format, WorkError> {
    // `curl -d` strips these bytes from a file, and every file of these formats has some (but Netpbm in text).
    let is_stripped = memchr::memchr3(b'\r', b'\n', 0, picture).is_none();
    match (Format::of_file(picture), Foreign::of(picture)) {
        _ if picture.is_empty() => Err(WorkError::Empty),
        (Some(format), _) if !is_stripped || format == Format::Pnm => Ok(format),
        (Some(_), _) if as_fields => Err(WorkError::SentAsFields { known: true }),
        (Some(_), _) if picture.len() >= STRIPPED_MIN => Err(WorkError::LineEndsLost),
        (Some(format), _) => Ok(format),
        (_, None | Some(Foreign::LineEnds)) if is_stripped && as_fields => {
            Err(WorkError::SentAsFields { known: false })
        }
        (_, Some(foreign)) => Err(WorkError::Foreign(foreign)),
        (_, None) => Err(WorkError::UnknownFormat),
    }
}
