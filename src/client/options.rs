//! The client's command line.
//!
//! Rules: what is not said is not known yet ([`Options`] holds no default of the server's), because what is missing is
//! asked for when RUTA is a picture, and has a default when it is a directory; whether RUTA is one is not for the
//! command line to find out.
use std::ffi::OsString;
use std::path::PathBuf;

use getopts::Matches;
use scaler::usage::{self, Row};

use super::server::{parse_host, parse_port};
use crate::http::format::Format;

/// The usage line. Written by hand, for two of the options exclude each other.
pub const USAGE: &str = "usage: tp2-cliente [-h] [-i IP] [-p PORT] [-f RUTA] [-e FACTOR] [-o SALIDA] \
     [--formato FORMATO] [--tarea | --enlace] [-V]";

/// Every option, in the order of the help. A default that is shown is the server's.
const OPTIONS: &[Row<()>] = &[
    Row { short: "h", ..Row::new("help", "Muestra este mensaje de ayuda y sale", ()) },
    Row { short: "i", ..valued("ip", "IP", "Dirección o nombre del servidor") },
    Row { short: "p", synonyms: &["puerto"], ..valued("port", "PORT", "Puerto del servidor") },
    Row {
        short: "f",
        synonyms: &["imagen", "carpeta"],
        ..valued("image", "RUTA", "Imagen o carpeta a procesar")
    },
    Row { short: "e", default: "el del servidor", ..valued("escala", "FACTOR", "Factor de escala") },
    Row {
        short: "o",
        ..valued(
            "salida",
            "SALIDA",
            "Archivo del resultado, o directorio donde dejarlo\n(imagen_procesada.<ext>); si ya existe, se reemplaza",
        )
    },
    Row {
        default: "el de la imagen",
        ..valued("formato", "FORMATO", "jpeg, png, webp, gif, bmp, tiff o pgm")
    },
    Row::new("tarea", "Como tarea: muestra su id, espera a que termine y trae\nla imagen", ()),
    Row::new("enlace", "El servidor guarda el resultado y responde un enlace", ()),
    Row { short: "V", ..Row::new("version", "Muestra la versión y sale", ()) },
];

const fn valued(long: &'static str, value: &'static str, help: &'static str) -> Row<()> {
    Row { value, ..Row::new(long, help, ()) }
}

/// What the help says below the options.
const NOTES: &str = "
--puerto es sinónimo de --port; --imagen y --carpeta, de --image.

Lo que falte de dirección, puerto e imagen se pregunta.

Si RUTA es un directorio, sus imágenes van al banco del servidor, a la carpeta
que se llama como el directorio; se envían solo las que allí faltan. No se
pregunta nada: sin -i es 127.0.0.1 y sin -p es 1234. Los subdirectorios se
omiten. No lleva -e, -o, --formato, --tarea ni --enlace.

Termina con 0 si todo salió bien, con 1 si algo falló, con 2 si el uso es
incorrecto.
";

fn help() -> String {
    format!(
        "{USAGE}\n\nTp2-cliente - envía una imagen al servidor y guarda el resultado, o una carpeta al banco de imágenes\n\n\
         Opciones:\n{}{NOTES}",
        usage::help(OPTIONS)
    )
}

/// What the client is to do.
#[derive(Debug)]
pub enum ClientCommand {
    /// Send a picture or a folder.
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
    /// The picture, or the directory.
    pub path: Option<PathBuf>,
    /// How the result comes back.
    pub mode: Mode,
    /// The factor, as the server is to read it.
    pub factor: Option<String>,
    /// Where the result goes; None: here, named by its format.
    pub output: Option<PathBuf>,
    /// The format wanted.
    pub format: Option<Format>,
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
    /// The first option given that means nothing for a directory.
    #[must_use]
    pub fn only_for_pictures(&self) -> Option<&'static str> {
        match self.mode {
            Mode::Task => return Some("--tarea"),
            Mode::Link => return Some("--enlace"),
            Mode::Picture => {}
        }
        let given = [
            ("--escala", self.factor.is_some()),
            ("--salida", self.output.is_some()),
            ("--formato", self.format.is_some()),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(name, _)| name)
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
    let matches = usage::parse(&usage::options(OPTIONS), arguments).map_err(BadUsage)?;
    if matches.opt_present("help") {
        return Ok(ClientCommand::Print(help()));
    }
    if matches.opt_present("version") {
        return Ok(ClientCommand::Print(format!("tp2-cliente {}\n", env!("CARGO_PKG_VERSION"))));
    }
    send_options(&matches).map(ClientCommand::Send).map_err(BadUsage)
}

