//! JPEG (ITU-T T.81): decoded by the crate luma, to libjpeg-turbo's bits.
//!
//! Of YCbCr and gray pictures only the stored Y is decoded. Of RGB, CMYK and YCCK ones all components are, and turned
//! into gray as Pillow does, a band of rows at a time. Inks are taken for inverted (255 is none): only Adobe writes
//! them, and Pillow does the same.
//!
//! Damaged data and data that end early are refused, also where other decoders fill in what is missing. Lossless,
//! arithmetic, hierarchical and 12-bit processes are refused by name.
//!
//! The work is bounded by the bytes of the file and by the blocks of the picture times its scans, of which there may be
//! a hundred; an empty scan costs next to nothing a block. The decoder checks between bands of rows whether its picture
//! is still wanted.
//!
//! It asks the system for huge pages for the samples, as advice: nothing depends on it.

use luma::{Color, Decoder, Error, Header, Scale, Unsupported};
use scaler::raster::{Channels, Raster};
use scaler::sys::allocate_huge;

use super::buffers::BufferPool;
use super::gray::{cmyk_luma, luma, ycc_to_rgb};
use super::header::{PictureHeader, undecodable};
use super::orient::Orientation;
use super::{cost, exif, interrupt};
use crate::model::error::WorkError;
use crate::model::image::Reduction;
use crate::model::job::Cancel;

pub(super) fn probe(bytes: &[u8]) -> Result<PictureHeader, WorkError> {
    let header = Header::read(bytes).map_err(|error| refusal(&error))?;
    let cost = cost_of(&header, Scale::Full);
    Ok(PictureHeader { width: header.width(), height: header.height(), cost })
}

/// Upper bound in bytes of what decoding at that reduction allocates.
pub(super) fn cost(bytes: &[u8], reduction: Reduction) -> Result<u64, WorkError> {
    Header::read(bytes).map(|header| cost_of(&header, scale(reduction))).map_err(|error| refusal(&error))
}

fn cost_of(header: &Header, scale: Scale) -> u64 {
    let (width, height) = header.size(scale);
    cost::turnable(cost::area(width, height, 1), header.memory(scale))
}

const fn scale(reduction: Reduction) -> Scale {
    match reduction {
        Reduction::None => Scale::Full,
        Reduction::Half => Scale::HalfSharp,
        Reduction::Quarter => Scale::QuarterSharp,
    }
}

pub(super) fn decode(
    buffers: &BufferPool,
    bytes: &[u8],
    reduction: Reduction,
    cancelled: &Cancel,
) -> Result<(Raster, Orientation), WorkError> {
    let mut decoder = Decoder::new(bytes, scale(reduction)).map_err(|error| refusal(&error))?;
    let header = decoder.header();
    let orientation = exif::orientation(header.exif(bytes), header.xmp(bytes));
    let color = header.color();
    let (width, height) = decoder.size();
    let pixels = width as usize * height as usize;
    let mut samples = room(buffers, pixels)?;
    while let Some(rows) = decoder.next_rows().map_err(|error| refusal(&error))? {
        interrupt::check(cancelled)?;
        for y in 0..rows.len() {
            let planes: [&[u8]; 4] = std::array::from_fn(|plane| rows.row(plane, y));
            append_gray(color, planes, &mut samples);
        }
    }
    if samples.len() != pixels {
        return Err(damaged());
    }
    Ok((Raster { width, height, channels: Channels::Luma, samples }, orientation))
}

/// What the head of a JPEG inside another file says.
pub(super) struct Inside {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) components: usize,
    /// Upper bound in bytes of what [`decode_inside`] allocates.
    pub(super) cost: u64,
}

/// The samples of a JPEG inside another file: rows from top to bottom, components side by side, as they are stored.
#[derive(Default)]
pub(super) struct Stored {
    pub(super) width: u32,
    pub(super) components: usize,
    pub(super) samples: Vec<u8>,
}

/// The head of a JPEG inside another file, of which all components are wanted, or the first of luma and chroma alone.
pub(super) fn probe_inside(bytes: &[u8], luma_alone: bool) -> Result<Inside, WorkError> {
    let header = Header::read(bytes).map_err(|error| refusal(&error))?;
    let (width, height, components) = (header.width(), header.height(), header.components());
    let file_request = if luma_alone { 1 } else { components as u64 };
    let header = if luma_alone { header } else { header.with_all_components() };
    let cost = cost::area(width, height, file_request).saturating_add(header.memory(Scale::Full));
    Ok(Inside { width, height, components, cost: cost.saturating_add(cost::BASE) })
}

