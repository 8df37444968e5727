//! The runs in hand: who waits for which, whose turn it is, whose time is over.
//!
//! Runs that wait for a place are let in strictly in order of arrival: a large picture that waits for memory is not
//! overtaken for ever by small ones. A run whose client has left is forgotten at once if it still waits; one that has a
//! step out stays, cancelled, until the step ends or the deadline comes, for that is what lets go of a scaler that hangs.
use std::collections::VecDeque;
use std::time::Instant;

use uuid::Uuid;

use super::slab::Slab;
use super::source::Source;
use super::timers::{Armed, Timers};
use crate::exchange::Run;
use crate::exchange::job::{Done, Failure, Job};
use crate::exchange::picture::Outcome;
use crate::exchange::run::{Order, Step};
use crate::exchange::service::Service;
use crate::key::Key;
use crate::pixels;

/// All runs that have not ended.
#[derive(Default)]
pub struct Runs {
    runs: Slab<Watched>,
    /// In order of arrival; may name runs that are gone.
    waiting: VecDeque<Key>,
}

/// A run and the client that waits for it.
struct Watched {
    run: Run,
    /// None once the client has left: how the run ends concerns nobody.
    watcher: Option<Key>,
    armed: Armed,
}

/// A run has ended.
#[derive(Debug)]
pub struct Ended {
    /// Its name, for whoever still has a step of it.
    pub run: Key,
    /// The client that waits for it; None if it has left.
    pub watcher: Option<Key>,
    /// The request's id.
    pub id: Uuid,
    /// How.
    pub outcome: Outcome,
}

/// What an input led to.
#[derive(Debug)]
pub enum Next {
    /// The next step is to be done.
    Job(Job),
    /// The run has ended, and is forgotten here.
    Ended(Ended),
}

impl Runs {
    /// Takes a complete upload for `watcher`. Its header is looked at first, in microseconds and on this thread, so
    /// that what can't be done is refused however long the queue is.
    ///
    /// # Errors
    /// The picture, or its result, is not for us.
    pub fn submit(
        &mut self,
        watcher: Key,
        order: Order,
        service: &Service,
        timers: &mut Timers,
        now: Instant,
    ) -> Result<Key, Failure> {
        let policy = &service.policy;
        let probe = pixels::probe(&order.picture, &policy.pixels)?;
        let memory_max = service.gate.bytes_max();
        let memory = order.plan.memory(order.picture.len(), &probe, &policy.pixels, memory_max)?;
        let deadline = policy.deadline;
        let inserted = self.runs.insert_with(|key| Watched {
            run: Run::new(key, order, probe, memory, deadline, now),
            watcher: Some(watcher),
            armed: Armed::default(),
        });
        let key = inserted.ok_or(Failure::Cancelled)?;
        self.arm(key, timers);
        self.waiting.push_back(key);
        Ok(key)
    }

    /// Lets the next run in, if there is one and room for it.
    pub fn admit(&mut self, now: Instant) -> Option<Job> {
        while let Some(&key) = self.waiting.front() {
            if let Some(watched) = self.runs.get_mut(key) {
                let step = watched.run.admit(now).ok()?;
                self.waiting.pop_front();
                if let Step::Job(job) = step {
                    return Some(job);
                }
            } else {
                self.waiting.pop_front();
            }
        }
        None
    }

    /// A step is done. One whose run has ended is dropped here, and gives its lease back.
    pub fn handle_done(&mut self, done: Done, now: Instant) -> Option<Next> {
        let key = done.ticket.run;
        match self.runs.get_mut(key)?.run.handle_done(done, now) {
            Step::Job(job) => Some(Next::Job(job)),
            Step::Finished => self.end(key).map(Next::Ended),
            Step::Nothing => None,
        }
    }

    /// A timer of this run has come up.
    pub fn handle_timer(
        &mut self,
        key: Key,
        at: Instant,
        timers: &mut Timers,
        now: Instant,
    ) -> Option<Ended> {
        let watched = self.runs.get_mut(key)?;
        if !watched.armed.rang(at) {
            return None;
        }
        match watched.run.handle_timeout(now) {
            Step::Finished => self.end(key),
            Step::Job(_) | Step::Nothing => {
                self.arm(key, timers);
                None
            }
        }
    }

    /// Its client has left.
    pub fn forget(&mut self, key: Key) {
        let Some(watched) = self.runs.get_mut(key) else { return };
        if watched.run.is_waiting() {
            self.runs.remove(key);
        } else {
            watched.watcher = None;
            watched.run.cancel();
        }
    }

    fn arm(&mut self, key: Key, timers: &mut Timers) {
        if let Some(watched) = self.runs.get_mut(key) {
            timers.arm(&mut watched.armed, watched.run.poll_timeout(), Source::Run(key));
        }
    }

