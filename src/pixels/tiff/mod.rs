//! TIFF 6.0 and BigTIFF: the first page, decompressed and turned into gray a row at a time.
//!
//! Directory, grid and meaning of the samples are read here, because real files have more variants than any crate
//! accepts; crates provide the codecs (`unpack`), and the tiff crate writes TIFF but doesn't read it. In memory are the
//! finished raster and a row of each plane, or one JPEG of each.
//!
//! Read: 1 to 16, 24, 32 and 64 bits an integer sample, gray, RGB, palette, CMYK, YCbCr, alpha of both kinds, strips
//! and tiles, planes together or apart; no compression, LZW of both kinds, deflate, PackBits, fax of groups 3 and 4 and
//! its runs alone, JPEG; both orders of bits. Refused by name: floating point, Lab, LogLuv, old JPEG, zstd, LZMA, WebP,
//! LERC, JPEG 2000 and XL.
//!
//! The work is at most a x bytes + b x pixels: the chunks together are hardly larger than the picture (`directory`) and
//! hardly longer than the file (`chunks`); each is walked once, and no further than the needed rows (`unpack`, `fax`);
//! of each pixel only the samples that count are touched (`samples`), and a pixel has at most 64 bytes. The cancel flag
//! is checked before each row and each JPEG.

mod chunks;
mod directory;
mod fax;
mod jpegs;
mod names;
mod samples;
mod tags;
mod unpack;

use scaler::raster::{Channels, Raster};

use crate::model::error::WorkError;
use crate::model::job::Cancel;

use super::header::{PictureHeader, undecodable};
use super::interrupt;
use super::orient::Orientation;
use chunks::Chunks;
use directory::{Alpha, Directory};
use unpack::Unpacker;

fn truncated() -> WorkError {
    undecodable("el TIFF está incompleto")
}

fn damaged() -> WorkError {
    undecodable("el TIFF está dañado")
}

pub(super) fn probe(bytes: &[u8]) -> Result<PictureHeader, WorkError> {
    let directory = Directory::read(bytes)?;
    Ok(PictureHeader { width: directory.width, height: directory.height, cost: directory.cost(bytes.len()) })
}

pub(super) fn decode(bytes: &[u8], cancelled: &Cancel) -> Result<(Raster, Orientation), WorkError> {
    let directory = &Directory::read(bytes)?;
    let chunks = Chunks::new(bytes, directory)?;
    let grays = directory.grays(bytes)?;
    let channels = if directory.alpha == Alpha::None { Channels::Luma } else { Channels::LumaAlpha };
    let stride = directory.width as usize * channels.count();
    let mut raster = vec![0; stride * directory.height as usize];

    let used = usize::from(directory.used());
    let row_bytes = usize::try_from(directory.row_bytes()).map_err(|_| damaged())?;
    let mut row = vec![0; row_bytes];
    let mut spread = vec![0; directory.chunk.0 as usize * used];
    let mut unpackers: Vec<_> = (0..directory.planes()).map(|_| Unpacker::new(directory)).collect();
    let (across, down) = directory.grid();
    for index in 0..across * down {
        let ((columns, rows), (left, top)) = directory.part(index);
        for (plane, unpacker) in unpackers.iter_mut().enumerate() {
            unpacker.open(chunks.get(plane, index)?, directory, (columns, rows), bytes, cancelled)?;
        }
        let spread = &mut spread[..columns as usize * used];
        // Where chromas are stored among them, some rows come at once.
        for first in (0..rows).step_by(directory.subsampling.1 as usize) {
            interrupt::check(cancelled)?;
            let together = directory.subsampling.1.min(rows - first);
            for (plane, unpacker) in unpackers.iter_mut().enumerate() {
                unpacker.read(&mut row)?;
                if directory.differences {
                    unpack::undo_differences(directory, &mut row);
                }
                if directory.planar {
                    samples::spread(directory, &row, plane, 0, spread);
                }
            }
            for line in 0..together {
                let start = (top + first + line) as usize * stride + left as usize * channels.count();
                let out = &mut raster[start..start + columns as usize * channels.count()];
                let samples = usize::from(directory.samples_in_plane());
                if directory.bits == 8 && !directory.planar && directory.subsampling == (1, 1) {
                    // Nothing to spread.
                    samples::to_gray(
                        directory,
                        grays.as_ref(),
                        &row[..columns as usize * samples],
                        samples,
                        out,
                    );
                    continue;
                }
                if !directory.planar {
                    samples::spread(directory, &row, 0, line as usize, spread);
                }
                samples::to_gray(directory, grays.as_ref(), spread, used, out);
            }
        }
        if rows == directory.chunk.1 {
            unpackers.iter_mut().try_for_each(Unpacker::finish)?;
        }
    }
    let raster = Raster { width: directory.width, height: directory.height, channels, samples: raster };
    Ok((raster, directory.orientation))
}
