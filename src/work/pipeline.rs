//! THE state machine of one piece of work: a picture on its way from file to gray, scaled file.
//!
//! ```text
//!           admit          done            admit         done          done           done
//!    Named -------> Open --------> Waiting -------> Gray -------> Scale ------> Encode ------> Finished(Ok)
//!    Sought           |                |              |             |             | \              ^ ^
//!      |              |                |              |             |             |  Keep ---done-+ |
//!      |              +--- the client has it already, the result is kept, a link is read: done -----+
//!      +---- handle_timeout, a failed step -----------+-------------+-------------+-----------> Finished(Err)
//! ```
//! An upload begins in Waiting, a file in Named, a stored picture in Sought; Keep is for a client that wants a link to
//! the result. All lines are for a place; Waiting's is for memory too. A task's run waits for memory alone: places are for
//! runs whose clients wait. The self-test's waits for neither. A run that has opened its file gives its place back before
//! it waits again, so no waiting run holds a place.
//!
//! A run is work, a connection is a conversation: the run does not know its watcher or the protocol. It refuses answers
//! to any step but the one that is out (by the ticket's number), so each step counts once. While a step is out, picture
//! and reservation are out with it; they come back in the `Completion`, or are dropped by their holder.
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::model::admission::{Full, Reservation};
use crate::model::error::WorkError;
use crate::model::file::FileRequest;
use crate::model::job::{
    Brief, Cancel, Completion, Decoded, Job, Loaded, Output, Owner, Product, Work, WorkOutput, WorkResult,
};
use crate::model::key::{Key, Ticket};
use crate::model::links::{Link, LinkRequest};
use crate::model::picture::{Picture, Times};
use crate::model::server_state::ServerState;
use crate::model::work_request::{WorkRequest, WorkSource};
use crate::pixels;

/// One piece of work.
#[derive(Debug)]
pub struct Pipeline {
    id: Uuid,
    key: Key,
    due: Instant,
    owner: Owner,
    cancelled: Cancel,
    /// Number of the step that is out, or of the last one.
    step: u32,
    /// That step is the scaler's.
    at_scaler: bool,
    times: Times,
    stage: Stage,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// No worker has begun anything of it.
    Nothing,
    /// A worker has begun its step, and may be at it still.
    Worker,
    /// Workers are done with what they have begun, and the next step waits for one.
    Between,
    /// Its workers are done with it, and the scaler has it.
    Scaler,
}

#[derive(Debug)]
enum Stage {
    /// In line for a look at the file.
    Named {
        file_request: Box<FileRequest>,
        reservation: Reservation,
        since: Instant,
    },
    /// In line for a look at a link.
    Sought {
        link_request: Box<LinkRequest>,
        reservation: Reservation,
        since: Instant,
    },
    Open {
        since: Instant,
    },
    /// In line for the work.
    Waiting {
        loaded: Loaded,
        reservation: Reservation,
        since: Instant,
    },
    Gray {
        brief: Brief,
        since: Instant,
    },
    Scale {
        brief: Brief,
        since: Instant,
    },
    Encode {
        brief: Brief,
        since: Instant,
        width: u32,
        height: u32,
    },
    Keep {
        since: Instant,
        width: u32,
        height: u32,
    },
    Finished(WorkResult),
}

/// What an input to a run leads to.
#[derive(Debug)]
pub enum Step {
    /// The next step is to be done.
    Job(Box<Job>),
    /// The run is in line again, now for the work.
    Waiting,
    /// The run has ended: see [`Pipeline::outcome`].
    Finished,
    /// Nothing: a late answer, or an input that changes nothing.
    Nothing,
}

impl Pipeline {
    /// A run that waits for its place. An upload's header is checked first, in microseconds, so that a hopeless one is
    /// refused however long the line is; a worker looks at a file.
    ///
    /// # Errors
    /// The picture of an upload, or its result, is not for us.
    pub fn new(
        key: Key,
        request: WorkRequest,
        server: &ServerState,
        now: Instant,
    ) -> Result<Self, WorkError> {
        let WorkRequest { id, owner, source, reservation, read_time } = request;
        let stage = match source {
            WorkSource::Upload { picture, transform, product } => {
                let (brief, memory_max) = (Brief::new(transform, product), server.admission.bytes_max());
                let loaded = pixels::appraise(picture, brief, &server.limits.pixels, memory_max)?;
                Stage::Waiting { loaded, reservation, since: now }
            }
            WorkSource::File(file_request) => Stage::Named { file_request, reservation, since: now },
            WorkSource::Linked(link_request) => Stage::Sought { link_request, reservation, since: now },
        };
        Ok(Self {
            id,
            key,
            due: now + server.limits.deadline,
            owner,
            cancelled: Cancel::default(),
            step: 0,
            at_scaler: false,
            times: Times { read: read_time, ..Times::default() },
            stage,
        })
    }

