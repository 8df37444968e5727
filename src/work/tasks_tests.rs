//! The tasks as a machine: a store that answers when the test says so, and a clock that the test turns.
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use super::answers::RETRY_TIME;
use super::ending::TRIES_MAX;
use super::*;
use crate::http::format::Format;
use crate::model::admission::Admission;
use crate::model::image::Encoding;
use crate::model::job::{WorkOutput, WorkResult};
use crate::model::picture::{Picture, Times};
use crate::model::server_state::{Limits, ServerPart};
use crate::model::store::{Acceptance, Claimed, End, News, StoreAnswer, StoreError};
use crate::model::task::{Shape, Submission, TaskState};
use crate::model::transform::{Size, Transform};
use crate::work::pipeline::Reached;

const PLAN: Transform =
    Transform::new(Size::Factor(0.5), Encoding { format: Format::Png, quality: 85, background: [255; 3] });

/// Which answer went to which client.
type Answered = (Key, Uuid, Result<StoreReply, WorkError>);

struct World {
    tasks: Tasks,
    server: ServerState,
    now: Now,
    asked: Vec<StoreRequest>,
    told: Vec<Answered>,
    begun: Vec<Claim>,
    cancelled: Vec<Key>,
    log: Vec<(Level, String)>,
    /// Failed tries, as the store counts them.
    tries: HashMap<Uuid, u32>,
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn key(index: u32) -> Key {
    Key { index, generation: 0 }
}

fn status(id: Uuid, state: TaskState) -> Status {
    let at = SystemTime::UNIX_EPOCH;
    let ended_at = state.is_final().then_some(at);
    let shape = Shape { format: Format::Png, width: 1, height: 1, length: 3 };
    let result = (state == TaskState::Done).then_some(shape);
    Status { id, state, received: 5, accepted_at: at, begun_at: None, ended_at, result, problem: None }
}

impl World {
    /// Up to so many tasks in work, whose results are kept for an hour.
    fn new(in_work_max: usize) -> Self {
        Self::with(in_work_max, Duration::from_secs(3600))
    }

    fn with(in_work_max: usize, retention: Duration) -> Self {
        let mut world = Self::young(in_work_max, retention);
        // It has run for long: no suspect is left alone any more.
        world.tasks.crashes_max = CRASHES_MAX - 1;
        world.advance();
        world.answer_write(Ok(StoreReply::Swept { expired: 0, more: false }));
        world
    }

    fn young(in_work_max: usize, retention: Duration) -> Self {
        let now = Now { at: Instant::now(), wall: SystemTime::UNIX_EPOCH };
        let server = ServerState::new(Limits::default(), Admission::new(1, 1000, 1), Uuid::new_v4);
        Self {
            tasks: Tasks::new(in_work_max, retention, now),
            server,
            now,
            asked: Vec::new(),
            told: Vec::new(),
            begun: Vec::new(),
            cancelled: Vec::new(),
            log: Vec::new(),
            tries: HashMap::new(),
        }
    }

    /// One in which the first look at the store has found no waiting task.
    fn idle(in_work_max: usize) -> Self {
        let mut world = Self::new(in_work_max);
        while world.claims() > 0 {
            world.told_of_claim(Claimed::Nothing);
        }
        world.advance();
        assert!(world.asked.is_empty(), "{:?}", world.asked);
        world
    }

    /// One with these in work, as the runs of these indices.
    fn busy(in_work_max: usize, ids: &[u128]) -> Self {
        let mut world = Self::new(in_work_max);
        for &number in ids {
            world.claim(number, false);
            world.advance();
        }
        world
    }

    fn drain(&mut self) {
        while let Some(effect) = self.tasks.poll_effect() {
            match effect {
                Effect::Ask(request) => self.asked.push(request),
                Effect::Tell { client, request, told } => self.told.push((client, request, told)),
                Effect::Begin(claim) => {
                    let run = u32::try_from(claim.id.as_u128()).unwrap();
                    self.tasks.begun(claim.id, key(run));
                    self.begun.push(*claim);
                }
                Effect::Cancel(run) => self.cancelled.push(run),
                Effect::Log(level, _, text) => self.log.push((level, text)),
            }
        }
    }

    fn advance(&mut self) {
        self.tasks.advance(&self.server, self.now);
        self.drain();
    }

    /// Time passes; the machine is called when it wants to be.
    fn wait(&mut self, time: Duration) {
        let until = self.now.at + time;
        while self.tasks.poll_timeout() <= until {
            let time = self.tasks.poll_timeout().saturating_duration_since(self.now.at);
            self.now = Now { at: self.now.at + time, wall: self.now.wall + time };
            self.advance();
        }
        let rest = until - self.now.at;
        self.now = Now { at: until, wall: self.now.wall + rest };
    }

    fn ask(&mut self, client: u32, ask: impl Into<Ask>) {
        self.tasks.handle_ask(key(client), id(client.into()), ask.into(), self.now);
        self.drain();
    }

    fn watch(&mut self, client: u32, task: u128) {
        self.tasks.watch(key(client), id(client.into()), id(task), self.now);
        self.drain();
    }

    fn submit(&mut self, client: u32, number: u128) {
        let submission = Submission {
            id: id(number),
            picture: b"bytes".to_vec(),
            transform: PLAN,
            key: None,
            at: self.now.wall,
            reservation: self.server.admission.reservation(),
        };
        self.ask(client, StoreWrite::Accept(Box::new(submission)));
    }

    /// Answers the oldest question of the kind that `is_meant`, and gives it.
    fn answer(&mut self, result: Result<StoreReply, StoreError>, is_meant: impl Fn(&Ask) -> bool) -> Ask {
        let position = self.asked.iter().position(|request| is_meant(&request.ask));
        let position = position.unwrap_or_else(|| panic!("{result:?} answers none of {:?}", self.asked));
        let StoreRequest { ticket, ask } = self.asked.remove(position);
        self.tasks.handle_answer(StoreAnswer { ticket, result }, &self.server, self.now);
        self.drain();
        ask
    }

