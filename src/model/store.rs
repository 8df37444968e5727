//! What the store can be asked, what it answers, and why it could not. Plain data.
//!
//! Connections, tasks and all backends use these types. A [`StoreWrite`] changes something and is answered once that is
//! durable; a [`StoreRead`] only reads. Each names the [`StoreReply`] that answers it.
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use uuid::Uuid;

use super::admission::Reservation;
use super::error::WorkError;
use super::face::{Face, FolderPage, ListError, Page};
use super::picture::Picture;
use super::task::{Claim, Problem, Status, Submission, TaskState};

/// A request, and the number of its answer.
#[derive(Debug)]
pub struct StoreRequest {
    /// Chosen by the one that asks.
    pub ticket: u64,
    /// What.
    pub ask: Ask,
}

/// What a store can be asked.
#[derive(Debug)]
pub enum Ask {
    /// Changes something: answered once that is durable.
    Write(StoreWrite),
    /// Looks at something.
    Read(StoreRead),
    /// Reads the bank and makes a document of what it finds, on the reader's thread: [`StoreReply::Bank`]. Backends
    /// never get this: the thread asks them for the document's parts.
    Document {
        /// What the document is about.
        look: BankLook,
        /// Grows by the document's bytes before anything is read.
        reservation: Reservation,
    },
}

/// What a document of the bank is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BankLook {
    /// Those of the names in this list that a folder lacks. The list is as a client has sent it.
    Missing(String, Bytes),
    /// Folders: the first name, at most how many.
    Folders(Option<String>, usize),
    /// Names in a folder: the first one, at most how many.
    Names(String, Option<String>, usize),
    /// One face of a folder, by name.
    Face {
        /// The folder.
        folder: String,
        /// The name.
        name: String,
        /// The JPEG itself, not the document.
        as_image: bool,
    },
    /// Faces of a folder, a line each: those after this name, at most how many.
    Faces(String, Option<String>, usize),
}

/// What the bank has.
#[derive(Debug)]
pub enum BankFound {
    /// What was asked for.
    Document(BankDocument),
    /// There is no such folder.
    NoFolder,
    /// The folder has no such face.
    NoFace,
    /// The list of names is none.
    NoList(ListError),
}

/// A document of the bank, as it is sent.
#[derive(Debug)]
pub struct BankDocument {
    /// Its bytes.
    pub body: Bytes,
    /// Of [`BankLook::Faces`]: the last name, if others may follow it.
    pub last: Option<String>,
    /// Holds them.
    pub reservation: Reservation,
}

impl From<StoreWrite> for Ask {
    fn from(write: StoreWrite) -> Self {
        Self::Write(write)
    }
}

impl From<StoreRead> for Ask {
    fn from(read: StoreRead) -> Self {
        Self::Read(read)
    }
}

/// Changes.
#[derive(Debug)]
pub enum StoreWrite {
    /// Keep this as a task that waits: [`StoreReply::Accepted`].
    Accept(Box<Submission>),
    /// Takes the oldest waiting task into work: [`StoreReply::Claimed`]. Suspects that need not wait come first.
    Claim {
        /// Suspects that were in work at more crashes than this are left alone.
        crashes_max: u32,
        /// Tasks in work here: a server with any is given no suspect.
        in_work: usize,
        /// When.
        at: SystemTime,
        /// Empty: grows by the picture's bytes before they are read.
        reservation: Reservation,
    },
    /// A task in work has ended: [`StoreReply::Known`]. The picture handed in is forgotten, the result kept.
    End {
        /// Which.
        id: Uuid,
        /// When.
        at: SystemTime,
        /// How.
        end: End,
    },
    /// Puts a task in work back to wait: [`StoreReply::Known`].
    Release {
        /// Which.
        id: Uuid,
        /// A failed try, which counts. False: it had not begun, or the failure was not its own.
        tried: bool,
    },
    /// Forget a task altogether: [`StoreReply::Known`].
    Delete {
        /// Which.
        id: Uuid,
    },
    /// Expires what was kept long enough, a bounded number at once: [`StoreReply::Swept`].
    Sweep {
        /// The time.
        at: SystemTime,
    },
    /// Checks whether anything can be written: [`StoreReply::Nothing`].
    Probe,
    /// The same of the bank, where it is in a database of its own: [`StoreReply::Nothing`].
    ProbeBank,
    /// Keep a face, unless its folder has one of that name: [`StoreReply::Inserted`].
    Insert {
        /// The folder, made by its first face.
        folder: String,
        /// The face.
        face: Box<Face>,
    },
    /// Forget a face; a folder without faces is none: [`StoreReply::Known`].
    RemoveFace {
        /// The folder.
        folder: String,
        /// The name.
        name: String,
    },
    /// Removes a folder: all its faces, or a bounded number of them: [`StoreReply::Removed`]. A backend that hides them
    /// at once may free their space later, a bounded number in each [`StoreWrite::Sweep`].
    RemoveFolder {
        /// The folder.
        folder: String,
    },
}

