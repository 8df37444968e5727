//! tp2: an image service on raw sockets. A picture in, the gray, scaled picture out.
//!
//! Layers, lowest first; a module uses only what is below it, and `scripts/check-layers` checks that:
//!
//! ```text
//! host, health, page < http < model < conn < pixels, store < work, files < workers < net < config < own_scaler < main
//!                     log beside conn, client beside model, key_file beside model
//! ```
//!
//! - [`http`]: the wire; bytes in, values out.
//! - [`model`]: the shared types: work, errors, admission, what is asked of the store.
//! - [`conn`]: the conversation with one client. [`work`]: what becomes of its picture, whose turn it is, tasks.
//! - [`pixels`]: pictures. [`store`]: what survives. [`files`]: `-d`, and the folder of links. [`workers`]: the
//!   threads.
//! - [`net`]: the shell: sockets, the loop, the scaler's process. [`config`]: the options.
//! - [`page`]: the files of the page. [`client`]: `tp2-cliente`.
//!
//! `http`, `model`, `conn` and `work` are pure: bytes and time come in as arguments. Sockets, files, clocks and threads
//! live in `net`, `workers`, `files`, `store`, `log`, `host`, `health`, `key_file` and `client`. The `scaler` crate is
//! the second server; shared with it are `scaler::raster` and `scaler::wire` (pure), `scaler::words` and
//! `scaler::usage` (texts of both programs), and `scaler::sys` (the system calls of both processes).
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod client;
pub mod config;
pub mod conn;
pub mod files;
pub mod health;
pub mod host;
pub mod http;
pub mod key_file;
pub mod log;
pub mod model;
pub mod net;
pub mod own_scaler;
pub mod page;
pub mod pixels;
pub mod store;
pub mod work;
pub mod workers;
