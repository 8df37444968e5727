//! Digests of resampling results, so that changes of a kernel are noticed without Pillow. The pictures are made here.
//! Digests of gray are Pillow 13.0's own; those with alpha are ours, and `pillow.rs` checks how close they are.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by a panic")]

mod common;

use common::pgm;
use scaler::raster::{Channels, Raster};
use scaler::resize::resize;

/// Source size and channels, result size, FNV-1a (64 bits) of the result's samples.
type Digest = ((u32, u32), Channels, (u32, u32), u64);

const DIGESTS: &[Digest] = &[
    ((640, 427), Channels::Luma, (320, 213), 0x2f70_b32c_02a2_6924),
    ((640, 427), Channels::Luma, (64, 42), 0x242f_93f5_c2c9_d571),
    ((640, 427), Channels::Luma, (639, 427), 0xcc70_8ee7_d1c8_8c41),
    ((640, 427), Channels::Luma, (960, 640), 0x1fa9_55ea_d796_d278),
    ((640, 427), Channels::Luma, (80, 90), 0xfc88_ef7e_4971_faa0),
    ((350, 418), Channels::Luma, (175, 209), 0xef58_ce64_cf57_b37d),
    ((101, 67), Channels::Luma, (1010, 670), 0xeecf_31ad_cdca_4aa8),
    ((101, 67), Channels::Luma, (7, 200), 0x4a3b_459d_2036_0d21),
    ((1, 1), Channels::Luma, (5, 3), 0x2eb0_9ce4_c432_0587),
    ((65535, 1), Channels::Luma, (1, 65535), 0x8731_4813_9f18_6bb8),
    ((1, 65535), Channels::Luma, (655, 1), 0x58a6_01b0_d2d6_a028),
    ((3, 65535), Channels::Luma, (6, 7), 0x4c3e_e3bb_37b0_e6d5),
    ((2000, 1), Channels::Luma, (1, 2000), 0xf6cb_c071_8ae4_dc95),
    ((3000, 1), Channels::Luma, (2, 9000), 0xbb46_ce44_9ff6_e785),
    ((640, 427), Channels::LumaAlpha, (320, 213), 0xc36c_3011_1dec_315a),
    ((101, 67), Channels::LumaAlpha, (303, 201), 0xb186_6ccd_102d_691d),
    ((33, 65), Channels::LumaAlpha, (1, 1), 0x0a2f_cb07_b69b_aec0),
    ((50, 50), Channels::LumaAlpha, (50, 20), 0x96d6_db53_a367_a4f7),
];

#[test]
fn results_are_what_they_were() {
    let mut found = Vec::new();
    for &(from, channels, (width, height), _) in DIGESTS {
        let result = resize(&source(from, channels), width, height).unwrap();
        found.push((from, channels, (width, height), fnv1a(&result.samples)));
    }
    assert!(found == DIGESTS, "{found:#x?}");
}

fn source((width, height): (u32, u32), channels: Channels) -> Raster {
    let columns = width * u32::from(channels.count().to_le_bytes()[0]);
    let image = pgm(columns, height);
    let samples = image[image.len() - (columns * height) as usize..].to_vec();
    Raster { width, height, channels, samples }
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