fn send_options(matches: &Matches) -> Result<Options, String> {
    if let Some(extra) = matches.free.first() {
        return Err(usage::extra(extra));
    }
    let read_host = |text: String| {
        usage::check_host("--ip", &text)?;
        parse_host(&text).ok_or_else(|| format!("--ip debe ser una dirección o un nombre: «{text}»"))
    };
    let read_port = |text: String| {
        parse_port(&text).ok_or_else(|| format!("--port debe ser un número entero de 1 a 65535: «{text}»"))
    };
    let read_format = |text: String| {
        Format::from_parameter(&text).ok_or_else(|| {
            format!("--formato debe ser uno de jpeg, png, webp, gif, bmp, tiff, pgm: «{text}»")
        })
    };
    let path = one_of(matches, &["image", "imagen", "carpeta"])?;
    if path.as_deref() == Some("") {
        return Err("--image debe ser la ruta de una imagen o de una carpeta: «»".into());
    }
    let factor = matches.opt_str("escala");
    if let Some(text) = &factor {
        usage::factor("--escala", text)?;
    }
    let options = Options {
        host: matches.opt_str("ip").map(read_host).transpose()?,
        port: one_of(matches, &["port", "puerto"])?.map(read_port).transpose()?,
        path: path.map(PathBuf::from),
        mode: mode(matches)?,
        factor,
        output: matches.opt_str("salida").map(PathBuf::from),
        format: matches.opt_str("formato").map(read_format).transpose()?,
    };
    check_link(&options)?;
    Ok(options)
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

/// Behind a link there is always a JPEG, and it stays with the server.
fn check_link(options: &Options) -> Result<(), String> {
    match options {
        Options { mode: Mode::Link, format: Some(_), .. } => {
            Err("--enlace da siempre JPEG: no lleva --formato".into())
        }
        Options { mode: Mode::Link, output: Some(_), .. } => {
            Err("--enlace no guarda ningún archivo: no lleva --salida".into())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(options.path, Some(PathBuf::from("a.jpg")));
            assert_eq!((options.mode, options.only_for_pictures()), (Mode::Picture, None));
        }
    }

    #[test]
    fn what_is_not_said_is_left_open() {
        let options = options(&[]);
        assert_eq!((options.host, options.port, options.path), (None, None, None));
    }

    #[test]
    fn a_directory_takes_no_option_of_a_picture() {
        for (arguments, name) in [
            (&["-e", "2"][..], "--escala"),
            (&["-o", "a"], "--salida"),
            (&["--formato", "png"], "--formato"),
            (&["--tarea"], "--tarea"),
            (&["--enlace", "-e", "2"], "--enlace"),
        ] {
            assert_eq!(options(arguments).only_for_pictures(), Some(name));
        }
    }

    #[test]
    fn complaints_name_option_and_value() {
        for (arguments, text) in [
            (&["-p", "0"][..], "--port debe ser un número entero de 1 a 65535: «0»"),
            (&["-p", "+1"], "--port debe ser un número entero de 1 a 65535: «+1»"),
            (&["-i", "a b"], "--ip debe ser una dirección o un nombre: «a b»"),
            (
                &["-i", "127.0.0.1:80"],
                "--ip debe ser una dirección o un nombre (el puerto va en -p): «127.0.0.1:80»",
            ),
            (&["-e", "0,5"], "--escala debe ser un número entre 0.001 y 10, con punto: «0,5»"),
            (&["-i", ""], "--ip debe ser una dirección o un nombre: «»"),
            (&["-f", ""], "--image debe ser la ruta de una imagen o de una carpeta: «»"),
            (&["-e", "0"], "--escala debe ser un número entre 0.001 y 10: «0»"),
            (&["--formato", "svg"], "--formato debe ser uno de jpeg, png, webp, gif, bmp, tiff, pgm: «svg»"),
            (&["-i", "a", "b"], "argumento de más: «b»"),
            (&["--nada"], "no existe la opción --nada"),
            (&["-i"], "la opción -i necesita un valor"),
            (&["-i", "a", "-i", "b"], "la opción --ip está repetida"),
            (&["-f", "a", "--carpeta", "b"], "--image y --carpeta dicen lo mismo: sobra una"),
            (&["--help=no"], "la opción --help no lleva valor"),
            (&["--tarea", "--enlace"], "--tarea y --enlace no van juntas"),
            (&["--enlace", "--formato", "png"], "--enlace da siempre JPEG: no lleva --formato"),
            (&["--enlace", "-o", "a"], "--enlace no guarda ningún archivo: no lleva --salida"),
        ] {
            assert_eq!(run(arguments).unwrap_err(), BadUsage(text.into()));
        }
    }

    #[test]
    fn help_names_every_option() {
        let Ok(ClientCommand::Print(text)) = run(&["-h"]) else { panic!() };
        for row in OPTIONS {
            for long in row.longs() {
                assert!(text.contains(&format!("--{long}")), "{long}");
            }
            assert!(USAGE.contains(&row.shortest()), "{}", row.long);
        }
        assert!(text.lines().skip(1).all(|line| line.chars().count() <= 100), "{text}");
    }
}
