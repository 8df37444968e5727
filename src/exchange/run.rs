//! THE state machine of one piece of work: a picture on its way from file to gray, scaled file.
//!
//! ```text
//!            admit             handle_done       handle_done       handle_done
//!  Waiting ---------> Gray ----------------> Scale ----------> Encode ----------> Finished(Ok)
//!     |                 |                      |                 |
//!     +---- handle_timeout, a failed step -----+-----------------+--------------> Finished(Err)
//! ```
//! A run is work, a connection is a conversation: the run does not know who watches it, or over what. It refuses
//! answers to any step but the one that is out (the ticket's number tells), so each step counts once. While a step
//! is out, picture and lease are away with it; they come back in the `Done`, or are dropped by whoever has them.
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::gate::{Full, Lease};
use super::job::{Cancel, Done, Failure, Job, Output, Probe, Work};
use super::picture::{Ending, Outcome, Picture, Times};
use super::plan::Plan;
use crate::key::{Key, Ticket};

/// What a request hands over once its upload is complete.
#[derive(Debug)]
pub struct Order {
    /// The request's id, which becomes the run's.
    pub id: Uuid,
    /// The file as it was sent.
    pub picture: Vec<u8>,
    /// What is wanted.
    pub plan: Plan,
    /// Holds the picture's bytes.
    pub lease: Lease,
    /// How long the upload took.
    pub read: Duration,
}

/// One piece of work.
#[derive(Debug)]
pub struct Run {
    id: Uuid,
    key: Key,
    plan: Plan,
    /// Bytes that the work may hold at once.
    memory: u64,
    due: Instant,
    cancelled: Cancel,
    /// Number of the step that is out, or of the last one.
    step: u32,
    times: Times,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Waiting { picture: Vec<u8>, probe: Probe, lease: Lease, since: Instant },
    Gray { since: Instant },
    Scale { since: Instant },
    Encode { since: Instant, width: u32, height: u32 },
    Finished(Outcome),
}

/// What an input to a run leads to.
#[derive(Debug)]
pub enum Step {
    /// The next step is to be done.
    Job(Job),
    /// The run has ended: see [`Run::outcome`].
    Finished,
    /// Nothing: a late answer, or an input that changes nothing.
    Nothing,
}

impl Run {
    /// A run that waits for its place; it must end within `deadline` from now.
    #[must_use]
    pub fn new(key: Key, order: Order, probe: Probe, memory: u64, deadline: Duration, now: Instant) -> Self {
        let Order { id, picture, plan, lease, read } = order;
        Self {
            id,
            key,
            plan,
            memory,
            due: now + deadline,
            cancelled: Cancel::default(),
            step: 0,
            times: Times { read: Some(read), ..Times::default() },
            stage: Stage::Waiting { picture, probe, lease, since: now },
        }
    }

    /// Takes a place and the memory for the work, and begins.
    ///
    /// # Errors
    /// [`Full`]: no room yet; the run goes on waiting.
    pub fn admit(&mut self, now: Instant) -> Result<Step, Full> {
        let Stage::Waiting { lease, .. } = &mut self.stage else { return Ok(Step::Nothing) };
        lease.enter(self.memory)?;
        let Stage::Waiting { picture, probe, lease, since } =
            std::mem::replace(&mut self.stage, Stage::Gray { since: now })
        else {
            return Ok(Step::Nothing);
        };
        self.times.queue += now - since;
        Ok(self.job(lease, Work::Gray { picture, probe }))
    }

