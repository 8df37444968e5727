//! TIFF files made to be expensive, built here: refused early, or no more expensive than announced.
//!
//! A picture may cost as many steps as it has bytes and pixels, each times a small constant. Refusals need only its
//! tags, which the allocations show: no buffer has the picture's or the chunks' size.

use scaler::raster::Channels;
use tp2::model::error::WorkError;
use tp2::model::job::Cancel;
use tp2::pixels::{BufferPool, decode, decode_from, probe};

use crate::fixtures::{LIMITS, Xorshift, fixture};
use crate::memory::peak;

const WIDTH: u16 = 256;
const HEIGHT: u16 = 257;
const BITS: u16 = 258;
const COMPRESSION: u16 = 259;
const INK: u16 = 262;
const FILL_ORDER: u16 = 266;
const SAMPLES: u16 = 277;
const STRIP_ROWS: u16 = 278;
const PLANAR: u16 = 284;
const FAX_OPTIONS: u16 = 292;
const PREDICTOR: u16 = 317;
const TILE_WIDTH: u16 = 322;
const TILE_HEIGHT: u16 = 323;

const LZW: u32 = 5;
const JPEG: u32 = 7;
const DEFLATE: u32 = 8;

/// A little-endian file whose strips or tiles are `chunks`, each a blob by its index.
fn tiff(tags: &[(u16, u32)], chunks: &[usize], blobs: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = b"II*\0\0\0\0\0".to_vec();
    let mut offsets = Vec::new();
    for blob in blobs {
        offsets.push(u32::try_from(bytes.len()).unwrap());
        bytes.extend(blob);
    }
    let tiled = tags.iter().any(|&(tag, _)| tag == TILE_WIDTH);
    let length = |blob: usize| u32::try_from(blobs[blob].len()).unwrap();
    let lists = [
        (if tiled { 324 } else { 273 }, chunks.iter().map(|&blob| offsets[blob]).collect::<Vec<_>>()),
        (if tiled { 325 } else { 279 }, chunks.iter().map(|&blob| length(blob)).collect()),
    ];
    let mut entries: Vec<(u16, u32, u32)> = tags.iter().map(|&(tag, value)| (tag, 1, value)).collect();
    for (tag, values) in lists {
        let at = u32::try_from(bytes.len()).unwrap();
        let value = if let [value] = values[..] { value } else { at };
        entries.push((tag, u32::try_from(values.len()).unwrap(), value));
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }
    entries.sort_unstable();
    let at = u32::try_from(bytes.len()).unwrap();
    bytes[4..8].copy_from_slice(&at.to_le_bytes());
    bytes.extend(u16::try_from(entries.len()).unwrap().to_le_bytes());
    for (tag, count, value) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(4u16.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend([0; 4]);
    bytes
}

fn tags(width: u32, height: u32, bits: u32, compression: u32, more: &[(u16, u32)]) -> Vec<(u16, u32)> {
    let mut tags = vec![(WIDTH, width), (HEIGHT, height), (BITS, bits), (COMPRESSION, compression), (INK, 1)];
    for &(tag, value) in more {
        tags.retain(|&(other, _)| other != tag);
        tags.push((tag, value));
    }
    tags
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = flate2::read::ZlibEncoder::new(bytes, flate2::Compression::fast());
    std::io::Read::read_to_end(&mut encoder, &mut out).unwrap();
    out
}

fn lzw(bytes: &[u8]) -> Vec<u8> {
    weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8).encode(bytes).unwrap()
}

/// A file's result, and the peak of the heap during probe and decoding.
fn outcome(bytes: &[u8]) -> (Result<(), WorkError>, u64, u64) {
    let (probed, probing) = peak(|| probe(bytes, &LIMITS));
    assert!(probing < 1024, "the probe allocated {probing} bytes");
    let Ok(probed) = probed else { return (probed.map(drop), 0, 0) };
    let (decoded, decoding) = peak(|| decode(bytes, &probed, &LIMITS));
    (decoded.map(drop), decoding, probed.decode_cost)
}

