//! The lesson's documents are correct, and their commands work.
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use super::common::Server;
use super::common::processes::Directory;
use super::common::tools;
use super::python::{ROOT, is_there, shown};

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The titles of the tour's steps, as it lists them itself.
fn steps() -> Vec<String> {
    let output =
        Command::new("bash").args(["scripts/walkthrough", "--lista"]).current_dir(ROOT).output().unwrap();
    let list = shown(&output);
    list.lines().map(|line| line.trim_start().split_once("  ").unwrap().1.to_owned()).collect()
}

/// Whether a file of Rust or Python declares something of this name.
fn declares(text: &str, name: &str) -> bool {
    let words = ["fn ", "struct ", "enum ", "const ", "static ", "trait ", "def ", "class "];
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    let follows = |word: &str| text.split(&format!("{word}{name}")).skip(1).any(ends);
    words.iter().any(|word| follows(word)) || text.contains(&format!("\n    {name} = "))
}

#[test]
fn each_sentence_of_the_assignment_is_done_where_it_is_told() {
    let text = read("docs/clase.md");
    let steps = steps();
    let table: Vec<_> = text
        .lines()
        .skip_while(|line| *line != "| la consigna | en Python | en Rust | para verlo |")
        .skip(2)
        .take_while(|line| line.starts_with("| "))
        .collect();
    assert!(table.len() >= 20, "{}", table.len());
    for row in table {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let &[_, python, rust, shown_by] = &cells[..] else { panic!("{row}") };
        for place in python.split("; ").chain(rust.split("; ")) {
            let (link, names) = place.split_once("): ").unwrap_or_else(|| panic!("{place}"));
            let file = link.split_once("](../").unwrap_or_else(|| panic!("{place}")).1;
            let text = read(file);
            for name in names.split('`').skip(1).step_by(2) {
                assert!(declares(&text, name), "docs/clase.md: {file} has no {name}: has it moved?\n{row}");
            }
        }
        if let Some(step) = shown_by.strip_prefix("paso ") {
            let (number, title) = step.split_once(", «").unwrap();
            let found = &steps[number.parse::<usize>().unwrap() - 1];
            assert_eq!(title.trim_end_matches('»'), found, "docs/clase.md, step {number}");
        }
    }
}

#[test]
fn each_step_of_the_tour_has_exercises_with_solutions() {
    let text = read("docs/ejercicios.md");
    let sections: Vec<_> = text.split("\n## ").skip(1).collect();
    let steps = steps();
    assert_eq!(sections.len(), steps.len());
    for (index, (section, title)) in sections.into_iter().zip(steps).enumerate() {
        assert!(section.starts_with(&format!("{}. {title}\n", index + 1)), "{title}: {section:.60}");
        let asked =
            ["**Lea.**", "**Mire.**", "**Rompa.**", "**Escriba.**"].map(|kind| section.matches(kind).count());
        let solved = section.matches("<details><summary>Solución</summary>").count();
        assert!(
            solved > 0 && asked.iter().sum::<usize>() == solved,
            "{title}: {asked:?}, {solved} solutions"
        );
        assert_eq!(solved, section.matches("</details>").count(), "{title}");
    }
}

#[test]
fn the_files_that_exercises_name_are_there() {
    for document in ["docs/clase.md", "docs/ejercicios.md"] {
        let text = read(document);
        for quoted in text.split('`').skip(1).step_by(2) {
            let name = quoted.split_whitespace().next().unwrap_or_default();
            let is_path = ["src/", "scaler/", "tests/", "scripts/", "docs/"]
                .iter()
                .any(|start| name.starts_with(start));
            assert!(!is_path || Path::new(ROOT).join(name).exists(), "{document}: {name}");
        }
    }
}

