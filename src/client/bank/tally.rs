//! What became of the pictures of a folder: pure.
use std::fmt;

use crate::client::outcome::left_out;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) inserted: usize,
    pub(super) existing: usize,
    /// No pictures.
    pub(super) skipped: usize,
    /// Name and reason.
    pub(super) failures: Vec<(String, String)>,
    /// Not sent, because the server was lost.
    pub(super) unsent: usize,
}

impl Tally {
    pub(super) fn errors(&self) -> usize {
        self.failures.len() + self.unsent
    }

    /// One line for each failure, by name, and one for all that was not sent.
    pub(super) fn list(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.failures.iter().map(|(name, why)| format!("{name}: {why}")).collect();
        lines.sort();
        if self.unsent > 0 {
            lines.push(format!("sin enviar: {}", self.unsent));
        }
        lines
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} insertadas, {} ya existían, ", self.inserted, self.existing)?;
        if self.skipped > 0 {
            write!(f, "{}, ", left_out(self.skipped))?;
        }
        write!(f, "{} con error", self.errors())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_counts_and_the_list_names() {
        let failure = |name: &str| (name.to_owned(), "rota".to_owned());
        let tally = Tally {
            inserted: 950,
            existing: 30,
            skipped: 0,
            failures: vec![failure("b"), failure("a")],
            unsent: 18,
        };
        assert_eq!(tally.to_string(), "950 insertadas, 30 ya existían, 20 con error");
        let other = Tally { skipped: 1, ..Tally::default() };
        assert_eq!(other.to_string(), "0 insertadas, 0 ya existían, 1 omitida, 0 con error");
        assert_eq!(tally.list(), ["a: rota", "b: rota", "sin enviar: 18"]);
        assert_eq!(Tally::default().to_string(), "0 insertadas, 0 ya existían, 0 con error");
        assert!(Tally::default().list().is_empty());
    }
}
