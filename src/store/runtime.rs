//! What the stores over a network share: the runtime of their driver, which ends in time when the server stops, and the
//! memory of a database that could not be reached a moment ago.
//!
//! Rules: one worker thread a store; the threads of the store wait for it. After [`DatabaseRuntime::brake`] what is in
//! progress, or asked later, has [`LAST`] left. After an absence all requests are refused for [`ABSENCE`] without
//! another try, so that a queue of them does not wait for a database that is away, one after another.
use std::future::Future;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
#[cfg(feature = "postgres")]
use tokio::task::JoinHandle;

use super::StoreError;

/// Time limit of each remaining request once the server stops.
const LAST: Duration = Duration::from_secs(5);
/// After the database was unreachable, all requests are refused for so long without another try.
const ABSENCE: Duration = Duration::from_millis(500);

/// The runtime of one store's driver, shared by all threads of the store.
pub(super) struct DatabaseRuntime {
    /// None only during drop.
    runtime: Option<Runtime>,
    braked: watch::Sender<bool>,
    /// Since when the database does not answer, and the error then.
    away: Mutex<Option<(Instant, StoreError)>>,
}

/// A runtime with one thread of this name.
///
/// # Errors
/// The system gives no thread.
pub(super) fn build(thread: &str) -> io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(1).thread_name(thread).enable_all().build()
}

impl DatabaseRuntime {
    pub(super) fn new(runtime: Runtime) -> Self {
        let (braked, _) = watch::channel(false);
        Self { runtime: Some(runtime), braked, away: Mutex::default() }
    }

    /// Runs this on the caller's thread, and waits for it. None: the server stops, and the time was over.
    pub(super) fn block_on<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut braked = self.braked.subscribe();
        let end = async {
            // Never an error: the sender lives as long as this.
            let _ = braked.wait_for(|braked| *braked).await;
            tokio::time::sleep(LAST).await;
        };
        self.runtime.as_ref()?.block_on(async {
            tokio::select! {
                biased;
                done = work => Some(done),
                () = end => None,
            }
        })
    }

    /// The server stops: everything in progress, or asked later, gets a short time limit.
    pub(super) fn brake(&self) {
        self.braked.send_replace(true);
    }

    /// # Errors
    /// The last error, if the database was unreachable a moment ago.
    pub(super) fn absence(&self) -> Result<(), StoreError> {
        match &*self.away() {
            Some((since, trouble)) if since.elapsed() < ABSENCE => Err(trouble.clone()),
            _ => Ok(()),
        }
    }

    /// Notes that the database was unreachable now, with this error.
    pub(super) fn note_absence(&self, trouble: StoreError) {
        *self.away() = Some((Instant::now(), trouble));
    }

    fn away(&self) -> MutexGuard<'_, Option<(Instant, StoreError)>> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(feature = "postgres")]
impl DatabaseRuntime {
    /// Runs this in the background, until it ends or is aborted.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> Option<JoinHandle<()>> {
        self.runtime.as_ref().map(|runtime| runtime.spawn(work))
    }

    /// Waits until this aborted task is over.
    pub(super) fn wait_for(&self, aborted: JoinHandle<()>) {
        if let Some(runtime) = &self.runtime {
            let _ = runtime.block_on(aborted);
        }
    }
}

impl Drop for DatabaseRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A task stuck in the runtime does not delay the end.
            runtime.shutdown_background();
        }
    }
}
