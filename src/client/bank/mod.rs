//! Sends a folder of pictures to the server's bank: asks which names it lacks, and sends those.
//!
//! An interrupted run is resumed by starting it again: the bank says what it has, and the client keeps nothing.
//! [`plan`] decides what is sent, [`listing`] reads the directory, the pool sends, [`tally`] counts.
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use scaler::words::InWords;

use super::console::{Console, Unit};
use super::failure::Failure;
use super::outcome::Outcome;
use super::pool::{Carrier, ItemError, Pool, PoolEnd};
use super::request::{Body, ClientRequest, segment};
use super::save::Saver;
use super::session::{Conversation, Session};
use listing::Listing;
use plan::Plan;
use tally::Tally;

mod listing;
mod plan;
mod tally;

/// Columns and rows of a face.
const FACE: (u64, u64) = (80, 90);

/// Sends the pictures in the directory at `path`; false if some of it failed, which has been reported.
///
/// # Errors
/// [`Failure`]: nothing was sent.
pub(super) fn run(session: &Session<'_>, path: &Path, saver: &Saver) -> Result<bool, Failure> {
    let unreadable = |error| Failure::Read(path.to_owned(), error);
    let folder = listing::folder_name(path).map_err(unreadable)?;
    let listing = listing::list(path).map_err(unreadable)?;
    let mut conversation = session.open()?;
    let console = session.console;
    let plan = match ask(&mut conversation, &folder, &listing.names) {
        Ok(plan) => plan,
        Err(failure) => match (failure.root(), failure.repeat()) {
            (Failure::Refused { .. }, Some(repeat)) => {
                console.complain(format_args!("no se envió nada; para seguir, {repeat}: {failure}"));
                session.pause.give_up();
                return Ok(false);
            }
            _ => return Err(failure),
        },
    };
    console.line(format_args!(
        "Carpeta {folder}: {} imágenes, {} por enviar.",
        listing.names.len() + listing.unfit.len(),
        plan.missing.len()
    ));
    let teller = Teller { console, directory: path, folder: &folder };
    let tally = teller.begin(listing, &plan.stored);
    let bar = console.begin(Unit::Pictures, plan.missing.len() as u64);
    let route = format!("/carpetas/{}", segment(&folder));
    let total = plan.missing.len();
    let uploader = Uploader { teller, route, saver, total, tally: Mutex::new(tally) };
    uploader.bid_farewell(&uploader.tally());
    let PoolEnd { unsent, lost } = Pool::new(session, &plan.missing, bar).send_all(&uploader, conversation);
    let mut tally = uploader.tally();
    tally.unsent = unsent.len();
    if let Some(failure) = lost {
        let count = tally.unsent;
        let (what, next) = match (failure.root(), failure.repeat()) {
            (Failure::Refused { .. }, Some(repeat)) => ("se interrumpió", format!("; para seguir, {repeat}")),
            (Failure::Refused { .. }, None) => ("se interrumpió", String::new()),
            _ => ("se perdió el servidor", String::new()),
        };
        console.complain(format_args!("{what} y quedan {count} imágenes sin enviar{next}: {failure}"));
    }
    console.summary(&*tally);
    console.failures(&tally.list());
    Ok(tally.errors() == 0)
}

/// What of these names the server lacks.
fn ask(conversation: &mut Conversation<'_>, folder: &str, names: &[String]) -> Result<Plan, Failure> {
    let mut plan = Plan::default();
    for batch in plan::batches(names) {
        let mut request = ClientRequest {
            method: "POST",
            target: format!("/carpetas/{}/faltantes", segment(folder)),
            fields: vec![("Content-Type", "application/json".into())],
            body: Body::Bytes(plan::question(batch)),
        };
        let response = conversation.ask(&mut request, &mut |_| {})?;
        if response.status != 200 {
            return Err(Failure::refused(&response));
        }
        if !response.json().is_some_and(|answer| plan.add(batch, &answer)) {
            return Err(Failure::Senseless("los nombres que faltan"));
        }
    }
    Ok(plan)
}

/// Reports what becomes of each name.
struct Teller<'a> {
    console: &'a Console,
    directory: &'a Path,
    folder: &'a str,
}

impl Teller<'_> {
    /// Reports what is known before anything is sent, and counts it.
    fn begin(&self, listing: Listing, stored: &[String]) -> Tally {
        for name in &listing.directories {
            self.console.notice(format_args!("directorio {name} omitido: no se entra en subdirectorios"));
        }
        for (name, why) in &listing.others {
            let line = format_args!("{name} omitida: {why}");
            self.console.outcome(&Outcome::new("omitida", &self.directory.join(name), line));
        }
        for name in stored {
            self.tell(name, "ya existe", false);
        }
        for (name, why) in &listing.unfit {
            self.fail(name, why);
        }
        Tally {
            existing: stored.len(),
            skipped: listing.others.len(),
            failures: listing.unfit,
            ..Tally::default()
        }
    }

    /// It is with the server.
    fn tell(&self, name: &str, word: &'static str, is_new: bool) {
        let outcome = Outcome::new(word, &self.directory.join(name), format_args!("imagen {name} {word}"));
        let destination = Some(format!("{}/{name}", self.folder));
        self.console.outcome(&Outcome { destination, is_new, sides: Some(FACE), ..outcome });
    }

    fn fail(&self, name: &str, why: &str) {
        let failed = Outcome::failed(&self.directory.join(name), why);
        self.console.outcome(&Outcome { line: format!("imagen {name}: error: {why}"), ..failed });
    }
}

struct Uploader<'a> {
    teller: Teller<'a>,
    /// Path of the folder at the server, encoded.
    route: String,
    saver: &'a Saver,
    /// Names to be sent.
    total: usize,
    tally: Mutex<Tally>,
}

impl Uploader<'_> {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bid_farewell(&self, tally: &Tally) {
        self.saver.set_farewell(format!(
            "Interrumpido: {} de {} imágenes insertadas. Para seguir, repita la misma orden: se envían solo las que faltan.",
            tally.inserted, self.total
        ));
    }
}

impl Carrier<String> for Uploader<'_> {
    fn send(&self, conversation: &mut Conversation<'_>, name: &String) -> Result<(), ItemError> {
        let body = Body::open(&self.teller.directory.join(name))
            .map_err(|error| ItemError::Own(format!("no se puede leer: {}", InWords(&error))))?;
        if body.length() == 0 {
            return Err(ItemError::Own("el archivo está vacío".into()));
        }
        let target = format!("{}/{}", self.route, segment(name));
        let mut request = ClientRequest { method: "PUT", target, fields: Vec::new(), body };
        let response = conversation.ask(&mut request, &mut |_| {}).map_err(ItemError::Asked)?;
        let mut tally = self.tally();
        let (count, word) = match response.status {
            201 => (&mut tally.inserted, "insertada"),
            200 => (&mut tally.existing, "ya existe"),
            _ => return Err(ItemError::Asked(Failure::refused(&response))),
        };
        *count += 1;
        self.bid_farewell(&tally);
        drop(tally);
        self.teller.tell(name, word, response.status == 201);
        Ok(())
    }

    fn fail(&self, name: &String, why: String) {
        self.teller.fail(name, &why);
        self.tally().failures.push((name.clone(), why));
    }
}
