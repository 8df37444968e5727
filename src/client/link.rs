//! One picture, and a link to its result, which stays with the server (`POST /enlaces`).
//!
//! A request that is sent again after a lost answer may leave a second file there; the reported link works.
use super::failure::Failure;
use super::options::Options;
use super::outcome::Outcome;
use super::picture::{Source, Upload, send};
use super::session::Session;

/// Sends the picture, and tells the server's line and the link alone.
///
/// # Errors
/// [`Failure`].
pub(super) fn run(session: &Session<'_>, options: &Options, source: Source) -> Result<(), Failure> {
    let mut upload = Upload::new("POST", "/enlaces", options, source)?;
    let mut conversation = session.open()?;
    let response = send(&mut conversation, session.console, &mut upload.request)?;
    if response.status != 201 {
        return Err(Failure::refused(&response));
    }
    let link = response.field("location").ok_or(Failure::Senseless("el enlace"))?;
    session.console.line(String::from_utf8_lossy(&response.body).trim());
    let outcome = Outcome::new("enlazada", &upload.origin, link);
    session.console.outcome(&Outcome { destination: Some(link.to_owned()), is_new: true, ..outcome });
    Ok(())
}
