//! The phases of a conversation and the table of what may follow what: the data of [`connection`](super::connection).
//!
//! Every live phase has an absolute deadline, or one counted from when it began. The data of a phase live inside it: a
//! form exists only in a body, and nothing is parsed while a reply is in flight.
use std::time::Instant;

use uuid::Uuid;

use super::bank::{Rest, Stream};
use super::intent::Pending;
use super::request::Request;
use super::upload::Upload;
use crate::model::log_event::{Caller, Cut, EventKind, LogNote, MetricLabels};
use crate::model::now::Now;
use crate::model::picture::Held;

#[derive(Debug)]
pub(super) enum Phase {
    /// Between requests. `fresh`: nothing has come on this connection yet. `since`: the last answer was sent then; None
    /// before the first request.
    Idle { fresh: bool, since: Option<Instant>, due: Instant },
    /// A request has begun. `fresh`: its first bytes tell whether this is HTTP or netcat.
    Head { fresh: bool, since: Instant },
    /// A body is coming.
    Body { request: Request, upload: Box<Upload> },
    /// The picture, or the question, is out with another part of the server.
    Waiting { request: Request, awaited: Pending, since: Instant, due: Instant },
    /// An answer is on its way; its bytes are charged to `held`, `rest` is what comes after them.
    Reply { then: After, answer: Replying, due: Instant, rest: Option<Box<Continued>>, held: Held },
    /// The last answer is sent; what the peer still sends is read and discarded, so that it can read the answer.
    Linger { due: Instant },
    /// Nothing more happens.
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    Next,
    Close,
}

/// An answer that continues with each part from the store.
#[derive(Debug)]
pub(super) struct Continued {
    pub(super) rest: Continuation,
    /// Each part is a chunk (RFC 9112 §7.1); otherwise the end of the connection is the end.
    pub(super) chunked: bool,
}

/// The state of an answer in parts.
#[derive(Debug)]
pub(super) enum Continuation {
    /// The next part is to be asked for when the last one is with the kernel.
    Due(Rest),
    /// The next part of this has been asked for.
    Asked(Stream),
}

/// The log's facts about an answer.
#[derive(Debug)]
pub(super) struct Replying {
    pub(super) id: Uuid,
    pub(super) caller: Caller,
    pub(super) shown: String,
    pub(super) status: u16,
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) began_at: Instant,
    pub(super) answered_at: Instant,
    pub(super) labels: MetricLabels,
    /// A probe, whose answer is logged only for debugging while it is good.
    pub(super) is_health_check: bool,
    /// What went wrong, where the status does not tell it.
    pub(super) note: Option<LogNote>,
}

/// The names of the phases, for the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Idle,
    Head,
    Body,
    Waiting,
    Reply,
    Linger,
    Closed,
}

/// phase -> the phases that may follow it. Closed may follow each: the peer is gone, or has been too slow.
const NEXT: [(Name, &[Name]); 7] = [
    (Name::Idle, &[Name::Head]),
    (Name::Head, &[Name::Body, Name::Waiting, Name::Reply]),
    (Name::Body, &[Name::Waiting, Name::Reply]),
    // Again: one answer led to the next question.
    (Name::Waiting, &[Name::Waiting, Name::Reply]),
    (Name::Reply, &[Name::Idle, Name::Linger]),
    (Name::Linger, &[]),
    (Name::Closed, &[]),
];

impl Phase {
    pub(super) fn name(&self) -> Name {
        match self {
            Self::Idle { .. } => Name::Idle,
            Self::Head { .. } => Name::Head,
            Self::Body { .. } => Name::Body,
            Self::Waiting { .. } => Name::Waiting,
            Self::Reply { .. } => Name::Reply,
            Self::Linger { .. } => Name::Linger,
            Self::Closed => Name::Closed,
        }
    }
}

impl Replying {
    pub(super) fn told(self, cut: Option<Cut>, now: Now) -> EventKind {
        let Self {
            shown, status, received, sent, began_at, answered_at, labels, is_health_check, note, ..
        } = self;
        let (took, writing) = (now.at - began_at, now.at - answered_at);
        EventKind::Answered {
            shown,
            status,
            received,
            sent,
            took,
            writing,
            labels,
            cut,
            is_health_check,
            note,
        }
    }
}

/// Whether the table has this transition.
pub(super) fn may_follow(from: Name, next: Name) -> bool {
    next == Name::Closed || NEXT.iter().any(|(phase, after)| *phase == from && after.contains(&next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_leads_everywhere_and_out_of_nothing_that_is_closed() {
        for (name, _) in NEXT {
            assert!(may_follow(name, Name::Closed));
            assert!(!may_follow(Name::Closed, name) || name == Name::Closed);
            let reachable = name == Name::Idle || NEXT.iter().any(|(_, after)| after.contains(&name));
            assert!(reachable || name == Name::Closed, "{name:?}");
        }
        assert!(!may_follow(Name::Waiting, Name::Idle), "nothing is left unanswered");
    }
}
