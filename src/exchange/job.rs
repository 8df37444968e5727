//! Plain data that crosses threads: the steps of a picture's work, their results, and every way they can fail.
//!
//! A [`Job`] goes out (to a worker, or to a scaler connection) and comes back as exactly one [`Done`] with the
//! same ticket and the same lease, whatever happened in between.
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use scaler::raster::Raster;
use uuid::Uuid;

use super::bank::{FACE_HEIGHT, FACE_WIDTH, Likeness};
use super::file::{Edition, Stamp, Wanted};
use super::gate::Lease;
use super::link::{Excerpt, FOLDER, Sought};
use super::picture::Picture;
use super::plan::{Plan, needed};
use crate::http::format::Format;
use crate::http::sniff::Foreign;
use crate::key::Ticket;

/// Bounds that hold for every picture, checked on the header before any allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelLimits {
    /// Most pixels (width times height) of a picture, in or out: `--max-pixeles`.
    pub pixels_max: u64,
    /// Longest side in pixels.
    pub side_max: u32,
}

impl PixelLimits {
    /// Whether a picture of this size may exist here.
    ///
    /// # Errors
    /// [`Failure::TooManyPixels`] if not.
    pub fn check(&self, width: u32, height: u32) -> Result<(), Failure> {
        let pixels = u64::from(width) * u64::from(height);
        if pixels > self.pixels_max || width.max(height) > self.side_max {
            return Err(Failure::TooManyPixels { width: width.into(), height: height.into() });
        }
        Ok(())
    }
}

/// What the header of a picture says, known before a byte is allocated for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The format its bytes have.
    pub format: Format,
    /// Stored columns, before orientation.
    pub width: u32,
    /// Stored rows, before orientation.
    pub height: u32,
    /// How much smaller it is decoded.
    pub reduction: Reduction,
    /// Upper bound, in bytes, of what decoding it to gray allocates at its peak, the result included.
    pub decode_cost: u64,
}

impl Probe {
    /// Columns and rows of what is decoded, before orientation.
    #[must_use]
    pub fn decoded_size(&self) -> (u32, u32) {
        self.reduction.size(self.width, self.height)
    }
}

/// How much smaller than stored a picture is decoded; of all formats a JPEG alone can be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reduction {
    /// As stored.
    #[default]
    None,
    /// Half the sides, rounded up.
    Half,
    /// A quarter of the sides, rounded up.
    Quarter,
}

impl Reduction {
    /// The largest reduction that leaves enough to the resampling from a picture of this size, as it is stored, to one of the
    /// size `target`: a factor of 2.5 from half the sides, of 3 from a quarter.
    ///
    /// With libjpeg's reduced transforms and those factors the result stays within a mean of 0.35 and 12 levels of what full
    /// decoding gives (measured on photographs; means of 8x8, the next step, are 45 off at hard edges). Only where it divides
    /// the sides: a last row that stands for half as many as the others would shift all those before it.
    #[must_use]
    pub fn for_target((width, height): (u32, u32), target: (u32, u32)) -> Self {
        let leaves_enough = |reduction: &Self| {
            let (divisor, least) = (reduction.divisor(), if *reduction == Self::Half { 5 } else { 6 });
            let enough = |side: u32, target: u32| {
                side.is_multiple_of(divisor)
                    && least * u64::from(target) * u64::from(divisor) <= 2 * u64::from(side)
            };
            enough(width, target.0) && enough(height, target.1)
        };
        [Self::Quarter, Self::Half].into_iter().find(leaves_enough).unwrap_or(Self::None)
    }

    /// Columns and rows of a picture of this size, reduced.
    #[must_use]
    pub fn size(self, width: u32, height: u32) -> (u32, u32) {
        (width.div_ceil(self.divisor()), height.div_ceil(self.divisor()))
    }

    const fn divisor(self) -> u32 {
        match self {
            Self::None => 1,
            Self::Half => 2,
            Self::Quarter => 4,
        }
    }
}

/// How a result is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Encoding {
    /// The format of the file.
    pub format: Format,
    /// 1 to 100, for the formats that lose: `calidad`.
    pub quality: u8,
    /// Red, green, blue behind transparent pixels, where the format has no transparency: `fondo`.
    pub background: [u8; 3],
}

/// What is made of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// A file, for whoever asked.
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
    pub plan: Plan,
    /// Which state of which file it is; None for an upload.
    pub stamp: Option<Stamp>,
    /// What is to come of it.
    pub product: Product,
}

