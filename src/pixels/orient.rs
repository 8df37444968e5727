//! Turning a stored picture upright: the eight orientations of EXIF and TIFF (TIFF 6.0, section 8).
//!
//! Mirrored rows and columns are swapped in place; the four orientations that exchange width and height need a second
//! buffer of the same size, and go through it in tiles, so that neither side misses the cache at every pixel.

use scaler::raster::{Channels, Raster};

use super::bytes::Endian;

/// What has to be done to the stored picture; the discriminant is the value of the tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Orientation {
    /// Nothing.
    #[default]
    Upright = 1,
    /// Left and right exchanged.
    Mirror = 2,
    /// Half a turn.
    HalfTurn = 3,
    /// Top and bottom exchanged.
    Flip = 4,
    /// Rows become columns.
    Transpose = 5,
    /// A quarter turn clockwise.
    TurnRight = 6,
    /// Rows become columns about the other diagonal.
    Transverse = 7,
    /// A quarter turn counterclockwise.
    TurnLeft = 8,
}

/// Pixels of a side of the squares in which rows become columns.
const TILE: usize = 32;

impl Orientation {
    pub(super) const fn from_tag(value: u32) -> Option<Self> {
        Some(match value {
            1 => Self::Upright,
            2 => Self::Mirror,
            3 => Self::HalfTurn,
            4 => Self::Flip,
            5 => Self::Transpose,
            6 => Self::TurnRight,
            7 => Self::Transverse,
            8 => Self::TurnLeft,
            _ => return None,
        })
    }

    /// Columns and rows of a picture that is stored in this size, turned upright.
    pub(super) const fn upright_size(self, width: u32, height: u32) -> (u32, u32) {
        match self {
            Self::Upright | Self::Mirror | Self::HalfTurn | Self::Flip => (width, height),
            Self::Transpose | Self::TurnRight | Self::Transverse | Self::TurnLeft => (height, width),
        }
    }

    /// The orientation in a 12-byte directory entry. It should be a SHORT; programs write integers of every type, and
    /// cameras SLONG (TIFF 6.0, section 2).
    pub(super) fn from_entry(endian: Endian, entry: &[u8]) -> Option<Self> {
        if endian.u32(entry, 4)? == 0 {
            return None;
        }
        Self::from_tag(match endian.u16(entry, 2)? {
            // BYTE, SBYTE; SHORT, SSHORT; LONG, SLONG. A negative number is too large a one.
            1 | 6 => (*entry.get(8)?).into(),
            3 | 8 => endian.u16(entry, 8)?.into(),
            4 | 9 => endian.u32(entry, 8)?,
            _ => return None,
        })
    }

    const fn swaps_sides(self) -> bool {
        matches!(self, Self::Transpose | Self::TurnRight | Self::Transverse | Self::TurnLeft)
    }
}

pub(super) fn upright(mut raster: Raster, orientation: Orientation) -> Raster {
    if orientation.swaps_sides() {
        return match raster.channels {
            Channels::Luma => swap_sides::<1>(&raster, orientation),
            Channels::LumaAlpha => swap_sides::<2>(&raster, orientation),
        };
    }
    match raster.channels {
        Channels::Luma => rearrange::<1>(&mut raster, orientation),
        Channels::LumaAlpha => rearrange::<2>(&mut raster, orientation),
    }
    raster
}

/// The orientations that keep the sides, in place.
fn rearrange<const N: usize>(raster: &mut Raster, orientation: Orientation) {
    let width = raster.width as usize;
    let pixels = raster.samples.as_chunks_mut::<N>().0;
    match orientation {
        Orientation::HalfTurn => pixels.reverse(),
        Orientation::Mirror => pixels.chunks_exact_mut(width).for_each(<[_]>::reverse),
        Orientation::Flip => {
            let mut rows = pixels.chunks_exact_mut(width);
            while let (Some(top), Some(bottom)) = (rows.next(), rows.next_back()) {
                top.swap_with_slice(bottom);
            }
        }
        _ => {}
    }
}

/// The orientations that exchange the sides, into a new buffer.
fn swap_sides<const N: usize>(raster: &Raster, orientation: Orientation) -> Raster {
    let (width, height) = (raster.width as usize, raster.height as usize);
    let stored = raster.samples.as_chunks::<N>().0;
    let mut samples = vec![0; raster.samples.len()];
    let pixels = samples.as_chunks_mut::<N>().0;
    for top in (0..height).step_by(TILE) {
        for left in (0..width).step_by(TILE) {
            for x in left..(left + TILE).min(width) {
                let row = match orientation {
                    Orientation::Transverse | Orientation::TurnLeft => width - 1 - x,
                    _ => x,
                };
                for y in top..(top + TILE).min(height) {
                    let column = match orientation {
                        Orientation::Transverse | Orientation::TurnRight => height - 1 - y,
                        _ => y,
                    };
                    pixels[row * height + column] = stored[y * width + x];
                }
            }
        }
    }
    Raster { width: raster.height, height: raster.width, channels: raster.channels, samples }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of 3x2 whose pixels are their own numbers, and what the eight orientations make of it.
    const EXPECTED: [(u32, u32, [u8; 6]); 8] = [
        (3, 2, [1, 2, 3, 4, 5, 6]),
        (3, 2, [3, 2, 1, 6, 5, 4]),
        (3, 2, [6, 5, 4, 3, 2, 1]),
        (3, 2, [4, 5, 6, 1, 2, 3]),
        (2, 3, [1, 4, 2, 5, 3, 6]),
        (2, 3, [4, 1, 5, 2, 6, 3]),
        (2, 3, [6, 3, 5, 2, 4, 1]),
        (2, 3, [3, 6, 2, 5, 1, 4]),
    ];

    #[test]
    fn the_eight_orientations() {
        for (tag, (width, height, samples)) in (1..).zip(EXPECTED) {
            let stored =
                Raster { width: 3, height: 2, channels: Channels::Luma, samples: vec![1, 2, 3, 4, 5, 6] };
            let turned = upright(stored, Orientation::from_tag(tag).unwrap());
            let expected = Raster { width, height, channels: Channels::Luma, samples: samples.to_vec() };
            assert_eq!(turned, expected, "orientation {tag}");
        }
    }

    #[test]
    fn alpha_stays_with_its_pixel() {
        for (tag, (width, height, samples)) in (1..).zip(EXPECTED) {
            let pairs = |pixels: &[u8]| pixels.iter().flat_map(|&p| [p, p + 100]).collect::<Vec<u8>>();
            let stored = Raster {
                width: 3,
                height: 2,
                channels: Channels::LumaAlpha,
                samples: pairs(&[1, 2, 3, 4, 5, 6]),
            };
            let turned = upright(stored, Orientation::from_tag(tag).unwrap());
            let expected = Raster { width, height, channels: Channels::LumaAlpha, samples: pairs(&samples) };
            assert_eq!(turned, expected, "orientation {tag}");
        }
    }

    #[test]
    fn sides_beyond_a_tile_come_back_after_four_quarter_turns() {
        let samples: Vec<u8> = (0..=250).cycle().take(70 * 45).collect();
        let stored = Raster { width: 70, height: 45, channels: Channels::Luma, samples };
        let mut turned = stored.clone();
        for _ in 0..4 {
            turned = upright(turned, Orientation::TurnRight);
        }
        assert_eq!(turned, stored);
        assert_eq!(upright(upright(turned, Orientation::TurnRight), Orientation::TurnLeft), stored);
    }
}
