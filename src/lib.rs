//! tp2.
pub mod exchange;
pub mod pixels;
pub mod proto;
