//! Sends one picture to the server. All three ways of getting the result begin with this upload; the simplest is the
//! result in the answer.
//!
//! Rules: the format of a result is what `--formato` says, else what the ending of `-o` names, else the picture's own,
//! which the server need not be told. A result is never saved over its picture. In a directory the result of a task has
//! the picture's name, so that one task does not replace the result of another.
use std::path::{Path, PathBuf};

use super::console::{Console, Unit};
use super::endings;
use super::failure::Failure;
use super::names::name_alone;
use super::options::{Mode, Options, Output};
use super::outcome::Outcome;
use super::parameters::Parameters;
use super::request::{Body, ClientRequest};
use super::response::Response;
use super::save::{FileId, Saver, check, check_input, destination, is_directory, make_directory};
use super::session::{Conversation, Session};
use crate::http::format::Format;
use crate::http::sniff::Foreign;

/// The name of standard output in errors.
const STANDARD: &str = "la salida estándar";

#[derive(Debug)]
pub(super) enum Source {
    /// A file, or another source with a path.
    Path(PathBuf),
    /// What came by standard input.
    Bytes(Vec<u8>),
}

#[derive(Debug)]
pub(super) struct Upload {
    pub(super) origin: PathBuf,
    input: Option<FileId>,
    pub(super) request: ClientRequest,
    /// Where the result is expected to go; None: it is written to standard output.
    expected: Option<PathBuf>,
    /// The name of the result in a directory, if it does not depend on the result.
    name: Option<PathBuf>,
}

/// Sends the picture (`PUT /`), and saves what comes back.
///
/// # Errors
/// [`Failure`].
pub(super) fn run(
    session: &Session<'_>,
    options: &Options,
    source: Source,
    saver: &Saver,
) -> Result<(), Failure> {
    let mut upload = Upload::new("PUT", "/", options, source)?;
    let mut conversation = session.open()?;
    let response = send(&mut conversation, session.console, &mut upload.request)?;
    if response.status != 200 {
        return Err(Failure::refused(&response));
    }
    keep(session.console, options, saver, &upload, &response)
}

/// What a file that is no supported picture by its first bytes seems to be.
pub(super) fn seems(first: &[u8]) -> String {
    match Foreign::of(first) {
        _ if first.is_empty() => "está vacía".into(),
        Some(foreign) => format!("no es una imagen que se lea: parece {}", foreign.name()),
        None => "no es una imagen que se lea".into(),
    }
}

impl Source {
    pub(super) fn name(&self) -> &Path {
        match self {
            Self::Path(path) => path,
            Self::Bytes(_) => Path::new("-"),
        }
    }
}

impl Upload {
    /// A request with the picture as its body, and what is wished for in its query.
    ///
    /// # Errors
    /// The picture can't be read, or is empty; its result could not be saved.
    pub(super) fn new(
        method: &'static str,
        route: &str,
        options: &Options,
        source: Source,
    ) -> Result<Self, Failure> {
        let origin = source.name().to_owned();
        let name = match (&source, options.mode) {
            (Source::Path(path), Mode::Task) if options.output_path().is_some_and(is_directory) => {
                name_alone(path, options.parameters.format)
            }
            _ => None,
        };
        let (input, body) = match source {
            Source::Path(path) => {
                let input = FileId::at(&path);
                check(options.output_path(), input)?;
                (input, Body::open_any(&path).map_err(|error| Failure::Read(path, error))?)
            }
            Source::Bytes(bytes) => {
                check(options.output_path(), None)?;
                (None, Body::Bytes(bytes))
            }
        };
        if body.length() == 0 {
            return Err(Failure::Empty(origin));
        }
        let own = body.first().ok().as_deref().and_then(Format::of_file);
        let file = options.output_path().filter(|output| !is_directory(output));
        let named = file.and_then(endings::format_of).filter(|named| own != Some(*named));
        let format = options.parameters.format.or(named);
        let parameters = Parameters { format, ..options.parameters.clone() };
        let expected = match &options.output {
            Some(Output::Standard) => None,
            _ => Some(destination(options.output_path(), name.as_deref(), format.or(own))),
        };
        if let Some(expected) = &expected {
            check_input(expected, input)?;
        }
        let request = ClientRequest { method, target: parameters.target(route), fields: Vec::new(), body };
        Ok(Self { origin, input, request, expected, name })
    }
}

/// Tells what would be done with the picture; sends nothing.
///
/// # Errors
/// [`Failure`]: the picture can't be read or is empty, or its result could not be saved.
pub(super) fn simulate(console: &Console, options: &Options, source: Source) -> Result<(), Failure> {
    let upload = Upload::new("PUT", "/", options, source)?;
    let shown = upload.expected.as_deref().map_or(STANDARD.into(), Path::to_string_lossy);
    let origin = upload.origin.display();
    let line = match options.mode {
        Mode::Link => format!("imagen {origin} se enviaría, y su enlace se mostraría"),
        Mode::Picture | Mode::Task => format!("imagen {origin} se guardaría como {shown}"),
    };
    let destination = upload.expected.as_ref().map(|path| path.to_string_lossy().into_owned());
    let destination = destination.filter(|_| options.mode != Mode::Link);
    let planned = Outcome::new("por hacer", &upload.origin, line);
    console.outcome(&Outcome { destination, is_new: true, ..planned });
    Ok(())
}

/// Sends it, and shows the progress. The steps are reported once, even if it is sent again.
pub(super) fn send(
    conversation: &mut Conversation<'_>,
    console: &Console,
    request: &mut ClientRequest,
) -> Result<Response, Failure> {
    let length = request.body.length();
    console.line(format_args!("Enviando imagen de tamaño {length} bytes..."));
    let mut sending = Some(console.begin(Unit::Bytes, length));
    let mut waiting = None;
    conversation.ask(request, &mut |sent| {
        if let Some(bar) = &sending {
            bar.set(sent);
        }
        if sent == length && sending.take().is_some() {
            console.line("Imagen enviada, esperando respuesta del servidor...");
            waiting = Some(console.begin(Unit::Waiting, 0));
        }
    })
}

/// Saves the result where it is wished, in a directory that is made when needed, and reports it.
pub(super) fn keep(
    console: &Console,
    options: &Options,
    saver: &Saver,
    upload: &Upload,
    response: &Response,
) -> Result<(), Failure> {
    let picture = &response.body;
    if upload.expected.is_none() {
        return console.picture(picture).map_err(|error| Failure::Write(STANDARD.into(), error));
    }
    let path = destination(options.output_path(), upload.name.as_deref(), Format::of_file(picture));
    check_input(&path, upload.input)?;
    make_directory(options.output_path())?;
    saver.save(&path, picture)?;
    let line = format_args!("Imagen escalada recibida y guardada como {}.", path.display());
    console.outcome(&saved(Outcome::new(SAVED, &upload.origin, line), &path, response));
    Ok(())
}

/// The word for a picture whose result is on the disk.
pub(super) const SAVED: &str = "guardada";

/// The same outcome with the facts about its result.
pub(super) fn saved(outcome: Outcome, path: &Path, response: &Response) -> Outcome {
    let side = |name| response.field(name)?.parse().ok();
    Outcome {
        destination: Some(path.to_string_lossy().into_owned()),
        is_new: true,
        bytes: Some(response.body.len() as u64),
        sides: side("x-ancho").zip(side("x-alto")),
        ..outcome
    }
}
