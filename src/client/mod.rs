//! The client: sends one picture and gets its gray, scaled version back, as an answer, a task or a link; or many
//! pictures, with their results below one folder; or a whole folder into the server's bank. Blocking sockets.
//!
//! It speaks plain HTTP/1.1, so curl can do the same. An answer counts only if it is whole; transient failures are
//! retried within bounds; messages are in Spanish.
//!
//! From below: [`server`] is the address, [`request`] and [`response`] are the messages, [`connection`] carries them,
//! [`retry`] and [`pause`] say when to try again, [`session`] holds these together, and [`pool`] has several of them at
//! once. On top of it are [`picture`], [`task`], [`link`], [`batch`] and [`bank`]; [`names`] names results; [`options`],
//! [`prompt`] and [`job`] choose among them. [`outcome`] and [`console`] report the result.
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

mod bank;
mod batch;
mod connection;
mod console;
mod endings;
mod failure;
mod job;
mod link;
mod names;
mod options;
mod outcome;
mod parameters;
mod pause;
mod picture;
mod pool;
mod prompt;
mod request;
mod response;
mod retry;
mod save;
mod server;
mod session;
mod task;

pub use console::Console;
pub use options::{BadUsage, ClientCommand, Mode, Options, Output, manual, parse, usage_line};
pub use outcome::Style;
pub use parameters::Parameters;
pub use prompt::Asker;
pub use retry::RetryPolicy;
pub use save::Saver;

use failure::Failure;
use job::Job;
use outcome::Outcome;
use pause::Pause;
use picture::Source;
use request::PIPED_MAX;
use server::ServerAddress;
use session::Session;

use crate::key_file;

/// Default address for several pictures, or a folder.
const HOST: &str = "127.0.0.1";
const PORT: u16 = 1234;

/// How a run ended. The reason was reported already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// Everything asked for was done.
    Well = 0,
    /// Something failed.
    Failed = 1,
    /// The usage was wrong.
    Usage = 2,
}

/// What a run needs beside its options.
#[derive(Debug)]
pub struct Context<'a> {
    /// The client's output.
    pub console: &'a Console,
    /// What saves the result.
    pub saver: &'a Saver,
    /// How many tries, and how long between them.
    pub retry_policy: RetryPolicy,
}

/// Does what the options say. Missing ones are asked of `asker`, or have a default if the path is a directory.
pub fn run<R: BufRead, W: Write>(
    options: &Options,
    asker: &mut Asker<R, W>,
    context: &Context<'_>,
) -> ExitStatus {
    let Context { console, saver, retry_policy } = *context;
    console.set_style(options.style);
    if tell_missing(&options.paths, console) {
        return ExitStatus::Failed;
    }
    let key = match options.key_file.as_deref().map(key_file::read).transpose() {
        Ok(key) => key,
        Err(error) => {
            console.complain(error);
            return ExitStatus::Failed;
        }
    };
    let (server, job) = match complete(options, asker) {
        Ok((server, job)) => (server.with_key(key), job),
        Err(error) => return refuse(&error, console),
    };
    let session = Session { server: &server, retry_policy, console, pause: Pause::default() };
    let done = match &job {
        Job::Bank(folders) => store(&session, folders, saver),
        Job::Batch(roots, output) => batch::run(&session, options, output, roots, saver),
        Job::Single(path) => send_one(&session, options, Source::Path(path.clone()), saver),
        Job::Standard => match asker.picture(PIPED_MAX) {
            Ok(bytes) => send_one(&session, options, Source::Bytes(bytes), saver),
            Err(error) => Err(Failure::Read("la entrada estándar".into(), error)),
        },
    };
    match done {
        Ok(true) => ExitStatus::Well,
        Ok(false) => ExitStatus::Failed,
        Err(failure) => {
            console.complain(failure);
            ExitStatus::Failed
        }
    }
}

/// Tells what is wrong with the usage.
pub fn refuse(error: &BadUsage, console: &Console) -> ExitStatus {
    console.complain(&error.0);
    console.notice(usage_line());
    ExitStatus::Usage
}

/// Reports each path that does not exist, before anything is asked or sent; returns whether there was one.
fn tell_missing(paths: &[PathBuf], console: &Console) -> bool {
    let mut any = false;
    for path in paths.iter().filter(|path| path.as_os_str() != "-") {
        if let Err(error) = path.metadata() {
            console.complain(Failure::Read(path.clone(), error));
            any = true;
        }
    }
    any
}

fn complete<R: BufRead, W: Write>(
    options: &Options,
    asker: &mut Asker<R, W>,
) -> Result<(ServerAddress, Job), BadUsage> {
    let decide = |paths: &[PathBuf]| job::decide(options, paths, Path::is_dir);
    let (server, job) = match &options.paths[..] {
        [] => {
            let server = asker.server(options)?;
            (server, decide(&[asker.path()?])?)
        }
        paths => match decide(paths)? {
            job if job.asks() => (asker.server(options)?, job),
            job => {
                let host = options.host.clone().unwrap_or_else(|| HOST.to_owned());
                (ServerAddress::new(host, options.port.unwrap_or(PORT)), job)
            }
        },
    };
    if let Job::Batch(roots, output) = &job {
        batch::check(output, roots)?;
    }
    Ok((server, job))
}

/// Sends one picture; true, or a failure.
fn send_one(
    session: &Session<'_>,
    options: &Options,
    source: Source,
    saver: &Saver,
) -> Result<bool, Failure> {
    let origin = source.name().to_owned();
    let done = match options.mode {
        _ if options.simulate => picture::simulate(session.console, options, source),
        Mode::Picture => picture::run(session, options, source, saver),
        Mode::Task => task::run(session, options, source, saver),
        Mode::Link => link::run(session, options, source),
    };
    if let (Err(failure), Style::Json) = (&done, options.style) {
        session.console.outcome(&Outcome::failed(&origin, &failure.to_string()));
    }
    done.map(|()| true)
}

fn store(session: &Session<'_>, folders: &[PathBuf], saver: &Saver) -> Result<bool, Failure> {
    let mut is_well = true;
    for folder in folders {
        is_well &= bank::run(session, folder, saver)?;
        if session.pause.is_in_vain() {
            break;
        }
    }
    Ok(is_well)
}
