use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Duration;

use super::*;
use crate::http::conditional::Conditions;
use crate::model::admission::Admission;

/// A folder of links in a directory of the test's own.
struct Tree {
    root: PathBuf,
    links: Links,
    admission: Admission,
}

impl Tree {
    fn new() -> Self {
        let root = std::env::temp_dir().join(format!("tp2-links-{}", Uuid::new_v4().simple()));
        fs::create_dir(&root).unwrap();
        let links = Links::at(root.join(FOLDER), u64::MAX);
        Self { root, links, admission: Admission::new(4, 1000, 1) }
    }

    fn folder(&self) -> PathBuf {
        self.root.join(FOLDER)
    }

    fn names(&self) -> BTreeSet<String> {
        let entries = self.folder().read_dir().unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn ask(&self, name: &str, conditions: Conditions, head_only: bool) -> Result<FilePart, WorkError> {
        let link_request = LinkRequest { name: name.into(), conditions, head_only };
        match self.links.fetch(&link_request, &mut self.admission.reservation())? {
            Output::Excerpt(file_part) => Ok(*file_part),
            other => panic!("{other:?}"),
        }
    }

    fn fetch(&self, name: &str) -> Result<FilePart, WorkError> {
        self.ask(name, Conditions::default(), false)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.root).unwrap();
    }
}

fn at(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(second * 1000 + 999)
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn a_file_is_stored_under_the_second_and_read_again() {
    let tree = Tree::new();
    assert_eq!(tree.links.keep(b"one", at(1_697_058_295)).unwrap(), "scaled_image_1697058295.jpg");
    assert_eq!(tree.links.keep(b"two", at(1_697_058_295)).unwrap(), "scaled_image_1697058295_1.jpg");
    assert_eq!(tree.links.keep(b"", at(1_697_058_296)).unwrap(), "scaled_image_1697058296.jpg");
    assert_eq!(tree.names().len(), 3, "nothing is left aside");
    assert_eq!(&tree.fetch("scaled_image_1697058295.jpg").unwrap().body[..], b"one");
    assert_eq!(&tree.fetch("scaled_image_1697058295_1.jpg").unwrap().body[..], b"two");
    assert_eq!(&tree.fetch("scaled_image_1697058296.jpg").unwrap().body[..], b"");
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(tree.folder()) & 0o700, 0o700);
    assert_eq!(mode(tree.folder()) & 0o022, 0, "nobody else writes into it");
    assert_eq!(mode(tree.folder().join("scaled_image_1697058296.jpg")) & 0o600, 0o600);
}

#[test]
fn no_name_is_given_twice_by_threads_or_by_two_servers() {
    let tree = Tree::new();
    let other = Links::at(tree.folder(), u64::MAX);
    std::thread::scope(|scope| {
        for links in [&tree.links, &other] {
            for thread in 0..4 {
                scope.spawn(move || {
                    for number in 0..50 {
                        let content = format!("{:p} {thread} {number}", &raw const *links);
                        let name = links.keep(content.as_bytes(), at(7)).unwrap();
                        let found = fs::read(links.path.join(name)).unwrap();
                        assert_eq!(found, content.as_bytes());
                    }
                });
            }
        }
    });
    let names = tree.names();
    assert_eq!(names.len(), 400);
    let contents: BTreeSet<Vec<u8>> =
        names.iter().map(|name| fs::read(tree.folder().join(name)).unwrap()).collect();
    assert_eq!(contents.len(), 400);
}

#[test]
fn a_free_name_is_found_quickly_among_many_that_are_taken() {
    let tree = Tree::new();
    fs::create_dir(tree.folder()).unwrap();
    for number in 0..5000 {
        fs::write(tree.folder().join(name(9, number)), "old").unwrap();
    }
    let aside = Aside::write(&tree.folder(), b"new").unwrap();
    let published = tree.links.publish(&aside, at(9)).unwrap();
    assert_eq!(fs::read(tree.folder().join(&published)).unwrap(), b"new");
    // 0, 2, 6, 14, … : the first that is not below 5000 is 2^13 - 2.
    assert_eq!(published, "scaled_image_9_8190.jpg");
    assert_eq!(tree.links.keep(b"newer", at(9)).unwrap(), "scaled_image_9_8191.jpg");
    assert!((0..5000).all(|number| fs::read(tree.folder().join(name(9, number))).unwrap() == b"old"));
}

#[test]
fn a_clock_that_is_set_back_replaces_nothing() {
    let tree = Tree::new();
    assert_eq!(tree.links.keep(b"first", at(5)).unwrap(), "scaled_image_5.jpg");
    assert_eq!(tree.links.keep(b"second", at(6)).unwrap(), "scaled_image_6.jpg");
    assert_eq!(tree.links.keep(b"third", at(5)).unwrap(), "scaled_image_5_2.jpg");
    assert_eq!(fs::read(tree.folder().join("scaled_image_5.jpg")).unwrap(), b"first");
    let before = SystemTime::UNIX_EPOCH - Duration::from_secs(9);
    assert_eq!(tree.links.keep(b"fourth", before).unwrap(), "scaled_image_0.jpg");
}

