//! GIF (87a, 89a): the walk to the first frame, and that frame, decoded by the gif crate, drawn on its canvas.
//!
//! The crate is shown the screen, a colour table and the first frame, but nothing in between: it keeps some extensions
//! in memory, and refuses others. It also refuses a picture without any colour table, in which the index is the gray:
//! that one is given a table of grays. Pixels that the first frame leaves uncovered are transparent; a frame that
//! reaches beyond the canvas enlarges it. Later frames are ignored.
//!
//! Work: before the frame at most 65,536 blocks, sub-blocks and stray bytes are walked, and their content is skipped. A
//! code of the frame takes at least three bits; it writes one pixel and those of codes before it, none past the last
//! one. Then each pixel of the frame is drawn once, on a canvas that is written once.

use std::io::Read;

use gif::{DecodeOptions, DecodingError};
use scaler::raster::{Channels, Raster};

use super::bytes::le16;
use super::cost;
use super::gray::luma;
use super::header::{PictureHeader, undecodable};
use super::interrupt::Interruptible;
use crate::model::error::WorkError;
use crate::model::job::Cancel;

/// Blocks, sub-blocks and stray bytes walked before the first frame: 16 MiB of comments.
const BLOCKS_MAX: usize = 65_536;

/// Signature and logical screen descriptor (89a, sections 17 and 18); the flags are the eleventh byte.
const SCREEN: usize = 13;

struct GifHeader<'a> {
    /// The canvas, large enough for the first frame.
    width: u32,
    height: u32,
    left: u32,
    top: u32,
    frame_width: u32,
    frame_height: u32,
    transparent: Option<u8>,
    /// Red, green, blue of each index for all frames; empty if there is no such table.
    table: &'a [u8],
    /// From the separator of the first frame's descriptor on.
    frame: &'a [u8],
}

impl<'a> GifHeader<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, WorkError> {
        let (Some(width), Some(height), Some(&flags)) = (le16(bytes, 6), le16(bytes, 8), bytes.get(10))
        else {
            return Err(truncated());
        };
        let table_length = if flags & 0x80 != 0 { 3 << ((flags & 7) + 1) } else { 0 };
        let mut at = SCREEN + table_length;
        let table = bytes.get(SCREEN..at).ok_or_else(truncated)?;
        let mut transparent = None;
        let mut budget = BLOCKS_MAX;
        loop {
            spend(&mut budget)?;
            let block = *bytes.get(at).ok_or_else(truncated)?;
            match block {
                0x2C => return Self::frame(&bytes[at..], (width, height), table, transparent),
                0x3B => return Err(undecodable("el GIF no contiene ninguna imagen")),
                0x21 => {
                    // Graphic control extension (89a, section 23): flags, delay, transparent index.
                    if let Some([0xF9, 4, flags, _, _, index]) = bytes.get(at + 1..at + 7) {
                        transparent = (flags & 1 != 0).then_some(*index);
                    }
                    at = skip_sub_blocks(bytes, at + 2, &mut budget)?;
                }
                // A stray byte between blocks, written by old encoders.
                _ => at += 1,
            }
        }
    }

    /// The image descriptor (89a, section 20).
    fn frame(
        frame: &'a [u8],
        (width, height): (u16, u16),
        table: &'a [u8],
        transparent: Option<u8>,
    ) -> Result<Self, WorkError> {
        let side = |at| le16(frame, at).map(u32::from).ok_or_else(truncated);
        let (left, top, frame_width, frame_height) = (side(1)?, side(3)?, side(5)?, side(7)?);
        if frame_width == 0 || frame_height == 0 {
            return Err(undecodable("la primera imagen del GIF mide cero píxeles"));
        }
        Ok(GifHeader {
            width: u32::from(width).max(left + frame_width),
            height: u32::from(height).max(top + frame_height),
            left,
            top,
            frame_width,
            frame_height,
            transparent,
            table,
            frame,
        })
    }

    /// Opaque only if the frame hides the whole canvas.
    fn channels(&self) -> Channels {
        let covered = (self.frame_width, self.frame_height) == (self.width, self.height);
        if covered && self.transparent.is_none() { Channels::Luma } else { Channels::LumaAlpha }
    }

    /// A GIF of the first frame alone, for the decoder.
    fn picture(&self, bytes: &'a [u8], cancelled: &'a Cancel) -> impl Read + 'a {
        let mut screen = bytes[..SCREEN].to_vec();
        if self.table.is_empty() {
            screen[10] |= 0x87;
            screen.extend((0..=255).flat_map(|gray| [gray; 3]));
        } else {
            screen.extend(self.table);
        }
        std::io::Cursor::new(screen).chain(Interruptible::new(self.frame, cancelled))
    }
}

/// Where the sub-blocks that start at `at` end, their terminator included.
fn skip_sub_blocks(bytes: &[u8], mut at: usize, budget: &mut usize) -> Result<usize, WorkError> {
    loop {
        spend(budget)?;
        match *bytes.get(at).ok_or_else(truncated)? {
            0 => return Ok(at + 1),
            length => at += 1 + usize::from(length),
        }
    }
}

fn spend(budget: &mut usize) -> Result<(), WorkError> {
    let rest = budget.checked_sub(1);
    *budget = rest.ok_or_else(|| undecodable("el GIF tiene demasiados bloques antes de la imagen"))?;
    Ok(())
}

fn truncated() -> WorkError {
    undecodable("el GIF está incompleto")
}

