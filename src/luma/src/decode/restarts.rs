//! Where restart markers are due (T.81 B.2.4.4, F.2.2.4).

use super::bits::Bits;
use crate::error::Error;

/// Counts MCUs from one marker to the next.
pub(super) struct Restarts {
    interval: u16,
    /// MCUs up to the next marker.
    left: u16,
    number: u8,
}

impl Restarts {
    /// `interval`: 0 for none.
    pub(super) fn new(interval: u16) -> Self {
        Self { interval, left: interval, number: 0 }
    }

    /// Whether a marker comes before the MCU that is about to be read, which is counted.
    #[inline(always)]
    pub(super) fn is_due(&mut self) -> bool {
        if self.interval == 0 {
            return false;
        }
        let due = self.left == 0;
        if !due {
            self.left -= 1;
        }
        due
    }

    pub(super) fn pass(&mut self, bits: &mut Bits<'_>) -> Result<(), Error> {
        bits.restart(self.number)?;
        self.number = (self.number + 1) & 7;
        self.left = self.interval - 1;
        Ok(())
    }
}
