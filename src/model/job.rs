//! Plain data that crosses threads: the steps of a picture's work, their results, and every way they can fail.
//!
//! A [`Job`] goes out (to a worker, or to a scaler connection) and comes back as exactly one [`Completion`] with the
//! same ticket and the same reservation, in every case.
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::Bytes;
use scaler::raster::{Raster, is_small};
use uuid::Uuid;

use super::admission::Reservation;
use super::error::WorkError;
use super::face::{FACE_HEIGHT, FACE_WIDTH, FaceImage};
use super::file::{FileRequest, FileVersion, Variant};
use super::image::{Encoding, ImageInfo, PixelLimits, Reduction};
use super::key::Ticket;
use super::links::{FilePart, Link, LinkRequest};
use super::picture::{Picture, Times};
use super::transform::{Transform, needed};
use crate::http::format::Format;

/// What is made of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// A file, for the client that asked for it.
    File,
    /// A file in the folder of links.
    Link,
    /// A face for the bank.
    Face,
}

/// What a picture is for.
#[derive(Clone, Copy, Debug)]
pub struct Brief {
    /// What is to be done with it.
    pub transform: Transform,
    /// Which state of which file it is; None for an upload.
    pub version: Option<FileVersion>,
    /// What is to come of it.
    pub product: Product,
}

impl Brief {
    /// Of an upload.
    #[must_use]
    pub fn new(transform: Transform, product: Product) -> Self {
        Self { transform, version: None, product }
    }

    /// Columns and rows of the largest result for a picture of this stored size: whether it will be turned is unknown.
    #[must_use]
    pub fn largest_target(&self, width: u32, height: u32) -> (u32, u32) {
        let area = |(width, height): (u32, u32)| u64::from(width) * u64::from(height);
        let (upright, (rows, columns)) = (self.target(width, height), self.target(height, width));
        let turned = (columns, rows);
        if area(turned) > area(upright) { turned } else { upright }
    }

    /// Columns and rows of the result for a picture of this size, upright.
    #[must_use]
    pub fn target(&self, width: u32, height: u32) -> (u32, u32) {
        match self.product {
            Product::Face => (FACE_WIDTH, FACE_HEIGHT),
            Product::File | Product::Link => self.transform.target(width, height),
        }
    }

    /// The least length of the result's file in bytes, for formats that store samples as they are; the picture is
    /// stored in this size.
    #[must_use]
    pub fn least_length(&self, width: u32, height: u32) -> u64 {
        let area = |(width, height): (u32, u32)| u64::from(width) * u64::from(height);
        match self.transform.encoding.format {
            // It may have to be turned.
            Format::Bmp | Format::Pnm | Format::Tiff => {
                area(self.target(width, height)).min(area(self.target(height, width)))
            }
            Format::Jpeg | Format::Png | Format::Gif | Format::WebP => 0,
        }
    }

    /// How much smaller a JPEG of this stored size may be decoded. Not for a face: its numbers are kept for good.
    #[must_use]
    pub fn reduction(&self, width: u32, height: u32) -> Reduction {
        if self.product == Product::Face {
            return Reduction::None;
        }
        // It may have to be turned, which is not known before it is decoded.
        let (rows, columns) = self.target(height, width);
        let target = self.target(width, height);
        Reduction::for_target((width, height), (target.0.max(columns), target.1.max(rows)))
    }

    /// What its result will be a variant of.
    #[must_use]
    pub fn variant(&self) -> Option<Variant> {
        self.version.map(|version| Variant { version, transform: self.transform })
    }
}

/// A picture in memory, and what is known of it before it is decoded.
#[derive(Debug)]
pub struct Loaded {
    /// The file.
    pub picture: Vec<u8>,
    /// What its header says.
    pub info: ImageInfo,
    /// What it is for.
    pub brief: Brief,
    /// The most bytes that the work on it holds at once.
    pub memory: u64,
}

impl Loaded {
    /// Whether the work takes little time and at most `small_max` bytes.
    #[must_use]
    pub fn is_small(&self, small_max: u64) -> bool {
        let (width, height) = self.brief.largest_target(self.info.width, self.info.height);
        self.memory <= small_max
            && is_small(width, height)
            && is_decoded_quickly(self.picture.len(), &self.info)
    }

    /// Adds up what the work would take.
    ///
    /// # Errors
    /// The result would pass the limits, or the work need more than `memory_max` bytes.
    pub fn appraise(
        picture: Vec<u8>,
        info: ImageInfo,
        brief: Brief,
        limits: &PixelLimits,
        encode_cost: u64,
        memory_max: u64,
    ) -> Result<Self, WorkError> {
        let target = brief.largest_target(info.width, info.height);
        let memory = needed(picture.len(), &info, target, limits, encode_cost, memory_max)?;
        Ok(Self { picture, info, brief, memory })
    }
}

/// Whom a piece of work is for, which decides what it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A client that waits: for a place and memory.
    Client,
    /// A task: for memory alone, because places are for clients that wait.
    Task,
    /// The server's self-test: for neither, so that it passes when there is no room.
    Server,
}

