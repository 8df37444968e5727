//! `tp2-scaler`: the second server, by hand. See `scaler::serve` for the server and `protocol.md` for what it speaks.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod cli;

use std::process::ExitCode;

use scaler::{child, serve, sys};

use crate::cli::Command;

fn main() -> ExitCode {
    match cli::parse(std::env::args_os().skip(1)) {
        Err(error) => say(sys::DIAGNOSTICS, &error, 2),
        Ok(Command::Help(text)) => say(sys::OUTPUT, text.trim_end(), 0),
        Ok(Command::Version) => say(sys::OUTPUT, concat!("tp2-scaler ", env!("CARGO_PKG_VERSION")), 0),
        Ok(Command::Stdio(session_limits)) => sys::exit_now(child::run_stdio(&session_limits)),
        Ok(Command::Serve(config)) => match serve::run(config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => say(sys::DIAGNOSTICS, &format!("tp2-scaler: {error}"), 1),
        },
    }
}

/// One text, one write; an error is ignored: the reader has closed the descriptor.
fn say(sink: std::os::fd::BorrowedFd<'_>, text: &str, code: u8) -> ExitCode {
    let _ = sys::write_all(sink, format!("{text}\n").as_bytes());
    ExitCode::from(code)
}