impl Brief {
    /// Of an upload.
    #[must_use]
    pub fn new(plan: Plan, product: Product) -> Self {
        Self { plan, stamp: None, product }
    }

    /// Columns and rows of the largest result for a picture that is stored in this size, as its columns and rows lie in the
    /// file: it may have to be turned, which is not known before it is decoded.
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
            Product::File | Product::Link => self.plan.target(width, height),
        }
    }

    /// How much smaller a JPEG of this size, as it is stored, may be decoded. Not for a face, whose numbers are kept for good.
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

    /// What its result will be an edition of.
    #[must_use]
    pub fn edition(&self) -> Option<Edition> {
        self.stamp.map(|stamp| Edition { stamp, plan: self.plan })
    }
}

/// A picture in memory, and what is known of it before it is decoded.
#[derive(Debug)]
pub struct Loaded {
    /// The file.
    pub picture: Vec<u8>,
    /// What its header says.
    pub probe: Probe,
    /// What it is for.
    pub brief: Brief,
    /// The most bytes that the work on it holds at once.
    pub memory: u64,
}

impl Loaded {
    /// Adds up what the work would take.
    ///
    /// # Errors
    /// The result would pass the limits, or the work need more than `memory_max` bytes.
    pub fn appraise(
        picture: Vec<u8>,
        probe: Probe,
        brief: Brief,
        limits: &PixelLimits,
        encode_cost: u64,
        memory_max: u64,
    ) -> Result<Self, Failure> {
        let target = brief.largest_target(probe.width, probe.height);
        let memory = needed(picture.len(), &probe, target, limits, encode_cost, memory_max)?;
        Ok(Self { picture, probe, brief, memory })
    }
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
    pub lease: Lease,
    /// Set when the answer is no longer wanted; looked at before the work begins, and by decoders and encoders during it.
    pub cancelled: Cancel,
    /// It is a task's: the workers take turns between those and what clients wait for.
    pub durable: bool,
    /// What to do.
    pub work: Work,
}

/// What to do.
#[derive(Debug)]
pub enum Work {
    /// Look at a file, and read it if its picture has to be made; for a worker.
    Open(Box<Wanted>),
    /// Decode to gray, upright; for a worker.
    Gray {
        /// The file as it was sent.
        picture: Vec<u8>,
        /// What its header says.
        probe: Probe,
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
        /// Keep the result under this name for those who ask for the same.
        keep: Option<Edition>,
    },
    /// Make a face of it; for a worker.
    Face(Raster),
    /// Store in the folder of links, under a name of its own; for a worker.
    Link(Bytes),
    /// Look at a file in the folder of links, and read what is wanted of it; for a worker.
    Read(Box<Sought>),
}

/// Pictures of up to so many pixels count as small: a JPEG of that size is decoded in some milliseconds.
const QUICK_PIXELS: u64 = 1 << 20;
/// A compressed file of up to so many bytes is decoded in some tens of milliseconds: the slowest that is met in good pictures,
/// a JPEG of noise, is read at 64 MB/s. Photographs of a megapixel are shorter, as PNG too.
const QUICK_BYTES: usize = 2 << 20;
/// The same where samples are only copied: 8 bytes a pixel are the most that Netpbm has.
const QUICK_BYTES_COPIED: usize = 9 << 20;
/// Memory is the trace of work: a decoder that announces more than this for a small picture works on something larger than
/// the picture, such as the tiles of a TIFF. Lossless WebP, which takes most, announces 10 MiB for a megapixel.
const QUICK_MEMORY: u64 = 24 << 20;

/// A link's file of up to so many bytes is written by the quick workers: a JPEG of a megapixel has fewer.
const QUICK_LINK: usize = 1 << 20;

/// Whether a picture of that size is one of those.
#[must_use]
pub fn is_small(width: u32, height: u32) -> bool {
    u64::from(width) * u64::from(height) <= QUICK_PIXELS
}

impl Work {
    /// Whether a worker needs so little for this that it should not stand behind what takes long. What decoding will cost is
    /// bounded by the pixels, the bytes of the file and the memory that its header announces, and all three have to be small.
    #[must_use]
    pub fn is_quick(&self) -> bool {
        match self {
            Self::Face(_) => true,
            Self::Gray { picture, probe } => {
                let is_copied = matches!(probe.format, Format::Bmp | Format::Pnm);
                is_small(probe.width, probe.height)
                    && picture.len() <= if is_copied { QUICK_BYTES_COPIED } else { QUICK_BYTES }
                    && probe.decode_cost <= QUICK_MEMORY
            }
            Self::Encode { raster, .. } => is_small(raster.width, raster.height),
            // The last step of a small picture: it is written in about a millisecond.
            Self::Link(file) => file.len() <= QUICK_LINK,
            // The disk has to turn, a file may be long, and scaling is the other process's work.
            Self::Open(_) | Self::Read(_) | Self::Scale { .. } => false,
        }
    }

