//! Every file of `data` comes out as libjpeg-turbo 2.1.5 decodes it (islow, its default upsampling, components as they
//! are stored): `expected.tsv` has the 64-bit FNV-1a sums of its samples, plane by plane, at each scale.

#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test that can't read its files, or find its markers, has failed"
)]

use std::fs;
use std::path::{Path, PathBuf};

use libjpeg_turbo_rs::{Encoder, PixelFormat};
use luma::{Damage, Decoder, Error, Header, Scale, Unsupported, decode};

const SCALES: [(Scale, u32); 4] =
    [(Scale::Full, 1), (Scale::Half, 2), (Scale::Quarter, 4), (Scale::Eighth, 8)];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn read(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).unwrap()
}

fn names() -> Vec<String> {
    let names =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".jpg")).collect();
    names.sort();
    names
}

/// Small ones, for tests that decode each many times.
fn small() -> Vec<(String, Vec<u8>)> {
    names()
        .into_iter()
        .map(|name| (name.clone(), read(&name)))
        .filter(|(_, bytes)| bytes.len() < 4000)
        .collect()
}

fn sum(planes: &[Vec<u8>]) -> u64 {
    let samples = planes.iter().flatten();
    samples.fold(0xCBF2_9CE4_8422_2325, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3))
}

/// Where the first marker of that code stands.
fn find(bytes: &[u8], marker: u8) -> usize {
    bytes.windows(2).position(|two| two == [0xFF, marker]).unwrap()
}

/// Without the segments of that marker.
fn without(bytes: &[u8], marker: u8) -> Vec<u8> {
    let mut rest = bytes.to_vec();
    while let Some(at) = rest.windows(2).position(|two| two == [0xFF, marker]) {
        let length = usize::from(u16::from_be_bytes([rest[at + 2], rest[at + 3]]));
        rest.drain(at..at + 2 + length);
    }
    rest
}

fn with(bytes: &[u8], at: usize, inserted: &[u8]) -> Vec<u8> {
    [&bytes[..at], inserted, &bytes[at..]].concat()
}

fn decoded(bytes: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    decode(bytes, Scale::Full).map(|picture| picture.planes)
}

#[test]
fn every_fixture_has_the_samples_of_libjpeg_turbo_at_every_scale() {
    let expected = fs::read_to_string(folder().join("expected.tsv")).unwrap();
    let mut compared = 0;
    for line in expected.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let &[name, denominator, width, height, planes, fnv] = fields.as_slice() else { panic!("{line}") };
        let (scale, _) = SCALES.into_iter().find(|(_, n)| n.to_string() == denominator).unwrap();
        let picture = decode(&read(name), scale).unwrap_or_else(|error| panic!("{name}: {error}"));
        let found = (picture.width.to_string(), picture.height.to_string(), picture.planes.len().to_string());
        assert_eq!(found, (width.into(), height.into(), planes.into()), "{name} 1/{denominator}");
        assert_eq!(format!("{:016x}", sum(&picture.planes)), fnv, "{name} 1/{denominator}");
        compared += 1;
    }
    assert_eq!(compared, 4 * names().len());
}

#[test]
fn bands_follow_each_other_without_gaps_and_end_with_the_picture() {
    for name in names() {
        let bytes = read(&name);
        for (scale, _) in SCALES {
            let mut decoder = Decoder::new(&bytes, scale).unwrap();
            let size = decoder.size();
            assert_eq!(size, decoder.header().size(scale));
            let mut next = 0;
            while let Some(rows) = decoder.next_rows().unwrap() {
                assert_eq!(rows.first(), next, "{name}");
                assert!(rows.plane(0).all(|row| row.len() == size.0 as usize));
                assert!(rows.row(0, rows.len()).is_empty());
                next += rows.len();
            }
            assert_eq!(next, size.1 as usize, "{name}");
            assert!(decoder.next_rows().unwrap().is_none());
        }
    }
}

#[test]
fn data_that_end_early_are_an_error_with_or_without_an_end_marker() {
    for (name, bytes) in small() {
        let end = bytes.len() - 2;
        for cut in (2..end).rev().take(300).chain((2..end).step_by(97)) {
            // A progressive picture may lack its last scans, if an end mark says that it ends there.
            let at_marker = |at: usize| bytes[at] == 0xFF && matches!(bytes[at + 1], 0xC4 | 0xDA);
            let between = name.contains("prog") && (at_marker(cut) || at_marker(cut - 1));
            for tail in [&b""[..], b"\xFF\xD9"].into_iter().take(if between { 1 } else { 2 }) {
                let short = [&bytes[..cut], tail].concat();
                assert!(decoded(&short).is_err(), "{name} cut at {cut} of {end}, tail {tail:?}");
            }
        }
    }
}

