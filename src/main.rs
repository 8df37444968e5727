//! `tp2`: configuration -> signals -> log -> listeners -> store -> scaler -> workers and loop. Nothing else.
//!
//! Started with the hidden first argument `--escalador-propio`, the same binary is tp2's own scaler: decided before
//! any thread exists, because that process forks and must never thread.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]
use std::cell::RefCell;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::process::ExitCode;
use std::time::{Instant, SystemTime};

use scaler::sys::{self, SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGXFSZ, SignalFd};
use scaler::words::{self, InWords};
use tp2::config::{self, Command, Config, ScalerAt, StoreAt};
use tp2::conn::local_address::ListenerRole;
use tp2::files::Library;
use tp2::health;
use tp2::http::access::Access;
use tp2::key_file;
use tp2::log::{LineForm, Log, Who};
use tp2::model::admission::Admission;
use tp2::model::log_event::Level;
use tp2::model::server_state::ServerState;
use tp2::net::listener::listen;
use tp2::net::notify::Notifier;
use tp2::net::pool::{Destination, connections_max};
use tp2::net::server::{Server, ServerParts};
use tp2::net::supervisor::{self, Supervisor};
use tp2::own_scaler;
#[cfg(feature = "mongodb")]
use tp2::store::mongo;
#[cfg(feature = "postgres")]
use tp2::store::postgres;
use tp2::store::{Backend, sqlite};
use uuid::Uuid;

/// Descriptors beside those of clients, scaler connections and workers: standard streams, epoll, waker, signals, log,
/// listeners, the scaler's lock and pipe, the directory of `-d` (a dozen so far), eight of the store, the moment of
/// starting the scaler again, and what a library may open.
const OWN_DESCRIPTORS: u64 = 32;
/// As many more where the store is a network away: its connections, and those that watch it.
const AWAY_DESCRIPTORS: u64 = 32;
/// Kept results of `-d` take at most this many bytes, and at most one `CACHE_PART`th of `--memoria`.
const CACHE_MAX: u64 = 64 << 20;
const CACHE_PART: u64 = 8;
/// This part (1/8) of `--memoria` is for small pictures alone.
const SMALL_PARTS: u64 = 8;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.next_if(|first| first == supervisor::ARGUMENT).is_some() {
        return own_scaler::main(arguments);
    }
    match config::parse(arguments, std::env::vars_os()) {
        Ok(Command::Print(text)) => {
            // A closed standard output (`tp2 -h | head -1`) is no failure.
            let _ = io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Ok(Command::Health(host, port)) => match health::ask(&host, port) {
            Ok(()) => ExitCode::SUCCESS,
            Err(text) => {
                let _ = writeln!(io::stderr(), "tp2: {text}");
                ExitCode::FAILURE
            }
        },
        Ok(Command::Serve(config)) => match serve(*config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(text) => {
                let _ = writeln!(io::stderr(), "tp2: {text}");
                ExitCode::FAILURE
            }
        },
        Err(usage) => {
            let _ = writeln!(io::stderr(), "{usage}");
            ExitCode::from(2)
        }
    }
}

