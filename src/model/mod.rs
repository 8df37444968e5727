//! The types that all layers share: what a piece of work is, what can come of it, and what is counted. Plain data and
//! arithmetic, pure: no socket, no file, no clock, no thread.
//!
//! Of `http` it uses values alone (the format of a picture, the conditions of a request, the limits of a head).
//!
//! A [`work_request`] says what is to be done with a picture, a [`job`] is one step of it, [`error`] is every way it
//! can fail. [`transform`] is what happens to the pixels, [`image`] what is known of a picture before that. A picture
//! can become a [`picture`], [`links`] (in the [`links_folder`]) or a [`face`], and may come from a [`file`](mod@file).
//! [`task`] is work that was accepted for good, [`store`] what is asked of the store. [`admission`] counts places and
//! bytes, [`server_state`] is shared by all connections, [`log_event`] is what the log records; [`key`] names owners,
//! [`now`] is one reading of the clocks.
pub mod admission;
pub mod error;
pub mod face;
pub mod file;
pub mod image;
pub mod job;
pub mod key;
pub mod links;
pub mod links_folder;
pub mod log_event;
pub mod now;
pub mod picture;
pub mod server_state;
pub mod store;
pub mod task;
pub mod transform;
pub mod work_request;