#[test]
fn a_missing_end_marker_alone_changes_nothing() {
    for name in names() {
        let bytes = read(&name);
        let whole = decoded(&bytes).unwrap();
        for missing in 1..=2 {
            assert_eq!(decoded(&bytes[..bytes.len() - missing]).as_ref(), Ok(&whole), "{name}");
        }
        assert_eq!(decoded(&[&bytes[..], b"more"].concat()).as_ref(), Ok(&whole), "{name}");
    }
}

#[test]
fn stray_bytes_fill_bytes_and_lost_markers_in_the_header_are_passed_over() {
    for name in ["ycc_2x2_1x1_1x1_base.jpg", "ycc_1x1_1x1_1x1_prog.jpg", "gray.jpg"] {
        let bytes = read(name);
        let whole = decoded(&bytes);
        let table = find(&bytes, 0xDB);
        for stray in
            [&b"16 bytes too many"[..], b"\xFF\x00\xFF\xFF\x00", b"\xFF\xFF\xFF", b"\xFF\x01\xFF\xD0"]
        {
            assert_eq!(decoded(&with(&bytes, 2, stray)), whole, "{name}");
            assert_eq!(decoded(&with(&bytes, table, stray)), whole, "{name}");
        }
        // An APP14 without its marker.
        assert_eq!(decoded(&with(&bytes, table, b"\0\x0EAdobe\0\x64\0\0\0\0\x01")), whole, "{name}");
    }
}

#[test]
fn missing_huffman_tables_are_the_standard_ones_but_for_progressive_pictures() {
    let bytes = read("ycc_2x1_1x1_1x1_base.jpg");
    assert_eq!(decoded(&without(&bytes, 0xC4)), decoded(&bytes));
    let progressive = without(&read("ycc_1x1_1x1_1x1_prog.jpg"), 0xC4);
    assert_eq!(decoded(&progressive), Err(Damage::HuffmanTable.into()));
}

#[test]
fn lines_may_be_said_behind_the_first_scan() {
    for name in ["ycc_2x2_1x1_1x1_base.jpg", "ycc_2x2_1x1_1x1_rst.jpg", "gray.jpg", "ycc_2x1_1x1_1x1_ni.jpg"]
    {
        let bytes = read(name);
        let frame = find(&bytes, 0xC0);
        let scan = find(&bytes, 0xDA);
        let markers = (scan + 2..bytes.len() - 1).filter(|&at| bytes[at] == 0xFF);
        let mut markers = markers.filter(|&at| !matches!(bytes[at + 1], 0 | 0xD0..=0xD7));
        let lines = &bytes[frame + 5..frame + 7];
        let mut late = with(&bytes, markers.next().unwrap(), &[0xFF, 0xDC, 0, 4, lines[0], lines[1]]);
        late[frame + 5..frame + 7].fill(0);
        assert_eq!(decoded(&late), decoded(&bytes), "{name}");
        let mut without_lines = bytes.clone();
        without_lines[frame + 5..frame + 7].fill(0);
        assert_eq!(decoded(&without_lines), Err(Damage::Frame.into()), "{name}");
    }
}

#[test]
fn components_of_one_identifier_are_told_by_their_order() {
    let mut bytes = read("ycc_2x2_1x1_1x1_base.jpg");
    let whole = decoded(&bytes);
    let (frame, scan) = (find(&bytes, 0xC0), find(&bytes, 0xDA));
    for index in 0..3 {
        bytes[frame + 10 + 3 * index] = 7;
        bytes[scan + 5 + 2 * index] = 7;
    }
    assert_eq!(decoded(&bytes), whole);
}

