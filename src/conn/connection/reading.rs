//! What comes in: from bytes to heads, from heads to bodies, from bodies to what is to be done.
//!
//! Rules: each phase takes what it understands and leaves the rest in `recv`. Input that can't be read is refused, and
//! ends the connection. It does not do the work: [`submitting`](super::submitting) hands it over.
use std::mem;

use super::Connection;
use crate::conn::intent::Intent;
use crate::conn::phase::{After, Name, Phase};
use crate::conn::problem::HttpProblem;
use crate::conn::request::{Decision, Request, decide};
use crate::conn::upload::{Progress, Upload};
use crate::http::access::AccessError;
use crate::http::format::{Format, Sniff};
use crate::http::forwarded::Forwarded;
use crate::http::head::{RequestHead, poll_head};
use crate::http::image_end::ImageEnd;
use crate::http::reply::CONTINUE;
use crate::http::sniff::{Foreign, Opening};
use crate::model::error::WorkError;
use crate::model::now::Now;

/// Line ends between requests that are waited through; more are judged as the beginning of a head.
const BLANK_MAX: usize = 8;

impl Connection {
    /// All input has been handled, and no more will come.
    pub(super) fn judge_eof(&mut self, now: Now) {
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

    pub(super) fn work_through(&mut self, now: Now) {
        while !self.recv.is_empty() {
            match &mut self.phase {
                // RFC 9112 §2.2: an empty line between requests does not belong to the next one.
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
    pub(super) fn end_head(&mut self, reject: &HttpProblem, now: Now) {
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
            // Netcat mode has no place for a key.
            let reject = HttpProblem::Access(AccessError::Unauthorized { sent: false });
            return self.refuse(Name::Head, &request, &reject, After::Close, now);
        }
        if let Some(reject) = self.server.overloaded() {
            return self.refuse(Name::Head, &request, &reject, After::Close, now);
        }
        let upload = Upload::picture(ImageEnd::new(format), self.server.admission.reservation(), now.at);
        self.enter(Name::Head, Phase::Body { request, upload: Box::new(upload) });
    }

    /// The first bytes (`judged` of them) are neither HTTP nor a picture: netcat is told what they seem to be.
    fn refuse_foreign(&mut self, judged: usize, now: Now) {
        let first = self.recv.data();
        let failure = Foreign::of(&first[..judged]).map_or(WorkError::UnknownFormat, WorkError::Foreign);
        let request = Request::netcat((self.server.ids)(), now.at);
        let reject = self.server.failed(failure);
        self.refuse(Name::Head, &request, &reject, After::Close, now);
    }

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
    pub(super) fn handle_progress(&mut self, progress: Progress, now: Now) {
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

    /// Checks the pace at the end of a stretch of the body.
    pub(super) fn judge_pace(&mut self, now: Now) {
        if let Phase::Body { upload, .. } = &mut self.phase
            && let Err(reject) = upload.keep_pace(&self.server, now.at)
        {
            self.handle_progress(Progress::Refused(reject), now);
        }
    }
}

/// Nothing but a few line ends, as some clients send behind a body.
fn is_blank(input: &[u8]) -> bool {
    input.len() <= BLANK_MAX && input.iter().all(|byte| matches!(byte, b'\r' | b'\n'))
}
