//! The configuration: read once from arguments and environment, valid from then on.
//!
//! An option is one row of [`OPTIONS`]: names, help, default, and what it sets. The help, the usage line, the
//! environment variables and the complaints are made from it; a test compares the table of `docs/options.md` with it.
//!
//! Every option but `-h`, `-V` and `--salud` has a twin in the environment, `TP2_` and its long name in capitals with
//! `_` for `-`; the option wins, a synonym's too. A complaint names the option or the twin that gave the value. A
//! variable that begins with `TP2_` and is no twin is a warning. A twin may list several values, with commas or spaces
//! between them, if its option may be given more than once.
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use getopts::Matches;
use scaler::usage::{self, Manual, Row};

use crate::host;
use crate::http::access::Origins;
use crate::http::forwarded::Prefix;
use crate::model::log_event::Level;
use crate::model::server_state::{Limits, RESULT_PART};
use crate::store::Retention;

/// What an option does.
#[derive(Clone, Copy)]
enum OptionAction {
    /// The program prints this and ends.
    Print(fn() -> String),
    /// The program asks a server whether it is ready, and ends.
    Health,
    /// Called if the flag is given.
    Flag(fn(&mut Draft)),
    /// Called as often as the flag is given.
    Count(fn(&mut Draft)),
    /// Called with the last value.
    Last(Read),
    /// Called with each value.
    Each(Read),
}

type Read = fn(&mut Draft, &Value) -> Result<(), UsageError>;

/// A configuration while the options are read, in their order.
struct Draft {
    config: Config,
    /// How often `-v` was given, less how often `-q` was.
    detail: i32,
    /// The place for the bank alone that `-a` names; `--banco` wins.
    bank_of_store: Option<String>,
    /// `--cola`; its default follows from `--hilos`.
    places_max: Option<usize>,
}

const fn flag(long: &'static str, help: &'static str, set: fn(&mut Draft)) -> Row<OptionAction> {
    Row { repeatable: true, ..Row::new(long, help, OptionAction::Flag(set)) }
}

const fn counted(
    short: &'static str,
    long: &'static str,
    help: &'static str,
    step: fn(&mut Draft),
) -> Row<OptionAction> {
    Row { short, repeatable: true, ..Row::new(long, help, OptionAction::Count(step)) }
}

const fn valued(
    long: &'static str,
    value: &'static str,
    help: &'static str,
    read: Read,
) -> Row<OptionAction> {
    Row { value, repeatable: true, ..Row::new(long, help, OptionAction::Last(read)) }
}

