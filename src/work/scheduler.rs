//! Which run is next: the runs in hand, their order, their deadlines.
//!
//! | line | of | takes | order |
//! | --- | --- | --- | --- |
//! | `looking` | files and links to look at | a place (a link none) | by age; the oldest of these three lines first, |
//! | `small` | small pictures whose clients wait | a place and memory | and the next one if that finds no room |
//! | `waiting` | the others whose clients wait | a place and memory | |
//! | `tasks` | pictures of tasks | memory | by age; in turn with the three others |
//!
//! Rules:
//! - Each line is let in strictly in order of arrival. While a large picture waits for memory, small ones get only
//!   their share of it ([`Admission::share_has_room`]), so that they do not overtake it for ever.
//! - Tasks beside one another leave part of the memory to uploads ([`TASKS_PART`]).
//! - A client that finds no memory at its turn is waited for, and so is a task that has waited longer than
//!   [`TASK_PATIENCE`], so that neither side starves the other. A client that finds no place is not waited for: a task
//!   needs none.
//! - Only one task waits for memory: those behind it are sent back to the store, because together they could hold what
//!   each of them lacks.
//! - A waiting run whose client has left is forgotten at once. One that has a step out stays, cancelled, until the step
//!   ends or the deadline comes, which frees a scaler connection that hangs.
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::pipeline::{Pipeline, Reached, Step};
use super::slab::Slab;
use super::source::Source;
use super::timers::{Armed, Timers};
use crate::model::admission::Admission;
use crate::model::error::WorkError;
use crate::model::job::{Completion, Job, Owner, Product, WorkResult};
use crate::model::key::Key;
use crate::model::server_state::ServerState;
use crate::model::task::Claim;
use crate::model::work_request::{WorkRequest, WorkSource};

/// How long clients may pass a task that finds no memory.
const TASK_PATIENCE: Duration = Duration::from_secs(5);

/// Tasks are let in beside one another while no more than this part of the memory is taken: the rest is for uploads,
/// those of tasks too, and for waiting clients.
const TASKS_PART: u64 = 2;

/// All runs that have not ended.
#[derive(Default)]
pub struct Scheduler {
    runs: Slab<Watched>,
    /// The lines of the table above, in order of arrival; they may name runs that are gone.
    looking: VecDeque<Key>,
    waiting: VecDeque<Key>,
    small: VecDeque<Key>,
    tasks: VecDeque<Key>,
    /// It is a task's turn, if one waits.
    task_turn: bool,
    /// Tasks that were let in, and have not ended.
    tasks_at_work: usize,
}

struct Watched {
    run: Pipeline,
    /// None once the client has left: the run's end is not reported.
    watcher: Option<Key>,
    at_work: bool,
    armed: Armed,
}

/// A run has ended.
#[derive(Debug)]
pub struct Finished {
    /// Its name, for a holder of one of its steps.
    pub run: Key,
    /// The client that waits for it; None if it has left.
    pub watcher: Option<Key>,
    /// The request's id, or the task's.
    pub id: Uuid,
    /// Whom it was for.
    pub owner: Owner,
    /// How far it had come.
    pub reached: Reached,
    /// How.
    pub outcome: WorkResult,
}

/// What an input led to.
#[derive(Debug)]
pub enum Advance {
    /// The next step is to be done.
    Job(Job),
    /// The run has ended, and is forgotten here.
    Ended(Finished),
}

impl Scheduler {
    /// Takes a request for `watcher`.
    ///
    /// # Errors
    /// The picture, or its result, is not for us.
    pub fn submit(
        &mut self,
        watcher: Key,
        request: WorkRequest,
        server: &ServerState,
        timers: &mut Timers,
        now: Instant,
    ) -> Result<Key, WorkError> {
        self.enqueue(Some(watcher), request, server, timers, now)
    }

    /// Takes a task on. No client watches it here: its end goes to the store first.
    ///
    /// # Errors
    /// The picture, or its result, is not for us.
    pub fn submit_task(
        &mut self,
        claim: Claim,
        server: &ServerState,
        timers: &mut Timers,
        now: Instant,
    ) -> Result<Key, WorkError> {
        let Claim { id, picture, transform, reservation, .. } = claim;
        let source = WorkSource::Upload { picture, transform, product: Product::File };
        let request = WorkRequest { id, owner: Owner::Task, source, reservation, read_time: None };
        self.enqueue(None, request, server, timers, now)
    }

