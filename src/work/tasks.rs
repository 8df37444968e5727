//! The tasks: what connections ask of the store, which clients wait for which task, and which tasks are in work.
//!
//! Data in, [`Effect`]s out; no store, no clock and no socket inside. Rules:
//! - A task counts as accepted, or as ended, when the store has said so, and not before.
//! - At most [`Tasks::in_work_max`] tasks are in memory, at most one of them without memory for its work; the others
//!   wait in the store. The next task is claimed together with an end, so that both can be one transaction: until the
//!   answer, the task that ends does not count. If its end can't be stored it counts again, and at worst twice as many
//!   are in memory for so long. A task that was in work when a server crashed is a suspect: it is worked on alone, so
//!   that another crash is blamed on no other; and after a pause, so that an innocent one is not in work at each of
//!   several crashes in quick succession.
//! - Transient failures (the scaler is away, no worker began it) requeue the task. Failures that may be random are
//!   retried [`TRIES_MAX`](ending::TRIES_MAX) times, counted in the store; a server that crashes or stops in the middle
//!   is a try too. Failures caused by the image are final, and so is lateness while a worker has a step of it: its
//!   thread may still be at it, and no second one gets the same. Lateness between two steps is a failed try.
//! - A result that the store can't take now is kept and offered again: nothing is lost, and since it still counts as in
//!   work, nothing piles up.
//! - Other servers may share the store: then every [`LOOK_TIME`] a claim is tried again, and the store is asked whether
//!   tasks that clients wait for have ended elsewhere.
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant, SystemTime};

use uuid::Uuid;

use super::recent::Recent;
use super::waiters::{Waiter, Waiters};
use crate::model::error::WorkError;
use crate::model::key::Key;
use crate::model::log_event::Level;
use crate::model::now::Now;
use crate::model::server_state::ServerState;
use crate::model::store::{Ask, StoreRead, StoreReply, StoreRequest, StoreWrite};
use crate::model::task::{Claim, Status};
use crate::store::CRASHES_MAX;
use answers::TicketKind;
use ending::{Settlement, Unsettled, problem_of};

mod answers;
mod ending;

/// Shortest and longest time between two looks for what has expired.
const SWEEP_TIME: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Running time before a server retries a task that was in work at one crash; four times as long after two.
const PROBATION: Duration = Duration::from_millis(200);
/// A task for which there was no memory, or no scaler, is looked at again after so long.
const PAUSE: Duration = Duration::from_millis(100);
/// Another server has hold of a waiting task, perhaps only to note that a client waits for it: it is claimed again after
/// so long, and ever twice as long, up to [`PAUSE`].
const MOMENT: Duration = Duration::from_millis(10);
/// A wall clock that was set by more than this is logged.
const JUMP: Duration = Duration::from_secs(60);
/// How often a shared store is asked what other servers have done: with the store's own signs of life, an idle server
/// asks less than once a second.
const LOOK_TIME: Duration = Duration::from_millis(1500);
/// Most tasks of one such question.
const LOOKED_AT: usize = 1000;

/// An order to the shell.
#[derive(Debug)]
pub enum Effect {
    /// Ask the store.
    Ask(StoreRequest),
    /// Give a connection the store's answer.
    Tell {
        /// The client.
        client: Key,
        /// Its request.
        request: Uuid,
        /// The answer.
        told: Result<StoreReply, WorkError>,
    },
    /// Work on this task: [`Tasks::begun`] or [`Tasks::handle_end`] follows.
    Begin(Box<Claim>),
    /// The task of this run was deleted.
    Cancel(Key),
    /// Write to the log.
    Log(Level, Option<Uuid>, String),
}

