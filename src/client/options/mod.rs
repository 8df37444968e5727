//! The client's command line.
//!
//! Rules: [`Options`] holds only given values, and no default of the server's: a missing one is asked for if RUTA is
//! one picture, and has a default otherwise. The command line does not check whether RUTA is a directory. [`table`] has
//! the options, [`arguments`] allows any bytes in a path.
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use getopts::Matches;
use scaler::usage;

use super::outcome::Style;
use super::parameters::Parameters;
use super::server::{parse_address, parse_port};
use crate::http::format::Format;

mod arguments;
mod table;

pub use table::{manual, usage_line};

/// What the client is to do.
#[derive(Debug)]
pub enum ClientCommand {
    /// Send pictures or folders.
    Send(Options),
    /// Print this and end well.
    Print(String),
}

/// What the command line says; None: nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Address or name, without brackets.
    pub host: Option<String>,
    /// Port, not 0.
    pub port: Option<u16>,
    /// The pictures and directories, `-` for standard input; none: nothing was said.
    pub paths: Vec<PathBuf>,
    /// How the result comes back.
    pub mode: Mode,
    /// What is wished of the results.
    pub parameters: Parameters,
    /// Where the results go.
    pub output: Option<Output>,
    /// `-r`.
    pub recursive: bool,
    /// `--de-nuevo`.
    pub again: bool,
    /// `--simular`.
    pub simulate: bool,
    /// The style of the output.
    pub style: Style,
    /// The file with the key.
    pub key_file: Option<PathBuf>,
}

/// Where results go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// `-`: the picture itself goes to standard output.
    Standard,
    /// A file or a directory; the disk may have to decide which.
    Path {
        /// As it was given.
        path: PathBuf,
        /// The command line implies a directory: the path ends in a slash, or comes with paths without `-f`, or with
        /// options for several pictures alone. An existing directory is meant then.
        is_for_many: bool,
    },
}

/// How the result of one picture comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In the answer.
    Picture,
    /// By a task that is waited for.
    Task,
    /// As a link.
    Link,
}

impl Options {
    /// The file or directory for results.
    #[must_use]
    pub fn output_path(&self) -> Option<&Path> {
        match &self.output {
            Some(Output::Path { path, .. }) => Some(path),
            Some(Output::Standard) | None => None,
        }
    }

    /// The first option given that means nothing for a folder of the bank.
    #[must_use]
    pub fn only_for_pictures(&self) -> Option<&'static str> {
        match self.mode {
            Mode::Task => Some("--tarea"),
            Mode::Link => Some("--enlace"),
            Mode::Picture => self.parameters.first_given(),
        }
    }

    /// The first option given that means nothing without `-o`.
    #[must_use]
    pub fn only_for_results(&self) -> Option<&'static str> {
        let given =
            [("--recursivo", self.recursive), ("--de-nuevo", self.again), ("--simular", self.simulate)];
        given.into_iter().find(|(_, given)| *given).map(|(name, _)| name)
    }

    /// Whether nothing but results may go to standard output.
    #[must_use]
    pub fn keeps_output_clean(&self) -> bool {
        self.style != Style::Steps
    }
}

/// Bad usage: says what is wrong with which option or answer.
#[derive(Debug, PartialEq, Eq)]
pub struct BadUsage(pub String);

/// Reads the arguments, without the program's name.
///
/// # Errors
/// [`BadUsage`]: exit 2.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<ClientCommand, BadUsage> {
    let arguments = arguments.into_iter().map(|argument| arguments::encode(&argument));
    let matches = usage::parse(&usage::options(table::OPTIONS), arguments).map_err(BadUsage)?;
    if matches.opt_present("help") {
        return Ok(ClientCommand::Print(table::help()));
    }
    if matches.opt_present("version") {
        return Ok(ClientCommand::Print(format!("tp2-cliente {}\n", env!("CARGO_PKG_VERSION"))));
    }
    send_options(&matches).map(ClientCommand::Send).map_err(BadUsage)
}

