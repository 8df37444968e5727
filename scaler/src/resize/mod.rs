//! Resampling: antialiased bicubic (Catmull-Rom, a = -0.5), bit-identical to the convolution that Pillow 13 calls
//! BICUBIC for 8 bits.
//!
//! ```text
//!           a row of 12 source samples, to 4: each is as wide as 3 of them
//!  source   |  0 |  1 |  2 |  3 |  4 |  5 |  6 |  7 |  8 |  9 | 10 | 11 |
//!  result   |      0       |      1       |      2       |      3       |
//!
//!  the kernel over sample 1, whose middle is 4.5, reaches 2 of its widths to either side:
//!                               .--.
//!  weight                     .'    '.
//!                           .'        '.
//!       0  ----.         .'              '.         .----      below 0 on both sides: that keeps edges sharp
//!               '-.___.-'                  '-.___.-'
//!             -1    0    1    2 .. 4.5 .. 7    8    9   10
//!
//!  sample 1 = (w0 * source 0 + w1 * source 1 + … + w10 * source 10 + half) >> 22
//! ```
//!
//! Weights outside the picture are left out, and the rest is normalised to a sum of 2^22 ([`weights`]). The same is
//! done along the other axis, on the samples of the first pass, which are bytes again. So a picture is a stream:
//!
//! ```text
//!  rows in --> Input --> across --> ring or sums --> down --> rows out        as a rule
//!  rows in --> Input --> ring or sums --> down --> across --> rows out        columns first, see `rows_first`
//! ```
//!
//! A row of the result is ready as soon as its last source row is, and only some rows of either picture are in
//! memory. So they stay in the processor's cache, which makes it fast ([`kernels`]): two to three times as fast as a
//! pass over the whole picture for each axis.
//!
//! Rules: gray with alpha is premultiplied before and divided after ([`alpha`]); the same size is an exact copy;
//! portable and vector kernels give the same samples; memory is taken only in [`Resizer::new`] and
//! [`Resizer::more_space`].

pub(crate) mod across;
mod alpha;
mod down;
mod input;
pub(crate) mod kernels;
mod weights;

use std::fmt;

use across::{Plan, SLACK};
use down::Down;
use input::Input;
use kernels::{BLOCK, GROUP, Kernels};

use crate::raster::{Channels, Raster};

/// Resizes one picture: source rows in, result rows out.
///
/// ```
/// use scaler::raster::Channels;
/// use scaler::resize::Resizer;
///
/// let mut resizer = Resizer::new((4, 2), (2, 1), Channels::Luma)?;
/// let mut result = Vec::new();
/// for row in [[16, 16, 144, 144], [16, 16, 144, 144]] {
///     assert_eq!(resizer.push(&row), 4);
///     while let Some(row) = resizer.next_row() {
///         result.extend_from_slice(row);
///     }
/// }
/// assert_eq!(result, [27, 133]);
/// # Ok::<(), scaler::resize::ResizeError>(())
/// ```
#[derive(Debug)]
pub struct Resizer {
    kernels: Kernels,
    /// Source and result in samples per row (of one channel), and rows.
    from: (usize, usize),
    to: (usize, usize),
    channels: Channels,
    input: Input,
    /// A group of source rows, gray and alpha split.
    apart: Lines,
    passes: Passes,
    /// Rows of the result.
    ready: Lines,
    /// Which of `ready` have not gone out.
    first: usize,
    last: usize,
    /// A row with gray and alpha joined again.
    pixels: Vec<u8>,
    gone: usize,
}

#[derive(Debug)]
enum Passes {
    /// The same size.
    None,
    Across(Plan),
    Down(Down),
    AcrossDown(Plan, Down),
    /// With the rows in between, and how many there are.
    DownAcross(Down, Plan, Lines, usize),
}