/// Every option, in the order of the help. Those from [`FIRST_LIMIT`] on stand below a title of their own.
const OPTIONS: &[Row<OptionAction>] = &[
    Row { short: "h", ..Row::new("help", "Muestra este mensaje de ayuda y sale", OptionAction::Print(help)) },
    Row {
        short: "i",
        value: "IP",
        required: true,
        repeatable: true,
        ..Row::new(
            "ip",
            "Dirección de escucha",
            OptionAction::Each(|draft, value| {
                usage::check_host(&value.name, &value.text).map_err(UsageError)?;
                draft.config.hosts.push(value.text.clone());
                Ok(())
            }),
        )
    },
    Row {
        short: "p",
        required: true,
        synonyms: &["puerto"],
        ..valued("port", "PORT", "Puerto de escucha", |draft, value| {
            draft.config.port = value.port()?;
            Ok(())
        })
    },
    Row {
        short: "e",
        default: "0.5",
        ..valued("escala", "FACTOR", "Factor cuando la petición no indica ninguno", |draft, value| {
            draft.config.limits.factor = usage::factor(&value.name, &value.text).map_err(UsageError)?;
            Ok(())
        })
    },
    Row {
        short: "s",
        ..valued(
            "escalador",
            "DESTINO",
            "Escalador que ya funciona: HOST:PUERTO o unix:RUTA",
            |draft, value| {
                draft.config.scaler = Some(value.scaler()?);
                Ok(())
            },
        )
    },
    Row {
        short: "d",
        ..valued(
            "directorio",
            "DIR",
            "Atiende GET /RUTA: las imágenes de este directorio,\nen gris y escaladas al pedirlas",
            |draft, value| {
                draft.config.directory = Some(value.text.clone().into());
                draft.config.limits.files = true;
                Ok(())
            },
        )
    },
    Row {
        short: "l",
        ..valued(
            "enlaces",
            "PUERTO",
            "Segundo puerto, en las mismas direcciones: sirve la\ncarpeta scaled_images, y a él llevan los enlaces",
            |draft, value| match value.port()? {
                taken if taken == draft.config.port && taken != 0 => {
                    Err(value.is_not("otro puerto que el de -p"))
                }
                port => {
                    draft.config.links_port = Some(port);
                    Ok(())
                }
            },
        )
    },
    Row {
        short: "a",
        default: "sqlite:tp2.sqlite3",
        ..valued(
            "almacen",
            "URI",
            "\nDónde se guardan las tareas y el banco: sqlite:RUTA\n({}) o, si se compiló con\n\
             «--features postgres», postgres://…",
            |draft, value| {
                match value.store()? {
                    Place::Store(store) => draft.config.store = store,
                    Place::Bank(uri) => draft.bank_of_store = Some(uri),
                }
                Ok(())
            },
        )
    },
    Row {
        ..valued(
            "banco",
            "URI",
            "Guarda el banco de imágenes aparte, si se compiló con\n\
             «--features mongodb»: mongodb://… (-a mongodb://… es\nlo mismo, con las tareas en SQLite)",
            |draft, value| match value.store()? {
                Place::Bank(uri) => {
                    draft.config.bank = Some(uri);
                    Ok(())
                }
                Place::Store(_) => Err(value.is_not("mongodb://…")),
            },
        )
    },
    Row {
        short: "t",
        default: "los núcleos disponibles",
        ..valued("hilos", "N", "Hilos de trabajo", |draft, value| {
            draft.config.threads = value.count(1..=1024)?;
            Ok(())
        })
    },
    Row {
        default: "10",
        ..valued(
            "nice-grandes",
            "N",
            "Cuánto ceden el procesador (nice, de 0 a 19) las\nimágenes grandes y las tareas",
            |draft, value| {
                draft.config.large_nice = u8::try_from(value.number(0..=19)?).unwrap_or_default();
                Ok(())
            },
        )
    },
    Row {
        short: "o",
        ..valued("registro", "ARCHIVO", "Escribe el registro también en este archivo", |draft, value| {
            draft.config.log_file = Some(value.text.clone().into());
            Ok(())
        })
    },
    flag("registro-json", "El registro, un objeto JSON por línea", |draft| draft.config.log_json = true),
    counted("v", "detalle", "Registro más detallado", |draft| draft.detail += 1),
    counted("q", "silencio", "Registro más breve", |draft| draft.detail -= 1),
    Row {
        value: "URL",
        repeatable: true,
        ..Row::new(
            "origen",
            "Las páginas de este origen (https://a.example, o '*')\npueden usar el servicio desde un navegador",
            OptionAction::Each(|draft, value| {
                if draft.config.origins.add(&value.text) {
                    Ok(())
                } else {
                    Err(value.is_not("un origen sin ruta, como https://a.example, o '*'"))
                }
            }),
        )
    },
    Row {
        value: "HOST",
        repeatable: true,
        ..Row::new(
            "nombre",
            "Nombre por el que los clientes llaman al servidor; por\notro se rechazan",
            OptionAction::Each(|draft, value| {
                usage::check_host(&value.name, &value.text).map_err(UsageError)?;
                draft.config.names.push(value.text.to_ascii_lowercase());
                Ok(())
            }),
        )
    },
    valued("clave-archivo", "RUTA", "Archivo con la clave que debe traer cada petición", |draft, value| {
        draft.config.key_file = Some(value.text.clone().into());
        Ok(())
    }),
    Row {
        value: "IP",
        repeatable: true,
        ..Row::new(
            "proxy",
            "Proxy (dirección o prefijo) al que se le creen los\ncampos X-Forwarded-For, -Proto, -Host y X-Request-Id",
            OptionAction::Each(|draft, value| match value.text.parse() {
                Ok(prefix) => {
                    draft.config.proxies.push(prefix);
                    Ok(())
                }
                Err(_) => Err(value.is_not("una dirección o un prefijo, como 127.0.0.1 o 10.0.0.0/8")),
            }),
        )
    },
    Row::new(
        HEALTH,
        "Pregunta a un tp2 si está listo, y sale: 0 si lo está.\nPuede seguirle su URL (la de -i y -p, o si no\nhttp://127.0.0.1:8080)",
        OptionAction::Health,
    ),
    Row { short: "V", ..Row::new("version", "Muestra la versión y sale", OptionAction::Print(version)) },
    Row {
        default: "32",
        ..valued(FIRST_LIMIT, "MIB", "Tamaño máximo de una petición o de un archivo", |draft, value| {
            draft.config.limits.body_max = value.number(1..=4096)? << 20;
            Ok(())
        })
    },
    Row {
        default: "100",
        ..valued(
            "max-pixeles",
            "MILLONES",
            "Píxeles máximos de una imagen, de entrada o de salida",
            |draft, value| {
                draft.config.limits.pixels.pixels_max = value.number(1..=4294)? * 1_000_000;
                Ok(())
            },
        )
    },
    Row {
        default: "10000",
        ..valued("conexiones", "N", "Conexiones simultáneas", |draft, value| {
            draft.config.clients_max = value.count(1..=1_000_000)?;
            Ok(())
        })
    },
    Row {
        ..valued(
            "conexiones-por-ip",
            "N",
            "Conexiones simultáneas desde una misma dirección",
            |draft, value| {
                draft.config.clients_per_address = Some(value.count(1..=1_000_000)?);
                Ok(())
            },
        )
    },
    Row {
        default: "16 por hilo",
        ..valued("cola", "N", "Imágenes en espera o en proceso", |draft, value| {
            draft.places_max = Some(value.count(1..=1_000_000)?);
            Ok(())
        })
    },
    Row {
        default: "la mitad de la disponible",
        ..valued("memoria", "MIB", "Memoria para imágenes", |draft, value| {
            draft.config.memory_max = value.number(16..=1 << 24)? << 20;
            Ok(())
        })
    },
    Row {
        default: "30",
        ..valued("plazo", "SEGUNDOS", "Tiempo máximo para una imagen", |draft, value| {
            draft.config.limits.deadline = Duration::from_secs(value.number(1..=3600)?);
            Ok(())
        })
    },
    Row {
        default: "24",
        ..valued("retencion", "HORAS", "Tiempo que se guarda el resultado de una tarea", |draft, value| {
            draft.config.retention.age = value.hours()?;
            Ok(())
        })
    },
    Row {
        default: "10240",
        ..valued("retencion-espacio", "MIB", "Espacio para los resultados de las tareas", |draft, value| {
            draft.config.retention.bytes_max = value.number(1..=1 << 30)? << 20;
            draft.config.limits.result_max = draft.config.retention.bytes_max / RESULT_PART;
            Ok(())
        })
    },
    Row {
        default: "10240",
        ..valued("enlaces-espacio", "MIB", "Espacio para los enlaces, en scaled_images", |draft, value| {
            draft.config.links_space = value.number(1..=1 << 30)? << 20;
            Ok(())
        })
    },
];

