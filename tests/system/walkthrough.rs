//! The teaching tour: all its statements are correct, and it leaves nothing behind.
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

use super::common::processes::Directory;
use super::common::server::Process;
use super::common::tools;
use super::common::wait::until;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const TOOLS: [&str; 8] = ["bash", "curl", "nc", "od", "ps", "ss", "strace", "timeout"];

/// The tour with the programs of this build; its files go below `place`.
fn tour(root: &str, place: &Directory) -> Command {
    // Bash can't handle a signal that was ignored when it started.
    let mut command = Command::new("env");
    command
        .args(["--default-signal=INT", "bash"])
        .arg(format!("{root}/scripts/walkthrough"))
        .arg("--binarios");
    command.arg(Path::new(env!("CARGO_BIN_EXE_tp2")).parent().unwrap()).env("TMPDIR", &place.0);
    command
}

fn shown(output: &Output) -> String {
    let [said, complained] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{said}{complained}")
}

/// Waits until no process is left whose environment names this directory; and asserts that the directory is empty.
fn assert_nothing_is_left(place: &Directory) {
    let name = place.0.to_str().unwrap();
    until("the end of all that the tour has started", || {
        let mut processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        let is_ours = |process: std::path::PathBuf| {
            std::fs::read(process.join("environ"))
                .is_ok_and(|text| String::from_utf8_lossy(&text).contains(name))
        };
        (!processes.any(is_ours)).then_some(())
    });
    assert!(place.names().is_empty(), "{:?}", place.names());
}

#[test]
fn everything_is_as_it_is_told() {
    if TOOLS.iter().any(|tool| tools::find(tool).is_none()) {
        return;
    }
    let place = Directory::new();
    let output = tour(ROOT, &place).output().unwrap();
    let text = shown(&output);
    assert!(output.status.success(), "{text}");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    // Every step names something to open.
    let steps: Vec<_> = text.split("\n━━ ").skip(1).collect();
    assert!(steps.len() > 20 && text.contains(&format!("✓ {} pasos", steps.len())), "{text}");
    for step in steps {
        assert!(step.contains("→ ") || step.contains("SALTADO"), "{step}");
    }
    assert_nothing_is_left(&place);
}

#[test]
fn interrupted_it_leaves_nothing_behind() {
    if TOOLS.iter().any(|tool| tools::find(tool).is_none()) {
        return;
    }
    let place = Directory::new();
    let mut command = tour(ROOT, &place);
    command.process_group(0);
    let mut process = Process::spawn(command);
    while !process.line().contains("kill -9 al escalador") {}
    // As Ctrl-C does: to the whole group.
    let group = format!("-{}", process.pid());
    assert!(Command::new("kill").args(["-INT", "--", &group]).status().unwrap().success());
    assert_eq!(process.wait().code(), Some(130), "{}", process.log());
    assert_nothing_is_left(&place);
}

#[test]
fn steps_are_chosen_by_their_numbers() {
    if TOOLS.iter().any(|tool| tools::find(tool).is_none()) {
        return;
    }
    let place = Directory::new();
    let list = shown(&tour(ROOT, &place).arg("--lista").output().unwrap());
    let last = list.lines().count();
    let two = shown(&tour(ROOT, &place).args(["2", "20"]).output().unwrap());
    assert!(
        two.contains(&format!("━━ 2 de {last} ━━")) && two.contains(&format!("━━ 20 de {last} ━━")),
        "{two}"
    );
    assert!(two.ends_with("✓ 2 pasos, todo como se dijo.\n"), "{two}");
    let one = shown(&tour(ROOT, &place).arg("1").output().unwrap());
    assert!(one.ends_with("✓ 1 paso, todo como se dijo.\n"), "{one}");
    for wrong in ["0", "99", "3-99", "--rapido", "x"] {
        let output = tour(ROOT, &place).arg(wrong).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong}: {}", shown(&output));
    }
    assert_nothing_is_left(&place);
}

#[test]
fn what_is_not_as_told_ends_it() {
    if TOOLS.iter().any(|tool| tools::find(tool).is_none()) {
        return;
    }
    for (step, complaint) in [
        ("open src/lib.rs nothing_of_that_name why", "en src/lib.rs no está nothing_of_that_name"),
        ("open src/nothing.rs main why", "no existe src/nothing.rs"),
        ("type_in 'echo no'; must 'dice sí' says '^sí$'", "dice sí"),
    ] {
        let (copy, place) = (Directory::new(), Directory::new());
        for file in [
            "scripts/walkthrough",
            "src/lib.rs",
            "tests/data/fotos/rocket.jpg",
            "tests/data/pixels/png_bomb.png",
        ] {
            let path = copy.0.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::copy(format!("{ROOT}/{file}"), path).unwrap();
        }
        let steps = format!("step one Uno\none() {{\n    {step}\n}}\n");
        std::fs::create_dir(copy.0.join("scripts/walkthrough.d")).unwrap();
        std::fs::write(copy.0.join("scripts/walkthrough.d/one.sh"), steps).unwrap();
        let output = tour(copy.0.to_str().unwrap(), &place).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{step}: {}", shown(&output));
        assert!(shown(&output).contains(&format!("✗ {complaint}")), "{}", shown(&output));
        assert_nothing_is_left(&place);
    }
}
