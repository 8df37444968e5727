//! Remembers the work that clients waited for, so that its state can be asked for like a task's: in memory, for a
//! while, the oldest forgotten first.
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use crate::model::task::{Problem, Status, TaskState};

/// How many are remembered, at some two hundred bytes each: at most half of what a table of 32,768 places takes. A
/// fuller table would make room by doubling, not by cleaning up.
const REMEMBERED_MAX: usize = 14 << 10;
/// How long after they began.
const REMEMBERED_FOR: Duration = Duration::from_secs(600);

/// Work by its request's id.
#[derive(Debug, Default)]
pub struct Recent {
    known: HashMap<Uuid, Status>,
    /// In the order in which they began.
    order: VecDeque<Uuid>,
}

impl Recent {
    /// A picture of so many bytes was taken on.
    pub fn begin(&mut self, id: Uuid, received: u64, at: SystemTime) {
        while let Some(oldest) = self.order.front() {
            let is_old = self.known.get(oldest).is_none_or(|status| age(status, at) > REMEMBERED_FOR);
            if self.order.len() < REMEMBERED_MAX && !is_old {
                break;
            }
            self.known.remove(oldest);
            self.order.pop_front();
        }
        let (state, accepted_at) = (TaskState::Pending, at);
        let (begun_at, ended_at, result, problem) = (None, None, None, None);
        let status = Status { id, state, received, accepted_at, begun_at, ended_at, result, problem };
        if self.known.insert(id, status).is_none() {
            self.order.push_back(id);
        }
    }

    /// Work on it has begun.
    pub fn run(&mut self, id: Uuid, at: SystemTime) {
        if let Some(status) = self.known.get_mut(&id)
            && status.state == TaskState::Pending
        {
            (status.state, status.begun_at) = (TaskState::Running, Some(at));
        }
    }

    /// It has ended, with success or not; returns its status, if it is still remembered.
    pub fn end(&mut self, id: Uuid, at: SystemTime, problem: Option<Problem>) -> Option<&Status> {
        let status = self.known.get_mut(&id)?;
        if !status.state.is_final() {
            status.state = if problem.is_some() { TaskState::Failed } else { TaskState::Done };
            (status.ended_at, status.problem) = (Some(at), problem);
        }
        Some(status)
    }

    /// Its status, if it is remembered.
    #[must_use]
    pub fn find(&self, id: Uuid, at: SystemTime) -> Option<&Status> {
        self.known.get(&id).filter(|status| age(status, at) <= REMEMBERED_FOR)
    }
}

/// How old it is; a clock that was set back makes nothing old.
fn age(status: &Status, at: SystemTime) -> Duration {
    at.duration_since(status.accepted_at).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> Uuid {
        Uuid::from_u128(number as u128)
    }

    #[test]
    fn work_is_remembered_from_its_beginning_for_a_while() {
        let (mut recent, start) = (Recent::default(), SystemTime::UNIX_EPOCH);
        let at = |seconds| start + Duration::from_secs(seconds);
        recent.begin(id(1), 7, start);
        assert_eq!(recent.find(id(1), at(1)).unwrap().state, TaskState::Pending);
        recent.run(id(1), at(1));
        assert_eq!(recent.find(id(1), at(1)).unwrap().state, TaskState::Running);
        let ended = recent.end(id(1), at(3), None).unwrap();
        assert_eq!((ended.state, ended.ended_at, ended.received), (TaskState::Done, Some(at(3)), 7));
        let problem = Problem { code: 504, slug: "x".into(), detail: "y".into() };
        recent.end(id(1), at(4), Some(problem));
        assert_eq!(recent.find(id(1), at(600)).unwrap().state, TaskState::Done, "it ends once");
        assert!(recent.find(id(1), at(601)).is_none());
        assert!(recent.end(id(2), at(1), None).is_none());
    }

    #[test]
    fn the_oldest_go_first() {
        let (mut recent, now) = (Recent::default(), SystemTime::UNIX_EPOCH);
        for number in 0..REMEMBERED_MAX + 10 {
            recent.begin(id(number), 0, now);
        }
        assert_eq!((recent.known.len(), recent.order.len()), (REMEMBERED_MAX, REMEMBERED_MAX));
        assert!(recent.find(id(9), now).is_none());
        assert!(recent.find(id(10), now).is_some());
        let room = recent.known.capacity();
        for number in 0..10 * REMEMBERED_MAX {
            recent.begin(id(REMEMBERED_MAX + 10 + number), 0, now);
        }
        assert!(recent.known.capacity() <= room, "those that come take the places of those that go");
        recent.begin(id(1), 0, now + REMEMBERED_FOR * 2);
        assert_eq!((recent.known.len(), recent.order.len()), (1, 1));
    }
}
