//! One picture to the server: its upload, which all three ways of getting the result begin with, and the plainest of them,
//! the result in the answer.
use std::path::Path;

use super::console::{Console, Unit};
use super::failure::Failure;
use super::options::Options;
use super::request::{Body, ClientRequest};
use super::response::Response;
use super::save::{Saver, check, destination};
use super::session::{Conversation, Session};

/// Sends the picture (`PUT /`), and saves what comes back.
///
/// # Errors
/// [`Failure`].
pub(super) fn run(
    session: &Session<'_>,
    options: &Options,
    path: &Path,
    saver: &Saver,
) -> Result<(), Failure> {
    check(options.output.as_deref())?;
    let mut request = upload("PUT", "/", options, path)?;
    let mut conversation = session.open()?;
    let response = send(&mut conversation, session.console, &mut request)?;
    if response.status != 200 {
        return Err(Failure::refused(&response));
    }
    keep(session.console, options, saver, &response.body)
}

/// A request with the picture at `path` as its body, and what is wished for in its query.
///
/// # Errors
/// The picture can't be read, or is empty.
pub(super) fn upload(
    method: &'static str,
    route: &str,
    options: &Options,
    path: &Path,
) -> Result<ClientRequest, Failure> {
    let body = Body::open_any(path).map_err(|error| Failure::Read(path.to_owned(), error))?;
    if body.length() == 0 {
        return Err(Failure::Empty(path.to_owned()));
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    if let Some(factor) = &options.factor {
        query.append_pair("escala", factor);
    }
    if let Some(format) = options.format {
        // An extension is a name that `formato` knows.
        query.append_pair("formato", format.extension());
    }
    let query = query.finish();
    let target = if query.is_empty() { route.to_owned() } else { format!("{route}?{query}") };
    Ok(ClientRequest { method, target, fields: Vec::new(), body })
}

/// Sends it, telling how far it has come. When tries follow each other, the steps are told once.
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

/// Saves the result where it is wished, and says so.
pub(super) fn keep(
    console: &Console,
    options: &Options,
    saver: &Saver,
    picture: &[u8],
) -> Result<(), Failure> {
    let path = destination(options.output.as_deref(), picture);
    saver.save(&path, picture)?;
    console.line(format_args!("Imagen escalada recibida y guardada como {}.", path.display()));
    Ok(())
}
