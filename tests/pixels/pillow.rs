//! Every pixel against Pillow: how it reads our fixtures, and the files that we write.
//!
//! Needs `python3` with Pillow. Without them the tests print that and pass, unless `TP2_CI` is set: then they fail.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tp2::http::format::Format;
use tp2::pixels::{Encoding, encode};

use crate::fixtures::{difference, directory, fixture, fixtures, pixels, read};

/// Pillow's result for a picture: sides, tolerance, luma and alpha; or its error.
type Seen = Result<(u32, u32, u8, Vec<[u8; 2]>), String>;

/// Asks the oracle about files; `None` if there is no Pillow here.
fn oracle(paths: &[PathBuf]) -> Option<Vec<Seen>> {
    let version = Command::new("python3").args(["-c", "import PIL; print(PIL.__version__)"]).output();
    if !version.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("TP2_CI").is_none(), "no python3 with Pillow, and TP2_CI is set");
        println!("SKIPPED: no python3 with Pillow here");
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/oracle.py");
    let mut child = Command::new("python3")
        .args(["-W", "ignore"])
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut questions = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap());
    let seen = paths
        .iter()
        .map(|path| {
            writeln!(questions, "{}", path.display()).unwrap();
            let mut line = String::new();
            answers.read_line(&mut line).unwrap();
            if let Some(reason) = line.strip_prefix("error ") {
                return Err(reason.trim_end().to_owned());
            }
            let fields: Vec<u32> = line.split_whitespace().map(|field| field.parse().unwrap()).collect();
            let &[width, height, tolerance, channels] = &fields[..] else { panic!("answer {line:?}") };
            let mut plane = |there: bool| {
                let mut plane = vec![255; width as usize * height as usize];
                if there {
                    answers.read_exact(&mut plane).unwrap();
                }
                plane
            };
            let (luma, alpha) = (plane(true), plane(channels == 2));
            let pixels = luma.into_iter().zip(alpha).map(|(l, a)| [l, a]).collect();
            Ok((width, height, u8::try_from(tolerance).unwrap(), pixels))
        })
        .collect();
    drop(questions);
    child.wait().unwrap();
    Some(seen)
}

/// The difference between our picture and Pillow's, if it is too large.
fn complaint(bytes: &[u8], seen: &Seen) -> Option<String> {
    let (Ok((_, raster)), Ok((width, height, tolerance, theirs))) = (read(bytes), seen) else { return None };
    if (raster.width, raster.height) != (*width, *height) {
        return Some(format!("{}x{} instead of {width}x{height}", raster.width, raster.height));
    }
    let (gray, alpha) = difference(&pixels(&raster), theirs);
    (gray > *tolerance || alpha > 1).then(|| format!("gray differs by {gray}, alpha by {alpha}"))
}

#[test]
fn every_fixture_looks_as_in_pillow() {
    let fixtures: Vec<_> = fixtures().into_iter().filter(|f| f.gray.is_some()).collect();
    let paths: Vec<_> = fixtures.iter().map(|f| directory().join(&f.name)).collect();
    let Some(seen) = oracle(&paths) else { return };
    let mut compared = 0;
    for (fixture, seen) in fixtures.iter().zip(&seen) {
        assert_eq!(complaint(&fixture.bytes(), seen), None, "{}", fixture.name);
        compared += u32::from(seen.is_ok());
    }
    assert!(compared > 100, "only {compared} compared");
}

#[test]
fn what_we_write_pillow_reads_the_same() {
    let directory = std::env::temp_dir().join(format!("tp2-pixels-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let mut cases = Vec::new();
    for (format, ending) in [
        (Format::Jpeg, "jpg"),
        (Format::Png, "png"),
        (Format::Gif, "gif"),
        (Format::Bmp, "bmp"),
        (Format::WebP, "webp"),
        (Format::Tiff, "tif"),
        (Format::Pnm, "pgm"),
    ] {
        for subject in ["png_gray.png", "png_gray_alpha.png"] {
            let (_, raster) = read(&fixture(subject)).unwrap();
            let bytes = encode(raster, &Encoding { format, quality: 90, background: [255; 3] }).unwrap();
            let path = directory.join(format!("{subject}.{ending}"));
            std::fs::write(&path, &bytes).unwrap();
            cases.push((path, bytes));
        }
    }
    let paths: Vec<_> = cases.iter().map(|(path, _)| path.clone()).collect();
    let seen = oracle(&paths);
    std::fs::remove_dir_all(&directory).unwrap();
    for ((path, bytes), seen) in cases.iter().zip(seen.into_iter().flatten()) {
        assert!(seen.is_ok(), "{}: {seen:?}", path.display());
        assert_eq!(complaint(bytes, &seen), None, "{}", path.display());
    }
}

/// Prints where a corpus (see the module `corpus`) differs from Pillow.
#[test]
fn the_corpus_looks_as_in_pillow() {
    let Some(root) = std::env::var_os("TP2_CORPUS") else {
        println!("TP2_CORPUS names no directory: nothing to do");
        return;
    };
    let root = Path::new(&root);
    let index = std::fs::read_to_string(root.join("index.tsv")).unwrap();
    let paths: Vec<_> =
        index.lines().skip(1).map(|line| root.join(line.split('\t').next().unwrap())).collect();
    let readable: Vec<_> =
        paths.into_iter().filter(|path| read(&std::fs::read(path).unwrap()).is_ok()).collect();
    let Some(seen) = oracle(&readable) else { return };
    let mut different = 0;
    for (path, seen) in readable.iter().zip(&seen) {
        if let Some(complaint) = complaint(&std::fs::read(path).unwrap(), seen) {
            println!("{}: {complaint}", path.strip_prefix(root).unwrap().display());
            different += 1;
        }
    }
    println!("{different} of {} look otherwise", readable.len());
}
