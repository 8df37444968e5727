use std::fs::{self, FileTimes, OpenOptions};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::*;
use crate::conn::parameters::Parameters;
use crate::http::conditional::Conditions;
use crate::model::admission::Admission;
use crate::model::picture::Picture;
use crate::model::transform::RequestedTransform;

/// A picture of 2x2.
const PGM: &[u8] = b"P5\n2 2\n255\nabcd";

/// `inside/` is served; the files beside it must not be reachable.
struct Tree {
    root: PathBuf,
    library: Library,
    admission: Admission,
}

impl Tree {
    fn new() -> Self {
        Self::with(&Limits::default(), 1 << 20)
    }

    fn with(limits: &Limits, memory: u64) -> Self {
        let root = std::env::temp_dir().join(format!("tp2-files-{}", uuid::Uuid::new_v4().simple()));
        let inside = root.join("inside");
        fs::create_dir_all(inside.join("a/b")).unwrap();
        for path in ["outside.pgm", "inside/x.pgm", "inside/a/b/y.pgm", "inside/día 1.pgm"] {
            fs::write(root.join(path), PGM).unwrap();
        }
        let library = Library::open(&inside, limits, 64 << 10).unwrap();
        Self { root, library, admission: Admission::new(4, memory, 1) }
    }

    fn inside(&self, path: &str) -> PathBuf {
        self.root.join("inside").join(path)
    }

    fn ask(&self, path: &[u8], query: &str, conditions: Conditions) -> Result<Output, WorkError> {
        let parameters = Parameters { query: Some(query.into()), accept: None };
        let requested = RequestedTransform::read(&parameters, &[], 0.5).unwrap();
        self.library.fetch(
            &FileRequest { path: path.to_vec(), requested, conditions },
            &mut self.admission.reservation(),
        )
    }

    fn fetch(&self, path: &str) -> Result<Output, WorkError> {
        self.ask(path.as_bytes(), "", Conditions::default())
    }

    fn variant(&self, path: &str, query: &str) -> Variant {
        match self.ask(path.as_bytes(), query, Conditions::default()) {
            Ok(Output::Loaded(loaded)) => loaded.brief.variant().unwrap(),
            Ok(Output::Picture(picture)) => picture.variant.unwrap(),
            other => panic!("{path}: {other:?}"),
        }
    }

    fn keep(&self, variant: Variant) -> Arc<Picture> {
        match self.library.keep(variant, b"result".to_vec(), (1, 1)) {
            Output::Picture(picture) => picture,
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.root).unwrap();
    }
}

fn refused(output: Result<Output, WorkError>) -> WorkError {
    output.expect_err("nothing of it is for a client")
}

#[test]
fn a_picture_is_read_whole_and_charged() {
    let tree = Tree::new();
    for path in ["x.pgm", "a/b/y.pgm", "día 1.pgm"] {
        let requested = RequestedTransform::read(&Parameters::default(), &[], 0.5).unwrap();
        let file_request = FileRequest { path: path.into(), requested, conditions: Conditions::default() };
        let mut reservation = tree.admission.reservation();
        let Ok(Output::Loaded(loaded)) = tree.library.fetch(&file_request, &mut reservation) else {
            panic!("{path}")
        };
        assert_eq!(loaded.picture, PGM);
        assert_eq!((loaded.info.format, loaded.info.width, loaded.info.height), (Format::Pnm, 2, 2));
        assert_eq!(reservation.bytes(), PGM.len() as u64);
        assert!(loaded.memory >= PGM.len() as u64);
        let version = loaded.brief.version.unwrap();
        assert_eq!(version.length, PGM.len() as u64);
        assert_eq!(version.modified, fs::metadata(tree.inside(path)).unwrap().modified().unwrap());
    }
}