/// The tasks in work, and those that clients wait for.
#[derive(Debug)]
pub struct Tasks {
    in_work_max: usize,
    /// Bound on the tasks in memory: as many as have found memory lately. Invariant: 1 to `in_work_max`.
    window: usize,
    next_ticket: u64,
    asked: HashMap<u64, TicketKind>,
    in_work: HashMap<Uuid, InWork>,
    claims: usize,
    /// Grows with each reason to look again: what older claims have found says nothing about it.
    look: u32,
    /// As far as is known, no task waits.
    idle: bool,
    caution: Caution,
    /// Suspects of more crashes than this are left alone yet.
    crashes_max: u32,
    began_at: Instant,
    /// The wall clock then; from it on ages are counted by the monotonic clock.
    began_wall: SystemTime,
    /// How far the wall clock was ahead of that one, or behind it, when last logged.
    jumped: (Duration, bool),
    claim_at: Option<Instant>,
    /// Pause if the next claim finds what others have hold of.
    moment: Duration,
    waiters: Waiters,
    /// Changes that the store could not make, to be tried again.
    unsettled: Vec<Unsettled>,
    recent: Recent,
    sweep_time: Duration,
    sweep_at: Instant,
    retry_at: Option<Instant>,
    /// None: no other server uses this store.
    look_at: Option<Instant>,
    effects: VecDeque<Effect>,
}

/// How tasks are taken on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Caution {
    /// As many as there is room for: no suspect waits.
    None,
    /// One after the other: the next may be a suspect.
    Look,
    /// When no other is in work: a suspect waits.
    Alone,
}

#[derive(Debug)]
struct InWork {
    /// None before it has begun and after it has ended.
    run: Option<Key>,
    suspect: bool,
    tries: u32,
    memory: Memory,
    /// Its end is being stored, for the first time.
    ending: bool,
}

impl InWork {
    fn new(suspect: bool, tries: u32, memory: Memory) -> Self {
        Self { run: None, suspect, tries, memory, ending: false }
    }
}

/// Whether a task in memory has what its work takes, or only its picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    /// It has just come.
    Unknown,
    /// It waits: no other is taken on.
    Lacking,
    /// It has it, or needs it no more.
    Enough,
}

impl Tasks {
    /// No task is in work; at most so many will be at once. Those that have ended are kept for `retention`.
    #[must_use]
    pub fn new(in_work_max: usize, retention: Duration, now: Now) -> Self {
        Self {
            in_work_max,
            window: in_work_max,
            sweep_time: (retention / 10).clamp(SWEEP_TIME.0, SWEEP_TIME.1),
            next_ticket: 0,
            asked: HashMap::new(),
            in_work: HashMap::new(),
            claims: 0,
            look: 0,
            idle: false,
            caution: Caution::None,
            crashes_max: 0,
            began_at: now.at,
            began_wall: now.wall,
            jumped: (Duration::ZERO, false),
            claim_at: None,
            moment: MOMENT,
            waiters: Waiters::default(),
            unsettled: Vec::new(),
            recent: Recent::default(),
            sweep_at: now.at,
            retry_at: None,
            look_at: None,
            effects: VecDeque::new(),
        }
    }

    /// Other servers have the same store.
    pub fn share(&mut self, now: Now) {
        self.look_at = Some(now.at);
    }

    /// This moment by a wall clock that was set at the server's start and never since: a clock that jumps makes nothing
    /// older or younger. Stored times are these; across restarts the wall clock counts.
    fn steady(&self, now: Now) -> Now {
        Now { wall: self.began_wall + now.at.saturating_duration_since(self.began_at), ..now }
    }

    /// Logs that the wall clock was set by more than [`JUMP`] since the last time.
    fn note_jump(&mut self, now: Now) {
        let steady = self.steady(now).wall;
        let ahead =
            now.wall.duration_since(steady).map_or_else(|error| (error.duration(), true), |by| (by, false));
        let seconds =
            |(by, is_behind): (Duration, bool)| by.as_secs_f64() * if is_behind { -1.0 } else { 1.0 };
        let change = seconds(ahead) - seconds(self.jumped);
        if change.abs() > JUMP.as_secs_f64() {
            self.jumped = ahead;
            let text = format!(
                "El reloj del sistema saltó {change:+.0} s; la edad de los resultados se sigue contando sin el salto."
            );
            self.effects.push_back(Effect::Log(Level::Warning, None, text));
        }
    }

