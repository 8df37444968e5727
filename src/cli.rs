//! The command line: parsed once into a [`Config`], valid from then on.
//!
//! Every option has an environment twin, `TP2_` and its long name in capitals with `_` for `-`; the flag wins.
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use getopts::{Matches, Options, ParsingStyle};
use scaler::wire::parse_factor;

use crate::exchange::event::Level;
use crate::exchange::service::Policy;
use crate::host;

/// The usage line, first of the help and second of every complaint.
pub const USAGE: &str =
    "usage: tp2 [-h] -i IP -p PORT [-e FACTOR] [-s DESTINO] [-d DIR] [-t N] [-o ARCHIVO] [-v] [-q] [-V]";

/// The options with a value that is a number, their twins, and what the help says.
const HELP: &str = "
Tp2 - procesa imágenes

Opciones:
  -h, --help            Muestra este mensaje de ayuda y sale
  -i IP, --ip IP        Dirección de escucha
  -p PORT, --port PORT  Puerto de escucha
  -e FACTOR, --escala FACTOR
                        Factor cuando la petición no indica ninguno (0.5)
  -s DESTINO, --escalador DESTINO
                        Escalador que ya funciona: HOST:PUERTO o unix:RUTA
  -d DIR, --directorio DIR
                        Atiende GET /RUTA: las imágenes de este directorio,
                        en gris y escaladas al pedirlas
  -t N, --hilos N       Hilos de trabajo (los núcleos disponibles)
  -o ARCHIVO, --registro ARCHIVO
                        Escribe el registro también en este archivo
  -v, --detalle         Registro más detallado
  -q, --silencio        Registro más breve
  -V, --version         Muestra la versión y sale

Límites:
  --max-cuerpo MIB      Tamaño máximo de una petición o de un archivo (32)
  --max-pixeles MILLONES
                        Píxeles máximos de una imagen, de entrada o de salida
                        (100)
  --conexiones N        Conexiones simultáneas (10000)
  --cola N              Imágenes en espera o en proceso (16 por hilo)
  --memoria MIB         Memoria para imágenes (la mitad de la disponible)
  --plazo SEGUNDOS      Tiempo máximo para una imagen (30)

-i puede repetirse y admite nombres; -i :: atiende IPv6 e IPv4 en un solo
puerto, y -p 0 deja que el sistema elija uno. --puerto es sinónimo de --port.
Cada opción puede darse también en el entorno: TP2_ y su nombre largo en
mayúsculas, con _ por - (TP2_MAX_CUERPO=64); la opción prevalece.

Ejemplos:
  tp2 -i :: -p 8080
  curl -F imagen=@foto.jpg -F escala=0.5 http://127.0.0.1:8080/ -o gris.jpg
  nc -N ::1 8080 < foto.jpg > gris.jpg
  tp2 -i ::1 -p 8080 -d fotos
  curl 'http://[::1]:8080/gato.jpg?escala=0.25' -o gris.jpg
";

/// What the program is to do.
#[derive(Debug)]
pub enum Command {
    /// Serve.
    Serve(Box<Config>),
    /// Print this and end well.
    Print(String),
}

/// A valid configuration.
#[derive(Debug)]
pub struct Config {
    /// Addresses or names to listen on.
    pub hosts: Vec<String>,
    /// Port; 0: the kernel chooses.
    pub port: u16,
    /// A scaler that runs elsewhere.
    pub scaler: Option<ScalerAt>,
    /// Pictures to be asked for: `-d`.
    pub directory: Option<PathBuf>,
    /// Worker threads.
    pub threads: usize,
    /// The log's file.
    pub log_file: Option<PathBuf>,
    /// The log's level.
    pub level: Level,
    /// Limits and times.
    pub policy: Policy,
    /// Connections at once.
    pub clients_max: usize,
    /// Pictures in hand.
    pub places_max: usize,
    /// Bytes for pictures.
    pub memory_max: u64,
}

/// `-s`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScalerAt {
    /// `HOST:PUERTO`, not yet resolved.
    Tcp(String),
    /// `unix:RUTA`.
    Unix(PathBuf),
}

/// Bad usage: names the option and the value.
#[derive(Debug, PartialEq, Eq)]
pub struct UsageError(String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tp2: {}\n{USAGE}", self.0)
    }
}

