//! tp2: an image service on raw sockets. A picture in, the gray, scaled picture out.
//!
//! Layers, lowest first; a module uses only what is below it:
//!
//! ```text
//! key, host, page < http < exchange, client < pixels, log, store < files < workers < net < config < own_scaler < main
//! ```
//!
//! `http` and `conn` are pure: bytes and time come in as arguments. Sockets, files, clocks and threads live in
//! `net`, `workers`, `files`, `store`, `log`, `host` and `client`. The `scaler` crate is the second server; shared
//! with it are `scaler::raster` and `scaler::wire` (pure), `scaler::words` and `scaler::usage` (what both tell people), and
//! `scaler::sys` (the system calls of both processes).
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod client;
pub mod config;
pub mod conn;
pub mod files;
pub mod host;
pub mod http;
pub mod log;
pub mod model;
pub mod net;
pub mod own_scaler;
pub mod page;
pub mod pixels;
pub mod store;
pub mod work;
pub mod workers;
