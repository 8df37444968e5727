//! Who waits for the end of which task: a client waits for at most one.
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
    askers: HashMap<Uuid, Vec<Waiter>>,
    /// The same the other way round: the task, and the client's request.
    tasks: HashMap<Key, (Uuid, Uuid)>,
}

impl Waiters {
    /// From now on it waits for the end of `task`, and of no other.
    pub fn add(&mut self, asker: Waiter, task: Uuid) {
        self.remove(asker.client);
        self.tasks.insert(asker.client, (task, asker.request));
        self.askers.entry(task).or_default().push(asker);
    }

    /// It waits no more; what it waited for, if it did.
    pub fn remove(&mut self, client: Key) -> Option<Uuid> {
        let (task, _) = self.tasks.remove(&client)?;
        if let Some(askers) = self.askers.get_mut(&task) {
            askers.retain(|asker| asker.client != client);
            if askers.is_empty() {
                self.askers.remove(&task);
            }
        }
        Some(task)
    }

    /// All that waited for this task; none of them waits any more.
    pub fn take(&mut self, task: Uuid) -> Vec<Waiter> {
        let askers = self.askers.remove(&task).unwrap_or_default();
        for asker in &askers {
            self.tasks.remove(&asker.client);
        }
        askers
    }

    /// Whether anybody waits for this task.
    #[must_use]
    pub fn has(&self, task: Uuid) -> bool {
        self.askers.contains_key(&task)
    }

    /// All tasks that somebody waits for.
    pub fn tasks(&self) -> impl Iterator<Item = Uuid> {
        self.askers.keys().copied()
    }

    /// Whether this request waits for this task: another of the same client may have taken its place.
    #[must_use]
    pub fn waits(&self, asker: Waiter, task: Uuid) -> bool {
        self.tasks.get(&asker.client) == Some(&(task, asker.request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_waits_for_one_task_until_it_is_told_or_leaves() {
        let asker = |index| Waiter { client: Key { index, generation: 0 }, request: Uuid::nil() };
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut watchers = Waiters::default();
        for index in 0..3 {
            watchers.add(asker(index), one);
        }
        watchers.add(asker(1), other);
        assert!(watchers.waits(asker(1), other) && !watchers.waits(asker(1), one));
        let later = Waiter { request: Uuid::from_u128(9), ..asker(1) };
        assert!(!watchers.waits(later, other), "another request of the same client");
        assert_eq!(watchers.remove(asker(2).client), Some(one));
        assert_eq!(watchers.remove(asker(2).client), None);
        assert_eq!(watchers.take(one), [asker(0)]);
        assert!(watchers.take(one).is_empty() && !watchers.has(one) && watchers.has(other));
        watchers.remove(asker(1).client);
        assert!(watchers.askers.is_empty() && watchers.tasks.is_empty());
    }
}
