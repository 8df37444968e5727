//! The work: what becomes of a picture once its request is complete. Pure: time and results come in as arguments, jobs
//! and effects go out.
//!
//! A [`pipeline`] is one picture on its way from step to step; the [`scheduler`] says whose turn it is. [`tasks`] are
//! accepted for good and taken up from the store; [`waiters`] wait for their end, [`recent`] remembers work that was no
//! task, [`counts`] counts tasks by state. The [`self_test`] sends a picture of the server's own through everything.
//! [`timers`] and [`slab`] hold deadlines and owners, [`source`] says whose.
pub mod counts;
pub mod pipeline;
pub mod recent;
pub mod scheduler;
pub mod self_test;
pub mod slab;
pub mod source;
pub mod tasks;
pub mod timers;
pub mod waiters;
