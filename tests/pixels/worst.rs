//! The worst known file of each format: few bytes, or few pixels, that cost a decoder much time or memory.
//!
//! Each is refused, or costs no more than its bytes and its pixels: `within_bounds` compares this thread's processor
//! time with them, with a margin for unoptimized builds, and the heap with the announced cost. Without the limits
//! these files took minutes or hours.

use std::io::Write;

use flate2::Compression;
use flate2::Crc;
use flate2::write::ZlibEncoder;
use tp2::pixels::{decode, probe};

use crate::fixtures::LIMITS;
use crate::memory::peak;

/// Nanoseconds allowed per file, per byte of it and per pixel.
const BASE: u64 = 1_000_000_000;
const A_BYTE: u64 = 2_000;
const A_PIXEL: u64 = 2_000;

/// Processor time of this thread in nanoseconds.
fn thread_time() -> u64 {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    statistics.split_whitespace().next().unwrap().parse().unwrap()
}

/// Bits from the lowest of each byte up, as VP8L and GIF have them.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    value: u64,
    count: u32,
}

impl Bits {
    fn put(&mut self, width: u32, value: u64) -> &mut Self {
        self.value |= value << self.count;
        self.count += width;
        while self.count >= 8 {
            self.bytes.push(self.value.to_le_bytes()[0]);
            self.value >>= 8;
            self.count -= 8;
        }
        self
    }

    fn end(mut self) -> Vec<u8> {
        self.put(16, 0);
        self.bytes
    }
}

fn chunk_of(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_le_bytes();
    [&name[..], &length, content, &b"\0"[..content.len() % 2]].concat()
}

fn riff(chunks: &[u8]) -> Vec<u8> {
    chunk_of(b"RIFF", &[b"WEBP", chunks].concat())
}

/// A lossless stream of these sides.
fn vp8l(width: u64, height: u64, bits: Bits) -> Vec<u8> {
    let head = u32::try_from((width - 1) | (height - 1) << 14).unwrap().to_le_bytes();
    chunk_of(b"VP8L", &[b"\x2f", &head[..], &bits.end()].concat())
}

/// Five codes of one symbol.
fn singles(bits: &mut Bits) {
    for _ in 0..5 {
        bits.put(4, 0b0001);
    }
}

/// Repeated transforms, each with a picture whose pixels take no bits.
fn transforms(kind: u64, times: usize) -> Bits {
    let mut bits = Bits::default();
    for _ in 0..times {
        bits.put(1, 1).put(2, kind);
        if kind < 2 {
            bits.put(3, 0)
        } else {
            bits.put(8, 255)
        };
        singles(bits.put(1, 0));
    }
    singles(bits.put(3, 0));
    bits
}

/// So many groups of codes, each of one symbol: the map uses only the last.
fn groups(count: u64) -> Bits {
    let mut bits = Bits::default();
    // No transform, no cache, groups of 4x4 pixels. Green of the map is the lower byte of the number.
    bits.put(2, 0).put(1, 1).put(3, 0).put(1, 0);
    for symbol in [(count - 1) & 255, (count - 1) >> 8, 0, 0, 0] {
        bits.put(3, 0b101).put(8, symbol);
    }
    for _ in 0..count {
        singles(&mut bits);
    }
    bits
}

fn png_chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut crc = Crc::new();
    crc.update(kind);
    crc.update(content);
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&length[..], kind, content, &crc.sum().to_be_bytes()].concat()
}

fn zlib(length: usize) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![0; length]).unwrap();
    encoder.finish().unwrap()
}

/// A PNG of zeros: colour type, depth, interlaced or not.
fn png(sides: (u32, u32), kind: (u8, u8, u8), before: &[u8], data: &[u8], behind: &[u8]) -> Vec<u8> {
    let (color, depth, interlaced) = kind;
    let mut ihdr = [sides.0.to_be_bytes(), sides.1.to_be_bytes()].concat();
    ihdr.extend([depth, color, 0, 0, interlaced]);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    file.extend(png_chunk(b"IHDR", &ihdr));
    file.extend(before);
    file.extend(data);
    file.extend(behind);
    file.extend(png_chunk(b"IEND", b""));
    file
}