    /// The format of the file that is read or written, where that is known: for the log.
    #[must_use]
    pub fn format(&self) -> Option<Format> {
        match self {
            Self::Gray { probe, .. } => Some(probe.format),
            Self::Encode { encoding, .. } => Some(encoding.format),
            Self::Open(_) | Self::Scale { .. } | Self::Face(_) | Self::Link(_) | Self::Read(_) => None,
        }
    }
}

/// The one answer to a [`Job`].
#[derive(Debug)]
pub struct Done {
    /// The job's ticket.
    pub ticket: Ticket,
    /// The job's lease.
    pub lease: Lease,
    /// What came of it.
    pub result: Result<Output, Failure>,
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
    NotModified(Edition),
    /// Of [`Work::Open`]: there is work to do, and the lease holds the file's bytes.
    Loaded(Box<Loaded>),
    /// Of [`Work::Gray`].
    Gray(Decoded),
    /// Of [`Work::Scale`].
    Raster(Raster),
    /// Of [`Work::Encode`].
    File(Bytes),
    /// Of [`Work::Encode`] and [`Work::Open`]: a result that is kept, and has a lease of its own.
    Picture(Arc<Picture>),
    /// Of [`Work::Face`].
    Face(Likeness),
    /// Of [`Work::Link`]: the name in the folder.
    Linked(String),
    /// Of [`Work::Read`]: the lease holds its bytes.
    Excerpt(Box<Excerpt>),
}

/// What a run and its job in flight tell each other: whether the answer is still wanted, and whether work on the step has begun.
///
/// Both are bits of one atomic, changed by read-modify-write: of a worker that begins and a run that gives up at the same
/// moment one is first, and the other sees it.
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

    /// The worker has come back, and the next step has not begun. For the run alone, while the flag is not set.
    pub fn rest(&self) {
        self.0.fetch_and(!BEGUN, Relaxed);
    }

    /// Whether a worker has begun. Once the flag is set this does not change any more.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.load(Relaxed) & BEGUN != 0
    }
}

