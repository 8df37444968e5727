//! GIF (87a, 89a): the walk to the first frame, and that frame drawn on its canvas.
//!
//! The blocks are walked here and the codes decoded by weezl, which is what the gif crate does too; that crate
//! refuses frames without a colour table, which have a meaning (the index is the gray). What the first frame leaves
//! uncovered is transparent; a frame that reaches beyond the canvas enlarges it. Frames after the first are not
//! looked at.

use scaler::raster::{Channels, Raster};
use weezl::{BitOrder, LzwStatus, decode::Decoder};

use crate::exchange::job::Failure;

use super::bytes::le16;
use super::cost;
use super::gray::luma;
use super::probe::{Found, undecodable};

/// Blocks and sub-blocks walked before the first frame: 16 MiB of comments.
const BLOCKS_MAX: usize = 65_536;

struct Header<'a> {
    /// The canvas, large enough for the first frame.
    width: u32,
    height: u32,
    left: u32,
    top: u32,
    frame_width: u32,
    frame_height: u32,
    interlaced: bool,
    /// Red, green, blue of each index; empty if there is no table.
    palette: &'a [u8],
    transparent: Option<u8>,
    /// From the minimum code size on.
    data: &'a [u8],
}

impl<'a> Header<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Failure> {
        let (Some(width), Some(height), Some(&flags)) = (le16(bytes, 6), le16(bytes, 8), bytes.get(10))
        else {
            return Err(truncated());
        };
        let mut at = 13;
        let global = table(bytes, &mut at, flags)?;
        let mut transparent = None;
        for _ in 0..BLOCKS_MAX {
            let block = *bytes.get(at).ok_or_else(truncated)?;
            match block {
                0x2C => return Self::frame(bytes, at + 1, (width, height), global, transparent),
                0x3B => return Err(undecodable("el GIF no contiene ninguna imagen")),
                0x21 => {
                    // Graphic control extension (89a, section 23): flags, delay, transparent index.
                    if let Some([0xF9, 4, flags, _, _, index]) = bytes.get(at + 1..at + 7) {
                        transparent = (flags & 1 != 0).then_some(*index);
                    }
                    at = skip_sub_blocks(bytes, at + 2)?;
                }
                // A stray byte between blocks, written by old encoders.
                _ => at += 1,
            }
        }
        Err(undecodable("el GIF tiene demasiados bloques antes de la imagen"))
    }

    /// The image descriptor (89a, section 20).
    fn frame(
        bytes: &'a [u8],
        at: usize,
        (width, height): (u16, u16),
        global: &'a [u8],
        transparent: Option<u8>,
    ) -> Result<Self, Failure> {
        let side = |offset| le16(bytes, at + offset).map(u32::from).ok_or_else(truncated);
        let (left, top, frame_width, frame_height) = (side(0)?, side(2)?, side(4)?, side(6)?);
        let flags = *bytes.get(at + 8).ok_or_else(truncated)?;
        if frame_width == 0 || frame_height == 0 {
            return Err(undecodable("la primera imagen del GIF mide cero píxeles"));
        }
        let mut data = at + 9;
        let local = table(bytes, &mut data, flags)?;
        Ok(Header {
            width: u32::from(width).max(left + frame_width),
            height: u32::from(height).max(top + frame_height),
            left,
            top,
            frame_width,
            frame_height,
            interlaced: flags & 0x40 != 0,
            palette: if flags & 0x80 != 0 { local } else { global },
            transparent,
            data: bytes.get(data..).unwrap_or_default(),
        })
    }

    fn channels(&self) -> Channels {
        let covered = (self.frame_width, self.frame_height) == (self.width, self.height);
        if covered && self.transparent.is_none() { Channels::Luma } else { Channels::LumaAlpha }
    }

    /// Luma of each index: black past the end of the table, the index itself without one.
    fn grays(&self) -> [u8; 256] {
        let (colors, _) = self.palette.as_chunks::<3>();
        let mut grays = [0; 256];
        for (index, gray) in (0..=255).zip(&mut grays) {
            *gray = match colors.get(usize::from(index)) {
                Some(&[r, g, b]) => luma(r, g, b),
                None if colors.is_empty() => index,
                None => 0,
            };
        }
        grays
    }
}

/// The colour table that the flags announce at `at`, which moves past it.
fn table<'a>(bytes: &'a [u8], at: &mut usize, flags: u8) -> Result<&'a [u8], Failure> {
    if flags & 0x80 == 0 {
        return Ok(&[]);
    }
    let start = *at;
    *at += 3 << ((flags & 7) + 1);
    bytes.get(start..*at).ok_or_else(truncated)
}

