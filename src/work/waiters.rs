//! Which client waits for the end of which task: a client waits for at most one.
use std::collections::HashMap;

use uuid::Uuid;

use crate::model::key::Key;

/// A client's request that is to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiter {
    /// The client.
    pub client: Key,
    /// Its request: a later one of the same client is not meant.
    pub request: Uuid,
}

/// The clients that wait, by task.
#[derive(Debug, Default)]
pub struct Waiters {
    waiters: HashMap<Uuid, Vec<Waiter>>,
    /// By client: the task, and the client's request.
    tasks: HashMap<Key, (Uuid, Uuid)>,
}

impl Waiters {
    /// From now on it waits for the end of `task`, and of no other.
    pub fn add(&mut self, waiter: Waiter, task: Uuid) {
        self.remove(waiter.client);
        self.tasks.insert(waiter.client, (task, waiter.request));
        self.waiters.entry(task).or_default().push(waiter);
    }

    /// It waits no more; what it waited for, if it did.
    pub fn remove(&mut self, client: Key) -> Option<Uuid> {
        let (task, _) = self.tasks.remove(&client)?;
        if let Some(waiters) = self.waiters.get_mut(&task) {
            waiters.retain(|waiter| waiter.client != client);
            if waiters.is_empty() {
                self.waiters.remove(&task);
            }
        }
        Some(task)
    }

    /// Removes and returns all that wait for this task.
    pub fn take(&mut self, task: Uuid) -> Vec<Waiter> {
        let waiters = self.waiters.remove(&task).unwrap_or_default();
        for waiter in &waiters {
            self.tasks.remove(&waiter.client);
        }
        waiters
    }

    /// Whether a client waits for this task.
    #[must_use]
    pub fn has(&self, task: Uuid) -> bool {
        self.waiters.contains_key(&task)
    }

    /// All tasks that clients wait for.
    pub fn tasks(&self) -> impl Iterator<Item = Uuid> {
        self.waiters.keys().copied()
    }

    /// Whether this request waits for this task: another of the same client may have taken its place.
    #[must_use]
    pub fn waits(&self, waiter: Waiter, task: Uuid) -> bool {
        self.tasks.get(&waiter.client) == Some(&(task, waiter.request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_waits_for_one_task_until_it_is_told_or_leaves() {
        let waiter = |index| Waiter { client: Key { index, generation: 0 }, request: Uuid::nil() };
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut waiters = Waiters::default();
        for index in 0..3 {
            waiters.add(waiter(index), one);
        }
        waiters.add(waiter(1), other);
        assert!(waiters.waits(waiter(1), other) && !waiters.waits(waiter(1), one));
        let later = Waiter { request: Uuid::from_u128(9), ..waiter(1) };
        assert!(!waiters.waits(later, other), "another request of the same client");
        assert_eq!(waiters.remove(waiter(2).client), Some(one));
        assert_eq!(waiters.remove(waiter(2).client), None);
        assert_eq!(waiters.take(one), [waiter(0)]);
        assert!(waiters.take(one).is_empty() && !waiters.has(one) && waiters.has(other));
        waiters.remove(waiter(1).client);
        assert!(waiters.waiters.is_empty() && waiters.tasks.is_empty());
    }
}
