//! Random sequences of changes, each compared with a list in memory.
use super::*;
use crate::model::task::TaskState;

const RETENTION: Retention = Retention { age: Duration::from_secs(400), bytes_max: 900 };

/// Marsaglia's xorshift64: the same sequence for the same seed.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// A task in its simplest form.
#[derive(Clone, Debug)]
struct Task {
    number: u64,
    key: Option<u8>,
    crashes: u32,
    state: TaskState,
    ended: u64,
    expired: u64,
    length: usize,
}

/// In the order of acceptance.
#[derive(Default)]
struct Model(Vec<Task>);

impl Model {
    fn find(&mut self, number: u64) -> Option<&mut Task> {
        self.0.iter_mut().find(|task| task.number == number)
    }

    fn running(&mut self, number: u64) -> Option<&mut Task> {
        self.find(number).filter(|task| task.state == TaskState::Running)
    }

    fn count(&self, state: TaskState) -> usize {
        self.0.iter().filter(|task| task.state == state).count()
    }

    fn next(&mut self) -> Option<&mut Task> {
        let waiting = self.0.iter_mut().filter(|task| task.state == TaskState::Pending);
        // The first of those with the most crashes.
        waiting.reduce(|best, task| if task.crashes > best.crashes { task } else { best })
    }

    fn expire(&mut self, now: u64, is_due: impl Fn(&Task) -> bool) -> usize {
        let mut expired = 0;
        for task in self.0.iter_mut().filter(|task| is_due(task)) {
            *task = Task { state: TaskState::Expired, expired: now, key: None, length: 0, ..task.clone() };
            expired += 1;
        }
        expired
    }

    fn make_room(&mut self, now: u64, newest: Option<u64>) -> usize {
        let mut expired = 0;
        while self.0.iter().map(|task| task.length as u64).sum::<u64>() > RETENTION.bytes_max {
            let done =
                self.0.iter().filter(|task| task.state == TaskState::Done && Some(task.number) != newest);
            let Some(oldest) = done.min_by_key(|task| task.ended).map(|task| task.number) else { break };
            expired += self.expire(now, |task| task.number == oldest);
        }
        expired
    }

    fn sweep(&mut self, now: u64) -> usize {
        let is_old = |task: &Task| {
            matches!(task.state, TaskState::Done | TaskState::Failed)
                && task.ended + RETENTION.age.as_secs() <= now
        };
        let old = self.expire(now, is_old);
        // Of several that ended together it is the one accepted last; max_by_key takes the last.
        let done = self.0.iter().filter(|task| task.state == TaskState::Done);
        let newest = done.max_by_key(|task| task.ended).map(|task| task.number);
        let crowded = self.make_room(now, newest);
        self.0.retain(|task| task.state != TaskState::Expired || task.expired + 30 * 24 * 3600 > now);
        old + crowded
    }

    fn crash(&mut self, now: u64) {
        for task in self.0.iter_mut().filter(|task| task.state == TaskState::Running) {
            task.crashes += 1;
            task.state = TaskState::Pending;
            if task.crashes >= CRASHES_MAX {
                (task.state, task.ended) = (TaskState::Failed, now);
            }
        }
    }
}

pub(crate) fn any_sequence_agrees_with_the_model<P: Place>() {
    for seed in 1..=4_u64 {
        run::<P>(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    }
}

fn run<P: Place>(seed: u64) {
    let (mut dice, mut model, mut desk) = (Dice(seed), Model::default(), Desk::<P>::new(RETENTION));
    let (mut given, mut now) = (0, 0);
    for step in 0..P::STEPS {
        now += dice.throw(20);
        let some = 1 + dice.throw(given + 2);
        match dice.throw(100) {
            0..25 => {
                given += 1;
                let key = Some(dice.throw(6)).filter(|&key| key < 4).and_then(|key| u8::try_from(key).ok());
                accept(&mut desk, &mut model, given, key, 1 + dice.throw(2));
            }
            25..50 => claim(&mut desk, &mut model, now),
            50..70 => {
                let length = usize::try_from(dice.throw(300)).unwrap();
                let end =
                    if length < 40 { End::Failed(problem()) } else { End::Done(desk.picture(some, length)) };
                let failed = matches!(end, End::Failed(_));
                let ended = model.running(some).map(|task| {
                    (task.state, task.ended) =
                        (if failed { TaskState::Failed } else { TaskState::Done }, now);
                    task.length = if failed { 0 } else { length };
                });
                if ended.is_some() && !failed {
                    model.make_room(now, Some(some));
                }
                assert_eq!(desk.end(some, at(now), end), ended.is_some(), "{step} of {seed}");
            }
            70..75 => {
                let released = model.running(some).map(|task| task.state = TaskState::Pending);
                assert_eq!(desk.release(some), released.is_some(), "{step} of {seed}");
            }
            75..82 => {
                let before = model.0.len();
                model.0.retain(|task| task.number != some);
                assert_eq!(desk.delete(some), model.0.len() < before, "{step} of {seed}");
            }
            82..90 => {
                now += dice.throw(200);
                assert_eq!(desk.sweep(at(now)), (model.sweep(now), false), "{step} of {seed}");
            }
            90..92 => {
                now += 40 * 24 * 3600;
                assert_eq!(desk.sweep(at(now)), (model.sweep(now), false), "{step} of {seed}");
            }
            92..97 => {
                model.crash(now);
                desk.crash(at(now));
            }
            _ => {
                for task in model.0.iter_mut().filter(|task| task.state == TaskState::Running) {
                    task.state = TaskState::Pending;
                }
                desk.restart(at(now));
            }
        }
        for number in 1..=given {
            let seen =
                desk.find(number).map(|status| (status.state, status.result.map(|shape| shape.length)));
            let has_file = |task: &Task| task.state == TaskState::Done;
            let expected =
                model.find(number).map(|task| (task.state, has_file(task).then_some(task.length as u64)));
            assert_eq!(seen, expected, "task {number} after step {step} of {seed}");
        }
    }
}

/// Submits a picture of so many bytes: tasks with the same key are equal if that is equal.
fn accept<P: Place>(desk: &mut Desk<P>, model: &mut Model, number: u64, key: Option<u8>, variant: u64) {
    let known = model.0.iter().find(|task| key.is_some() && task.key == key).map(|task| task.number);
    let expected = match known {
        None => {
            let (crashes, state, ended, expired, length) = (0, TaskState::Pending, 0, 0, 0);
            model.0.push(Task { number, key, crashes, state, ended, expired, length });
            Acceptance::New
        }
        Some(known) => {
            let status = desk.status(known);
            if status.received == variant { Acceptance::Same(status) } else { Acceptance::Different }
        }
    };
    let bytes = vec![0; usize::try_from(variant).unwrap()];
    let submission = desk.submission(number, bytes, key.as_ref().map(std::slice::from_ref));
    assert_eq!(accepted(desk.write(submission)), expected);
}

fn claim<P: Place>(desk: &mut Desk<P>, model: &mut Model, now: u64) {
    let in_work = model.count(TaskState::Running);
    let claimed = desk.try_claim(in_work, at(now));
    match (claimed, model.next()) {
        (Claimed::Nothing, None) => {}
        (Claimed::MustBeAlone, Some(task)) => assert!(task.crashes > 0 && in_work > 0),
        (Claimed::Task(claim), Some(task)) => {
            assert!(task.crashes == 0 || in_work == 0);
            assert_eq!((claim.id, claim.suspect), (id(task.number), task.crashes > 0));
            task.state = TaskState::Running;
        }
        other => panic!("{other:?}"),
    }
}