    /// Takes a place and the memory for the next step, and begins it.
    ///
    /// # Errors
    /// [`Full`]: no room yet; the run goes on waiting.
    pub fn admit(&mut self, now: Instant) -> Result<Step, Full> {
        match &mut self.stage {
            // The bytes are charged when the file's length is known.
            Stage::Named { reservation, .. } => reservation.admit(0)?,
            // A stored picture is no work: it takes no place from pictures.
            Stage::Sought { reservation, .. } => reservation.reserve(0)?,
            Stage::Waiting { reservation, loaded, .. } => match self.owner {
                Owner::Client => reservation.admit(loaded.memory)?,
                Owner::Task => reservation.reserve(loaded.memory)?,
                Owner::Server => {}
            },
            _ => return Ok(Step::Nothing),
        }
        match self.take_stage() {
            Stage::Named { file_request, reservation, since } => {
                self.times.queue += now - since;
                self.stage = Stage::Open { since: now };
                Ok(self.job(reservation, Work::Open(file_request)))
            }
            Stage::Sought { link_request, reservation, since } => {
                self.times.queue += now - since;
                self.stage = Stage::Open { since: now };
                Ok(self.job(reservation, Work::Read(link_request)))
            }
            Stage::Waiting { loaded: Loaded { picture, info, brief, .. }, reservation, since } => {
                self.times.queue += now - since;
                self.stage = Stage::Gray { brief, since: now };
                Ok(self.job(reservation, Work::Gray { picture, info }))
            }
            other => {
                self.stage = other;
                Ok(Step::Nothing)
            }
        }
    }

    /// A step has ended.
    pub fn handle_done(&mut self, done: Completion, now: Instant) -> Step {
        let late = done.ticket != (Ticket { run: self.key, step: self.step });
        if late || self.waiting_since().is_some() || matches!(self.stage, Stage::Finished(_)) {
            return Step::Nothing;
        }
        let Completion { mut reservation, result, took, .. } = done;
        let output = match result {
            Ok(output) => output,
            Err(failure) => return self.finish(Err(failure)),
        };
        if self.cancelled.is_set() {
            return self.finish(Err(WorkError::Cancelled));
        }
        match (self.take_stage(), output) {
            (Stage::Open { since }, Output::NotModified(variant)) => {
                self.times.open = self.spent(since, took, now);
                self.finish(Ok(WorkOutput::NotModified(variant)))
            }
            (Stage::Open { since }, Output::Picture(picture)) => {
                self.times.open = self.spent(since, took, now);
                self.finish(Ok(WorkOutput::Picture(picture, self.times)))
            }
            (Stage::Open { .. }, Output::Excerpt(file_part)) => {
                reservation.release();
                self.finish(Ok(WorkOutput::Excerpt(file_part.charged_to(reservation))))
            }
            (Stage::Open { since }, Output::Loaded(loaded)) => {
                self.times.open = self.spent(since, took, now);
                reservation.release();
                self.stage = Stage::Waiting { loaded: *loaded, reservation, since: now };
                Step::Waiting
            }
            (Stage::Gray { brief, since }, Output::Gray(Decoded { raster, size })) => {
                self.times.decode = self.spent(since, took, now);
                self.stage = Stage::Scale { brief, since: now };
                let (width, height) = brief.target(size.0, size.1);
                self.job(reservation, Work::Scale { raster, width, height })
            }
            (Stage::Scale { brief, since }, Output::Raster(raster)) => {
                self.times.scale = self.spent(since, took, now);
                self.stage = Stage::Encode { brief, since: now, width: raster.width, height: raster.height };
                let (encoding, keep) = (brief.transform.encoding, brief.variant());
                let work = match brief.product {
                    Product::Face => Work::Face(raster),
                    Product::File | Product::Link => Work::Encode { raster, encoding, keep },
                };
                self.job(reservation, work)
            }
            (Stage::Encode { since, .. }, Output::Face(face_image)) => {
                self.times.encode = self.spent(since, took, now);
                self.finish(Ok(WorkOutput::Face(face_image, self.times)))
            }
            (Stage::Encode { brief, since, width, height }, Output::File(file))
                if brief.product == Product::Link =>
            {
                self.times.encode = self.spent(since, took, now);
                reservation.shrink_to(file.len() as u64);
                self.stage = Stage::Keep { since: now, width, height };
                self.job(reservation, Work::Link(file))
            }
            (Stage::Keep { since, width, height }, Output::Linked(name)) => {
                self.times.keep = self.spent(since, took, now);
                self.finish(Ok(WorkOutput::Link(Link { name, width, height }, self.times)))
            }
            (Stage::Encode { brief, since, width, height }, Output::File(file)) => {
                self.times.encode = self.spent(since, took, now);
                reservation.release();
                reservation.shrink_to(file.len() as u64);
                let (format, variant) = (brief.transform.encoding.format, brief.variant());
                let picture = Picture { file, format, width, height, variant, reservation };
                self.finish(Ok(WorkOutput::Picture(Arc::new(picture), self.times)))
            }
            (Stage::Encode { since, .. }, Output::Picture(picture)) => {
                self.times.encode = self.spent(since, took, now);
                self.finish(Ok(WorkOutput::Picture(picture, self.times)))
            }
            // A carrier answered with the wrong kind of output: no carrier does.
            _ => self.finish(Err(WorkError::Lost)),
        }
    }

