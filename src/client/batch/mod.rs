//! Sends many pictures to the server and saves their results below one folder: the same tree, the same names.
//!
//! Rules: existing results are not made again, so an interrupted run is resumed by starting it again. Every result is
//! written to a temporary file and renamed; no input picture is ever written to. A picture that fails has its own line
//! and the run goes on; files that are no pictures are skipped. [`walk`] finds pictures, [`names`] names their results,
//! the pool sends, [`tally`] counts.
//!
//! Refuses to do: compare times or contents. An existing result may be of a picture that has changed since, or of other
//! parameters; `--de-nuevo` makes it again.
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use scaler::words::InWords;

use super::console::{Console, Unit};
use super::failure::Failure;
use super::names::{self, Name};
use super::options::{BadUsage, Options};
use super::outcome::Outcome;
use super::picture::{SAVED, saved};
use super::pool::{Carrier, ItemError, Pool, PoolEnd};
use super::request::{Body, ClientRequest};
use super::save::{FileId, Saver, tidy};
use super::session::{Conversation, Session};
use tally::Tally;
use walk::{Found, Kind, Walk};

mod tally;
mod walk;

/// A picture to be sent, and where its result goes.
#[derive(Debug)]
struct Work {
    source: PathBuf,
    destination: PathBuf,
}

/// Refuses folders whose results would lie among their pictures.
///
/// # Errors
/// [`BadUsage`].
pub(super) fn check(output: &Path, roots: &[PathBuf]) -> Result<(), BadUsage> {
    let results = FileId::at(output);
    match roots.iter().find(|root| results.is_some() && root.is_dir() && FileId::at(root) == results) {
        Some(root) => Err(BadUsage(format!(
            "--salida es la misma carpeta que la de las imágenes, que no se reemplazan: «{}»",
            root.display()
        ))),
        None => Ok(()),
    }
}

/// Sends what is below `roots`, and saves the results below `output`; false if some of it failed and was reported.
///
/// # Errors
/// [`Failure`]: nothing was sent.
pub(super) fn run(
    session: &Session<'_>,
    options: &Options,
    output: &Path,
    roots: &[PathBuf],
    saver: &Saver,
) -> Result<bool, Failure> {
    if fs::metadata(output).is_ok_and(|found| !found.is_dir()) {
        return Err(Failure::Write(output.to_owned(), ErrorKind::NotADirectory.into()));
    }
    let found = walk::walk(roots, Walk { recursive: options.recursive, output: FileId::at(output) });
    let console = session.console;
    let tally = Mutex::new(Tally { is_simulated: options.simulate, ..Tally::default() });
    let teller = Teller { console, tally };
    let work = teller.sort(options, output, found);
    if !options.simulate && !work.is_empty() {
        send(session, options, output, &teller, &work, saver)?;
    }
    let tally = teller.tally();
    console.summary(&*tally);
    console.failures(&tally.list());
    Ok(tally.errors() == 0)
}

fn send(
    session: &Session<'_>,
    options: &Options,
    output: &Path,
    teller: &Teller<'_>,
    work: &[Work],
    saver: &Saver,
) -> Result<(), Failure> {
    let conversation = session.open()?;
    // Before anything is sent: where it can't be made, no result could be saved.
    fs::create_dir_all(output).map_err(|error| Failure::Write(output.to_owned(), error))?;
    let bar = session.console.begin(Unit::Pictures, work.len() as u64);
    let target = options.parameters.target("/");
    let sender = Sender { teller, target, saver, total: work.len(), again: options.again };
    sender.bid_farewell(&teller.tally());
    let PoolEnd { unsent, lost } = Pool::new(session, work, bar).send_all(&sender, conversation);
    for work in &unsent {
        let why = match lost.as_ref().map(Failure::root) {
            Some(Failure::Refused { .. }) => "no se envió: el servidor no las admite",
            Some(Failure::Write(..)) => "no se envió: los resultados no se pueden guardar",
            _ => "no se envió: se perdió el servidor",
        };
        teller.console.outcome(&Outcome {
            line: format!("imagen {} sin enviar", work.source.display()),
            ..Outcome::failed(&work.source, why)
        });
    }
    teller.tally().unsent = unsent.len();
    if let Some(failure) = lost {
        let count = unsent.len();
        let again = if options.again { " sin --de-nuevo" } else { "" };
        let next = failure.repeat().map(|repeat| format!("; para seguir, {repeat}{again}"));
        let next = next.unwrap_or_default();
        session
            .console
            .complain(format_args!("se interrumpió y quedan {count} imágenes sin enviar{next}: {failure}"));
    }
    Ok(())
}

/// Reports what becomes of each picture, and counts it.
struct Teller<'a> {
    console: &'a Console,
    tally: Mutex<Tally>,
}