#[test]
fn restart_markers_out_of_order_or_place_are_damage() {
    let bytes = read("ycc_2x2_1x1_1x1_rst.jpg");
    let (first, second) = (find(&bytes, 0xD0), find(&bytes, 0xD1));
    let mut swapped = bytes.clone();
    swapped[first + 1] = 0xD1;
    swapped[second + 1] = 0xD0;
    assert_eq!(decoded(&swapped), Err(Damage::Restart.into()));
    for left_over in [&[0x55; 8][..], &[0x55], b"\0\xFF\0"] {
        assert_eq!(decoded(&with(&bytes, first, left_over)), Err(Damage::Restart.into()));
    }
    for fill in [&[0; 12][..], &b"\xFF\0".repeat(12)] {
        assert_eq!(decoded(&with(&bytes, first, fill)), decoded(&bytes));
    }
    let mut without_one = bytes.clone();
    without_one.drain(first..first + 2);
    assert!(decoded(&without_one).is_err());
    // Fill bytes before a marker are nothing.
    assert_eq!(decoded(&with(&bytes, first, &[0xFF])), decoded(&bytes));
}

#[test]
fn data_left_over_behind_the_last_block_are_damage_and_fill_is_not() {
    for (name, bytes) in small() {
        let whole = decoded(&bytes);
        // The first scan's end, and the last one's.
        let markers = (find(&bytes, 0xDA)..bytes.len() - 1).filter(|&at| bytes[at] == 0xFF);
        let mut markers = markers.filter(|&at| !matches!(bytes[at + 1], 0 | 0xD0..=0xD7)).skip(1);
        for end in [markers.next().unwrap(), bytes.len() - 2] {
            for left_over in
                [&b"U"[..], b"\0\0\x01", b"\0\xFF\0", &[0x33; 50], &[&[0; 70_000][..], b"U"].concat()]
            {
                let error = decoded(&with(&bytes, end, left_over)).map(drop);
                assert_eq!(error, Err(Damage::LeftOver.into()), "{name} at {end}");
            }
            for fill in
                [&b"\0"[..], b"\xFF\xFF\xFF", b"\xFF\0\xFF\0", &[0; 100_000], &b"\xFF\0".repeat(50_000)]
            {
                assert_eq!(decoded(&with(&bytes, end, fill)), whole, "{name} at {end}");
            }
        }
    }
}

/// A byte that is changed makes the codes lose step: then blocks are missing, or data are left over.
#[test]
fn codes_that_lost_step_are_seen_at_the_end_of_their_scan() {
    let bytes = read("ycc_1x1_1x1_1x1_base.jpg");
    let mut scan = bytes.len() - 300..bytes.len() - 2;
    let left_over = scan.any(|at| {
        let mut bytes = bytes.clone();
        bytes[at] = 0x5A;
        decoded(&bytes) == Err(Damage::LeftOver.into())
    });
    assert!(left_over);
}

#[test]
fn scans_of_sequential_pictures_hold_all_coefficients_or_say_nothing_of_them() {
    for name in ["ycc_2x2_1x1_1x1_base.jpg", "ycc_2x1_1x1_1x1_ni.jpg", "gray.jpg"] {
        let bytes = read(name);
        let scan = find(&bytes, 0xDA);
        let band = scan + 5 + 2 * usize::from(bytes[scan + 4]);
        let changed = |band_and_bits: [u8; 3]| {
            let mut bytes = bytes.clone();
            bytes[band..band + 3].copy_from_slice(&band_and_bits);
            decoded(&bytes)
        };
        assert_eq!(changed([0; 3]), decoded(&bytes), "{name}");
        for other in [[0, 42, 0xB8], [0, 63, 1], [0, 63, 0x10], [1, 63, 0], [0, 5, 0], [63, 0, 0]] {
            assert_eq!(changed(other), Err(Damage::Scan.into()), "{name}");
        }
    }
}

#[test]
fn zeros_in_place_of_the_last_data_are_no_fill() {
    let mut refused = 0;
    for (name, bytes) in small() {
        let (whole, end) = (decoded(&bytes), bytes.len() - 2);
        for length in [4, 20, 60] {
            let (kept, lost) = bytes[..end].split_at(end - length);
            if lost.windows(2).any(|two| two[0] == 0xFF && two[1] != 0) {
                continue;
            }
            let found = decoded(&[kept, &vec![0; length], &bytes[end..]].concat());
            assert!(found.is_err() || found == whole, "{name}: {length}");
            refused += usize::from(found.is_err());
        }
    }
    assert!(refused > 100);
}

#[test]
fn a_progressive_scan_that_lost_its_marker_is_missing() {
    for (name, mut bytes) in small().into_iter().filter(|(name, _)| name.contains("prog")) {
        let last = bytes.windows(2).rposition(|two| two == [0xFF, 0xDA]).unwrap();
        bytes[last] = 0;
        assert_eq!(decoded(&bytes), Err(Error::Truncated), "{name}");
    }
}

