//! Tables as the file states them: quantization (T.81 B.2.4.1), Huffman (B.2.4.2).
//!
//! A Huffman table is only looked at when a scan uses it: until then it may be anything, as with libjpeg.

use super::bytes::Fields;
use super::standard;
use crate::error::{Damage, Error};

/// Position of each coefficient of the zigzag order in a block of rows (T.81 figure A.6).
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Steps of a quantization table, in rows. Sixteen bits are taken as they are, signed, as libjpeg's kernels do.
pub(super) type Quantization = [i16; 64];

/// A Huffman table: how many codes of 1 to 16 bits, and their symbols.
#[derive(Clone, Copy)]
pub(super) struct Huffman {
    pub(super) counts: [u8; 16],
    pub(super) symbols: [u8; 256],
}

impl Huffman {
    fn new(counts: [u8; 16], stated: &[u8]) -> Result<Self, Error> {
        let mut symbols = [0; 256];
        symbols.get_mut(..stated.len()).ok_or(Damage::HuffmanTable)?.copy_from_slice(stated);
        Ok(Self { counts, symbols })
    }

    pub(super) fn count(counts: &[u8; 16]) -> usize {
        counts.iter().map(|&n| usize::from(n)).sum()
    }
}

/// The four destinations of each kind.
#[derive(Default)]
pub(super) struct Tables {
    quantization: [Option<Quantization>; 4],
    dc: [Option<Huffman>; 4],
    ac: [Option<Huffman>; 4],
}

impl Tables {
    /// DQT: any number of tables.
    pub(super) fn quantization(&mut self, mut fields: Fields<'_>) -> Result<(), Error> {
        while !fields.is_empty() {
            let head = fields.byte()?;
            let place = self.quantization.get_mut(usize::from(head & 15)).ok_or(Damage::QuantizationTable)?;
            let mut table = [0; 64];
            for &at in &ZIGZAG {
                let step = if head >> 4 == 0 { fields.byte()?.into() } else { fields.word()? };
                table[usize::from(at)] = step.cast_signed();
            }
            *place = Some(table);
        }
        Ok(())
    }

    /// DHT: any number of tables.
    pub(super) fn huffman(&mut self, mut fields: Fields<'_>) -> Result<(), Error> {
        while !fields.is_empty() {
            let head = fields.byte()?;
            let counts = *fields.take(16)?.first_chunk::<16>().ok_or(Damage::Length)?;
            let table = Huffman::new(counts, fields.take(Huffman::count(&counts))?)?;
            let class = match head >> 4 {
                0 => &mut self.dc,
                1 => &mut self.ac,
                _ => return Err(Damage::HuffmanTable.into()),
            };
            *class.get_mut(usize::from(head & 15)).ok_or(Damage::HuffmanTable)? = Some(table);
        }
        Ok(())
    }

    /// The standard tables where none were stated: frames of motion JPEG leave them out. The frame's process decides:
    /// no progressive picture can be coded with them.
    pub(super) fn complete(&mut self) -> Result<(), Error> {
        for (class, standard) in [(&mut self.dc, standard::DC), (&mut self.ac, standard::AC)] {
            for (place, (counts, symbols)) in class.iter_mut().zip(standard) {
                if place.is_none() {
                    *place = Some(Huffman::new(counts, symbols)?);
                }
            }
        }
        Ok(())
    }

    pub(super) fn step(&self, number: u8) -> Result<&Quantization, Error> {
        let found = self.quantization.get(usize::from(number)).and_then(Option::as_ref);
        found.ok_or(Damage::QuantizationTable.into())
    }

    pub(super) fn dc(&self, number: u8) -> Result<&Huffman, Error> {
        self.dc.get(usize::from(number)).and_then(Option::as_ref).ok_or(Damage::HuffmanTable.into())
    }

    pub(super) fn ac(&self, number: u8) -> Result<&Huffman, Error> {
        self.ac.get(usize::from(number)).and_then(Option::as_ref).ok_or(Damage::HuffmanTable.into())
    }
}