#[test]
fn nothing_outside_is_reached() {
    let tree = Tree::new();
    symlink("../outside.pgm", tree.inside("out.pgm")).unwrap();
    symlink("x.pgm", tree.inside("in.pgm")).unwrap();
    symlink("..", tree.inside("up")).unwrap();
    symlink("a", tree.inside("down")).unwrap();
    symlink("/", tree.inside("root")).unwrap();
    for path in [
        "",
        "/",
        ".",
        "..",
        "../outside.pgm",
        "a/../../outside.pgm",
        "a/../x.pgm",
        "./x.pgm",
        "a//b/y.pgm",
        "x.pgm/",
        "x.pgm/.",
        "/x.pgm",
        "/etc/passwd",
        "//etc/passwd",
        "out.pgm",
        "in.pgm",
        "up/outside.pgm",
        "up/inside/x.pgm",
        "down/b/y.pgm",
        "root/etc/passwd",
        "x.pgm\0",
        "nada.pgm",
        "x.pgm/y.pgm",
    ] {
        assert_eq!(refused(tree.fetch(path)), WorkError::NoFile, "{path:?}");
    }
    assert_eq!(refused(tree.ask(&[b'a'; 5000], "", Conditions::default())), WorkError::NoFile);
    assert_eq!(tree.admission.bytes(), 0);
}

#[test]
fn only_regular_files_are_files() {
    let tree = Tree::new();
    let _listener = UnixListener::bind(tree.inside("socket")).unwrap();
    let mkfifo = std::process::Command::new("mkfifo").arg(tree.inside("fifo")).status();
    assert!(mkfifo.unwrap().success());
    for path in ["a", "a/b", "socket", "fifo"] {
        assert_eq!(refused(tree.fetch(path)), WorkError::NoFile, "{path}");
    }
    let devices = Library::open(Path::new("/dev"), &Limits::default(), 0).unwrap();
    let requested = RequestedTransform::read(&Parameters::default(), &[], 0.5).unwrap();
    for path in ["null", "zero", "tty"] {
        let (requested, path) = (requested.clone(), path.as_bytes().to_vec());
        let file_request = FileRequest { path, requested, conditions: Conditions::default() };
        assert_eq!(
            refused(devices.fetch(&file_request, &mut tree.admission.reservation())),
            WorkError::NoFile
        );
    }
}

#[test]
fn what_is_no_picture_for_us_is_refused_by_its_bytes() {
    let tree = Tree::with(&Limits { body_max: 1000, ..Limits::default() }, 600);
    for (name, content, failure) in [
        ("empty.png", &b""[..], WorkError::NotAPicture),
        ("text.png", b"not a picture", WorkError::NotAPicture),
        ("begun.png", b"\x89PNG", WorkError::NotAPicture),
        ("long.pgm", &[b'P'; 1001], WorkError::FileTooLong { length: 1001 }),
    ] {
        fs::write(tree.inside(name), content).unwrap();
        assert_eq!(refused(tree.fetch(name)), failure, "{name}");
    }
    fs::write(tree.inside("head.png"), b"\x89PNG\r\n\x1a\nbut then no more").unwrap();
    assert!(matches!(refused(tree.fetch("head.png")), WorkError::Undecodable(_)));
    fs::write(tree.inside("zeros.pgm"), [b"P5\n30 30\n255\n", &[0; 900][..]].concat()).unwrap();
    assert_eq!(refused(tree.fetch("zeros.pgm")), WorkError::MemoryFull { length: 913 });
    assert_eq!(tree.admission.bytes(), 0);
    // The file fits, but the work on it never would.
    fs::write(tree.inside("large.pgm"), [b"P5\n22 20\n255\n", &[0; 440][..]].concat()).unwrap();
    assert!(matches!(refused(tree.fetch("large.pgm")), WorkError::TooMuchMemory { .. }));
    let none = Conditions::default();
    let parameters = Parameters { query: None, accept: Some(b"text/plain".to_vec()) };
    let requested = RequestedTransform::read(&parameters, &[], 0.5).unwrap();
    let file_request = FileRequest { path: b"x.pgm".to_vec(), requested, conditions: none };
    assert_eq!(
        refused(tree.library.fetch(&file_request, &mut tree.admission.reservation())),
        WorkError::NotAcceptable
    );
}

