//! The common part of the three programs' command lines: describing and reading options, and their errors.
//!
//! Rules: an option is one [`Row`], the source of every text about it. `tp2`, `tp2-scaler` and `tp2-cliente` report
//! the same mistake in the same Spanish words; an error names the option and the value. A value is text: an argument
//! that is not UTF-8 is refused, never converted.
use std::ffi::OsString;
use std::fmt;
use std::net::Ipv6Addr;
use std::ops::RangeInclusive;

use getopts::{Fail, Matches, Options};

use crate::wire::parse_factor;

/// Columns of the help: where the text of an option begins, and the longest line.
const TEXT_AT: usize = 24;
const COLUMNS: usize = 80;

/// One option of a program: the source of its help, its place in the usage line and its row in the documents.
#[derive(Clone, Copy, Debug)]
pub struct Row<A> {
    /// One letter; empty without one.
    pub short: &'static str,
    /// The long name, which errors use.
    pub long: &'static str,
    /// Other long names of the option.
    pub synonyms: &'static [&'static str],
    /// The name of its value; empty for a flag.
    pub value: &'static str,
    /// Spanish, in lines of at most 56 columns; the first is beside the names if there is room, below them if it is
    /// empty. `{}` stands for the default.
    pub help: &'static str,
    /// Shown in parentheses after the help, unless that has a place for it; empty without one.
    pub default: &'static str,
    /// The program does not start without it.
    pub required: bool,
    /// May be given more than once.
    pub repeatable: bool,
    /// What the program does with it.
    pub action: A,
}

impl<A> Row<A> {
    /// An option with this name only: a flag, until it has a `value`.
    #[must_use]
    pub const fn new(long: &'static str, help: &'static str, action: A) -> Self {
        let (short, value, default) = ("", "", "");
        Self { short, long, synonyms: &[], value, help, default, required: false, repeatable: false, action }
    }

    /// The long name and its synonyms.
    pub fn longs(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.long).chain(self.synonyms.iter().copied())
    }

    /// `-i IP`, or `--cola N` for an option without a letter.
    #[must_use]
    pub fn shortest(&self) -> String {
        let name =
            if self.short.is_empty() { self.spelled() } else { format!("-{} {}", self.short, self.value) };
        name.trim_end().to_owned()
    }

    /// `--ip IP`.
    #[must_use]
    pub fn spelled(&self) -> String {
        format!("--{} {}", self.long, self.value).trim_end().to_owned()
    }

    /// The same without its action.
    #[must_use]
    pub const fn described(&self) -> Row<()> {
        let &Self { short, long, synonyms, value, help, default, required, repeatable, .. } = self;
        Row { short, long, synonyms, value, help, default, required, repeatable, action: () }
    }

    /// The help in one line, with the default.
    #[must_use]
    pub fn text(&self) -> String {
        let lines = self.help.lines().filter(|line| !line.is_empty());
        let text = lines.collect::<Vec<_>>().join(" ").replace("{}", self.default);
        let is_open = !self.default.is_empty() && !self.help.contains("{}");
        if is_open { format!("{text} ({})", self.default) } else { text }
    }

    fn help_lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.help.lines().map(|line| line.replace("{}", self.default)).collect();
        let default = format!(" ({})", self.default);
        match lines.last_mut() {
            Some(last) if !self.default.is_empty() && !self.help.contains("{}") => {
                if TEXT_AT + last.chars().count() + default.chars().count() <= COLUMNS {
                    last.push_str(&default);
                } else {
                    lines.push(default.trim_start().to_owned());
                }
            }
            _ => {}
        }
        let letter = if self.short.is_empty() { String::new() } else { format!("{}, ", self.shortest()) };
        let name = format!("  {letter}{}", self.spelled());
        if name.chars().count() >= TEXT_AT {
            lines.insert(0, String::new());
        }
        let names = std::iter::once(name.as_str()).chain(std::iter::repeat(""));
        let line = |(name, text)| format!("{name:TEXT_AT$}{text}").trim_end().to_owned();
        names.zip(&lines).map(line).collect()
    }
}

/// The source of a program's manual page and shell completions.
#[derive(Clone, Debug)]
pub struct Manual {
    /// Its name.
    pub program: &'static str,
    /// A short description.
    pub about: &'static str,
    /// The usage line.
    pub usage: String,
    /// Every option.
    pub rows: Vec<Row<()>>,
    /// The name of its operand; empty: none.
    pub operand: &'static str,
    /// The text below the options: paragraphs and, in lines that begin with two spaces, examples.
    pub notes: &'static str,
}

/// The help's list of these options, each line with its end.
#[must_use]
pub fn help<'a, A: 'a>(rows: impl IntoIterator<Item = &'a Row<A>>) -> String {
    rows.into_iter().flat_map(Row::help_lines).map(|line| line + "\n").collect()
}

/// `usage: tp2 [-h] -i IP …`: the options in their order, optional ones in brackets.
#[must_use]
pub fn line<'a, A: 'a>(program: &str, rows: impl IntoIterator<Item = &'a Row<A>>) -> String {
    let parts = rows.into_iter().map(|row| {
        let name = row.shortest();
        if row.required { format!(" {name}") } else { format!(" [{name}]") }
    });
    format!("usage: {program}{}", parts.collect::<String>())
}

