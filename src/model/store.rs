//! What conversations ask of the store, and what they are answered: plain data.
use std::ops::Range;

use bytes::Bytes;
use uuid::Uuid;

use super::admission::Reservation;
use super::face::{Face, Page};
use super::task::{Status, Submission};

/// What the store is asked.
#[derive(Debug)]
pub enum Question {
    /// Keep this: [`Found::Inserted`].
    Insert(String, Box<Face>),
    /// Which of these a folder lacks: [`Found::Missing`].
    Missing(String, Vec<String>),
    /// [`Found::Folders`].
    Folders,
    /// A folder, the first name, how many: [`Found::Page`].
    Names(String, Option<String>, usize),
    /// A folder and a name: [`Found::Faces`].
    Face(String, String),
    /// A folder, the name after which, how many: [`Found::Faces`].
    Faces(String, Option<String>, usize),
}

/// What it answers.
#[derive(Debug)]
pub enum Found {
    /// False: there was one of that name.
    Inserted(bool),
    /// Names.
    Missing(Vec<String>),
    /// Folders, and how many faces each has.
    Folders(Vec<(String, u64)>),
    /// None: no such folder.
    Page(Option<Page>),
    /// None: no such folder.
    Faces(Option<Vec<Face>>),
}

/// What is asked of the tasks.
#[derive(Debug)]
pub enum Query {
    /// Keep this picture: [`Finding::Accepted`] or [`Finding::Different`].
    Accept(Box<Submission>),
    /// What is known of this task: [`Finding::Status`].
    Status(Uuid),
    /// The same, once it has ended.
    Watch(Uuid),
    /// Part of a result: [`Finding::File`].
    File {
        /// Of this task.
        id: Uuid,
        /// These of its bytes.
        range: Range<u64>,
        /// To hold them.
        reservation: Reservation,
    },
    /// Forget this task: [`Finding::Deleted`].
    Delete(Uuid),
    /// Of the bank: [`Finding::Bank`].
    Bank(Question),
    /// Of the server itself: [`Finding::Metrics`].
    Metrics,
}

/// What is found.
#[derive(Debug)]
pub enum Finding {
    /// The picture is a task now, or was one already.
    Accepted(Status),
    /// Under its key another picture was handed in.
    Different,
    /// None: there is no such task.
    Status(Option<Status>),
    /// None: it is gone.
    File(Option<(Bytes, Reservation)>),
    /// Whether there was such a task.
    Deleted(bool),
    /// What the bank has.
    Bank(Found),
    /// The page of figures.
    Metrics(Bytes),
}