fn gif(width: u16, height: u16, before: &[u8], blocks: &[u8]) -> Vec<u8> {
    let sides = [width.to_le_bytes(), height.to_le_bytes()].concat();
    [
        b"GIF89a",
        &sides[..],
        b"\x80\0\0\0\0\0\x09\x09\x09",
        before,
        b"\x2C\0\0\0\0",
        &sides,
        b"\0\x02",
        blocks,
        b"\0;",
    ]
    .concat()
}

/// Sub-blocks of 255 bytes.
fn blocks(bytes: &[u8]) -> Vec<u8> {
    bytes.chunks(255).flat_map(|piece| [&[u8::try_from(piece.len()).unwrap()][..], piece].concat()).collect()
}

fn bmp(width: u32, height: u32, bits: u16, compression: u32, pixels: &[u8]) -> Vec<u8> {
    let mut bytes = b"BM\0\0\0\0\0\0\0\0".to_vec();
    for field in
        [54 + 8, 40, width, height, u32::from(bits) << 16 | 1, compression, 0, 0, 0, 2, 0, 0, 0x0009_0909]
    {
        bytes.extend(field.to_le_bytes());
    }
    bytes.extend(pixels);
    bytes
}

fn worst() -> Vec<(&'static str, Vec<u8>)> {
    let small = (3, 2);
    let rows = |length| png_chunk(b"IDAT", &zlib(length));
    let plane = |bits: Bits| {
        // A lossy picture of 1x1 behind it: only its head is checked first.
        let mut frame = vec![0x10, 0, 0, 0x9D, 0x01, 0x2A, 1, 0, 1, 0];
        frame.extend([0; 40]);
        let extended = chunk_of(b"VP8X", &[0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        riff(
            &[extended, chunk_of(b"ALPH", &[&[1][..], &bits.end()].concat()), chunk_of(b"VP8 ", &frame)]
                .concat(),
        )
    };
    let deep = {
        let mut bits = Bits::default();
        singles(bits.put(3, 0));
        bits
    };
    let bomb = zlib(64 << 20);
    let text = |keyword: &[u8]| png_chunk(b"zTXt", &[keyword, b"\0\0", &bomb].concat());
    let profile = png_chunk(b"iCCP", &[b"x\0\0", &bomb[..]].concat());
    // Only clear codes, of three bits; and pixels after the last one.
    let clears = vec![0b0010_0100; 500_000];
    let mut masked = bmp(1000, 1000, 32, 3, b"");
    masked.truncate(54);
    masked[10..14].fill(0);
    masked.extend([0x3FF0_0000u32, 0xF_FC00, 0x3FF].map(u32::to_le_bytes).concat());
    masked.resize(masked.len() + 4_000_000, 7);
    let spaces = |head: &str, length: usize| {
        let mut bytes = head.as_bytes().to_vec();
        bytes.resize(length, b' ');
        bytes
    };
    vec![
        ("webp: a plane of zeros", riff(&vp8l(2000, 2000, deep))),
        ("webp: predictors", riff(&vp8l(16_383, 6103, transforms(0, 30_000)))),
        ("webp: palettes", riff(&vp8l(1024, 1024, transforms(3, 30_000)))),
        ("webp: transforms of the alpha plane", plane(transforms(0, 30_000))),
        ("webp: groups", riff(&vp8l(1024, 1024, groups(65_536)))),
        ("webp: groups that fit", riff(&vp8l(1024, 1024, groups(2_060)))),
        ("webp: groups that just fit", riff(&vp8l(1024, 1024, groups(2_490)))),
        (
            "webp: chunks",
            riff(&[chunk_of(b"VP8X", &[0; 10]), chunk_of(b"????", b"").repeat(100_000)].concat()),
        ),
        ("png: sixteen bits", png((1000, 1000), (6, 16, 0), b"", &rows(8001 * 1000), b"")),
        ("png: interlaced and narrow", png((1, 60_000), (2, 8, 1), b"", &rows(4 * 60_000), b"")),
        ("png: interlaced and wide", png((60_000, 9), (0, 1, 1), b"", &rows(100_000), b"")),
        (
            "png: texts",
            png(small, (0, 8, 0), &text(b"Comment").repeat(20), &rows(8), &text(b"Comment").repeat(20)),
        ),
        ("png: a profile", png(small, (0, 8, 0), &profile, &rows(8), b"")),
        (
            "png: orientations",
            png(
                small,
                (0, 8, 0),
                &[text(b"Raw profile type exif"), text(b"XML:com.adobe.xmp")].concat(),
                &rows(8),
                b"",
            ),
        ),
        ("png: data of a picture too many", png(small, (0, 8, 0), b"", &png_chunk(b"IDAT", &bomb), b"")),
        ("png: empty pieces", png(small, (0, 8, 0), b"", &png_chunk(b"IDAT", b"").repeat(100_000), b"")),
        (
            "png: chunks behind",
            png(small, (0, 8, 0), b"", &rows(8), &png_chunk(b"tEXt", b"").repeat(100_000)),
        ),
        ("gif: clear codes", gif(2000, 2000, b"", &blocks(&clears))),
        ("gif: blocks of a byte", gif(2000, 2000, b"", &[1, 0b0010_0100].repeat(200_000))),
        ("gif: comments", gif(1, 1, &[&b"\x21\xFE"[..], &b"\x01?".repeat(65_000), b"\0"].concat(), b"")),
        ("gif: stray bytes", gif(1, 1, &[9; 65_000], b"")),
        ("bmp: runs past the row", bmp(1, 1000, 8, 1, &[255, 1].repeat(200_000))),
        (
            "bmp: runs of a picture",
            bmp(2000, 2000, 8, 1, &[[255, 1].repeat(8), vec![0, 0]].concat().repeat(2000)),
        ),
        ("bmp: jumps to where they are", bmp(2000, 1000, 4, 2, &[0, 2, 0, 0].repeat(100_000))),
        ("bmp: nothing but its end", bmp(2000, 2000, 8, 1, &[0, 1])),
        ("bmp: masks", masked),
        ("pnm: white space", spaces("P2 1000 1000 255 ", 2_000_000)),
        ("pnm: long numbers", [b"P2 999 1 65535 ", &b"9".repeat(1_000_000)[..], &b" 7".repeat(998)].concat()),
        ("pnm: comments", [b"P3 1000 300 255 ", &b"1#\n".repeat(900_000)[..]].concat()),
        (
            "pnm: sixteen bits",
            [&b"P7\nWIDTH 1000\nHEIGHT 500\nDEPTH 4\nMAXVAL 65534\nENDHDR\n"[..], &vec![7; 4_000_000]]
                .concat(),
        ),
    ]
}

#[test]
fn the_worst_files_stay_within_bounds() {
    for (name, bytes) in worst() {
        let started = thread_time();
        let (probed, probing) = peak(|| probe(&bytes, &LIMITS));
        assert!(probing < 1024, "{name}: the probe allocated {probing} bytes");
        let pixels = match &probed {
            Ok(probed) => {
                let (outcome, decoding) = peak(|| decode(&bytes, probed, &LIMITS));
                let cost = probed.decode_cost;
                assert!(decoding <= cost, "{name}: {decoding} bytes, {cost} announced");
                println!("{name}: {} {:?}", bytes.len(), outcome.as_ref().err());
                // A file refused before a picture was made has no pixels to count.
                outcome.map_or(0, |raster| u64::from(raster.width) * u64::from(raster.height))
            }
            Err(failure) => {
                println!("{name}: {} {failure:?}", bytes.len());
                0
            }
        };
        let took = thread_time() - started;
        let bound = BASE + A_BYTE * bytes.len() as u64 + A_PIXEL * pixels;
        println!("{name}: {} ms of {}", took / 1_000_000, bound / 1_000_000);
        assert!(took <= bound, "{name}: {took} ns for {} bytes and {pixels} pixels", bytes.len());
    }
}
