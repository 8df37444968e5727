//! Writing gray JPEGs: baseline (T.81 F.1), one component of 8 bits, the tables of T.81 annex K, in a JFIF file.
//!
//! The bytes are those of libjpeg-turbo with its accurate transform (`cjpeg -grayscale -baseline -dct int -quality N`):
//! the same tables, rounding, padding at the edges (last column and row repeated), and order of segments.
//!
//! [`encode()`] takes a whole picture. An [`Encoder`] takes rows as they come, so that its caller may stop between them
//! and need not hold all of them; it holds at most seven rows of an incomplete row of blocks, and the file.
//!
//! Refused: sides of 0 or of more than 65,535, which the frame header can't hold. Not supported: other tables,
//! progressive files, restart markers, other densities, metadata.
#[cfg(target_arch = "x86_64")]
mod avx2;
mod fdct;
mod huffman;
mod tables;
mod writer;

use std::error::Error;
use std::fmt::{self, Display, Formatter};

use fdct::Coefficients;
use huffman::Coder;
use tables::Divisors;

/// Why a picture was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// A side is 0 or more than 65,535 (T.81 B.2.2).
    Side,
    /// Samples that are no whole rows, or fewer or more rows than the picture has.
    Samples,
}

impl Display for EncodeError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Side => "a side is 0 or more than 65535",
            Self::Samples => "not as many samples as the picture has",
        })
    }
}

impl Error for EncodeError {}

/// A gray JPEG of `samples`, `height` rows of `width` bytes, 0 black, 255 white, without gaps.
///
/// `quality` is libjpeg's, 1 to 100; other values are clamped.
///
/// ```
/// let file = luma::encode(&[0, 85, 170, 255], 2, 2, 85)?;
/// assert_eq!((&file[..2], &file[file.len() - 2..]), (&[0xFF, 0xD8][..], &[0xFF, 0xD9][..]));
/// # Ok::<(), luma::EncodeError>(())
/// ```
///
/// # Errors
/// [`EncodeError::Side`], and [`EncodeError::Samples`] if there are not `width * height` of them.
pub fn encode(samples: &[u8], width: usize, height: usize, quality: u8) -> Result<Vec<u8>, EncodeError> {
    let mut encoder = Encoder::new(width, height, quality)?;
    encoder.push_rows(samples)?;
    encoder.finish()
}

/// Writes a gray JPEG row by row.
///
/// ```
/// let mut encoder = luma::Encoder::new(100, 50, 85)?;
/// for _ in 0..50 {
///     encoder.push_rows(&[127; 100])?;
/// }
/// assert_eq!(encoder.finish()?, luma::encode(&[127; 5000], 100, 50, 85)?);
/// # Ok::<(), luma::EncodeError>(())
/// ```
pub struct Encoder {
    width: usize,
    /// Rows that are still to come.
    left: usize,
    /// Rows of a row of blocks that is not complete.
    waiting: Vec<u8>,
    blocks: Blocks,
}

impl Encoder {
    /// Begins a picture, with the head of its file. `quality` as in [`encode()`].
    ///
    /// # Errors
    /// [`EncodeError::Side`].
    pub fn new(width: usize, height: usize, quality: u8) -> Result<Self, EncodeError> {
        Self::append_to(Vec::new(), width, height, quality)
    }

    /// As [`Encoder::new`], but the file goes behind what is in `out` already, into its room.
    ///
    /// # Errors
    /// [`EncodeError::Side`].
    pub fn append_to(
        mut out: Vec<u8>,
        width: usize,
        height: usize,
        quality: u8,
    ) -> Result<Self, EncodeError> {
        let (Ok(w @ 1..), Ok(h @ 1..)) = (u16::try_from(width), u16::try_from(height)) else {
            return Err(EncodeError::Side);
        };
        let quantization = tables::quantization(quality);
        writer::head(&mut out, w, h, &quantization);
        let blocks = Blocks {
            head: out.len(),
            out,
            coder: Coder::new(),
            divisors: Divisors::new(&quantization),
            done: 0,
            all: u64::from(w).div_ceil(8) * u64::from(h).div_ceil(8),
            kernel: Kernel::detect(),
        };
        Ok(Self { width, left: height, waiting: Vec::new(), blocks })
    }