const FIRST_LIMIT: &str = "max-cuerpo";
const HEALTH: &str = "salud";

/// What the help says below the options.
const NOTES: &str = "
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

const ABOUT: &str = "procesa imágenes";

/// What its page of the manual is made from.
#[must_use]
pub fn manual() -> Manual {
    let rows = OPTIONS.iter().map(Row::described).collect();
    Manual { program: "tp2", about: ABOUT, usage: usage_line(), rows, operand: "", notes: NOTES }
}

fn help() -> String {
    let limits_at = OPTIONS.iter().position(|row| row.long == FIRST_LIMIT).unwrap_or(OPTIONS.len());
    let (options, limits) = OPTIONS.split_at(limits_at);
    format!(
        "{}\n\nTp2 - {ABOUT}\n\nOpciones:\n{}\nLímites:\n{}{NOTES}",
        usage_line(),
        usage::help(options),
        usage::help(limits)
    )
}

fn version() -> String {
    format!("tp2 {}\n", env!("CARGO_PKG_VERSION"))
}

/// First of the help and second of every complaint: the options that have a letter.
fn usage_line() -> String {
    usage::line("tp2", OPTIONS.iter().filter(|row| !row.short.is_empty()))
}

/// What the program is to do.
#[derive(Debug)]
pub enum Command {
    /// Serve.
    Serve(Box<Config>),
    /// Print this and end well.
    Print(String),
    /// Ask the server at this address, without brackets, or name, and this port.
    Health(String, u16),
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
    /// Where tasks are kept, and the bank.
    pub store: StoreAt,
    /// Where the bank is kept, if not there: `mongodb://…` or `mongodb+srv://…`, as the driver reads it.
    pub bank: Option<String>,
    /// How long, and how much of their results.
    pub retention: Retention,
    /// Worker threads.
    pub threads: usize,
    /// How much nicer the work of large pictures and of tasks is: `--nice-grandes`.
    pub large_nice: u8,
    /// The log's file.
    pub log_file: Option<PathBuf>,
    /// The log is in JSON.
    pub log_json: bool,
    /// The log's level.
    pub level: Level,
    /// Limits and times.
    pub limits: Limits,
    /// Whose pages may use the service: `--origen`.
    pub origins: Origins,
    /// Names by which clients call the server, in small letters: `--nombre`.
    pub names: Vec<String>,
    /// Where the key is.
    pub key_file: Option<PathBuf>,
    /// Proxies whose fields are believed.
    pub proxies: Vec<Prefix>,
    /// Connections at once.
    pub clients_max: usize,
    /// Connections at once from one address; None: as many as there may be.
    pub clients_per_address: Option<usize>,
    /// Bytes of links: `--enlaces-espacio`.
    pub links_space: u64,
    /// Pictures in hand.
    pub places_max: usize,
    /// Bytes for pictures.
    pub memory_max: u64,
    /// Warnings about it, a line each, for the log.
    pub warnings: Vec<String>,
}

