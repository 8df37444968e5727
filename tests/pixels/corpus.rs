//! A directory of pictures from other sources through probe and decode, with the verdicts of other decoders.
//!
//! Runs only if `TP2_CORPUS` names a directory with an `index.tsv`: one line per picture, with the columns `path`,
//! `width`, `height` and `expected`, the verdict of a good reader: `must_accept` and `should_accept` mean a picture
//! of that size (before orientation), `must_refuse`, `should_refuse` and `refuse_by_limit` no picture, `may_refuse`
//! and `no_crash` either. Every exception is printed; too many of them fail the test.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use tp2::model::error::WorkError;

use crate::fixtures;

enum Outcome {
    /// Its stored sides.
    Picture(u32, u32),
    Refused(WorkError),
    Panicked,
}

fn read(bytes: &[u8]) -> Outcome {
    match catch_unwind(AssertUnwindSafe(|| fixtures::read(bytes))) {
        Ok(Ok((probed, _))) => Outcome::Picture(probed.width, probed.height),
        Ok(Err(failure)) => Outcome::Refused(failure),
        Err(_) => Outcome::Panicked,
    }
}

#[test]
fn the_corpus_is_read_as_others_read_it() {
    let Some(root) = std::env::var_os("TP2_CORPUS") else {
        println!("TP2_CORPUS names no directory: nothing to do");
        return;
    };
    let root = Path::new(&root);
    let index = std::fs::read_to_string(root.join("index.tsv")).expect("index.tsv");
    let mut lines = index.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let header = lines.next().expect("a header line");
    let column = |name| header.iter().position(|&h| h == name).expect(name);
    let (path, width, height, expected) =
        (column("path"), column("width"), column("height"), column("expected"));

    let mut counts: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    let mut exceptions = 0;
    let (mut must, mut slowest) = ((0, 0), Duration::ZERO);
    for line in lines {
        let bytes = std::fs::read(root.join(line[path])).expect(line[path]);
        let started = Instant::now();
        let outcome = read(&bytes);
        let took = started.elapsed();
        slowest = slowest.max(took);
        let right_size = |w: u32, h: u32| line[width] == w.to_string() && line[height] == h.to_string();
        let verdict = match &outcome {
            Outcome::Picture(w, h) if right_size(*w, *h) => "picture",
            Outcome::Picture(..) => "other size",
            Outcome::Refused(_) => "refused",
            Outcome::Panicked => "panicked",
        };
        *counts.entry((line[expected], verdict)).or_default() += 1;
        let fine = match line[expected] {
            "must_accept" | "should_accept" => verdict == "picture",
            "must_refuse" | "should_refuse" | "refuse_by_limit" => verdict == "refused",
            _ => verdict != "panicked",
        };
        if line[expected] == "must_accept" {
            must = (must.0 + 1, must.1 + u32::from(fine));
        }
        if !fine || took > Duration::from_secs(2) {
            let what = match &outcome {
                Outcome::Picture(w, h) => format!("picture of {w}x{h}"),
                Outcome::Refused(failure) => failure.to_string(),
                Outcome::Panicked => "panic".to_owned(),
            };
            println!(
                "{}\t{}x{}\t{}\t{what}\t{took:?}",
                line[path], line[width], line[height], line[expected]
            );
            let grave = verdict == "panicked"
                || line[expected] == "must_refuse"
                || line[expected] == "refuse_by_limit";
            exceptions += u32::from(grave);
        }
    }
    for ((expected, verdict), count) in &counts {
        println!("{expected:16} {verdict:12} {count}");
    }
    println!("slowest {slowest:?}");
    assert_eq!(exceptions, 0, "panics, or pictures that must be refused");
    assert!(must.1 * 100 >= must.0 * 98, "{} of {} must_accept", must.1, must.0);
}