    /// A step has ended.
    pub fn handle_done(&mut self, done: Done, now: Instant) -> Step {
        let late = done.ticket != (Ticket { run: self.key, step: self.step });
        if late || matches!(self.stage, Stage::Waiting { .. } | Stage::Finished(_)) {
            return Step::Nothing;
        }
        let Done { mut lease, result, took, .. } = done;
        let output = match result {
            Ok(output) => output,
            Err(failure) => return self.finish(Err(failure)),
        };
        if self.cancelled.is_set() {
            return self.finish(Err(Failure::Cancelled));
        }
        let stage = std::mem::replace(&mut self.stage, Stage::Finished(Err(Failure::Cancelled)));
        match (stage, output) {
            (Stage::Gray { since }, Output::Raster(raster)) => {
                self.times.decode = Some(took);
                self.times.queue += (now - since).saturating_sub(took);
                self.stage = Stage::Scale { since: now };
                let (width, height) = self.plan.target(raster.width, raster.height);
                self.job(lease, Work::Scale { raster, width, height })
            }
            (Stage::Scale { since }, Output::Raster(raster)) => {
                self.times.scale = Some(took);
                self.times.queue += (now - since).saturating_sub(took);
                self.stage = Stage::Encode { since: now, width: raster.width, height: raster.height };
                self.job(lease, Work::Encode { raster, encoding: self.plan.encoding })
            }
            (Stage::Encode { since, width, height }, Output::File(file)) => {
                self.times.encode = Some(took);
                self.times.queue += (now - since).saturating_sub(took);
                lease.leave();
                lease.shrink_to(file.len() as u64);
                let format = self.plan.encoding.format;
                let picture = Picture { file, format, width, height, lease };
                self.finish(Ok(Ending::Picture(Arc::new(picture), self.times)))
            }
            // A carrier answered with the wrong kind of output: no carrier does.
            _ => self.finish(Err(Failure::Lost)),
        }
    }

    /// Ends the run if its deadline has passed.
    pub fn handle_timeout(&mut self, now: Instant) -> Step {
        if now < self.due || matches!(self.stage, Stage::Finished(_)) {
            return Step::Nothing;
        }
        self.finish(Err(Failure::Late))
    }

    /// Nobody wants the result any more: no other step begins, and the one that is out is skipped if it still can be.
    pub fn cancel(&mut self) {
        self.cancelled.set();
    }

