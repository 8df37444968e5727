//! Numbered slots that remember their generation: a [`Key`] of a former tenant finds nothing.

use std::convert::Infallible;

use crate::model::key::Key;

/// Tenants by key.
#[derive(Debug)]
pub struct Slab<T> {
    slots: Vec<Slot<T>>,
    /// Free slots, the last freed first, so that a small table stays small.
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    tenant: Option<T>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Lets a tenant in that is made with its own key; None if all keys are taken.
    pub fn insert_with(&mut self, tenant: impl FnOnce(Key) -> T) -> Option<Key> {
        self.try_insert_with(|key| Ok::<_, Infallible>(tenant(key))).unwrap_or(None)
    }

    /// The same, unless the tenant can't be made.
    ///
    /// # Errors
    /// Those of `tenant`; the slot stays free.
    pub fn try_insert_with<E>(&mut self, tenant: impl FnOnce(Key) -> Result<T, E>) -> Result<Option<Key>, E> {
        let index = match self.free.pop() {
            Some(index) => index,
            None => match u32::try_from(self.slots.len()) {
                Ok(index) if index <= Key::INDEX_MAX => {
                    self.slots.push(Slot { generation: 0, tenant: None });
                    index
                }
                _ => return Ok(None),
            },
        };
        let slot = &mut self.slots[index as usize];
        let key = Key { index, generation: slot.generation };
        match tenant(key) {
            Ok(tenant) => slot.tenant = Some(tenant),
            Err(error) => {
                self.free.push(index);
                return Err(error);
            }
        }
        Ok(Some(key))
    }

    /// The tenant of exactly this key.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.index as usize)?;
        if slot.generation == key.generation { slot.tenant.as_mut() } else { None }
    }

    /// Removes the tenant of this key; its key finds nothing from now on.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self.slots.get_mut(key.index as usize)?;
        if slot.generation != key.generation {
            return None;
        }
        let tenant = slot.tenant.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.index);
        Some(tenant)
    }

    /// How many tenants there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All tenants with their keys, in the order of slots.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.slots.iter().zip(0..).filter_map(|(slot, index)| {
            let key = Key { index, generation: slot.generation };
            slot.tenant.as_ref().map(|tenant| (key, tenant))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_former_tenants_key_finds_nobody() {
        let mut slab = Slab::default();
        let first = slab.insert_with(|_| "first").unwrap();
        assert_eq!(slab.remove(first), Some("first"));
        assert_eq!(slab.try_insert_with(|_| Err("unmade")), Err("unmade"));
        assert_eq!((slab.len(), slab.iter().count()), (0, 0));
        let second = slab.insert_with(|_| "second").unwrap();
        assert_eq!(first.index, second.index);
        assert_eq!(slab.get_mut(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get_mut(second), Some(&mut "second"));
        assert_eq!(slab.len(), 1);
    }

    #[test]
    fn slots_are_reused_and_listed() {
        let mut slab = Slab::default();
        let keys: Vec<_> = (0..4).map(|n| slab.insert_with(|_| n).unwrap()).collect();
        slab.remove(keys[1]);
        slab.remove(keys[3]);
        assert_eq!(slab.iter().collect::<Vec<_>>(), [(keys[0], &0), (keys[2], &2)]);
        let again = slab.insert_with(|key| i32::try_from(key.index).unwrap()).unwrap();
        assert_eq!((again.index, slab.len()), (3, 3));
        assert!(!slab.is_empty());
    }
}
