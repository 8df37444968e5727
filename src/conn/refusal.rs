//! Why a request is refused because of the server's state.
use std::time::Duration;

use super::problem::{HttpProblem, LimitsInForce};
use crate::http::route::Absent;
use crate::model::error::WorkError;
use crate::model::server_state::ServerState;

impl ServerState {
    /// The problem of a failure: the one that an early check would have given, else the failure itself
    /// with the limits that its text names.
    #[must_use]
    pub fn failed(&self, failure: WorkError) -> HttpProblem {
        match failure {
            WorkError::NoFile | WorkError::NoPermission => return HttpProblem::Absent(Absent::NotFound),
            WorkError::NotAcceptable => return HttpProblem::NotAcceptable,
            WorkError::QueueFull => return self.queue_full(),
            WorkError::MemoryFull { length } => return self.memory_full(length),
            WorkError::Late => return self.late(self.limits.deadline),
            _ => {}
        }
        let limits = LimitsInForce {
            body_max: self.limits.body_max,
            pixels_max: self.limits.pixels.pixels_max,
            side_max: self.limits.pixels.side_max,
            memory_max: self.admission.bytes_max(),
            result_max: self.limits.result_max,
        };
        HttpProblem::Failed { failure, limits }
    }

    /// Why a picture that came now would probably fail; None if all is well.
    #[must_use]
    pub fn unready(&self) -> Option<HttpProblem> {
        let away = || self.scaler_away.get().then(|| self.failed(WorkError::ScalerAway));
        let stuck = || self.stuck.get().map(HttpProblem::Stuck);
        let overdue =
            || self.overdue.get().then_some(HttpProblem::Overdue { deadline: self.limits.deadline });
        let worn_out = || self.worn_out.get().then_some(HttpProblem::WornOut);
        let bank = || self.bank_away.borrow().clone().map(|failure| self.failed(failure));
        let draining = self.draining.get().then_some(HttpProblem::Draining);
        draining
            .or_else(|| self.overloaded())
            .or_else(away)
            .or_else(worn_out)
            .or_else(overdue)
            .or_else(stuck)
            .or_else(|| self.store_trouble().or_else(bank).map(Box::new).map(HttpProblem::Unready))
    }

    /// Why a picture that came now could not be kept as a task. A full queue is no reason: tasks wait in the store.
    #[must_use]
    pub fn unable_to_keep(&self) -> Option<HttpProblem> {
        self.short_of_memory().or_else(|| self.store_trouble())
    }

    /// Why no more memory can be taken now.
    #[must_use]
    pub fn short_of_memory(&self) -> Option<HttpProblem> {
        (self.admission.bytes() >= self.admission.bytes_max()).then(|| self.memory_full(0))
    }

    fn store_trouble(&self) -> Option<HttpProblem> {
        self.store_away.borrow().clone().map(|failure| self.failed(failure))
    }

    /// Why an upload that began now would be refused; None if it would be taken. A missing scaler is no reason: it is
    /// back before most uploads are complete. Nor is a stopping server: a client that could still send a request did
    /// not know, and is answered.
    #[must_use]
    pub fn overloaded(&self) -> Option<HttpProblem> {
        self.overload().map(|failure| self.failed(failure))
    }

    fn queue_full(&self) -> HttpProblem {
        let admission = &self.admission;
        let (max, in_hand) = (admission.places_max(), admission.places());
        HttpProblem::QueueFull { max, in_hand, retry_after: admission.retry_after() }
    }

    /// The problem of an upload of so many bytes that finds no room: temporary, or final if it exceeds all the memory.
    #[must_use]
    pub fn memory_full(&self, received: u64) -> HttpProblem {
        let max = self.admission.bytes_max();
        if received > max {
            return self.failed(WorkError::TooMuchMemory { needed: received });
        }
        HttpProblem::MemoryFull { max, received, retry_after: self.admission.retry_after() }
    }

    /// The problem of a picture that was not ready after `took`.
    #[must_use]
    pub fn late(&self, took: Duration) -> HttpProblem {
        HttpProblem::Late { deadline: self.limits.deadline, took }
    }
}