    /// A connection asks the store.
    pub fn handle_ask(&mut self, client: Key, request: Uuid, mut ask: Ask, now: Now) {
        let now = self.steady(now);
        if let Ask::Write(StoreWrite::Accept(submission)) = &mut ask {
            submission.at = now.wall;
        }
        self.waiters.remove(client);
        let waiter = Waiter { client, request };
        let kind = match &ask {
            Ask::Write(StoreWrite::Accept(_)) => TicketKind::Accept(waiter),
            Ask::Write(StoreWrite::Delete { id }) => TicketKind::Delete { waiter, task: *id },
            Ask::Write(StoreWrite::RemoveFolder { folder }) => {
                TicketKind::RemoveFolder { waiter, folder: folder.clone(), known: false }
            }
            Ask::Read(StoreRead::Status(id)) => match self.recent.find(*id, now.wall).cloned() {
                Some(status) => return self.tell(waiter, Ok(StoreReply::Status(Some(status)))),
                None => TicketKind::Client(waiter),
            },
            _ => TicketKind::Client(waiter),
        };
        self.ask(kind, ask);
    }

    /// A connection is to be told of a task's status once that has ended.
    pub fn watch(&mut self, client: Key, request: Uuid, task: Uuid, now: Now) {
        let now = self.steady(now);
        let waiter = Waiter { client, request };
        match self.recent.find(task, now.wall).cloned() {
            Some(status) if status.state.is_final() => {
                self.waiters.remove(client);
                self.tell(waiter, Ok(StoreReply::Status(Some(status))));
            }
            Some(_) => self.waiters.add(waiter, task),
            None => {
                // Added to the list before the look: an end in between is reported by one of them.
                self.waiters.add(waiter, task);
                self.read(TicketKind::Watch { waiter, task }, StoreRead::Watch(task));
            }
        }
    }

    /// A client has left.
    pub fn forget(&mut self, client: Key) {
        self.waiters.remove(client);
    }

    /// Work on a task goes on as this run.
    pub fn begun(&mut self, id: Uuid, run: Key) {
        if let Some(work) = self.in_work.get_mut(&id) {
            work.run = Some(run);
        }
    }

    /// A task has got the memory for its work.
    pub fn admitted(&mut self, id: Uuid) {
        if let Some(work) = self.in_work.get_mut(&id)
            && std::mem::replace(&mut work.memory, Memory::Enough) == Memory::Unknown
        {
            self.window = self.in_work_max.min(self.window + 1);
        }
    }

    /// A task was deleted before work on it began.
    pub fn handle_gone(&mut self, id: Uuid) {
        self.in_work.remove(&id);
    }

    /// The server stops: tasks whose run `is_unbegun` wait again as if they had not been claimed.
    pub fn release(&mut self, mut is_unbegun: impl FnMut(Key) -> bool, now: Now) {
        let now = self.steady(now);
        let unbegun: Vec<Uuid> = self
            .in_work
            .iter()
            .filter(|(_, work)| work.run.is_some_and(&mut is_unbegun))
            .map(|(id, _)| *id)
            .collect();
        for id in unbegun {
            self.settle(Unsettled { id, at: now, what: Settlement::Wait { tried: false } });
        }
    }

    /// A picture was taken on whose client waits.
    pub fn note_begin(&mut self, id: Uuid, received: u64, now: Now) {
        let now = self.steady(now);
        self.recent.begin(id, received, now.wall);
    }

    /// Work on such a picture has begun.
    pub fn note_run(&mut self, id: Uuid, now: Now) {
        let now = self.steady(now);
        self.recent.run(id, now.wall);
    }

    /// Work on such a picture has ended; with this failure, if it failed.
    pub fn note_end(&mut self, id: Uuid, failure: Option<&WorkError>, server: &ServerState, now: Now) {
        let now = self.steady(now);
        let problem = failure.map(|failure| problem_of(failure, server));
        let status = self.recent.end(id, now.wall, problem).cloned();
        if status.is_some() {
            self.tell_watchers(id, status.as_ref());
        }
    }

