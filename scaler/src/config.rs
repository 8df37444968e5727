//! A server's configuration, and the error of a failed start.

use std::fmt;
use std::time::Duration;

use crate::child::SessionLimits;
use crate::listener::Endpoint;
use crate::sys::Pid;

/// The configuration; valid from then on.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen, at least one endpoint. Those of port 0 all get the port that the kernel chose for the first.
    pub listen: Vec<Endpoint>,
    /// Most children at a time; further connections wait in the kernel's backlog.
    pub children_max: usize,
    /// Limits of each connection.
    pub session_limits: SessionLimits,
    /// How long children may finish their jobs after SIGTERM before they are killed.
    pub drain: Duration,
    /// The program that started this one as its own; `None` when started by hand.
    pub owner: Option<Owner>,
}

/// The program whose own scaler this is. It holds the other end of the pipe that is this process's standard input.
#[derive(Clone, Copy, Debug)]
pub struct Owner {
    /// Its process.
    pub pid: Pid,
}

/// Why a server did not start: one Spanish line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartError(String);

impl StartError {
    pub(crate) fn new(line: impl Into<String>) -> Self {
        Self(line.into())
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}