#[test]
fn predictions_are_read_from_standard_input() {
    if ["bash", "curl", "nc", "od", "ps", "ss", "timeout"].iter().any(|tool| tools::find(tool).is_none()) {
        return;
    }
    let place = Directory::new();
    let guesses = place.0.join("predicciones");
    std::fs::write(&guesses, "una línea\nOK\n\n").unwrap();
    let mut command = Command::new("bash");
    command.arg(format!("{ROOT}/scripts/walkthrough")).args(["--preguntas", "2", "--binarios"]);
    command.arg(Path::new(env!("CARGO_BIN_EXE_tp2")).parent().unwrap()).env("TMPDIR", &place.0);
    let output = command.stdin(std::fs::File::open(&guesses).unwrap()).output().unwrap();
    let text = shown(&output);
    assert!(output.status.success(), "{text}");
    // It asks before it shows, and repeats the expected result afterwards.
    let asked: Vec<_> = text.match_indices("¿Qué va a salir?").map(|(at, _)| at).collect();
    let answers = ["0000000 45 53 43 41", "0000000 4f 4b 0a 50 35"].map(|bytes| text.find(bytes).unwrap());
    assert!(
        asked.len() == 3 && asked[0] < answers[0] && answers[0] < asked[1] && asked[1] < answers[1],
        "{text}"
    );
    assert!(text.contains("Usted dijo: una línea") && text.contains("Usted dijo: OK"), "{text}");
    assert!(text.contains("3 predicciones: ") && text.ends_with("✓ 1 paso, todo como se dijo.\n"), "{text}");
}

/// The changes of --rompalo: title, step, file, old text, new text, why.
fn breaks() -> Vec<[String; 6]> {
    let script = "broken() { printf '%s\\0' \"$@\"; }; . scripts/walkthrough.d/5-breaks.sh";
    let output = Command::new("bash").args(["-c", script]).current_dir(ROOT).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let fields: Vec<_> = text.split_terminator('\0').map(str::to_owned).collect();
    fields.chunks(6).map(|fields| fields.to_vec().try_into().unwrap()).collect()
}

#[test]
fn each_change_can_still_be_made() {
    let breaks = breaks();
    assert!(breaks.len() >= 6);
    let steps: String = ["1-scaler", "2-server", "3-system", "4-trouble"]
        .iter()
        .map(|name| read(&format!("scripts/walkthrough.d/{name}.sh")))
        .collect();
    for [title, step, file, old, new, _] in breaks {
        assert_eq!(read(&file).matches(&old).count(), 1, "{title}: «{old}» in {file}");
        assert!(old != new && steps.contains(&format!("step {step} ")), "{title}: {step}");
    }
}

#[test]
fn a_change_is_noticed_by_its_step() {
    if std::env::var_os("TP2_CI").is_none_or(|value| value != "1") {
        return tools::skip("compila una copia: solo con TP2_CI=1");
    }
    let place = Directory::new();
    let mut command = Command::new("bash");
    command.arg(format!("{ROOT}/scripts/walkthrough")).args(["--rompalo", "3", "--binarios"]);
    command.arg(Path::new(env!("CARGO_BIN_EXE_tp2")).parent().unwrap()).env("TMPDIR", &place.0);
    let output = command.output().unwrap();
    let text = shown(&output);
    assert!(output.status.success() && text.contains("✓ el paso 2 lo nota"), "{text}");
}

/// The commands for our programs in a document's blocks, without their comments.
fn commands(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    // The language of the block that a line is in; only blocks without a language have commands.
    let mut language = None;
    for line in text.lines() {
        if let Some(named) = line.strip_prefix("```") {
            language = if language.is_some() { None } else { Some(named) };
            continue;
        }
        let command = line.split("  #").next().unwrap().trim();
        let starts = [
            "cargo run",
            "tp2 ",
            "tp2-scaler ",
            "tp2-cliente",
            "curl ",
            "nc ",
            "printf ",
            "{ echo",
            "scripts/",
        ];
        if language == Some("") && starts.iter().any(|start| command.starts_with(start)) {
            found.insert(command.to_owned());
        }
    }
    found
}