impl Resizer {
    /// From `from` to `to`, columns and rows.
    ///
    /// # Errors
    /// [`ResizeError::Geometry`] for a side of 0, [`ResizeError::Memory`].
    pub fn new(from: (u32, u32), to: (u32, u32), channels: Channels) -> Result<Self, ResizeError> {
        Self::with(Kernels::here(), from, to, channels)
    }

    fn with(
        kernels: Kernels,
        from: (u32, u32),
        to: (u32, u32),
        channels: Channels,
    ) -> Result<Self, ResizeError> {
        if [from.0, from.1, to.0, to.1].contains(&0) {
            return Err(ResizeError::Geometry);
        }
        let rows_first = rows_first(from, to);
        let (from, to) = (sides(from)?, sides(to)?);
        let planes = channels.count();
        let across = || Plan::new(from.0, to.0, kernels.use_vectors());
        let source_stride = (from.0 + SLACK).next_multiple_of(BLOCK) * planes;
        let result_stride = to.0.next_multiple_of(BLOCK) * planes;
        let passes = match (from.0 == to.0, from.1 == to.1) {
            (true, true) => Passes::None,
            (false, true) => Passes::Across(across()?),
            (true, false) => Passes::Down(Down::new(from.1, to.1, source_stride)?),
            (false, false) if rows_first => {
                Passes::AcrossDown(across()?, Down::new(from.1, to.1, result_stride)?)
            }
            (false, false) => {
                let down = Down::new(from.1, to.1, source_stride)?;
                Passes::DownAcross(down, across()?, Lines::new(source_stride)?, 0)
            }
        };
        let ready_stride = if matches!(passes, Passes::Down(_)) { source_stride } else { result_stride };
        Ok(Self {
            kernels,
            from,
            to,
            channels,
            input: Input::new(from.0 * planes, from.1)?,
            apart: Lines::new(if channels == Channels::LumaAlpha { source_stride } else { 0 })?,
            passes,
            ready: Lines::new(ready_stride)?,
            first: 0,
            last: 0,
            pixels: zeroed(to.0 * planes)?,
            gone: 0,
        })
    }