impl Config {
    /// The configuration without any option, in which the required ones are missing.
    fn initial() -> Self {
        Self {
            hosts: Vec::new(),
            port: 0,
            scaler: None,
            directory: None,
            links_port: None,
            store: StoreAt::Sqlite("tp2.sqlite3".into()),
            bank: None,
            retention: Retention::default(),
            threads: host::cores(),
            large_nice: 10,
            log_file: None,
            log_json: false,
            origins: Origins::default(),
            names: Vec::new(),
            key_file: None,
            proxies: Vec::new(),
            level: Level::Info,
            limits: Limits::default(),
            clients_max: 10_000,
            clients_per_address: None,
            links_space: 10_240 << 20,
            places_max: 0,
            memory_max: host::memory() / 2,
            warnings: Vec::new(),
        }
    }
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
    /// `postgres://…` or `postgresql://…`, as libpq has it.
    Postgres(String),
}

/// What a URI names.
enum Place {
    /// One for tasks and bank.
    Store(StoreAt),
    /// A MongoDB, which has the bank alone.
    Bank(String),
}

/// Bad usage: names the option and the value.
#[derive(Debug, PartialEq, Eq)]
pub struct UsageError(String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tp2: {}\n{}", self.0, usage_line())
    }
}

/// Longest retention, in hours: a century.
const HOURS_MAX: f64 = 876_000.0;

/// Arguments and environment together.
struct Given {
    matches: Matches,
    /// The variables whose names begin with [`PREFIX`].
    environment: BTreeMap<String, OsString>,
}

/// What the name of a twin begins with.
const PREFIX: &str = "TP2_";

fn twin(long: &str) -> String {
    format!("{PREFIX}{}", long.to_uppercase().replace('-', "_"))
}

fn with_twins() -> impl Iterator<Item = &'static Row<OptionAction>> {
    OPTIONS.iter().filter(|row| !matches!(row.action, OptionAction::Print(_) | OptionAction::Health))
}

impl Given {
    /// The option's values, or its twin's. The first given synonym counts, and all synonyms before all twins.
    fn values(&self, row: &Row<OptionAction>) -> Result<Vec<Value>, UsageError> {
        for long in row.longs() {
            let texts = self.matches.opt_strs(long);
            if !texts.is_empty() {
                return Ok(texts.into_iter().map(|text| Value { name: format!("--{long}"), text }).collect());
            }
        }
        let twin = self.twin(row)?;
        Ok(match (row.action, twin) {
            // An option that may be given more than once: nothing that it takes has a comma or a space.
            (OptionAction::Each(_), Some(Value { name, text })) => {
                let parts = text.split([',', ' ']).filter(|part| !part.is_empty());
                parts.map(|part| Value { name: name.clone(), text: part.to_owned() }).collect()
            }
            (_, twin) => twin.into_iter().collect(),
        })
    }

    /// An empty twin counts as absent.
    fn twin(&self, row: &Row<OptionAction>) -> Result<Option<Value>, UsageError> {
        let set = row.longs().map(twin).find_map(|name| {
            let value = self.environment.get(&name).filter(|value| !value.is_empty())?;
            Some((name, value))
        });
        let Some((name, value)) = set else { return Ok(None) };
        match value.to_str() {
            Some(text) => Ok(Some(Value { name, text: text.to_owned() })),
            None => Err(UsageError(format!("{name} debe ser texto UTF-8: «{}»", value.display()))),
        }
    }

    fn is_given(&self, row: &Row<OptionAction>) -> Result<bool, UsageError> {
        match self.matches.opt_present(row.long) {
            false => self.twin(row)?.map_or(Ok(false), |value| value.switch()),
            true => Ok(true),
        }
    }

    fn count(&self, row: &Row<OptionAction>) -> Result<usize, UsageError> {
        match self.matches.opt_count(row.long) {
            0 => self.twin(row)?.map_or(Ok(0), |value| value.times()),
            count => Ok(count),
        }
    }

