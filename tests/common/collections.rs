//! Case collections from other sources, not part of this project: an environment variable names a directory with an
//! `index.tsv` (one header line, no quoting), whose columns give each case's file and the expected result. Without
//! the variable the tests do nothing.
#![expect(
    clippy::print_stdout,
    reason = "the cases that are judged differently are for whoever asks for them"
)]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn directory(variable: &str) -> Option<PathBuf> {
    let directory = std::env::var_os(variable).map(PathBuf::from);
    if directory.is_none() {
        println!("{variable} is not set: nothing to judge");
    }
    directory
}

/// The rows of an index as maps from column to value.
pub(crate) fn index(directory: &Path) -> Vec<HashMap<String, String>> {
    let text = fs::read_to_string(directory.join("index.tsv")).expect("index.tsv");
    let mut lines = text.lines().map(|line| line.split('\t').map(str::to_owned));
    let columns: Vec<String> = lines.next().expect("a header line").collect();
    lines.map(|values| columns.iter().cloned().zip(values).collect()).collect()
}

/// How many requests a case of raw requests has, by its kind.
pub(crate) fn requests_in(row: &HashMap<String, String>) -> usize {
    row["kind"].strip_prefix("pipeline:").map_or(1, |n| n.parse().expect("a number"))
}

/// Counts how many cases of each expectation pass, and prints those that do not.
#[derive(Default)]
pub(crate) struct Score(HashMap<String, (usize, usize)>);

impl Score {
    pub(crate) fn note(&mut self, expect: &str, good: bool, case: &str, verdict: &dyn std::fmt::Debug) {
        let (right, all) = self.0.entry(expect.to_owned()).or_default();
        *right += usize::from(good);
        *all += 1;
        if !good {
            println!("{expect}: {case}: {verdict:?}");
        }
    }

    #[track_caller]
    pub(crate) fn assert_at_least(&self, expect: &str, percent: usize) {
        let (right, all) = self.0[expect];
        println!("{expect}: {right} of {all}");
        assert!(right * 100 >= all * percent, "{expect}: {right} of {all}, wanted {percent} %");
    }
}
