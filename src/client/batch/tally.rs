//! What became of the pictures of a run: pure.
use std::fmt;

use crate::client::outcome::left_out;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Saved, or with `--simular` to be saved.
    pub(super) saved: usize,
    /// Their results were there.
    pub(super) existing: usize,
    /// No pictures.
    pub(super) skipped: usize,
    /// What was sent, and the reason.
    pub(super) failures: Vec<(String, String)>,
    /// Not sent, because the server was lost.
    pub(super) unsent: usize,
    pub(super) is_simulated: bool,
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
        let Self { saved, existing, skipped, .. } = self;
        let done = if self.is_simulated { "por hacer" } else { "guardadas" };
        let skipped = left_out(*skipped);
        write!(f, "{saved} {done}, {existing} ya existían, {skipped}, {} con error", self.errors())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_counts_and_the_list_names() {
        let failure = |name: &str| (name.to_owned(), "rota".to_owned());
        let tally = Tally {
            saved: 9,
            existing: 8,
            skipped: 7,
            failures: vec![failure("b"), failure("a")],
            unsent: 4,
            is_simulated: false,
        };
        assert_eq!(tally.to_string(), "9 guardadas, 8 ya existían, 7 omitidas, 6 con error");
        assert_eq!(tally.list(), ["a: rota", "b: rota", "sin enviar: 4"]);
        let simulated = Tally { saved: 1, skipped: 1, is_simulated: true, ..Tally::default() };
        assert_eq!(simulated.to_string(), "1 por hacer, 0 ya existían, 1 omitida, 0 con error");
    }
}
