//! The command line of `tp2-scaler`: read once, valid from then on.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use getopts::{Matches, Options};
use scaler::child::Terms;
use scaler::listener::Endpoint;
use scaler::serve::Config;
use scaler::wire::Limits;
use scaler::words::InWords;

const USAGE: &str =
    "usage: tp2-scaler [-h] [-V] [-q] [-i IP] [-p PORT] [-u RUTA] [-c MAX_CHILDREN] [--stdio]";

const HELP: &str = "
Tp2 - escala imágenes grises

Opciones:
  -h, --help            Muestra este mensaje de ayuda y sale
  -V, --version         Muestra la versión y sale
  -i IP, --ip IP        Dirección o nombre de escucha (127.0.0.1)
  -p PORT, --port PORT  Puerto de escucha; 0: lo elige el sistema (8889)
  -u RUTA, --unix RUTA  Socket Unix de escucha, en lugar de IP y PORT si no se
                        dan también
  -c N, --hijos N       Máximo de procesos hijos a la vez (64)
  -q, --quiet           Solo muestra los errores
      --plazo SEGUNDOS  Tiempo máximo para una imagen, y de espera por la
                        siguiente (30)
      --max-pixeles MILLONES
                        Máximo de píxeles de una imagen, antes y después (100)
      --exigir-aislamiento
                        No arranca si falta algún paso del aislamiento
      --stdio           Atiende una conexión por la entrada y salida estándar
";

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Command {
    Help(String),
    Version,
    Stdio(Terms),
    Serve(Config),
}

/// Reads the arguments without the program's name.
///
/// # Errors
/// One Spanish line that names the option and the value, and the usage line below it.
pub(crate) fn parse(arguments: &[String]) -> Result<Command, String> {
    read(arguments).map_err(|error| format!("tp2-scaler: {error}\n{USAGE}"))
}

fn read(arguments: &[String]) -> Result<Command, String> {
    let matches = options().parse(arguments).map_err(|error| in_spanish(&error))?;
    if let Some(extra) = matches.free.first() {
        return Err(format!("argumento inesperado: «{extra}»"));
    }
    if matches.opt_present("h") {
        return Ok(Command::Help(format!("{USAGE}\n{HELP}")));
    }
    if matches.opt_present("V") {
        return Ok(Command::Version);
    }
    let deadline = Duration::from_secs(number(&matches, "plazo", 30, 1, 3600)?);
    let millions: u64 = number(&matches, "max-pixeles", 100, 1, 4294)?;
    let stdio = matches.opt_present("stdio");
    let terms = Terms {
        limits: Limits { pixels_max: millions * 1_000_000, ..Limits::default() },
        deadline,
        idle: Some(deadline),
        verbose: !stdio && !matches.opt_present("q"),
        confinement_required: matches.opt_present("exigir-aislamiento"),
    };
    if stdio {
        return Ok(Command::Stdio(terms));
    }
    let children_max = number(&matches, "c", 64, 1, 100_000)?;
    let drain = deadline.min(Duration::from_secs(20));
    Ok(Command::Serve(Config { listen: endpoints(&matches)?, children_max, terms, drain, owner: None }))
}

fn options() -> Options {
    let mut options = Options::new();
    options
        .optflag("h", "help", "")
        .optflag("V", "version", "")
        .optflag("q", "quiet", "")
        .optopt("i", "ip", "", "")
        .optopt("p", "port", "", "")
        .optopt("u", "unix", "", "")
        .optopt("c", "hijos", "", "")
        .optopt("", "plazo", "", "")
        .optopt("", "max-pixeles", "", "")
        .optflag("", "exigir-aislamiento", "")
        .optflag("", "stdio", "");
    options
}

fn endpoints(matches: &Matches) -> Result<Vec<Endpoint>, String> {
    let mut endpoints: Vec<Endpoint> =
        matches.opt_str("u").map(|path| Endpoint::Unix(PathBuf::from(path))).into_iter().collect();
    if endpoints.is_empty() || matches.opt_present("i") || matches.opt_present("p") {
        let host = matches.opt_str("i").unwrap_or_else(|| "127.0.0.1".to_owned());
        let port = number(matches, "p", 8889, 0, u16::MAX)?;
        endpoints.extend(resolve(&host, port)?.into_iter().map(Endpoint::Tcp));
    }
    Ok(endpoints)
}

