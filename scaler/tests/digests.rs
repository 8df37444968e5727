//! The resampling's results as numbers, so that no change of a kernel goes by unseen where there is no Pillow. The pictures are made
//! here; `pillow.rs` says that these results are right.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by a panic")]

mod common;

use common::pgm;
use scaler::raster::{Channels, Raster};
use scaler::resize::Resizer;
use scaler::wire;

/// Source size and channels, result size, FNV-1a (64 bits) of the result's samples.
type Digest = ((u32, u32), Channels, (u32, u32), u64);

const DIGESTS: &[Digest] = &[
    ((640, 427), Channels::Luma, (320, 213), 0xbeb4_7b5e_b82a_697a),
    ((640, 427), Channels::Luma, (64, 42), 0xc24f_f598_6ca8_a594),
    ((640, 427), Channels::Luma, (639, 427), 0x2e49_99a0_7f54_6460),
    ((640, 427), Channels::Luma, (960, 640), 0xc13c_28f3_b77d_f6ca),
    ((640, 427), Channels::Luma, (80, 90), 0x84a1_9529_3adc_022d),
    ((350, 418), Channels::Luma, (175, 209), 0xddfa_9ca7_7691_3f3a),
    ((101, 67), Channels::Luma, (1010, 670), 0x863e_bd32_fadc_d4be),
    ((101, 67), Channels::Luma, (7, 200), 0xb513_c9de_2f96_48c9),
    ((1, 1), Channels::Luma, (5, 3), 0x2eb0_9ce4_c432_0587),
    ((65535, 1), Channels::Luma, (1, 65535), 0x46e3_3ef2_5185_6b47),
    ((1, 65535), Channels::Luma, (655, 1), 0xf816_80ee_9083_7f07),
    ((3, 65535), Channels::Luma, (6, 7), 0x9511_b4af_31e5_bc4b),
    ((2000, 1), Channels::Luma, (1, 2000), 0xf6cb_c071_8ae4_dc95),
    ((3000, 1), Channels::Luma, (2, 9000), 0xbb46_ce44_9ff6_e785),
    ((640, 427), Channels::LumaAlpha, (320, 213), 0xe8c9_5c2a_68c5_fbd6),
    ((101, 67), Channels::LumaAlpha, (303, 201), 0xb186_6ccd_102d_691d),
    ((33, 65), Channels::LumaAlpha, (1, 1), 0x0a2f_cb07_b69b_aec0),
    ((50, 50), Channels::LumaAlpha, (50, 20), 0x96d6_db53_a367_a4f7),
];

#[test]
fn results_are_what_they_were() {
    let mut resizer = Resizer::new(wire::allocate);
    let mut found = Vec::new();
    for &(from, channels, (width, height), _) in DIGESTS {
        let result = resizer.resize(&mut source(from, channels), width, height);
        let result = result.map(|raster| raster.samples).unwrap_or_default();
        found.push((from, channels, (width, height), fnv1a(&result)));
        resizer.recycle(result);
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
