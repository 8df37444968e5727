//! One picture, and a link to its result, which stays with the server (`POST /enlaces`).
//!
//! A request that is sent again, because its answer was lost, may leave a second file there, which is harmless: the link
//! that is told works.
use std::path::Path;

use super::failure::Failure;
use super::options::Options;
use super::picture::{send, upload};
use super::session::Session;

/// Sends the picture, and tells the server's line and the link alone.
///
/// # Errors
/// [`Failure`].
pub(super) fn run(session: &Session<'_>, options: &Options, path: &Path) -> Result<(), Failure> {
    let mut request = upload("POST", "/enlaces", options, path)?;
    let mut conversation = session.open()?;
    let response = send(&mut conversation, session.console, &mut request)?;
    if response.status != 201 {
        return Err(Failure::refused(&response));
    }
    let link = response.field("location").ok_or(Failure::Senseless("el enlace"))?;
    session.console.line(String::from_utf8_lossy(&response.body).trim());
    session.console.line(link);
    Ok(())
}
