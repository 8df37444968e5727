//! Whether the server still works: at its start and every ten seconds a tiny picture of its own goes the whole way,
//! through a worker of the steady workers, a scaler connection that is opened for it, and a worker of the quick
//! workers.
//!
//! The picture is an ordinary work request in a pipeline, whose owner is the server: it waits for no place and no memory.
//! This file sends it and judges it, by time. A step that does not come back is judged by where it is:
//! - At the scaler it has a connection and a child of its own and no queue: after [`PATIENCE`] it is given up, and
//!   another is sent soon. A second one that is lost in the same way means that our own scaler is to be killed: a
//!   stopped process will not go on.
//! - At the workers it queues behind clients' pictures. As long as that class finishes anything, it is busy; if it
//!   finishes nothing for [`PATIENCE`], it hangs. The picture is left in the queue, and comes back when the workers do.
//!
//! The verdict stands until a picture has come back whole. This file frees no worker that hangs: the workers replace
//! one that is long over its deadline, and then the class finishes jobs again.
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::pipeline::{Pipeline, Step};
use crate::http::format::Format;
use crate::model::image::Encoding;
use crate::model::job::{CLASSES, Completion, Job, Owner, Product, Queue, Work, WorkerClass};
use crate::model::key::Key;
use crate::model::server_state::{ServerPart, ServerState};
use crate::model::transform::{Size, Transform};
use crate::model::work_request::{WorkRequest, WorkSource};

/// The slot in the keys of its runs: no slab has it.
const SLOT: u32 = u32::MAX;
/// Columns and rows of the picture, and of what is made of it.
pub const SIZES: [(u32, u32); 2] = [(7, 5), (3, 2)];

/// From the end of one picture to the beginning of the next.
const PAUSE: Duration = Duration::from_secs(10);
/// The same after one that was given up.
const PAUSE_AFTER_LOSS: Duration = Duration::from_secs(2);
/// Time without progress after which something counts as stuck.
const PATIENCE: Duration = Duration::from_secs(4);
/// Losses in a row after which our own scaler is to be killed.
const LOSSES_MAX: u32 = 2;

const FILE: &[u8] = b"P5\n7 5\n255\n\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff\
    \x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff\x00\x11\x22";

/// The state machine of the self-test.
#[derive(Debug)]
pub struct SelfTest {
    stage: TestStage,
    /// Of the picture that is out, or of the last one.
    key: Key,
    verdict: Option<ServerPart>,
    /// Pictures lost at the scaler in a row.
    losses: u32,
    /// When each class last brought anything.
    workers_at: [Instant; CLASSES],
    /// Jobs that had come of each by then.
    finished: [usize; CLASSES],
}

#[derive(Debug)]
enum TestStage {
    Resting { until: Instant },
    Out { run: Box<Pipeline>, holder: Holder, since: Instant },
}

/// Who has the step that is out.
#[derive(Clone, Copy, Debug)]
enum Holder {
    Workers(WorkerClass),
    Scaler,
}

/// What an input led to.
#[derive(Debug)]
pub enum Sign {
    /// Nothing to be told.
    Nothing,
    /// The next job is to be done.
    Job(Box<Job>),
    /// A picture came back whole, after this verdict.
    Well(Option<ServerPart>),
    /// A picture did not come back; `news`: it was not known before.
    Stuck {
        /// Where it is.
        part: ServerPart,
        /// The verdict is new.
        news: bool,
        /// Nothing more is to be expected of the scaler.
        hopeless: bool,
    },
}