fn send_options(matches: &Matches) -> Result<Options, String> {
    check_texts(matches)?;
    let (host, port) = place(matches)?;
    let named: Vec<String> =
        ["image", "imagen", "carpeta"].iter().flat_map(|name| matches.opt_strs(name)).collect();
    let paths: Vec<PathBuf> = named.iter().chain(&matches.free).map(|text| arguments::path(text)).collect();
    if paths.iter().any(|path| path.as_os_str().is_empty()) {
        return Err("--image debe ser la ruta de una imagen o de una carpeta: «»".into());
    }
    if paths.len() > 1 && paths.iter().any(|path| path == Path::new("-")) {
        return Err("-f - va sola: la entrada estándar es una imagen".into());
    }
    let flag = |name| matches.opt_present(name);
    let output = matches.opt_str("salida").map(|text| match text.as_str() {
        "-" => Output::Standard,
        _ => Output::Path {
            path: arguments::path(&text),
            is_for_many: text.ends_with('/')
                || !matches.free.is_empty()
                || ["recursivo", "de-nuevo", "simular"].into_iter().any(flag),
        },
    });
    if output == Some(Output::Path { path: PathBuf::new(), is_for_many: false }) {
        return Err("--salida debe ser un archivo, un directorio o -: «»".into());
    }
    let style = match (flag("silencio"), flag("json"), &output) {
        (true, true, _) => return Err("--silencio y --json no van juntas".into()),
        (_, true, Some(Output::Standard)) => {
            return Err("--salida - y --json no van juntas: ambas escriben en la salida estándar".into());
        }
        (_, _, Some(Output::Standard)) => Style::Nothing,
        (_, true, _) => Style::Json,
        (true, ..) => Style::Results,
        _ => Style::Steps,
    };
    let options = Options {
        host,
        port,
        paths,
        mode: mode(matches)?,
        parameters: parameters(matches)?,
        output,
        recursive: flag("recursivo"),
        again: flag("de-nuevo"),
        simulate: flag("simular"),
        style,
        key_file: matches.opt_str("clave-archivo").map(|text| arguments::path(&text)),
    };
    check_link(&options)?;
    Ok(options)
}

/// Values that are no paths must be text.
fn check_texts(matches: &Matches) -> Result<(), String> {
    let values = ["ip", "port", "puerto", "escala", "ancho", "alto", "formato", "calidad", "fondo"];
    let values = values.into_iter().filter_map(|name| matches.opt_str(name));
    match values.into_iter().find(|text| !arguments::is_text(text)) {
        Some(text) => {
            Err(format!("los argumentos deben ser texto UTF-8: «{}»", arguments::path(&text).display()))
        }
        None => Ok(()),
    }
}

fn place(matches: &Matches) -> Result<(Option<String>, Option<u16>), String> {
    let read_port = |text: String| {
        parse_port(&text).ok_or_else(|| format!("--port debe ser un número entero de 1 a 65535: «{text}»"))
    };
    let port = one_of(matches, &["port", "puerto"])?.map(read_port).transpose()?;
    let Some(text) = matches.opt_str("ip") else { return Ok((None, port)) };
    match (parse_address("--ip", &text)?, port) {
        ((_, Some(one)), Some(other)) if one != other => {
            Err(format!("--ip y --port no dicen el mismo puerto: «{text}» y «{other}»"))
        }
        ((host, within), _) => Ok((Some(host), port.or(within))),
    }
}

fn parameters(matches: &Matches) -> Result<Parameters, String> {
    let number = |name: &'static str, max| {
        let read = |text: String| usage::number(format_args!("--{name}"), &text, 1..=max);
        matches.opt_str(name).map(read).transpose()
    };
    let read_format = |text: String| {
        Format::from_parameter(&text)
            .ok_or_else(|| format!("--formato debe ser uno de {}: «{text}»", Format::names(", ")))
    };
    let read_colour = |text: String| {
        let digits = text.strip_prefix('#').unwrap_or(&text);
        let is_colour = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_colour.then(|| digits.to_owned()).ok_or_else(|| {
            format!("--fondo debe ser un color RRGGBB en hexadecimal, por ejemplo FFFFFF: «{text}»")
        })
    };
    let parameters = Parameters {
        factor: matches.opt_str("escala"),
        width: number("ancho", 65_535)?,
        height: number("alto", 65_535)?,
        format: matches.opt_str("formato").map(read_format).transpose()?,
        quality: number("calidad", 100)?,
        background: matches.opt_str("fondo").map(read_colour).transpose()?,
    };
    if let Some(text) = &parameters.factor {
        usage::factor("--escala", text)?;
        if let Some((name, _)) =
            [("ancho", parameters.width), ("alto", parameters.height)].iter().find(|(_, side)| side.is_some())
        {
            return Err(format!("--escala y --{name} no van juntas"));
        }
    }
    Ok(parameters)
}