#[track_caller]
fn assert_refused(name: &str, bytes: &[u8], reason: &str) {
    let (outcome, decoding, _) = outcome(bytes);
    assert_eq!(outcome, Err(WorkError::Undecodable(reason.to_owned())), "{name}");
    assert!(decoding < 128 * 1024, "{name}: {decoding} bytes");
}

#[test]
fn chunks_much_larger_than_the_picture_are_refused() {
    let reason = "el TIFF está partido en trozos mucho mayores que la imagen";
    let white_rows = vec![0xFF; 8200];
    let tile = |width, height, count: usize| {
        let more = [(TILE_WIDTH, width), (TILE_HEIGHT, height)];
        tiff(&tags(1, 1, 1, 4, &more), &vec![0; count], std::slice::from_ref(&white_rows))
    };
    assert_refused("fax", &tile(65_520, 65_520, 1), reason);
    assert_refused("overflow", &tile(u32::MAX, u32::MAX, 1), reason);
    let planes = [(SAMPLES, 32), (PLANAR, 2), (TILE_WIDTH, 16_000), (TILE_HEIGHT, 1000)];
    let bytes = tiff(&tags(1, 1, 32, DEFLATE, &planes), &[0; 32], &[deflated(&[0; 100])]);
    assert_refused("planes", &bytes, "el TIFF tiene 32 canales de 32 bits, que son demasiados");
    let planes = [(SAMPLES, 16), (PLANAR, 2), (TILE_WIDTH, 16_000), (TILE_HEIGHT, 1000)];
    let bytes = tiff(&tags(1, 1, 32, DEFLATE, &planes), &[0; 16], &[deflated(&[0; 100])]);
    assert_refused("planes", &bytes, reason);
}

#[test]
fn chunks_too_narrow_or_too_many_are_refused() {
    let narrow = [(TILE_WIDTH, 1), (TILE_HEIGHT, 65_520)];
    let bytes = tiff(&tags(6000, 1, 1, 4, &narrow), &[0; 6000], &[vec![0xFF; 8200]]);
    assert_refused("one row", &bytes, "el TIFF está partido en trozos mucho mayores que la imagen");
    let narrow = [(TILE_WIDTH, 1), (TILE_HEIGHT, 5000)];
    let bytes = tiff(&tags(5000, 5000, 8, 1, &narrow), &[0; 5000], &[vec![0; 5000]]);
    assert_refused("columns", &bytes, "el TIFF está partido en trozos demasiado estrechos");
    let tiles = [(TILE_WIDTH, 8), (TILE_HEIGHT, 1)];
    let bytes = tiff(&tags(8000, 1000, 8, DEFLATE, &tiles), &[0], &[deflated(&[0; 8])]);
    assert_refused("tiles", &bytes, "el TIFF está partido en demasiados trozos");
    let bytes =
        tiff(&tags(316, 316, 8, JPEG, &[(TILE_WIDTH, 1), (TILE_HEIGHT, 1)]), &[0], &[vec![0xFF, 0xD8]]);
    assert_refused("JPEG", &bytes, "el TIFF está partido en demasiados trozos");
}

#[test]
fn compressed_chunks_that_lie_upon_each_other_are_refused() {
    let reason = "los trozos del TIFF están unos encima de otros";
    let row = deflated(&[0; 50_000 * 16]);
    let more = [(BITS, 16), (SAMPLES, 8), (STRIP_ROWS, 1), (PREDICTOR, 2)];
    let shared = tiff(&tags(50_000, 2000, 16, DEFLATE, &more), &[0; 2000], std::slice::from_ref(&row));
    assert_refused("shared", &shared, reason);
    // The lengths are under an unknown tag: they are estimated, up to the next offset.
    let mut missing = shared.clone();
    let entry = [279u16.to_le_bytes(), 4u16.to_le_bytes()].concat();
    let at = missing.windows(4).rposition(|window| window == entry).unwrap();
    missing[at..at + 2].copy_from_slice(&280u16.to_le_bytes());
    assert_refused("missing", &missing, reason);
    // Each a byte behind the one before, to the same end.
    let (rows, noise) = (500, vec![7; 100_000]);
    let offsets: Vec<u32> = (0..rows).map(|i| 8 + i).collect();
    let lengths: Vec<u32> = (0..rows).map(|i| 100_000 - i).collect();
    let mut nested = tiff(&tags(100, rows, 8, LZW, &[(STRIP_ROWS, 1)]), &vec![0; rows as usize], &[noise]);
    let lists: Vec<u8> = offsets.iter().chain(&lengths).flat_map(|value| value.to_le_bytes()).collect();
    nested[100_008..100_008 + lists.len()].copy_from_slice(&lists);
    // Up to the next offset each has one byte, which is too little.
    assert_refused("nested", &nested, "el TIFF está incompleto");
}