/// Long name, short name, hint; getopts needs each once.
const VALUED: [(&str, &str); 14] = [
    ("port", "p"),
    ("puerto", ""),
    ("escala", "e"),
    ("escalador", "s"),
    ("directorio", "d"),
    ("hilos", "t"),
    ("registro", "o"),
    ("max-cuerpo", ""),
    ("max-pixeles", ""),
    ("conexiones", ""),
    ("cola", ""),
    ("memoria", ""),
    ("plazo", ""),
    ("ip", "i"),
];

fn options() -> Options {
    let mut options = Options::new();
    options.parsing_style(ParsingStyle::FloatingFrees);
    for (long, short) in VALUED {
        options.optmulti(short, long, "", "");
    }
    options.optflag("h", "help", "").optflag("V", "version", "");
    options.optflagmulti("v", "detalle", "").optflagmulti("q", "silencio", "");
    options
}

/// Arguments and environment together.
struct Given<'a> {
    matches: Matches,
    environment: &'a dyn Fn(&str) -> Option<OsString>,
}

impl Given<'_> {
    /// The flag's last value, or its twin's; an empty twin counts as absent.
    fn value(&self, name: &str) -> Result<Option<String>, UsageError> {
        match self.matches.opt_strs(name).pop() {
            Some(value) => Ok(Some(value)),
            None => self.twin(name),
        }
    }

    fn twin(&self, name: &str) -> Result<Option<String>, UsageError> {
        let twin = format!("TP2_{}", name.to_uppercase().replace('-', "_"));
        let Some(value) = (self.environment)(&twin).filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        let bad = |value: OsString| UsageError(format!("{twin} no es texto UTF-8: {}", value.display()));
        value.into_string().map(Some).map_err(bad)
    }

    fn flag(&self, name: &str) -> Result<usize, UsageError> {
        match self.matches.opt_count(name) {
            0 => Ok(self.twin(name)?.map_or(0, |value| usize::from(value != "0"))),
            count => Ok(count),
        }
    }

    /// A whole number in this range.
    fn number(&self, name: &str, range: std::ops::RangeInclusive<u64>) -> Result<Option<u64>, UsageError> {
        let Some(text) = self.value(name)? else { return Ok(None) };
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|number| digits && range.contains(number)).map(Some).ok_or_else(|| {
            let (low, high) = range.into_inner();
            UsageError(format!("--{name} debe ser un número entero de {low} a {high}: «{text}»"))
        })
    }

    fn size(&self, name: &str, range: std::ops::RangeInclusive<u64>) -> Result<Option<usize>, UsageError> {
        Ok(self.number(name, range)?.map(|number| usize::try_from(number).unwrap_or(usize::MAX)))
    }
}