impl SelfTest {
    /// The verdict is good until the first picture is given up; it is sent at once.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            stage: TestStage::Resting { until: now },
            key: Key { index: SLOT, generation: 0 },
            verdict: None,
            losses: 0,
            finished: [0; CLASSES],
            workers_at: [now; CLASSES],
        }
    }

    /// The same, but the first picture is sent after a pause, so that a person who watches an external scaler sees a
    /// client's connection first.
    #[must_use]
    pub fn later(self, now: Instant) -> Self {
        Self { stage: TestStage::Resting { until: now + PAUSE }, ..self }
    }

    /// Notes how many jobs of each class have finished, of any kind.
    pub fn note_work(&mut self, finished: [usize; CLASSES], now: Instant) {
        for (class, at) in self.workers_at.iter_mut().enumerate() {
            if std::mem::replace(&mut self.finished[class], finished[class]) != finished[class] {
                *at = now;
            }
        }
    }

    /// Whether a run is one of the self-test's.
    #[must_use]
    pub fn owns(run: Key) -> bool {
        run.index == SLOT
    }

    /// The run of the picture that is out, or of the last one.
    #[must_use]
    pub fn key(&self) -> Key {
        self.key
    }

    /// A step has come back.
    pub fn handle_done(&mut self, done: Completion, now: Instant) -> Sign {
        let TestStage::Out { run, .. } = &mut self.stage else { return Sign::Nothing };
        match run.handle_done(done, now) {
            Step::Job(job) => self.send(job, now),
            Step::Finished if matches!(run.outcome(), Some(Ok(_))) => {
                self.stage = TestStage::Resting { until: now + PAUSE };
                self.losses = 0;
                Sign::Well(self.verdict.take())
            }
            // The scaler is away or broke off, or a worker failed: others report that.
            Step::Finished | Step::Waiting => self.rest_after_loss(now),
            Step::Nothing => Sign::Nothing,
        }
    }

    /// Something may be due: a new picture, or the end of patience with the one that is out.
    pub fn handle_timeout(&mut self, server: &ServerState, now: Instant) -> Sign {
        if now < self.poll_timeout() {
            return Sign::Nothing;
        }
        match &mut self.stage {
            TestStage::Resting { .. } => {
                self.key.generation = self.key.generation.wrapping_add(1);
                let Ok(mut run) = Pipeline::new(self.key, request(server), server, now) else {
                    return self.rest_after_loss(now);
                };
                let Ok(Step::Job(job)) = run.admit(now) else { return self.rest_after_loss(now) };
                let holder = Holder::Workers(WorkerClass::Steady);
                self.stage = TestStage::Out { run: Box::new(run), holder, since: now };
                self.send(job, now)
            }
            TestStage::Out { holder: Holder::Workers(_), .. } => {
                let news = self.verdict.replace(ServerPart::Workers) != Some(ServerPart::Workers);
                // It is asked again after as long, in case they have moved meanwhile.
                self.workers_at = [now; CLASSES];
                Sign::Stuck { part: ServerPart::Workers, news, hopeless: false }
            }
            TestStage::Out { run, holder: Holder::Scaler, .. } => {
                run.cancel();
                self.rest_after_loss(now);
                self.losses += 1;
                let news = self.verdict.replace(ServerPart::Scaler) != Some(ServerPart::Scaler);
                Sign::Stuck { part: ServerPart::Scaler, news, hopeless: self.losses >= LOSSES_MAX }
            }
        }
    }

    /// The picture that is out is with the scaler.
    #[must_use]
    pub fn is_at_scaler(&self) -> bool {
        matches!(self.stage, TestStage::Out { holder: Holder::Scaler, .. })
    }

    /// When [`SelfTest::handle_timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Instant {
        match self.stage {
            TestStage::Resting { until } => until,
            TestStage::Out { holder: Holder::Workers(class), since, .. } => {
                since.max(self.workers_at[class as usize]) + PATIENCE
            }
            TestStage::Out { holder: Holder::Scaler, since, .. } => since + PATIENCE,
        }
    }

    /// Notes who gets the next step, which has a deadline of its own: the picture itself has none.
    fn send(&mut self, mut job: Box<Job>, now: Instant) -> Sign {
        job.due = now + PATIENCE;
        if let TestStage::Out { holder, since, .. } = &mut self.stage {
            *since = now;
            *holder = match &job.work {
                Work::Scale { .. } => Holder::Scaler,
                _ => Holder::Workers(Queue::of(&job).class()),
            };
        }
        Sign::Job(job)
    }

    fn rest_after_loss(&mut self, now: Instant) -> Sign {
        self.stage = TestStage::Resting { until: now + PAUSE_AFTER_LOSS };
        Sign::Nothing
    }
}