#[test]
fn a_client_that_has_it_is_told_so_without_reading_on() {
    // No room for the file: it is not read.
    let tree = Tree::with(&Limits::default(), 5);
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let file = OpenOptions::new().write(true).open(tree.inside("x.pgm")).unwrap();
    file.set_times(FileTimes::new().set_modified(modified)).unwrap();
    assert!(matches!(refused(tree.fetch("x.pgm")), WorkError::MemoryFull { .. }));

    let since = |date: &str| Conditions { if_modified_since: Some(date.into()), ..Conditions::default() };
    let ask = |conditions| tree.ask(b"x.pgm", "", conditions);
    let Ok(Output::NotModified(variant)) = ask(since("Sun, 09 Sep 2001 01:46:40 GMT")) else { panic!() };
    assert_eq!(variant.version.modified, modified);
    assert!(ask(since("Sun, 09 Sep 2001 01:46:39 GMT")).is_err());
    let tags = |list: String| Conditions { if_none_match: Some(list.into()), ..Conditions::default() };
    for list in [variant.etag(), format!("\"a\", W/{}", variant.etag()), "*".to_owned()] {
        assert!(matches!(ask(tags(list)), Ok(Output::NotModified(same)) if same == variant));
    }
    assert!(ask(tags("\"a\"".to_owned())).is_err());
}

#[test]
fn every_change_is_another_edition() {
    let tree = Tree::new();
    let first = tree.variant("x.pgm", "");
    assert_eq!(tree.variant("x.pgm", ""), first);
    assert_eq!(tree.variant("x.pgm", "escala=0.50&otro=1"), first, "the same plan in other words");
    for query in ["escala=0.25", "calidad=84", "formato=png", "fondo=000000"] {
        assert_ne!(tree.variant("x.pgm", query).etag(), first.etag(), "{query}");
    }
    assert_ne!(tree.variant("a/b/y.pgm", "").etag(), first.etag(), "the same bytes in another file");

    // As long as before, and its time set back; again until the file system's clock has ticked.
    let modified = first.version.modified;
    let file = OpenOptions::new().write(true).open(tree.inside("x.pgm")).unwrap();
    let second = loop {
        fs::write(tree.inside("x.pgm"), b"P5\n2 2\n255\nABCD").unwrap();
        file.set_times(FileTimes::new().set_modified(modified)).unwrap();
        let second = tree.variant("x.pgm", "");
        if second.version.changed != first.version.changed {
            break second;
        }
    };
    assert_eq!((second.version.modified, second.version.length), (modified, first.version.length));
    assert_ne!(second.etag(), first.etag());

    // Another file under the name.
    fs::write(tree.inside("new"), PGM).unwrap();
    fs::rename(tree.inside("new"), tree.inside("x.pgm")).unwrap();
    assert_ne!(tree.variant("x.pgm", "").etag(), second.etag());
}

#[test]
fn a_kept_result_is_found_until_the_file_changes() {
    let tree = Tree::new();
    let variant = tree.variant("x.pgm", "");
    let kept = tree.keep(variant);
    assert_eq!(&kept.file[..], b"result");
    assert!(matches!(tree.fetch("x.pgm"), Ok(Output::Picture(found)) if Arc::ptr_eq(&found, &kept)));
    assert!(matches!(tree.fetch("a/b/y.pgm"), Ok(Output::Loaded(_))));
    fs::write(tree.inside("x.pgm"), [PGM, b"more"].concat()).unwrap();
    assert!(matches!(tree.fetch("x.pgm"), Ok(Output::Loaded(_))));
    fs::remove_file(tree.inside("x.pgm")).unwrap();
    assert_eq!(refused(tree.fetch("x.pgm")), WorkError::NoFile, "kept, but no longer there");
}

