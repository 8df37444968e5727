//! Names that outlive what they name: generation keys and tickets.
//!
//! Everything asynchronous (epoll events, timers, workers' answers) finds its owner by [`Key`], never by file
//! descriptor or bare index: a slot that was freed and taken again has another generation, so a late answer finds no
//! owner instead of a wrong one (nginx keeps an instance bit for the same reason).

/// A slot of a slab and the generation of its tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Slot, at most [`Key::INDEX_MAX`].
    pub index: u32,
    /// Counts the tenants of the slot, wrapping.
    pub generation: u32,
}

impl Key {
    /// Largest slot: 24 bits, so that a key and 8 bits of its owner's kind fit an epoll cookie.
    pub const INDEX_MAX: u32 = (1 << 24) - 1;

    /// The key as the low 56 bits of an integer.
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        (self.generation as u64) << 24 | (self.index & Self::INDEX_MAX) as u64
    }

    /// The inverse of [`Key::to_u64`]; the top 8 bits are not looked at.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the two fields are cut out of the 56 bits on purpose"
    )]
    pub const fn from_u64(word: u64) -> Self {
        Self { index: word as u32 & Self::INDEX_MAX, generation: (word >> 24) as u32 }
    }
}

/// Names one step of one run, and may outlive it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket {
    /// The run that asked.
    pub run: Key,
    /// Which of its steps, counted from 1.
    pub step: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_the_cookie() {
        for key in [
            Key { index: 0, generation: 0 },
            Key { index: Key::INDEX_MAX, generation: u32::MAX },
            Key { index: 77, generation: 1 << 31 },
        ] {
            assert_eq!(Key::from_u64(key.to_u64()), key);
            assert_eq!(Key::from_u64(key.to_u64() | 0xff << 56), key);
        }
    }
}