#[test]
fn uncompressed_chunks_may_share_their_bytes() {
    let bytes = tiff(&tags(100, 300, 8, 1, &[(STRIP_ROWS, 1)]), &[0; 300], &[vec![7; 100]]);
    let probed = probe(&bytes, &LIMITS).unwrap();
    assert_eq!(decode(&bytes, &probed, &LIMITS).unwrap().samples, [7; 30_000]);
}

#[test]
fn a_jpeg_inside_is_held_against_the_tiff() {
    let inside = |name: &str, width, height, more: &[(u16, u32)]| {
        tiff(&tags(width, height, 8, JPEG, more), &[0], &[fixture(name)])
    };
    assert!(outcome(&inside("jpeg_gray.jpg", 61, 43, &[])).0.is_ok());
    for (name, components, more) in [
        ("jpeg_cmyk.jpg", 4, &[][..]),
        ("jpeg_420.jpg", 3, &[]),
        ("jpeg_gray.jpg", 1, &[(INK, 2), (SAMPLES, 3)]),
        ("jpeg_420.jpg", 3, &[(INK, 5), (SAMPLES, 4)]),
    ] {
        let expected = more.last().map_or(1, |&(_, samples)| samples);
        let reason =
            format!("el TIFF contiene un JPEG de {components} componentes donde tenía que haber {expected}");
        assert_refused(name, &inside(name, 61, 43, more), &reason);
    }
    let reason = "el TIFF contiene un JPEG de otro tamaño";
    assert_refused("too wide", &inside("jpeg_gray.jpg", 60, 43, &[]), reason);
    for (width, height) in [(62, 43), (61, 44)] {
        let bytes = inside("jpeg_gray.jpg", width, height, &[]);
        assert_eq!(outcome(&bytes).0, Err(WorkError::Undecodable(reason.to_owned())));
    }
    // The last strip may be as tall as the ones before it.
    assert!(outcome(&inside("jpeg_gray.jpg", 61, 40, &[(STRIP_ROWS, 43)])).0.is_ok());
}

/// The second of two JPEGs is progressive, and would take more memory than the first announced.
#[test]
fn a_jpeg_that_costs_more_than_the_first_is_refused() {
    let wide = |progressive: bool| {
        let mut jpeg = fixture(if progressive { "jpeg_gray_progressive.jpg" } else { "jpeg_gray.jpg" });
        let frame = jpeg.windows(2).position(|w| matches!(w, [0xFF, 0xC0 | 0xC2])).unwrap();
        jpeg[frame + 5..frame + 9].copy_from_slice(&[0x04, 0x00, 0x04, 0x00]);
        jpeg
    };
    let more = [(TILE_WIDTH, 1024), (TILE_HEIGHT, 1024)];
    let bytes = tiff(&tags(2048, 1024, 8, JPEG, &more), &[0, 1], &[wide(false), wide(true)]);
    let (refused, decoding, cost) = outcome(&bytes);
    assert!(refused.is_err() && decoding <= cost, "{decoding} of {cost}");
    let swapped = tiff(&tags(2048, 1024, 8, JPEG, &more), &[1, 0], &[wide(false), wide(true)]);
    assert!(probe(&swapped, &LIMITS).unwrap().decode_cost > cost + 1_000_000);
}

