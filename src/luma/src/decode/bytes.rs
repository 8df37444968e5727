//! Parameters of segments (T.81 B.1.1.1: most significant byte first), taken from the front.

use crate::error::{Damage, Error};

/// A segment's parameters; what is missing is a wrong length.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn byte(&mut self) -> Result<u8, Error> {
        let (&first, rest) = self.0.split_first().ok_or(Damage::Length)?;
        self.0 = rest;
        Ok(first)
    }

    pub(super) fn word(&mut self) -> Result<u16, Error> {
        let (first, rest) = self.0.split_first_chunk::<2>().ok_or(Damage::Length)?;
        self.0 = rest;
        Ok(u16::from_be_bytes(*first))
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let (first, rest) = self.0.split_at_checked(length).ok_or(Damage::Length)?;
        self.0 = rest;
        Ok(first)
    }

    /// What libjpeg calls a bad length: more parameters than the marker has.
    pub(super) fn end(self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Damage::Length.into()) }
    }

    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}
