//! The client's command line.
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use getopts::{Matches, ParsingStyle};

use crate::proto::format::Format;
use scaler::usage;
use scaler::wire::parse_factor;

/// The usage line.
pub const USAGE: &str =
    "usage: tp2-cliente [-h] -i IP -p PORT -f RUTA [-e FACTOR] [-o SALIDA] [--formato FORMATO] [-V]";

const HELP: &str = "
Tp2-cliente - envía una imagen al servidor y guarda el resultado

Opciones:
  -h, --help            Muestra este mensaje de ayuda y sale
  -i IP, --ip IP        Dirección o nombre del servidor
  -p PORT, --port PORT  Puerto del servidor
  -f RUTA, --image RUTA Imagen a procesar
  -e FACTOR, --escala FACTOR
                        Factor de escala (el del servidor)
  -o SALIDA, --salida SALIDA
                        Archivo del resultado (imagen_procesada.<ext>)
  --formato FORMATO     jpeg, png, webp, gif, bmp, tiff o pgm (el de la imagen)
  -V, --version         Muestra la versión y sale

--puerto es sinónimo de --port; --imagen, de --image.
";

/// What the client is to do.
#[derive(Debug)]
pub enum Command {
    /// Send a picture.
    Send(Options),
    /// Print this and end well.
    Print(String),
}

/// A valid wish.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Address or name.
    pub host: String,
    /// Port, not 0.
    pub port: u16,
    /// The picture.
    pub path: PathBuf,
    /// The factor, as the server is to read it.
    pub factor: Option<String>,
    /// Where the result goes; None: by its format.
    pub output: Option<PathBuf>,
    /// The format wanted.
    pub format: Option<Format>,
}

/// Bad usage: names the option and the value.
#[derive(Debug, PartialEq, Eq)]
pub struct UsageError(String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tp2-cliente: {}\n{USAGE}", self.0)
    }
}

/// Reads the arguments, without the program's name.
///
/// # Errors
/// [`UsageError`]: exit 2.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut options = getopts::Options::new();
    options.parsing_style(ParsingStyle::FloatingFrees);
    for (short, long) in [
        ("i", "ip"),
        ("p", "port"),
        ("", "puerto"),
        ("f", "image"),
        ("", "imagen"),
        ("e", "escala"),
        ("o", "salida"),
        ("", "formato"),
    ] {
        options.optopt(short, long, "", "");
    }
    options.optflag("h", "help", "").optflag("V", "version", "");
    let matches = usage::parse(&options, arguments).map_err(UsageError)?;
    if matches.opt_present("help") {
        return Ok(Command::Print(format!("{USAGE}\n{HELP}")));
    }
    if matches.opt_present("version") {
        return Ok(Command::Print(format!("tp2-cliente {}\n", env!("CARGO_PKG_VERSION"))));
    }
    send_options(&matches).map(Command::Send).map_err(UsageError)
}

fn send_options(matches: &Matches) -> Result<Options, String> {
    if let Some(extra) = matches.free.first() {
        return Err(usage::extra(extra));
    }
    let either = |one: &str, other: &str| matches.opt_str(one).or_else(|| matches.opt_str(other));
    let port = either("port", "puerto").ok_or("falta la opción -p PORT")?;
    let factor = matches.opt_str("escala");
    if let Some(text) = &factor
        && parse_factor(text.as_bytes()).is_none()
    {
        return Err(format!("--escala debe ser un número entre 0.001 y 10: «{text}»"));
    }
    let format = match matches.opt_str("formato") {
        None => None,
        Some(text) => Some(Format::from_parameter(&text).ok_or_else(|| {
            format!("--formato debe ser uno de jpeg, png, webp, gif, bmp, tiff, pgm: «{text}»")
        })?),
    };
    Ok(Options {
        host: matches.opt_str("ip").ok_or("falta la opción -i IP")?,
        port: u16::try_from(usage::number("--port", &port, 1..=65_535)?).unwrap_or_default(),
        path: either("image", "imagen").ok_or("falta la opción -f RUTA")?.into(),
        factor,
        output: matches.opt_str("salida").map(PathBuf::from),
        format,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(arguments: &[&str]) -> Result<Command, UsageError> {
        parse(arguments.iter().map(OsString::from))
    }

    #[test]
    fn reads_the_synonyms() {
        for arguments in [
            ["-i", "::1", "-p", "80", "-f", "a.jpg"],
            ["--ip", "::1", "--port", "80", "--image", "a.jpg"],
            ["--ip", "::1", "--puerto", "80", "--imagen", "a.jpg"],
        ] {
            let Ok(Command::Send(options)) = run(&arguments) else { panic!("{arguments:?}") };
            assert_eq!((options.host.as_str(), options.port), ("::1", 80));
            assert_eq!(options.path, PathBuf::from("a.jpg"));
        }
    }

    #[test]
    fn complaints_name_option_and_value() {
        for (arguments, text) in [
            (&["-p", "80", "-f", "a"][..], "falta la opción -i IP"),
            (&["-i", "a", "-p", "0", "-f", "a"], "--port debe ser un número entero de 1 a 65535: «0»"),
            (
                &["-i", "a", "-p", "1", "-f", "a", "-e", "0"],
                "--escala debe ser un número entre 0.001 y 10: «0»",
            ),
            (&["-i", "a", "-p", "1", "-f", "a", "b"], "argumento de más: «b»"),
            (&["-i", "a", "-p", "+1", "-f", "a"], "--port debe ser un número entero de 1 a 65535: «+1»"),
            (&["--nada"], "no existe la opción --nada"),
            (&["-i"], "la opción -i necesita un valor"),
            (&["-i", "a", "-i", "b"], "la opción --ip está repetida"),
            (&["--help=no"], "la opción --help no lleva valor"),
        ] {
            let error = run(arguments).unwrap_err().to_string();
            assert_eq!(error, format!("tp2-cliente: {text}\n{USAGE}"));
        }
    }

    #[test]
    fn help_names_every_option() {
        let Ok(Command::Print(text)) = run(&["-h"]) else { panic!() };
        for option in
            ["--ip", "--port", "--image", "--escala", "--salida", "--formato", "--puerto", "--imagen"]
        {
            assert!(text.contains(option), "{option}");
        }
    }
}
