//! A run of the client: the server's address, and what all conversations with it share.
//!
//! A [`Conversation`] is one connection at a time, and opens another when it breaks. Every request of the client may be
//! sent again: the pure ones, the `PUT`s, and `POST /tareas`, which carries a key (`Idempotency-Key`) for it.
use std::time::Instant;

use uuid::Uuid;

use super::connection::{Interruption, ServerConnection};
use super::console::Console;
use super::failure::Failure;
use super::pause::Pause;
use super::request::ClientRequest;
use super::response::Response;
use super::retry::{Retry, RetryPolicy, is_passing};
use super::server::ServerAddress;

/// What a run of the client is made of.
#[derive(Debug)]
pub(super) struct Session<'a> {
    pub server: &'a ServerAddress,
    pub retry_policy: RetryPolicy,
    pub console: &'a Console,
    /// Where conversations wait between tries.
    pub pause: Pause,
}

#[derive(Debug)]
pub(super) struct Conversation<'a> {
    session: &'a Session<'a>,
    connection: Option<ServerConnection>,
}

impl<'a> Session<'a> {
    /// The first connection; if it fails, there is no server, and nothing is retried.
    ///
    /// # Errors
    /// [`Failure::Connect`].
    pub(super) fn open(&'a self) -> Result<Conversation<'a>, Failure> {
        self.console.line(format_args!("Conectando al servidor en {}...", self.server));
        let connection = ServerConnection::open(self.server).map_err(Failure::Connect)?;
        self.console.line("Conexión establecida.");
        Ok(Conversation { session: self, connection: Some(connection) })
    }

    /// One more conversation, which connects when it has something to ask.
    #[must_use]
    pub(super) fn another(&'a self) -> Conversation<'a> {
        Conversation { session: self, connection: None }
    }
}

impl Conversation<'_> {
    /// Retries until there is an answer that is not transient, or no try is left; in each try `progress` is called with
    /// the number of body bytes sent.
    ///
    /// # Errors
    /// [`Failure`]; a final answer of any status is no error.
    pub(super) fn ask(
        &mut self,
        request: &mut ClientRequest,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Response, Failure> {
        let mut retry = Retry::new(self.session.retry_policy);
        let mut waited_since = Instant::now();
        loop {
            let failure = match self.try_once(request, progress) {
                Ok(response) if !is_passing(response.status) => return Ok(response),
                Ok(response) => Failure::refused(&response),
                Err(failure) if failure.is_passing() => failure,
                Err(failure) => return Err(failure),
            };
            let now = Instant::now();
            let wait = retry.handle_failure(failure.retry_after(), now, chance());
            let announce = |seconds: f64| {
                let next = retry.tries() + 1;
                let tries_max = self.session.retry_policy.tries_max;
                self.session.console.notice(format_args!(
                    "{failure}; nuevo intento en {seconds:.1} s ({next} de {tries_max})"
                ));
            };
            let patient =
                wait.is_some_and(|wait| self.session.pause.wait(wait, || announce(wait.as_secs_f64())));
            if !patient {
                let (tries, last) = (retry.tries(), Box::new(failure));
                return Err(Failure::GaveUp { tries, waited_since, last });
            }
            waited_since = now;
        }
    }

    /// Asks for what is at `target`.
    ///
    /// # Errors
    /// As [`Conversation::ask`].
    pub(super) fn fetch(&mut self, target: String) -> Result<Response, Failure> {
        self.ask(&mut ClientRequest::fetch(target), &mut |_| {})
    }

    /// Whether the server answers at all, now, on a connection of its own.
    #[must_use]
    pub(super) fn is_alive(&self) -> bool {
        let Ok(mut connection) = ServerConnection::open(self.session.server) else { return false };
        connection.exchange(&mut ClientRequest::fetch("/healthz".into()), &mut |_| {}).is_ok()
    }

    fn try_once(
        &mut self,
        request: &mut ClientRequest,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Response, Failure> {
        if let Some(kept) = self.connection.take() {
            match self.exchange_on(kept, request, progress) {
                Err(Interruption::Stale(_)) => {}
                other => return other.map_err(broken),
            }
        }
        let fresh = ServerConnection::open(self.session.server).map_err(Failure::Connect)?;
        self.exchange_on(fresh, request, progress).map_err(broken)
    }

    /// The connection is kept if another request may follow on it.
    fn exchange_on(
        &mut self,
        mut connection: ServerConnection,
        request: &mut ClientRequest,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Response, Interruption> {
        let response = connection.exchange(request, progress)?;
        self.connection = response.keep_alive.then_some(connection);
        Ok(response)
    }
}

fn broken(reason: Interruption) -> Failure {
    match reason {
        Interruption::Body(error) => Failure::Body(error),
        Interruption::Stream(error) | Interruption::Stale(error) => Failure::Broken(error),
    }
}

/// From 0 to 1. Random enough to part clients that were turned away together.
fn chance() -> f64 {
    f64::from(Uuid::new_v4().as_fields().0) / f64::from(u32::MAX)
}