#[test]
fn both_languages_name_the_same_commands_and_options() {
    let english: Vec<_> = std::fs::read_dir(Path::new(ROOT).join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".md") && !matches!(name.as_str(), "clase.md" | "ejercicios.md"))
        .map(|name| read(&format!("docs/{name}")))
        .chain(["README.md", "CONTRIBUTING.md"].map(read))
        .collect();
    let (english, spanish) = (english.join("\n"), read("LEEME.md"));
    let [told, readme] = [&spanish, &read("README.md")].map(|text| commands(text));
    let all = commands(&english);
    assert!(told.len() > 20, "{told:?}");
    let missing: Vec<_> = told.difference(&all).collect();
    assert!(missing.is_empty(), "LEEME.md alone has {missing:?}");
    // Sections for developers of tp2 are in English only.
    let is_ours =
        |command: &&String| command.starts_with("scripts/") && !command.starts_with("scripts/walkthrough");
    let missing: Vec<_> = readme.difference(&told).filter(|command| !is_ours(command)).collect();
    assert!(missing.is_empty(), "LEEME.md lacks {missing:?}");

    for program in ["tp2", "tp2-scaler", "tp2-cliente"] {
        let path = Path::new(env!("CARGO_BIN_EXE_tp2")).with_file_name(program);
        let help = String::from_utf8(Command::new(path).arg("-h").output().unwrap().stdout).unwrap();
        let mut seen = 0;
        for line in help.lines().filter(|line| line.starts_with("  -")) {
            // By its short name or its long one, as in «-i IP, --ip IP».
            let names: Vec<_> = line
                .split_whitespace()
                .take_while(|word| word.starts_with('-') || word.chars().all(|c| !c.is_lowercase()))
                .filter(|word| word.starts_with('-'))
                .map(|word| word.trim_end_matches(','))
                .collect();
            for (document, text) in [("English", &english), ("LEEME.md", &spanish)] {
                let is_told =
                    |name: &&str| text.contains(&format!("`{name}")) || text.contains(&format!(" {name} "));
                assert!(names.iter().any(is_told), "{document} does not tell of {program} {names:?}");
            }
            seen += 1;
        }
        assert!(seen > 5, "{help}");
    }
}

/// The ports that documents name.
const PORTS: [u16; 8] = [8001, 8080, 8082, 8090, 8092, 8094, 8889, 8891];
/// One document at a time, where they have to share the ports.
static TURN: Mutex<()> = Mutex::new(());

/// Types all commands of documents in order, in a fresh directory, and in its own network namespace where the system
/// allows that, so that its ports are free.
fn type_all(documents: &[&str]) {
    let needed = ["bash", "curl", "nc", "python3", "sqlite3", "timeout", "unshare", "ip"];
    if needed.iter().any(|tool| tools::find(tool).is_none()) || !is_there() || !tools::has_ipv6() {
        return;
    }
    let namespaces = [&["--net"][..], &["--map-root-user", "--net"][..]];
    let apart = namespaces.into_iter().find(|options| {
        let mut command = Command::new("unshare");
        command.args(*options).args(["ip", "link", "set", "lo", "up"]);
        command.output().is_ok_and(|output| output.status.success())
    });
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut command = if let Some(apart) = apart {
        let mut command = Command::new("unshare");
        command.args(apart).args(["bash", "-c", "ip link set lo up && exec bash \"$@\"", "bash"]);
        command
    } else if PORTS.iter().all(|&port| TcpListener::bind(("::", port)).is_ok()) {
        Command::new("bash")
    } else {
        return tools::skip("no se puede crear una red aparte (unshare --net), y los puertos están en uso");
    };
    let place = Directory::new();
    command.arg(format!("{ROOT}/tests/clase/recipes.sh")).arg(ROOT);
    command.arg(Path::new(env!("CARGO_BIN_EXE_tp2")).parent().unwrap()).args(documents);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TP2_")) {
        command.env_remove(name);
    }
    let output = command.current_dir(&place.0).output().unwrap();
    assert!(output.status.success(), "{}", shown(&output));
}

#[test]
fn every_command_of_the_readme_and_its_pages_works() {
    type_all(&[
        "README.md",
        "docs/requests.md",
        "docs/client.md",
        "docs/options.md",
        "docs/operation.md",
        "docs/fleet.md",
    ]);
}

#[test]
fn every_command_of_leeme_works() {
    type_all(&["LEEME.md"]);
}

#[test]
fn every_command_of_the_lesson_works() {
    type_all(&["docs/clase.md"]);
}

#[test]
fn tp2_says_which_address_to_open() {
    let server = Server::start(&[]);
    assert_eq!(server.line(), format!("Abra http://127.0.0.1:{}/ en el navegador.", server.port));
    if tools::has_ipv6() {
        for (ip, shown) in [("::", "127.0.0.1"), ("::1", "[::1]")] {
            let server = Server::start(&["-i", ip]);
            assert_eq!(server.line(), format!("Abra http://{shown}:{}/ en el navegador.", server.port));
        }
    }
}