#[test]
fn what_a_killed_server_left_is_removed_and_what_a_living_one_writes_is_not() {
    let tree = Tree::new();
    fs::create_dir(tree.folder()).unwrap();
    let living = Aside::write(&tree.folder(), b"half").unwrap();
    for name in [".tp2-0123", "scaled_image_1.jpg", ".other"] {
        fs::write(tree.folder().join(name), "x").unwrap();
    }
    // What is not a regular file is left alone, and opening a FIFO does not block.
    fs::create_dir(tree.folder().join(".tp2-directory")).unwrap();
    symlink("scaled_image_1.jpg", tree.folder().join(".tp2-link")).unwrap();
    assert!(
        std::process::Command::new("mkfifo").arg(tree.folder().join(".tp2-fifo")).status().unwrap().success()
    );
    tree.links.keep(b"new", at(2)).unwrap();
    let mut expected = set(&[
        ".other",
        ".tp2-directory",
        ".tp2-fifo",
        ".tp2-link",
        "scaled_image_1.jpg",
        "scaled_image_2.jpg",
    ]);
    expected.insert(living.path.file_name().unwrap().to_str().unwrap().to_owned());
    assert_eq!(tree.names(), expected);
    drop(living);
    assert_eq!(tree.names().len(), 6);
    fs::write(tree.folder().join(".tp2-4567"), "x").unwrap();
    tree.links.keep(b"newer", at(2)).unwrap();
    assert!(tree.names().contains(".tp2-4567"), "once is enough");
}

#[test]
fn a_folder_that_was_removed_is_made_again() {
    let tree = Tree::new();
    tree.links.keep(b"a", at(1)).unwrap();
    fs::remove_dir_all(tree.folder()).unwrap();
    assert_eq!(tree.fetch("scaled_image_1.jpg").unwrap_err(), WorkError::NoFile);
    tree.links.keep(b"b", at(2)).unwrap();
    assert_eq!(tree.names(), set(&["scaled_image_2.jpg"]));
}

#[test]
fn the_folder_may_be_a_link_to_another() {
    let tree = Tree::new();
    fs::create_dir(tree.root.join("elsewhere")).unwrap();
    symlink("elsewhere", tree.folder()).unwrap();
    let name = tree.links.keep(b"a", at(1)).unwrap();
    assert_eq!(fs::read(tree.root.join("elsewhere").join(&name)).unwrap(), b"a");
    assert_eq!(&tree.fetch(&name).unwrap().body[..], b"a");
}

#[test]
fn a_folder_that_is_none_is_told_of() {
    let tree = Tree::new();
    fs::write(tree.folder(), "a file").unwrap();
    let failure = tree.links.keep(b"a", at(1)).unwrap_err();
    assert_eq!(failure, WorkError::FolderUnusable("no es un directorio".into()));
    assert_eq!(tree.fetch("a").unwrap_err(), WorkError::NoFile);
    fs::remove_file(tree.folder()).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(tree.folder()).status().unwrap().success());
    assert!(matches!(tree.links.keep(b"a", at(1)), Err(WorkError::FolderUnusable(_))));
    assert_eq!(tree.fetch("a").unwrap_err(), WorkError::NoFile);
    fs::remove_file(tree.folder()).unwrap();
    symlink("nowhere", tree.folder()).unwrap();
    assert!(matches!(tree.links.keep(b"a", at(1)), Err(WorkError::FolderUnusable(_))));
    fs::remove_file(tree.folder()).unwrap();
    assert_eq!(tree.links.keep(b"a", at(1)).unwrap(), "scaled_image_1.jpg", "once it is mended, all is well");
}

#[test]
fn a_disk_without_space_is_told_apart() {
    let failure = |error: io::Error| failure(&error);
    assert!(matches!(failure(io::ErrorKind::StorageFull.into()), WorkError::FolderFull(_)));
    assert!(matches!(failure(io::ErrorKind::QuotaExceeded.into()), WorkError::FolderFull(_)));
    assert!(matches!(failure(io::ErrorKind::ReadOnlyFilesystem.into()), WorkError::FolderUnusable(_)));
}

#[test]
fn only_files_of_the_folder_itself_are_read() {
    let tree = Tree::new();
    tree.links.keep(b"a", at(1)).unwrap();
    fs::write(tree.root.join("secret"), "s").unwrap();
    symlink("../secret", tree.folder().join("link")).unwrap();
    fs::create_dir(tree.folder().join("dir")).unwrap();
    let mkfifo = std::process::Command::new("mkfifo").arg(tree.folder().join("fifo")).status();
    assert!(mkfifo.unwrap().success());
    for name in ["../secret", "link", "dir", "fifo", "", ".", "..", "/etc/passwd", "a\0b"] {
        assert_eq!(tree.fetch(name).unwrap_err(), WorkError::NoFile, "{name:?}");
    }
}