/// The value of whichever of these synonyms is there.
fn one_of(matches: &Matches, names: &[&str]) -> Result<Option<String>, String> {
    let mut given = names.iter().filter_map(|name| Some((*name, matches.opt_str(name)?)));
    let first = given.next();
    match (&first, given.next()) {
        (Some((one, _)), Some((other, _))) => Err(format!("--{one} y --{other} dicen lo mismo: sobra una")),
        _ => Ok(first.map(|(_, value)| value)),
    }
}

fn mode(matches: &Matches) -> Result<Mode, String> {
    match (matches.opt_present("tarea"), matches.opt_present("enlace")) {
        (true, true) => Err("--tarea y --enlace no van juntas".into()),
        (true, false) => Ok(Mode::Task),
        (false, true) => Ok(Mode::Link),
        (false, false) => Ok(Mode::Picture),
    }
}

/// A link is always to a JPEG that stays with the server.
fn check_link(options: &Options) -> Result<(), String> {
    if options.mode != Mode::Link {
        return Ok(());
    }
    if options.parameters.format.is_some() {
        return Err("--enlace da siempre JPEG: no lleva --formato".into());
    }
    match options.output {
        Some(_) => Err("--enlace no guarda ningún archivo: no lleva --salida".into()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    fn run(arguments: &[&str]) -> Result<ClientCommand, BadUsage> {
        parse(arguments.iter().map(OsString::from))
    }

    fn options(arguments: &[&str]) -> Options {
        let Ok(ClientCommand::Send(options)) = run(arguments) else { panic!("{arguments:?}") };
        options
    }

    #[test]
    fn reads_the_synonyms() {
        for arguments in [
            ["-i", "::1", "-p", "80", "-f", "a.jpg"],
            ["--ip", "::1", "--port", "80", "--image", "a.jpg"],
            ["--ip", "[::1]", "--puerto", "80", "--imagen", "a.jpg"],
            ["--ip", "::1", "--puerto", "80", "--carpeta", "a.jpg"],
        ] {
            let options = options(&arguments);
            assert_eq!((options.host.as_deref(), options.port), (Some("::1"), Some(80)));
            assert_eq!(options.paths, [PathBuf::from("a.jpg")]);
            assert_eq!((options.mode, options.only_for_pictures()), (Mode::Picture, None));
        }
    }

    #[test]
    fn what_is_not_said_is_left_open() {
        let options = options(&[]);
        assert_eq!((options.host, options.port, options.paths, options.output), (None, None, vec![], None));
        assert_eq!((options.parameters, options.style), (Parameters::default(), Style::Steps));
    }

    #[test]
    fn the_bank_takes_no_option_of_a_picture() {
        for (arguments, name) in [
            (&["-e", "2"][..], "--escala"),
            (&["--alto", "2"], "--alto"),
            (&["--formato", "png"], "--formato"),
            (&["--tarea"], "--tarea"),
            (&["--enlace", "-e", "2"], "--enlace"),
        ] {
            assert_eq!(options(arguments).only_for_pictures(), Some(name));
            assert_eq!(options(arguments).only_for_results(), None);
        }
        for (argument, name) in [("-r", "--recursivo"), ("--simular", "--simular")] {
            assert_eq!(options(&[argument]).only_for_results(), Some(name));
        }
    }

    #[test]
    fn paths_may_be_many_and_any_bytes() {
        let odd = OsString::from_vec(b"mal\xff.jpg".to_vec());
        let arguments =
            ["-f".into(), "a.jpg".into(), "--imagen=b.jpg".into(), odd.clone(), "--".into(), "-c".into()];
        let Ok(ClientCommand::Send(options)) = parse(arguments) else { panic!() };
        assert_eq!(options.paths, [Path::new("a.jpg"), Path::new("b.jpg"), Path::new(&odd), Path::new("-c")]);
        assert_eq!(
            parse(["-i".into(), odd]).unwrap_err(),
            BadUsage("los argumentos deben ser texto UTF-8: «mal\u{fffd}.jpg»".into())
        );
    }

    #[test]
    fn where_results_go() {
        let path = |path: &str, is_for_many| Some(Output::Path { path: path.into(), is_for_many });
        for (arguments, output, style) in [
            (&["-f", "a", "-o", "x"][..], path("x", false), Style::Steps),
            (&["-f", "a", "-o", "x/", "-q"], path("x/", true), Style::Results),
            (&["a", "-o", "x", "--json"], path("x", true), Style::Json),
            (&["-f", "a", "-o", "x", "--de-nuevo"], path("x", true), Style::Steps),
            (&["-f", "-", "-o", "-"], Some(Output::Standard), Style::Nothing),
        ] {
            let options = options(arguments);
            assert_eq!((options.output, options.style), (output, style), "{arguments:?}");
        }
    }

    #[test]
    fn addresses_may_hold_the_port() {
        for (arguments, host, port) in [
            (&["-i", "127.0.0.1:80"][..], "127.0.0.1", Some(80)),
            (&["-i", "http://[::1]:8080/", "-p", "8080"], "::1", Some(8080)),
            (&["-i", "localhost"], "localhost", None),
        ] {
            let options = options(arguments);
            assert_eq!((options.host.as_deref(), options.port), (Some(host), port));
        }
    }

    #[test]
    fn the_help_lists_the_formats() {
        let row = table::OPTIONS.iter().find(|row| row.long == "formato").unwrap();
        assert_eq!(row.help, Format::names(" o "));
    }

    #[test]
    fn complaints_name_option_and_value() {
        for (arguments, text) in [
            (&["-p", "0"][..], "--port debe ser un número entero de 1 a 65535: «0»"),
            (&["-p", "+1"], "--port debe ser un número entero de 1 a 65535: «+1»"),
            (&["-i", "a b"], "--ip debe ser una dirección o un nombre: «a b»"),
            (&["-i", "a:80", "-p", "81"], "--ip y --port no dicen el mismo puerto: «a:80» y «81»"),
            (
                &["-i", "fe80::1"],
                "--ip debe ser una dirección o un nombre (falta la interfaz: fe80::1%eth0): «fe80::1»",
            ),
            (&["-e", "0,5"], "--escala debe ser un número entre 0.001 y 10, con punto: «0,5»"),
            (&["-i", ""], "--ip debe ser una dirección o un nombre: «»"),
            (&["-f", ""], "--image debe ser la ruta de una imagen o de una carpeta: «»"),
            (&["-e", "0"], "--escala debe ser un número entre 0.001 y 10: «0»"),
            (&["--formato", "svg"], "--formato debe ser uno de jpeg, png, webp, gif, bmp, tiff, pgm: «svg»"),
            (&["--nada"], "no existe la opción --nada"),
            (&["-i"], "la opción -i necesita un valor"),
            (&["-i", "a", "-i", "b"], "la opción --ip está repetida"),
            (&["-p", "1", "--puerto", "2"], "--port y --puerto dicen lo mismo: sobra una"),
            (&["--ancho", "0"], "--ancho debe ser un número entero de 1 a 65535: «0»"),
            (&["--alto", "65536"], "--alto debe ser un número entero de 1 a 65535: «65536»"),
            (&["-e", "2", "--alto", "9"], "--escala y --alto no van juntas"),
            (&["--calidad", "101"], "--calidad debe ser un número entero de 1 a 100: «101»"),
            (
                &["--fondo", "fff"],
                "--fondo debe ser un color RRGGBB en hexadecimal, por ejemplo FFFFFF: «fff»",
            ),
            (&["-q", "--json"], "--silencio y --json no van juntas"),
            (
                &["-o", "-", "--json"],
                "--salida - y --json no van juntas: ambas escriben en la salida estándar",
            ),
            (&["-o", ""], "--salida debe ser un archivo, un directorio o -: «»"),
            (&["-f", "-", "a.jpg"], "-f - va sola: la entrada estándar es una imagen"),
            (&["--help=no"], "la opción --help no lleva valor"),
            (&["--tarea", "--enlace"], "--tarea y --enlace no van juntas"),
            (&["--enlace", "--formato", "png"], "--enlace da siempre JPEG: no lleva --formato"),
            (&["--enlace", "-o", "a"], "--enlace no guarda ningún archivo: no lleva --salida"),
        ] {
            assert_eq!(run(arguments).unwrap_err(), BadUsage(text.into()));
        }
    }
}