/// The options for getopts, which accepts each name once.
#[must_use]
pub fn options<A>(rows: &[Row<A>]) -> Options {
    let mut options = Options::new();
    for row in rows {
        for (number, long) in row.longs().enumerate() {
            let short = if number == 0 { row.short } else { "" };
            match (row.value.is_empty(), row.repeatable) {
                (true, false) => options.optflag(short, long, ""),
                (true, true) => options.optflagmulti(short, long, ""),
                (false, false) => options.optopt(short, long, "", ""),
                (false, true) => options.optmulti(short, long, "", ""),
            };
        }
    }
    options
}

/// Reads the arguments, without the program's name, by `options`, one of which is `--help`. Where they are wrong and the
/// help is asked for, the help is all that is read.
///
/// # Errors
/// The error, one Spanish line.
pub fn parse(options: &Options, arguments: impl IntoIterator<Item = OsString>) -> Result<Matches, String> {
    // getopts would take such an argument for an unknown option, even where it is a value.
    let texts: Result<Vec<String>, _> = arguments.into_iter().map(OsString::into_string).collect();
    let texts =
        texts.map_err(|other| format!("los argumentos deben ser texto UTF-8: «{}»", other.display()))?;
    options.parse(&texts).or_else(|fail| {
        let mut named = texts.iter().take_while(|text| *text != "--");
        let is_help = named.any(|text| matches!(&**text, "-h" | "--help"));
        if is_help { options.parse(["--help"]) } else { Err(fail) }.map_err(|fail| complaint(&fail))
    })
}

/// An argument that belongs to no option.
#[must_use]
pub fn extra(argument: &str) -> String {
    format!("argumento de más: «{argument}»")
}

/// A whole number in digits only, the value of `name` (`--cola`, or another source).
///
/// # Errors
/// The error, one Spanish line.
pub fn number(name: impl fmt::Display, text: &str, range: RangeInclusive<u64>) -> Result<u64, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && range.contains(number)).ok_or_else(|| {
        let (low, high) = range.into_inner();
        format!("{name} debe ser un número entero de {low} a {high}: «{text}»")
    })
}

/// A scale factor, the value of `name`.
///
/// # Errors
/// The error, one Spanish line.
pub fn factor(name: impl fmt::Display, text: &str) -> Result<f64, String> {
    parse_factor(text.as_bytes())
        .ok_or_else(|| format!("{name} debe ser un número entre 0.001 y 10{}: «{text}»", point_hint(text)))
}

/// For errors about a decimal number: a hint for a comma in it.
#[must_use]
pub fn point_hint(text: &str) -> &'static str {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b',' | b'.'));
    if is_number && text.contains(',') { ", con punto" } else { "" }
}

/// Checks an address or host name, the value of `name`, without resolving it.
///
/// # Errors
/// The error, one Spanish line, with the intended form if it is known.
pub fn check_host(name: impl fmt::Display, text: &str) -> Result<(), String> {
    let hint = if text.contains("://") {
        " (no una URL)".to_owned()
    } else if has_port(text) {
        " (el puerto va en -p)".to_owned()
    } else if let Some(address) = bare(text).parse().ok().filter(Ipv6Addr::is_unicast_link_local) {
        // RFC 4007 §6: a link-local address is valid on one link only.
        format!(" (falta la interfaz: {address}%eth0)")
    } else if text.is_empty()
        || text.contains(|letter: char| letter.is_whitespace() || letter.is_control() || letter == '/')
    {
        String::new()
    } else {
        return Ok(());
    };
    Err(format!("{name} debe ser una dirección o un nombre{hint}: «{text}»"))
}

/// `127.0.0.1:8080`, `localhost:8080`, `[::1]:8080`; without brackets an IPv6 address could end like that.
fn has_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        let is_whole = host.ends_with(']') || !host.contains(':');
        is_whole && !host.is_empty() && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// An address without the brackets around it.
fn bare(text: &str) -> &str {
    text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text)
}

/// The one of `names` nearest to `name` by Levenshtein distance; the first of several.
#[must_use]
pub fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    names.into_iter().min_by_key(|other| distance(name.as_bytes(), other.as_bytes()))
}

