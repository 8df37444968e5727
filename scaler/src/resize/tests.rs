use super::*;

/// A picture without a pattern: noise, or noise of black and white only.
fn noise(width: u32, height: u32, channels: Channels, bilevel: bool) -> Raster {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ u64::from(width) << 32 ^ u64::from(height);
    let mut sample = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let byte = (state >> 56).to_le_bytes()[0];
        if bilevel { if byte < 128 { 0 } else { 255 } } else { byte }
    };
    let count = width as usize * height as usize * channels.count();
    Raster { width, height, channels, samples: (0..count).map(|_| sample()).collect() }
}

fn flat(width: u32, height: u32, value: u8) -> Raster {
    let samples = vec![value; width as usize * height as usize];
    Raster { width, height, channels: Channels::Luma, samples }
}

/// Columns and rows.
type Size = (u32, u32);

/// Pairs of sizes that cover every path of the code: few and many taps, even and odd ends of a row, both orders of
/// the axes.
const SIZES: &[(Size, Size)] = &[
    ((64, 48), (32, 24)),
    ((61, 47), (30, 23)),
    ((200, 100), (41, 20)),
    ((201, 101), (40, 21)),
    ((199, 150), (16, 12)),
    ((331, 222), (33, 22)),
    ((700, 500), (7, 5)),
    ((1500, 900), (3, 2)),
    ((90, 700), (80, 31)),
    ((90, 700), (80, 7)),
    ((700, 90), (31, 80)),
    ((333, 44), (333, 11)),
    ((333, 500), (333, 6)),
    ((44, 333), (11, 333)),
    ((500, 33), (6, 33)),
    ((33, 21), (50, 40)),
    ((33, 21), (330, 210)),
    ((5, 3), (64, 64)),
    ((1, 1), (9, 4)),
    ((1, 70), (3, 2)),
    ((70, 1), (2, 3)),
    ((2, 2), (1, 1)),
    ((17, 9), (16, 9)),
    ((640, 480), (493, 370)),
    ((640, 480), (599, 10)),
    ((640, 480), (10, 479)),
];

#[test]
fn vectors_give_the_same_samples_as_plain_loops() {
    for &(from, to) in SIZES {
        for (channels, bilevel) in [
            (Channels::Luma, false),
            (Channels::Luma, true),
            (Channels::LumaAlpha, false),
            (Channels::LumaAlpha, true),
        ] {
            let source = noise(from.0, from.1, channels, bilevel);
            let here = resize_with(Kernels::here(), &source, to.0, to.1).unwrap();
            let plain = resize_with(Kernels::Portable, &source, to.0, to.1).unwrap();
            assert!(here == plain, "{from:?} to {to:?}, {channels:?}");
        }
    }
}

#[test]
fn every_width_near_a_block_is_right() {
    for from in 1..=70 {
        for to in [1, 2, 7, 8, 9, 31, 32, 33, 64, 65] {
            let source = noise(from, 5, Channels::Luma, true);
            let here = resize_with(Kernels::here(), &source, to, 3).unwrap();
            assert!(here == resize_with(Kernels::Portable, &source, to, 3).unwrap(), "{from} to {to}");
        }
    }
}

/// The definition again, on whole pictures, one axis after the other.
fn defined(source: &Raster, to: (u32, u32)) -> Vec<u8> {
    let pass = |samples: &[u8], lines: usize, step: (usize, usize), from: u32, to: u32| {
        // Line `l`, sample `s` lies at l * step.0 + s * step.1.
        let (axis, mut weights) =
            (weights::Axis::new(from as usize, to as usize), weights::Weights::default());
        let mut result = vec![0; lines * to as usize];
        for at in 0..to as usize {
            axis.weigh(at, &mut weights);
            for line in 0..lines {
                let taps = weights.fixed.iter().enumerate();
                let sum = taps.fold(1_i64 << 21, |sum, (tap, &weight)| {
                    sum + i64::from(weight)
                        * i64::from(samples[line * step.0 + (weights.first + tap) * step.1])
                });
                let place = if step.1 == 1 { line * to as usize + at } else { at * lines + line };
                result[place] = (sum >> 22).clamp(0, 255).to_le_bytes()[0];
            }
        }
        result
    };
    let rows = |samples: &[u8], height: u32| {
        if source.width == to.0 {
            return samples.to_vec();
        }
        pass(samples, height as usize, (source.width as usize, 1), source.width, to.0)
    };
    let columns = |samples: &[u8], width: u32| {
        if source.height == to.1 {
            return samples.to_vec();
        }
        pass(samples, width as usize, (1, width as usize), source.height, to.1)
    };
    if rows_first((source.width, source.height), to) {
        columns(&rows(&source.samples, source.height), to.0)
    } else {
        rows(&columns(&source.samples, source.width), to.1)
    }
}

#[test]
fn the_stream_is_the_definition() {
    for &(from, to) in SIZES {
        let source = noise(from.0, from.1, Channels::Luma, true);
        assert!(resize(&source, to.0, to.1).unwrap().samples == defined(&source, to), "{from:?} to {to:?}");
    }
}