/// Reads the arguments, without the program's name.
///
/// # Errors
/// [`UsageError`]: exit 2.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Command, UsageError> {
    let matches = options().parse(arguments).map_err(|fail| UsageError(complaint(&fail)))?;
    let given = Given { matches, environment };
    if given.matches.opt_present("help") {
        return Ok(Command::Print(format!("{USAGE}\n{HELP}")));
    }
    if given.matches.opt_present("version") {
        return Ok(Command::Print(format!("tp2 {}\n", env!("CARGO_PKG_VERSION"))));
    }
    if let Some(extra) = given.matches.free.first() {
        return Err(UsageError(format!("argumento de más: «{extra}»")));
    }
    let mut hosts = given.matches.opt_strs("ip");
    if hosts.is_empty() {
        hosts.extend(given.twin("ip")?);
    }
    if hosts.is_empty() {
        return Err(UsageError("falta la opción -i IP".into()));
    }
    if hosts.iter().any(String::is_empty) {
        return Err(UsageError("--ip debe ser una dirección o un nombre: «»".into()));
    }
    let port = match given.number("port", 0..=65_535)? {
        Some(port) => Some(port),
        None => given.number("puerto", 0..=65_535)?,
    };
    let port = port.ok_or_else(|| UsageError("falta la opción -p PORT".into()))?;
    let port = u16::try_from(port).unwrap_or_default();

    let mut policy = Policy::default();
    if let Some(text) = given.value("escala")? {
        policy.factor = parse_factor(text.as_bytes())
            .ok_or_else(|| UsageError(format!("--escala debe ser un número entre 0.001 y 10: «{text}»")))?;
    }
    if let Some(mebibytes) = given.number("max-cuerpo", 1..=4096)? {
        policy.body_max = mebibytes << 20;
    }
    if let Some(millions) = given.number("max-pixeles", 1..=4294)? {
        policy.pixels.pixels_max = millions * 1_000_000;
    }
    if let Some(seconds) = given.number("plazo", 1..=3600)? {
        policy.deadline = Duration::from_secs(seconds);
    }
    let directory = given.value("directorio")?.map(PathBuf::from);
    policy.files = directory.is_some();
    let threads = given.size("hilos", 1..=1024)?.unwrap_or_else(host::cores);
    let memory_max = match given.number("memoria", 16..=1 << 24)? {
        Some(mebibytes) => mebibytes << 20,
        None => host::memory() / 2,
    };
    let (more, less) = (given.flag("detalle")?, given.flag("silencio")?);
    Ok(Command::Serve(Box::new(Config {
        hosts,
        port,
        scaler: given.value("escalador")?.map(parse_scaler).transpose()?,
        directory,
        threads,
        log_file: given.value("registro")?.map(PathBuf::from),
        level: match more.cmp(&less) {
            std::cmp::Ordering::Greater => Level::Debug,
            std::cmp::Ordering::Equal => Level::Info,
            std::cmp::Ordering::Less if less - more == 1 => Level::Warning,
            std::cmp::Ordering::Less => Level::Error,
        },
        policy,
        clients_max: given.size("conexiones", 1..=1_000_000)?.unwrap_or(10_000),
        places_max: given.size("cola", 1..=1_000_000)?.unwrap_or(16 * threads),
        memory_max,
    })))
}

fn parse_scaler(text: String) -> Result<ScalerAt, UsageError> {
    if let Some(path) = text.strip_prefix("unix:") {
        if path.is_empty() {
            return Err(UsageError(format!("--escalador debe ser HOST:PUERTO o unix:RUTA: «{text}»")));
        }
        return Ok(ScalerAt::Unix(path.into()));
    }
    match text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?))) {
        Some((host, 1..)) if !host.is_empty() => Ok(ScalerAt::Tcp(text)),
        _ => Err(UsageError(format!("--escalador debe ser HOST:PUERTO o unix:RUTA: «{text}»"))),
    }
}