    /// The next rows, from the top, as many as there are: `width` bytes each, without gaps.
    ///
    /// # Errors
    /// [`EncodeError::Samples`] if that is no whole number of rows, or more than are missing; nothing is taken then.
    pub fn push_rows(&mut self, mut samples: &[u8]) -> Result<(), EncodeError> {
        let rows = samples.len() / self.width;
        if !samples.len().is_multiple_of(self.width) || rows > self.left {
            return Err(EncodeError::Samples);
        }
        self.left -= rows;
        let full = 8 * self.width;
        if !self.waiting.is_empty() {
            let (these, others) = samples.split_at((full - self.waiting.len()).min(samples.len()));
            self.waiting.extend_from_slice(these);
            samples = others;
            if self.waiting.len() == full {
                self.blocks.row(&self.waiting, self.width);
                self.waiting.clear();
            }
        }
        let mut bands = samples.chunks_exact(full);
        bands.by_ref().for_each(|band| self.blocks.row(band, self.width));
        self.waiting.extend_from_slice(bands.remainder());
        Ok(())
    }

    /// The file, once all rows are there.
    ///
    /// # Errors
    /// [`EncodeError::Samples`] if rows are missing.
    pub fn finish(mut self) -> Result<Vec<u8>, EncodeError> {
        if self.left > 0 {
            return Err(EncodeError::Samples);
        }
        if !self.waiting.is_empty() {
            // Blocks at the lower edge repeat the last row, as libjpeg's do.
            while self.waiting.len() < 8 * self.width {
                self.waiting.extend_from_within(self.waiting.len() - self.width..);
            }
            self.blocks.row(&self.waiting, self.width);
        }
        Ok(self.blocks.finish())
    }
}

/// Most bytes that a block is given room for. Noise of black and white has 120 bytes, and no picture more than 145
/// without stuffing: the squares of 64 coefficients add up to those of the samples, 64 * 128 * 128 at most, and by the
/// standard tables the most expensive use of that is 63 coefficients of 128, 18 bits each, and a difference of 20 bits.
const BLOCK_MAX: u64 = 160;

struct Blocks {
    out: Vec<u8>,
    /// Bytes before it.
    head: usize,
    coder: Coder,
    divisors: Divisors,
    done: u64,
    all: u64,
    kernel: Kernel,
}

#[derive(Clone, Copy)]
enum Kernel {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

impl Kernel {
    /// The instructions of [`Blocks::row_avx2`]. All processors with AVX2 have the others.
    fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
        {
            return Self::Avx2;
        }
        Self::Portable
    }
}

impl Blocks {
    /// Codes a row of blocks: eight rows of `width` samples.
    fn row(&mut self, band: &[u8], width: usize) {
        match self.kernel {
            Kernel::Portable => self.pairs(band, width, fdct::coefficients),
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "the one way into functions for a processor that was asked")]
            // SAFETY: `Kernel::detect` found the features that the function is compiled for.
            Kernel::Avx2 => unsafe { self.row_avx2(band, width) },
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    fn row_avx2(&mut self, band: &[u8], width: usize) {
        self.pairs(band, width, |rows, stride, at, divisors| avx2::coefficients(rows, stride, at, divisors));
    }

