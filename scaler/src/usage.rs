//! What the command lines of the three programs have in common: how they are read, and how each complains.
//!
//! Rules: the same mistake is told in the same Spanish words by `tp2`, `tp2-scaler` and `tp2-cliente`; a complaint names
//! the option and the value. A value is text: an argument that is not UTF-8 is refused, never mended.
use std::ffi::OsString;
use std::fmt;
use std::ops::RangeInclusive;

use getopts::{Fail, Matches, Options};

/// Reads the arguments, without the program's name, as `options` has it.
///
/// # Errors
/// The complaint, one Spanish line.
pub fn parse(options: &Options, arguments: impl IntoIterator<Item = OsString>) -> Result<Matches, String> {
    // getopts would take such an argument for an unknown option, even where it is a value.
    let texts: Result<Vec<String>, _> = arguments.into_iter().map(OsString::into_string).collect();
    let texts =
        texts.map_err(|other| format!("los argumentos deben ser texto UTF-8: «{}»", other.display()))?;
    options.parse(texts).map_err(|fail| complaint(&fail))
}

/// An argument that belongs to no option.
#[must_use]
pub fn extra(argument: &str) -> String {
    format!("argumento de más: «{argument}»")
}

/// A whole number in digits alone, the value of what `name` names (`--cola`, or where else it came from).
///
/// # Errors
/// The complaint, one Spanish line.
pub fn number(name: impl fmt::Display, text: &str, range: RangeInclusive<u64>) -> Result<u64, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && range.contains(number)).ok_or_else(|| {
        let (low, high) = range.into_inner();
        format!("{name} debe ser un número entero de {low} a {high}: «{text}»")
    })
}

/// getopts' own complaints.
fn complaint(fail: &Fail) -> String {
    let dashed =
        |name: &str| if name.chars().count() == 1 { format!("-{name}") } else { format!("--{name}") };
    match fail {
        Fail::ArgumentMissing(name) => format!("la opción {} necesita un valor", dashed(name)),
        Fail::UnrecognizedOption(name) => format!("no existe la opción {}", dashed(name)),
        Fail::OptionMissing(name) => format!("falta la opción {}", dashed(name)),
        Fail::OptionDuplicated(name) => format!("la opción {} está repetida", dashed(name)),
        Fail::UnexpectedArgument(name) => format!("la opción {} no lleva valor", dashed(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    fn read(arguments: &[&[u8]]) -> Result<Matches, String> {
        let mut options = Options::new();
        options.optopt("p", "port", "", "").optflag("h", "help", "").reqopt("i", "ip", "", "");
        parse(&options, arguments.iter().map(|bytes| OsString::from_vec(bytes.to_vec())))
    }

    #[test]
    fn every_complaint_is_spanish_and_names_its_option() {
        for (arguments, expected) in [
            (&[&b"-i"[..]][..], "la opción -i necesita un valor"),
            (&[b"--ip"], "la opción --ip necesita un valor"),
            (&[b"-x"], "no existe la opción -x"),
            (&[b"--nada=3"], "no existe la opción --nada"),
            (&[b"-p", b"1"], "falta la opción --ip"),
            (&[b"-i", b"a", b"-p1", b"--port", b"2"], "la opción --port está repetida"),
            (&[b"-i", b"a", b"--help=no"], "la opción --help no lleva valor"),
            (&[b"\xff"], "los argumentos deben ser texto UTF-8: «\u{fffd}»"),
            (&[b"-i", b"a\xff"], "los argumentos deben ser texto UTF-8: «a\u{fffd}»"),
            (&[b"-i", b"a", b"--", b"\xff"], "los argumentos deben ser texto UTF-8: «\u{fffd}»"),
        ] {
            assert_eq!(read(arguments).unwrap_err(), expected);
        }
        assert_eq!(read(&[b"-i", b"a", b"b"]).unwrap().free, ["b"]);
        assert_eq!(extra("b"), "argumento de más: «b»");
    }

    #[test]
    fn numbers_are_digits_within_their_range() {
        assert_eq!(number("--cola", "1", 1..=9), Ok(1));
        assert_eq!(number("--cola", "09", 1..=9), Ok(9));
        for text in ["", "0", "10", "+1", "-1", " 1", "1.0", "uno", "18446744073709551617"] {
            let expected = format!("--cola debe ser un número entero de 1 a 9: «{text}»");
            assert_eq!(number("--cola", text, 1..=9), Err(expected));
        }
    }
}
