//! The two state machines, and the data that moves between them, the workers and the scaler.
pub mod job;
