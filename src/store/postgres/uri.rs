//! Reads the URI of `-a`: libpq's, with options that libpq has and the driver has not.
//!
//! `sslmode=require` and `prefer` encrypt and trust any certificate, as libpq does without a root; with `verify-full`
//! (and `verify-ca`, treated the same) or with `sslrootcert=FILE` the server must prove its name. Without
//! `target_session_attrs` only a server that can write is used: of several hosts that is the primary.
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};

use super::refusal::PgRefusal;

/// How long to look for each server, where the URI does not say.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(super) struct PgAddress {
    pub(super) config: Config,
    pub(super) trust: Trust,
}

/// How a server's certificate is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Not at all.
    Any,
    /// Against the authorities that browsers trust.
    Web,
    /// Against those of this file, in PEM.
    File(PathBuf),
}

/// Reads the URI; errors do not quote it, because it has a password.
pub(super) fn parse(uri: &str) -> Result<PgAddress, PgRefusal> {
    let (base, query) = uri.split_once('?').unwrap_or((uri, ""));
    let (mut trust, mut mode, mut kept) = (Trust::Any, None, Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sslmode", "verify-full" | "verify-ca")) => {
                mode = Some(SslMode::Require);
                if trust == Trust::Any {
                    trust = Trust::Web;
                }
            }
            Some(("sslrootcert", "system")) => (mode, trust) = (Some(SslMode::Require), Trust::Web),
            Some(("sslrootcert", path)) => {
                let path = percent_decode_str(path).decode_utf8().map_err(|_| PgRefusal::Uri)?;
                (mode, trust) = (Some(SslMode::Require), Trust::File(path.into_owned().into()));
            }
            _ => kept.push(pair),
        }
    }
    let rest = if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) };
    let mut config = Config::from_str(&rest).map_err(|_| PgRefusal::Uri)?;
    if let Some(mode) = mode {
        config.ssl_mode(mode);
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(PATIENCE);
    }
    if config.get_application_name().is_none() {
        config.application_name("tp2");
    }
    if config.get_target_session_attrs() == TargetSessionAttrs::Any {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    Ok(PgAddress { config, trust })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_libpq_are_understood() {
        let address =
            parse("postgres://a:b@h1,h2:7/d?sslmode=verify-full&target_session_attrs=read-write").unwrap();
        assert_eq!((address.config.get_hosts().len(), address.trust), (2, Trust::Web));
        assert_eq!(address.config.get_ssl_mode(), SslMode::Require);
        let address =
            parse("postgresql://h/?sslmode=verify-ca&sslrootcert=%2Fa%20b.pem&connect_timeout=9").unwrap();
        assert_eq!(address.trust, Trust::File("/a b.pem".into()));
        assert_eq!(address.config.get_connect_timeout(), Some(&Duration::from_secs(9)));
        assert_eq!(address.config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
        let plain = parse("postgres://h").unwrap();
        assert_eq!((plain.trust, plain.config.get_ssl_mode()), (Trust::Any, SslMode::Prefer));
        for wrong in ["postgres://h:puerto/", "postgres://h/?nada=1", "postgres://h/?sslmode=si"] {
            assert!(matches!(parse(wrong), Err(PgRefusal::Uri)), "{wrong}");
        }
    }
}
