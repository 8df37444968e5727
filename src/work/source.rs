//! The owner of an event, a timer or a turn in the run queue; fits an epoll cookie.

use crate::model::key::Key;

/// What the loop gives turns to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// A worker has delivered.
    Waker,
    /// A signal has come.
    Signals,
    /// A listening socket, by number.
    Listener(u32),
    /// A client connection.
    Client(Key),
    /// A connection to the scaler.
    Upstream(Key),
    /// A run: only its deadline gives it turns.
    Run(Key),
    /// The supervisor of the scaler, and the pool's next attempt to reach it.
    Scaler,
    /// What the scaler's process says.
    ScalerLog,
    /// The tasks: only their deadlines give them turns.
    Tasks,
    /// What the loop does for itself: only its deadlines give it turns.
    Maintenance,
}