    /// Takes on more tasks if there are any and there is room for them, and does what is due.
    pub fn advance(&mut self, server: &ServerState, now: Now) {
        self.note_jump(now);
        let now = self.steady(now);
        if now.at >= self.sweep_at {
            self.sweep_at = now.at + self.sweep_time;
            self.write(TicketKind::Sweep, StoreWrite::Sweep { at: now.wall });
        }
        if self.retry_at.is_some_and(|at| now.at >= at) {
            self.retry_at = None;
            for unsettled in std::mem::take(&mut self.unsettled) {
                self.settle(unsettled);
            }
            self.write(TicketKind::Probe, StoreWrite::Probe);
            if server.bank_away.borrow().is_some() {
                self.write(TicketKind::ProbeBank, StoreWrite::ProbeBank);
            }
        }
        if self.claim_at.is_some_and(|at| now.at >= at) {
            self.claim_at = None;
        }
        if self.look_at.is_some_and(|at| now.at >= at) {
            self.look_at = Some(now.at + LOOK_TIME);
            self.look_again();
            self.look_elsewhere();
        }
        while self.probation().is_some_and(|end| now.at >= end) {
            self.crashes_max += 1;
            self.look_again();
        }
        for work in self.in_work.values_mut().filter(|work| work.memory == Memory::Unknown) {
            work.memory = Memory::Lacking;
        }
        self.claim(server, now);
    }

    /// One claim, and more of them if it leads to something.
    fn look_again(&mut self) {
        self.look = self.look.wrapping_add(1);
        (self.idle, self.caution) = (false, self.caution.max(Caution::Look));
    }

    /// Claims as many tasks as there is room for.
    fn claim(&mut self, server: &ServerState, now: Now) {
        let is_able = !server.draining.get()
            && !server.scaler_away.get()
            && server.stuck.get().is_none()
            && server.store_away.borrow().is_none()
            && self.claim_at.is_none();
        while is_able && self.wants_task() {
            self.claims += 1;
            let (crashes_max, in_work, reservation) =
                (self.crashes_max, self.in_work.len(), server.admission.reservation());
            let claim = StoreWrite::Claim { crashes_max, in_work, at: now.wall, reservation };
            self.write(TicketKind::Claim { look: self.look }, claim);
        }
    }

    /// Asks the store whether tasks that clients wait for, and that are not in work here, have ended.
    fn look_elsewhere(&mut self) {
        let elsewhere: Vec<Uuid> =
            self.waiters.tasks().filter(|task| !self.in_work.contains_key(task)).collect();
        for some in elsewhere.chunks(LOOKED_AT) {
            self.read(TicketKind::Ended, StoreRead::Ended(some.to_vec()));
        }
    }

    fn wants_task(&self) -> bool {
        let taken = self.in_work.values().filter(|work| !work.ending).count() + self.claims;
        let room = match self.caution {
            Caution::None => taken < self.window,
            Caution::Look => taken < self.window && self.claims == 0,
            Caution::Alone => self.in_work.is_empty() && self.claims == 0,
        };
        let is_hindered = |work: &InWork| work.suspect || work.memory != Memory::Enough;
        room && !self.idle && !self.in_work.values().any(is_hindered)
    }

    /// Tasks that are in memory.
    #[must_use]
    pub fn in_work(&self) -> usize {
        self.in_work.len()
    }

    /// When [`Tasks::advance`] wants to be called at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Instant {
        self.retry_at
            .into_iter()
            .chain(self.claim_at)
            .chain(self.look_at)
            .chain(self.probation())
            .fold(self.sweep_at, Instant::min)
    }

    /// When suspects of one crash more are no longer left alone; None if there are none any more.
    fn probation(&self) -> Option<Instant> {
        let next = self.crashes_max + 1;
        (next < CRASHES_MAX).then(|| self.began_at + PROBATION * next * next)
    }

    /// The next order to the shell.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    fn tell_watchers(&mut self, task: Uuid, status: Option<&Status>) {
        for watcher in self.waiters.take(task) {
            self.tell(watcher, Ok(StoreReply::Status(status.cloned())));
        }
    }

    fn tell(&mut self, waiter: Waiter, told: Result<StoreReply, WorkError>) {
        let Waiter { client, request } = waiter;
        self.effects.push_back(Effect::Tell { client, request, told });
    }

    fn read(&mut self, kind: TicketKind, read: StoreRead) {
        self.ask(kind, Ask::Read(read));
    }

    fn write(&mut self, kind: TicketKind, write: StoreWrite) {
        self.ask(kind, Ask::Write(write));
    }

    fn ask(&mut self, kind: TicketKind, ask: Ask) {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.asked.insert(ticket, kind);
        self.effects.push_back(Effect::Ask(StoreRequest { ticket, ask }));
    }
}

#[cfg(test)]
#[path = "tasks_tests.rs"]
mod tests;