    /// A line for each variable that looks like a twin but is none.
    fn warnings(&self) -> Vec<String> {
        let twins: Vec<String> = with_twins().flat_map(Row::longs).map(twin).collect();
        let others = self.environment.keys().filter(|name| !twins.contains(name));
        let line = |name: &String| {
            let nearest = usage::nearest(name, twins.iter().map(String::as_str)).unwrap_or_default();
            format!("Ninguna opción tiene la variable {name}; la más parecida es {nearest}.")
        };
        others.map(line).collect()
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

    /// Whether this value of a twin stands for the flag.
    fn switch(&self) -> Result<bool, UsageError> {
        match self.yes_or_no() {
            Some(on) => Ok(on),
            None => Err(self.is_not("1 o 0, sí o no")),
        }
    }

    /// How often the flag is given that this value of a twin stands for.
    fn times(&self) -> Result<usize, UsageError> {
        match (self.yes_or_no(), self.text.parse()) {
            (Some(on), _) => Ok(on.into()),
            (None, Ok(count @ 0..=9)) => Ok(count),
            _ => Err(self.is_not("un número entero de 0 a 9, sí o no")),
        }
    }

    fn yes_or_no(&self) -> Option<bool> {
        match &*self.text.to_lowercase() {
            "0" | "no" | "off" | "false" => Some(false),
            "1" | "si" | "sí" | "yes" | "on" | "true" => Some(true),
            _ => None,
        }
    }

    fn count(&self, range: RangeInclusive<u64>) -> Result<usize, UsageError> {
        Ok(usize::try_from(self.number(range)?).unwrap_or(usize::MAX))
    }

    fn port(&self) -> Result<u16, UsageError> {
        self.number(0..=65_535).map(|port| u16::try_from(port).unwrap_or_default())
    }

    /// A decimal number of hours, up to a century.
    fn hours(&self) -> Result<Duration, UsageError> {
        let is_decimal = self.text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        match self.text.parse::<f64>().ok().filter(|hours| is_decimal && *hours <= HOURS_MAX) {
            Some(hours) => Ok(Duration::from_secs_f64(hours * 3600.0)),
            None => {
                let point = usage::point_hint(&self.text);
                Err(self.is_not(&format!("un número de horas de 0 a 876000{point}, por ejemplo 24 o 0.5")))
            }
        }
    }

    fn store(&self) -> Result<Place, UsageError> {
        let text = || self.text.clone();
        match self.text.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Ok(Place::Store(StoreAt::Sqlite(path.into()))),
            Some(("mongodb" | "mongodb+srv", rest)) if rest.starts_with("//") => Ok(Place::Bank(text())),
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
                Ok(Place::Store(StoreAt::Postgres(text())))
            }
            _ => Err(self.is_not("sqlite:RUTA, postgres://… o mongodb://…")),
        }
    }

    fn scaler(&self) -> Result<ScalerAt, UsageError> {
        let is_port = |text: &str| text.parse::<u16>().is_ok_and(|port| port != 0);
        match (self.text.strip_prefix("unix:"), self.text.rsplit_once(':')) {
            (Some(path), _) if !path.is_empty() => Ok(ScalerAt::Unix(path.into())),
            (None, Some((host, port))) if !host.is_empty() && is_port(port) => {
                Ok(ScalerAt::Tcp(self.text.clone()))
            }
            _ => Err(self.is_not("HOST:PUERTO o unix:RUTA")),
        }
    }

    /// The complaint that this value is not what it should be.
    fn is_not(&self, file_request: &str) -> UsageError {
        UsageError(format!("{} debe ser {file_request}: «{}»", self.name, self.text))
    }
}

/// Reads the arguments, without the program's name, and the variables of the environment.
///
/// # Errors
/// [`UsageError`]: exit 2.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Command, UsageError> {
    let matches = usage::parse(&usage::options(OPTIONS), arguments).map_err(UsageError)?;
    for row in OPTIONS {
        if let OptionAction::Print(text) = row.action
            && matches.opt_present(row.long)
        {
            return Ok(Command::Print(text()));
        }
    }
    let asks_health = matches.opt_present(HEALTH);
    let mut free = matches.free.clone().into_iter().peekable();
    let url = free.next_if(|_| asks_health);
    if let Some(extra) = free.next() {
        return Err(UsageError(usage::extra(&extra)));
    }
    let named = environment.into_iter().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let environment = named.filter(|(name, _)| name.starts_with(PREFIX)).collect();
    let given = Given { matches, environment };
    if asks_health {
        return health_address(&given, url).map(|(host, port)| Command::Health(host, port));
    }
    configure(&given).map(Box::new).map(Command::Serve)
}

