//! The I/O around the state machines: sockets, the loop, its timers, the scaler's process. All uses of mio are here.
pub mod acceptor;
pub mod client;
pub mod crowd;
pub mod listener;
pub mod metrics;
pub mod notify;
pub mod outstanding;
pub mod pool;
pub mod relay;
pub mod server;
pub mod supervisor;
mod token;
pub mod upstream;

pub use server::Server;
