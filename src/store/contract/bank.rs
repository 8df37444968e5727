//! The image bank.
use super::*;
use crate::model::face::{FACE_SAMPLES, Face, FolderPage, Page};

fn face(name: &str, seed: u64) -> Face {
    let image = format!("{seed}/+==");
    Face { name: name.into(), image, samples: bytes(seed, FACE_SAMPLES).into() }
}

fn insertion(folder: &str, face: Face) -> StoreWrite {
    StoreWrite::Insert { folder: folder.into(), face: Box::new(face) }
}

impl<P: Place> Desk<P> {
    fn insert(&mut self, folder: &str, face: Face) -> bool {
        inserted(self.write(insertion(folder, face)))
    }

    fn fill(&mut self, folder: &str, names: &[&str]) {
        for name in names {
            assert!(self.insert(folder, face(name, 1)), "{name}");
        }
    }

    fn missing(&mut self, folder: &str, names: &[&str]) -> Vec<String> {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        match self.read(StoreRead::Missing { folder: folder.into(), names }) {
            StoreReply::Names(names) => names,
            other => panic!("{other:?}"),
        }
    }

    fn names(&mut self, folder: &str, from: Option<&str>, max: usize) -> Option<Page> {
        match self.read(StoreRead::Names { folder: folder.into(), from: from.map(Into::into), max }) {
            StoreReply::Page(page) => page,
            other => panic!("{other:?}"),
        }
    }

    fn face(&mut self, folder: &str, name: &str) -> Option<Vec<Face>> {
        faces(self.read(StoreRead::Face { folder: folder.into(), name: name.into() }))
    }

    fn page_of_folders(&mut self, from: Option<&str>, max: usize) -> FolderPage {
        match self.read(StoreRead::Folders { from: from.map(Into::into), max }) {
            StoreReply::Folders(page) => page,
            other => panic!("{other:?}"),
        }
    }

    fn folders(&mut self) -> Vec<(String, u64)> {
        self.page_of_folders(None, usize::MAX).folders
    }

    fn remove_face(&mut self, folder: &str, name: &str) -> bool {
        match self.write(StoreWrite::RemoveFace { folder: folder.into(), name: name.into() }) {
            StoreReply::Known(known) => known,
            other => panic!("{other:?}"),
        }
    }