/// Every address of `host`, once.
fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let failed = |error| format!("no se puede escuchar en «{host}»: {}", InWords(&error));
    let mut found: Vec<SocketAddr> = (bare, port).to_socket_addrs().map_err(failed)?.collect();
    found.sort_unstable();
    found.dedup();
    if found.is_empty() {
        Err(failed(std::io::Error::other("ese nombre no tiene direcciones")))
    } else {
        Ok(found)
    }
}

fn number<T>(matches: &Matches, name: &str, default: T, min: T, max: T) -> Result<T, String>
where
    T: FromStr + PartialOrd + std::fmt::Display + Copy,
{
    let Some(text) = matches.opt_str(name) else { return Ok(default) };
    let value = text.parse().ok().filter(|value| (min..=max).contains(value));
    let dashes = if name.len() == 1 { "-" } else { "--" };
    value.ok_or_else(|| format!("opción {dashes}{name}: «{text}» no es un número entre {min} y {max}"))
}

fn in_spanish(fail: &getopts::Fail) -> String {
    use getopts::Fail;
    let dashed =
        |name: &str| if name.chars().count() == 1 { format!("-{name}") } else { format!("--{name}") };
    match fail {
        Fail::ArgumentMissing(name) => format!("a la opción {} le falta su valor", dashed(name)),
        Fail::UnrecognizedOption(name) => format!("opción desconocida: {}", dashed(name)),
        Fail::OptionMissing(name) => format!("falta la opción {}", dashed(name)),
        Fail::OptionDuplicated(name) => format!("opción repetida: {}", dashed(name)),
        Fail::UnexpectedArgument(name) => format!("la opción {} no lleva valor", dashed(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_words(line: &str) -> Result<Command, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&words)
    }

    fn listen(line: &str) -> Vec<Endpoint> {
        match read_words(line) {
            Ok(Command::Serve(config)) => config.listen,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn where_to_listen() {
        let tcp = |addr: &str| Endpoint::Tcp(addr.parse().unwrap());
        let unix = || Endpoint::Unix(PathBuf::from("/tmp/s"));
        assert_eq!(listen(""), [tcp("127.0.0.1:8889")]);
        assert_eq!(listen("-p 8001"), [tcp("127.0.0.1:8001")]);
        assert_eq!(listen("--ip ::1 --port 0"), [tcp("[::1]:0")]);
        assert_eq!(listen("-i [::]"), [tcp("[::]:8889")]);
        assert_eq!(listen("-u /tmp/s"), [unix()]);
        assert_eq!(listen("-u /tmp/s -p 1"), [unix(), tcp("127.0.0.1:1")]);
    }

    #[test]
    fn bad_usage_names_the_option_and_the_value() {
        for (line, expected) in [
            ("-p 70000", "opción -p: «70000» no es un número entre 0 y 65535"),
            ("-p abc", "opción -p: «abc» no es un número entre 0 y 65535"),
            ("-c 0", "opción -c: «0» no es un número entre 1 y 100000"),
            ("--plazo -1", "opción --plazo: «-1» no es un número entre 1 y 3600"),
            ("-x", "opción desconocida: -x"),
            ("-p", "a la opción -p le falta su valor"),
            ("-p 1 -p 2", "opción repetida: --port"),
            ("foto.pgm", "argumento inesperado: «foto.pgm»"),
        ] {
            let error = read_words(line).unwrap_err();
            assert_eq!(
                error.lines().collect::<Vec<_>>(),
                [format!("tp2-scaler: {expected}").as_str(), USAGE],
                "{line}"
            );
        }
    }

    #[test]
    fn limits_and_deadline_reach_the_terms() {
        let Ok(Command::Serve(config)) = read_words("--plazo 5 --max-pixeles 2 -q -c 3 --exigir-aislamiento")
        else {
            panic!("not served");
        };
        assert_eq!(
            (config.terms.deadline, config.terms.limits.pixels_max),
            (Duration::from_secs(5), 2_000_000)
        );
        assert_eq!(
            (config.children_max, config.terms.verbose, config.terms.confinement_required),
            (3, false, true)
        );
        assert!(matches!(read_words("--stdio"), Ok(Command::Stdio(terms)) if !terms.verbose));
    }
}
