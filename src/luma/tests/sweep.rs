//! A part of `scripts/jpeg_sweep`: libjpeg-turbo's programs and Pillow against luma, on files that they make. Skipped
//! with a message where they are missing, unless `TP2_CI` is set; the whole sweep is run by hand.
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// The sweep takes one file in 40 of each kind.
const EACH: &str = "40";

#[test]
fn a_part_of_the_sweep() {
    if let Some(missing) = missing() {
        assert!(std::env::var_os("TP2_CI").is_none_or(|value| value != "1"), "TP2_CI=1 y no está {missing}");
        // Not eprintln!, which the test harness keeps to itself while a test passes.
        writeln!(std::io::stderr(), "SALTADO a_part_of_the_sweep: no está {missing}").unwrap();
        return;
    }
    // Asked for a single test, cargo does not build the examples.
    let build = ["build", "--quiet", "-p", "luma", "--examples"];
    assert!(Command::new(env!("CARGO")).args(build).status().unwrap().success());
    let test = std::env::current_exe().unwrap();
    let examples = test.parent().unwrap().parent().unwrap().join("examples");
    let sweep = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/jpeg_sweep");
    let done = Command::new(sweep).args(["-q", "-e", EACH, "-p"]).arg(&examples).output().unwrap();
    let (said, errors) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{said}{errors}");
}

/// A needed program that the machine does not have.
fn missing() -> Option<&'static str> {
    let runs = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let python = runs("python3", &["-c", "import numpy, PIL"]);
    let others = ["cjpeg", "djpeg", "jpegtran"].into_iter().find(|program| !runs(program, &["-version"]));
    if python { others } else { Some("Python con Pillow y numpy") }
}