/// A step of work for a ticket.
#[derive(Debug)]
pub struct Job {
    /// Who asked, and which step it is.
    pub ticket: Ticket,
    /// The request's id, or the task's: for the log.
    pub id: Uuid,
    /// When its run must have ended: `--plazo`.
    pub due: Instant,
    /// Moves with the bytes, so that work whose client has left still counts.
    pub reservation: Reservation,
    /// Set when the answer is no longer wanted; checked before the work begins, and by codecs during it.
    pub cancelled: Cancel,
    /// Whom it is for: workers alternate between tasks and work that clients wait for.
    pub owner: Owner,
    /// What to do.
    pub work: Work,
}

/// What to do.
#[derive(Debug)]
pub enum Work {
    /// Look at a file, and read it if its picture has to be made; for a worker.
    Open(Box<FileRequest>),
    /// Decode to gray, upright; for a worker.
    Gray {
        /// The file as it was sent.
        picture: Vec<u8>,
        /// What its header says.
        info: ImageInfo,
    },
    /// Resample; for the scaler.
    Scale {
        /// The gray picture.
        raster: Raster,
        /// Columns of the result.
        width: u32,
        /// Rows of the result.
        height: u32,
    },
    /// Write as a file; for a worker.
    Encode {
        /// The scaled picture.
        raster: Raster,
        /// How.
        encoding: Encoding,
        /// Keep the result under this name for later requests.
        keep: Option<Variant>,
    },
    /// Make a face of it; for a worker.
    Face(Raster),
    /// Store in the folder of links, under a name of its own; for a worker.
    Link(Bytes),
    /// Look at a file in the folder of links, and read what is wanted of it; for a worker.
    Read(Box<LinkRequest>),
}

/// A compressed file of up to so many bytes is decoded in some tens of milliseconds: the slowest good picture, a JPEG
/// of noise, is read at 64 MB/s. Photographs of a megapixel are shorter, as PNG too.
const QUICK_BYTES: usize = 2 << 20;
/// The same where samples are only copied: 8 bytes a pixel are the most that Netpbm has.
const QUICK_BYTES_COPIED: usize = 9 << 20;
/// A decoder that announces more memory than this for a small picture works on something larger than the picture, such
/// as the tiles of a TIFF. Lossless WebP, which takes most, announces 10 MiB for a megapixel.
const QUICK_MEMORY: u64 = 24 << 20;

/// A link's file of up to so many bytes is written by the quick workers: a JPEG of a megapixel has fewer.
const QUICK_LINK: usize = 1 << 20;

/// Whether a file of so many bytes with this header is decoded in little time.
fn is_decoded_quickly(length: usize, info: &ImageInfo) -> bool {
    is_small(info.width, info.height)
        && length <= if info.format.is_copied() { QUICK_BYTES_COPIED } else { QUICK_BYTES }
        && info.decode_cost <= QUICK_MEMORY
}

impl Work {
    /// Whether the work is short enough for the quick workers. The cost of decoding is bounded by the pixels, the
    /// file's bytes and the memory that its header announces; all three must be small.
    #[must_use]
    pub fn is_quick(&self) -> bool {
        match self {
            Self::Face(_) => true,
            Self::Gray { picture, info } => is_decoded_quickly(picture.len(), info),
            Self::Encode { raster, .. } => is_small(raster.width, raster.height),
            // The last step of a small picture: it is written in about a millisecond.
            Self::Link(file) => file.len() <= QUICK_LINK,
            // The disk may be slow, a file may be long, and scaling is the other process's work.
            Self::Open(_) | Self::Read(_) | Self::Scale { .. } => false,
        }
    }

    /// The format of the file that is read or written, where that is known: for the log.
    #[must_use]
    pub fn format(&self) -> Option<Format> {
        match self {
            Self::Gray { info, .. } => Some(info.format),
            Self::Encode { encoding, .. } => Some(encoding.format),
            Self::Open(_) | Self::Scale { .. } | Self::Face(_) | Self::Link(_) | Self::Read(_) => None,
        }
    }
}

/// The one answer to a [`Job`].
#[derive(Debug)]
pub struct Completion {
    /// The job's ticket.
    pub ticket: Ticket,
    /// The job's reservation.
    pub reservation: Reservation,
    /// What came of it.
    pub result: Result<Output, WorkError>,
    /// How long the work itself took, without waiting for its turn.
    pub took: Duration,
}

/// A picture that was decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Gray samples, upright, perhaps reduced.
    pub raster: Raster,
    /// Columns and rows of the picture itself, upright.
    pub size: (u32, u32),
}