/// The samples of a JPEG inside another file; its own colour information is ignored.
pub(super) fn decode_inside(bytes: &[u8], luma_alone: bool, cancelled: &Cancel) -> Result<Stored, WorkError> {
    let begin = if luma_alone { Decoder::new } else { Decoder::with_all_components };
    let mut decoder = begin(bytes, Scale::Full).map_err(|error| refusal(&error))?;
    let header = decoder.header();
    if luma_alone && header.color().planes() != 1 {
        return Err(undecodable("el JPEG no es de luma y croma"));
    }
    let components = if luma_alone { 1 } else { header.components() };
    let (width, height) = decoder.size();
    let length = width as usize * height as usize * components;
    let mut samples = room(&BufferPool::default(), length)?;
    while let Some(rows) = decoder.next_rows().map_err(|error| refusal(&error))? {
        interrupt::check(cancelled)?;
        for y in 0..rows.len() {
            if components == 1 {
                samples.extend_from_slice(rows.row(0, y));
                continue;
            }
            let planes: [&[u8]; 4] = std::array::from_fn(|plane| rows.row(plane, y));
            for x in 0..width as usize {
                samples.extend(planes[..components].iter().filter_map(|plane| plane.get(x)));
            }
        }
    }
    if samples.len() != length {
        return Err(damaged());
    }
    Ok(Stored { width, components, samples })
}

/// An empty buffer with room for so many samples: a used one, or fresh memory in huge pages; an ordinary vector's
/// memory would come in pages of 4 KiB, each with a fault.
fn room(buffers: &BufferPool, length: usize) -> Result<Vec<u8>, WorkError> {
    let buffer = buffers.take(length);
    if buffer.capacity() >= length { Some(buffer) } else { allocate_huge(length) }.ok_or(WorkError::Lost)
}

/// Appends one row of gray, made of rows of the components of equal length.
fn append_gray(color: Color, [a, b, c, d]: [&[u8]; 4], samples: &mut Vec<u8>) {
    let colors = a.iter().zip(b).zip(c);
    match color {
        Color::Gray | Color::YCbCr => samples.extend_from_slice(a),
        Color::Rgb => samples.extend(colors.map(|((&r, &g), &b)| luma(r, g, b))),
        Color::Cmyk => {
            let inks = colors.zip(d);
            samples.extend(inks.map(|(((&c, &m), &y), &k)| cmyk_luma(!c, !m, !y, !k)));
        }
        Color::Ycck => samples.extend(colors.zip(d).map(|(((&y, &cb), &cr), &k)| {
            let [r, g, b] = ycc_to_rgb(y, cb, cr);
            cmyk_luma(r, g, b, !k)
        })),
    }
}

fn refusal(error: &Error) -> WorkError {
    undecodable(match error {
        Error::Truncated => return truncated(),
        Error::NoImage => "el JPEG termina antes de la imagen",
        Error::TooManyScans => "el JPEG tiene demasiados barridos",
        Error::TooManySegments => "el JPEG tiene demasiados segmentos antes de la imagen",
        Error::Unsupported(Unsupported::Precision(bits)) => {
            return WorkError::Undecodable(format!(
                "el JPEG tiene muestras de {bits} bits y solo se leen las de 8"
            ));
        }
        Error::Unsupported(Unsupported::Components(count)) => {
            return WorkError::Undecodable(format!(
                "el JPEG tiene {count} componentes y solo se leen 1, 3 o 4"
            ));
        }
        Error::Unsupported(Unsupported::Lossless) => {
            "el JPEG está comprimido sin pérdida y esa variante no se lee"
        }
        Error::Unsupported(Unsupported::Arithmetic) => {
            "el JPEG usa codificación aritmética y esa variante no se lee"
        }
        Error::Unsupported(Unsupported::Hierarchical) => "el JPEG es jerárquico y esa variante no se lee",
        Error::Unsupported(_) => "el JPEG usa un submuestreo que no se lee",
        Error::OutOfMemory => return WorkError::Lost,
        _ => return damaged(),
    })
}

fn truncated() -> WorkError {
    undecodable("el JPEG está incompleto")
}

fn damaged() -> WorkError {
    undecodable("el JPEG está dañado")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_used_buffer_is_taken_again_empty() {
        let buffers = BufferPool::new(u64::MAX);
        let used = vec![200; 5 << 20];
        let address = used.as_ptr();
        buffers.give(used);
        let samples = room(&buffers, (5 << 20) - 100).unwrap();
        assert_eq!((samples.as_ptr(), samples.len()), (address, 0));
        assert!(room(&buffers, 7).unwrap().is_empty());
    }

    #[test]
    fn a_picture_that_is_not_wanted_any_more_ends_between_bands() {
        let bytes = include_bytes!("../../tests/data/fotos/rocket.jpg");
        let cancelled = Cancel::default();
        assert!(decode(&BufferPool::default(), bytes, Reduction::None, &cancelled).is_ok());
        cancelled.set();
        assert!(matches!(
            decode(&BufferPool::default(), bytes, Reduction::None, &cancelled),
            Err(WorkError::Cancelled)
        ));
    }
}