/// The server that `--salud` asks: that of the URL, of `-i` and `-p`, or the usual one.
fn health_address(given: &Given, url: Option<String>) -> Result<(String, u16), UsageError> {
    if let Some(url) = url {
        let bare = url.strip_prefix("http://").unwrap_or(&url);
        let authority = bare.strip_suffix("/readyz").unwrap_or(bare);
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok().filter(|port| *port != 0)),
            _ => (authority, Some(80)),
        };
        let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let is_host = !host.is_empty() && !host.contains(['/', '[', ']', '@', ' ']);
        return match port.filter(|_| is_host) {
            Some(port) => Ok((host.to_owned(), port)),
            None => {
                Err(UsageError(format!("--{HEALTH} debe ser una URL, como http://127.0.0.1:8080: «{url}»")))
            }
        };
    }
    let value = |long| {
        let row = OPTIONS.iter().find(|row| row.long == long);
        row.map_or(Ok(None), |row| given.values(row).map(|values| values.into_iter().next()))
    };
    let host = value("ip")?.map_or_else(String::new, |value| value.text);
    let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&host);
    let port = value("port")?.map(|value| value.port()).transpose()?;
    // An address that stands for all of the machine's can't be connected to.
    let host = if matches!(host, "" | "::" | "0.0.0.0") { "127.0.0.1" } else { host };
    match port {
        Some(0) => Err(UsageError(format!("con -p 0, --{HEALTH} necesita la URL"))),
        port => Ok((host.to_owned(), port.unwrap_or(8080))),
    }
}