pub(super) fn probe(bytes: &[u8]) -> Result<PictureHeader, WorkError> {
    let header = GifHeader::read(bytes)?;
    let indices = cost::area(header.frame_width, header.frame_height, 1);
    // Those of an opaque frame become its grays where they lie.
    let canvas = match header.channels() {
        Channels::Luma => 0,
        Channels::LumaAlpha => cost::area(header.width, header.height, 2),
    };
    Ok(PictureHeader { width: header.width, height: header.height, cost: cost::BASE + indices + canvas })
}

pub(super) fn decode(bytes: &[u8], cancelled: &Cancel) -> Result<Raster, WorkError> {
    let header = GifHeader::read(bytes)?;
    let (mut indices, grays) = indices(&header, bytes, cancelled).map_err(|e| refusal(&e))?;
    let (width, height, channels) = (header.width, header.height, header.channels());
    if channels == Channels::Luma {
        for index in &mut indices {
            *index = grays[usize::from(*index)];
        }
        return Ok(Raster { width, height, channels, samples: indices });
    }
    let stride = 2 * width as usize;
    let mut samples = vec![0; stride * height as usize];
    let rows = samples.chunks_exact_mut(stride).skip(header.top as usize);
    for (out, row) in rows.zip(indices.chunks_exact(header.frame_width as usize)) {
        let (out, _) = out[2 * header.left as usize..].as_chunks_mut();
        for (out, &index) in out.iter_mut().zip(row) {
            let alpha = if header.transparent == Some(index) { 0 } else { 255 };
            *out = [grays[usize::from(index)], alpha];
        }
    }
    Ok(Raster { width, height, channels, samples })
}

/// The frame's indices row by row, and the luma of each index: black past the end of the colour table.
fn indices(
    header: &GifHeader<'_>,
    bytes: &[u8],
    cancelled: &Cancel,
) -> Result<(Vec<u8>, [u8; 256]), DecodingError> {
    let mut decoder = DecodeOptions::new().read_info(header.picture(bytes, cancelled))?;
    decoder.next_frame_info()?;
    let mut grays = [0; 256];
    for (gray, &[r, g, b]) in grays.iter_mut().zip(decoder.palette()?.as_chunks().0) {
        *gray = luma(r, g, b);
    }
    let mut indices = vec![0; header.frame_width as usize * header.frame_height as usize];
    decoder.read_into_buffer(&mut indices)?;
    Ok((indices, grays))
}

fn refusal(error: &DecodingError) -> WorkError {
    match error {
        DecodingError::UnexpectedEof => truncated(),
        // The crate has no other way to say that the codes end before the picture does.
        DecodingError::Format(e) if e.to_string() == "image truncated" => truncated(),
        _ => undecodable("el GIF está dañado"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two pixels with the indices 1 and 0, in codes of three bits: clear, 1, 0, end.
    const FRAME: &[u8] = b"\x2C\0\0\0\0\x02\0\x01\0\0\x02\x02\x0C\x0A\0;";

    fn samples(parts: &[&[u8]]) -> Vec<u8> {
        decode(&parts.concat(), &Cancel::default()).unwrap().samples
    }

    #[test]
    fn what_stands_before_the_frame_is_not_for_the_decoder() {
        let screen = b"GIF89a\x02\0\x01\0\x80\0\0\x09\x09\x09\x07\x07\x07";
        for between in
            [&b""[..], b"\0\0", b"\x21\x42\x02??\0", b"\x21\xFF\x0BXMP DataXMP\x01?\0", b"\x21\xF9\x01?\0"]
        {
            assert_eq!(samples(&[screen, between, FRAME]), [7, 9], "{between:?}");
        }
        assert_eq!(samples(&[screen, b"\x21\xF9\x04\x01\0\0\x01\0", FRAME]), [7, 0, 9, 255]);
    }

    #[test]
    fn without_a_table_the_index_is_the_gray() {
        assert_eq!(samples(&[b"GIF89a\x02\0\x01\0\x77\0\0", FRAME]), [1, 0]);
    }

    #[test]
    fn codes_that_end_early_are_named() {
        let screen = b"GIF89a\x02\0\x01\0\0\0\0";
        // Clear, 1, end; and nothing at all.
        for codes in [&b"\x02\x4C\x01\0;"[..], b"\0;"] {
            let bytes = [&screen[..], &FRAME[..11], codes].concat();
            assert_eq!(decode(&bytes, &Cancel::default()), Err(truncated()), "{codes:?}");
        }
        // A code that was never written.
        let bytes = [&screen[..], &FRAME[..11], b"\x02\x3C\x01\0;"].concat();
        let outcome = decode(&bytes, &Cancel::default());
        assert_eq!(outcome, Err(undecodable("el GIF está dañado")));
    }

    #[test]
    fn blocks_before_the_frame_are_counted_together() {
        let screen = b"GIF89a\x02\0\x01\0\0\0\0";
        let comment = [&b"\x21\xFE"[..], &b"\x01?".repeat(100), b"\0"].concat();
        for (times, fits) in [(600, true), (700, false)] {
            let bytes = [&screen[..], &comment.repeat(times), FRAME].concat();
            assert_eq!(probe(&bytes).is_ok(), fits, "{times}");
        }
    }

    #[test]
    fn every_cut_is_refused() {
        let whole = [b"GIF87a\x02\0\x01\0\0\0\0", FRAME].concat();
        // The picture is there before its last block is closed.
        for end in 0..whole.len() - 2 {
            assert!(decode(&whole[..end], &Cancel::default()).is_err(), "{end}");
        }
    }
}
