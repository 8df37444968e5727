//! The client: one picture to the server, its gray, scaled version back. Blocking sockets, one conversation.
//!
//! What travels is a plain HTTP/1.1 upload (`PUT /`, the picture as the body), so that anything said here can be said
//! with curl as well. An answer is believed only if it is whole: a connection that ends early is an error, and the
//! file is written under another name and renamed, so a name never holds half a picture.
mod options;
mod response;
mod send;

pub use options::{Command, Options, USAGE, parse};
pub use response::{Response, read_response};
pub use send::{Progress, SendError, send};
