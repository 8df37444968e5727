//! The shell around the machines: sockets, the loop, its timers, the scaler's process. All of mio is here.
pub mod acceptor;
pub mod census;
pub mod client;
pub mod listener;
pub mod metrics;
pub mod notify;
pub mod outstanding;
pub mod pool;
pub mod probe;
pub mod recent;
pub mod relay;
pub mod runs;
pub mod server;
pub mod slab;
pub mod source;
pub mod supervisor;
pub mod tasks;
pub mod timers;
pub mod upstream;
pub mod watchers;

pub use server::Server;