    /// Ends the run if its deadline has passed.
    pub fn handle_timeout(&mut self, now: Instant) -> Step {
        if now < self.due || matches!(self.stage, Stage::Finished(_)) {
            return Step::Nothing;
        }
        self.finish(Err(WorkError::Late))
    }

    /// The result is no longer wanted: no other step begins, and the one that is out is skipped if it still can be.
    pub fn cancel(&mut self) {
        self.cancelled.set();
    }

    /// When [`Pipeline::handle_timeout`] wants to be called; None once finished.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        (!matches!(self.stage, Stage::Finished(_))).then_some(self.due)
    }

    /// The request's id.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// How far it has come; final once it has ended.
    #[must_use]
    pub fn reached(&self) -> Reached {
        match (self.cancelled.has_begun(), self.at_scaler) {
            (_, true) => Reached::Scaler,
            (true, false) => Reached::Worker,
            (false, false) if self.step > 1 => Reached::Between,
            (false, false) => Reached::Nothing,
        }
    }

    /// Whom it is for.
    #[must_use]
    pub fn owner(&self) -> Owner {
        self.owner
    }

    /// Since when it has been in line; None while a step is out, and at the end.
    #[must_use]
    pub fn waiting_since(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Named { since, .. } | Stage::Sought { since, .. } | Stage::Waiting { since, .. } => {
                Some(*since)
            }
            _ => None,
        }
    }

    /// Bytes of memory that it waits for, besides those that it holds.
    #[must_use]
    pub fn lacks(&self) -> u64 {
        match &self.stage {
            Stage::Waiting { loaded, reservation, .. } => loaded.memory.saturating_sub(reservation.bytes()),
            _ => 0,
        }
    }

    /// Whether it waits for its work, which is known, and not for a look at a file.
    #[must_use]
    pub fn is_appraised(&self) -> bool {
        matches!(self.stage, Stage::Waiting { .. })
    }

    /// Whether its work takes little time, and at most `small_max` bytes; false unless it waits for that.
    #[must_use]
    pub fn is_small(&self, small_max: u64) -> bool {
        matches!(&self.stage, Stage::Waiting { loaded, .. } if loaded.is_small(small_max))
    }

    /// The end, once it is there.
    #[must_use]
    pub fn outcome(&self) -> Option<&WorkResult> {
        match &self.stage {
            Stage::Finished(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// The end, if it is there.
    #[must_use]
    pub fn into_outcome(self) -> Option<WorkResult> {
        match self.stage {
            Stage::Finished(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// The caller must put the next stage in.
    fn take_stage(&mut self) -> Stage {
        std::mem::replace(&mut self.stage, Stage::Finished(Err(WorkError::Cancelled)))
    }

    /// A step that was out `since` then took so long; the rest it spent in queues.
    fn spent(&mut self, since: Instant, took: Duration, now: Instant) -> Option<Duration> {
        self.times.queue += (now - since).saturating_sub(took);
        Some(took)
    }

    fn job(&mut self, reservation: Reservation, work: Work) -> Step {
        self.step += 1;
        self.cancelled.rest();
        self.at_scaler = matches!(work, Work::Scale { .. });
        let ticket = Ticket { run: self.key, step: self.step };
        Step::Job(Box::new(Job {
            ticket,
            id: self.id,
            due: self.due,
            reservation,
            cancelled: self.cancelled.clone(),
            owner: self.owner,
            work,
        }))
    }

    fn finish(&mut self, outcome: WorkResult) -> Step {
        self.cancelled.set();
        self.stage = Stage::Finished(outcome);
        Step::Finished
    }
}

#[cfg(test)]
#[path = "pipeline_tests.rs"]
mod tests;
