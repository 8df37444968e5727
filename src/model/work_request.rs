//! What is to be done, for whom, and where the picture comes from: what a request hands over once it is complete.
use std::time::Duration;

use uuid::Uuid;

use super::admission::Lease;
use super::file::Wanted;
use super::job::Product;
use super::links::Sought;
use super::transform::Plan;

/// What a request hands over once nothing more of it is to come.
#[derive(Debug)]
pub struct Order {
    /// The request's id, which becomes the run's.
    pub id: Uuid,
    /// Where the picture comes from.
    pub origin: Origin,
    /// Holds the bytes of an upload.
    pub lease: Lease,
    /// How long an upload took.
    pub read: Option<Duration>,
}

/// Where a picture comes from.
#[derive(Debug)]
pub enum Origin {
    /// The client has sent it.
    Upload {
        /// The file as it was sent.
        picture: Vec<u8>,
        /// What is wanted.
        plan: Plan,
        /// What is to come of it.
        product: Product,
    },
    /// It lies below the directory of `-d`.
    File(Box<Wanted>),
    /// It was made before, and lies in the folder of links.
    Linked(Box<Sought>),
}
