//! tp2.
pub mod exchange;
pub mod proto;
