//! How work on a task comes out: whether it has ended, is tried again, or waits as if it had not begun.
use uuid::Uuid;

use super::answers::TicketKind;
use super::{Effect, Memory, PAUSE, Tasks};
use crate::model::error::WorkError;
use crate::model::job::{WorkOutput, WorkResult};
use crate::model::log_event::Level;
use crate::model::now::Now;
use crate::model::server_state::ServerState;
use crate::model::store::{End, StoreWrite};
use crate::model::task::Problem;
use crate::work::pipeline::Reached;

/// How often failures that may be random are tried.
pub(super) const TRIES_MAX: u32 = 3;

impl Tasks {
    /// Work on a task has ended; `reached` is how far it came.
    pub fn handle_end(
        &mut self,
        id: Uuid,
        outcome: &WorkResult,
        reached: Reached,
        server: &ServerState,
        now: Now,
    ) {
        let now = self.steady(now);
        let Some(work) = self.in_work.get_mut(&id) else { return };
        work.run = None;
        work.memory = Memory::Enough;
        let tries = work.tries;
        let what = match outcome {
            Ok(WorkOutput::Picture(picture, _)) if picture.file.len() as u64 > server.limits.result_max => {
                let failure = WorkError::ResultTooLong { length: picture.file.len() as u64 };
                Settlement::End(End::Failed(problem_of(&failure, server)))
            }
            Ok(WorkOutput::Picture(picture, _)) => Settlement::End(End::Done(picture.clone())),
            Ok(
                WorkOutput::NotModified(_)
                | WorkOutput::Face(..)
                | WorkOutput::Link(..)
                | WorkOutput::Excerpt(_),
            ) => Settlement::End(End::Failed(problem_of(&WorkError::Lost, server))),
            Err(WorkError::MemoryFull { .. }) => {
                // Sent back: the one that waits, and those that work, are as many as there is memory for.
                let stay = self.in_work.values().filter(|work| work.run.is_some()).count();
                self.window = stay.clamp(1, self.in_work_max);
                Settlement::Wait { tried: false }
            }
            Err(failure) => {
                let verdict = match failure {
                    // No memory or no worker in time is no fault of the picture's.
                    WorkError::Late if reached == Reached::Nothing => Verdict::Again,
                    // No worker came to its next step, and none is at it.
                    WorkError::Late if reached == Reached::Between => Verdict::Retry,
                    // Nor is it one that the scaler hangs.
                    WorkError::Late if reached == Reached::Scaler && server.scaler_hangs() => Verdict::Retry,
                    _ => verdict(failure),
                };
                match verdict {
                    Verdict::Retry if tries + 1 < TRIES_MAX => self.again(true, now),
                    Verdict::Retry | Verdict::Final => {
                        Settlement::End(End::Failed(problem_of(failure, server)))
                    }
                    Verdict::Again => self.again(false, now),
                }
            }
        };
        if let Settlement::End(End::Failed(problem)) = &what {
            let level = if problem.code >= 500 { Level::Error } else { Level::Info };
            let text = format!("Tarea terminada con error {}: {}", problem.code, problem.detail);
            self.effects.push_back(Effect::Log(level, Some(id), text));
        }
        let is_end = matches!(what, Settlement::End(_));
        if let Some(work) = self.in_work.get_mut(&id) {
            work.ending = is_end;
        }
        self.settle(Unsettled { id, at: now, what });
        if is_end {
            // Right behind the end, for the same transaction.
            self.claim(server, now);
        }
    }

    /// It is to wait again, and no other task is begun for a moment.
    fn again(&mut self, tried: bool, now: Now) -> Settlement {
        self.claim_at = Some(now.at + PAUSE);
        Settlement::Wait { tried }
    }

    pub(super) fn settle(&mut self, unsettled: Unsettled) {
        let Unsettled { id, at, what } = unsettled.clone();
        let write = match what {
            Settlement::End(end) => StoreWrite::End { id, at: at.wall, end },
            Settlement::Wait { tried } => StoreWrite::Release { id, tried },
        };
        self.write(TicketKind::Settle(unsettled), write);
    }
}

/// The outcome of work on a task, which the store must record.
#[derive(Clone, Debug)]
pub(super) struct Unsettled {
    pub(super) id: Uuid,
    pub(super) at: Now,
    pub(super) what: Settlement,
}

/// What is to become of a task in the store.
#[derive(Clone, Debug)]
pub(super) enum Settlement {
    /// It has ended.
    End(End),
    /// It is to wait again, after a failed try or none.
    Wait { tried: bool },
}

/// The consequence of a failure.
enum Verdict {
    Final,
    /// It is tried again, and this counts as a try.
    Retry,
    /// It is tried again, and this does not count as a try.
    Again,
}

fn verdict(failure: &WorkError) -> Verdict {
    match failure {
        WorkError::ScalerAway | WorkError::Cancelled => Verdict::Again,
        WorkError::Lost | WorkError::ScalerLost | WorkError::ScalerRefused { code: 503 | 504, .. } => {
            Verdict::Retry
        }
        _ => Verdict::Final,
    }
}

pub(super) fn problem_of(failure: &WorkError, server: &ServerState) -> Problem {
    server.failed(failure.clone()).problem()
}
