//! What the decoder hands over: bands of rows, or the whole picture.

use super::decoder::Decoder;
use super::header::{Color, Scale};
use super::list;
use crate::error::Error;

/// A band of rows of the picture, from the top down; it may be empty.
pub struct Rows<'a> {
    pub(super) planes: [Plane<'a>; 4],
    pub(super) count: usize,
    pub(super) width: usize,
    pub(super) first: usize,
    pub(super) rows: usize,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Plane<'a> {
    pub(super) samples: &'a [u8],
    pub(super) stride: usize,
}

/// A whole picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Samples in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// What the planes are: luma alone where there is luma, else all components.
    pub color: Color,
    /// As many as `Color::planes`: rows from the top, without gaps.
    pub planes: Vec<Vec<u8>>,
}

impl<'a> Rows<'a> {
    pub(super) fn none() -> Self {
        Self { planes: [Plane::default(); 4], count: 0, width: 0, first: 0, rows: 0 }
    }

    /// Number of the first row, from the top of the picture.
    #[must_use]
    pub fn first(&self) -> usize {
        self.first
    }

    /// How many rows these are; 0 if the work so far has finished none.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The samples of a row: `plane` from 0, by the order of the components, as many as `Color::planes`; `y` from the
    /// top of this band. Empty if there is no such row.
    #[must_use]
    pub fn row(&self, plane: usize, y: usize) -> &'a [u8] {
        let Some(plane) = self.planes.get(plane).filter(|_| y < self.rows) else { return &[] };
        let start = y * plane.stride;
        plane.samples.get(start..start + self.width).unwrap_or_default()
    }

    /// The rows of a plane, from the top down.
    pub fn plane(&self, plane: usize) -> impl ExactSizeIterator<Item = &'a [u8]> + '_ {
        (0..self.rows).map(move |y| self.row(plane, y))
    }

    /// How many planes there are.
    #[must_use]
    pub fn planes(&self) -> usize {
        self.count
    }
}

/// Decodes a whole picture.
///
/// # Errors
/// If it can't be decoded, or not wholly.
pub fn decode(bytes: &[u8], scale: Scale) -> Result<Picture, Error> {
    let mut decoder = Decoder::new(bytes, scale)?;
    let (width, height) = decoder.size();
    let color = decoder.header().color();
    let pixels = width as usize * height as usize;
    let mut planes = list(color.planes())?;
    for _ in 0..color.planes() {
        planes.push(list::<u8>(pixels)?);
    }
    while let Some(rows) = decoder.next_rows()? {
        for (index, plane) in planes.iter_mut().enumerate() {
            for row in rows.plane(index) {
                plane.extend_from_slice(row);
            }
        }
    }
    Ok(Picture { width, height, color, planes })
}