#[test]
fn rows_come_out_the_same_however_the_bytes_are_cut() {
    for &(from, to) in SIZES {
        for channels in [Channels::Luma, Channels::LumaAlpha] {
            let source = noise(from.0, from.1, channels, false);
            let whole = resize(&source, to.0, to.1).unwrap().samples;
            for step in [1, 7, 1000] {
                let mut resizer = Resizer::new(from, to, channels).unwrap();
                let mut result = Vec::new();
                for piece in source.samples.chunks(step) {
                    let mut rest = piece;
                    while !rest.is_empty() {
                        rest = &rest[resizer.push(rest)..];
                        while let Some(row) = resizer.next_row() {
                            assert_eq!(row.len(), to.0 as usize * channels.count());
                            result.extend_from_slice(row);
                        }
                    }
                }
                assert!(result == whole, "{from:?} to {to:?} by {step}");
                assert_eq!((resizer.missing(), resizer.rows_left()), (0, 0));
                assert_eq!((resizer.push(b"more"), resizer.next_row()), (0, None));
            }
        }
    }
}

#[test]
fn a_row_is_there_when_its_last_source_row_is() {
    let source = noise(64, 64, Channels::Luma, false);
    let mut resizer = Resizer::new((64, 64), (32, 32), Channels::Luma).unwrap();
    let mut rows = 0;
    for (number, row) in source.samples.chunks(64).enumerate() {
        assert_eq!(resizer.push(row), 64);
        while resizer.next_row().is_some() {
            rows += 1;
        }
        // Row `n` needs the source rows up to 2n + 4, and these come in groups of four.
        assert!(rows >= ((number + 1) / 4 * 4).saturating_sub(4) / 2, "{rows} rows after {number}");
    }
    assert_eq!(rows, 32);
}

#[test]
fn memory_is_some_rows_whatever_the_height() {
    for (from, to) in [
        ((3640, 2472), (1820, 1236)),
        ((3640, 2472), (36, 24)),
        ((3640, 2472), (5460, 3708)),
        ((1000, 65_535), (500, 30_000)),
        ((1000, 65_535), (1000, 1)),
        ((1500, 65_535), (65_535, 1)),
    ] {
        let resizer = Resizer::new(from, to, Channels::Luma).unwrap();
        let widest = from.0.max(to.0) as usize;
        let bytes = resizer.bytes();
        assert!(bytes <= (1 << 20) + 64 * widest, "{from:?} to {to:?}: {bytes} bytes");
    }
}

impl Resizer {
    /// Bytes of its rows; the weights take some more.
    fn bytes(&self) -> usize {
        let passes = match &self.passes {
            Passes::None | Passes::Across(_) => 0,
            Passes::Down(down) | Passes::AcrossDown(_, down) => down.bytes(),
            Passes::DownAcross(down, _, between, _) => down.bytes() + between.bytes.len(),
        };
        self.input.room() + self.apart.bytes.len() + self.ready.bytes.len() + self.pixels.len() + passes
    }
}

#[test]
fn the_same_size_is_an_exact_copy_even_under_zero_alpha() {
    let mut source = noise(7, 5, Channels::Luma, false);
    assert_eq!(resize(&source, 7, 5).unwrap(), source);
    source = Raster { channels: Channels::LumaAlpha, samples: (0..70).collect(), ..source };
    assert_eq!(resize(&source, 7, 5).unwrap(), source);
}

#[test]
fn flat_pictures_stay_flat_at_every_size() {
    for value in [0, 1, 127, 254, 255] {
        for (width, height) in [(1, 1), (6, 4), (13, 4), (6, 9), (40, 30), (1, 200)] {
            let result = resize(&flat(13, 9, value), width, height).unwrap();
            assert!(result.samples.iter().all(|&sample| sample == value));
        }
    }
}

#[test]
fn invisible_gray_lends_no_colour() {
    // The left half is opaque black, the right half is transparent white.
    let samples = (0..8).flat_map(|_| (0..8).flat_map(|x| if x < 4 { [0, 255] } else { [255, 0] })).collect();
    let source = Raster { width: 8, height: 8, channels: Channels::LumaAlpha, samples };
    for (width, height) in [(4, 4), (3, 3), (16, 16)] {
        for pixel in resize(&source, width, height).unwrap().samples.chunks_exact(2) {
            assert!(pixel[0] == 0 || pixel[1] == 0, "a gray of {} shines through", pixel[0]);
        }
    }
}

#[test]
fn extreme_sides_work() {
    for (from, to) in [
        ((65_535, 1), (1, 65_535)),
        ((1, 65_535), (65_535, 1)),
        ((65_535, 1), (1, 1)),
        ((1, 1), (65_535, 3)),
        ((1, 1), (1, 1)),
        ((65_535, 2), (655, 1)),
        ((3, 65_535), (1, 32_767)),
    ] {
        let result = resize(&flat(from.0, from.1, 99), to.0, to.1).unwrap();
        assert!(result.samples.iter().all(|&sample| sample == 99));
        assert_eq!(result.samples.len(), (to.0 * to.1) as usize);
    }
}

#[test]
fn rasters_that_lie_and_empty_sides_are_refused() {
    let mut short = Raster { samples: vec![0; 8], ..flat(3, 3, 0) };
    assert_eq!(resize(&short, 1, 1), Err(ResizeError::Geometry));
    short.samples.push(0);
    assert_eq!(resize(&short, 0, 1), Err(ResizeError::Geometry));
    assert!(Resizer::new((0, 1), (1, 1), Channels::Luma).is_err());
    assert!(resize(&short, 1, 1).is_ok());
}
