//! The connection to the database: connections, and time limits.
//!
//! The writer and the reader have a [`Session`] each, with a connection that is made on demand and remade after a
//! failure. Statements are prepared once per connection. An answered step is durable. When the connection breaks
//! during a step, it is unknown whether the step was done, which [`Session::run`] returns as an error.
use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_postgres::types::{FromSql, ToSql};
use tokio_postgres::{AsyncMessage, Client, Config, Row, Statement};

use super::error::PgError;
use super::refusal::PgRefusal;
use super::tls::PgTls;
use super::uri::{self, PgAddress};
use crate::store::StoreError;
use crate::store::runtime::{self, DatabaseRuntime};

/// Time limit of one step, whatever the URI says: it may be megabytes over a slow network.
const STEP_MAX: Duration = Duration::from_secs(10);
/// Time limit of making a connection, all hosts together.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Tries of a transaction that conflicts with others.
const TRIES_MAX: u32 = 10;

/// The database, shared by all threads of a store.
pub(super) struct PgLink {
    runtime: DatabaseRuntime,
    config: Config,
    tls: PgTls,
}

/// Of plans cached while tables grow from nothing, only those along indexes stay good; none is worth compiling.
pub(super) const SETTINGS: &str = "SET enable_seqscan = off; SET enable_bitmapscan = off; SET jit = off;";

pub(super) struct Conn {
    pub(super) client: Client,
    statements: HashMap<&'static str, Statement>,
    driver: JoinHandle<()>,
}

impl Drop for Conn {
    fn drop(&mut self) {
        // A task still running would only keep the socket open.
        self.driver.abort();
    }
}

impl Conn {
    /// This statement, prepared.
    pub(super) async fn prepare(&mut self, text: &'static str) -> Result<Statement, PgError> {
        if let Some(statement) = self.statements.get(text) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(text).await?;
        self.statements.insert(text, statement.clone());
        Ok(statement)
    }

    /// Sends a statement that was [prepared](Self::prepare) before, when it is first polled; so several can be
    /// pipelined.
    pub(super) async fn query(
        &self,
        text: &'static str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, PgError> {
        Ok(self.client.query(self.prepared(text)?, values).await?)
    }

    /// The same for a statement without result rows: how many rows it has changed.
    pub(super) async fn execute(
        &self,
        text: &'static str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, PgError> {
        Ok(self.client.execute(self.prepared(text)?, values).await?)
    }

    fn prepared(&self, text: &'static str) -> Result<&Statement, PgError> {
        self.statements.get(text).ok_or(PgError::Strange)
    }
}

impl PgLink {
    /// Reads the URI; connections are made when they are needed.
    pub(super) fn open(uri: &str) -> Result<Self, PgRefusal> {
        let PgAddress { config, trust } = uri::parse(uri)?;
        let tls = PgTls::new(&trust)?;
        let runtime = runtime::build("store-postgres").map_err(PgRefusal::Runtime)?;
        Ok(Self { runtime: DatabaseRuntime::new(runtime), config, tls })
    }

    /// A connection to a server that can write and commits durably; its notifications go to `heard`.
    ///
    /// # Errors
    /// No server answers, or it refuses, or its settings are not durable.
    pub(super) async fn connect(
        &self,
        heard: Option<mpsc::UnboundedSender<String>>,
    ) -> Result<Conn, PgError> {
        match tokio::time::timeout(CONNECT_MAX, self.connect_now(heard)).await {
            Ok(conn) => conn,
            Err(_) => Err(PgError::Late),
        }
    }

