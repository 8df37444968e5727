//! The options of `tp2-scaler`, and the texts made from their table. The command line is read with it.
use crate::usage::{self, Manual, Row};

const ABOUT: &str = "escala imágenes grises";

const fn valued(long: &'static str, value: &'static str, help: &'static str) -> Row<()> {
    Row { value, ..Row::new(long, help, ()) }
}

/// Every option, in the order of the help. The shown defaults are those in force: they are read from here.
pub const OPTIONS: &[Row<()>] = &[
    Row { short: "h", ..Row::new("help", "Muestra este mensaje de ayuda y sale", ()) },
    Row { short: "i", default: "127.0.0.1", ..valued("ip", "IP", "Dirección o nombre de escucha") },
    Row {
        short: "p",
        default: "8889",
        ..valued("port", "PORT", "Puerto de escucha; 0: lo elige el sistema")
    },
    Row {
        short: "u",
        ..valued("unix", "RUTA", "Socket Unix de escucha, en lugar de IP y PORT si no se\ndan también")
    },
    Row {
        short: "c", default: "64", ..valued("hijos", "MAX_CHILDREN", "Máximo de procesos hijos a la vez")
    },
    Row {
        default: "30",
        ..valued("plazo", "SEGUNDOS", "Tiempo máximo para una imagen, y de espera por la\nsiguiente")
    },
    Row {
        default: "100",
        ..valued("max-pixeles", "MILLONES", "Máximo de píxeles de una imagen, antes y después")
    },
    Row {
        default: "10",
        ..valued(
            "nice-grandes",
            "N",
            "Cuánto ceden el paso (nice, de 0 a 19) los hijos que\nescalan una imagen de más de un megapíxel",
        )
    },
    Row::new("exigir-aislamiento", "No arranca si falta algún paso del aislamiento", ()),
    Row::new("stdio", "Atiende una conexión por la entrada y salida estándar", ()),
    // «quiet» was its first name.
    Row {
        short: "q",
        synonyms: &["quiet"],
        repeatable: true,
        ..Row::new("silencio", "Solo muestra los errores", ())
    },
    Row { short: "V", ..Row::new("version", "Muestra la versión y sale", ()) },
];

/// First line of the help, and second of every error.
#[must_use]
pub fn usage_line() -> String {
    usage::line("tp2-scaler", OPTIONS)
}

/// The text of `-h`.
#[must_use]
pub fn help() -> String {
    format!("{}\n\nTp2-scaler - {ABOUT}\n\nOpciones:\n{}", usage_line(), usage::help(OPTIONS))
}

/// The source of its manual page.
#[must_use]
pub fn manual() -> Manual {
    let rows = OPTIONS.to_vec();
    Manual { program: "tp2-scaler", about: ABOUT, usage: usage_line(), rows, operand: "", notes: "" }
}