/// The picture, and what is to be done with it.
fn request(server: &ServerState) -> WorkRequest {
    let encoding = Encoding { format: Format::Pnm, quality: 85, background: [255; 3] };
    let size = Size::Within { width: Some(SIZES[1].0), height: Some(SIZES[1].1) };
    let transform = Transform { size, encoding };
    let source = WorkSource::Upload { picture: FILE.to_vec(), transform, product: Product::File };
    let reservation = server.admission.reservation();
    WorkRequest { id: Uuid::nil(), owner: Owner::Server, source, reservation, read_time: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::admission::Admission;
    use crate::model::error::WorkError;
    use crate::model::image::PixelLimits;
    use crate::model::job::{Decoded, Output};
    use crate::model::server_state::Limits;
    use bytes::Bytes;
    use scaler::raster::Raster;

    const MEMORY: u64 = 1 << 20;

    struct World {
        self_test: SelfTest,
        server: ServerState,
        now: Instant,
    }

    impl World {
        fn new() -> Self {
            let now = Instant::now();
            let server = ServerState::new(Limits::default(), Admission::new(1, MEMORY, 1), Uuid::new_v4);
            Self { self_test: SelfTest::new(now), server, now }
        }

        fn wait(&mut self, time: Duration) -> Sign {
            self.now += time;
            self.self_test.handle_timeout(&self.server, self.now)
        }

        /// Waits for the next picture.
        fn begin(&mut self) -> Job {
            let rest = self.self_test.poll_timeout() - self.now;
            job(self.wait(rest))
        }

        fn bring(&mut self, job: Job, result: Result<Output, WorkError>) -> Sign {
            let Job { ticket, reservation, .. } = job;
            self.self_test
                .handle_done(Completion { ticket, reservation, result, took: Duration::ZERO }, self.now)
        }

        /// A worker's or the scaler's answer, as they would give it.
        fn perform(&mut self, job: Job) -> Sign {
            let result = match &job.work {
                Work::Gray { picture, info } => {
                    let limits = PixelLimits { pixels_max: 100, side_max: 100 };
                    assert_eq!(crate::pixels::probe(picture, &limits).unwrap().format, info.format);
                    let raster = crate::pixels::decode(picture, info, &limits).unwrap();
                    Output::Gray(Decoded { raster, size: (info.width, info.height) })
                }
                Work::Scale { raster, width, height } => {
                    assert_eq!([(raster.width, raster.height), (*width, *height)], SIZES);
                    let samples = vec![0; (width * height) as usize];
                    Output::Raster(Raster {
                        width: *width,
                        height: *height,
                        samples,
                        channels: raster.channels,
                    })
                }
                Work::Encode { .. } => Output::File(Bytes::new()),
                other => panic!("{other:?}"),
            };
            self.bring(job, Ok(result))
        }
    }

    fn job(sign: Sign) -> Job {
        match sign {
            Sign::Job(job) => *job,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_picture_goes_the_whole_way_at_once_and_every_ten_seconds_and_holds_nothing() {
        let mut world = World::new();
        let mut taken = world.server.admission.reservation();
        taken.admit(MEMORY).unwrap();
        for number in 0..3 {
            if number > 0 {
                assert!(matches!(world.wait(PAUSE - Duration::from_millis(1)), Sign::Nothing));
            }
            let first = job(world.wait(Duration::from_millis(u64::from(number > 0))));
            assert!(SelfTest::owns(first.ticket.run) && SLOT > Key::INDEX_MAX);
            let second = job(world.perform(first));
            let third = job(world.perform(second));
            assert!(matches!(world.perform(third), Sign::Well(None)));
            let admission = &world.server.admission;
            assert_eq!((admission.places(), admission.bytes()), (1, MEMORY));
        }
    }

    #[test]
    fn a_scaler_that_does_not_answer_is_missed_given_up_twice_and_found_again() {
        let mut world = World::new();
        let first = world.begin();
        let at_scaler = job(world.perform(first));
        assert!(matches!(world.wait(PATIENCE - Duration::from_millis(1)), Sign::Nothing));
        // Workers that are busy say nothing about the scaler.
        world.self_test.note_work([1, 1], world.now);
        let Sign::Stuck { part, news, hopeless } = world.wait(Duration::from_millis(1)) else { panic!() };
        assert_eq!((part, news, hopeless), (ServerPart::Scaler, true, false));
        assert!(at_scaler.cancelled.is_set());
        assert!(matches!(world.bring(at_scaler, Err(WorkError::Cancelled)), Sign::Nothing), "a late answer");

        let again = world.begin();
        let at_scaler = job(world.perform(again));
        let Sign::Stuck { part, news, hopeless } = world.wait(PATIENCE) else { panic!() };
        assert_eq!((part, news, hopeless), (ServerPart::Scaler, false, true));
        drop(at_scaler);

        let again = world.begin();
        let at_scaler = job(world.perform(again));
        let last = job(world.perform(at_scaler));
        assert!(matches!(world.perform(last), Sign::Well(Some(ServerPart::Scaler))));
        let again = world.begin();
        let at_scaler = job(world.perform(again));
        assert!(matches!(world.wait(PATIENCE), Sign::Stuck { hopeless: false, .. }), "counted anew");
        drop(at_scaler);
    }

    #[test]
    fn workers_are_stuck_once_nothing_comes_of_them() {
        let mut world = World::new();
        let first = world.begin();
        assert_eq!(Queue::of(&first), Queue::Task);
        for finished in 1..=20 {
            assert!(matches!(world.wait(PATIENCE / 2), Sign::Nothing));
            world.self_test.note_work([0, finished], world.now);
        }
        // What the loop hears of others says nothing about them.
        world.self_test.note_work([9, 20], world.now + PATIENCE / 2);
        let Sign::Stuck { part, news, .. } = world.wait(PATIENCE) else { panic!() };
        assert_eq!((part, news), (ServerPart::Workers, true));
        assert!(!first.cancelled.is_set(), "it is not sent twice");
        assert!(matches!(world.wait(PATIENCE), Sign::Stuck { news: false, .. }));
        let second = job(world.perform(first));
        let third = job(world.perform(second));
        assert_eq!(Queue::of(&third), Queue::Quick);
        world.now += PATIENCE / 2;
        world.self_test.note_work([10, 20], world.now);
        assert!(matches!(world.wait(PATIENCE / 2), Sign::Nothing));
        world.self_test.note_work([10, 21], world.now);
        let Sign::Stuck { part, news, .. } = world.wait(PATIENCE / 2) else { panic!() };
        assert_eq!((part, news), (ServerPart::Workers, false), "no picture has come back yet");
        assert!(matches!(world.perform(third), Sign::Well(Some(ServerPart::Workers))));
    }

    #[test]
    fn a_failure_is_no_verdict_and_another_picture_follows_soon() {
        let mut world = World::new();
        let first = world.begin();
        let at_scaler = job(world.perform(first));
        assert!(matches!(world.bring(at_scaler, Err(WorkError::ScalerAway)), Sign::Nothing));
        assert_eq!(world.self_test.poll_timeout(), world.now + PAUSE_AFTER_LOSS);
    }
}
