//! The segments around the coded blocks, T.81 annex B, in libjpeg's order, and byte stuffing.
use super::tables::{AC, DC, Specification, ZIGZAG};

/// T.81 table B.1.
const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;
const SOF0: u8 = 0xC0;
const DHT: u8 = 0xC4;
const DQT: u8 = 0xDB;
const SOS: u8 = 0xDA;
const APP0: u8 = 0xE0;

/// Everything up to the first coded block.
pub(super) fn head(out: &mut Vec<u8>, width: u16, height: u16, quantization: &[u8; 64]) {
    out.extend([0xFF, SOI]);
    // JFIF 1.01: no density, pixels that are squares, no thumbnail.
    segment(out, APP0, &[b"JFIF\0", &[1, 1, 0, 0, 1, 0, 1, 0, 0]]);
    segment(out, DQT, &[&[0], &ZIGZAG.map(|place| quantization[usize::from(place)])]);
    let ([h1, h2], [w1, w2]) = (height.to_be_bytes(), width.to_be_bytes());
    // Eight bits, one component: number 1, not sampled down, quantization table 0.
    segment(out, SOF0, &[&[8, h1, h2, w1, w2, 1, 1, 0x11, 0]]);
    for (class, Specification { counts, symbols }) in [(0x00, DC), (0x10, AC)] {
        segment(out, DHT, &[&[class], &counts, symbols]);
    }
    // One component by tables 0 and 0; the whole spectrum, no approximation.
    segment(out, SOS, &[&[1, 1, 0x00, 0, 63, 0]]);
}

pub(super) fn tail(out: &mut Vec<u8>) {
    out.extend([0xFF, EOI]);
}

/// Coded bits, with a zero byte behind each FF: T.81 F.1.2.3.
pub(super) fn stuff(out: &mut Vec<u8>, bits: &[u8]) {
    let mut from = 0;
    for at in memchr::memchr_iter(0xFF, bits) {
        out.extend_from_slice(&bits[from..=at]);
        out.push(0);
        from = at + 1;
    }
    out.extend_from_slice(&bits[from..]);
}

/// A marker, the length of what follows with its own two bytes, and that; all of them are short.
fn segment(out: &mut Vec<u8>, marker: u8, parts: &[&[u8]]) {
    let length: usize = 2 + parts.iter().map(|part| part.len()).sum::<usize>();
    out.extend([0xFF, marker]);
    out.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
    parts.iter().for_each(|part| out.extend_from_slice(part));
}