    fn answer_write(&mut self, result: Result<StoreReply, StoreError>) -> StoreWrite {
        match self.answer(result, |ask| matches!(ask, Ask::Write(_))) {
            Ask::Write(write) => write,
            other => panic!("{other:?}"),
        }
    }

    fn answer_read(&mut self, result: Result<StoreReply, StoreError>) -> StoreRead {
        match self.answer(result, |ask| matches!(ask, Ask::Read(_))) {
            Ask::Read(read) => read,
            other => panic!("{other:?}"),
        }
    }

    fn claim(&mut self, number: u128, suspect: bool) {
        let mut reservation = self.server.admission.reservation();
        reservation.charge(5).unwrap();
        let tries = self.tries.get(&id(number)).copied().unwrap_or_default();
        let claim = Claim {
            id: id(number),
            picture: b"bytes".to_vec(),
            transform: PLAN,
            suspect,
            tries,
            reservation,
        };
        self.told_of_claim(Claimed::Task(Box::new(claim)));
        self.tasks.admitted(id(number));
    }

    fn told_of_claim(&mut self, claimed: Claimed) {
        let is_claim = |ask: &Ask| matches!(ask, Ask::Write(StoreWrite::Claim { .. }));
        self.answer(Ok(StoreReply::Claimed(claimed)), is_claim);
    }

    fn claims(&self) -> usize {
        let is_claim = |request: &&StoreRequest| matches!(request.ask, Ask::Write(StoreWrite::Claim { .. }));
        self.asked.iter().filter(is_claim).count()
    }

    fn end(&mut self, number: u128, outcome: WorkResult) {
        self.end_at(number, outcome, Reached::Worker);
    }

    fn end_at(&mut self, number: u128, outcome: WorkResult, reached: Reached) {
        self.tasks.handle_end(id(number), &outcome, reached, &self.server, self.now);
        self.drain();
    }

    fn done(&self) -> WorkResult {
        let reservation = self.server.admission.reservation();
        let file = Bytes::from_static(b"png");
        let picture = Picture { file, format: Format::Png, width: 1, height: 1, variant: None, reservation };
        Ok(WorkOutput::Picture(Arc::new(picture), Times::default()))
    }

    fn settled(&mut self, known: bool) -> StoreWrite {
        let is_settlement =
            |ask: &Ask| matches!(ask, Ask::Write(StoreWrite::End { .. } | StoreWrite::Release { .. }));
        let write = self.answer(Ok(StoreReply::Known(known)), is_settlement).into_write();
        if let StoreWrite::Release { id, tried: true } = write {
            *self.tries.entry(id).or_default() += 1;
        }
        write
    }