/// The most expensive file of each kind: wide rows of many bytes, in planes, rotated; rows of fax that change at
/// every pixel.
#[test]
fn the_worst_of_each_kind_takes_no_more_than_announced() {
    let mut random = Xorshift(0x9E37_79B9_7F4A_7C15);
    let noise: Vec<u8> = (0..65_535 * 16 * 2).map(|_| u8::try_from(random.below(256)).unwrap()).collect();
    let plane = &noise[..65_535 * 4 * 2];
    let mirrored = |bytes: Vec<u8>| bytes.into_iter().map(u8::reverse_bits).collect::<Vec<_>>();
    let rgba = [(INK, 2), (SAMPLES, 4), (338, 1)];
    let planes = [&rgba[..], &[(PLANAR, 2)]].concat();
    let turned = [&planes[..], &[(FILL_ORDER, 2)]].concat();
    // White and black runs of one pixel each; in T.6 after the code of horizontal mode, and again as the row above
    // has them.
    let runs = repeated("000111010", 65_534 / 2);
    let same = repeated("1", 65_534);
    let mark = |tag: &str| repeated(&format!("000000000001{tag}"), 1);
    let fax_4 = [repeated("001000111010", 65_534 / 2), same.clone()].concat();
    let fax_3 = [mark(""), runs.clone(), mark(""), runs.clone()].concat();
    let fax_3_2d = [mark("1"), runs.clone(), mark("0"), same].concat();
    let filled = vec![0; runs.len().wrapping_neg() % 8];
    let fax_runs = [runs.clone(), filled, runs].concat();
    let zero_runs = repeated("001101010000110111", 300_000);
    let gray = |name: &str| (tags(61, 43, 8, JPEG, &[]), vec![fixture(name)]);
    let jpeg_planes = [(INK, 2), (SAMPLES, 3), (PLANAR, 2)];
    let inks = [(INK, 5), (SAMPLES, 4)];
    let luma = [(INK, 6), (SAMPLES, 3)];
    let files = [
        ("deflate", (tags(65_535, 2, 32, DEFLATE, &rgba), vec![deflated(&noise)])),
        ("deflate planes", (tags(65_535, 2, 32, DEFLATE, &planes), vec![deflated(plane); 4])),
        ("turned", (tags(65_535, 2, 32, DEFLATE, &turned), vec![mirrored(deflated(plane)); 4])),
        ("LZW planes", (tags(65_535, 2, 32, LZW, &planes), vec![lzw(plane); 4])),
        ("LZW turned", (tags(65_535, 2, 32, LZW, &turned), vec![mirrored(lzw(plane)); 4])),
        ("plain", (tags(65_535, 2, 32, 1, &planes), vec![plane.to_vec(); 4])),
        ("fax 4", (tags(65_534, 2, 1, 4, &[]), vec![packed(&fax_4)])),
        ("fax 3", (tags(65_534, 2, 1, 3, &[]), vec![packed(&fax_3)])),
        ("fax 3 in two dimensions", (tags(65_534, 2, 1, 3, &[(FAX_OPTIONS, 1)]), vec![packed(&fax_3_2d)])),
        ("fax runs", (tags(65_534, 2, 1, 2, &[]), vec![packed(&fax_runs)])),
        ("fax zero runs", (tags(65_534, 2, 1, 2, &[]), vec![packed(&zero_runs)])),
        ("JPEG", gray("jpeg_gray.jpg")),
        ("JPEG progressive", gray("jpeg_gray_progressive.jpg")),
        ("JPEG planes", (tags(61, 43, 8, JPEG, &jpeg_planes), vec![fixture("jpeg_gray_progressive.jpg"); 3])),
        ("JPEG inks", (tags(61, 43, 8, JPEG, &inks), vec![fixture("jpeg_cmyk_progressive.jpg")])),
        ("JPEG luma", (tags(61, 43, 8, JPEG, &luma), vec![fixture("jpeg_420_progressive.jpg")])),
    ];
    for (name, (tags, blobs)) in files {
        let bytes = tiff(&tags, &(0..blobs.len()).collect::<Vec<_>>(), &blobs);
        let (decoded, decoding, cost) = outcome(&bytes);
        assert_eq!(decoded.is_ok(), name != "fax zero runs", "{name}: {decoded:?}");
        assert!(decoding <= cost, "{name}: {decoding} bytes, {cost} announced");
        println!("{name}: {decoding} bytes of {cost}");
    }
}

