//! Pages of the manual (man(7)) and completions for bash, zsh and fish, from the tables of options. Pure.
//!
//! Rules: nothing is said here of an option that its row does not say; what a value is completed with follows from what it is
//! called ([`kind`]). A test compares the files in docs with what this makes.
use scaler::usage::{Manual, Row};
use tp2::http::format::Format;

/// What every file begins with, as a comment.
const MADE: &str = "Hecho de las tablas de opciones por «cargo run --example manuals»: no se edita.";

/// Path below the project, and text, of every file.
pub(crate) fn all() -> Vec<(String, String)> {
    let manuals = [tp2::config::manual(), scaler::options::manual(), tp2::client::manual()];
    let files = |manual: &Manual| {
        let name = manual.program;
        [
            (format!("docs/man/{name}.1"), page(manual)),
            (format!("docs/completions/{name}.bash"), bash(manual)),
            (format!("docs/completions/_{name}"), zsh(manual)),
            (format!("docs/completions/{name}.fish"), fish(manual)),
        ]
    };
    manuals.iter().flat_map(files).collect()
}

/// What a value is completed with.
enum Kind {
    File,
    Directory,
    Words(String),
    Nothing,
}

fn kind(value: &str) -> Kind {
    match value {
        "RUTA" | "SALIDA" | "ARCHIVO" => Kind::File,
        "DIR" => Kind::Directory,
        "FORMATO" => Kind::Words(Format::ALL.map(Format::name).join(" ")),
        _ => Kind::Nothing,
    }
}

/// `-i`, `--ip`, `--synonym`: every spelling.
fn spellings(row: &Row<()>) -> Vec<String> {
    let short = (!row.short.is_empty()).then(|| format!("-{}", row.short));
    short.into_iter().chain(row.longs().map(|long| format!("--{long}"))).collect()
}

/// A text as roff takes it literally (groff_char(7), groff(7)).
fn roff(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-");
    if escaped.starts_with(['.', '\'']) { format!("\\&{escaped}") } else { escaped }
}

/// The page of section 1.
fn page(manual: &Manual) -> String {
    let Manual { program, about, usage, rows, notes, .. } = manual;
    let synopsis = usage.strip_prefix("usage: ").unwrap_or(usage);
    let mut page = format!(
        "'\\\" -*- coding: utf-8 -*-\n.\\\" {MADE}\n.TH {} 1 \"\" \"tp2 {}\" \"Órdenes de usuario\"\n.SH NOMBRE\n{} \\- {}\n\
         .SH SINOPSIS\n{}\n.SH OPCIONES\n",
        roff(&program.to_uppercase()),
        env!("CARGO_PKG_VERSION"),
        roff(program),
        roff(about),
        roff(synopsis),
    );
    for row in rows {
        let value =
            if row.value.is_empty() { String::new() } else { format!(" \\fI{}\\fR", roff(row.value)) };
        let names: Vec<_> =
            spellings(row).iter().map(|name| format!("\\fB{}\\fR{value}", roff(name))).collect();
        page += &format!(".TP\n{}\n{}\n", names.join(", "), roff(&row.text()));
    }
    if *program == "tp2" {
        page += ".SH ENTORNO\nCada opción, salvo \\-h y \\-V, tiene una variable: TP2_ y su nombre largo en mayúsculas, con _ por \\-.\n";
    }
    if !notes.is_empty() {
        page += ".SH NOTAS\n";
    }
    for paragraph in notes.trim().split("\n\n") {
        page += &noted(paragraph);
    }
    let others = ["tp2", "tp2-scaler", "tp2-cliente"].into_iter().filter(|name| name != program);
    let others: Vec<_> = others.map(|name| format!("\\fB{}\\fR(1)", roff(name))).collect();
    page + ".SH VÉASE TAMBIÉN\n" + &others.join(", ") + "\n"
}