#[test]
fn other_processes_are_named() {
    let bytes = read("ycc_2x2_1x1_1x1_base.jpg");
    let frame = find(&bytes, 0xC0);
    let process = |marker: u8| {
        let mut bytes = bytes.clone();
        bytes[frame + 1] = marker;
        Header::read(&bytes).map(drop)
    };
    assert_eq!(process(0xC1), Ok(()));
    assert_eq!(process(0xC3), Err(Unsupported::Lossless.into()));
    assert_eq!(process(0xF7), Err(Unsupported::Lossless.into()));
    assert_eq!(process(0xC5), Err(Unsupported::Hierarchical.into()));
    assert_eq!(process(0xC9), Err(Unsupported::Arithmetic.into()));
    assert_eq!(process(0xCA), Err(Unsupported::Arithmetic.into()));
    let changed = |at: usize, value: u8| {
        let mut bytes = bytes.clone();
        bytes[frame + at] = value;
        Header::read(&bytes).map(drop)
    };
    assert_eq!(changed(4, 12), Err(Unsupported::Precision(12).into()));
    assert_eq!(changed(9, 2), Err(Unsupported::Components(2).into()));
    assert_eq!(changed(11, 0x51), Err(Damage::Frame.into()));
    assert_eq!(decoded(&[&b"\xFF\xD8\xFF\xD9"[..]].concat()), Err(Error::NoImage));
    assert_eq!(decoded(b"RIFF"), Err(Error::NotJpeg));
    assert_eq!(decoded(b""), Err(Error::Truncated));
    assert_eq!(decoded(&bytes[..40]), Err(Error::Truncated));
}

#[test]
fn luma_sampled_by_fractions_of_the_finest_component_is_refused_by_name() {
    let mut bytes = read("ycc_2x1_1x1_1x1_base.jpg");
    let frame = find(&bytes, 0xC0);
    bytes[frame + 14] = 0x31;
    assert_eq!(decoded(&bytes), Err(Unsupported::Sampling.into()));
}

/// The buffer of bits is filled anew within the data, at any place of a row.
#[test]
fn narrow_tall_pictures_of_many_buffers_come_out_whole() {
    let mut state = 1u32;
    for (width, height) in [(8, 20_000), (16, 3_000), (9, 5_000), (1, 60_000)] {
        let noise: Vec<u8> = (0..width * height)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        let bytes = luma::encode(&noise, width, height, 100).unwrap();
        let whole = decoded(&bytes).unwrap();
        // Quality 100 quantizes by 1: what is left is rounding, of the coefficients and of the samples.
        assert!(whole[0].iter().zip(&noise).all(|(&found, &stored)| found.abs_diff(stored) <= 4));
        for (interval, progressive) in [(1, false), (7, false), (0, true), (7, true)] {
            let encoder = Encoder::new(&noise, width, height, PixelFormat::Grayscale).quality(100);
            let bytes = encoder.restart_blocks(interval).progressive(progressive).encode().unwrap();
            let same = decoded(&bytes).as_ref() == Ok(&whole);
            assert!(same, "{width}x{height}, restarts {interval}, progressive {progressive}");
        }
    }
}

/// No panic and no endless work for any bytes; the samples are not checked.
#[test]
fn damaged_files_end_in_a_picture_of_their_size_or_an_error() {
    let mut state = 1u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for (name, bytes) in small() {
        for round in 0..40 {
            let mut bytes = bytes.clone();
            for _ in 0..1 + random(4) {
                let at = random(bytes.len());
                match random(4) {
                    0 => bytes[at] ^= 1 << random(8),
                    1 => bytes[at] = [0, 0xFF, 0x7F, 0x80, 1, 0xD9, 0xC4, 0xDA][random(8)],
                    2 => drop(bytes.drain(at..(at + 1 + random(8)).min(bytes.len()))),
                    _ => bytes = with(&bytes, at, &[random(256) as u8, random(256) as u8]),
                }
            }
            let Ok(header) = Header::read(&bytes) else { continue };
            let pixels = u64::from(header.width()) * u64::from(header.height());
            if pixels > 1 << 22 {
                continue;
            }
            let (scale, _) = SCALES[round % 4];
            if let Ok(picture) = decode(&bytes, scale) {
                assert_eq!((picture.width, picture.height), header.size(scale), "{name}");
            }
        }
    }
}