/// Bits, of a byte each.
fn repeated(pattern: &str, times: usize) -> Vec<u8> {
    pattern.repeat(times).bytes().map(|digit| digit - b'0').collect()
}

fn packed(bits: &[u8]) -> Vec<u8> {
    bits.chunks(8).map(|byte| byte.iter().enumerate().fold(0, |sum, (i, bit)| sum | bit << (7 - i))).collect()
}

#[test]
fn alpha_is_that_of_its_own_plane() {
    let pixels: Vec<u8> = (0..30).collect();
    let planes: Vec<Vec<u8>> = (0..4).map(|i| pixels.iter().map(|p| p * 8 + i).collect()).collect();
    let more = [(INK, 2), (SAMPLES, 4), (PLANAR, 2), (338, 2)];
    let bytes = tiff(&tags(6, 5, 8, 1, &more), &[0, 1, 2, 3], &planes);
    let raster = decode(&bytes, &probe(&bytes, &LIMITS).unwrap(), &LIMITS).unwrap();
    assert_eq!(raster.channels, Channels::LumaAlpha);
    let alpha: Vec<u8> = raster.samples.iter().skip(1).step_by(2).copied().collect();
    assert_eq!(alpha, planes[3]);
}

/// Checked between two rows, and before each JPEG.
#[test]
fn a_picture_that_is_not_wanted_any_more_is_not_decoded() {
    let rows = deflated(&[7; 6000]);
    for bytes in [
        tiff(&tags(60, 100, 8, DEFLATE, &[]), &[0], std::slice::from_ref(&rows)),
        tiff(&tags(61, 43, 8, JPEG, &[]), &[0], &[fixture("jpeg_gray.jpg")]),
    ] {
        let probed = probe(&bytes, &LIMITS).unwrap();
        let cancelled = Cancel::default();
        let decoded = || decode_from(&BufferPool::default(), &bytes, &probed, &LIMITS, &cancelled).map(drop);
        assert_eq!(decoded(), Ok(()));
        cancelled.set();
        assert_eq!(decoded(), Err(WorkError::Cancelled));
    }
}

/// Compressions that are not supported are reported by their names.
#[test]
fn what_is_not_read_has_a_name() {
    for (compression, name) in [
        (6, "JPEG a la antigua"),
        (34_661, "JBIG"),
        (34_676, "LogLuv"),
        (34_712, "JPEG 2000"),
        (34_887, "LERC"),
        (34_925, "LZMA"),
        (50_000, "zstd"),
        (50_001, "WebP"),
        (50_002, "JPEG XL"),
        (12_345, "desconocida (la número 12345)"),
    ] {
        let bytes = tiff(&tags(8, 8, 8, compression, &[]), &[0], &[vec![0; 64]]);
        let reason = probe(&bytes, &LIMITS).unwrap_err().to_string();
        assert!(reason.contains(name), "{compression}: {reason}");
    }
    for (ink, name) in [(8, "Lab"), (32_844, "LogL"), (32_845, "LogLuv"), (32_803, "CFA")] {
        let bytes = tiff(&tags(8, 8, 8, 1, &[(INK, ink)]), &[0], &[vec![0; 64]]);
        let reason = probe(&bytes, &LIMITS).unwrap_err().to_string();
        assert!(reason.contains(name), "{ink}: {reason}");
    }
    let float = tiff(&tags(8, 8, 64, 1, &[(339, 3)]), &[0], &[vec![0; 512]]);
    assert!(probe(&float, &LIMITS).unwrap_err().to_string().contains("punto flotante"));
}
