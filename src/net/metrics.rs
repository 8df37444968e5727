//! The server's counters, and the page of `GET /metrics`.
//!
//! Counters are plain integers of the loop's thread: counting is an addition, or a lookup in a map whose keys are
//! words of short, fixed lists. So a client's input never creates another series, and nothing needs a lock. What is a
//! state rather than a count ([`Gauges`]) is gathered when the page is requested.
//!
//! Why no library: prometheus-client (11 more crates, a procedural macro among them) writes OpenMetrics and not the
//! text format 0.0.4; prometheus (8 more) and metrics-exporter-prometheus (over 30) bring locks, atomics and
//! registries for counters that many threads share. For one thread this file and a hundred lines of [`page`] are
//! enough; the tests check them with a parser written by others.
//!
//! Known limit: a request is counted when its answer has been sent or cut off. A request that its client abandons
//! before any answer is not counted.
use std::collections::BTreeMap;
use std::time::Duration;

use scaler::exit_stats::Cause;

use crate::model::log_event::{EventKind, MetricLabels};
use crate::model::picture::Times;
use crate::model::server_state::ServerPart;
use crate::store::StoreSizes;
use crate::work::counts::StateCounts;

mod page;
mod panel;
mod process;

pub use process::Process;

/// Upper bounds of the histograms' buckets, in seconds; the last bucket has none.
const BOUNDS: [f64; 15] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The stages of a picture's time, in order.
const STAGES: [&str; 8] = ["read", "queue", "open", "decode", "scale", "encode", "keep", "write"];

/// Counters since the start of the server.
#[derive(Debug, Default)]
pub struct Metrics {
    /// By route, method and status.
    requests: BTreeMap<(&'static str, &'static str, u16), u64>,
    /// By route, from the head's arrival to the last byte of the answer.
    durations: BTreeMap<&'static str, Histogram>,
    /// By the word in the problem document's `type`.
    rejected: BTreeMap<&'static str, u64>,
    /// In the order of [`STAGES`].
    stages: [Histogram; STAGES.len()],
    /// In the order of [`Cause::ALL`].
    children: [u64; Cause::ALL.len()],
    scaler_ends: u64,
    /// In the order of [`ServerPart::ALL`].
    probes_missed: [u64; ServerPart::ALL.len()],
    accepted: u64,
    turned_away: u64,
    /// Bytes on the clients' connections.
    pub traffic: Traffic,
}

/// Bytes that went over sockets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    /// From clients.
    pub received: u64,
    /// To clients.
    pub sent: u64,
}

/// A histogram of durations.
#[derive(Clone, Copy, Debug, Default)]
struct Histogram {
    /// Per bucket, not cumulative.
    counts: [u64; BOUNDS.len() + 1],
    sum: f64,
}

/// The current state.
#[derive(Debug)]
pub struct Gauges {
    /// Open client connections, and their limit.
    pub connections: (usize, usize),
    /// Pictures that hold a place, and `--cola`.
    pub places: (usize, usize),
    /// Bytes charged to pictures, and `--memoria`.
    pub memory: (u64, u64),
    /// Worker threads with a job in hand, and all of them.
    pub workers: (usize, usize),
    /// Threads that did not return and were replaced since the start, and the limit of replacements.
    pub workers_replaced: (usize, usize),
    /// Those of them that have not returned yet.
    pub workers_lost: usize,
    /// Open connections to the scaler.
    pub scaler_connections: usize,
    /// Pictures that wait for a connection to the scaler.
    pub scaler_waiting: usize,
    /// The scaler is tp2's own: its children are counted.
    pub scaler_is_own: bool,
    /// Tasks in memory.
    pub tasks_in_work: usize,
    /// Tasks by state, as far as is known.
    pub tasks: Option<StateCounts>,
    /// How much the store keeps, as far as is known.
    pub store: StoreSizes,
    /// Bytes of links, once they are known, and their limit.
    pub links: (Option<u64>, u64),
    /// `/readyz` would answer 200.
    pub ready: bool,
    /// Log lines that were dropped.
    pub log_lines_lost: u64,
    /// This process.
    pub process: Process,
}

impl Histogram {
    fn observe(&mut self, time: Duration) {
        let seconds = time.as_secs_f64();
        let bucket = BOUNDS.partition_point(|&bound| bound < seconds);
        self.counts[bucket] += 1;
        self.sum += seconds;
    }
}

impl Metrics {
    /// A client was above its address's limit.
    pub fn note_turned_away(&mut self) {
        self.turned_away += 1;
    }

    /// Counts an event of a connection.
    pub fn note(&mut self, what: &EventKind) {
        match what {
            EventKind::Connected => self.accepted += 1,
            EventKind::Answered {
                labels: MetricLabels { route, method, refused },
                status,
                took,
                writing,
                is_health_check,
                ..
            } => {
                *self.requests.entry((route, method, *status)).or_default() += 1;
                self.durations.entry(route).or_default().observe(*took);
                if let Some(reason) = refused {
                    *self.rejected.entry(reason).or_default() += 1;
                }
                if !is_health_check {
                    self.observe("write", Some(*writing));
                }
            }
            EventKind::Received { .. }
            | EventKind::Begun { .. }
            | EventKind::Linked { .. }
            | EventKind::Left { .. } => {}
        }
    }

    /// Counts the stage times of a picture that was made or fetched.
    pub fn note_times(&mut self, times: &Times) {
        let Times { read, open, queue, decode, scale, encode, keep } = *times;
        let queue = Some(queue);
        for (stage, time) in [
            ("read", read),
            ("queue", queue),
            ("open", open),
            ("decode", decode),
            ("scale", scale),
            ("encode", encode),
            ("keep", keep),
        ] {
            self.observe(stage, time);
        }
    }

    fn observe(&mut self, stage: &str, time: Option<Duration>) {
        if let Some(time) = time
            && let Some(number) = STAGES.iter().position(|name| *name == stage)
        {
            self.stages[number].observe(time);
        }
    }

    /// A child of tp2's own scaler has ended.
    pub fn note_child(&mut self, cause: Cause) {
        self.children[cause as usize] += 1;
    }

    /// tp2's own scaler has ended.
    pub fn note_scaler_end(&mut self) {
        self.scaler_ends += 1;
    }

    /// A self-test picture did not come back in time.
    pub fn note_missed(&mut self, part: ServerPart) {
        self.probes_missed[part as usize] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fall_into_the_bucket_that_holds_them() {
        let mut histogram = Histogram::default();
        for micros in [0, 500, 501, 1_000, 29_999_999, 30_000_000, 30_000_001, 90_000_000] {
            histogram.observe(Duration::from_micros(micros));
        }
        let mut expected = [0; 16];
        (expected[0], expected[1], expected[14], expected[15]) = (2, 2, 2, 2);
        assert_eq!(histogram.counts, expected);
    }

    #[test]
    fn stages_are_those_of_server_timing() {
        let step = Some(Duration::from_millis(1));
        let queue = Duration::ZERO;
        let times =
            Times { read: step, open: step, queue, decode: step, scale: step, encode: step, keep: step };
        let mut metrics = Metrics::default();
        metrics.note_times(&times);
        let field = times.field();
        for (name, histogram) in STAGES.iter().zip(&metrics.stages) {
            assert_eq!(histogram.counts.iter().sum::<u64>(), u64::from(field.contains(&format!("{name};"))));
        }
    }
}
