//! `tp2-cliente`: sends a picture or a folder to the server. Exit 0: success; 1: a failure; 2: bad usage; 128 plus the
//! signal's number: interrupted.
//!
//! Signals are blocked before any thread starts. A thread of its own reads them, removes half-written files and ends
//! the process. A signal that the parent process ignores (nohup) stays ignored.
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

use scaler::sys::{self, Interest, SIGHUP, SIGINT, SIGTERM, SignalFd};
use tp2::client::{
    Asker, ClientCommand, Console, Context, ExitStatus, RetryPolicy, Saver, parse, refuse, run,
};

fn main() -> ExitCode {
    let (console, saver) = (Console::standard(), Saver::default());
    let status = match parse(std::env::args_os().skip(1)) {
        Err(usage) => refuse(&usage, &console),
        Ok(ClientCommand::Print(text)) => {
            // A closed standard output is no failure.
            let _ = io::stdout().write_all(text.as_bytes());
            ExitStatus::Well
        }
        Ok(ClientCommand::Send(mut options)) => {
            let named = std::env::var_os("TP2_CLAVE_ARCHIVO").filter(|path| !path.is_empty());
            options.key_file = options.key_file.or(named.map(Into::into));
            watch_signals(saver.clone());
            let stdin = io::stdin();
            let person = stdin.is_terminal();
            // Questions are no results.
            let output: Box<dyn Write> =
                if options.keeps_output_clean() { Box::new(io::stderr()) } else { Box::new(io::stdout()) };
            let mut asker = Asker { input: stdin.lock(), output, person };
            let context = Context { console: &console, saver: &saver, retry_policy: RetryPolicy::default() };
            run(&options, &mut asker, &context)
        }
    };
    ExitCode::from(status as u8)
}

/// Without the watch, a signal ends the process as it always does, and no file is tidied away.
fn watch_signals(saver: Saver) {
    let ignored = ignored_signals();
    let wanted: Vec<i32> =
        [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0).collect();
    let Ok(signals) = SignalFd::new(&wanted) else { return };
    let watch = move || {
        loop {
            let ready = sys::poll(&[(signals.as_fd(), Interest::Read)], None);
            match (ready, signals.next()) {
                (Ok(_), Ok(Some(signal))) => saver.abandon(|farewell| {
                    // It starts a new line, and so does the shell's next prompt.
                    let farewell = farewell.unwrap_or(
                        "Interrumpido: no se guardó nada; para empezar otra vez, repita la orden.",
                    );
                    let _ = writeln!(io::stderr(), "\n{farewell}");
                    sys::exit_now(u8::try_from(128 + signal).unwrap_or(u8::MAX))
                }),
                (Ok(_), Ok(None)) => {}
                (Err(_), _) | (_, Err(_)) => return,
            }
        }
    };
    if std::thread::Builder::new().name("señales".into()).spawn(watch).is_err() {
        for signal in wanted {
            let _ = sys::unblock_signal(signal);
        }
    }
}

/// The signals that this process ignores since its start, as a mask (proc_pid_status(5), `SigIgn`).
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}