    /// Takes source bytes in row order, cut anywhere; returns how many. Fewer than given if rows of the result wait,
    /// or behind the picture's end.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            let space = self.input.space();
            let count = rest.len().min(space.len());
            if count == 0 {
                break;
            }
            space[..count].copy_from_slice(&rest[..count]);
            self.input.filled(count);
            taken += count;
        }
        taken
    }

    /// Buffer for the next source bytes; empty if rows of the result wait, or behind the picture's end.
    pub fn space(&mut self) -> &mut [u8] {
        self.input.space()
    }

    /// The same, but unbounded: bytes that can't be used before rows of the result are taken are held.
    ///
    /// # Errors
    /// [`ResizeError::Memory`].
    pub fn more_space(&mut self) -> Result<&mut [u8], ResizeError> {
        self.input.more_space()
    }

    /// So many bytes were written to the front of [`Self::space`].
    pub fn filled(&mut self, count: usize) {
        let count = count.min(self.input.space().len());
        self.input.filled(count);
    }

    /// Source bytes that have not come.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.input.missing()
    }

    /// Bytes of the whole source.
    #[must_use]
    pub fn source_bytes(&self) -> usize {
        self.from.0.saturating_mul(self.from.1).saturating_mul(self.channels.count())
    }

    /// Bytes of the whole result.
    #[must_use]
    pub fn result_bytes(&self) -> usize {
        self.to.0.saturating_mul(self.to.1).saturating_mul(self.channels.count())
    }

    /// Rows of the result that have not gone out.
    #[must_use]
    pub fn rows_left(&self) -> usize {
        self.to.1 - self.gone
    }

    /// The next row of the result, of `width * channels.count()` bytes; `None` if it needs more of the source, and
    /// behind the last row.
    pub fn next_row(&mut self) -> Option<&[u8]> {
        if self.gone == self.to.1 {
            return None;
        }
        if matches!(self.passes, Passes::None) {
            return self.next_copy();
        }
        if self.first == self.last {
            self.last = self.work();
            self.first = 0;
            if self.last == 0 {
                return None;
            }
        }
        let line = self.ready.line(self.first);
        self.first += 1;
        self.gone += 1;
        match self.channels {
            Channels::Luma => line.get(..self.to.0),
            Channels::LumaAlpha => {
                let (gray, alpha) = line.split_at(line.len() / 2);
                self.kernels.join(gray, alpha, &mut self.pixels);
                Some(&self.pixels)
            }
        }
    }

    fn next_copy(&mut self) -> Option<&[u8]> {
        if self.input.rows() == 0 {
            return None;
        }
        self.pixels.copy_from_slice(self.input.group(1)[0].get(..self.to.0 * self.channels.count())?);
        self.input.used(1);
        self.gone += 1;
        Some(&self.pixels)
    }

    /// Makes 1 to 4 rows of the result, if the source rows for them are there.
    fn work(&mut self) -> usize {
        let Self { kernels, from, channels, input, apart, passes, ready, .. } = self;
        let kernels = *kernels;
        let left = self.to.1 - self.gone;
        loop {
            // Rows that need no further source row.
            match passes {
                Passes::Down(down) | Passes::AcrossDown(_, down) => {
                    if down.next(ready.line_mut(0), kernels) {
                        return 1;
                    }
                }
                Passes::DownAcross(down, plan, between, count) => {
                    while *count < left.min(GROUP) && down.next(between.line_mut(*count), kernels) {
                        *count += 1;
                    }
                    if *count == left.min(GROUP) {
                        *count = 0;
                        across(plan, between.lines(), ready.lines_mut(), kernels, *channels);
                        return left.min(GROUP);
                    }
                }
                Passes::None | Passes::Across(_) => {}
            }
            let count = input.rows();
            if count == 0 {
                return 0;
            }
            let (source, length) = match channels {
                Channels::Luma => (input.group(count), from.0),
                Channels::LumaAlpha => {
                    for (pixels, line) in input.group(count).into_iter().zip(apart.lines_mut()) {
                        let (gray, alpha) = line.split_at_mut(line.len() / 2);
                        kernels.split(pixels.get(..2 * from.0).unwrap_or_default(), gray, alpha);
                    }
                    (apart.lines(), apart.stride)
                }
            };
            match passes {
                Passes::Across(plan) => {
                    across(plan, source, ready.lines_mut(), kernels, *channels);
                    input.used(count);
                    return count;
                }
                Passes::AcrossDown(plan, down) => {
                    across(plan, source, down.places(), kernels, *channels);
                    down.arrived(count, kernels);
                }
                Passes::Down(down) | Passes::DownAcross(down, ..) => {
                    for (source, place) in source.into_iter().zip(down.places()) {
                        if let (Some(place), Some(source)) = (place.get_mut(..length), source.get(..length)) {
                            place.copy_from_slice(source);
                        }
                    }
                    down.arrived(count, kernels);
                }
                Passes::None => {}
            }
            input.used(count);
        }
    }
}

/// Each channel of the rows separately.
fn across(
    plan: &Plan,
    source: [&[u8]; GROUP],
    result: [&mut [u8]; GROUP],
    kernels: Kernels,
    channels: Channels,
) {
    match channels {
        Channels::Luma => kernels.across(plan, source, result),
        Channels::LumaAlpha => {
            let [a, b, c, d] = result.map(|line| line.split_at_mut(line.len() / 2));
            kernels.across(plan, source.map(|line| line.split_at(line.len() / 2).0), [a.0, b.0, c.0, d.0]);
            kernels.across(plan, source.map(|line| line.split_at(line.len() / 2).1), [a.1, b.1, c.1, d.1]);
        }
    }
}

/// A group of rows in whole blocks; with alpha, gray is in the first half of a row and alpha in the second.
#[derive(Debug)]
struct Lines {
    bytes: Vec<u8>,
    stride: usize,
}

impl Lines {
    fn new(stride: usize) -> Result<Self, ResizeError> {
        Ok(Self { bytes: zeroed(stride * GROUP)?, stride })
    }

