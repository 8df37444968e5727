//! The whole system over real sockets: the built binaries as processes, one file per behaviour.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can't go on has failed"
)]

#[path = "../common/mod.rs"]
mod common;

mod access;
mod bank;
#[cfg(feature = "mongodb")]
mod bank_mongodb;
mod collections;
mod connections;
mod damage;
mod dashboards;
mod deadlines;
mod descriptors;
mod documents;
mod endings;
mod errors;
mod files;
#[cfg(feature = "postgres")]
mod fleet;
mod flood;
mod forms;
mod health;
mod http1;
mod layers;
mod limits;
mod links;
mod listening;
mod logging;
mod memory;
mod metrics;
mod negotiation;
mod netcat;
mod netcat_vectors;
mod openapi;
mod proxies;
mod ready;
mod scaler_process;
mod seeds;
mod shell;
mod slow;
mod snippets;
mod stopping;
mod tasks;
mod tasks_crashes;
mod tasks_kept;
mod tasks_turns;
mod tasks_waiting;
mod uploads;
mod walkthrough;