    /// Puts a request in line.
    fn enqueue(
        &mut self,
        watcher: Option<Key>,
        request: WorkRequest,
        server: &ServerState,
        timers: &mut Timers,
        now: Instant,
    ) -> Result<Key, WorkError> {
        let watched = |key| {
            let run = Pipeline::new(key, request, server, now);
            run.map(|run| Watched { run, watcher, at_work: false, armed: Armed::default() })
        };
        let key = self.runs.try_insert_with(watched)?.ok_or(WorkError::Cancelled)?;
        let small_max = server.admission.small_max();
        let line = match self.runs.get_mut(key).map(|watched| &watched.run) {
            Some(run) if run.owner() == Owner::Task => &mut self.tasks,
            Some(run) if run.is_small(small_max) => &mut self.small,
            Some(run) if run.is_appraised() => &mut self.waiting,
            _ => &mut self.looking,
        };
        line.push_back(key);
        self.arm(key, timers);
        Ok(key)
    }

    /// Lets the next run in, if there is one and room for it.
    pub fn admit(&mut self, admission: &Admission, now: Instant) -> Option<Job> {
        let task_since = self.task_since(admission);
        let job = match task_since {
            Some(since) if self.task_turn => {
                let task = admit_first(&mut self.tasks, &mut self.runs, now);
                let is_patient = now.saturating_duration_since(since) < TASK_PATIENCE;
                task.or_else(|| if is_patient { self.admit_client(admission, now) } else { None })
            }
            _ => {
                let places_left = admission.places() < admission.places_max();
                self.admit_client(admission, now).or_else(|| {
                    let Self { runs, waiting, small, .. } = self;
                    let client_waits =
                        [waiting, small].into_iter().any(|line| since_of_first(line, runs).is_some());
                    let short_of_memory = places_left && client_waits;
                    task_since.filter(|_| !short_of_memory)?;
                    admit_first(&mut self.tasks, &mut self.runs, now)
                })
            }
        }?;
        self.task_turn = job.owner != Owner::Task;
        if job.owner == Owner::Task
            && let Some(watched) = self.runs.get_mut(job.ticket.run)
        {
            watched.at_work = true;
            self.tasks_at_work += 1;
        }
        Some(job)
    }

    /// Since when a task waits that may be let in: beside others, only while enough is left.
    fn task_since(&mut self, admission: &Admission) -> Option<Instant> {
        let since = since_of_first(&mut self.tasks, &mut self.runs)?;
        let lacks = self.runs.get_mut(*self.tasks.front()?)?.run.lacks();
        let leaves_enough = admission.bytes().saturating_add(lacks) <= admission.bytes_max() / TASKS_PART;
        (self.tasks_at_work == 0 || leaves_enough).then_some(since)
    }

    /// Sends back a task that waits for memory behind another: the memory it holds may be what the first lacks, and on
    /// disk it waits as well. To be called when no run can be let in, until it returns None.
    pub fn send_back(&mut self) -> Option<Finished> {
        since_of_first(&mut self.tasks, &mut self.runs)?;
        while self.tasks.len() > 1 {
            let key = self.tasks.pop_back()?;
            let Some(Watched { run, .. }) = self.runs.remove(key) else { continue };
            let outcome = Err(WorkError::MemoryFull { length: run.lacks() });
            let (id, reached) = (run.id(), run.reached());
            return Some(Finished { run: key, watcher: None, id, owner: Owner::Task, reached, outcome });
        }
        None
    }

