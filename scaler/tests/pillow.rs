//! Bit-exact agreement with Pillow's BICUBIC: photograph-like pictures, line art and noise at many sizes. Needs
//! `python3` with Pillow; `digests.rs` needs neither.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by a panic")]

mod common;

use std::fs;
use std::process::Command;

use common::{scratch_path, skip};
use scaler::raster::{Channels, Raster};
use scaler::resize::resize;

/// Writes a picture's samples and Pillow's result at each size, one file after the other.
const SCRIPT: &str = r#"
import random, sys
from PIL import Image, ImageDraw, ImageFilter
kind, mode, width, height, out = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
source = random.Random(f"{kind} {width} {height}")
if kind == "noise":
    image = Image.frombytes("L", (width, height), source.randbytes(width * height))
elif kind == "bilevel":
    image = Image.frombytes("L", (width, height), bytes(source.choice((0, 255)) for _ in range(width * height)))
elif kind == "photo":
    image = Image.new("L", (width, height), 90)
    draw = ImageDraw.Draw(image)
    for _ in range(120):
        x, y, r = source.randrange(width), source.randrange(height), source.randrange(1, 60)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=source.randrange(256))
    image = image.filter(ImageFilter.GaussianBlur(1))
else:
    image = Image.new("L", (width, height), 255)
    draw = ImageDraw.Draw(image)
    for _ in range(60):
        draw.line([source.randrange(max(width, height)) for _ in range(4)], fill=0, width=source.randrange(1, 4))
if mode == "LA":
    alpha = Image.linear_gradient("L").resize((width, height))
    image = Image.merge("LA", (image, alpha))
with open(out, "wb") as file:
    file.write(image.tobytes())
    for size in sys.argv[6:]:
        file.write(image.resize(tuple(map(int, size.split("x"))), Image.BICUBIC).tobytes())
"#;

type Sizes = &'static [(u32, u32)];

const COMBINATIONS: &[(&str, (u32, u32), Sizes)] = &[
    (
        "photo",
        (640, 427),
        &[(320, 213), (64, 42), (213, 142), (480, 320), (576, 384), (639, 427), (640, 100), (960, 640)],
    ),
    ("photo", (350, 418), &[(175, 209), (80, 90), (1050, 1254), (350, 209), (1, 1)]),
    ("photo", (101, 67), &[(1010, 670), (33, 22), (7, 200), (200, 7)]),
    ("lines", (400, 300), &[(200, 150), (40, 30), (399, 299), (1200, 900), (133, 100)]),
    ("bilevel", (400, 300), &[(200, 150), (300, 225), (360, 270), (600, 450), (800, 600)]),
    ("noise", (400, 300), &[(200, 150), (20, 15), (300, 225), (360, 270), (1200, 900)]),
    ("noise", (1, 1), &[(3, 3), (500, 1)]),
    ("noise", (1, 900), &[(1, 450), (5, 90)]),
    ("noise", (65_535, 1), &[(32_767, 1), (65, 1), (1, 3)]),
    ("noise", (3, 65_535), &[(1, 655), (6, 65_535)]),
];

#[test]
fn the_resampling_is_pillows() {
    if !Command::new("python3")
        .args(["-c", "import PIL"])
        .output()
        .is_ok_and(|output| output.status.success())
    {
        return skip("no hay python3 con Pillow");
    }
    let mut compared = 0;
    for &(kind, from, sizes) in COMBINATIONS {
        let (source, theirs) = pillow(kind, Channels::Luma, from, sizes);
        for (&(width, height), theirs) in sizes.iter().zip(theirs) {
            let ours = resize(&source, width, height).unwrap().samples;
            let (mean, max) = difference(&ours, &theirs);
            assert!(ours == theirs, "{kind} {from:?} -> {width}x{height}: mean {mean:.4}, max {max}");
            compared += 1;
        }
    }
    assert!(compared >= 30, "{compared} combinations");
}

/// Pillow premultiplies and divides by alpha at other steps with other roundings, and at low alpha one step of gray
/// becomes many: the comparison is of the visible result over black and over white.
#[test]
fn what_shines_through_alpha_is_pillows() {
    if !Command::new("python3")
        .args(["-c", "import PIL"])
        .output()
        .is_ok_and(|output| output.status.success())
    {
        return skip("no hay python3 con Pillow");
    }
    let sizes: Sizes = &[(320, 213), (64, 42), (639, 427), (960, 640), (640, 100)];
    let (source, theirs) = pillow("photo", Channels::LumaAlpha, (640, 427), sizes);
    for (&(width, height), theirs) in sizes.iter().zip(theirs) {
        let ours = resize(&source, width, height).unwrap().samples;
        for paper in [0, 255] {
            let (mean, max) = difference(&seen(&ours, paper), &seen(&theirs, paper));
            println!("{width}x{height} on {paper}: mean {mean:.3}, max {max}");
            assert!(mean <= 0.6 && max <= 4, "{width}x{height} on {paper}: {mean}, {max}");
        }
    }
}

/// Composed over paper of this gray.
fn seen(samples: &[u8], paper: u32) -> Vec<u8> {
    let mixed = |gray: u8, alpha: u8| {
        (u32::from(gray) * u32::from(alpha) + paper * (255 - u32::from(alpha)) + 127) / 255
    };
    samples.chunks_exact(2).map(|pixel| mixed(pixel[0], pixel[1]).to_le_bytes()[0]).collect()
}

fn pillow(
    kind: &str,
    channels: Channels,
    (width, height): (u32, u32),
    sizes: &[(u32, u32)],
) -> (Raster, Vec<Vec<u8>>) {
    let out = scratch_path(kind);
    let mode = if channels == Channels::Luma { "L" } else { "LA" };
    let mut command = Command::new("python3");
    command.args(["-c", SCRIPT, kind, mode, &width.to_string(), &height.to_string()]).arg(&out);
    command.args(sizes.iter().map(|(width, height)| format!("{width}x{height}")));
    assert!(command.status().unwrap().success());
    let bytes = fs::read(&out).unwrap();
    fs::remove_file(&out).unwrap();
    let length = |(width, height): (u32, u32)| (width * height) as usize * channels.count();
    let (samples, mut rest) = bytes.split_at(length((width, height)));
    let results = sizes.iter().map(|&size| {
        let (result, tail) = rest.split_at(length(size));
        rest = tail;
        result.to_vec()
    });
    let results = results.collect();
    assert!(rest.is_empty());
    (Raster { width, height, channels, samples: samples.to_vec() }, results)
}

/// Mean and greatest absolute difference.
fn difference(ours: &[u8], theirs: &[u8]) -> (f64, u8) {
    assert_eq!(ours.len(), theirs.len());
    let differences = ours.iter().zip(theirs).map(|(a, b)| a.abs_diff(*b));
    let sum: u32 = differences.clone().map(u32::from).sum();
    let count = u32::try_from(ours.len()).expect("a few megabytes");
    (f64::from(sum) / f64::from(count), differences.max().expect("no empty picture"))
}
