//! Output: answers, refusals, and answers that continue with each part from the store.
//!
//! Rules: an answer is put into `send` whole, or chunk by chunk; what follows it is decided when it begins. Netcat gets
//! the file, or one line. The memory of a large answer is given back as it leaves. An answer that can't go on is cut, so
//! that the client sees an end without a last chunk.
use std::mem;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use uuid::Uuid;

use super::{Action, Connection};
use crate::conn::bank::Rest;
use crate::conn::intent::{self, Intent, Pending};
use crate::conn::phase::{After, Continuation, Continued, Name, Phase, Replying};
use crate::conn::problem::HttpProblem;
use crate::conn::request::{Kind, Request};
use crate::http::forwarded::id_of_refused;
use crate::http::reply::{Extent, Frame, LAST_CHUNK, Reply, push_chunk};
use crate::model::error::WorkError;
use crate::model::links::Link;
use crate::model::log_event::{Cut, EventKind};
use crate::model::now::Now;
use crate::model::picture::{Held, Picture, Times};
use crate::model::store::{BankFound, StoreReply};

/// So much of an answer that was sent is given back while the rest still waits.
const GIVE_BACK: usize = 2 << 20;

impl Connection {
    /// The figures that request `id` asked for.
    pub fn handle_metrics(&mut self, id: Uuid, page: Bytes, now: Now) {
        match mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Waiting { request, awaited: Pending::Metrics(figures), .. } if request.id == id => {
                let mut reservation = self.server.admission.reservation();
                // Where there is no room it is answered all the same, with one small page for each connection: figures
                // are wanted most when the memory is full.
                let _ = reservation.charge(page.len() as u64);
                let reply = intent::metrics_reply(figures, page);
                let then = self.emit(&request, &reply, After::Next, now);
                self.begin_reply(Name::Waiting, &request, reply.status, then, Held::Bytes(reservation), now);
            }
            other => self.phase = other,
        }
        self.advance(now);
    }

    /// Memory of an answer that the socket has taken, [`GIVE_BACK`] bytes or more, to be returned to the system while the
    /// rest still waits; they are charged to nothing any more. Only of an answer that this connection alone holds.
    pub fn poll_sent(&mut self) -> Option<BytesMut> {
        let Phase::Reply { held, answer, .. } = &mut self.phase else { return None };
        if answer.sent < GIVE_BACK as u64 {
            return None;
        }
        let reservation = held.sole()?;
        let sent = self.send.take_sent(GIVE_BACK)?;
        reservation.shrink_to(reservation.bytes().saturating_sub(sent.len() as u64));
        Some(sent)
    }

    /// The next part of an answer in parts has come; if it failed, the client sees an end without a last chunk.
    pub(super) fn go_on(&mut self, id: Uuid, told: Result<StoreReply, WorkError>, now: Now) {
        let Phase::Reply { answer, rest, due, held, .. } = &mut self.phase else { return };
        let Some(continued) = rest.as_mut().filter(|_| answer.id == id) else { return };
        let Continuation::Asked(stream) = &mut continued.rest else { return };
        let Ok(StoreReply::Bank(BankFound::Document(document))) = told else {
            return self.cut_reply(Cut::Store, now);
        };
        let (part, next) = Rest::take(mem::take(stream), document);
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

    /// Begins an answer that continues in parts.
    pub(super) fn stream(&mut self, from: Name, request: &Request, reply: &Reply, rest: Rest, now: Now) {
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

    pub(super) fn deliver(&mut self, request: &Request, picture: &Arc<Picture>, times: &Times, now: Now) {
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

    pub(super) fn announce(&mut self, request: &Request, link: &Link, times: &Times, now: Now) {
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

    pub(super) fn refuse(
        &mut self,
        from: Name,
        request: &Request,
        reject: &HttpProblem,
        then: After,
        now: Now,
    ) {
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
    pub(super) fn refuse_unread(&mut self, reject: &HttpProblem, now: Now) {
        let since = match &self.phase {
            Phase::Head { since, .. } => *since,
            _ => now.at,
        };
        let mut request = Request::unreadable((self.server.ids)(), since);
        let (limits, proxies) = (&self.server.limits.head, &self.server.access.proxies);
        if let Some(id) = id_of_refused(self.recv.data(), limits, self.local_address.peer, proxies) {
            request.caller.request_id = Some(id.clone().into());
            request.extra.push(("X-Request-Id", id.into()));
        }
        self.refuse(Name::Head, &request, reject, After::Close, now);
    }

    pub(super) fn answer(&mut self, from: Name, request: &Request, reply: &Reply, then: After, now: Now) {
        let then = self.emit(request, reply, then, now);
        self.begin_reply(from, request, reply.status, then, Held::Nothing, now);
    }

    /// Puts an answer into the send buffer; returns what follows it.
    pub(super) fn emit(&mut self, request: &Request, reply: &Reply, then: After, now: Now) -> After {
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

    pub(super) fn begin_reply(
        &mut self,
        from: Name,
        request: &Request,
        status: u16,
        then: After,
        held: Held,
        now: Now,
    ) {
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
    pub(super) fn end_reply(&mut self, now: Now) {
        let Phase::Reply { then, mut answer, .. } = mem::replace(&mut self.phase, Phase::Closed) else {
            return;
        };
        let caller = mem::take(&mut answer.caller);
        self.tell_log(Some(answer.id), caller, answer.told(None, now));
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
}