/// getopts' complaints, in Spanish.
fn complaint(fail: &getopts::Fail) -> String {
    let dashes =
        |name: &str| if name.chars().count() == 1 { format!("-{name}") } else { format!("--{name}") };
    match fail {
        getopts::Fail::ArgumentMissing(name) => format!("la opción {} necesita un valor", dashes(name)),
        getopts::Fail::UnrecognizedOption(name) => format!("no existe la opción {}", dashes(name)),
        getopts::Fail::OptionMissing(name) => format!("falta la opción {}", dashes(name)),
        getopts::Fail::OptionDuplicated(name) => format!("la opción {} está repetida", dashes(name)),
        getopts::Fail::UnexpectedArgument(name) => format!("la opción {} no lleva valor", dashes(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Command, UsageError> {
        let find = |name: &str| {
            environment.iter().find(|(twin, _)| *twin == name).map(|(_, value)| OsString::from(value))
        };
        parse(arguments.iter().map(OsString::from), &find)
    }

    fn config(arguments: &[&str], environment: &[(&str, &str)]) -> Config {
        match run(arguments, environment) {
            Ok(Command::Serve(config)) => *config,
            other => panic!("{arguments:?}: {other:?}"),
        }
    }

    #[test]
    fn help_begins_as_the_assignment_has_it() {
        let Ok(Command::Print(text)) = run(&["-h"], &[]) else { panic!() };
        assert!(text.starts_with("usage: tp2 [-h] -i IP -p PORT"));
        assert!(text.contains(
            "\n\nTp2 - procesa imágenes\n\nOpciones:\n\
             \x20 -h, --help            Muestra este mensaje de ayuda y sale\n\
             \x20 -i IP, --ip IP        Dirección de escucha\n\
             \x20 -p PORT, --port PORT  Puerto de escucha\n"
        ));
        for (long, _) in VALUED {
            assert!(text.contains(&format!("--{long}")), "{long}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 80 || line.starts_with("usage:")), "{text}");
    }

    #[test]
    fn the_smallest_and_the_fullest_line() {
        let small = config(&["-i", "::", "-p", "0"], &[]);
        assert_eq!((small.hosts, small.port, small.level), (vec!["::".to_owned()], 0, Level::Info));
        assert_eq!(small.places_max, 16 * small.threads);
        assert_eq!((small.directory, small.policy.files), (None, false));
        let full = config(
            &[
                "--ip",
                "127.0.0.1",
                "-i::1",
                "--puerto",
                "8090",
                "-e1.5",
                "-t",
                "3",
                "--max-cuerpo=1",
                "-v",
                "--max-pixeles",
                "2",
                "--conexiones",
                "9",
                "--cola",
                "5",
                "--memoria",
                "64",
                "--plazo",
                "7",
                "-s",
                "unix:/tmp/x",
                "-d",
                "fotos/",
                "-o",
                "a.log",
            ],
            &[],
        );
        assert_eq!(full.hosts, ["127.0.0.1", "::1"]);
        assert_eq!((full.port, full.policy.factor, full.threads), (8090, 1.5, 3));
        assert_eq!((full.policy.body_max, full.policy.pixels.pixels_max), (1 << 20, 2_000_000));
        assert_eq!((full.clients_max, full.places_max, full.memory_max), (9, 5, 64 << 20));
        assert_eq!((full.policy.deadline, full.level), (Duration::from_secs(7), Level::Debug));
        assert_eq!(full.scaler, Some(ScalerAt::Unix("/tmp/x".into())));
        assert_eq!(full.log_file, Some("a.log".into()));
        assert_eq!((full.directory, full.policy.files), (Some("fotos/".into()), true));
    }

    #[test]
    fn the_environment_is_asked_where_no_flag_is() {
        let environment =
            [("TP2_IP", "::1"), ("TP2_PORT", "81"), ("TP2_MAX_CUERPO", "2"), ("TP2_ESCALA", "")];
        let config = config(&["-p", "80"], &environment);
        assert_eq!((config.hosts, config.port), (vec!["::1".to_owned()], 80));
        assert_eq!((config.policy.body_max, config.policy.factor), (2 << 20, 0.5));
    }

    #[test]
    fn complaints_name_option_and_value() {
        for (arguments, text) in [
            (&["-p", "80"][..], "falta la opción -i IP"),
            (&["-i", "::"], "falta la opción -p PORT"),
            (&["-i", "::", "-p", "65536"], "--port debe ser un número entero de 0 a 65535: «65536»"),
            (&["-i", "::", "-p", "+1"], "--port debe ser un número entero de 0 a 65535: «+1»"),
            (&["-i", "::", "-p", "80", "-e", "inf"], "--escala debe ser un número entre 0.001 y 10: «inf»"),
            (&["-i", "::", "-p", "80", "-t", "0"], "--hilos debe ser un número entero de 1 a 1024: «0»"),
            (&["-i", "::", "-p", "80", "-s", "8889"], "--escalador debe ser HOST:PUERTO o unix:RUTA: «8889»"),
            (&["-i", "::", "-p", "80", "-s", "a:0"], "--escalador debe ser HOST:PUERTO o unix:RUTA: «a:0»"),
            (&["-i", "::", "-p", "80", "x"], "argumento de más: «x»"),
            (&["-i", "", "-p", "80"], "--ip debe ser una dirección o un nombre: «»"),
            (&["--nada"], "no existe la opción --nada"),
            (&["-p"], "la opción -p necesita un valor"),
        ] {
            let error = run(arguments, &[]).unwrap_err().to_string();
            assert_eq!(error, format!("tp2: {text}\n{USAGE}"));
        }
        let error = run(&["-i", "::", "-p", "1"], &[("TP2_COLA", "no")]).unwrap_err();
        assert_eq!(error.0, "--cola debe ser un número entero de 1 a 1000000: «no»");
    }
}