    /// When [`Run::handle_timeout`] wants to be called; None once finished.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        (!matches!(self.stage, Stage::Finished(_))).then_some(self.due)
    }

    /// The request's id.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Whether it waits for a place.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        matches!(self.stage, Stage::Waiting { .. })
    }

    /// The end, once it is there.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.stage {
            Stage::Finished(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// The end, if it is there.
    #[must_use]
    pub fn into_outcome(self) -> Option<Outcome> {
        match self.stage {
            Stage::Finished(outcome) => Some(outcome),
            _ => None,
        }
    }

    fn job(&mut self, lease: Lease, work: Work) -> Step {
        self.step += 1;
        let ticket = Ticket { run: self.key, step: self.step };
        Step::Job(Job { ticket, lease, cancelled: self.cancelled.clone(), work })
    }

    fn finish(&mut self, outcome: Outcome) -> Step {
        self.cancelled.set();
        self.stage = Stage::Finished(outcome);
        Step::Finished
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::gate::Gate;
    use crate::exchange::job::PixelLimits;
    use crate::exchange::plan::{Parameters, Wish};
    use crate::proto::format::Format;
    use bytes::Bytes;
    use scaler::raster::{Channels, Raster};

    const KEY: Key = Key { index: 3, generation: 9 };
    const DEADLINE: Duration = Duration::from_secs(30);

    fn run(gate: &Gate, now: Instant) -> Run {
        let mut lease = gate.lease();
        lease.grow(5).unwrap();
        let plan = Wish::read(&Parameters::default(), &[], 0.5).unwrap().plan(Format::Png).unwrap();
        let probe = Probe { format: Format::Png, width: 4, height: 6, decode_cost: 200 };
        let limits = PixelLimits { pixels_max: 100, side_max: 100 };
        let memory = plan.memory(5, &probe, &limits, 1000).unwrap();
        let order = Order { id: Uuid::from_u128(7), picture: vec![1; 5], plan, lease, read: Duration::ZERO };
        Run::new(KEY, order, probe, memory, DEADLINE, now)
    }

    fn raster(width: u32, height: u32) -> Raster {
        Raster { width, height, channels: Channels::Luma, samples: vec![0; (width * height) as usize] }
    }

    fn job(step: Step) -> Job {
        match step {
            Step::Job(job) => job,
            other => panic!("{other:?}"),
        }
    }

    fn done(job: Job, result: Result<Output, Failure>) -> Done {
        Done { ticket: job.ticket, lease: job.lease, result, took: Duration::from_millis(4) }
    }

    #[test]
    fn the_whole_way() {
        let gate = Gate::new(1, 1000, 1);
        let now = Instant::now();
        let mut run = run(&gate, now);
        assert!(run.is_waiting());
        let gray = job(run.admit(now + Duration::from_secs(1)).unwrap());
        assert!(matches!(&gray.work, Work::Gray { picture, .. } if picture.len() == 5));
        assert_eq!((gate.places(), gate.bytes()), (1, 205));

        let scale = job(run.handle_done(done(gray, Ok(Output::Raster(raster(4, 6)))), now));
        assert!(matches!(scale.work, Work::Scale { width: 2, height: 3, .. }));
        let encode = job(run.handle_done(done(scale, Ok(Output::Raster(raster(2, 3)))), now));
        assert!(matches!(encode.work, Work::Encode { .. }));
        let end = run.handle_done(done(encode, Ok(Output::File(Bytes::from_static(b"file")))), now);
        assert!(matches!(end, Step::Finished));

        let Ending::Picture(picture, times) = run.outcome().unwrap().as_ref().unwrap();
        assert_eq!((picture.width, picture.height, &picture.file[..]), (2, 3, &b"file"[..]));
        assert_eq!(times.queue, Duration::from_secs(1));
        assert_eq!(times.work(), Some(Duration::from_millis(12)));
        assert_eq!((gate.places(), gate.bytes()), (0, 4));
        assert_eq!(run.poll_timeout(), None);
        drop(run);
        assert_eq!(gate.bytes(), 0);
    }

    #[test]
    fn waits_while_there_is_no_room() {
        let gate = Gate::new(2, 300, 1);
        let now = Instant::now();
        let (mut first, mut second) = (run(&gate, now), run(&gate, now));
        let held = job(first.admit(now).unwrap());
        assert!(matches!(second.admit(now), Err(Full)));
        assert!(second.is_waiting());
        assert!(matches!(first.handle_done(done(held, Err(Failure::Panicked)), now), Step::Finished));
        assert!(matches!(second.admit(now), Ok(Step::Job(_))));
    }

    #[test]
    fn every_stage_can_fail_and_gives_everything_back() {
        for stage in 0..3 {
            let gate = Gate::new(1, 1000, 1);
            let now = Instant::now();
            let mut run = run(&gate, now);
            let mut out = job(run.admit(now).unwrap());
            for _ in 0..stage {
                out = job(run.handle_done(done(out, Ok(Output::Raster(raster(4, 6)))), now));
            }
            assert!(matches!(run.handle_done(done(out, Err(Failure::ScalerLost)), now), Step::Finished));
            assert_eq!(run.outcome().unwrap().as_ref().unwrap_err(), &Failure::ScalerLost);
            assert_eq!((gate.places(), gate.bytes()), (0, 0));
        }
    }

    #[test]
    fn the_deadline_ends_it_and_late_answers_meet_nobody() {
        let gate = Gate::new(1, 1000, 1);
        let now = Instant::now();
        let mut run = run(&gate, now);
        let gray = job(run.admit(now).unwrap());
        let cancelled = gray.cancelled.clone();
        assert!(matches!(run.handle_timeout(now + DEADLINE - Duration::from_nanos(1)), Step::Nothing));
        assert!(!cancelled.is_set());
        assert!(matches!(run.handle_timeout(now + DEADLINE), Step::Finished));
        assert!(cancelled.is_set());
        assert_eq!(gate.places(), 1, "the work is still out");
        assert!(matches!(run.handle_done(done(gray, Ok(Output::Raster(raster(4, 6)))), now), Step::Nothing));
        assert_eq!((gate.places(), gate.bytes()), (0, 0));
        assert_eq!(run.outcome().unwrap().as_ref().unwrap_err(), &Failure::Late);
    }

    #[test]
    fn an_answer_to_another_step_is_ignored() {
        let gate = Gate::new(1, 1000, 1);
        let now = Instant::now();
        let mut run = run(&gate, now);
        let mut gray = job(run.admit(now).unwrap());
        gray.ticket.step += 1;
        assert!(matches!(run.handle_done(done(gray, Ok(Output::Raster(raster(4, 6)))), now), Step::Nothing));
        assert!(run.outcome().is_none());
    }
}