    fn line(&self, index: usize) -> &[u8] {
        self.bytes.get(index * self.stride..(index + 1) * self.stride).unwrap_or_default()
    }

    fn line_mut(&mut self, index: usize) -> &mut [u8] {
        self.bytes.get_mut(index * self.stride..(index + 1) * self.stride).unwrap_or_default()
    }

    fn lines(&self) -> [&[u8]; GROUP] {
        std::array::from_fn(|index| self.line(index))
    }

    fn lines_mut(&mut self) -> [&mut [u8]; GROUP] {
        let mut lines = self.bytes.chunks_exact_mut(self.stride.max(1));
        std::array::from_fn(|_| lines.next().unwrap_or_default())
    }
}

/// Detects which kernels the processor runs. A parent calls it before it forks: the answer stays, and in a virtual
/// machine each detection takes as long as a small picture.
pub fn prepare() {
    let _ = Kernels::here();
}

/// Resizes a whole picture at once to `width` times `height` pixels.
///
/// # Errors
/// [`ResizeError::Memory`]; [`ResizeError::Geometry`] for a raster that breaks its invariant or a side of 0.
pub fn resize(source: &Raster, width: u32, height: u32) -> Result<Raster, ResizeError> {
    resize_with(Kernels::here(), source, width, height)
}

fn resize_with(kernels: Kernels, source: &Raster, width: u32, height: u32) -> Result<Raster, ResizeError> {
    let channels = source.channels;
    let mut resizer = Resizer::with(kernels, (source.width, source.height), (width, height), channels)?;
    if resizer.missing() != source.samples.len() {
        return Err(ResizeError::Geometry);
    }
    let (columns, rows) = sides((width, height))?;
    let bytes = columns.checked_mul(rows).and_then(|pixels| pixels.checked_mul(channels.count()));
    let mut samples = reserved(bytes.ok_or(ResizeError::Memory)?)?;
    let mut rest = source.samples.as_slice();
    while resizer.rows_left() > 0 {
        rest = rest.get(resizer.push(rest)..).unwrap_or_default();
        while let Some(row) = resizer.next_row() {
            samples.extend_from_slice(row);
        }
    }
    Ok(Raster { width, height, channels, samples })
}

/// Rows first, but columns first if they shrink more than twice as much as the rows. That is what Pillow 13.0 does
/// (found by comparing both orders with it for 1,367 random pairs of sizes, ties included).
fn rows_first(from: (u32, u32), to: (u32, u32)) -> bool {
    let lost = |from: u32, to: u32| i64::from(from) - i64::from(to);
    let (columns, rows) = (lost(from.0, to.0), lost(from.1, to.1));
    rows <= 0 || rows <= 2 * columns
}

fn sides((width, height): (u32, u32)) -> Result<(usize, usize), ResizeError> {
    let side = |side: u32| usize::try_from(side).map_err(|_| ResizeError::Memory);
    Ok((side(width)?, side(height)?))
}

/// An empty vector with room for so many.
fn reserved<T>(count: usize) -> Result<Vec<T>, ResizeError> {
    let mut all = Vec::new();
    all.try_reserve_exact(count).map_err(|_| ResizeError::Memory)?;
    Ok(all)
}

fn zeroed(count: usize) -> Result<Vec<u8>, ResizeError> {
    let mut all = reserved(count)?;
    all.resize(count, 0);
    Ok(all)
}

/// Why a picture is not resized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResizeError {
    /// No memory for the rows of the work, or for the result.
    Memory,
    /// A raster whose length disagrees with its sides, or a side of 0.
    Geometry,
}

impl fmt::Display for ResizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => write!(f, "no hay memoria para escalar la imagen"),
            Self::Geometry => write!(f, "las medidas de la imagen no concuerdan con sus bytes"),
        }
    }
}

impl std::error::Error for ResizeError {}

#[cfg(test)]
mod tests;
