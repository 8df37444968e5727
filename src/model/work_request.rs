//! What is to be done, for whom, and where the picture comes from: what a request hands over once it is complete.
use std::time::Duration;

use uuid::Uuid;

use super::admission::Reservation;
use super::file::FileRequest;
use super::job::{Owner, Product};
use super::links::LinkRequest;
use super::transform::Transform;

/// What a request hands over once nothing more of it is to come.
#[derive(Debug)]
pub struct WorkRequest {
    /// The request's id, or the task's, which becomes the run's.
    pub id: Uuid,
    /// For whom.
    pub owner: Owner,
    /// Where the picture comes from.
    pub source: WorkSource,
    /// Holds the bytes of an upload.
    pub reservation: Reservation,
    /// How long an upload took.
    pub read_time: Option<Duration>,
}

/// Where a picture comes from.
#[derive(Debug)]
pub enum WorkSource {
    /// The client has sent it.
    Upload {
        /// The file as it was sent.
        picture: Vec<u8>,
        /// What is wanted.
        transform: Transform,
        /// What is to come of it.
        product: Product,
    },
    /// It lies below the directory of `-d`.
    File(Box<FileRequest>),
    /// It was made before, and lies in the folder of links.
    Linked(Box<LinkRequest>),
}
