//! A folder of pictures to the server's bank: it is asked which names it lacks, and gets those.
//!
//! What is interrupted is taken up where it was left by starting it again: the bank itself says what it has, and nothing
//! is kept here. [`plan`] decides what is sent, [`listing`] reads the directory, [`uploaders`] sends, [`tally`] counts.
use std::path::Path;

use super::console::{Console, Unit};
use super::failure::Failure;
use super::request::{Body, ClientRequest, segment};
use super::session::{Conversation, Session};
use listing::Listing;
use plan::Plan;
use tally::Tally;
use uploaders::Uploaders;

mod listing;
mod plan;
mod tally;
mod uploaders;

/// Sends the pictures in the directory at `path`; false if something of it failed, which has been told.
///
/// # Errors
/// [`Failure`]: nothing was sent.
pub(super) fn run(session: &Session<'_>, path: &Path) -> Result<bool, Failure> {
    let unreadable = |error| Failure::Read(path.to_owned(), error);
    let folder = listing::folder_name(path).map_err(unreadable)?;
    let listing = listing::list(path).map_err(unreadable)?;
    let mut conversation = session.open()?;
    let plan = ask(&mut conversation, &folder, &listing.names)?;
    let console = session.console;
    console.line(format_args!(
        "Carpeta {folder}: {} imágenes, {} por enviar.",
        listing.names.len() + listing.unfit.len(),
        plan.missing.len()
    ));
    let tally = begin(console, listing, &plan.stored);
    let bar = console.begin(Unit::Pictures, plan.missing.len() as u64);
    let uploaders = Uploaders::new(session, path, &folder, &plan.missing, (bar, tally));
    let (tally, lost) = uploaders.send_all(conversation);
    if let Some(failure) = lost {
        console.complain(format_args!(
            "se perdió el servidor y quedan {} imágenes sin enviar: {failure}",
            tally.unsent
        ));
    }
    console.line(&tally);
    for line in tally.list() {
        console.notice(line);
    }
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

/// Tells what is known before anything is sent, and counts it.
fn begin(console: &Console, listing: Listing, stored: &[String]) -> Tally {
    for name in &listing.directories {
        console.notice(format_args!("directorio {name} omitido: no se entra en subdirectorios"));
    }
    for name in stored {
        console.line(format_args!("imagen {name} ya existe"));
    }
    for (name, why) in &listing.unfit {
        console.line(format_args!("imagen {name}: error: {why}"));
    }
    Tally { existing: stored.len(), failures: listing.unfit, ..Tally::default() }
}