#[test]
fn what_is_kept_is_found_at_a_glance_until_the_file_changes() {
    let tree = Tree::new();
    if !tree.library.is_local {
        let why = "el directorio temporal no es de un sistema de archivos local";
        assert!(std::env::var_os("TP2_CI").is_none_or(|value| value != "1"), "TP2_CI=1 y {why}");
        eprintln!("SALTADO: {why}");
        return;
    }
    let try_cached = |path: &str, query: &str, conditions| {
        let parameters = Parameters { query: Some(query.into()), accept: None };
        let requested = RequestedTransform::read(&parameters, &[], 0.5).unwrap();
        tree.library.try_cached(&FileRequest { path: path.into(), requested, conditions })
    };
    let plain = |path| try_cached(path, "", Conditions::default());
    assert!(plain("x.pgm").is_none(), "nobody has looked at it");
    let variant = tree.variant("x.pgm", "");
    assert!(plain("x.pgm").is_none(), "nobody has made it");
    let kept = tree.keep(variant);
    assert!(matches!(plain("x.pgm"), Some(Output::Picture(found)) if Arc::ptr_eq(&found, &kept)));
    assert!(try_cached("x.pgm", "escala=0.1", Conditions::default()).is_none());
    assert!(plain("a/b/y.pgm").is_none() && plain("../outside.pgm").is_none() && plain("nada").is_none());
    let has = Conditions { if_none_match: Some(variant.etag().into()), ..Conditions::default() };
    assert!(matches!(try_cached("x.pgm", "", has), Some(Output::NotModified(same)) if same == variant));
    symlink("x.pgm", tree.inside("link.pgm")).unwrap();
    assert!(plain("link.pgm").is_none());

    fs::write(tree.inside("x.pgm"), [PGM, b"more"].concat()).unwrap();
    assert!(plain("x.pgm").is_none(), "written anew");
    tree.keep(tree.variant("x.pgm", ""));
    assert!(plain("x.pgm").is_some());
    fs::rename(tree.inside("a/b/y.pgm"), tree.inside("x.pgm")).unwrap();
    assert!(plain("x.pgm").is_none(), "another file under the name");
    tree.keep(tree.variant("x.pgm", ""));
    assert!(plain("x.pgm").is_some());
    fs::remove_file(tree.inside("x.pgm")).unwrap();
    assert!(plain("x.pgm").is_none(), "gone");
}

#[test]
fn a_file_that_changes_while_it_is_read_is_no_picture_yet() {
    let tree = Tree::new();
    for content in [&PGM[..9], &[PGM, b"more"].concat(), PGM] {
        fs::write(tree.inside("x.pgm"), PGM).unwrap();
        let file = File::open(tree.inside("x.pgm")).unwrap();
        let before = version(&file).unwrap();
        assert_eq!(read_rest(&file, &before, &mut Vec::new()), Ok(()));
        let file = File::open(tree.inside("x.pgm")).unwrap();
        let mut picture = Vec::new();
        read(&file, 3, &mut picture).unwrap();
        while version(&file).unwrap() == before {
            fs::write(tree.inside("x.pgm"), content).unwrap();
        }
        assert_eq!(read_rest(&file, &before, &mut picture), Err(WorkError::Changing));
    }
}

#[test]
fn errors_of_the_system_are_told_apart() {
    let failure = |kind: io::ErrorKind| refusal(&kind.into());
    assert_eq!(failure(io::ErrorKind::NotFound), WorkError::NoFile);
    assert_eq!(failure(io::ErrorKind::PermissionDenied), WorkError::NoPermission);
    assert!(matches!(failure(io::ErrorKind::Other), WorkError::Unreadable(_)));
}

#[test]
fn a_library_is_a_directory_that_can_be_read() {
    let tree = Tree::new();
    let open =
        |path: &Path| Library::open(path, &Limits::default(), 0).map(drop).map_err(|error| error.kind());
    assert_eq!(open(&tree.inside("x.pgm")), Err(io::ErrorKind::NotADirectory));
    assert_eq!(open(&tree.inside("nada")), Err(io::ErrorKind::NotFound));
    assert_eq!(open(Path::new("")), Err(io::ErrorKind::NotFound));
    assert_eq!(open(&tree.inside("a/")), Ok(()));
    // The operator may name it by a symbolic link; clients may not.
    symlink("inside", tree.root.join("link")).unwrap();
    assert_eq!(open(&tree.root.join("link")), Ok(()));
}

#[test]
fn a_directory_that_was_removed_and_made_again_is_served_again() {
    let tree = Tree::new();
    assert!(tree.fetch("x.pgm").is_ok());
    fs::remove_dir_all(tree.root.join("inside")).unwrap();
    assert!(matches!(tree.fetch("x.pgm"), Err(WorkError::NoFile)));
    fs::create_dir(tree.root.join("inside")).unwrap();
    fs::write(tree.inside("new.pgm"), PGM).unwrap();
    assert!(tree.fetch("new.pgm").is_ok());
    // Another file in its place counts too, also in the cache.
    let kept = tree.variant("new.pgm", "");
    tree.keep(kept);
    fs::rename(tree.root.join("inside"), tree.root.join("before")).unwrap();
    assert!(tree.fetch("new.pgm").is_ok(), "what is there still is served");
    fs::create_dir(tree.root.join("inside")).unwrap();
    assert!(matches!(tree.fetch("new.pgm"), Err(WorkError::NoFile)));
}