#[test]
fn only_what_is_asked_for_is_read_and_charged() {
    let tree = Tree::new();
    fs::create_dir(tree.folder()).unwrap();
    let content: Vec<u8> = b"\xff\xd8\xff\xe0".iter().copied().chain((4..=255).cycle().take(1996)).collect();
    fs::write(tree.folder().join("a.jpg"), &content).unwrap();
    // More than there is memory for: only in part.
    assert_eq!(tree.fetch("a.jpg").unwrap_err(), WorkError::MemoryFull { length: 2000 });
    let ranged = |range: &str| Conditions { range: Some(range.into()), ..Conditions::default() };
    for (range, part) in [("bytes=0-0", 0..1), ("bytes=999-1998", 999..1999), ("bytes=-1000", 1000..2000)] {
        let link_request =
            LinkRequest { name: b"a.jpg".to_vec(), conditions: ranged(range), head_only: false };
        let mut reservation = tree.admission.reservation();
        let Ok(Output::Excerpt(file_part)) = tree.links.fetch(&link_request, &mut reservation) else {
            panic!("{range}")
        };
        assert_eq!(reservation.bytes(), (part.end - part.start) as u64);
        assert_eq!(&file_part.body[..], &content[part.clone()], "{range}");
        assert_eq!(file_part.selection, Selection::Part(part.start as u64..part.end as u64));
        assert_eq!((file_part.media_type, file_part.version.length), ("image/jpeg", 2000));
    }
    for (conditions, head_only, selection) in [
        (Conditions::default(), true, Selection::Whole),
        (ranged("bytes=2000-"), false, Selection::Unsatisfiable),
        (Conditions { if_match: Some(b"\"a\"".to_vec()), ..Conditions::default() }, false, Selection::Failed),
        (
            Conditions { if_none_match: Some(b"*".to_vec()), ..Conditions::default() },
            false,
            Selection::NotModified,
        ),
    ] {
        let file_part = tree.ask("a.jpg", conditions, head_only).unwrap();
        assert_eq!((file_part.selection, file_part.body.len()), (selection, 0));
    }
    assert_eq!(tree.admission.bytes(), 0);
}

#[test]
fn the_type_is_what_the_bytes_say() {
    let tree = Tree::new();
    fs::create_dir(tree.folder()).unwrap();
    for (content, media_type) in [
        (&b"\x89PNG\r\n\x1a\n"[..], "image/png"),
        (b"<script>", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ] {
        fs::write(tree.folder().join("a.jpg"), content).unwrap();
        assert_eq!(tree.fetch("a.jpg").unwrap().media_type, media_type);
    }
}

#[test]
fn the_tag_is_another_one_for_another_file() {
    let tree = Tree::new();
    let names: Vec<String> = (0..3).map(|_| tree.links.keep(b"same", at(1)).unwrap()).collect();
    let tags: BTreeSet<String> = names.iter().map(|name| tree.fetch(name).unwrap().version.etag()).collect();
    assert_eq!(tags.len(), 3);
    assert!(tags.contains(&tree.fetch(&names[0]).unwrap().version.etag()), "and the same for the same");
    fs::set_permissions(tree.folder().join(&names[0]), Permissions::from_mode(0o600)).unwrap();
    assert_eq!(&tree.fetch(&names[0]).unwrap().body[..], b"same");
}

#[test]
fn all_links_together_take_so_much() {
    let tree = Tree::new();
    let links = Links::at(tree.folder(), 100);
    assert_eq!(links.space(), (None, 100));
    let full = |held| Err(WorkError::LinksFull { max: 100, held });
    assert_eq!(links.keep(&[0; 101], at(0)), full(101));
    links.keep(&[0; 60], at(1)).unwrap();
    let removed = links.keep(&[0; 40], at(2)).unwrap();
    assert_eq!(links.space(), (Some(100), 100));
    assert_eq!(links.keep(&[0; 1], at(3)), full(101));
    assert_eq!(tree.names().len(), 2, "nothing is left aside");
    // Space was freed, which the folder shows, or the next measurement finds.
    fs::remove_file(tree.folder().join(removed)).unwrap();
    fs::File::open(tree.folder()).unwrap().set_modified(at(99)).unwrap();
    links.keep(&[0; 40], at(4)).unwrap();
    let removed = links.keep(&[0; 1], at(5)).unwrap_err();
    assert_eq!(Err::<String, _>(removed), full(101));
    fs::remove_file(tree.folder().join("scaled_image_4.jpg")).unwrap();
    links.space_of().named_at = links.named_at();
    assert_eq!(links.keep(&[0; 1], at(5)), full(101));
    links.space_of().measured_at = None;
    links.keep(&[0; 40], at(4)).unwrap();
    // Another server counts the existing links.
    let other = Links::at(tree.folder(), 100);
    other.measure();
    assert_eq!(other.space(), (Some(100), 100));
    // A failed store takes no space.
    fs::remove_dir_all(tree.folder()).unwrap();
    fs::write(tree.folder(), "").unwrap();
    let unusable = Links::at(tree.folder(), 100);
    assert!(matches!(unusable.keep(&[0; 9], at(5)), Err(WorkError::FolderUnusable(_))));
    assert_eq!(unusable.space(), (Some(0), 100));
    fs::remove_file(tree.folder()).unwrap();
}
