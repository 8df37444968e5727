//! The command line: parsed once into a [`Config`], valid from then on.
//!
//! Every option has an environment twin, `TP2_` and its long name in capitals with `_` for `-`; the flag wins, a
//! synonym's too. A complaint names what gave the value: the flag or the twin.
use std::ffi::OsString;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use getopts::{Matches, Options, ParsingStyle};
use scaler::usage;
use scaler::wire::parse_factor;

use crate::exchange::event::Level;
use crate::exchange::service::Policy;
use crate::host;
use crate::store::Retention;

/// The usage line, first of the help and second of every complaint.
pub const USAGE: &str = "usage: tp2 [-h] -i IP -p PORT [-e FACTOR] [-s DESTINO] [-d DIR] [-l PUERTO] [-a URI] [-t N] [-o ARCHIVO] [-v] [-q] [-V]";

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
  -l PUERTO, --enlaces PUERTO
                        Segundo puerto, en las mismas direcciones: sirve la
                        carpeta scaled_images, y a él llevan los enlaces
  -a URI, --almacen URI
                        Dónde se guardan las tareas y el banco: sqlite:RUTA
                        (sqlite:tp2.sqlite3) o, si se compiló con
                        «--features mongodb», mongodb://…
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
  --retencion HORAS     Tiempo que se guarda el resultado de una tarea (24)
  --retencion-espacio MIB
                        Espacio para los resultados de las tareas (10240)

-i puede repetirse y admite nombres; -i :: atiende IPv6 e IPv4 en un solo
puerto, y -p 0 deja que el sistema elija uno. --puerto es sinónimo de --port.
Cada opción puede darse también en el entorno: TP2_ y su nombre largo en
mayúsculas, con _ por - (TP2_MAX_CUERPO=64); la opción prevalece.

Ejemplos:
  tp2 -i :: -p 8080
  curl -F imagen=@foto.jpg -F escala=0.5 http://127.0.0.1:8080/ -o gris.jpg
  nc -N ::1 8080 < foto.jpg > gris.jpg
  curl -F imagen=@foto.jpg http://127.0.0.1:8080/enlaces
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
    /// Port of links: `-l`; 0: the kernel chooses.
    pub links_port: Option<u16>,
    /// Where tasks are kept.
    pub store: StoreAt,
    /// How long, and how much of their results.
    pub retention: Retention,
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

/// `-a`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreAt {
    /// `sqlite:RUTA`.
    Sqlite(PathBuf),
    /// `mongodb://…` or `mongodb+srv://…`, as the driver reads it.
    Mongodb(String),
}

/// Bad usage: names the option and the value.
#[derive(Debug, PartialEq, Eq)]
pub struct UsageError(String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tp2: {}\n{USAGE}", self.0)
    }
}

/// Longest retention, in hours: a century.
const HOURS_MAX: f64 = 876_000.0;