    /// Inlined, so that the whole loop is compiled for the instructions of its caller.
    #[inline(always)]
    fn pairs(
        &mut self,
        band: &[u8],
        width: usize,
        coefficients: impl Fn(&[u8], usize, usize, &Divisors) -> Coefficients,
    ) {
        let whole = width / 16 * 16;
        for at in (0..whole).step_by(16) {
            self.coder.pair(&coefficients(band, width, at, &self.divisors), 2);
            self.done += 2;
            if self.coder.is_full() {
                self.hand_on();
            }
        }
        if whole < width {
            let edge = edge(band, width, whole);
            let count = (width - whole).div_ceil(8);
            self.coder.pair(&coefficients(edge.as_flattened(), 16, 0, &self.divisors), count);
            self.done += count as u64;
            if self.coder.is_full() {
                self.hand_on();
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn hand_on(&mut self) {
        // Every byte may need one more behind it.
        let need = 2 * self.coder.bytes().len() + 2;
        if self.out.capacity() - self.out.len() < need {
            self.grow(need);
        }
        writer::stuff(&mut self.out, self.coder.bytes());
        self.coder.clear();
    }

    /// Makes room for the rest of the file, estimated from the blocks coded so far plus a sixteenth; at least an eighth
    /// of the present length, so that it moves seldom, and at most what blocks can take.
    fn grow(&mut self, need: usize) {
        let used = self.out.len() - self.head + self.coder.bytes().len();
        let blocks = self.all - self.done;
        let left = used as u64 * blocks / self.done.max(1);
        let left = (left + left / 16).max(used as u64 / 8).min(blocks * BLOCK_MAX);
        self.out.reserve_exact(need + usize::try_from(left).unwrap_or(0));
    }

    fn finish(mut self) -> Vec<u8> {
        self.coder.pad();
        self.hand_on();
        writer::tail(&mut self.out);
        self.out.shrink_to_fit();
        self.out
    }
}

/// The last samples of the rows of a band, from `from` on, with the last one again up to sixteen.
fn edge(band: &[u8], width: usize, from: usize) -> [[u8; 16]; 8] {
    let mut edge = [[0; 16]; 8];
    for (line, row) in edge.iter_mut().zip(band.chunks_exact(width)) {
        for (x, sample) in line.iter_mut().enumerate() {
            *sample = row[(from + x).min(width - 1)];
        }
    }
    edge
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples of any kind: noise, black and white, almost flat, by `kind`.
    fn samples(count: usize, kind: u32) -> Vec<u8> {
        let mut state = 0x9E37_79B9_7F4A_7C15u64 + u64::from(kind);
        (0..count)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let [byte, ..] = state.to_be_bytes();
                match kind % 3 {
                    0 => byte,
                    1 => {
                        if byte < 128 {
                            0
                        } else {
                            255
                        }
                    }
                    _ => 100 + byte % 4,
                }
            })
            .collect()
    }

    #[test]
    fn kernels_agree() {
        let detected = Kernel::detect();
        for (kind, (width, height, quality)) in
            (0..).zip([(97, 41, 100), (64, 64, 100), (40, 16, 1), (33, 33, 85), (8, 9, 50), (200, 50, 97)])
        {
            let samples = samples(width * height, kind);
            let files = [Kernel::Portable, detected].map(|kernel| {
                let mut encoder = Encoder::new(width, height, quality).unwrap();
                encoder.blocks.kernel = kernel;
                encoder.push_rows(&samples).unwrap();
                encoder.finish().unwrap()
            });
            assert!(files[0] == files[1], "{width}x{height} {quality}");
        }
    }

    #[test]
    fn rows_may_come_in_any_portions() {
        let (width, height) = (37, 53);
        let samples = samples(width * height, 0);
        let whole = encode(&samples, width, height, 85).unwrap();
        for portion in 1..=height {
            let mut encoder = Encoder::append_to(b"before".to_vec(), width, height, 85).unwrap();
            for rows in samples.chunks(portion * width) {
                encoder.push_rows(rows).unwrap();
            }
            let file = encoder.finish().unwrap();
            assert!(file[..6] == *b"before" && file[6..] == whole, "{portion} rows at once");
        }
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        for (width, height) in [(0, 1), (1, 0), (65_536, 1), (1, 65_536), (usize::MAX, usize::MAX)] {
            assert_eq!(Encoder::new(width, height, 85).err(), Some(EncodeError::Side), "{width}x{height}");
        }
        for count in [0, 5, 7, 12] {
            assert_eq!(encode(&[0; 12][..count], 2, 3, 85), Err(EncodeError::Samples), "{count}");
        }
        let mut encoder = Encoder::new(2, 3, 85).unwrap();
        assert_eq!(encoder.push_rows(&[0; 3]), Err(EncodeError::Samples));
        assert_eq!(encoder.push_rows(&[0; 8]), Err(EncodeError::Samples));
        // What was refused was not taken.
        assert_eq!(encoder.push_rows(&[0; 6]), Ok(()));
        assert_eq!(encoder.push_rows(&[0; 2]), Err(EncodeError::Samples));
        assert_eq!(encoder.finish(), encode(&[0; 6], 2, 3, 85));
        assert_eq!(Encoder::new(2, 3, 85).unwrap().finish(), Err(EncodeError::Samples));
    }

    #[test]
    fn the_longest_sides() {
        for (width, height) in [(65_535, 1), (1, 65_535)] {
            let file = encode(&samples(65_535, 0), width, height, 100).unwrap();
            assert!(file.ends_with(&[0xFF, 0xD9]), "{width}x{height}");
        }
    }
}