/// Why a piece of work came to nothing. `reject` maps each to a status and a Spanish text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The bytes are no picture of a format we read.
    UnknownFormat,
    /// The same, and this is what they seem to be.
    Foreign(Foreign),
    /// They were sent as the fields of a form without files, and have lost their line ends and NULs on the way.
    SentAsFields {
        /// Their first bytes are still those of a picture.
        known: bool,
    },
    /// There are no bytes.
    Empty,
    /// There is no such file for us.
    NoFile,
    /// There is such a file, but we may not read it.
    NoPermission,
    /// A file that is no picture of a format we read.
    NotAPicture,
    /// A file longer than a picture may be.
    FileTooLong {
        /// Bytes it has.
        length: u64,
    },
    /// A file that was written to while we read it.
    Changing,
    /// The system failed to read a file; the reason is for the log.
    Unreadable(String),
    /// The client accepts nothing that we write.
    NotAcceptable,
    /// As many pictures in hand as allowed.
    QueueFull,
    /// There is no room for the file at the moment.
    MemoryFull {
        /// Bytes it has.
        length: u64,
    },
    /// A format we read, but these bytes can't be decoded; the reason is Spanish, for the client.
    Undecodable(String),
    /// More pixels than allowed, or a side too long.
    TooManyPixels {
        /// Columns.
        width: u64,
        /// Rows.
        height: u64,
    },
    /// The picture may exist here, but what was asked to be made of it may not.
    ResultTooLarge {
        /// Columns it would have.
        width: u64,
        /// Rows it would have.
        height: u64,
    },
    /// Its work would need more than all the memory there is for pictures.
    TooMuchMemory {
        /// Bytes it would need.
        needed: u64,
    },
    /// The decoder panicked on it: ours to mend, but the next picture is none the worse for it.
    Panicked,
    /// Our own fault, whatever the picture: an encoder failed, or an answer was lost.
    Lost,
    /// The deadline of one picture passed.
    Late,
    /// The scaler broke the connection again and again, or answered nonsense.
    ScalerLost,
    /// The scaler is being started again, or the one we were told of does not answer.
    ScalerAway,
    /// The scaler refused: its code and its reason.
    ScalerRefused {
        /// As in HTTP.
        code: u16,
        /// Spanish, from the scaler.
        reason: String,
    },
    /// The server stops, or nobody waits for the answer.
    Cancelled,
    /// There is no room on the store's disk; the reason is for the log.
    StoreFull(String),
    /// The store can't be reached, or failed; the reason is for the log.
    StoreBroken(String),
    /// There is no space left for another link; the reason is Spanish.
    FolderFull(String),
    /// The folder of links can't be written to; the reason is Spanish.
    FolderUnusable(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownFormat | Self::SentAsFields { known: false } => {
                write!(f, "los bytes no son una imagen de un formato conocido")
            }
            Self::Foreign(foreign) => write!(f, "lo enviado parece {}: {}", foreign.name(), foreign.advice()),
            Self::SentAsFields { known: true } => write!(f, "la imagen perdió bytes en el camino"),
            Self::Empty => write!(f, "no llegó ningún byte"),
            Self::NoFile => write!(f, "no existe ese archivo"),
            Self::NoPermission => write!(f, "no hay permiso para leer el archivo"),
            Self::NotAPicture => write!(f, "el archivo no es una imagen de un formato conocido"),
            Self::FileTooLong { length } => write!(f, "el archivo tiene {length} bytes y son demasiados"),
            Self::Changing => write!(f, "el archivo está cambiando; intente de nuevo"),
            Self::Unreadable(reason) => write!(f, "el archivo no se puede leer: {reason}"),
            Self::NotAcceptable => write!(f, "el cliente no acepta ningún formato disponible"),
            Self::QueueFull => write!(f, "ya hay tantas imágenes en proceso como se permiten"),
            Self::MemoryFull { length } => write!(f, "no hay memoria para un archivo de {length} bytes"),
            Self::Undecodable(reason) => write!(f, "la imagen no se puede decodificar: {reason}"),
            Self::TooManyPixels { width, height } => write!(f, "{width}x{height} píxeles son demasiados"),
            Self::ResultTooLarge { width, height } => {
                write!(f, "el resultado mediría {width}x{height} píxeles y son demasiados")
            }
            Self::TooMuchMemory { needed } => write!(f, "procesarla necesitaría {needed} bytes de memoria"),
            Self::Panicked => write!(f, "el decodificador falló con esta imagen"),
            Self::Lost => write!(f, "error interno"),
            Self::Late => write!(f, "no estuvo lista a tiempo"),
            Self::ScalerLost => write!(f, "el escalador cortó la conexión varias veces"),
            Self::ScalerAway => write!(f, "el escalador no está disponible por el momento"),
            Self::ScalerRefused { code, reason } => write!(f, "el escalador respondió {code}: {reason}"),
            Self::Cancelled => write!(f, "el trabajo fue cancelado"),
            Self::StoreFull(reason) => write!(f, "no queda espacio en el disco del almacén: {reason}"),
            Self::StoreBroken(reason) => write!(f, "el almacén falló: {reason}"),
            Self::FolderFull(reason) => write!(f, "no hay espacio para la imagen en {FOLDER}: {reason}"),
            Self::FolderUnusable(reason) => write!(f, "no se puede guardar la imagen en {FOLDER}: {reason}"),
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
            ((4000, 3000), (801, 600), Reduction::None),
            ((4000, 3000), (800, 600), Reduction::Half),
            ((4000, 3000), (334, 250), Reduction::Half),
            ((4000, 3000), (333, 250), Reduction::Quarter),
            ((4000, 3000), (1, 1), Reduction::Quarter),
            // Each side for itself.
            ((4000, 3000), (400, 601), Reduction::None),
            ((4002, 3002), (400, 300), Reduction::Half),
            ((4001, 3000), (400, 300), Reduction::None),
            ((6, 6), (1, 1), Reduction::Half),
            ((4, 4), (1, 1), Reduction::None),
            ((1, 65_535), (1, 65), Reduction::None),
            ((u32::MAX, u32::MAX), (u32::MAX, u32::MAX), Reduction::None),
        ] {
            assert_eq!(Reduction::for_target(size, target), reduction, "{size:?} {target:?}");
        }
        assert_eq!(Reduction::Half.size(5, 4), (3, 2));
        assert_eq!(Reduction::Quarter.size(5, 4), (2, 1));
    }
}
