//! What a server does for the fleet without being asked: shows that it lives, and takes over what dead ones have left.
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use mongodb::Collection;
use mongodb::bson::{DateTime, Document, doc};
use uuid::Uuid;

use super::end::recover;
use super::error::MongoError;
use super::kept::KeptDocument;
use super::lease::Sightings;
use super::link::{Tables, all, put, remove};
use super::queue::{QueuePlace, give_back};

/// This server, as the others see it, and what it has in work.
#[derive(Debug)]
pub(super) struct OwnServer {
    pub(super) name: String,
    number: AtomicI64,
    turns: Mutex<HashMap<Uuid, QueuePlace>>,
}

impl OwnServer {
    pub(super) fn new() -> Self {
        Self { name: Uuid::new_v4().to_string(), number: AtomicI64::new(0), turns: Mutex::default() }
    }

    /// The tasks it has in work, or is about to.
    pub(super) fn turns(&self) -> MutexGuard<'_, HashMap<Uuid, QueuePlace>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows that it lives.
    pub(super) async fn beat(&self, servers: &Collection<Document>) -> Result<(), MongoError> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        // The time is for people; nobody's clock but the observer's decides.
        let document = doc! { "_id": &self.name, "latido": number, "visto": DateTime::now() };
        put(servers, &self.name, document).await
    }
}

/// Shows for ever that it lives, over a connection that nothing else uses.
pub(super) async fn beat(servers: Collection<Document>, server: Arc<OwnServer>, beat: Duration) {
    loop {
        tokio::time::sleep(beat).await;
        // What fails now is done the next time; whoever asks something of the database learns that it is away.
        let _ = server.beat(&servers).await;
    }
}

/// Looks after the others for ever.
pub(super) async fn run(tables: Tables, server: Arc<OwnServer>, mut sightings: Sightings, beat: Duration) {
    loop {
        tokio::time::sleep(beat).await;
        let _ = watch(&tables, &server, &mut sightings, SystemTime::now()).await;
    }
}

/// Looks who is dead, and lets others work on what those had in work.
pub(super) async fn watch(
    tables: &Tables,
    server: &OwnServer,
    sightings: &mut Sightings,
    at: SystemTime,
) -> Result<(), MongoError> {
    let mut numbers: HashMap<String, Option<i64>> = HashMap::new();
    for document in all(tables.servers.find(doc! {})).await? {
        let kept = KeptDocument(&document);
        if let Ok(name) = kept.text("_id") {
            numbers.insert(name.to_owned(), kept.number("latido").ok());
        }
    }
    let mut taken = Vec::new();
    for document in all(tables.turns.find(doc! {})).await? {
        // What can't be read is of a later version: its servers see to it.
        if let Ok((turn, holder)) = QueuePlace::of_taken(&document) {
            numbers.entry(holder.clone()).or_default();
            taken.push((turn, holder));
        }
    }
    numbers.remove(&server.name);
    let dead = sightings.look(numbers, Instant::now());
    let began_at = Instant::now();
    let mut left = HashSet::new();
    for (turn, holder) in taken {
        let done = if dead.contains(&holder) && began_at.elapsed() < PASS_MAX {
            recover(tables, &server.name, &turn, holder.clone(), at).await
        } else if holder == server.name && !server.turns().contains_key(&turn.id) {
            // Of a claim whose answer was lost.
            give_back(tables, &turn, at, false).await
        } else {
            left.insert(holder);
            continue;
        };
        match done {
            Ok(()) => {}
            Err(fault) if fault.is_absence() => return Err(fault),
            // What is wrong with one holds up no other.
            Err(_) => {
                left.insert(holder);
            }
        }
    }
    forget(tables, dead.difference(&left)).await
}

/// After so long the next look is due: who can't look is not sure of anybody.
const PASS_MAX: Duration = Duration::from_secs(4);

/// Those of whom nothing is left any more.
async fn forget(tables: &Tables, dead: impl Iterator<Item = &String>) -> Result<(), MongoError> {
    for server in dead {
        remove(&tables.servers, server).await?;
    }
    Ok(())
}
