//! The names of the results: pure.
//!
//! Rules: a result has the path of its picture, below the folder of results; if another format is wished, it has that
//! format's ending. Pictures whose results would have one name (`a.jpg` and `a.png`, both as WebP) all keep their own
//! ending in it: `a.jpg.webp` and `a.png.webp`. Where that is not enough (`x/a.jpg` and `y/a.jpg`, both named on the
//! command line), their results have the path as it was given. So the name of a result does not depend on the order of
//! pictures. Where even that is not enough, the later picture has no result, and the client says so.
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use super::endings;
use crate::http::format::Format;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// This, below the folder of results.
    Own(PathBuf),
    /// As that of the picture with this index, which comes before.
    Taken(usize),
}

/// A picture's path below the folder of results, and its path as it was given.
pub(super) type Paths<'a> = (&'a Path, &'a Path);

pub(super) fn names(pictures: &[Paths<'_>], format: Option<Format>) -> Vec<Name> {
    let mut names: Vec<PathBuf> = pictures.iter().map(|&paths| name(paths, format, 0)).collect();
    let mut levels = vec![0; names.len()];
    // Each turn makes one name longer at least, so the turns end.
    loop {
        let mut shared: HashMap<&Path, usize> = HashMap::new();
        for name in &names {
            *shared.entry(name).or_default() += 1;
        }
        let longer: Vec<usize> = (0..names.len())
            .filter(|&index| levels[index] < LEVEL_MAX)
            .filter(|&index| shared.get(names[index].as_path()).is_some_and(|&n| n > 1))
            .collect();
        if longer.is_empty() {
            break;
        }
        for index in longer {
            levels[index] += 1;
            names[index] = name(pictures[index], format, levels[index]);
        }
    }
    let mut first: HashMap<PathBuf, usize> = HashMap::new();
    let number = |(index, name): (usize, PathBuf)| match first.get(&name) {
        Some(&other) => Name::Taken(other),
        None => {
            first.insert(name.clone(), index);
            Name::Own(name)
        }
    };
    names.into_iter().enumerate().map(number).collect()
}

/// The last level of [`name`].
const LEVEL_MAX: u8 = 2;

/// The name of the result of a picture that is sent alone: as in a run with others. None: the path has no last component.
pub(super) fn name_alone(source: &Path, format: Option<Format>) -> Option<PathBuf> {
    source.file_name().map(|name| renamed(Path::new(name), format))
}

/// The longer, the higher the level: 0 as usual, 1 with its own ending, 2 the same of the way to it.
fn name((relative, source): Paths<'_>, format: Option<Format>, level: u8) -> PathBuf {
    let way = || source.components().filter(|part| matches!(part, Component::Normal(_))).collect::<PathBuf>();
    match level {
        0 => renamed(relative, format),
        1 => lengthened(relative, format),
        _ => lengthened(&way(), format),
    }
}

/// With the ending of the format in place of a picture's. An ending that names the format already stays.
fn renamed(path: &Path, format: Option<Format>) -> PathBuf {
    match format {
        Some(format) if !names_format(path, format) && endings::is_pictures(path) => {
            path.with_extension(format.extension())
        }
        _ => lengthened(path, format),
    }
}

/// With the ending of the format behind the whole name.
fn lengthened(path: &Path, format: Option<Format>) -> PathBuf {
    match format {
        Some(format) if !names_format(path, format) => {
            let mut name = path.as_os_str().to_owned();
            name.push(".");
            name.push(format.extension());
            name.into()
        }
        _ => path.to_owned(),
    }
}

fn names_format(path: &Path, format: Format) -> bool {
    // Of Netpbm's endings only that of what is written is true of the result.
    let is_true =
        format != Format::Pnm || path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("pgm"));
    endings::format_of(path) == Some(format) && is_true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_of(paths: &[&'static str], format: Option<Format>) -> Vec<String> {
        // What is named on the command line by itself has its last component below the folder of results.
        let both = |path: &&'static str| match path.strip_prefix("=") {
            Some(way) => (Path::new(Path::new(way).file_name().unwrap()), Path::new(way)),
            None => (Path::new(*path), Path::new(*path)),
        };
        let paths: Vec<_> = paths.iter().map(both).collect();
        let shown = |name: Name| match name {
            Name::Own(path) => path.to_string_lossy().into_owned(),
            Name::Taken(index) => format!("={index}"),
        };
        names(&paths, format).into_iter().map(shown).collect()
    }

    #[test]
    fn names_stay_and_endings_follow_the_format() {
        let paths = ["sub/a.JPG", "b.jpeg", "c", "d.2024", ".e", "f.tar.png", "g.ppm", "h.HEIC"];
        assert_eq!(names_of(&paths, None), paths);
        let webp =
            ["sub/a.webp", "b.webp", "c.webp", "d.2024.webp", ".e.webp", "f.tar.webp", "g.webp", "h.webp"];
        assert_eq!(names_of(&paths, Some(Format::WebP)), webp);
        assert_eq!(names_of(&["a.JPG", "b.jpeg", "c.png"], Some(Format::Jpeg)), ["a.JPG", "b.jpeg", "c.jpg"]);
        assert_eq!(names_of(&["a.ppm", "b.pgm"], Some(Format::Pnm)), ["a.pgm", "b.pgm"]);
        assert_eq!(names_of(&["a.tif"], Some(Format::Tiff)), ["a.tif"]);
    }

    #[test]
    fn no_result_is_taken_for_that_of_another() {
        for (paths, format, expected) in [
            (
                &["a.jpg", "a.png", "b.png"][..],
                Some(Format::WebP),
                &["a.jpg.webp", "a.png.webp", "b.webp"][..],
            ),
            (&["a.png", "a.jpg"], Some(Format::WebP), &["a.png.webp", "a.jpg.webp"]),
            (&["a.jpg", "a.webp"], Some(Format::WebP), &["a.jpg.webp", "a.webp"]),
            (&["x/a.jpg", "y/a.png"], Some(Format::WebP), &["x/a.webp", "y/a.webp"]),
            // One that is longer meets one that was alone.
            (
                &["a.jpg", "a.png", "a.png.jpg"],
                Some(Format::WebP),
                &["a.jpg.webp", "a.png.webp", "a.png.jpg.webp"],
            ),
            (&["=x/a.jpg", "=y/a.jpg", "=y/b.jpg"], None, &["x/a.jpg", "y/a.jpg", "b.jpg"]),
            (&["=x/a.jpg", "=/y/a.jpg"], Some(Format::Png), &["x/a.jpg.png", "y/a.jpg.png"]),
            (&["=x/a.jpg", "=../x/a.jpg", "=./x/a.jpg"], None, &["x/a.jpg", "=0", "=0"]),
            (&["a.jpg", "b.jpg", "a.jpg", "a.jpg"], None, &["a.jpg", "b.jpg", "=0", "=0"]),
            (&["a.jpg", "a.jpg"], Some(Format::Png), &["a.jpg.png", "=0"]),
        ] {
            assert_eq!(names_of(paths, format), expected, "{paths:?}");
        }
    }
}