/// How a task ended.
#[derive(Clone, Debug)]
pub enum End {
    /// With this picture.
    Done(Arc<Picture>),
    /// With nothing.
    Failed(Problem),
}

/// Looks.
#[derive(Debug)]
pub enum StoreRead {
    /// The status of a task: [`StoreReply::Status`].
    Status(Uuid),
    /// The same; if another server ends it later, the store reports that where it can: [`News::Ended`].
    Watch(Uuid),
    /// Which of these tasks have ended: [`StoreReply::Ended`].
    Ended(Vec<Uuid>),
    /// Bytes of a result: [`StoreReply::File`].
    File {
        /// Of this task.
        id: Uuid,
        /// Which bytes, within the length that [`Status`] tells.
        range: Range<u64>,
        /// Empty: grows by as many bytes before they are read.
        reservation: Reservation,
    },
    /// How many tasks there are in each state: [`StoreReply::Counts`].
    Counts,
    /// How much is kept: [`StoreReply::Sizes`].
    Sizes,
    /// Which of these names a folder lacks, in the order given: [`StoreReply::Names`].
    Missing {
        /// The folder, which need not exist.
        folder: String,
        /// The names.
        names: Vec<String>,
    },
    /// Folders in order of their names' bytes, with how many faces each has: [`StoreReply::Folders`].
    Folders {
        /// Only this name and those after it.
        from: Option<String>,
        /// The most to return.
        max: usize,
    },
    /// Names in a folder, in order of their bytes: [`StoreReply::Page`].
    Names {
        /// The folder.
        folder: String,
        /// Only this name and those after it.
        from: Option<String>,
        /// The most to return.
        max: usize,
    },
    /// One face: [`StoreReply::Faces`], with one or none.
    Face {
        /// The folder.
        folder: String,
        /// The name.
        name: String,
    },
    /// Faces of a folder, in order of their names' bytes: [`StoreReply::Faces`].
    Faces {
        /// The folder.
        folder: String,
        /// Only names after this one.
        after: Option<String>,
        /// The most to return.
        max: usize,
    },
}

/// The answer to a request.
#[derive(Debug)]
pub struct StoreAnswer {
    /// The request's.
    pub ticket: u64,
    /// The answer, or why there is none.
    pub result: Result<StoreReply, StoreError>,
}

/// Answers.
#[derive(Debug)]
pub enum StoreReply {
    /// Nothing more than that it was done.
    Nothing,
    /// Of a submission.
    Accepted(Acceptance),
    /// Of a claim.
    Claimed(Claimed),
    /// Whether there was such a task, in a state that the change applies to.
    Known(bool),
    /// What a sweep has done, which is bounded.
    Swept {
        /// Tasks that expired.
        expired: usize,
        /// There may be more to expire, or space to free: sweep again, soon.
        more: bool,
    },
    /// Of a task; None if there is none of that name.
    Status(Option<Status>),
    /// Tasks that have ended; in no order.
    Ended(Vec<Uuid>),
    /// The bytes, and the reservation that holds them; None if they are gone.
    File(Option<(Bytes, Reservation)>),
    /// Tasks by state, each state once.
    Counts([(TaskState, u64); 5]),
    /// How much is kept.
    Sizes(StoreSizes),
    /// Of a face: false if its folder had one of that name.
    Inserted(bool),
    /// Names.
    Names(Vec<String>),
    /// Folders.
    Folders(FolderPage),
    /// Of a folder to forget.
    Removed {
        /// There was such a folder.
        known: bool,
        /// It has faces left: ask again.
        more: bool,
    },
    /// What the bank has.
    Bank(BankFound),
    /// None if there is no such folder.
    Page(Option<Page>),
    /// Faces; None if there is no such folder.
    Faces(Option<Vec<Face>>),
    /// Under [`NEWS`], unasked.
    News(News),
}

/// Ticket under which a store reports what other servers have done; no request's number reaches it.
pub const NEWS: u64 = u64::MAX - 1;

/// What another server has done. Some of it may be lost: it only saves waiting for the next look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// A task waits that this server may claim.
    Waiting,
    /// This task has ended, or is gone.
    Ended(Uuid),
}

/// The answer to another request: no store gives one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongReply;

