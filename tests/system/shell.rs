//! Real `curl` and `nc` against the real server: see curl.sh and netcat.sh.
use std::process::Command;

use super::common::processes::Directory;
use super::common::{Server, tools};

/// Runs a script with host, port and a directory for its files; exit code 0 means success.
fn run(script: &str, needs: &[&str]) {
    if needs.iter().any(|tool| tools::find(tool).is_none()) {
        return;
    }
    let server = Server::start(&["-i", "::"]);
    let directory = Directory::new();
    let root = env!("CARGO_MANIFEST_DIR");
    let mut command = Command::new("bash");
    command.arg(format!("{root}/tests/{script}")).arg(server.port.to_string());
    command.arg(format!("{root}/tests/data/fotos")).current_dir(&directory.0);
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{script}:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn curl() {
    run("curl.sh", &["bash", "curl"]);
}

#[test]
fn netcat() {
    run("netcat.sh", &["bash", "nc", "timeout"]);
}
