//! The client: one picture to the server and its gray, scaled version back, as an answer, a task or a link; or a whole
//! folder into the server's bank. Blocking sockets.
//!
//! What travels is plain HTTP/1.1, so that anything said here can be said with curl as well. An answer is believed only
//! if it is whole; what may pass by itself is tried again within bounds; what was asked and answered is told in Spanish.
//!
//! From below: [`server`] says where it is, [`request`] and [`response`] are what travels, [`connection`] carries it,
//! [`retry`] and [`pause`] say when to try again, [`session`] holds these together. On top of it are [`picture`], [`task`],
//! [`link`] and [`folder`]; [`options`] and [`prompt`] find out which.
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

mod connection;
mod console;
mod failure;
mod folder;
mod link;
mod options;
mod pause;
mod picture;
mod prompt;
mod request;
mod response;
mod retry;
mod save;
mod server;
mod session;
mod task;

pub use console::Console;
pub use options::{BadUsage, ClientCommand, Mode, Options, USAGE, parse};
pub use prompt::Asker;
pub use retry::RetryPolicy;
pub use save::Saver;

use pause::Pause;
use server::ServerAddress;
use session::Session;

/// Where a folder goes if nothing is said.
const HOST: &str = "127.0.0.1";
const PORT: u16 = 1234;

/// How a run ended. Why, has been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// Everything asked for was done.
    Well = 0,
    /// Something failed.
    Failed = 1,
    /// It could not be said what to do.
    Usage = 2,
}

/// What a run needs beside its options.
#[derive(Debug)]
pub struct Context<'a> {
    /// Where the user is told.
    pub console: &'a Console,
    /// What saves the result.
    pub saver: &'a Saver,
    /// How many tries, and how long between them.
    pub retry_policy: RetryPolicy,
}

/// Does what the options say; what they leave open is asked of `asker`, or has a default if it is about a directory.
pub fn run<R: BufRead, W: Write>(
    options: &Options,
    asker: &mut Asker<R, W>,
    context: &Context<'_>,
) -> ExitStatus {
    let (server, path) = match complete(options, asker) {
        Ok(complete) => complete,
        Err(error) => return refuse(&error, context.console),
    };
    let Context { console, saver, retry_policy } = *context;
    let session = Session { server: &server, retry_policy, console, pause: Pause::default() };
    let done = match (path.is_dir(), options.mode) {
        (true, _) => folder::run(&session, &path),
        (false, Mode::Picture) => picture::run(&session, options, &path, saver).map(|()| true),
        (false, Mode::Task) => task::run(&session, options, &path, saver).map(|()| true),
        (false, Mode::Link) => link::run(&session, options, &path).map(|()| true),
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
    console.notice(USAGE);
    ExitStatus::Usage
}

/// Address and path, and whether the options are good for what is there.
fn complete<R: BufRead, W: Write>(
    options: &Options,
    asker: &mut Asker<R, W>,
) -> Result<(ServerAddress, PathBuf), BadUsage> {
    let (server, path) = match &options.path {
        Some(path) if path.is_dir() => {
            let host = options.host.clone().unwrap_or_else(|| HOST.to_owned());
            (ServerAddress::new(host, options.port.unwrap_or(PORT)), path.clone())
        }
        _ => asker.complete(options)?,
    };
    check_directory(options, &path)?;
    Ok((server, path))
}

fn check_directory(options: &Options, path: &Path) -> Result<(), BadUsage> {
    match options.only_for_pictures() {
        Some(option) if path.is_dir() => {
            let shown = path.display();
            Err(BadUsage(format!("{option} no se usa con un directorio: «{shown}»")))
        }
        _ => Ok(()),
    }
}