    /// Lets in the next run whose client waits.
    fn admit_client(&mut self, admission: &Admission, now: Instant) -> Option<Job> {
        let Self { runs, looking, waiting, small, .. } = self;
        let large_since = since_of_first(waiting, runs);
        let small_since = since_of_first(small, runs);
        let first_small = small.front().and_then(|key| runs.get_mut(*key));
        let lacks = first_small.map_or(0, |watched| watched.run.lacks());
        let is_small_let_in = large_since.is_none() || admission.share_has_room(lacks);
        let mut lines = [
            (since_of_first(looking, runs), looking),
            (large_since, waiting),
            (small_since.filter(|_| is_small_let_in), small),
        ];
        lines.sort_by_key(|(since, _)| *since);
        let lines = lines.into_iter().filter(|(since, _)| since.is_some());
        lines.map(|(_, line)| line).find_map(|line| admit_first(line, runs, now))
    }

    /// A step is done. One whose run has ended is dropped here, and gives its reservation back.
    pub fn handle_done(&mut self, done: Completion, admission: &Admission, now: Instant) -> Option<Advance> {
        let key = done.ticket.run;
        let run = &mut self.runs.get_mut(key)?.run;
        match run.handle_done(done, now) {
            Step::Job(job) => Some(Advance::Job(*job)),
            Step::Waiting => {
                let is_small = run.is_small(admission.small_max());
                if is_small { &mut self.small } else { &mut self.waiting }.push_back(key);
                None
            }
            Step::Finished => self.end(key).map(Advance::Ended),
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
    ) -> Option<Finished> {
        let watched = self.runs.get_mut(key)?;
        if !watched.armed.rang(at) {
            return None;
        }
        match watched.run.handle_timeout(now) {
            Step::Finished => self.end(key),
            Step::Job(_) | Step::Waiting | Step::Nothing => {
                self.arm(key, timers);
                None
            }
        }
    }

    /// Its client has left, or its task was deleted. Returns its id if it is gone at once; else its step ends it.
    pub fn forget(&mut self, key: Key) -> Option<Uuid> {
        let watched = self.runs.get_mut(key)?;
        if watched.run.waiting_since().is_some() {
            return self.runs.remove(key).map(|watched| watched.run.id());
        }
        watched.watcher = None;
        watched.run.cancel();
        None
    }

    /// The id of a run.
    pub fn id(&mut self, key: Key) -> Option<Uuid> {
        self.runs.get_mut(key).map(|watched| watched.run.id())
    }

    /// How far a run has come.
    pub fn reached(&mut self, key: Key) -> Option<Reached> {
        self.runs.get_mut(key).map(|watched| watched.run.reached())
    }

    fn arm(&mut self, key: Key, timers: &mut Timers) {
        if let Some(watched) = self.runs.get_mut(key) {
            timers.arm(&mut watched.armed, watched.run.poll_timeout(), Source::Run(key));
        }
    }

    fn end(&mut self, key: Key) -> Option<Finished> {
        let Watched { run, watcher, at_work, .. } = self.runs.remove(key)?;
        self.tasks_at_work -= usize::from(at_work);
        let (id, owner, reached) = (run.id(), run.owner(), run.reached());
        Some(Finished { run: key, watcher, id, owner, reached, outcome: run.into_outcome()? })
    }
}

/// Since when the first of a line has waited; runs that are gone are dropped on the way.
fn since_of_first(line: &mut VecDeque<Key>, runs: &mut Slab<Watched>) -> Option<Instant> {
    loop {
        let watched = runs.get_mut(*line.front()?);
        match watched.and_then(|watched| watched.run.waiting_since()) {
            None => line.pop_front()?,
            since => return since,
        };
    }
}

/// Lets the first of a line in, if there is room for it.
fn admit_first(line: &mut VecDeque<Key>, runs: &mut Slab<Watched>, now: Instant) -> Option<Job> {
    match runs.get_mut(*line.front()?)?.run.admit(now).ok()? {
        Step::Job(job) => {
            line.pop_front();
            Some(*job)
        }
        Step::Waiting | Step::Finished | Step::Nothing => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conn::parameters::Parameters;
    use crate::http::conditional::Conditions;
    use crate::http::format::Format;
    use crate::model::admission::Reservation;
    use crate::model::file::FileRequest;
    use crate::model::image::{ImageInfo, Reduction};
    use crate::model::job::{Brief, Decoded, Loaded, Output, Work};
    use crate::model::server_state::Limits;
    use crate::model::transform::RequestedTransform;
    use scaler::raster::{Channels, Raster};

    const CLIENT: Key = Key { index: 5, generation: 5 };

    fn server(places: usize) -> ServerState {
        ServerState::new(Limits::default(), Admission::new(places, 1 << 20, 1), Uuid::new_v4)
    }

    fn order(server: &ServerState, picture: &[u8]) -> WorkRequest {
        let mut reservation = server.admission.reservation();
        reservation.charge(picture.len() as u64).unwrap();
        let transform = RequestedTransform::read(&Parameters::default(), &[], 0.5)
            .unwrap()
            .transform(Format::Pnm)
            .unwrap();
        let source = WorkSource::Upload { picture: picture.to_vec(), transform, product: Product::File };
        WorkRequest {
            id: Uuid::new_v4(),
            owner: Owner::Client,
            source,
            reservation,
            read_time: Some(Duration::ZERO),
        }
    }

    #[test]
    fn runs_are_let_in_in_order_and_end_once() {
        let (server, now, mut timers) = (server(1), Instant::now(), Timers::default());
        let mut runs = Scheduler::default();
        let mut submit = |runs: &mut Scheduler| {
            runs.submit(CLIENT, order(&server, b"P5 2 2 255 abcd"), &server, &mut timers, now).unwrap()
        };
        let keys = [submit(&mut runs), submit(&mut runs), submit(&mut runs)];
        let first = runs.admit(&server.admission, now).unwrap();
        assert_eq!(first.ticket.run, keys[0]);
        assert!(runs.admit(&server.admission, now).is_none(), "one place");
        runs.forget(keys[1]);
        let late = Completion {
            ticket: first.ticket,
            reservation: server.admission.reservation(),
            result: Err(WorkError::Lost),
            took: Duration::ZERO,
        };
        let done = Completion {
            ticket: first.ticket,
            reservation: first.reservation,
            result: Err(WorkError::Lost),
            took: Duration::ZERO,
        };
        let Some(Advance::Ended(ended)) = runs.handle_done(done, &server.admission, now) else { panic!() };
        assert_eq!((ended.run, ended.watcher), (keys[0], Some(CLIENT)));
        assert!(runs.handle_done(late, &server.admission, now).is_none());
        assert_eq!(
            runs.admit(&server.admission, now).unwrap().ticket.run,
            keys[2],
            "the one that left is skipped"
        );
    }

    #[test]
    fn a_forgotten_run_ends_with_its_step_and_begins_no_other() {
        let (server, now, mut timers) = (server(4), Instant::now(), Timers::default());
        let mut runs = Scheduler::default();
        let key = runs.submit(CLIENT, order(&server, b"P5 2 2 255 abcd"), &server, &mut timers, now).unwrap();
        let job = runs.admit(&server.admission, now).unwrap();
        runs.forget(key);
        assert!(job.cancelled.is_set());
        let raster = Raster { width: 2, height: 2, channels: Channels::Luma, samples: vec![0; 4] };
        let result = Ok(Output::Gray(Decoded { raster, size: (2, 2) }));
        let done =
            Completion { ticket: job.ticket, reservation: job.reservation, result, took: Duration::ZERO };
        let Some(Advance::Ended(ended)) = runs.handle_done(done, &server.admission, now) else { panic!() };
        assert_eq!((ended.watcher, ended.outcome.unwrap_err()), (None, WorkError::Cancelled));
        assert_eq!(server.admission.places(), 0);
        let again =
            runs.submit(CLIENT, order(&server, b"P5 2 2 255 abcd"), &server, &mut timers, now).unwrap();
        assert_eq!((again.index, again.generation), (key.index, key.generation + 1));
        assert!(runs.admit(&server.admission, now).is_some());
    }

    #[test]
    fn a_forgotten_run_that_hangs_ends_with_its_deadline() {
        let (server, now, mut timers) = (server(4), Instant::now(), Timers::default());
        let mut runs = Scheduler::default();
        let key = runs.submit(CLIENT, order(&server, b"P5 2 2 255 abcd"), &server, &mut timers, now).unwrap();
        let _out = runs.admit(&server.admission, now).unwrap();
        runs.forget(key);
        let later = now + server.limits.deadline;
        let (at, _) = timers.pop(later).unwrap();
        let ended = runs.handle_timer(key, at, &mut timers, later).unwrap();
        assert_eq!((ended.run, ended.watcher), (key, None));
    }

    #[test]
    fn the_deadline_comes_up_as_a_timer() {
        let (server, now, mut timers) = (server(4), Instant::now(), Timers::default());
        let mut runs = Scheduler::default();
        let key = runs.submit(CLIENT, order(&server, b"P5 2 2 255 abcd"), &server, &mut timers, now).unwrap();
        let later = now + server.limits.deadline;
        let (at, source) = timers.pop(later).unwrap();
        assert_eq!(source, Source::Run(key));
        let ended = runs.handle_timer(key, at, &mut timers, later).unwrap();
        assert_eq!(ended.outcome.unwrap_err(), WorkError::Late);
        assert!(runs.admit(&server.admission, later).is_none());
    }

    fn file(server: &ServerState) -> WorkRequest {
        let requested = RequestedTransform::read(&Parameters::default(), &[], 0.5).unwrap();
        let file_request =
            FileRequest { path: b"a.pgm".to_vec(), requested, conditions: Conditions::default() };
        let source = WorkSource::File(Box::new(file_request));
        WorkRequest {
            id: Uuid::new_v4(),
            owner: Owner::Client,
            source,
            reservation: server.admission.reservation(),
            read_time: None,
        }
    }

    /// A worker has read the file, and found out what the work would take.
    fn opened(mut job: Job, memory: u64) -> Completion {
        assert!(matches!(job.work, Work::Open(_)));
        job.reservation.charge(15).unwrap();
        let transform = RequestedTransform::read(&Parameters::default(), &[], 0.5)
            .unwrap()
            .transform(Format::Pnm)
            .unwrap();
        let info = ImageInfo {
            format: Format::Pnm,
            width: 2,
            height: 2,
            reduction: Reduction::None,
            decode_cost: 100,
        };
        let brief = Brief::new(transform, Product::File);
        let loaded = Loaded { picture: b"P5 2 2 255 abcd".to_vec(), info, brief, memory };
        let result = Ok(Output::Loaded(Box::new(loaded)));
        Completion { ticket: job.ticket, reservation: job.reservation, result, took: Duration::ZERO }
    }

    #[test]
    fn whoever_has_read_a_file_waits_for_memory_without_a_place_and_in_order() {
        let (server, now, mut timers) = (server(1), Instant::now(), Timers::default());
        let mut runs = Scheduler::default();
        let later = |milliseconds| now + Duration::from_millis(milliseconds);
        let mut all = server.admission.reservation();
        all.charge((1 << 20) - 100).unwrap();
        let first = runs.submit(CLIENT, file(&server), &server, &mut timers, now).unwrap();
        let second = runs.submit(CLIENT, file(&server), &server, &mut timers, later(1)).unwrap();
        for key in [first, second] {
            let job = runs.admit(&server.admission, later(2)).unwrap();
            assert_eq!(job.ticket.run, key);
            assert!(runs.admit(&server.admission, later(2)).is_none(), "one place");
            assert!(runs.handle_done(opened(job, 1000), &server.admission, later(2)).is_none());
            assert_eq!(server.admission.places(), 0, "no place is held by who waits for memory");
        }
        // A file that is not yet looked at does not wait for memory: looking takes none.
        let third = runs.submit(CLIENT, file(&server), &server, &mut timers, later(3)).unwrap();
        let look = runs.admit(&server.admission, later(3)).unwrap();
        assert_eq!(look.ticket.run, third);
        assert!(runs.handle_done(opened(look, 20), &server.admission, later(4)).is_none());
        assert!(
            runs.admit(&server.admission, later(4)).is_none(),
            "small as it is, it overtakes nobody who works"
        );
        drop(all);
        for key in [first, second, third] {
            let job = runs.admit(&server.admission, later(5)).unwrap();
            assert!(matches!(job.work, Work::Gray { .. }));
            assert_eq!(job.ticket.run, key);
            let result = Err(WorkError::Lost);
            let done =
                Completion { ticket: job.ticket, reservation: job.reservation, result, took: Duration::ZERO };
            assert!(runs.handle_done(done, &server.admission, later(5)).is_some());
        }
        assert_eq!((server.admission.places(), server.admission.bytes()), (0, 0));
    }

    #[test]
    fn the_older_of_two_lines_goes_first() {
        let (server, now, mut timers) = (server(1), Instant::now(), Timers::default());
        let mut runs = Scheduler::default();
        let mut keys = Vec::new();
        for turn in 0..4 {
            let at = now + Duration::from_millis(turn);
            let order = if turn % 2 == 0 { file(&server) } else { order(&server, b"P5 2 2 255 abcd") };
            keys.push(runs.submit(CLIENT, order, &server, &mut timers, at).unwrap());
        }
        runs.forget(keys.remove(1));
        for key in keys {
            let job = runs.admit(&server.admission, now + Duration::from_secs(1)).unwrap();
            assert_eq!(job.ticket.run, key);
            let done = Completion {
                ticket: job.ticket,
                reservation: job.reservation,
                result: Err(WorkError::Lost),
                took: Duration::ZERO,
            };
            assert!(runs.handle_done(done, &server.admission, now).is_some());
        }
        assert!(runs.admit(&server.admission, now).is_none());
    }

    fn task(server: &ServerState, number: u128) -> Claim {
        let mut reservation = server.admission.reservation();
        reservation.charge(15).unwrap();
        let transform = RequestedTransform::read(&Parameters::default(), &[], 0.5)
            .unwrap()
            .transform(Format::Pnm)
            .unwrap();
        let (id, picture) = (Uuid::from_u128(number), b"P5 2 2 255 abcd".to_vec());
        Claim { id, picture, transform, suspect: false, tries: 0, reservation }
    }

    /// With this many of each in line: whether each that is let in, one at a time, is a task.
    fn turns(server: &ServerState, clients: usize, tasks: u128) -> Vec<bool> {
        let (now, mut timers, mut runs) = (Instant::now(), Timers::default(), Scheduler::default());
        for _ in 0..clients {
            let order = order(server, b"P5 2 2 255 abcd");
            runs.submit(CLIENT, order, server, &mut timers, now).unwrap();
        }
        for number in 0..tasks {
            runs.submit_task(task(server, number), server, &mut timers, now).unwrap();
        }
        let mut turns = Vec::new();
        while let Some(job) = runs.admit(&server.admission, now) {
            turns.push(job.owner == Owner::Task);
            let result = Err(WorkError::Lost);
            runs.handle_done(
                Completion { ticket: job.ticket, reservation: job.reservation, result, took: Duration::ZERO },
                &server.admission,
                now,
            );
        }
        turns
    }

    #[test]
    fn clients_and_tasks_take_turns() {
        assert_eq!(turns(&server(1), 3, 3), [false, true, false, true, false, true]);
        assert_eq!(turns(&server(1), 1, 4), [false, true, true, true, true]);
        assert_eq!(turns(&server(1), 3, 1), [false, true, false, false]);
        // A client without a place leaves the turn to tasks, which need none.
        let full = server(1);
        let mut place = full.admission.reservation();
        place.admit(0).unwrap();
        assert_eq!(turns(&full, 2, 3), [true, true, true]);
    }

    /// Half a mebibyte and more is what it takes to work on this.
    const LARGE: &[u8] = &{
        let mut bitmap = [b'a'; 11 + 300 * 38];
        bitmap.split_at_mut(11).0.copy_from_slice(b"P4 300 300 ");
        bitmap
    };
    const SMALL: &[u8] = b"P5 2 2 255 abcd";

    /// A line of clients and tasks, in memory that is mostly taken.
    struct Line {
        server: ServerState,
        runs: Scheduler,
        timers: Timers,
        now: Instant,
        taken: Option<Reservation>,
    }

    impl Line {
        fn new() -> Self {
            let server = server(64);
            let mut taken = server.admission.reservation();
            taken.charge(600 << 10).unwrap();
            let (runs, timers, now) = (Scheduler::default(), Timers::default(), Instant::now());
            Self { server, runs, timers, now, taken: Some(taken) }
        }

        fn client(&mut self, picture: &[u8]) -> Key {
            let order = order(&self.server, picture);
            self.runs.submit(CLIENT, order, &self.server, &mut self.timers, self.now).unwrap()
        }

        fn task(&mut self, picture: &[u8]) -> Key {
            let claim = Claim { picture: picture.to_vec(), ..task(&self.server, 1) };
            self.runs.submit_task(claim, &self.server, &mut self.timers, self.now).unwrap()
        }

        /// Lets the next in, which leaves at once.
        fn admit(&mut self) -> Option<Key> {
            self.runs.admit(&self.server.admission, self.now).map(|job| job.ticket.run)
        }
    }

    #[test]
    fn a_task_that_finds_no_memory_lets_clients_pass_for_a_while() {
        let mut line = Line::new();
        let first = line.client(SMALL);
        let task = line.task(LARGE);
        assert_eq!(line.admit(), Some(first));
        for wait in [Duration::ZERO, TASK_PATIENCE - Duration::from_millis(1)] {
            line.now += wait;
            let passes = line.client(SMALL);
            assert_eq!((line.admit(), line.admit()), (Some(passes), None), "{wait:?}");
        }
        line.now += Duration::from_millis(1);
        let client = line.client(SMALL);
        assert_eq!(line.admit(), None, "now it is the task's turn, whatever comes");
        line.taken = None;
        assert_eq!((line.admit(), line.admit()), (Some(task), Some(client)));
    }

    #[test]
    fn a_client_that_finds_no_memory_is_passed_by_no_task() {
        let mut line = Line::new();
        let client = line.client(LARGE);
        let task = line.task(SMALL);
        assert_eq!(line.admit(), None);
        line.taken = None;
        assert_eq!((line.admit(), line.admit()), (Some(client), Some(task)));
    }

    #[test]
    fn tasks_beside_one_another_leave_part_of_the_memory() {
        let mut line = Line::new();
        line.taken = None;
        let large = [line.task(LARGE), line.task(LARGE)];
        let first = line.runs.admit(&line.server.admission, line.now).unwrap();
        assert_eq!(first.ticket.run, large[0], "alone it may take what it needs");
        line.now += TASK_PATIENCE * 2;
        let client = line.client(SMALL);
        assert_eq!((line.admit(), line.admit()), (Some(client), None), "nor does it stop anybody");
        let done = |job: Job| {
            let result = Err(WorkError::Lost);
            Completion { ticket: job.ticket, reservation: job.reservation, result, took: Duration::ZERO }
        };
        line.runs.handle_done(done(first), &line.server.admission, line.now);
        let second = line.runs.admit(&line.server.admission, line.now).unwrap();
        assert_eq!(second.ticket.run, large[1]);
        // One that is late is at work no more, and its memory comes back with its step.
        let at = line.now + line.server.limits.deadline;
        while let Some((due, source)) = line.timers.pop(at) {
            if let Source::Run(key) = source {
                line.runs.handle_timer(key, due, &mut line.timers, at);
            }
        }
        assert_eq!(line.runs.tasks_at_work, 0);
        drop(second);
        let small = [line.task(SMALL), line.task(SMALL)];
        assert_eq!([line.admit(), line.admit()], small.map(Some));
    }

    #[test]
    fn of_the_tasks_that_wait_for_memory_one_stays() {
        let mut line = Line::new();
        let before = line.server.admission.bytes();
        let keys = [line.task(LARGE), line.task(SMALL), line.task(LARGE), line.task(SMALL)];
        line.runs.forget(keys[3]);
        assert_eq!(line.admit(), None);
        for key in [keys[2], keys[1]] {
            let ended = line.runs.send_back().unwrap();
            assert_eq!((ended.run, ended.owner), (key, Owner::Task));
            assert!(matches!(ended.outcome, Err(WorkError::MemoryFull { .. })));
        }
        assert!(line.runs.send_back().is_none());
        assert_eq!(line.server.admission.bytes(), before + 15, "what the first holds");
        line.taken = None;
        assert_eq!(line.admit(), Some(keys[0]));
        assert!(line.runs.send_back().is_none());
    }

    #[test]
    fn what_can_not_be_done_is_refused_at_once() {
        let (server, now, mut timers) = (server(4), Instant::now(), Timers::default());
        let mut runs = Scheduler::default();
        let mut refuse = |picture: &[u8]| {
            runs.submit(CLIENT, order(&server, picture), &server, &mut timers, now).unwrap_err()
        };
        let huge = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\xea\x60\0\0\xea\x60\x08\0\0\0\0\x0f\xd3\xa4\x5e";
        let failure = refuse(huge);
        assert!(matches!(failure, WorkError::TooManyPixels { .. }), "{failure:?}");
        let large = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x13\x88\0\0\x13\x88\x08\0\0\0\0\x78\xf3\xd8\x17\
            \0\0\0\0IDAT";
        let failure = refuse(large);
        assert!(matches!(failure, WorkError::TooMuchMemory { .. }), "{failure:?}");
        assert!(matches!(refuse(b"\xff\xd8\xff"), WorkError::Undecodable(_)));
        assert_eq!(server.admission.bytes(), 0);
    }

    /// 20 megapixels of gray.
    fn giant() -> Vec<u8> {
        [&b"P5 5000 4000 255 "[..], &vec![0; 20_000_000]].concat()
    }

    #[test]
    fn small_pictures_do_not_wait_for_a_large_one_that_waits_for_memory() {
        let mut timers = Timers::default();
        let now = Instant::now();
        let later = |milliseconds| now + Duration::from_millis(milliseconds);
        let admission = Admission::new(100, 800 << 20, 1).with_share(8);
        let server = ServerState::new(Limits::default(), admission, Uuid::new_v4);
        let mut runs = Scheduler::default();
        let giant = giant();
        let mut submit = |runs: &mut Scheduler, picture: &[u8], at| {
            runs.submit(CLIENT, order(&server, picture), &server, &mut timers, at).unwrap()
        };
        let waits = submit(&mut runs, &giant, now);
        let mut held = server.admission.reservation();
        held.charge((699 << 20) - server.admission.bytes()).unwrap();
        assert!(runs.admit(&server.admission, now).is_none(), "no room");
        let small: Vec<Key> = (1..=40).map(|n| submit(&mut runs, b"P5 2 2 255 abcd", later(n))).collect();
        let mut let_in = Vec::new();
        while let Some(job) = runs.admit(&server.admission, later(50)) {
            let_in.push(job);
        }
        let keys: Vec<Key> = let_in.iter().map(|job| job.ticket.run).collect();
        assert!(keys.len() > 4 && small.starts_with(&keys), "in their order: {keys:?}");
        assert!(server.admission.bytes() <= server.admission.bytes_max());
        // As soon as there is room the large one is let in, before small ones that came after it.
        drop(held);
        assert_eq!(runs.admit(&server.admission, later(60)).unwrap().ticket.run, waits);
    }

    #[test]
    fn small_pictures_that_keep_coming_do_not_overtake_a_large_one_for_ever() {
        let mut timers = Timers::default();
        let now = Instant::now();
        let admission = Admission::new(1000, 800 << 20, 1).with_share(8);
        let server = ServerState::new(Limits::default(), admission, Uuid::new_v4);
        let mut runs = Scheduler::default();
        // Small ones have more than their share: there were no others.
        let mut others: Vec<Reservation> = Vec::new();
        while server.admission.bytes() < 760 << 20 {
            let mut other = server.admission.reservation();
            other.charge(server.admission.small_max()).unwrap();
            others.push(other);
        }
        let large = order(&server, &giant());
        let large = runs.submit(CLIENT, large, &server, &mut timers, now).unwrap();
        runs.submit(CLIENT, order(&server, b"P5 2 2 255 abcd"), &server, &mut timers, now).unwrap();
        assert!(
            runs.admit(&server.admission, now).is_none(),
            "what small ones give back is for the large one"
        );
        others.truncate(2);
        assert_eq!(runs.admit(&server.admission, now).unwrap().ticket.run, large);
        assert!(runs.admit(&server.admission, now).is_some());
    }
}