fn serve(mut config: Config) -> Result<(), String> {
    sys::tune_malloc();
    // Blocked before the first thread starts, which would otherwise receive them.
    let signals = SignalFd::new(&[SIGTERM, SIGINT, SIGHUP, SIGCHLD])
        .map_err(failed("no se pueden leer las señales"))?;
    // A file that would pass RLIMIT_FSIZE is a write that failed (EFBIG), as on a full disk: not the end.
    sys::block_signal(SIGXFSZ).map_err(failed("no se puede bloquear la señal SIGXFSZ"))?;
    let file_request = config.clients_max;
    config.clients_max = raise_descriptors(&config);
    let file = config.log_file.as_ref().map_or(String::new(), |path| format!(" «{}»", path.display()));
    let form = if config.log_json { LineForm::Json } else { LineForm::Text };
    let log = Log::start(config.level, form, config.log_file.clone())
        .map_err(|error| format!("no se puede abrir el registro{file}: {}", InWords(&error)))?;
    report_panics(&log);
    for warning in &config.warnings {
        log.write(Level::Warning, Who::default(), warning);
    }
    if config.clients_max < file_request {
        let text = format_args!(
            "--conexiones baja de {file_request} a {}: el límite de descriptores de archivo (ulimit -Hn) no da para más.",
            config.clients_max
        );
        log.write(Level::Warning, Who::default(), text);
    }

    let (library, kept_max) = library_of(&config)?;
    let listeners = listen(&config.hosts, config.port, "-p").map_err(|error| error.to_string())?;
    let links = match config.links_port {
        Some(port) => listen(&config.hosts, port, "-l").map_err(|error| error.to_string())?,
        None => Vec::new(),
    };
    let (addresses, links_addresses) = (addresses_of(&listeners)?, addresses_of(&links)?);
    config.limits.links_port = links_addresses.first().map(SocketAddr::port);
    let (store, bank) = (store_of(&config)?, bank_of(&config, &log)?);
    let access = access_of(&config, &addresses)?;
    let (supervisor, scaler) = scaler_of(&config)?;
    let admission = Admission::new(config.places_max, config.memory_max - kept_max, config.threads)
        .with_share(SMALL_PARTS);
    let server = Server::new(ServerParts {
        listeners: std::iter::chain(
            listeners.into_iter().map(|listener| (listener, ListenerRole::Main)),
            links.into_iter().map(|listener| (listener, ListenerRole::Links)),
        )
        .collect(),
        signals,
        server: ServerState { access, ..ServerState::new(config.limits, admission, Uuid::new_v4) },
        key_file: config.key_file,
        supervisor,
        scaler,
        library,
        store,
        bank,
        retention: config.retention,
        threads: config.threads,
        large_nice: config.large_nice,
        clients_max: config.clients_max,
        links_space: config.links_space,
        clients_per_address: config.clients_per_address,
        log: log.clone(),
        notifier: Notifier::of(|name| std::env::var_os(name), std::process::id()),
    })
    .map_err(failed("no se puede iniciar el servidor"))?;

    let page = addresses.first().copied().map(reachable);
    for address in addresses {
        // Standard output may have no reader; the server serves all the same.
        let _ = writeln!(io::stdout(), "Servidor escuchando en http://{address}");
    }
    for address in links_addresses {
        let _ = writeln!(io::stdout(), "Servidor de archivos escalados escuchando en http://{address}");
    }
    if let Some(address) = page {
        let _ = writeln!(io::stdout(), "Abra http://{address}/ en el navegador.");
    }
    let ended = server.run();
    log.write(Level::Info, Who::default(), "Servidor detenido.");
    log.flush();
    ended.map_err(failed("no se puede esperar a los clientes"))
}

/// An address that a browser on this machine can open: `0.0.0.0` and `::` are none.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        SocketAddr::new(std::net::Ipv4Addr::LOCALHOST.into(), address.port())
    } else {
        address
    }
}

/// What keeps tasks; those that were in work when it was last left are taken up again.
fn store_of(config: &Config) -> Result<Backend, String> {
    match &config.store {
        StoreAt::Sqlite(path) => {
            sqlite::open(path, config.retention, SystemTime::now()).map_err(|error| error.to_string())
        }
        #[cfg(feature = "postgres")]
        StoreAt::Postgres(uri) => postgres::open(uri, config.retention).map_err(|error| error.to_string()),
        #[cfg(not(feature = "postgres"))]
        StoreAt::Postgres(_) => Err("este tp2 se compiló sin PostgreSQL: compílelo con \
            «cargo build --release --features postgres»"
            .into()),
    }
}

/// The access rules. If all addresses are loopback, an unknown host name comes from a page by DNS rebinding.
fn access_of(config: &Config, addresses: &[SocketAddr]) -> Result<Access, String> {
    let key = config.key_file.as_deref().map(key_file::read).transpose()?;
    let hosts = config.hosts.iter().map(|host| host.to_ascii_lowercase());
    Ok(Access {
        origins: config.origins.clone(),
        names: hosts.chain(config.names.iter().cloned()).collect(),
        guards_host: !config.names.is_empty()
            || addresses.iter().all(|address| address.ip().to_canonical().is_loopback()),
        guards_forwarded_host: !config.names.is_empty(),
        key: RefCell::new(key),
        proxies: config.proxies.clone(),
    })
}

