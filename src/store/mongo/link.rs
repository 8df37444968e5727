//! The connection to the database: the driver, and time limits.
use std::future::{Future, IntoFuture};
use std::time::Duration;

use futures_util::future::join_all;
use mongodb::bson::Document;
use mongodb::error::Result as Driven;
use mongodb::options::{Acknowledgment, ClientOptions, ReadPreference, SelectionCriteria, WriteConcern};
use mongodb::{Client, Collection, Cursor, Database};

use super::error::MongoError;
use super::refusal::MongoRefusal;
use crate::store::StoreError;
use crate::store::runtime::{self, DatabaseRuntime};

/// Time limit of one step, whatever the URI says: it may be a megabyte over a slow network.
const STEP_MAX: Duration = Duration::from_secs(10);
/// Time limit of a search: not every server has an index for each.
const SEARCH_MAX: Duration = Duration::from_secs(25);
/// How long to look for a server, and to wait for its handshake, where the URI does not say.
const PATIENCE: Duration = Duration::from_secs(3);
/// Connections to each server of the database, where the URI does not say.
const CONNECTIONS: u32 = 8;

/// The database, shared by all threads of a store.
pub(super) struct MongoLink {
    runtime: DatabaseRuntime,
    pub(super) bank: Database,
}

impl MongoLink {
    /// Reads the URI; connections are made when they are needed.
    pub(super) fn open(uri: &str, name: &str) -> Result<Self, MongoRefusal> {
        let runtime = runtime::build("store-mongodb").map_err(MongoRefusal::Runtime)?;
        let bank = runtime.block_on(connect(uri)).map_err(MongoRefusal::Uri)?.database(name);
        Ok(Self { runtime: DatabaseRuntime::new(runtime), bank })
    }

    /// Runs this on the caller's thread, and waits for it.
    ///
    /// # Errors
    /// It failed; or the database did not answer a moment ago, and it was not tried.
    pub(super) fn run<T>(&self, work: impl Future<Output = Result<T, MongoError>>) -> Result<T, StoreError> {
        self.runtime.absence()?;
        self.runtime.block_on(work).unwrap_or(Err(MongoError::Late)).map_err(|fault| self.heed(fault))
    }

    /// Runs all of these at once, each independently of the others' results.
    ///
    /// # Errors
    /// The database did not answer a moment ago, and nothing was tried.
    pub(super) fn run_all<T>(
        &self,
        works: impl IntoIterator<Item = impl Future<Output = Result<T, MongoError>>>,
    ) -> Result<Vec<Result<T, StoreError>>, StoreError> {
        self.runtime.absence()?;
        let done = self.runtime.block_on(join_all(works)).ok_or_else(|| self.heed(MongoError::Late))?;
        Ok(done.into_iter().map(|result| result.map_err(|fault| self.heed(fault))).collect())
    }

    /// The server stops: everything in progress, or asked later, gets a short time limit.
    pub(super) fn brake(&self) {
        self.runtime.brake();
    }

    /// The error for the caller; notes an absence for the next requests.
    fn heed(&self, fault: MongoError) -> StoreError {
        let is_absence = fault.is_absence();
        let trouble = StoreError::from(fault);
        if is_absence {
            self.runtime.note_absence(trouble.clone());
        }
        trouble
    }
}

async fn connect(uri: &str) -> Driven<Client> {
    let mut options = ClientOptions::parse(uri).await?;
    options.app_name.get_or_insert_with(|| "tp2".into());
    options.server_selection_timeout.get_or_insert(PATIENCE);
    options.connect_timeout.get_or_insert(PATIENCE);
    options.max_pool_size.get_or_insert(CONNECTIONS);
    // An answered write survives a failover of the database.
    let concern = options.write_concern.get_or_insert_with(|| WriteConcern::builder().build());
    concern.w.get_or_insert(Acknowledgment::Majority);
    concern.journal.get_or_insert(true);
    // An answered write is seen by every later read.
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    Client::with_options(options)
}

/// One step, within its time limit.
pub(super) async fn step<T>(work: impl IntoFuture<Output = Driven<T>>) -> Result<T, MongoError> {
    within(STEP_MAX, work).await
}

async fn within<T>(time: Duration, work: impl IntoFuture<Output = Driven<T>>) -> Result<T, MongoError> {
    match tokio::time::timeout(time, work.into_future()).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(MongoError::Late),
    }
}

/// Inserts a document; false, and nothing is done, if its name, or another unique value, exists.
pub(super) async fn insert(table: &Collection<Document>, document: Document) -> Result<bool, MongoError> {
    match step(table.insert_one(document)).await {
        Ok(_) => Ok(true),
        Err(fault) if fault.is_duplicate() => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// MongoDB counts in i64.
pub(super) fn limit(max: usize) -> i64 {
    i64::try_from(max).unwrap_or(i64::MAX)
}

/// All results of a search. The caller bounds it.
pub(super) async fn all(
    search: impl IntoFuture<Output = Driven<Cursor<Document>>>,
) -> Result<Vec<Document>, MongoError> {
    let mut cursor = within(SEARCH_MAX, search).await?;
    let mut found = Vec::new();
    while within(SEARCH_MAX, cursor.advance()).await? {
        found.push(cursor.deserialize_current()?);
    }
    Ok(found)
}
