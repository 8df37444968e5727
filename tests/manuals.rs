//! The manual pages and completions in docs match the tables of options, and the programs that read them accept them.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't go on has failed")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

#[path = "../scripts/manuals/pages.rs"]
mod pages;
#[expect(dead_code, reason = "shared with other tests, which use more of it")]
#[path = "common/tools.rs"]
mod tools;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn the_files_are_what_the_tables_make() {
    let all = pages::all();
    for (path, text) in &all {
        let there = std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_default();
        assert!(there == *text, "{path} is out of date: cargo run --example manuals");
    }
    let made: BTreeSet<_> = all.into_iter().map(|(path, _)| path).collect();
    for folder in ["docs/man", "docs/completions"] {
        for entry in std::fs::read_dir(Path::new(ROOT).join(folder)).unwrap() {
            let path = format!("{folder}/{}", entry.unwrap().file_name().into_string().unwrap());
            assert!(made.contains(&path), "nothing makes {path}");
        }
    }
}

/// Runs it, and returns its output; output on standard error is a failure.
fn read(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(ROOT).output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{program} {arguments:?}: {complaints}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn groff_reads_the_pages() {
    if tools::find("groff").is_none() || tools::find("preconv").is_none() {
        return;
    }
    for program in ["tp2", "tp2-scaler", "tp2-cliente"] {
        let text =
            read("groff", &["-man", "-ww", "-k", "-Tutf8", "-P-cbou", &format!("docs/man/{program}.1")]);
        for words in ["NOMBRE", "OPCIONES", "--help", "Muestra la versión y sale"] {
            assert!(text.contains(words), "{program}: {words}: {text}");
        }
    }
}

#[test]
fn bash_completes_options_words_and_files() {
    if tools::find("bash").is_none() {
        return;
    }
    let complete = |program: &str, words: &str| {
        let function = format!("_{}", program.replace('-', "_"));
        // compopt works only while bash itself completes.
        let script = format!(
            "compopt() {{ :; }}; . docs/completions/{program}.bash; COMP_WORDS=({program} {words}); \
             COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); {function}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let text = read("bash", &["-c", &script]);
        let mut words: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
        words.sort_unstable();
        words
    };
    assert_eq!(complete("tp2", "--max-p"), ["--max-pixeles"]);
    assert_eq!(complete("tp2", "--registro Carg"), ["Cargo.lock", "Cargo.toml"]);
    assert_eq!(complete("tp2", "-d script"), ["scripts"]);
    assert_eq!(complete("tp2", "-p 8"), [""; 0]);
    assert_eq!(complete("tp2-scaler", "--exi"), ["--exigir-aislamiento"]);
    assert_eq!(complete("tp2-cliente", "--formato w"), ["webp"]);
    assert_eq!(complete("tp2-cliente", "LEE"), ["LEEME.md"]);
    assert_eq!(complete("tp2-cliente", "--an"), ["--ancho"]);
}

#[test]
fn zsh_and_fish_read_the_completions() {
    for program in ["tp2", "tp2-scaler", "tp2-cliente"] {
        if tools::find("zsh").is_some() {
            read("zsh", &["-n", &format!("docs/completions/_{program}")]);
        }
        if tools::find("fish").is_some() {
            read("fish", &["-n", &format!("docs/completions/{program}.fish")]);
        }
    }
}