    /// The state in the answer to the only client that was answered.
    fn told_state(&mut self) -> Option<TaskState> {
        match self.told.remove(0).2 {
            Ok(StoreReply::Status(status)) => status.map(|status| status.state),
            other => panic!("{other:?}"),
        }
    }
}

impl Ask {
    fn into_write(self) -> StoreWrite {
        match self {
            Self::Write(write) => write,
            other => panic!("{other:?}"),
        }
    }
}

fn broken() -> StoreError {
    StoreError::Broken("EIO".into())
}

fn full() -> StoreError {
    StoreError::Full("ENOSPC".into())
}

#[test]
fn a_picture_counts_as_accepted_when_the_store_says_so() {
    let mut world = World::idle(2);
    world.submit(7, 1);
    world.advance();
    assert!(world.told.is_empty() && world.claims() == 0);
    world.answer_write(Ok(StoreReply::Accepted(Acceptance::New)));
    let (client, request, told) = world.told.remove(0);
    assert_eq!((client, request), (key(7), id(7)));
    assert!(matches!(told, Ok(StoreReply::Accepted(Acceptance::New))), "{told:?}");
    world.advance();
    assert_eq!(world.claims(), 2, "there is work again");

    world.submit(7, 2);
    world.answer(Ok(StoreReply::Accepted(Acceptance::Same(status(id(1), TaskState::Done)))), is_accept);
    assert!(
        matches!(&world.told.remove(0).2, Ok(StoreReply::Accepted(Acceptance::Same(known))) if known.id == id(1))
    );
    world.submit(7, 3);
    world.answer(Ok(StoreReply::Accepted(Acceptance::Different)), is_accept);
    assert!(matches!(world.told.remove(0).2, Ok(StoreReply::Accepted(Acceptance::Different))));
}

fn is_accept(ask: &Ask) -> bool {
    matches!(ask, Ask::Write(StoreWrite::Accept(_)))
}

#[test]
fn so_many_are_in_memory_and_no_more() {
    let mut world = World::new(3);
    assert_eq!(world.claims(), 3);
    for number in 1..=3 {
        world.claim(number, false);
        world.advance();
    }
    assert_eq!((world.claims(), world.begun.len()), (0, 3));

    world.end(2, world.done());
    let asked: Vec<&Ask> = world.asked.iter().map(|request| &request.ask).collect();
    assert!(
        matches!(asked[..], [Ask::Write(StoreWrite::End { .. }), Ask::Write(StoreWrite::Claim { .. })]),
        "the next one is claimed right behind the end: {asked:?}"
    );
    world.advance();
    assert_eq!(world.claims(), 1);
    assert!(matches!(world.settled(true), StoreWrite::End { end: End::Done(_), .. }));
    world.advance();
    assert_eq!(world.claims(), 1);
    world.told_of_claim(Claimed::Nothing);
    world.end(1, world.done());
    world.settled(true);
    world.advance();
    assert_eq!(world.claims(), 0, "nobody waits");
}

/// What the end of a task, and the claim behind it, are answered.
const ANSWERS: [fn(&mut World); 5] = [
    |world| world.claim(9, false),
    |world| world.told_of_claim(Claimed::Nothing),
    |world| world.told_of_claim(Claimed::NoRoom { length: 9 }),
    |world| world.told_of_claim(Claimed::MustBeAlone),
    |world| drop(world.answer(Err(broken()), is_claim)),
];

fn is_claim(ask: &Ask) -> bool {
    matches!(ask, Ask::Write(StoreWrite::Claim { .. }))
}

fn is_end(ask: &Ask) -> bool {
    matches!(ask, Ask::Write(StoreWrite::End { .. }))
}

#[test]
fn an_end_and_the_claim_behind_it_are_answered_in_any_order() {
    for (number, claimed) in ANSWERS.into_iter().enumerate() {
        for (end_is_stored, end_is_first) in [(true, true), (true, false), (false, true), (false, false)] {
            let what = format!("answer {number}, {end_is_stored}, {end_is_first}");
            let mut world = World::busy(2, &[1, 2]);
            world.end(1, world.done());
            assert_eq!(world.claims(), 1, "{what}");
            let end = |world: &mut World| {
                let result = if end_is_stored { Ok(StoreReply::Known(true)) } else { Err(full()) };
                world.answer(result, is_end);
                world.advance();
            };
            if end_is_first {
                end(&mut world);
            }
            claimed(&mut world);
            world.advance();
            if !end_is_first {
                end(&mut world);
            }
            // It is offered again, and nothing more is taken on before the store has it.
            if !end_is_stored {
                assert_eq!((world.claims(), world.tasks.in_work()), (0, 2 + world.begun.len() - 2), "{what}");
                world.wait(RETRY_TIME);
                world.answer(Ok(StoreReply::Known(true)), is_end);
            }
            while world.asked.iter().any(|request| matches!(request.ask, Ask::Write(StoreWrite::Probe))) {
                world.answer(Ok(StoreReply::Nothing), |ask| matches!(ask, Ask::Write(StoreWrite::Probe)));
            }
            world.wait(PAUSE + RETRY_TIME);
            while world.asked.iter().any(|request| matches!(request.ask, Ask::Write(StoreWrite::Probe))) {
                world.answer(Ok(StoreReply::Nothing), |ask| matches!(ask, Ask::Write(StoreWrite::Probe)));
            }
            world.advance();
            // One more for each place, unless there is none or it has to be alone.
            let (in_work, claims) = match number {
                0 => (2, 0),
                1 | 3 => (1, 0),
                _ => (1, 1),
            };
            assert_eq!((world.tasks.in_work(), world.claims()), (in_work, claims), "{what}");
            // The other one's end goes on from there.
            world.end(2, world.done());
            assert_eq!(world.claims(), usize::from(number != 1 && number != 3) + claims.min(1), "{what}");
            world.answer(Ok(StoreReply::Known(true)), is_end);
            world.advance();
            assert_eq!(world.claims(), [1, 0, 2, 1, 2][number], "{what}");
        }
    }
}

#[test]
fn however_many_ends_fail_no_more_than_twice_as_many_are_in_memory() {
    let mut world = World::busy(3, &[1, 2, 3]);
    for number in 1..=3 {
        world.end(number, world.done());
    }
    assert_eq!(world.claims(), 3);
    for number in 4..=6 {
        world.claim(number, false);
        world.advance();
    }
    assert_eq!((world.claims(), world.tasks.in_work()), (0, 6));
    // Of these neither the end is stored, nor do others come.
    let damaged = || Err(StoreError::Damaged("x".into()));
    for _ in 1..=3 {
        world.answer(damaged(), is_end);
    }
    for number in 4..=6 {
        world.end(number, world.done());
        world.advance();
        assert_eq!(world.claims(), 0, "{number}");
    }
    for _ in 4..=6 {
        world.answer(Ok(StoreReply::Known(true)), is_end);
        world.advance();
    }
    assert_eq!((world.claims(), world.tasks.in_work()), (0, 3));
    world.wait(RETRY_TIME);
    for (number, claims) in [(1, 1), (2, 2), (3, 3)] {
        let Ask::Write(StoreWrite::End { id: of, .. }) = world.answer(Ok(StoreReply::Known(true)), is_end)
        else {
            panic!()
        };
        assert_eq!(of, id(number));
        world.advance();
        assert_eq!(world.claims(), claims);
    }
}

#[test]
fn a_suspect_ends_before_the_next_is_claimed_and_what_has_to_wait_claims_none() {
    let mut world = World::new(1);
    world.claim(1, true);
    world.end(1, world.done());
    assert_eq!(world.claims(), 0);
    world.settled(true);
    world.advance();
    assert_eq!(world.claims(), 1);
    world.claim(2, false);
    world.end(2, Err(WorkError::ScalerAway));
    world.advance();
    assert!(matches!(world.settled(true), StoreWrite::Release { .. }));
    assert_eq!(world.claims(), 0);
}

#[test]
fn tasks_that_others_have_hold_of_are_claimed_a_moment_later() {
    let mut world = World::new(1);
    for pause in [10, 20, 40, 80, 100, 100] {
        let pause = Duration::from_millis(pause);
        world.told_of_claim(Claimed::Held);
        world.wait(pause - Duration::from_millis(1));
        assert_eq!(world.claims(), 0, "{pause:?}");
        world.wait(Duration::from_millis(1));
        assert_eq!(world.claims(), 1, "{pause:?}");
    }
    world.claim(1, false);
    world.end(1, world.done());
    world.told_of_claim(Claimed::Held);
    world.settled(true);
    world.wait(MOMENT);
    assert_eq!(world.claims(), 1, "short again");
}

#[test]
fn news_that_overtake_the_answer_to_a_claim_are_not_lost() {
    let mut world = World::new(1);
    world.tasks.handle_news(News::Waiting);
    world.told_of_claim(Claimed::Nothing);
    world.advance();
    assert_eq!(world.claims(), 1, "the task may have come after that one was made");
    world.told_of_claim(Claimed::Nothing);
    world.advance();
    assert_eq!(world.claims(), 0);
}

#[test]
fn a_suspect_is_worked_on_alone() {
    let mut world = World::idle(4);
    (world.tasks.idle, world.tasks.caution) = (false, Caution::Look);
    world.advance();
    for suspect in [1, 2] {
        assert_eq!(world.claims(), 1, "the next may be one too");
        world.claim(suspect, true);
        world.advance();
        assert_eq!(world.claims(), 0);
        world.end(suspect, world.done());
        world.settled(true);
        world.advance();
    }
    world.claim(3, false);
    world.advance();
    assert_eq!(world.claims(), 3);
    world.told_of_claim(Claimed::MustBeAlone);
    world.claim(4, false);
    world.told_of_claim(Claimed::MustBeAlone);
    world.advance();
    for left in [3, 4] {
        assert_eq!(world.claims(), 0, "{left} is in work");
        world.end(left, world.done());
        world.settled(true);
        world.advance();
    }
    world.claim(5, true);

    // One that has to go back to wait is a suspect still.
    world.end(5, Err(WorkError::ScalerAway));
    assert!(matches!(world.settled(true), StoreWrite::Release { .. }));
    world.wait(PAUSE);
    assert_eq!(world.claims(), 1);
    world.claim(5, true);
    world.end(5, world.done());
    world.settled(true);
    world.advance();
    assert_eq!(world.claims(), 1);
    world.told_of_claim(Claimed::Nothing);
    world.advance();
    assert_eq!(world.claims(), 0);
}

/// The crashes of the tasks that the claims under way may get.
fn crashes_of(world: &World) -> Vec<u32> {
    let crashes = |request: &StoreRequest| match request.ask {
        Ask::Write(StoreWrite::Claim { crashes_max, .. }) => Some(crashes_max),
        _ => None,
    };
    world.asked.iter().filter_map(crashes).collect()
}

#[test]
fn suspects_are_left_alone_at_first() {
    let mut world = World::young(2, Duration::from_secs(3600));
    world.advance();
    world.answer_write(Ok(StoreReply::Swept { expired: 0, more: false }));
    assert_eq!(crashes_of(&world), [0, 0]);
    world.claim(1, false);
    world.wait(PROBATION);
    // The one that is under way knows nothing of those that may be had now.
    world.told_of_claim(Claimed::Nothing);
    world.advance();
    assert_eq!(crashes_of(&world), [1]);
    world.told_of_claim(Claimed::MustBeAlone);
    world.end(1, world.done());
    world.settled(true);
    world.advance();
    assert_eq!(crashes_of(&world), [1]);
    world.claim(2, true);
    world.wait(PROBATION * 3 - Duration::from_millis(1));
    assert!(crashes_of(&world).is_empty());
    world.end(2, world.done());
    world.settled(true);
    world.advance();
    assert_eq!(crashes_of(&world), [1]);
    world.told_of_claim(Claimed::Nothing);
    world.advance();
    assert!(crashes_of(&world).is_empty());
    world.wait(Duration::from_millis(1));
    assert_eq!(crashes_of(&world), [2]);
    world.told_of_claim(Claimed::Nothing);
    world.wait(PROBATION * 10);
    assert!(
        crashes_of(&world).is_empty() && world.tasks.probation().is_none(),
        "those with more have failed"
    );
}

#[test]
fn what_becomes_of_a_failure() {
    let refused = |code| WorkError::ScalerRefused { code, reason: "no".into() };
    for (failure, tries, code) in [
        (WorkError::Undecodable("x".into()), 1, 422),
        (WorkError::Panicked, 1, 422),
        (WorkError::TooMuchMemory { needed: 1 << 40 }, 1, 422),
        (refused(422), 1, 422),
        (WorkError::Late, 1, 504),
        (WorkError::Lost, TRIES_MAX, 500),
        (WorkError::ScalerLost, TRIES_MAX, 502),
        (refused(503), TRIES_MAX, 503),
        (refused(504), TRIES_MAX, 504),
        (WorkError::ScalerAway, u32::MAX, 0),
        (WorkError::Cancelled, u32::MAX, 0),
        (WorkError::MemoryFull { length: 9 }, u32::MAX, 0),
    ] {
        let mut world = World::new(1);
        for number in 1..=10 {
            world.claim(1, false);
            world.end(1, Err(failure.clone()));
            match world.settled(true) {
                StoreWrite::Release { .. } => assert!(number < tries, "{failure:?}"),
                StoreWrite::End { end: End::Failed(problem), .. } => {
                    assert_eq!((number, problem.code), (tries, code), "{failure:?}");
                    break;
                }
                other => panic!("{failure:?}: {other:?}"),
            }
            world.wait(PAUSE);
            world.advance();
        }
    }
}

#[test]
fn a_failure_is_told_to_the_log_as_it_matters() {
    let mut world = World::busy(2, &[1, 2]);
    world.end(1, Err(WorkError::Undecodable("faltan datos".into())));
    world.end(2, Err(WorkError::Panicked));
    assert_eq!(world.log[0].0, Level::Info);
    assert!(world.log[0].1.starts_with("Tarea terminada con error 422: "), "{:?}", world.log);
}

#[test]
fn a_result_that_the_store_can_not_take_is_kept_and_offered_again() {
    let mut world = World::busy(2, &[1, 2]);
    let done = world.done();
    world.end(1, done);
    world.answer_write(Err(full()));
    world.answer(Err(full()), is_claim);
    assert!(matches!(*world.server.store_away.borrow(), Some(WorkError::StoreFull(_))));
    assert_eq!(world.log.len(), 1, "{:?}", world.log);
    world.end(2, Err(WorkError::Undecodable("x".into())));
    world.answer_write(Err(full()));
    world.advance();
    assert_eq!(world.claims(), 0, "both are in memory still");
    world.log.clear();
    for _ in 0..3 {
        world.wait(RETRY_TIME);
        world.answer_write(Err(full()));
        world.answer_write(Err(full()));
        assert!(matches!(world.answer_write(Ok(StoreReply::Nothing)), StoreWrite::Probe));
        assert!(world.asked.is_empty() && world.log.is_empty(), "it complains once");
        assert!(world.server.store_away.borrow().is_some());
    }
    world.wait(RETRY_TIME);
    let again = [world.settled(true), world.settled(true)];
    assert!(matches!(&again[0], StoreWrite::End { id: first, end: End::Done(picture), .. }
        if *first == id(1) && picture.file == "png"));
    assert!(matches!(&again[1], StoreWrite::End { end: End::Failed(_), .. }));
    assert!(world.server.store_away.borrow().is_none());
    assert_eq!(world.log[0], (Level::Warning, "El almacén funciona de nuevo.".into()));
    world.advance();
    assert_eq!(world.claims(), 2);
}

#[test]
fn a_store_that_fails_is_knocked_at_until_it_opens() {
    let mut world = World::idle(2);
    world.submit(1, 1);
    world.answer_write(Err(broken()));
    assert!(matches!(world.told.remove(0).2, Err(WorkError::StoreBroken(_))));
    world.wait(RETRY_TIME / 2);
    assert!(world.asked.is_empty());
    world.wait(RETRY_TIME / 2);
    assert!(matches!(world.answer_write(Ok(StoreReply::Nothing)), StoreWrite::Probe));
    assert!(world.server.store_away.borrow().is_none());
    // A read that fails says nothing about writes, nor one that succeeds.
    world.ask(1, StoreRead::Status(id(1)));
    world.answer_read(Err(broken()));
    assert!(world.server.store_away.borrow().is_some());
    world.ask(1, StoreRead::Status(id(1)));
    world.answer_read(Ok(StoreReply::Status(None)));
    assert!(world.server.store_away.borrow().is_some());
}

#[test]
fn no_task_is_begun_while_it_could_not_be_worked_on() {
    for hinder in [
        |server: &ServerState| server.draining.set(true),
        |server: &ServerState| server.scaler_away.set(true),
        |server: &ServerState| *server.store_away.borrow_mut() = Some(WorkError::StoreBroken("x".into())),
    ] {
        let mut world = World::busy(2, &[1, 2]);
        hinder(&world.server);
        world.end(1, world.done());
        world.advance();
        assert_eq!(world.claims(), 0);
        let mut world = World::busy(2, &[1, 2]);
        world.end(1, world.done());
        world.settled(true);
        world.told_of_claim(Claimed::NoRoom { length: 9 });
        hinder(&world.server);
        world.wait(PAUSE);
        world.advance();
        assert_eq!(world.claims(), 0);
    }
    for claimed in
        [Ok(StoreReply::Claimed(Claimed::NoRoom { length: 9 })), Err(StoreError::NoRoom { length: 9 })]
    {
        let mut world = World::new(1);
        world.answer_write(claimed);
        world.advance();
        assert_eq!((world.claims(), world.server.store_away.borrow().is_none()), (0, true));
        world.wait(PAUSE);
        world.advance();
        assert_eq!(world.claims(), 1);
    }
}

#[test]
fn while_a_task_waits_for_memory_no_other_is_taken_on() {
    let mut world = World::new(3);
    let reservation = world.server.admission.reservation();
    let claim = Claim {
        id: id(1),
        picture: b"bytes".to_vec(),
        transform: PLAN,
        suspect: false,
        tries: 0,
        reservation,
    };
    world.told_of_claim(Claimed::Task(Box::new(claim)));
    world.told_of_claim(Claimed::NoRoom { length: 9 });
    world.told_of_claim(Claimed::NoRoom { length: 9 });
    world.wait(PAUSE);
    assert_eq!(world.claims(), 0);
    // Waiting in vain is no fault of its own, however often.
    world.end_at(1, Err(WorkError::Late), Reached::Nothing);
    assert!(matches!(world.settled(true), StoreWrite::Release { tried: false, .. }));
    world.wait(PAUSE);
    world.advance();
    assert_eq!(world.claims(), 3);
    world.claim(1, false);
    world.claim(2, false);
    world.advance();
    assert_eq!(world.claims(), 1);
}

#[test]
fn so_many_are_taken_on_as_have_found_memory_lately() {
    let mut world = World::new(5);
    for number in 1..=5 {
        let reservation = world.server.admission.reservation();
        let claim = Claim {
            id: id(number),
            picture: b"bytes".to_vec(),
            transform: PLAN,
            suspect: false,
            tries: 0,
            reservation,
        };
        world.told_of_claim(Claimed::Task(Box::new(claim)));
    }
    world.tasks.admitted(id(1));
    for sent_back in [5, 4, 3] {
        world.end(sent_back, Err(WorkError::MemoryFull { length: 9 }));
        assert!(matches!(world.settled(true), StoreWrite::Release { .. }));
    }
    world.advance();
    assert_eq!((world.claims(), world.tasks.window), (0, 2));
    world.tasks.admitted(id(2));
    world.advance();
    assert_eq!(world.claims(), 0, "it had to wait: there is memory for two");
    world.end(1, world.done());
    world.settled(true);
    for (number, claims) in [(3, 1), (4, 1), (5, 1)] {
        world.advance();
        assert_eq!(world.claims(), claims);
        world.claim(number, false);
    }
    world.advance();
    assert_eq!((world.claims(), world.tasks.window), (1, 5), "these found it at once");
}

#[test]
fn a_task_that_the_memory_could_never_hold_ends() {
    let mut world = World::new(2);
    world.told_of_claim(Claimed::TooLarge { id: id(1), length: 5000 });
    let StoreWrite::End { end: End::Failed(problem), .. } = world.settled(true) else { panic!() };
    assert_eq!(problem.code, 422);
    assert!(problem.detail.contains("--memoria"), "{problem:?}");
    world.advance();
    assert_eq!(world.claims(), 2);
}

#[test]
fn a_task_that_cannot_be_read_is_told_of_and_the_next_is_claimed() {
    let mut world = World::new(1);
    world.watch(11, 1);
    world.answer_read(Ok(StoreReply::Status(Some(status(id(1), TaskState::Pending)))));
    world.told_of_claim(Claimed::Unreadable { id: id(1) });
    world.answer_read(Ok(StoreReply::Status(Some(status(id(1), TaskState::Failed)))));
    assert_eq!(world.told.len(), 1);
    world.advance();
    assert_eq!(world.claims(), 1);
}

#[test]
fn whoever_waits_is_told_at_the_end() {
    let mut world = World::busy(2, &[1]);
    for client in [11, 12, 13] {
        world.watch(client, 1);
        assert!(matches!(world.answer_read(Ok(StoreReply::Status(Some(status(id(1), TaskState::Running))))),
            StoreRead::Watch(asked) if asked == id(1)));
    }
    world.tasks.forget(key(12));
    assert!(world.told.is_empty());
    world.end(1, world.done());
    world.settled(true);
    world.answer_read(Ok(StoreReply::Status(Some(status(id(1), TaskState::Done)))));
    assert_eq!([world.told[0].0, world.told[1].0], [key(11), key(13)]);
    assert_eq!([world.told_state(), world.told_state()], [Some(TaskState::Done); 2]);
    assert!(world.told.is_empty());
}

#[test]
fn an_end_between_the_question_and_the_look_is_told_once() {
    // The look sees it.
    let mut world = World::busy(2, &[1]);
    world.watch(11, 1);
    world.end(1, world.done());
    world.answer_read(Ok(StoreReply::Status(Some(status(id(1), TaskState::Done)))));
    assert_eq!(world.told_state(), Some(TaskState::Done));
    world.settled(true);
    assert!(world.told.is_empty() && !world.asked.iter().any(|request| matches!(request.ask, Ask::Read(_))));

    // The look does not; the second one reports the end.
    let mut world = World::busy(2, &[1]);
    world.watch(11, 1);
    world.end(1, world.done());
    world.settled(true);
    world.answer_read(Ok(StoreReply::Status(Some(status(id(1), TaskState::Running)))));
    assert!(world.told.is_empty());
    world.answer_read(Ok(StoreReply::Status(Some(status(id(1), TaskState::Done)))));
    assert_eq!(world.told_state(), Some(TaskState::Done));
}

#[test]
fn who_waits_for_something_else_by_now_is_not_told() {
    let mut world = World::busy(2, &[1, 2]);
    world.watch(11, 1);
    world.watch(11, 2);
    world.answer_read(Ok(StoreReply::Status(Some(status(id(1), TaskState::Done)))));
    assert!(world.told.is_empty());
    world.answer_read(Ok(StoreReply::Status(None)));
    assert_eq!(world.told_state(), None, "it was never given out");
}

#[test]
fn a_look_that_fails_is_told_to_all_who_wait_for_it() {
    let mut world = World::busy(2, &[1]);
    for client in [11, 12] {
        world.watch(client, 1);
        world.answer_read(Ok(StoreReply::Status(Some(status(id(1), TaskState::Running)))));
    }
    world.end(1, world.done());
    world.settled(true);
    world.answer_read(Err(broken()));
    assert_eq!(world.told.len(), 2);
    assert!(world.told.iter().all(|(.., told)| matches!(told, Err(WorkError::StoreBroken(_)))));
}

#[test]
fn a_deleted_task_is_stopped_and_told_to_who_waits() {
    let mut world = World::busy(2, &[1, 2]);
    world.watch(11, 1);
    world.answer_read(Ok(StoreReply::Status(Some(status(id(1), TaskState::Running)))));
    world.ask(12, StoreWrite::Delete { id: id(1) });
    assert!(world.told.is_empty() && world.cancelled.is_empty(), "not before the store says so");
    world.answer_write(Ok(StoreReply::Known(true)));
    assert_eq!(world.cancelled, [key(1)]);
    assert_eq!(world.told_state(), None);
    assert!(matches!(world.told.remove(0), (client, _, Ok(StoreReply::Known(true))) if client == key(12)));
    // Its step was out.
    world.end(1, Err(WorkError::Cancelled));
    world.settled(false);
    world.ask(12, StoreWrite::Delete { id: id(2) });
    world.answer_write(Ok(StoreReply::Known(true)));
    // Its step was not.
    world.tasks.handle_gone(id(2));
    assert!(world.tasks.in_work.is_empty());
    world.ask(12, StoreWrite::Delete { id: id(9) });
    world.answer_write(Ok(StoreReply::Known(false)));
    assert!(matches!(world.told.pop().unwrap().2, Ok(StoreReply::Known(false))));
}

#[test]
fn nothing_is_remembered_of_a_task_that_was_deleted() {
    let mut world = World::busy(1, &[1]);
    world.end(1, Err(WorkError::Lost));
    world.settled(true);
    world.wait(PAUSE);
    world.claim(1, false);
    world.ask(12, StoreWrite::Delete { id: id(1) });
    world.answer_write(Ok(StoreReply::Known(true)));
    world.end(1, Err(WorkError::Lost));
    world.settled(false);
    assert!(world.tasks.in_work.is_empty());
}

#[test]
fn lateness_is_final_once_a_worker_has_begun() {
    let mut world = World::busy(3, &[1, 2]);
    // No worker came to it, however often.
    for _ in 0..TRIES_MAX + 1 {
        world.end_at(1, Err(WorkError::Late), Reached::Nothing);
        assert!(matches!(world.settled(true), StoreWrite::Release { tried: false, .. }));
        world.wait(PAUSE);
        world.claim(1, false);
    }
    // Nor to its next step: that is a try, and tries are limited.
    for _ in 1..TRIES_MAX {
        world.end_at(1, Err(WorkError::Late), Reached::Between);
        assert!(matches!(world.settled(true), StoreWrite::Release { tried: true, .. }));
        world.wait(PAUSE);
        world.claim(1, false);
    }
    for reached in [Reached::Worker, Reached::Scaler] {
        let number = if reached == Reached::Worker { 1 } else { 2 };
        world.end_at(number, Err(WorkError::Late), reached);
        let StoreWrite::End { end: End::Failed(problem), .. } = world.settled(true) else { panic!() };
        assert_eq!(problem.code, 504);
        assert!(problem.detail.contains("--plazo"), "{problem:?}");
    }
}

#[test]
fn a_scaler_that_hangs_is_no_fault_of_the_picture() {
    let mut world = World::busy(2, &[1, 2]);
    world.server.stuck.set(Some(ServerPart::Scaler));
    // Its thread may still have it.
    world.end_at(1, Err(WorkError::Late), Reached::Worker);
    assert!(matches!(world.settled(true), StoreWrite::End { .. }));
    world.end_at(2, Err(WorkError::Late), Reached::Scaler);
    assert!(matches!(world.settled(true), StoreWrite::Release { tried: true, .. }));
}

#[test]
fn tries_before_a_restart_count() {
    let mut world = World::new(1);
    world.tries.insert(id(1), TRIES_MAX - 1);
    world.claim(1, false);
    world.end(1, Err(WorkError::ScalerAway));
    assert!(matches!(world.settled(true), StoreWrite::Release { tried: false, .. }));
    world.wait(PAUSE);
    world.claim(1, false);
    world.end(1, Err(WorkError::ScalerLost));
    assert!(matches!(world.settled(true), StoreWrite::End { end: End::Failed(_), .. }));
    // Many restarts say little about it: it still gets a last try.
    world.tries.insert(id(2), 40);
    world.advance();
    world.claim(2, false);
    world.end(2, world.done());
    assert!(matches!(world.settled(true), StoreWrite::End { end: End::Done(_), .. }));
}

#[test]
fn what_was_not_begun_when_the_server_ends_was_not_tried() {
    let mut world = World::busy(3, &[1, 2, 3]);
    world.end(3, world.done());
    world.tasks.release(|run| run != key(2), world.now);
    world.drain();
    let releases: Vec<Uuid> = world
        .asked
        .iter()
        .filter_map(|request| match request.ask {
            Ask::Write(StoreWrite::Release { id, tried: false }) => Some(id),
            _ => None,
        })
        .collect();
    assert_eq!(releases, [id(1)], "one is at a worker, and one has ended");
}

#[test]
fn what_expires_is_looked_for_at_the_start_and_regularly() {
    for (retention, every) in [(0.0, 1), (60.0, 6), (1e9, 60)] {
        let mut world = World::with(1, Duration::from_secs_f64(retention));
        world.told_of_claim(Claimed::Nothing);
        world.advance();
        let every = Duration::from_secs(every);
        world.wait(every - Duration::from_millis(1));
        assert!(world.asked.is_empty());
        world.wait(Duration::from_millis(1));
        let swept = world.answer_write(Ok(StoreReply::Swept { expired: 500, more: true }));
        assert!(matches!(swept, StoreWrite::Sweep { at } if at == world.now.wall));
        assert_eq!(world.tasks.poll_timeout(), world.now.at, "there is more");
    }
}

#[test]
fn work_for_clients_is_remembered_and_can_be_waited_for() {
    let mut world = World::idle(1);
    world.tasks.note_begin(id(5), 10, world.now);
    world.ask(1, StoreRead::Status(id(5)));
    assert_eq!(world.told_state(), Some(TaskState::Pending));
    world.tasks.note_run(id(5), world.now);
    world.watch(2, 5);
    world.ask(1, StoreRead::Status(id(5)));
    assert_eq!(world.told_state(), Some(TaskState::Running));
    world.tasks.note_end(id(5), Some(&WorkError::Late), &world.server, world.now);
    world.drain();
    assert_eq!((world.told[0].0, world.told_state()), (key(2), Some(TaskState::Failed)));
    world.watch(2, 5);
    assert_eq!(world.told_state(), Some(TaskState::Failed));
    assert!(world.asked.is_empty(), "the store knows nothing of it");
    world.wait(Duration::from_secs(601));
    world.ask(1, StoreRead::Status(id(5)));
    assert!(world.told.is_empty(), "the store is asked");
}

#[test]
fn an_answer_to_no_question_is_nobodys() {
    let mut world = World::idle(1);
    let answer = |ticket| StoreAnswer { ticket, result: Ok(StoreReply::Nothing) };
    world.tasks.handle_answer(answer(999), &world.server, world.now);
    world.ask(1, StoreWrite::Delete { id: id(1) });
    // Of the wrong kind: the client is answered all the same.
    world.answer_write(Ok(StoreReply::Inserted(true)));
    assert!(matches!(world.told.remove(0).2, Err(WorkError::Lost)));
    world.drain();
    assert!(world.told.is_empty());
}

#[test]
fn what_comes_to_a_shared_store_from_elsewhere_is_taken_on() {
    let mut world = World::idle(4);
    world.wait(LOOK_TIME * 3);
    assert_eq!(world.claims(), 0, "nobody else puts tasks into a store of our own");
    world.tasks.share(world.now);
    world.wait(Duration::ZERO);
    for _ in 0..3 {
        assert_eq!(world.claims(), 1, "one at a time, while there is nothing");
        world.told_of_claim(Claimed::Nothing);
        world.advance();
        assert_eq!(world.claims(), 0);
        world.wait(LOOK_TIME);
    }
    world.claim(1, false);
    world.advance();
    assert_eq!(
        (world.begun.len(), world.claims()),
        (1, 3),
        "and as many as there is room for, once there is something"
    );
}

#[test]
fn who_waits_for_a_task_of_another_server_is_told() {
    let mut world = World::idle(4);
    world.tasks.share(world.now);
    world.wait(Duration::ZERO);
    world.claim(1, false);
    for (client, task) in [(11, 1), (12, 2), (13, 2), (14, 3)] {
        world.watch(client, task);
        world.answer_read(Ok(StoreReply::Status(Some(status(id(task), TaskState::Running)))));
    }
    world.wait(LOOK_TIME);
    let asks = |ask: &Ask| matches!(ask, Ask::Read(StoreRead::Ended(_)));
    let Ask::Read(StoreRead::Ended(mut asked)) = world.answer(Ok(StoreReply::Ended(vec![id(2)])), asks)
    else {
        panic!()
    };
    asked.sort_unstable();
    assert_eq!(asked, [id(2), id(3)], "of what is in work here the end is seen anyhow");
    let StoreRead::Status(task) =
        world.answer_read(Ok(StoreReply::Status(Some(status(id(2), TaskState::Done)))))
    else {
        panic!()
    };
    assert_eq!(task, id(2));
    let mut told: Vec<_> = world.told.iter().map(|(client, ..)| client.index).collect();
    told.sort_unstable();
    assert_eq!(told, [12, 13]);
    // A look that fails is made again.
    world.wait(LOOK_TIME);
    world.answer(Err(StoreError::Broken("se cortó".into())), asks);
    world.wait(LOOK_TIME);
    world.answer(Ok(StoreReply::Ended(vec![id(3)])), asks);
    world.answer_read(Ok(StoreReply::Status(None)));
    assert!(matches!(world.told.last(), Some((Key { index: 14, .. }, _, Ok(StoreReply::Status(None))))));
}

#[test]
fn a_result_that_meets_something_unreadable_is_offered_again_and_puts_no_store_away() {
    let mut world = World::busy(1, &[1]);
    world.end(1, Err(WorkError::TooManyPixels { width: 9, height: 9 }));
    let damaged = || Err(StoreError::Damaged("un documento guardado no es lo que debería".into()));
    assert!(matches!(world.answer_write(damaged()), StoreWrite::End { id: of, .. } if of == id(1)));
    assert!(world.server.store_away.borrow().is_none());
    assert!(world.log.iter().any(|(level, text)| *level == Level::Error && text.contains("documento")));
    world.told_of_claim(Claimed::Nothing);
    assert!(world.asked.is_empty());
    world.wait(RETRY_TIME);
    world.answer(Ok(StoreReply::Known(true)), is_end);
    assert_eq!(world.tasks.in_work(), 0);
}

#[test]
fn a_folder_is_removed_piece_by_piece_and_its_room_given_back() {
    let mut world = World::idle(2);
    let remove = |folder: &str| Ask::Write(StoreWrite::RemoveFolder { folder: folder.into() });
    world.ask(1, remove("c"));
    // The second piece finds no more, which does not mean that there was none.
    for (known, more) in [(true, true), (false, false)] {
        assert!(world.told.is_empty());
        let removed = world.answer_write(Ok(StoreReply::Removed { known, more }));
        assert!(matches!(removed, StoreWrite::RemoveFolder { folder } if folder == "c"));
    }
    assert!(matches!(world.told.remove(0).2, Ok(StoreReply::Known(true))));
    world.advance();
    let sweep = world.answer_write(Ok(StoreReply::Swept { expired: 0, more: false }));
    assert!(matches!(sweep, StoreWrite::Sweep { .. }), "at once, not in a minute");

    world.ask(1, remove("d"));
    world.answer_write(Ok(StoreReply::Removed { known: true, more: true }));
    world.answer_write(Err(broken()));
    assert!(matches!(world.told.remove(0).2, Err(WorkError::StoreBroken(_))));
}

#[test]
fn a_clock_that_jumps_makes_nothing_old_and_is_told_of() {
    let mut world = World::idle(2);
    world.submit(1, 5);
    world.answer_write(Ok(StoreReply::Accepted(Acceptance::New)));
    let before = world.now.wall;
    // A year ahead for a minute, and back.
    let year = Duration::from_secs(365 * 24 * 3600);
    world.now.wall += year;
    let mut swept = Vec::new();
    for jump in 0..2 {
        if jump == 1 {
            world.now.wall -= year;
        }
        world.wait(Duration::from_secs(61));
        while world.asked.iter().any(|request| matches!(request.ask, Ask::Write(StoreWrite::Sweep { .. }))) {
            let is_sweep = |ask: &Ask| matches!(ask, Ask::Write(StoreWrite::Sweep { .. }));
            match world.answer(Ok(StoreReply::Swept { expired: 0, more: false }), is_sweep) {
                Ask::Write(StoreWrite::Sweep { at }) => swept.push(at),
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(
        !swept.is_empty() && swept.iter().all(|at| *at <= before + Duration::from_secs(130)),
        "{swept:?}"
    );
    let told: Vec<&str> =
        world.log.iter().map(|(_, text)| text.as_str()).filter(|text| text.contains("saltó")).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("+31536000 s") && told[1].contains("-31536000 s"), "{told:?}");
}
