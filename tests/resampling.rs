//! The scaler's resampling compared with `fast_image_resize`, one axis after the other. Its weights have 16 bits and
//! ours 22, so its samples sometimes differ by one. (Here, because kernels compiled for one use take long to
//! optimise, and this package's tests are not optimised.)
#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use scaler::raster::{Channels, Raster};
use scaler::resize::resize;

#[path = "common/twice.rs"]
mod oracle;

/// Differences of each size, counted.
fn differences(ours: &[u8], theirs: &[u8]) -> [usize; 256] {
    assert_eq!(ours.len(), theirs.len());
    let mut counts = [0; 256];
    ours.iter().zip(theirs).for_each(|(a, b)| counts[usize::from(a.abs_diff(*b))] += 1);
    counts
}

#[test]
fn it_agrees_with_another_implementation_at_every_factor() {
    let mut state = 1_u32;
    let mut random = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % below
    };
    let mut twice = oracle::Twice::new();
    for round in 0..100_u32 {
        let from = (1 + random(150), 1 + random(150));
        // As many reductions as enlargements, some with another aspect.
        let factor = |of: u32, by: u32| (of * by / 100).clamp(1, 400);
        let by = if round % 2 == 0 { 1 + random(99) } else { 101 + random(500) };
        let to = (factor(from.0, by), factor(from.1, if round % 5 == 0 { 1 + random(300) } else { by }));
        if from == to {
            continue;
        }
        for channels in [Channels::Luma, Channels::LumaAlpha] {
            let count = (from.0 * from.1) as usize * channels.count();
            let samples = (0..count).map(|_| random(256).to_le_bytes()[0]).collect();
            let source = Raster { width: from.0, height: from.1, channels, samples };
            let ours = resize(&source, to.0, to.1).unwrap().samples;
            let mut theirs = Vec::new();
            twice.resize(&mut source.clone(), to, &mut theirs);
            match channels {
                Channels::Luma => {
                    let counts = differences(&ours, &theirs);
                    assert!(counts[3..] == [0; 253], "{from:?} to {to:?}: {counts:?}");
                    assert!(
                        10 * (counts[1] + counts[2]) <= ours.len() + 100,
                        "{from:?} to {to:?}: {counts:?}"
                    );
                }
                // Division by a low alpha amplifies differences: the comparison is of the visible result over black,
                // and of the alpha.
                Channels::LumaAlpha => {
                    let seen = |samples: &[u8]| -> Vec<u8> {
                        let over = |gray: u8, alpha: u8| (u32::from(gray) * u32::from(alpha) + 127) / 255;
                        let pixels = samples.as_chunks::<2>().0.iter();
                        pixels
                            .flat_map(|&[gray, alpha]| [over(gray, alpha).to_le_bytes()[0], alpha])
                            .collect()
                    };
                    let counts = differences(&seen(&ours), &seen(&theirs));
                    assert!(counts[3..] == [0; 253], "{from:?} to {to:?}: {counts:?}");
                }
            }
        }
    }
}
