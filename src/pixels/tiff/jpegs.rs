//! The JPEGs in the strips and tiles of a TIFF (compression 7 of TIFF Technical Note 2).
//!
//! Each is a whole JPEG, except for tables that all may share in a tag. Its samples are taken as they are stored,
//! whatever it says of its colours: the TIFF defines their meaning, as for libtiff. Of luma and chroma only luma is
//! decoded.
//!
//! The head of each is walked within its own chunk, and compared with the TIFF before anything is allocated: its size,
//! its components, and its cost, which may not exceed the announced one, that of the first JPEG.

use super::directory::{Directory, Ink};
use super::truncated;
use crate::model::error::WorkError;
use crate::model::job::Cancel;
use crate::pixels::header::undecodable;
use crate::pixels::interrupt;
use crate::pixels::jpeg::{self, Inside, Stored};

/// What a JPEG may cost beyond the first: they may differ in their metadata.
const COST_EXTRA: u64 = 64 * 1024;
/// Pixels beyond four times those of its chunk that a JPEG may have.
const AREA_EXTRA: u64 = 64 * 1024;

/// What decoding the JPEG of one chunk may allocate, from the head of the first.
pub(super) fn announce(bytes: &[u8], directory: &Directory) -> Result<u64, WorkError> {
    let offset = directory.value(bytes, directory.offsets, 0).ok_or_else(truncated)?;
    let offset = usize::try_from(offset).map_err(|_| truncated())?;
    let chunk = bytes.get(offset..).ok_or_else(truncated)?;
    let inside = jpeg::probe_inside(chunk, directory.ink == Ink::Ycc).map_err(within)?;
    check(&inside, directory)?;
    Ok(inside.cost.saturating_add(COST_EXTRA))
}

/// The samples of a chunk, of which as many columns and rows are needed.
pub(super) fn decode(
    chunk: &[u8],
    directory: &Directory,
    needed: (u32, u32),
    file: &[u8],
    cancelled: &Cancel,
) -> Result<Stored, WorkError> {
    interrupt::check(cancelled)?;
    let luma_alone = directory.ink == Ink::Ycc;
    let inside = jpeg::probe_inside(chunk, luma_alone).map_err(within)?;
    check(&inside, directory)?;
    if inside.width < needed.0 || inside.height < needed.1 {
        return Err(other_size());
    }
    if inside.cost > directory.jpeg_cost {
        return Err(undecodable("los JPEG que contiene el TIFF son demasiado distintos entre sí"));
    }
    let tables = directory.jpeg_tables(file)?;
    let joined = match (tables, chunk) {
        // Both begin with a mark of their own; the tables end with one.
        ([0xFF, 0xD8, tables @ ..], [0xFF, 0xD8, picture @ ..]) => {
            let tables = tables.strip_suffix(&[0xFF, 0xD9]).unwrap_or(tables);
            Some([&[0xFF, 0xD8], tables, picture].concat())
        }
        _ => None,
    };
    jpeg::decode_inside(joined.as_deref().unwrap_or(chunk), luma_alone, cancelled).map_err(within)
}

/// Holds the size and the components of a JPEG against those that it must have.
fn check(inside: &Inside, directory: &Directory) -> Result<(), WorkError> {
    let expected = if directory.planar { 1 } else { directory.samples };
    if inside.components != usize::from(expected) {
        return Err(WorkError::Undecodable(format!(
            "el TIFF contiene un JPEG de {} componentes donde tenía que haber {expected}",
            inside.components
        )));
    }
    // The last strip may be as tall as the others, beyond the picture.
    let most = 4 * u64::from(directory.chunk.0) * u64::from(directory.chunk.1) + AREA_EXTRA;
    let tall = directory.tiled && inside.height > directory.chunk.1;
    if inside.width > directory.chunk.0 || tall || u64::from(inside.width) * u64::from(inside.height) > most {
        return Err(other_size());
    }
    Ok(())
}

fn other_size() -> WorkError {
    undecodable("el TIFF contiene un JPEG de otro tamaño")
}

/// A reason that says which JPEG it is about.
fn within(failure: WorkError) -> WorkError {
    match failure {
        WorkError::Undecodable(reason) => {
            WorkError::Undecodable(format!("el TIFF contiene un JPEG que no se lee: {reason}"))
        }
        other => other,
    }
}