/// A paragraph of the notes; its examples line by line.
fn noted(paragraph: &str) -> String {
    if paragraph.is_empty() {
        return String::new();
    }
    let mut text = ".PP\n".to_owned();
    let mut is_example = false;
    for line in paragraph.lines() {
        if line.starts_with("  ") != is_example {
            text += if is_example { ".EE\n" } else { ".EX\n" };
            is_example = !is_example;
        }
        text += &(roff(line) + "\n");
    }
    if is_example { text + ".EE\n" } else { text }
}

fn function(program: &str) -> String {
    format!("_{}", program.replace('-', "_"))
}

fn bash(manual: &Manual) -> String {
    let Manual { program, rows, operand, .. } = manual;
    let name = function(program);
    let all: Vec<String> = rows.iter().flat_map(spellings).collect();
    let mut cases = String::new();
    for row in rows.iter().filter(|row| !row.value.is_empty()) {
        let action = match kind(row.value) {
            Kind::File => "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")".to_owned(),
            Kind::Directory => {
                "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$cur\")".to_owned()
            }
            Kind::Words(words) => format!("mapfile -t COMPREPLY < <(compgen -W '{words}' -- \"$cur\")"),
            Kind::Nothing => ":".to_owned(),
        };
        cases += &format!("        {}) {action}; return ;;\n", spellings(row).join(" | "));
    }
    let rest = if operand.is_empty() {
        String::new()
    } else {
        "    else\n        compopt -o filenames\n        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
            .to_owned()
    };
    format!(
        "# {MADE}\n{name}() {{\n    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}}\n    COMPREPLY=()\n    \
         case $prev in\n{cases}    esac\n    if [[ $cur == -* ]]; then\n        mapfile -t COMPREPLY < <(compgen -W '{}' -- \
         \"$cur\")\n{rest}    fi\n}}\ncomplete -F {name} {program}\n",
        all.join(" ")
    )
}

fn zsh(manual: &Manual) -> String {
    let Manual { program, rows, operand, .. } = manual;
    let quoted = |text: &str| {
        let plain = text.replace('\\', "\\\\").replace('[', "\\[").replace(']', "\\]").replace(':', "\\:");
        plain.replace('\'', "'\\''")
    };
    let completed = |value: &str| match kind(value) {
        Kind::File => ":_files".to_owned(),
        Kind::Directory => ":_files -/".to_owned(),
        Kind::Words(words) => format!(":({words})"),
        Kind::Nothing => ":".to_owned(),
    };
    let mut lines = Vec::new();
    for row in rows {
        let names = spellings(row);
        let value = if row.value.is_empty() {
            String::new()
        } else {
            format!(":{}{}", row.value, completed(row.value))
        };
        let text = quoted(&row.text());
        // A name excludes the others, unless the option may be repeated.
        let before = if row.repeatable { "*".to_owned() } else { format!("({})", names.join(" ")) };
        lines.extend(names.iter().map(|name| format!("  '{before}{name}[{text}]{value}'")));
    }
    if !operand.is_empty() {
        lines.push(format!("  '*:{operand}{}'", completed(operand)));
    }
    format!("#compdef {program}\n# {MADE}\n_arguments -s -S \\\n{}\n", lines.join(" \\\n"))
}

fn fish(manual: &Manual) -> String {
    let Manual { program, rows, operand, .. } = manual;
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('\'', "\\'");
    let mut text = format!("# {MADE}\n");
    if operand.is_empty() {
        text += &format!("complete -c {program} -f\n");
    }
    for row in rows {
        let mut line = format!("complete -c {program}");
        if !row.short.is_empty() {
            line += &format!(" -s {}", row.short);
        }
        for long in row.longs() {
            line += &format!(" -l {long}");
        }
        line += &match kind(row.value) {
            _ if row.value.is_empty() => String::new(),
            Kind::File => " -r -F".to_owned(),
            Kind::Directory => " -x -a '(__fish_complete_directories)'".to_owned(),
            Kind::Words(words) => format!(" -x -a '{words}'"),
            Kind::Nothing => " -x".to_owned(),
        };
        text += &format!("{line} -d '{}'\n", quoted(&row.text()));
    }
    text
}