impl Teller<'_> {
    /// Returns the pictures to be sent, and reports the others. Removes old temporary files where results belong.
    fn sort(&self, options: &Options, output: &Path, found: Vec<Found>) -> Vec<Work> {
        let (mut pictures, mut seen) = (Vec::new(), HashSet::new());
        for Found { source, relative, kind } in found {
            match kind {
                // What is named twice is sent once.
                Kind::Picture(id) if seen.insert((id, relative.clone())) => {
                    pictures.push((source, relative, id));
                }
                Kind::Picture(_) => {}
                Kind::Other(why) => self.skip(&source, &why),
                Kind::Unreadable(why) => self.fail(&source, why),
                Kind::Directory(why) => {
                    self.console.notice(format_args!("directorio {} omitido: {why}", source.display()));
                }
            }
        }
        let inputs: HashMap<FileId, usize> =
            pictures.iter().enumerate().map(|(index, (_, _, id))| (*id, index)).collect();
        let paths: Vec<names::Paths<'_>> =
            pictures.iter().map(|(source, relative, _)| (relative.as_path(), source.as_path())).collect();
        let names = names::names(&paths, options.parameters.format);
        let mut work = Vec::new();
        let mut directories = BTreeSet::new();
        for ((source, _, id), name) in pictures.iter().zip(names) {
            let destination = match name {
                Name::Own(name) => output.join(name),
                Name::Taken(index) => {
                    let (other, _, same) = &pictures[index];
                    if same != id {
                        let why = "su resultado se llamaría como el de";
                        self.fail(source, format!("{why} {}: envíelas por separado", other.display()));
                    }
                    continue;
                }
            };
            directories.extend(destination.parent().map(Path::to_owned));
            match fs::metadata(&destination) {
                Ok(there) => match inputs.get(&FileId::of(&there)).and_then(|&index| pictures.get(index)) {
                    Some((input, ..)) => {
                        let why = "el resultado reemplazaría una imagen de entrada";
                        self.fail(source, format!("{why}, {}", input.display()));
                    }
                    None if there.is_dir() => {
                        self.fail(source, format!("{} es un directorio", destination.display()));
                    }
                    None if options.again => work.push(Work { source: source.clone(), destination }),
                    None => self.pass(source, &destination, there.len()),
                },
                Err(_) => work.push(Work { source: source.clone(), destination }),
            }
        }
        if options.simulate {
            work.iter().for_each(|work| self.plan(work));
        } else {
            directories.iter().for_each(|directory| tidy(directory));
        }
        work
    }

    fn skip(&self, source: &Path, why: &str) {
        self.tally().skipped += 1;
        let line = format_args!("{} omitida: {why}", source.display());
        self.console.outcome(&Outcome::new("omitida", source, line));
    }

    fn pass(&self, source: &Path, destination: &Path, bytes: u64) {
        self.tally().existing += 1;
        let outcome =
            Outcome::new("ya existe", source, format_args!("imagen {} ya existe", destination.display()));
        let destination = Some(destination.to_string_lossy().into_owned());
        self.console.outcome(&Outcome { destination, bytes: Some(bytes), ..outcome });
    }

    fn plan(&self, Work { source, destination }: &Work) {
        self.tally().saved += 1;
        let line = format_args!("imagen {} se guardaría como {}", source.display(), destination.display());
        let outcome = Outcome::new("por hacer", source, line);
        let destination = Some(destination.to_string_lossy().into_owned());
        self.console.outcome(&Outcome { destination, is_new: true, ..outcome });
    }

    fn fail(&self, source: &Path, why: String) {
        self.console.outcome(&Outcome::failed(source, &why));
        self.tally().failures.push((source.to_string_lossy().into_owned(), why));
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Sender<'a> {
    teller: &'a Teller<'a>,
    target: String,
    saver: &'a Saver,
    /// Pictures to be sent.
    total: usize,
    again: bool,
}

impl Sender<'_> {
    fn bid_farewell(&self, tally: &Tally) {
        let next = if self.again { "repita la orden sin --de-nuevo" } else { "repita la misma orden" };
        self.saver.set_farewell(format!(
            "Interrumpido: {} de {} imágenes guardadas. Para seguir, {next}: lo que ya está no se envía otra vez.",
            tally.saved, self.total
        ));
    }
}

impl Carrier<Work> for Sender<'_> {
    fn send(&self, conversation: &mut Conversation<'_>, work: &Work) -> Result<(), ItemError> {
        let Work { source, destination } = work;
        let body = Body::open(source)
            .map_err(|error| ItemError::Own(format!("no se puede leer: {}", InWords(&error))))?;
        if body.length() == 0 {
            return Err(ItemError::Own("el archivo está vacío".into()));
        }
        let target = self.target.clone();
        let mut request = ClientRequest { method: "PUT", target, fields: Vec::new(), body };
        let response = conversation.ask(&mut request, &mut |_| {}).map_err(ItemError::Asked)?;
        if response.status != 200 {
            return Err(ItemError::Asked(Failure::refused(&response)));
        }
        if let Some(parent) = destination.parent() {
            fs::create_dir_all(parent)
                .map_err(|error| ItemError::Asked(Failure::Write(parent.to_owned(), error)))?;
        }
        self.saver.save(destination, &response.body).map_err(ItemError::Asked)?;
        let mut tally = self.teller.tally();
        tally.saved += 1;
        self.bid_farewell(&tally);
        drop(tally);
        let line = format_args!("imagen {} guardada como {}", source.display(), destination.display());
        self.teller.console.outcome(&saved(Outcome::new(SAVED, source, line), destination, &response));
        Ok(())
    }

    fn fail(&self, work: &Work, why: String) {
        self.teller.fail(&work.source, why);
    }
}