fn configure(given: &Given) -> Result<Config, UsageError> {
    for row in OPTIONS.iter().filter(|row| row.required) {
        if given.values(row)?.is_empty() {
            return Err(UsageError(format!("falta la opción {}", row.shortest())));
        }
    }
    let mut draft = Draft { config: Config::initial(), detail: 0, bank_of_store: None, places_max: None };
    for row in OPTIONS {
        match row.action {
            OptionAction::Print(_) | OptionAction::Health => {}
            OptionAction::Flag(set) if given.is_given(row)? => set(&mut draft),
            OptionAction::Flag(_) => {}
            OptionAction::Count(step) => (0..given.count(row)?).for_each(|_| step(&mut draft)),
            OptionAction::Last(read) => {
                if let Some(value) = given.values(row)?.pop() {
                    read(&mut draft, &value)?;
                }
            }
            OptionAction::Each(read) => {
                given.values(row)?.iter().try_for_each(|value| read(&mut draft, value))?;
            }
        }
    }
    let Draft { mut config, detail, bank_of_store, places_max } = draft;
    config.bank = config.bank.or(bank_of_store);
    config.places_max = places_max.unwrap_or(16 * config.threads);
    config.level = match detail {
        1.. => Level::Debug,
        0 => Level::Info,
        -1 => Level::Warning,
        _ => Level::Error,
    };
    config.warnings = given.warnings();
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Command, UsageError> {
        let variables = environment.iter().map(|(name, value)| (name.into(), value.into()));
        parse(arguments.iter().map(OsString::from), variables)
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
        for long in OPTIONS.iter().flat_map(Row::longs) {
            assert!(text.contains(&format!("--{long}")), "{long}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 80 || line.starts_with("usage:")), "{text}");
    }

    #[test]
    fn the_smallest_and_the_fullest_line() {
        let small = config(&["-i", "::", "-p", "0"], &[]);
        assert_eq!((small.hosts, small.port, small.level), (vec!["::".to_owned()], 0, Level::Info));
        assert_eq!(small.places_max, 16 * small.threads);
        assert_eq!((small.directory, small.limits.files), (None, false));
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
        assert_eq!((full.port, full.limits.factor, full.threads), (8090, 1.5, 3));
        assert_eq!((full.limits.body_max, full.limits.pixels.pixels_max), (1 << 20, 2_000_000));
        assert_eq!((full.clients_max, full.places_max, full.memory_max), (9, 5, 64 << 20));
        assert_eq!((full.limits.deadline, full.level), (Duration::from_secs(7), Level::Debug));
        assert_eq!(full.scaler, Some(ScalerAt::Unix("/tmp/x".into())));
        assert_eq!(full.log_file, Some("a.log".into()));
        assert_eq!((full.directory, full.limits.files), (Some("fotos/".into()), true));
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
        assert_eq!((config.limits.body_max, config.limits.factor), (2 << 20, 0.5));
    }

    #[test]
    fn health_is_asked_of_the_url_or_of_where_it_would_listen() {
        for (arguments, environment, host, port) in [
            (&["--salud"][..], &[][..], "127.0.0.1", 8080),
            (&["--salud", "http://10.0.0.1:81"], &[], "10.0.0.1", 81),
            (&["--salud", "http://10.0.0.1/"], &[], "10.0.0.1", 80),
            (&["--salud", "http://[::1]:81/readyz"], &[], "::1", 81),
            (&["http://[::1]", "--salud"], &[], "::1", 80),
            (&["--salud", "localhost:81"], &[], "localhost", 81),
            (&["--salud", "-i", "::1", "-p", "90"], &[], "::1", 90),
            (&["--salud", "-i", "::", "-p", "90"], &[], "127.0.0.1", 90),
            (&["--salud"], &[("TP2_IP", "10.0.0.2"), ("TP2_PUERTO", "91")], "10.0.0.2", 91),
            (&["--salud", "http://a:1"], &[("TP2_PORT", "91")], "a", 1),
        ] {
            let Ok(Command::Health(told, number)) = run(arguments, environment) else {
                panic!("{arguments:?}")
            };
            assert_eq!((told.as_str(), number), (host, port), "{arguments:?}");
        }
        for url in ["https://a:1", "http://", "http://a:x", "http://a:0", "http://a/otra", "http://u@a"] {
            let error = run(&["--salud", url], &[]).unwrap_err();
            assert_eq!(error.0, format!("--salud debe ser una URL, como http://127.0.0.1:8080: «{url}»"));
        }
        assert_eq!(run(&["--salud", "a", "b"], &[]).unwrap_err().0, "argumento de más: «b»");
        assert_eq!(run(&["--salud", "-p", "0"], &[]).unwrap_err().0, "con -p 0, --salud necesita la URL");
    }

    #[test]
    fn who_may_ask() {
        let plain = config(&["-i", "::", "-p", "0"], &[]);
        assert_eq!((plain.origins, plain.names.len(), plain.proxies.len()), (Origins::Own, 0, 0));
        let arguments = [
            "-i::1",
            "-p0",
            "--origen=https://A.example/",
            "--origen=http://b.example:8000",
            "--nombre=Fotos.Example",
            "--proxy=127.0.0.1",
            "--proxy=10.0.0.0/8",
            "--clave-archivo=clave",
        ];
        let environment = [
            ("TP2_IP", "::1"),
            ("TP2_PORT", "0"),
            ("TP2_ORIGEN", "https://a.example, http://b.example:8000"),
            ("TP2_NOMBRE", "fotos.example"),
            ("TP2_PROXY", "127.0.0.1 10.0.0.0/8"),
            ("TP2_CLAVE_ARCHIVO", "clave"),
        ];
        for config in [config(&arguments, &[]), config(&[], &environment)] {
            let origins = ["https://a.example", "http://b.example:8000"].map(Into::into).to_vec();
            assert_eq!(
                (config.origins, config.names),
                (Origins::Listed(origins), vec!["fotos.example".into()])
            );
            assert_eq!(config.proxies, ["127.0.0.1", "10.0.0.0/8"].map(|text| text.parse().unwrap()));
            assert_eq!(config.key_file, Some("clave".into()));
        }
        assert_eq!(config(&["-i::", "-p0", "--origen", "*"], &[]).origins, Origins::Any);
        for (option, value, complaint) in [
            ("origen", "a.example", "--origen debe ser un origen sin ruta, como https://a.example, o '*'"),
            (
                "proxy",
                "10.0.0.0/40",
                "--proxy debe ser una dirección o un prefijo, como 127.0.0.1 o 10.0.0.0/8",
            ),
            ("nombre", "a b", "--nombre debe ser una dirección o un nombre"),
            ("nombre", "a:80", "--nombre debe ser una dirección o un nombre (el puerto va en -p)"),
        ] {
            let error = run(&["-i", "::", "-p", "0", &format!("--{option}"), value], &[]).unwrap_err();
            assert_eq!(error.0, format!("{complaint}: «{value}»"));
        }
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
        for (twin, value, file_request) in [
            ("TP2_COLA", "no", "un número entero de 1 a 1000000"),
            ("TP2_PUERTO", "x", "un número entero de 0 a 65535"),
            ("TP2_ESCALA", "11", "un número entre 0.001 y 10"),
            ("TP2_MAX_CUERPO", "-3", "un número entero de 1 a 4096"),
            ("TP2_ESCALADOR", "unix:", "HOST:PUERTO o unix:RUTA"),
            ("TP2_REGISTRO_JSON", "quizas", "1 o 0, sí o no"),
            ("TP2_REGISTRO_JSON", "2", "1 o 0, sí o no"),
            ("TP2_DETALLE", "-1", "un número entero de 0 a 9, sí o no"),
        ] {
            let port: &[&str] = if twin == "TP2_PUERTO" { &["-i", "::"] } else { &["-i", "::", "-p", "1"] };
            let error = run(port, &[(twin, value)]).unwrap_err();
            assert_eq!(error.0, format!("{twin} debe ser {file_request}: «{value}»"));
        }
        let bad = [("TP2_COLA".into(), OsString::from_vec(vec![0xff]))];
        let error = parse(["-i", "::", "-p", "1"].map(OsString::from), bad).unwrap_err();
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
            (
                &["-i", "127.0.0.1:8080", "-p", "80"],
                "--ip debe ser una dirección o un nombre (el puerto va en -p): «127.0.0.1:8080»",
            ),
            (
                &["-i", "::", "-i", "fe80::1", "-p", "80"],
                "--ip debe ser una dirección o un nombre (falta la interfaz: fe80::1%eth0): «fe80::1»",
            ),
            (
                &["-i", "::", "-p", "80", "-e", "0,5"],
                "--escala debe ser un número entre 0.001 y 10, con punto: «0,5»",
            ),
            (
                &["-i", "::", "-p", "80", "--retencion", "0,5"],
                "--retencion debe ser un número de horas de 0 a 876000, con punto, por ejemplo 24 o 0.5: «0,5»",
            ),
            (&["--nada"], "no existe la opción --nada"),
            (&["-p"], "la opción -p necesita un valor"),
            (&["--", "-h"], "argumento de más: «-h»"),
        ] {
            let error = run(arguments, &[]).unwrap_err().to_string();
            assert_eq!(error, format!("tp2: {text}\n{}", usage_line()));
        }
        let no_text = OsString::from_vec(vec![0xff]);
        let error = parse(["-d".into(), no_text], []).unwrap_err();
        assert_eq!(error.0, "los argumentos deben ser texto UTF-8: «\u{fffd}»");
    }

    #[test]
    fn a_flag_s_twin_is_yes_or_no() {
        for (value, on) in
            [("1", true), ("Sí", true), ("true", true), ("0", false), ("no", false), ("", false)]
        {
            let config = config(&["-i", "::", "-p", "1"], &[("TP2_REGISTRO_JSON", value)]);
            assert_eq!(config.log_json, on, "{value}");
        }
        for (twin, value, level) in [
            ("TP2_DETALLE", "2", Level::Debug),
            ("TP2_SILENCIO", "Sí", Level::Warning),
            ("TP2_SILENCIO", "2", Level::Error),
            ("TP2_SILENCIO", "0", Level::Info),
        ] {
            assert_eq!(config(&["-i", "::", "-p", "1"], &[(twin, value)]).level, level, "{twin} {value}");
        }
        assert!(matches!(run(&["-h", "-i"], &[]), Ok(Command::Print(text)) if text == help()));
    }

    #[test]
    fn a_variable_that_is_no_twin_is_a_warning_with_the_nearest_name() {
        let environment = [
            ("TP2_MAX_CUERP", "64"),
            ("TP2_HELP", ""),
            ("TP2_PUERTO", "1"),
            ("TP2_DETALLE", "0"),
            ("tp2_cola", "1"),
        ];
        let config = config(&["-i", "::"], &environment);
        assert_eq!((config.port, config.limits.body_max), (1, 32 << 20));
        assert_eq!(
            config.warnings,
            [
                "Ninguna opción tiene la variable TP2_HELP; la más parecida es TP2_IP.",
                "Ninguna opción tiene la variable TP2_MAX_CUERP; la más parecida es TP2_MAX_CUERPO.",
            ]
        );
    }

    #[test]
    fn the_defaults_that_are_told_are_those_in_force() {
        let plain = format!("{:?}", config(&["-i", "::", "-p", "0"], &[]));
        let mut seen = 0;
        for row in OPTIONS.iter().filter(|row| row.default.contains(|c: char| c.is_ascii_digit())) {
            let name = format!("--{}", row.long);
            // «16 por hilo» is a number of each thread.
            let value = match row.default.strip_suffix(" por hilo") {
                Some(each) => (each.parse::<usize>().unwrap() * host::cores()).to_string(),
                None => row.default.to_owned(),
            };
            assert_eq!(
                format!("{:?}", config(&["-i", "::", "-p", "0", &name, &value], &[])),
                plain,
                "{name}"
            );
            seen += 1;
        }
        assert_eq!(seen, 11);
    }

    #[test]
    fn the_documents_have_every_option_with_its_twin_and_default() {
        let document = include_str!("../docs/options.md");
        let mut rows = document.lines().filter(|line| line.starts_with("| `-"));
        for row in OPTIONS {
            let letter = if row.short.is_empty() { String::new() } else { format!("`-{}`, ", row.short) };
            let variable = match row.action {
                OptionAction::Print(_) | OptionAction::Health => String::new(),
                _ => format!("`{}`", twin(row.long)),
            };
            let told = rows.next().unwrap_or_default();
            let cells: Vec<&str> = told.split('|').map(str::trim).collect();
            assert_eq!(cells[1..3], [&format!("{letter}`{}`", row.spelled()), &variable], "{told}");
            // A default in words is worded differently there.
            let is_literal = !row.default.is_empty() && !row.default.contains(' ');
            assert!(!is_literal || cells[3].trim_matches('`') == row.default, "{told}");
            assert!(row.synonyms.iter().all(|long| told.contains(&format!("`--{long}`"))), "{told}");
        }
    }
}