/// What a step made.
#[derive(Debug)]
pub enum Output {
    /// Of [`Work::Open`]: the client has it already.
    NotModified(Variant),
    /// Of [`Work::Open`]: there is work to do, and the reservation holds the file's bytes.
    Loaded(Box<Loaded>),
    /// Of [`Work::Gray`].
    Gray(Decoded),
    /// Of [`Work::Scale`].
    Raster(Raster),
    /// Of [`Work::Encode`].
    File(Bytes),
    /// Of [`Work::Encode`] and [`Work::Open`]: a result that is kept, and has a reservation of its own.
    Picture(Arc<Picture>),
    /// Of [`Work::Face`].
    Face(FaceImage),
    /// Of [`Work::Link`]: the name in the folder.
    Linked(String),
    /// Of [`Work::Read`]: the reservation holds its bytes.
    Excerpt(Box<FilePart>),
}

/// Shared by a run and its job in flight: whether the answer is still wanted, and whether work on the step has begun.
///
/// Both are bits of one atomic, changed by read-modify-write: when a worker begins and a run gives up at the same
/// moment, one is first, and the other sees it.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicU8>);

const CANCELLED: u8 = 1;
const BEGUN: u8 = 2;

impl Cancel {
    /// The answer is no longer wanted.
    pub fn set(&self) {
        self.0.fetch_or(CANCELLED, Relaxed);
    }

    /// Whether it was set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Relaxed) & CANCELLED != 0
    }

    /// A worker begins. False, and nothing has begun, if the answer is no longer wanted.
    #[must_use]
    pub fn begin(&self) -> bool {
        let begun = |state| (state & CANCELLED == 0).then_some(state | BEGUN);
        self.0.fetch_update(Relaxed, Relaxed, begun).is_ok()
    }

    /// The worker has come back, and the next step has not begun. Only the run calls it, while the flag is not set.
    pub fn rest(&self) {
        self.0.fetch_and(!BEGUN, Relaxed);
    }

    /// Whether a worker has begun. Once the flag is set this does not change any more.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.load(Relaxed) & BEGUN != 0
    }
}

/// How a run ended.
pub type WorkResult = Result<WorkOutput, WorkError>;

/// How a run ended that did not fail.
#[derive(Debug)]
pub enum WorkOutput {
    /// With a picture, and where the time went.
    Picture(Arc<Picture>, Times),
    /// The client has this variant of the file already.
    NotModified(Variant),
    /// With a face for the bank, and where the time went.
    Face(FaceImage, Times),
    /// With a picture that is stored, and where the time went.
    Link(Link, Times),
    /// With what is to be sent of a stored picture.
    Excerpt(FilePart),
}

/// The queue of a job; the discriminant is its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Its client waits, and it takes little.
    Quick,
    /// Its client waits.
    Long,
    /// No client waits, or it holds no place of admission.
    Task,
}

/// How many [`Queue`]s there are.
pub const QUEUES: usize = 3;

/// Threads that take from the same queues; the discriminant is its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerClass {
    /// Takes [`Queue::Quick`].
    Quick,
    /// Takes [`Queue::Long`] and [`Queue::Task`], in turn.
    Steady,
}

/// How many [`WorkerClass`]s there are.
pub const CLASSES: usize = 2;

impl Queue {
    /// The threads that take from it.
    #[must_use]
    pub fn class(self) -> WorkerClass {
        match self {
            Self::Quick => WorkerClass::Quick,
            Self::Long | Self::Task => WorkerClass::Steady,
        }
    }

    /// The queue of a job like this.
    #[must_use]
    pub fn of(job: &Job) -> Self {
        match (job.owner, &job.work) {
            // The queue of quick jobs has one place more than admission, for the self-test.
            (Owner::Server, Work::Encode { .. }) => Self::Quick,
            // A job without a place must not fill a queue of those with places, nor wait behind all of them.
            (Owner::Task | Owner::Server, _) | (Owner::Client, Work::Read(_)) => Self::Task,
            (Owner::Client, work) if work.is_quick() => Self::Quick,
            (Owner::Client, _) => Self::Long,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_reduced_as_far_as_leaves_enough_to_the_resampling() {
        for (size, target, reduction) in [
            ((4000, 3000), (2000, 1500), Reduction::None),
            ((4000, 3000), (1001, 750), Reduction::None),
            ((4000, 3000), (1000, 750), Reduction::Half),
            ((4000, 3000), (334, 250), Reduction::Half),
            ((4000, 3000), (333, 250), Reduction::Quarter),
            ((4000, 3000), (1, 1), Reduction::Quarter),
            // Each side for itself.
            ((4000, 3000), (400, 751), Reduction::None),
            ((4002, 3002), (400, 300), Reduction::Half),
            ((4001, 3000), (400, 300), Reduction::None),
            ((6, 6), (1, 1), Reduction::Half),
            ((4, 4), (1, 1), Reduction::Half),
            ((2, 2), (1, 1), Reduction::None),
            ((1, 65_535), (1, 65), Reduction::None),
            ((u32::MAX, u32::MAX), (u32::MAX, u32::MAX), Reduction::None),
        ] {
            assert_eq!(Reduction::for_target(size, target), reduction, "{size:?} {target:?}");
        }
        assert_eq!(Reduction::Half.size(5, 4), (3, 2));
        assert_eq!(Reduction::Quarter.size(5, 4), (2, 1));
    }
}
