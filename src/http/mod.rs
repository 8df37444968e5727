//! The wire formats: bytes in, values out. Pure: std, bytes, httparse, memchr, percent-encoding, uuid.
//!
//! Nothing here knows a socket, a file, a clock or a thread. Every parser takes bytes as they arrive, keeps what it
//! must, says `None` or `NeedMore` when it wants more, and gives the same result however the bytes were cut. All input
//! is hostile: limits come before allocation, and an error is a value that names its HTTP status.
//!
//! Reading order: [`buf`], [`head`], [`body`], then the upload: [`param`], [`multipart`], [`form`]; pictures without
//! HTTP: [`mod@format`], [`image_end`]. The answer to a request: [`route`], [`path`], [`accept`], [`prefer`],
//! [`conditional`], [`range`], [`reply`]; access: [`access`], [`forwarded`]; the limit that an error names: [`limit`].
pub mod accept;
pub mod access;
pub mod body;
pub mod buf;
pub mod conditional;
pub mod field;
pub mod form;
pub mod format;
pub mod forwarded;
pub mod head;
pub mod image_end;
pub mod limit;
pub mod multipart;
pub mod param;
pub mod path;
pub mod prefer;
pub mod range;
pub mod reply;
pub mod route;
pub mod sniff;