/// Long name, short name, hint; getopts needs each once.
const VALUED: [(&str, &str); 18] = [
    ("port", "p"),
    ("puerto", ""),
    ("escala", "e"),
    ("escalador", "s"),
    ("directorio", "d"),
    ("enlaces", "l"),
    ("hilos", "t"),
    ("registro", "o"),
    ("max-cuerpo", ""),
    ("max-pixeles", ""),
    ("conexiones", ""),
    ("cola", ""),
    ("memoria", ""),
    ("plazo", ""),
    ("almacen", "a"),
    ("retencion", ""),
    ("retencion-espacio", ""),
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
    fn value(&self, long: &str) -> Result<Option<Value>, UsageError> {
        self.value_of(&[long])
    }

    /// The same for synonyms: all their flags come before all their twins.
    fn value_of(&self, longs: &[&str]) -> Result<Option<Value>, UsageError> {
        for long in longs {
            if let Some(text) = self.matches.opt_strs(long).pop() {
                return Ok(Some(Value { name: format!("--{long}"), text }));
            }
        }
        for long in longs {
            if let Some(value) = self.twin(long)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    fn twin(&self, long: &str) -> Result<Option<Value>, UsageError> {
        let name = format!("TP2_{}", long.to_uppercase().replace('-', "_"));
        let Some(value) = (self.environment)(&name).filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        match value.into_string() {
            Ok(text) => Ok(Some(Value { name, text })),
            Err(value) => Err(UsageError(format!("{name} debe ser texto UTF-8: «{}»", value.display()))),
        }
    }

    fn flag(&self, long: &str) -> Result<usize, UsageError> {
        match self.matches.opt_count(long) {
            0 => Ok(self.twin(long)?.map_or(0, |value| usize::from(value.text != "0"))),
            count => Ok(count),
        }
    }

    /// A whole number in this range.
    fn number(&self, long: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, UsageError> {
        self.value(long)?.map(|value| value.number(range)).transpose()
    }

    fn size(&self, long: &str, range: RangeInclusive<u64>) -> Result<Option<usize>, UsageError> {
        Ok(self.number(long, range)?.map(|number| usize::try_from(number).unwrap_or(usize::MAX)))
    }
}

/// A value and what gave it, for complaints: `--cola` or `TP2_COLA`.
struct Value {
    name: String,
    text: String,
}

impl Value {
    fn number(&self, range: RangeInclusive<u64>) -> Result<u64, UsageError> {
        usage::number(&self.name, &self.text, range).map_err(UsageError)
    }

    /// A decimal number of hours, up to a century.
    fn hours(self) -> Result<Duration, UsageError> {
        let is_decimal = self.text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        match self.text.parse::<f64>().ok().filter(|hours| is_decimal && *hours <= HOURS_MAX) {
            Some(hours) => Ok(Duration::from_secs_f64(hours * 3600.0)),
            None => Err(self.is_not("un número de horas de 0 a 876000, por ejemplo 24 o 0.5")),
        }
    }

    fn port(&self) -> Result<u16, UsageError> {
        self.number(0..=65_535).map(|port| u16::try_from(port).unwrap_or_default())
    }

    /// The complaint that this value is not what it should be.
    fn is_not(&self, wanted: &str) -> UsageError {
        UsageError(format!("{} debe ser {wanted}: «{}»", self.name, self.text))
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
    let matches = usage::parse(&options(), arguments).map_err(UsageError)?;
    let given = Given { matches, environment };
    if given.matches.opt_present("help") {
        return Ok(Command::Print(format!("{USAGE}\n{HELP}")));
    }
    if given.matches.opt_present("version") {
        return Ok(Command::Print(format!("tp2 {}\n", env!("CARGO_PKG_VERSION"))));
    }
    if let Some(extra) = given.matches.free.first() {
        return Err(UsageError(usage::extra(extra)));
    }
    let mut hosts = given.matches.opt_strs("ip");
    if hosts.is_empty() {
        hosts.extend(given.twin("ip")?.map(|value| value.text));
    }
    if hosts.is_empty() {
        return Err(UsageError("falta la opción -i IP".into()));
    }
    if hosts.iter().any(String::is_empty) {
        return Err(UsageError("--ip debe ser una dirección o un nombre: «»".into()));
    }
    let port = given.value_of(&["port", "puerto"])?;
    let port = port.ok_or_else(|| UsageError("falta la opción -p PORT".into()))?.port()?;
    let links_port = match given.value("enlaces")? {
        None => None,
        Some(value) => match value.port()? {
            taken if taken == port && port != 0 => {
                return Err(value.is_not("otro puerto que el de -p"));
            }
            port => Some(port),
        },
    };

    let mut policy = Policy::default();
    if let Some(value) = given.value("escala")? {
        let factor = parse_factor(value.text.as_bytes());
        policy.factor = factor.ok_or_else(|| value.is_not("un número entre 0.001 y 10"))?;
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
    let mut retention = Retention::default();
    if let Some(value) = given.value("retencion")? {
        retention.age = value.hours()?;
    }
    if let Some(mebibytes) = given.number("retencion-espacio", 1..=1 << 30)? {
        retention.bytes_max = mebibytes << 20;
    }
    let store = match given.value("almacen")? {
        Some(value) => parse_store(value)?,
        None => StoreAt::Sqlite("tp2.sqlite3".into()),
    };
    let directory: Option<PathBuf> = given.value("directorio")?.map(|value| value.text.into());
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
        store,
        retention,
        links_port,
        threads,
        log_file: given.value("registro")?.map(|value| value.text.into()),
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

fn parse_store(value: Value) -> Result<StoreAt, UsageError> {
    match value.text.strip_prefix("sqlite:") {
        Some(path) if !path.is_empty() => Ok(StoreAt::Sqlite(path.into())),
        None if value.text.starts_with("mongodb://") || value.text.starts_with("mongodb+srv://") => {
            Ok(StoreAt::Mongodb(value.text))
        }
        _ => Err(value.is_not("sqlite:RUTA o mongodb://…")),
    }
}

fn parse_scaler(value: Value) -> Result<ScalerAt, UsageError> {
    let is_port = |text: &str| text.parse::<u16>().is_ok_and(|port| port != 0);
    match (value.text.strip_prefix("unix:"), value.text.rsplit_once(':')) {
        (Some(path), _) if !path.is_empty() => Ok(ScalerAt::Unix(path.into())),
        (None, Some((host, port))) if !host.is_empty() && is_port(port) => Ok(ScalerAt::Tcp(value.text)),
        _ => Err(value.is_not("HOST:PUERTO o unix:RUTA")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

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
                "-l",
                "8082",
            ],
            &[],
        );
        assert_eq!(full.hosts, ["127.0.0.1", "::1"]);
        assert_eq!((full.links_port, small.links_port), (Some(8082), None));
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
        let environment = [
            ("TP2_IP", "::1"),
            ("TP2_PORT", "81"),
            ("TP2_MAX_CUERPO", "2"),
            ("TP2_ESCALA", ""),
            ("TP2_ENLACES", "82"),
        ];
        let config = config(&["-p", "80"], &environment);
        assert_eq!((config.hosts, config.port), (vec!["::1".to_owned()], 80));
        assert_eq!(config.links_port, Some(82));
        assert_eq!((config.policy.body_max, config.policy.factor), (2 << 20, 0.5));
    }

    #[test]
    fn a_flag_wins_over_the_twin_of_its_synonym() {
        let twins = [("TP2_PORT", "1"), ("TP2_PUERTO", "2")];
        for (arguments, port) in [
            (&["-i", "::", "--puerto", "3"][..], 3),
            (&["-i", "::", "-p", "4"], 4),
            (&["-i", "::", "--puerto", "3", "-p", "4"], 4),
            (&["-i", "::"], 1),
        ] {
            assert_eq!(config(arguments, &twins).port, port, "{arguments:?}");
        }
        assert_eq!(config(&["-i", "::"], &twins[1..]).port, 2);
    }

    #[test]
    fn complaints_name_the_twin_that_gave_the_value() {
        for (twin, value, wanted) in [
            ("TP2_COLA", "no", "un número entero de 1 a 1000000"),
            ("TP2_PUERTO", "x", "un número entero de 0 a 65535"),
            ("TP2_ESCALA", "11", "un número entre 0.001 y 10"),
            ("TP2_MAX_CUERPO", "-3", "un número entero de 1 a 4096"),
            ("TP2_ESCALADOR", "unix:", "HOST:PUERTO o unix:RUTA"),
        ] {
            let port: &[&str] = if twin == "TP2_PUERTO" { &["-i", "::"] } else { &["-i", "::", "-p", "1"] };
            let error = run(port, &[(twin, value)]).unwrap_err();
            assert_eq!(error.0, format!("{twin} debe ser {wanted}: «{value}»"));
        }
        let bad = |name: &str| (name == "TP2_COLA").then(|| OsString::from_vec(vec![0xff]));
        let error = parse(["-i", "::", "-p", "1"].map(OsString::from), &bad).unwrap_err();
        assert_eq!(error.0, "TP2_COLA debe ser texto UTF-8: «\u{fffd}»");
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
        let no_text = OsString::from_vec(vec![0xff]);
        let error = parse(["-d".into(), no_text], &|_| None).unwrap_err();
        assert_eq!(error.0, "los argumentos deben ser texto UTF-8: «\u{fffd}»");
    }
}