/// Converts an answer to the type of its request's kind: the only place that tells the kinds apart.
macro_rules! typed_replies {
    ($($name:ident: $variant:ident($reply:ty)),+ $(,)?) => {
        impl StoreReply {
            $(
                #[doc = concat!("The answer, if it is [`StoreReply::", stringify!($variant), "`].")]
                ///
                /// # Errors
                /// [`WrongReply`] if it is any other.
                pub fn $name(self) -> Result<$reply, WrongReply> {
                    if let Self::$variant(reply) = self { Ok(reply) } else { Err(WrongReply) }
                }
            )+
        }
    };
}

typed_replies! {
    accepted: Accepted(Acceptance),
    claimed: Claimed(Claimed),
    known: Known(bool),
    status: Status(Option<Status>),
    ended: Ended(Vec<Uuid>),
    file: File(Option<(Bytes, Reservation)>),
    inserted: Inserted(bool),
    names: Names(Vec<String>),
    folders: Folders(FolderPage),
    bank: Bank(BankFound),
    page: Page(Option<Page>),
    faces: Faces(Option<Vec<Face>>),
}

/// How much a store keeps; None where it can't tell, or not soon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreSizes {
    /// Bytes of all results of tasks.
    pub results: Option<u64>,
    /// Faces of all folders of the bank.
    pub faces: Option<u64>,
    /// Bytes that all of it takes on the disk.
    pub disk: Option<u64>,
}

/// The result of a submission.
#[derive(Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// It is a task now.
    New,
    /// The same was submitted under this key before: that task's status.
    Same(Status),
    /// Something else was submitted under this key before.
    Different,
}

/// The result of a claim.
#[derive(Debug)]
pub enum Claimed {
    /// This task is in work now.
    Task(Box<Claim>),
    /// None waits.
    Nothing,
    /// Some wait, and others have hold of all of them at this moment.
    Held,
    /// A suspect waits, which must be worked on alone.
    MustBeAlone,
    /// The next one's picture has so many bytes, and the reservation has no room for them.
    NoRoom {
        /// Bytes.
        length: u64,
    },
    /// This task is in work now, but no reservation can hold its picture: there was more memory when it was accepted.
    TooLarge {
        /// Which.
        id: Uuid,
        /// Bytes.
        length: u64,
    },
    /// This task waited, and has failed: what is kept of it can't be read.
    Unreadable {
        /// Which; nil if even that can't be read.
        id: Uuid,
    },
}

/// Why a store could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The disk is full; the reason is for the log.
    #[error("no queda espacio en el disco del almacén: {0}")]
    Full(String),
    /// There is no memory at the moment for so many bytes.
    #[error("no hay memoria para {length} bytes")]
    NoRoom {
        /// Bytes.
        length: u64,
    },
    /// The data it was asked about can't be read, which says nothing about the rest; the reason is for the log.
    #[error("el almacén falló: {0}")]
    Damaged(String),
    /// It can't be reached, or failed in another way; the reason is for the log.
    #[error("el almacén falló: {0}")]
    Broken(String),
    /// The bank's own database failed: tasks are not affected.
    #[error("{}", of_bank(.0))]
    Bank(Box<StoreError>),
}

/// What is said of a failure of the bank's own database.
fn of_bank(error: &StoreError) -> String {
    match error {
        StoreError::Full(reason) => format!("no queda espacio en el disco del banco de imágenes: {reason}"),
        StoreError::Damaged(reason) | StoreError::Broken(reason) => {
            format!("el banco de imágenes falló: {reason}")
        }
        error => error.to_string(),
    }
}

impl Ask {
    /// Whether this is about the bank of faces.
    #[must_use]
    pub fn is_about_bank(&self) -> bool {
        match self {
            Self::Document { .. } => true,
            Self::Write(write) => matches!(
                write,
                StoreWrite::Insert { .. }
                    | StoreWrite::RemoveFace { .. }
                    | StoreWrite::RemoveFolder { .. }
                    | StoreWrite::ProbeBank
            ),
            Self::Read(read) => matches!(
                read,
                StoreRead::Missing { .. }
                    | StoreRead::Folders { .. }
                    | StoreRead::Names { .. }
                    | StoreRead::Face { .. }
                    | StoreRead::Faces { .. }
            ),
        }
    }
}

impl From<StoreError> for WorkError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full(reason) => Self::StoreFull(reason),
            StoreError::NoRoom { length } => Self::MemoryFull { length },
            StoreError::Damaged(_) => Self::Lost,
            StoreError::Broken(reason) => Self::StoreBroken(reason),
            StoreError::Bank(error) => (*error).into(),
        }
    }
}

impl From<WrongReply> for WorkError {
    fn from(_: WrongReply) -> Self {
        Self::Lost
    }
}