    fn end(&mut self, key: Key) -> Option<Ended> {
        let Watched { run, watcher, .. } = self.runs.remove(key)?;
        let id = run.id();
        Some(Ended { run: key, watcher, id, outcome: run.into_outcome()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::gate::Gate;
    use crate::exchange::job::Output;
    use crate::exchange::plan::{Parameters, Wish};
    use crate::exchange::service::Policy;
    use crate::proto::format::Format;
    use scaler::raster::{Channels, Raster};
    use std::time::Duration;

    const CLIENT: Key = Key { index: 5, generation: 5 };

    fn service(places: usize) -> Service {
        Service::new(Policy::default(), Gate::new(places, 1 << 20, 1), bytes::Bytes::new(), Uuid::new_v4)
    }

    fn order(service: &Service, picture: &[u8]) -> Order {
        let mut lease = service.gate.lease();
        lease.grow(picture.len() as u64).unwrap();
        let plan = Wish::read(&Parameters::default(), &[], 0.5).unwrap().plan(Format::Pnm).unwrap();
        Order { id: Uuid::new_v4(), picture: picture.to_vec(), plan, lease, read: Duration::ZERO }
    }

    #[test]
    fn runs_are_let_in_in_order_and_end_once() {
        let (service, now, mut timers) = (service(1), Instant::now(), Timers::default());
        let mut runs = Runs::default();
        let mut submit = |runs: &mut Runs| {
            runs.submit(CLIENT, order(&service, b"P5 2 2 255 abcd"), &service, &mut timers, now).unwrap()
        };
        let keys = [submit(&mut runs), submit(&mut runs), submit(&mut runs)];
        let first = runs.admit(now).unwrap();
        assert_eq!(first.ticket.run, keys[0]);
        assert!(runs.admit(now).is_none(), "one place");
        runs.forget(keys[1]);
        let late = Done {
            ticket: first.ticket,
            lease: service.gate.lease(),
            result: Err(Failure::Lost),
            took: Duration::ZERO,
        };
        let done = Done {
            ticket: first.ticket,
            lease: first.lease,
            result: Err(Failure::Lost),
            took: Duration::ZERO,
        };
        let Some(Next::Ended(ended)) = runs.handle_done(done, now) else { panic!() };
        assert_eq!((ended.run, ended.watcher), (keys[0], Some(CLIENT)));
        assert!(runs.handle_done(late, now).is_none());
        assert_eq!(runs.admit(now).unwrap().ticket.run, keys[2], "the one that left is skipped");
    }

    #[test]
    fn a_forgotten_run_ends_with_its_step_and_begins_no_other() {
        let (service, now, mut timers) = (service(4), Instant::now(), Timers::default());
        let mut runs = Runs::default();
        let key =
            runs.submit(CLIENT, order(&service, b"P5 2 2 255 abcd"), &service, &mut timers, now).unwrap();
        let job = runs.admit(now).unwrap();
        runs.forget(key);
        assert!(job.cancelled.is_set());
        let raster = Raster { width: 2, height: 2, channels: Channels::Luma, samples: vec![0; 4] };
        let result = Ok(Output::Raster(raster));
        let done = Done { ticket: job.ticket, lease: job.lease, result, took: Duration::ZERO };
        let Some(Next::Ended(ended)) = runs.handle_done(done, now) else { panic!() };
        assert_eq!((ended.watcher, ended.outcome.unwrap_err()), (None, Failure::Cancelled));
        assert_eq!(service.gate.places(), 0);
        let again =
            runs.submit(CLIENT, order(&service, b"P5 2 2 255 abcd"), &service, &mut timers, now).unwrap();
        assert_eq!((again.index, again.generation), (key.index, key.generation + 1));
        assert!(runs.admit(now).is_some());
    }

    #[test]
    fn a_forgotten_run_that_hangs_ends_with_its_deadline() {
        let (service, now, mut timers) = (service(4), Instant::now(), Timers::default());
        let mut runs = Runs::default();
        let key =
            runs.submit(CLIENT, order(&service, b"P5 2 2 255 abcd"), &service, &mut timers, now).unwrap();
        let _out = runs.admit(now).unwrap();
        runs.forget(key);
        let later = now + service.policy.deadline;
        let (at, _) = timers.pop(later).unwrap();
        let ended = runs.handle_timer(key, at, &mut timers, later).unwrap();
        assert_eq!((ended.run, ended.watcher), (key, None));
    }

    #[test]
    fn the_deadline_comes_up_as_a_timer() {
        let (service, now, mut timers) = (service(4), Instant::now(), Timers::default());
        let mut runs = Runs::default();
        let key =
            runs.submit(CLIENT, order(&service, b"P5 2 2 255 abcd"), &service, &mut timers, now).unwrap();
        let later = now + service.policy.deadline;
        let (at, source) = timers.pop(later).unwrap();
        assert_eq!(source, Source::Run(key));
        let ended = runs.handle_timer(key, at, &mut timers, later).unwrap();
        assert_eq!(ended.outcome.unwrap_err(), Failure::Late);
        assert!(runs.admit(later).is_none());
    }

    #[test]
    fn what_can_not_be_done_is_refused_at_once() {
        let (service, now, mut timers) = (service(4), Instant::now(), Timers::default());
        let mut runs = Runs::default();
        let mut refuse = |picture: &[u8]| {
            runs.submit(CLIENT, order(&service, picture), &service, &mut timers, now).unwrap_err()
        };
        let huge = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\xea\x60\0\0\xea\x60\x08\0\0\0\0\x0f\xd3\xa4\x5e";
        let failure = refuse(huge);
        assert!(matches!(failure, Failure::TooManyPixels { .. }), "{failure:?}");
        let large = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x13\x88\0\0\x13\x88\x08\0\0\0\0\x0f\xd3\xa4\x5e";
        let failure = refuse(large);
        assert!(matches!(failure, Failure::TooMuchMemory { .. }), "{failure:?}");
        assert!(matches!(refuse(b"\xff\xd8\xff"), Failure::Undecodable(_)));
        assert_eq!(service.gate.bytes(), 0);
    }
}
