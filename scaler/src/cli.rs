//! The command line of `tp2-scaler`: read once, valid from then on.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use getopts::Matches;
use scaler::child::SessionLimits;
use scaler::listener::Endpoint;
use scaler::options::{OPTIONS, help, usage_line};
use scaler::serve::Config;
use scaler::sys;
use scaler::usage;
use scaler::wire::Limits;
use scaler::words::InWords;

#[derive(Debug)]
pub(crate) enum Command {
    Help(String),
    Version,
    Stdio(SessionLimits),
    Serve(Config),
}

/// Reads the arguments without the program's name.
///
/// # Errors
/// One Spanish line that names the option and the value, and the usage line below it.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    read(arguments).map_err(|error| format!("tp2-scaler: {error}\n{}", usage_line()))
}

fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let matches = usage::parse(&usage::options(OPTIONS), arguments)?;
    if let Some(extra) = matches.free.first() {
        return Err(usage::extra(extra));
    }
    if matches.opt_present("h") {
        return Ok(Command::Help(help()));
    }
    if matches.opt_present("V") {
        return Ok(Command::Version);
    }
    let deadline = Duration::from_secs(number(&matches, "plazo", 1..=3600)?);
    let millions = number(&matches, "max-pixeles", 1..=4294)?;
    let above = number(&matches, "nice-grandes", 0..=19)?;
    let stdio = matches.opt_present("stdio");
    let session_limits = SessionLimits {
        limits: Limits { pixels_max: millions * 1_000_000, ..Limits::default() },
        deadline,
        idle: Some(deadline),
        niceness_of_large: sys::nicer(u8::try_from(above).unwrap_or_default()),
        verbose: !stdio && !matches.opt_present("silencio") && !matches.opt_present("quiet"),
        confinement_required: matches.opt_present("exigir-aislamiento"),
    };
    if stdio {
        return Ok(Command::Stdio(session_limits));
    }
    let children_max = number(&matches, "hijos", 1..=100_000)?;
    let children_max = usize::try_from(children_max).unwrap_or(usize::MAX);
    let drain = deadline.min(Duration::from_secs(20));
    Ok(Command::Serve(Config {
        listen: endpoints(&matches)?,
        children_max,
        session_limits,
        drain,
        owner: None,
    }))
}

fn endpoints(matches: &Matches) -> Result<Vec<Endpoint>, String> {
    let mut endpoints: Vec<Endpoint> =
        matches.opt_str("u").map(|path| Endpoint::Unix(PathBuf::from(path))).into_iter().collect();
    if endpoints.is_empty() || matches.opt_present("i") || matches.opt_present("p") {
        let host = text(matches, "ip");
        usage::check_host("--ip", &host)?;
        let port = number(matches, "port", 0..=65_535)?;
        let port = u16::try_from(port).unwrap_or_default();
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

/// The value of `--name`, or its default.
fn text(matches: &Matches, name: &str) -> String {
    let default = || OPTIONS.iter().find(|row| row.long == name).map_or("", |row| row.default);
    matches.opt_str(name).unwrap_or_else(|| default().to_owned())
}

/// The value of `--name`, a whole number.
fn number(matches: &Matches, name: &str, range: RangeInclusive<u64>) -> Result<u64, String> {
    usage::number(format_args!("--{name}"), &text(matches, name), range)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    fn read_words(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(OsString::from))
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
            ("-p 70000", "--port debe ser un número entero de 0 a 65535: «70000»"),
            ("-p abc", "--port debe ser un número entero de 0 a 65535: «abc»"),
            ("-c 0", "--hijos debe ser un número entero de 1 a 100000: «0»"),
            ("--plazo -1", "--plazo debe ser un número entero de 1 a 3600: «-1»"),
            (
                "-i 127.0.0.1:8889",
                "--ip debe ser una dirección o un nombre (el puerto va en -p): «127.0.0.1:8889»",
            ),
            ("-x", "no existe la opción -x"),
            ("-p", "la opción -p necesita un valor"),
            ("-p 1 -p 2", "la opción --port está repetida"),
            ("foto.pgm", "argumento de más: «foto.pgm»"),
        ] {
            let error = read_words(line).unwrap_err();
            assert_eq!(
                error.lines().collect::<Vec<_>>(),
                [format!("tp2-scaler: {expected}"), usage_line()],
                "{line}"
            );
        }
    }

    #[test]
    fn a_path_that_is_no_text_is_refused_rather_than_mended() {
        let path = OsString::from_vec(b"/tmp/\xff".to_vec());
        let error = parse(["-u".into(), path]).unwrap_err();
        assert!(error.starts_with("tp2-scaler: los argumentos deben ser texto UTF-8: "), "{error}");
    }

    #[test]
    fn limits_and_deadline_reach_the_session() {
        let Ok(Command::Serve(config)) = read_words("--plazo 5 --max-pixeles 2 -q -c 3 --exigir-aislamiento")
        else {
            panic!("not served");
        };
        assert_eq!(
            (config.session_limits.deadline, config.session_limits.limits.pixels_max),
            (Duration::from_secs(5), 2_000_000)
        );
        assert_eq!(
            (config.children_max, config.session_limits.verbose, config.session_limits.confinement_required),
            (3, false, true)
        );
        assert!(
            matches!(read_words("--stdio"), Ok(Command::Stdio(session_limits)) if !session_limits.verbose)
        );
        for (line, verbose) in
            [("", true), ("-q", false), ("--silencio", false), ("--quiet", false), ("-qq", false)]
        {
            assert!(
                matches!(read_words(line), Ok(Command::Serve(config)) if config.session_limits.verbose == verbose),
                "{line}"
            );
        }
    }

    #[test]
    fn the_help_fits_a_terminal() {
        assert!(help().lines().skip(1).all(|line| line.chars().count() <= 80));
    }
}