/// Where the sub-blocks that start at `at` end, their terminator included.
fn skip_sub_blocks(bytes: &[u8], mut at: usize) -> Result<usize, Failure> {
    for _ in 0..BLOCKS_MAX {
        match *bytes.get(at).ok_or_else(truncated)? {
            0 => return Ok(at + 1),
            length => at += 1 + usize::from(length),
        }
    }
    Err(undecodable("el GIF tiene demasiados bloques antes de la imagen"))
}

fn truncated() -> Failure {
    undecodable("el GIF está incompleto")
}

fn damaged() -> Failure {
    undecodable("el GIF está dañado")
}

pub(super) fn probe(bytes: &[u8]) -> Result<Found, Failure> {
    let header = Header::read(bytes)?;
    let raster = cost::area(header.width, header.height, header.channels().count() as u64);
    let frame = cost::area(header.frame_width, header.frame_height, 1);
    Ok(Found { width: header.width, height: header.height, cost: cost::BASE + raster + frame })
}

pub(super) fn decode(bytes: &[u8]) -> Result<Raster, Failure> {
    let header = Header::read(bytes)?;
    let indices = indices(&header)?;
    let grays = header.grays();
    let channels = header.channels();
    let stride = header.width as usize * channels.count();
    let mut samples = vec![0; stride * header.height as usize];
    let stored = indices.chunks_exact(header.frame_width as usize);
    for (row, y) in stored.zip(row_order(header.frame_height as usize, header.interlaced)) {
        let start = (header.top as usize + y) * stride + header.left as usize * channels.count();
        let out = &mut samples[start..start + row.len() * channels.count()];
        match channels {
            Channels::Luma => {
                for (out, &index) in out.iter_mut().zip(row) {
                    *out = grays[usize::from(index)];
                }
            }
            Channels::LumaAlpha => {
                for (out, &index) in out.as_chunks_mut().0.iter_mut().zip(row) {
                    let alpha = if header.transparent == Some(index) { 0 } else { 255 };
                    *out = [grays[usize::from(index)], alpha];
                }
            }
        }
    }
    Ok(Raster { width: header.width, height: header.height, channels, samples })
}

/// The frame's indices in the order in which they are stored.
fn indices(header: &Header<'_>) -> Result<Vec<u8>, Failure> {
    let (&code_size, mut data) = header.data.split_first().ok_or_else(truncated)?;
    // Eight bits are the most that make sense (89a, appendix F), eleven what encoders have written.
    if !(1..=11).contains(&code_size) {
        return Err(damaged());
    }
    let mut indices = vec![0; header.frame_width as usize * header.frame_height as usize];
    let mut decoder = Decoder::new(BitOrder::Lsb, code_size);
    let mut filled = 0;
    while filled < indices.len() {
        let (&length, rest) = data.split_first().ok_or_else(truncated)?;
        // The terminator: not all pixels were coded.
        if length == 0 {
            return Err(truncated());
        }
        let mut block = rest.get(..usize::from(length)).ok_or_else(truncated)?;
        data = &rest[usize::from(length)..];
        // The decoder may take a whole block before it hands out what that says.
        while filled < indices.len() {
            let step = decoder.decode_bytes(block, &mut indices[filled..]);
            block = &block[step.consumed_in..];
            filled += step.consumed_out;
            match step.status {
                Ok(LzwStatus::Done) if filled < indices.len() => return Err(truncated()),
                Ok(LzwStatus::Done) => break,
                // Even without a byte in or out: a clear code was taken from the decoder's own bits.
                Ok(LzwStatus::Ok) => {}
                Ok(LzwStatus::NoProgress) => break,
                Err(_) => return Err(damaged()),
            }
        }
    }
    Ok(indices)
}

/// The rows of a frame in the order in which they are stored (89a, appendix E).
fn row_order(height: usize, interlaced: bool) -> impl Iterator<Item = usize> {
    let passes: &[(usize, usize)] = if interlaced { &[(0, 8), (4, 8), (2, 4), (1, 2)] } else { &[(0, 1)] };
    passes.iter().flat_map(move |&(start, step)| (start..height).step_by(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_comes_once() {
        for height in 1..40 {
            let mut rows: Vec<usize> = row_order(height, true).collect();
            assert_eq!(rows.first(), Some(&0));
            rows.sort_unstable();
            assert!(rows.into_iter().eq(0..height), "{height}");
        }
    }
}