    async fn connect_now(&self, heard: Option<mpsc::UnboundedSender<String>>) -> Result<Conn, PgError> {
        let (client, mut connection) = self.config.connect(self.tls.clone()).await?;
        let driver = tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
                if let (AsyncMessage::Notification(note), Some(heard)) = (message, &heard)
                    // The receiver is gone.
                    && heard.send(note.payload().to_owned()).is_err()
                {
                    break;
                }
            }
        });
        let conn = Conn { client, statements: HashMap::new(), driver };
        let settings = "SELECT current_setting('fsync'), current_setting('synchronous_commit'), current_setting('server_encoding')";
        let settings = conn.client.query_one(settings, &[]).await?;
        for (at, name) in [(0, "fsync"), (1, "synchronous_commit")] {
            if get::<String>(&settings, at)? == "off" {
                return Err(PgError::Unsafe(name));
            }
        }
        let encoding: String = get(&settings, 2)?;
        if encoding != "UTF8" {
            return Err(PgError::Encoding(encoding));
        }
        match conn.client.batch_execute(SETTINGS).await.map_err(PgError::from) {
            Err(fault) if fault.is_absence() => Err(fault),
            // Another engine may have none of these.
            _ => Ok(conn),
        }
    }

    /// Runs this in the background, until it ends or is aborted.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> Option<JoinHandle<()>> {
        self.runtime.spawn(work)
    }

    /// The server stops: everything in progress, or asked later, gets a short time limit.
    pub(super) fn brake(&self) {
        self.runtime.brake();
    }

    /// Waits until this aborted task is over.
    pub(super) fn wait_for(&self, aborted: JoinHandle<()>) {
        self.runtime.wait_for(aborted);
    }
}

/// One thread's access to the database.
pub(super) struct Session {
    pub(super) link: Arc<PgLink>,
    /// Dropped on the runtime's threads or here: it only aborts its driver.
    conn: Option<Conn>,
}

impl Session {
    pub(super) fn new(link: Arc<PgLink>) -> Self {
        Self { link, conn: None }
    }

    /// Runs this on the caller's thread, and waits for it; retries from the beginning after a conflict with another
    /// transaction.
    ///
    /// # Errors
    /// It failed; or the database was unreachable a moment ago, and it was not tried.
    pub(super) fn run<T>(
        &mut self,
        work: impl AsyncFnMut(&mut Conn) -> Result<T, PgError>,
    ) -> Result<T, StoreError> {
        self.link.runtime.absence()?;
        self.attempt(work).map_err(|fault| {
            let is_absence = fault.is_absence();
            let trouble = StoreError::from(fault);
            if is_absence {
                self.link.runtime.note_absence(trouble.clone());
            }
            trouble
        })
    }

    /// Whether the last step has left a usable connection.
    pub(super) fn is_connected(&self) -> bool {
        self.conn.is_some()
    }

    /// The same, even if the database was unreachable a moment ago.
    pub(super) fn attempt<T>(
        &mut self,
        mut work: impl AsyncFnMut(&mut Conn) -> Result<T, PgError>,
    ) -> Result<T, PgError> {
        let link = Arc::clone(&self.link);
        let mut kept = self.conn.take().filter(|conn| !conn.client.is_closed());
        let done = link.runtime.block_on(async {
            let conn = match &mut kept {
                Some(conn) => conn,
                None => kept.insert(link.connect(None).await?),
            };
            let mut tries = 0;
            loop {
                let done = tokio::time::timeout(STEP_MAX, work(conn)).await.unwrap_or(Err(PgError::Late));
                let Err(fault) = done else { return done };
                if fault.is_absence() {
                    return Err(fault);
                }
                // A failed transaction is ended before the next statement.
                conn.client.batch_execute("ROLLBACK").await?;
                tries += 1;
                if !fault.is_contention() || tries == TRIES_MAX {
                    return Err(fault);
                }
            }
        });
        let done = done.unwrap_or(Err(PgError::Late));
        // After an absence the connection is unusable, and its pending statements are dropped.
        self.conn = kept.filter(|_| !done.as_ref().is_err_and(PgError::is_absence));
        done
    }
}

pub(super) fn get<'a, T: FromSql<'a>>(
    row: &'a Row,
    column: impl tokio_postgres::row::RowIndex + std::fmt::Display,
) -> Result<T, PgError> {
    row.try_get(column).map_err(|_| PgError::Strange)
}

/// PostgreSQL counts in i64.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number of a row that is not negative.
pub(super) fn unsigned(row: &Row, column: &str) -> Result<u64, PgError> {
    u64::try_from(get::<i64>(row, column)?).map_err(|_| PgError::Strange)
}