    /// Repeats the request until the folder is empty.
    fn remove_folder(&mut self, folder: &str) -> bool {
        let mut was_known = false;
        loop {
            match self.write(StoreWrite::RemoveFolder { folder: folder.into() }) {
                StoreReply::Removed { known, more } => {
                    was_known |= known;
                    if !more {
                        return was_known;
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

fn inserted(told: StoreReply) -> bool {
    match told {
        StoreReply::Inserted(inserted) => inserted,
        other => panic!("{other:?}"),
    }
}

fn faces(told: StoreReply) -> Option<Vec<Face>> {
    match told {
        StoreReply::Faces(faces) => faces,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn a_name_is_taken_once<P: Place>() {
    let mut desk = Desk::<P>::new(KEEP);
    assert!(desk.insert("c", face("a.jpg", 1)));
    assert!(!desk.insert("c", face("a.jpg", 2)), "taken");
    assert!(desk.insert("d", face("a.jpg", 3)), "free in another folder");
    let twice = vec![insertion("c", face("b.jpg", 4)), insertion("c", face("b.jpg", 5))];
    let answers: Vec<_> = desk.batch(twice).into_iter().map(|answer| inserted(answer.unwrap())).collect();
    assert_eq!(answers, [true, false]);
    desk.crash(at(1));
    assert!(!desk.insert("c", face("a.jpg", 6)));
    for (folder, name, seed) in [("c", "a.jpg", 1), ("d", "a.jpg", 3), ("c", "b.jpg", 4)] {
        assert_eq!(desk.face(folder, name).unwrap(), [face(name, seed)]);
    }
    assert_eq!(desk.face("c", "A.JPG"), Some(vec![]));
    assert_eq!(desk.face("C", "a.jpg"), None);
}

pub(crate) fn names_are_in_order_of_their_bytes<P: Place>() {
    let mut desk = Desk::<P>::new(KEEP);
    let mut names =
        ["b", "a b", "Z", "é", "e\u{301}", "a", "10", "9", "ñ", "' OR 1=1 --", "𝄞", "\u{ffff}", "%"];
    desk.fill("c", &names);
    names.sort_unstable();
    let total = names.len() as u64;
    let whole = Page { total, names: names.map(Into::into).to_vec(), next: None };
    assert_eq!(desk.names("c", None, 100), Some(whole.clone()));
    assert_eq!(desk.names("c", None, usize::MAX), Some(whole.clone()));
    assert_eq!(desk.names("c", None, names.len()), Some(whole));
    for max in 1..names.len() {
        let (mut seen, mut from) = (Vec::new(), None::<String>);
        loop {
            let page = desk.names("c", from.as_deref(), max).unwrap();
            assert_eq!(page.total, total);
            assert!(page.names.len() == max || page.next.is_none());
            seen.extend(page.names);
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        assert_eq!(seen, names, "{max} at a time");
    }
    // From a missing name, from an existing one, and from behind the last.
    for from in ["a a", "a b"] {
        let page = desk.names("c", Some(from), 1).unwrap();
        assert_eq!((page.names, page.next.as_deref()), (vec!["a b".to_owned()], Some("b")));
    }
    // NUL sorts before every other character of a name.
    for (from, first) in [("\0", names[0]), ("a\0", "a b"), ("a\0z", "a b"), ("a b\0", "b")] {
        let page = desk.names("c", Some(from), 1).unwrap();
        assert_eq!(page.names, [first], "{from:?}");
    }
    assert_eq!(desk.names("c", Some("\u{10ffff}"), 5), Some(Page { total, names: vec![], next: None }));
    let nothing = desk.names("c", None, 0).unwrap();
    assert_eq!((nothing.names, nothing.next.as_deref()), (vec![], Some(names[0])));
    assert_eq!(desk.names("nadie", None, 5), None);
}

pub(crate) fn what_is_missing_is_told_in_order<P: Place>() {
    let mut desk = Desk::<P>::new(KEEP);
    desk.fill("c", &["a", "b", "é"]);
    assert_eq!(desk.missing("c", &["z", "b", "x", "a", "E", "é", "x"]), ["z", "x", "E", "x"]);
    assert_eq!(desk.missing("c", &["a"]), [""; 0]);
    assert_eq!(desk.missing("c", &[]), [""; 0]);
    assert_eq!(desk.missing("d", &["b", "a"]), ["b", "a"]);
    let many: Vec<String> = (0..20_000).map(|number| format!("{number}.jpg")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    desk.fill("c", &["777.jpg"]);
    assert_eq!(desk.missing("c", &many).len(), 19_999);
}

pub(crate) fn folders_count_their_faces<P: Place>() {
    let mut desk = Desk::<P>::new(KEEP);
    assert_eq!(desk.folders(), []);
    desk.fill("fotos", &["a", "b"]);
    desk.fill("Caras", &["a"]);
    desk.fill("ávila", &["a", "b", "c"]);
    desk.insert("fotos", face("a", 9));
    let folders = [("Caras", 1), ("fotos", 2), ("ávila", 3)].map(|(name, count)| (name.to_owned(), count));
    assert_eq!(desk.folders(), folders);
    for max in 1..4 {
        let (mut seen, mut from) = (Vec::new(), None::<String>);
        loop {
            let page = desk.page_of_folders(from.as_deref(), max);
            assert!(page.folders.len() == max || page.next.is_none());
            seen.extend(page.folders);
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        assert_eq!(seen, folders, "{max} at a time");
    }
    assert_eq!(
        desk.page_of_folders(Some("d"), 1),
        FolderPage { folders: folders[1..2].into(), next: Some("ávila".into()) }
    );
    assert_eq!(desk.page_of_folders(Some("fotos\0a"), 9).folders, folders[2..]);
    assert_eq!(desk.page_of_folders(Some("\u{10ffff}"), 1), FolderPage { folders: vec![], next: None });
}

pub(crate) fn what_is_removed_is_gone_and_may_come_again<P: Place>() {
    let mut desk = Desk::<P>::new(KEEP);
    assert!(!desk.remove_face("c", "a") && !desk.remove_folder("c"));
    desk.fill("c", &["a", "b"]);
    desk.fill("d", &["a"]);
    assert!(desk.remove_face("c", "a"));
    assert!(!desk.remove_face("c", "a") && !desk.remove_face("c", "A"));
    assert_eq!(desk.face("c", "a"), Some(vec![]));
    assert_eq!(desk.names("c", None, 9).unwrap().names, ["b"]);
    assert!(desk.insert("c", face("a", 2)), "the name is free again");
    assert!(!desk.insert("c", face("a", 3)), "once");

    let numbered: Vec<String> = (0..P::FACES).map(|number| format!("{number:04}")).collect();
    desk.fill("c", &numbered.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(desk.remove_folder("c"));
    assert_eq!((desk.face("c", "a"), desk.names("c", None, 9)), (None, None));
    assert_eq!(desk.folders(), [("d".to_owned(), 1)]);
    assert_eq!(desk.missing("c", &["a", "0007"]), ["a", "0007"]);
    assert!(!desk.remove_folder("c"));
    assert!(desk.insert("c", face("a", 4)) && !desk.insert("c", face("a", 5)));
    // A store of the bank alone has nothing to sweep.
    desk.write(StoreWrite::Sweep { at: at(1) });
    desk.crash(at(2));
    assert_eq!(desk.face("c", "a").unwrap(), [face("a", 4)]);
    // A folder without faces does not exist.
    assert!(desk.remove_face("c", "a"));
    assert_eq!(desk.names("c", None, 9), None);
    assert_eq!(desk.folders(), [("d".to_owned(), 1)]);
}

pub(crate) fn faces_come_in_pages<P: Place>() {
    let mut desk = Desk::<P>::new(KEEP);
    let names = ["a", "b", "c", "d", "e"];
    for (name, seed) in names.into_iter().zip(0..) {
        desk.insert("c", face(name, seed));
    }
    let mut page = |after: Option<&str>, max| {
        faces(desk.read(StoreRead::Faces { folder: "c".into(), after: after.map(Into::into), max })).unwrap()
    };
    assert_eq!(page(None, 2), [face("a", 0), face("b", 1)]);
    assert_eq!(page(Some("b"), 2), [face("c", 2), face("d", 3)]);
    assert_eq!(page(Some("d"), 2), [face("e", 4)]);
    assert_eq!(page(Some("e"), 2), []);
    assert_eq!(page(None, 0), []);
    let unknown = desk.read(StoreRead::Faces { folder: "d".into(), after: None, max: 1 });
    assert_eq!(faces(unknown), None);
}