fn distance(from: &[u8], to: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (done, letter) in from.iter().enumerate() {
        // The upper left cell, and the left cell.
        let (mut corner, mut left) = (done, done + 1);
        for (above, other) in row.iter_mut().skip(1).zip(to) {
            let changed = corner + usize::from(letter != other);
            corner = *above;
            left = changed.min(left + 1).min(corner + 1);
            *above = left;
        }
        row.iter_mut().take(1).for_each(|first| *first = done + 1);
    }
    row.last().copied().unwrap_or(0)
}

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
    fn help_wins_over_what_is_wrong() {
        let read = |words: &[&str]| parse(&options(ROWS), words.iter().map(OsString::from));
        for words in [&["-h", "-i"][..], &["--nada", "--help"], &["--help", "-i", "a", "-i", "b"]] {
            assert!(read(words).unwrap().opt_present("help"), "{words:?}");
        }
        assert!(read(&["--nada", "--", "-h"]).is_err());
    }

    const ROWS: &[Row<()>] = &[
        Row { short: "h", ..Row::new("help", "Ayuda", ()) },
        Row { short: "i", value: "IP", required: true, ..Row::new("ip", "Dirección", ()) },
        Row { short: "f", value: "RUTA", ..Row::new("image", "Imagen", ()) },
        Row {
            value: "SEGUNDOS",
            default: "30",
            synonyms: &["tiempo"],
            ..Row::new("plazo-de-espera", "Uno\ndos", ())
        },
        Row { value: "N", default: "7", repeatable: true, ..Row::new("nn", "Menos de ({}) no", ()) },
        Row {
            default: "0123456789",
            repeatable: true,
            ..Row::new("largo", "Una línea de cuarenta y siete columnas, o casi.", ())
        },
    ];

    #[test]
    fn help_usage_and_names_come_from_the_rows() {
        let expected = "  -h, --help            Ayuda
  -i IP, --ip IP        Dirección
  -f RUTA, --image RUTA Imagen
  --plazo-de-espera SEGUNDOS
                        Uno
                        dos (30)
  --nn N                Menos de (7) no
  --largo               Una línea de cuarenta y siete columnas, o casi.
                        (0123456789)
";
        assert_eq!(help(ROWS), expected);
        assert_eq!(
            line("x", ROWS),
            "usage: x [-h] -i IP [-f RUTA] [--plazo-de-espera SEGUNDOS] [--nn N] [--largo]"
        );
        let words = ["--tiempo", "3", "--nn=1", "--nn", "2", "--largo", "--largo"].map(OsString::from);
        let matches = parse(&options(ROWS), words).unwrap();
        assert_eq!(matches.opt_strs("nn"), ["1", "2"]);
        assert_eq!((matches.opt_str("tiempo").as_deref(), matches.opt_count("largo")), (Some("3"), 2));
        let twice = parse(&options(ROWS), ["--ip=a", "-ib"].map(OsString::from));
        assert_eq!(twice.unwrap_err(), "la opción --ip está repetida");
    }

    #[test]
    fn a_row_in_one_line_has_its_default_once() {
        let texts: Vec<_> = ROWS.iter().map(Row::text).collect();
        assert_eq!(texts[..5], ["Ayuda", "Dirección", "Imagen", "Uno dos (30)", "Menos de (7) no"]);
        let plain = Row { action: 7, ..Row::new("x", "y", 7) }.described();
        assert_eq!((plain.long, plain.text().as_str(), plain.action), ("x", "y", ()));
    }

    #[test]
    fn addresses_in_other_forms_say_what_is_meant() {
        let complaint =
            |hint: &str, text: &str| Err(format!("--ip debe ser una dirección o un nombre{hint}: «{text}»"));
        for text in ["127.0.0.1:8080", "localhost:80", "[::1]:8080"] {
            assert_eq!(check_host("--ip", text), complaint(" (el puerto va en -p)", text));
        }
        for text in ["fe80::1", "[fe80::1]"] {
            assert_eq!(check_host("--ip", text), complaint(" (falta la interfaz: fe80::1%eth0)", text));
        }
        assert_eq!(check_host("--ip", "http://a:80"), complaint(" (no una URL)", "http://a:80"));
        for text in ["", "a b", " a", "a/b", "a\n"] {
            assert_eq!(check_host("--ip", text), complaint("", text));
        }
        for text in
            ["::", "::1", "[::1]", "1::8080", "127.0.0.1", "localhost", "fe80::1%eth0", "a:", ":8", "febf"]
        {
            assert_eq!(check_host("--ip", text), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_decimal_comma_is_told() {
        assert_eq!(factor("-e", "0.5"), Ok(0.5));
        for (text, hint) in
            [("0,5", ", con punto"), ("1,000.5", ", con punto"), ("a,b", ""), ("11", ""), ("", "")]
        {
            assert_eq!(
                factor("-e", text),
                Err(format!("-e debe ser un número entre 0.001 y 10{hint}: «{text}»"))
            );
        }
    }

    #[test]
    fn the_nearest_name_takes_fewest_changes() {
        let names = ["TP2_COLA", "TP2_MAX_CUERPO", "TP2_PORT"];
        for (name, expected) in [
            ("TP2_MAX_CUERP", "TP2_MAX_CUERPO"),
            ("TP2_MAXCUERPO", "TP2_MAX_CUERPO"),
            ("TP2_CPLA", "TP2_COLA"),
            ("TP2_PUERTOS", "TP2_PORT"),
            ("TP2_", "TP2_COLA"),
        ] {
            assert_eq!(nearest(name, names), Some(expected), "{name}");
        }
        assert_eq!(nearest("a", []), None);
        assert_eq!(
            (distance(b"kitten", b"sitting"), distance(b"", b"abc"), distance(b"abc", b"")),
            (3, 3, 3)
        );
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
