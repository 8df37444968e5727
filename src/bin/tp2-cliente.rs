//! `tp2-cliente`: sends a picture, saves the result. Exit 0: all well; 1: it failed; 2: bad usage.
use std::io::{self, Write};
use std::process::ExitCode;

use tp2::client::{Command, parse, send};

fn main() -> ExitCode {
    match parse(std::env::args_os().skip(1)) {
        Err(usage) => {
            let _ = writeln!(io::stderr(), "{usage}");
            ExitCode::from(2)
        }
        Ok(Command::Print(text)) => {
            // A closed standard output is no failure.
            let _ = io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Ok(Command::Send(options)) => {
            let tell = |progress: tp2::client::Progress<'_>| {
                let _ = writeln!(io::stdout(), "{progress}");
            };
            match send(&options, tell) {
                Ok(_) => ExitCode::SUCCESS,
                Err(error) => {
                    let _ = writeln!(io::stderr(), "tp2-cliente: {error}");
                    ExitCode::FAILURE
                }
            }
        }
    }
}
