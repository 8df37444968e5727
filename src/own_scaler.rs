//! tp2's own scaler: what this binary is when [`Supervisor`](crate::net::supervisor::Supervisor) starts it.
//!
//! Its arguments come from our own process alone, in a fixed order: socket, owner's process id, most pixels, seconds a
//! job may take, most children, how much nicer those of large pictures are. No thread may exist before [`main`], and none after it: the process forks.
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use scaler::child::SessionLimits;
use scaler::listener::Endpoint;
use scaler::serve::{self, Config, Owner};
use scaler::sys::{self, Pid};
use scaler::wire::Limits;

use crate::config;

/// Connections beside the pool's: broken ones whose children are not reaped yet.
const CHILDREN_SPARE: usize = 16;
/// Children finish what they have when tp2 stops.
const DRAIN: Duration = Duration::from_secs(1);

/// The part of tp2's configuration that the scaler needs.
#[must_use]
pub fn arguments(config: &config::Config) -> Vec<String> {
    let pixels_max = config.limits.pixels.pixels_max;
    let deadline = config.limits.deadline.as_secs();
    let children_max = config.threads + CHILDREN_SPARE;
    let numbers = [pixels_max, deadline, children_max as u64, config.large_nice.into()];
    numbers.iter().map(u64::to_string).collect()
}

/// Serves until tp2 ends.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let Some(config) = parse(arguments) else {
        return complain("estos argumentos solo los usa tp2 para su propio escalador");
    };
    match serve::run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error.to_string()),
    }
}

fn complain(text: &str) -> ExitCode {
    // Standard error may be closed; the exit code remains.
    let _ = writeln!(io::stderr(), "tp2-scaler: {text}");
    ExitCode::FAILURE
}

fn parse(mut arguments: impl Iterator<Item = OsString>) -> Option<Config> {
    let socket = PathBuf::from(arguments.next()?);
    let mut number = || arguments.next()?.to_str()?.parse::<u64>().ok();
    let owner = Owner { pid: Pid::from_number(i32::try_from(number()?).ok()?)? };
    let limits = Limits { pixels_max: number()?, ..Limits::default() };
    let deadline = Duration::from_secs(number()?);
    let children_max = usize::try_from(number()?).ok()?;
    let large_nice = u8::try_from(number()?).ok()?;
    Some(Config {
        listen: vec![Endpoint::Unix(socket)],
        children_max,
        session_limits: SessionLimits {
            limits,
            deadline,
            idle: None,
            niceness_of_large: sys::nicer(large_nice),
            verbose: false,
            confinement_required: false,
        },
        drain: DRAIN,
        owner: Some(owner),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_all(arguments: &[&str]) -> Option<Config> {
        parse(arguments.iter().map(OsString::from))
    }

    #[test]
    fn reads_what_the_supervisor_writes() {
        let config = parse_all(&["/tmp/s", "77", "5000000", "9", "18", "0"]).unwrap();
        assert_eq!((config.children_max, config.session_limits.deadline), (18, Duration::from_secs(9)));
        assert_eq!(config.session_limits.limits.pixels_max, 5_000_000);
        assert_eq!(config.session_limits.niceness_of_large, sys::niceness());
        assert_eq!(config.owner.unwrap().pid.number(), 77);
    }

    #[test]
    fn anything_else_is_refused() {
        for arguments in
            [&[][..], &["/tmp/s"], &["/tmp/s", "0", "1", "1", "1", "1"], &["/tmp/s", "x", "1", "1", "1", "1"]]
        {
            assert!(parse_all(arguments).is_none(), "{arguments:?}");
        }
    }
}