/// The store of the bank, where that is apart.
#[cfg(feature = "mongodb")]
fn bank_of(config: &Config, log: &Log) -> Result<Option<Backend>, String> {
    let Some(uri) = &config.bank else { return Ok(None) };
    let (bank, has_tasks) = mongo::open(uri).map_err(|error| error.to_string())?;
    if has_tasks {
        let text = "En MongoDB está la base Tp2, con tareas de una versión anterior: esta no las lee (docs/fleet.md).";
        log.write(Level::Warning, Who::default(), text);
    }
    Ok(Some(bank))
}

/// The same without the driver.
#[cfg(not(feature = "mongodb"))]
fn bank_of(config: &Config, _: &Log) -> Result<Option<Backend>, String> {
    match config.bank {
        None => Ok(None),
        Some(_) => Err("este tp2 se compiló sin MongoDB: compílelo con \
            «cargo build --release --features mongodb»"
            .into()),
    }
}

fn addresses_of(listeners: &[TcpListener]) -> Result<Vec<SocketAddr>, String> {
    let addresses = listeners.iter().map(TcpListener::local_addr).collect::<io::Result<_>>();
    addresses.map_err(failed("no se sabe dónde se escucha"))
}

/// The scaler of `-s`, or one of our own.
fn scaler_of(config: &Config) -> Result<(Option<Supervisor>, Destination), String> {
    match &config.scaler {
        Some(ScalerAt::Unix(path)) => Ok((None, Destination::Unix(path.clone()))),
        Some(ScalerAt::Tcp(address)) => match address.to_socket_addrs() {
            Ok(addresses) => Ok((None, Destination::Tcp(addresses.collect()))),
            Err(error) => Err(format!("no se puede usar el escalador «{address}»: {}", InWords(&error))),
        },
        None => {
            let arguments = own_scaler::arguments(config);
            let supervisor = Supervisor::start(arguments, Instant::now())
                .map_err(|error| format!("no se puede iniciar el escalador: {}", InWords(&error)))?;
            let socket = supervisor.socket();
            Ok((Some(supervisor), Destination::Unix(socket)))
        }
    }
}

/// The files of `-d`, and the bytes that the results kept of them may take; `--memoria` bounds those too.
fn library_of(config: &Config) -> Result<(Option<Library>, u64), String> {
    let Some(directory) = &config.directory else { return Ok((None, 0)) };
    let kept_max = CACHE_MAX.min(config.memory_max / CACHE_PART);
    let library = Library::open(directory, &config.limits, kept_max).map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::NotADirectory => "no es un directorio".to_owned(),
            _ => InWords(&error).to_string(),
        };
        format!("no se puede leer el directorio «{}»: {why}", directory.display())
    })?;
    Ok((Some(library), kept_max))
}

/// Raises the descriptor limit as far as wanted and allowed; returns how many clients that leaves room for.
fn raise_descriptors(config: &Config) -> usize {
    let (clients_max, threads) = (config.clients_max, config.threads);
    let far = usize::from(!matches!(config.store, StoreAt::Sqlite(_))) + usize::from(config.bank.is_some());
    let store = AWAY_DESCRIPTORS * far as u64;
    // A steady worker has a file and its folder open at a time; quick ones open none.
    let spare = OWN_DESCRIPTORS + store + connections_max(threads) as u64 + 2 * threads as u64;
    let file_request = clients_max as u64 + spare;
    let Ok((soft, hard)) = sys::limits(sys::Limit::Files) else { return clients_max };
    let raised = file_request.min(hard).max(soft);
    let granted = if sys::set_limits(sys::Limit::Files, raised, hard).is_ok() { raised } else { soft };
    let room = granted.saturating_sub(spare).max(1);
    clients_max.min(usize::try_from(room).unwrap_or(usize::MAX))
}

/// Logs a panic as one line: of a worker it costs one picture, whose client gets its answer.
fn report_panics(log: &Log) {
    let log = log.clone();
    std::panic::set_hook(Box::new(move |info| {
        log.write(Level::Error, Who::default(), format_args!("Error interno: {}", words::of_panic(info)));
        if std::thread::current().name() == Some("main") {
            log.flush();
        }
    }));
}

fn failed(what: &str) -> impl Fn(io::Error) -> String {
    move |error| format!("{what}: {}", InWords(&error))
}
