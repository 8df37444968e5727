//! Programs of the machine that a test needs.
use std::io::Write;
use std::net::{Ipv6Addr, TcpListener};
use std::path::PathBuf;

/// Looks for a program in `PATH`. If it is missing the test has to be skipped, and a message is printed; with
/// `TP2_CI=1` it is a failure, because then the machine was prepared and every test has to run.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let found = in_path(name);
    if found.is_none() {
        skip(&format!("no está {name}"));
    }
    found
}

/// The same for a program too large to be installed for one test: if it is missing a message is printed, and the test
/// never fails.
pub(crate) fn look_for(name: &str) -> Option<PathBuf> {
    let found = in_path(name);
    if found.is_none() {
        say_skipped(&format!("no está {name}"));
    }
    found
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file())
}

/// Whether this machine has IPv6; if not, prints a message.
pub(crate) fn has_ipv6() -> bool {
    let has = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    if !has {
        skip("esta máquina no tiene IPv6");
    }
    has
}

/// Prints that a test is skipped, and why; fails with `TP2_CI=1`.
pub(crate) fn skip(why: &str) {
    assert!(std::env::var_os("TP2_CI").is_none_or(|value| value != "1"), "TP2_CI=1 y {why}");
    say_skipped(why);
}

fn say_skipped(why: &str) {
    let test = std::thread::current();
    // Not eprintln!, which the test harness captures while a test passes.
    writeln!(std::io::stderr(), "SALTADO {}: {why}", test.name().unwrap_or("?")).expect("standard error");
}
