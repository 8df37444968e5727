//! SQLite's own tests; [`crate::store::contract`] has what every store must do.
use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::time::SystemTime;

use rusqlite::types::FromSql;
use uuid::Uuid;

use super::kept::KeptRow;
use super::*;
use crate::model::admission::Admission;
use crate::model::face::Face;
use crate::model::task::{Problem, Submission, TaskState};
use crate::store::contract::{KEEP, Place, at, bytes, contract_tests, id, transform};
use crate::store::{Acceptance, CRASHES_MAX, Claimed, End, StoreAnswer, StoreWrite, Writer};

/// A directory for one test, which checks the file's integrity before it is removed.
struct Directory(PathBuf);

impl Default for Directory {
    fn default() -> Self {
        let directory = std::env::temp_dir().join(format!("tp2-store-{}", Uuid::new_v4().simple()));
        fs::create_dir(&directory).unwrap();
        Self(directory)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if !std::thread::panicking() && self.file().exists() {
            self.assert_sound();
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Directory {
    fn file(&self) -> PathBuf {
        self.0.join("tp2.sqlite3")
    }

    fn open(&self) -> (SqliteWriter, SqliteReader) {
        open_both(&self.file(), KEEP, at(0)).unwrap()
    }

    /// What another program reads from the file.
    fn look<T: FromSql>(&self, sql: &str) -> T {
        let conn = Connection::open(self.file()).unwrap();
        conn.query_row(sql, (), |row| row.get(0)).unwrap()
    }

    fn assert_sound(&self) {
        assert_eq!(self.look::<String>("PRAGMA integrity_check"), "ok");
        for (lie, sql) in [
            ("rows that belong to nobody", "SELECT count(*) FROM pragma_foreign_key_check"),
            ("a sum", "SELECT result_bytes <> (SELECT total(length) FROM result) FROM ledger"),
            ("uploads", "SELECT count(*) FROM task WHERE (state < 2) <> (seq IN (SELECT task FROM upload))"),
            ("results", "SELECT count(*) FROM task WHERE (state = 2) <> (seq IN (SELECT task FROM result))"),
            (
                "a count",
                "SELECT count(*) FROM carpeta WHERE imagenes <> (SELECT count(*) FROM imagen WHERE carpeta = carpeta.id)",
            ),
        ] {
            assert_eq!(self.look::<i64>(sql), 0, "{lie}");
        }
    }

    fn refusal(&self) -> String {
        super::open(&self.file(), KEEP, at(0)).map(drop).unwrap_err().to_string()
    }
}

impl Place for Directory {
    fn open(&self, retention: Retention, at: SystemTime) -> Backend {
        super::open(&self.file(), retention, at).unwrap()
    }
}

mod damage;

mod contract {
    use super::Directory;

    super::contract_tests!(Directory);
}

fn submission(number: u64, length: usize) -> StoreWrite {
    let reservation = Admission::new(1, 1 << 30, 1).reservation();
    let picture = bytes(number, length);
    StoreWrite::Accept(Box::new(Submission {
        id: id(number),
        picture,
        transform: transform(),
        key: None,
        at: at(0),
        reservation,
    }))
}

fn claim() -> StoreWrite {
    StoreWrite::Claim {
        crashes_max: CRASHES_MAX,
        in_work: 0,
        at: at(1),
        reservation: Admission::new(1, 1 << 30, 1).reservation(),
    }
}

fn write(writer: &mut SqliteWriter, batch: Vec<StoreWrite>) -> Vec<Result<StoreReply, StoreError>> {
    let answers = writer.write((0..).zip(batch).collect());
    answers.into_iter().map(|StoreAnswer { result, .. }| result).collect()
}

fn state(reader: &mut SqliteReader, number: u64) -> Option<TaskState> {
    match reader.read(StoreRead::Status(id(number))) {
        Ok(StoreReply::Status(status)) => status.map(|status| status.state),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_of_the_version_before_opens_and_its_tasks_complete() {
    let directory = Directory::default();
    {
        let mut conn = Connection::open(directory.file()).unwrap();
        schema::bring_through(&mut conn, &schema::MIGRATIONS[..1]).unwrap();
        // Waits, waits after a crash, and was in work during the crash.
        for (number, state, crashes) in [(1_u64, 0, 0), (2, 0, 1), (3, 1, 1)] {
            conn.execute(
                "INSERT INTO task (id, state, crashes, accepted_at, received, factor, format, quality, background)
                 VALUES (?1, ?2, ?3, ?4, 300, 0.5, 'png', 85, 0)",
                (KeptRow(id(number)), state, crashes, KeptRow(at(number))),
            )
            .unwrap();
            conn.execute(
                "INSERT INTO upload (task, file) VALUES (?1, ?2)",
                (conn.last_insert_rowid(), bytes(number, 300)),
            )
            .unwrap();
        }
    }
    let (mut writer, mut reader) = directory.open();
    for (number, tries) in [(3, 2), (2, 1), (1, 0)] {
        let answer = write(&mut writer, vec![claim()]).remove(0);
        let Ok(StoreReply::Claimed(Claimed::Task(claim))) = answer else { panic!("{answer:?}") };
        assert_eq!((claim.id, claim.tries, claim.suspect), (id(number), tries, tries > 0));
        assert_eq!(claim.picture, bytes(number, 300));
        assert_eq!(claim.transform.to_string(), "escala=0.5&formato=png&calidad=85&fondo=000000");
        let problem = Problem { code: 422, slug: "x".into(), detail: "x".into() };
        let end = StoreWrite::End { id: id(number), at: at(9), end: End::Failed(problem) };
        assert!(matches!(write(&mut writer, vec![end])[..], [Ok(StoreReply::Known(true))]));
        assert_eq!(state(&mut reader, number), Some(TaskState::Failed));
    }
    assert_eq!(directory.look::<i64>("SELECT sum(intentos) FROM tareas"), 3);
}

#[test]
fn the_files_are_their_owners_alone() {
    let directory = Directory::default();
    let (mut writer, _reader) = directory.open();
    write(&mut writer, vec![submission(1, 10)]);
    let mut names = Vec::new();
    for entry in fs::read_dir(&directory.0).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort_unstable();
    assert_eq!(names, ["tp2.sqlite3", "tp2.sqlite3-shm", "tp2.sqlite3-wal", "tp2.sqlite3.lock"]);
}

#[test]
fn a_second_server_is_refused() {
    let directory = Directory::default();
    let (mut writer, reader) = directory.open();
    let path = directory.file().display().to_string();
    assert_eq!(
        directory.refusal(),
        format!("el almacén «{path}» ya lo usa otro servidor (tp2): elija otro con -a sqlite:RUTA")
    );
    let link = directory.0.join("otro.sqlite3");
    symlink("tp2.sqlite3", &link).unwrap();
    let refusal = super::open(&link, KEEP, at(0)).map(drop).unwrap_err().to_string();
    assert!(refusal.ends_with("ya lo usa otro servidor (tp2): elija otro con -a sqlite:RUTA"), "{refusal}");
    // This does not hinder the first server, nor does another program that reads.
    assert_eq!(directory.look::<i64>("SELECT count(*) FROM task"), 0);
    assert!(write(&mut writer, vec![submission(1, 10)])[0].is_ok());
    drop(writer);
    drop(reader);
    let (_, mut reader) = directory.open();
    assert_eq!(state(&mut reader, 1), Some(TaskState::Pending));
}

/// Whether the store of this path is refused because it is in use.
fn is_in_use(path: &Path) -> bool {
    match super::open(path, KEEP, at(0)) {
        Ok(_) => false,
        Err(refusal) => {
            refusal.to_string().ends_with("ya lo usa otro servidor (tp2): elija otro con -a sqlite:RUTA")
        }
    }
}

#[test]
fn a_second_server_is_refused_under_whatever_name() {
    let directory = Directory::default();
    // A link to a file that does not exist yet.
    let target = directory.0.join("data/x.sqlite3");
    fs::create_dir(directory.0.join("data")).unwrap();
    symlink("data/x.sqlite3", directory.file()).unwrap();
    let (writer, reader) = directory.open();
    assert!(is_in_use(&directory.file()) && is_in_use(&target));
    // A second name of the same file.
    let other = directory.0.join("other.sqlite3");
    fs::hard_link(&target, &other).unwrap();
    assert!(is_in_use(&other));
    // Without the lock file.
    fs::remove_file(directory.0.join("data/x.sqlite3.lock")).unwrap();
    assert!(is_in_use(&directory.file()) && is_in_use(&target));
    // Either of the two open halves holds the lock.
    drop(writer);
    assert!(is_in_use(&target));
    drop(reader);
    assert!(!is_in_use(&target));
}

#[test]
fn a_server_whose_file_is_removed_keeps_others_from_its_place() {
    let directory = Directory::default();
    let (mut writer, reader) = directory.open();
    write(&mut writer, vec![submission(1, 10)]);
    fs::remove_file(directory.file()).unwrap();
    assert!(is_in_use(&directory.file()), "the log of the first is still there");
    drop((writer, reader));
    fs::remove_file(directory.file()).unwrap();
}

#[test]
fn what_is_no_store_is_refused_and_left_alone() {
    let directory = Directory::default();
    let file = directory.file();
    let is_alone = || fs::read_dir(&directory.0).unwrap().count() == 1;
    let refusal = |reason: &str| format!("no se puede abrir el almacén «{}»: {reason}", file.display());

    fs::write(
        &file,
        b"P5\n2 2\n255\nabcd, and so on for more than the hundred bytes of a header of SQLite's, or so it \
        seems to whoever counts them",
    )
    .unwrap();
    let before = fs::read(&file).unwrap();
    assert_eq!(directory.refusal(), refusal("no es una base de datos de SQLite (SQLite 26)"));
    assert_eq!(fs::read(&file).unwrap(), before);
    assert!(is_alone());
    fs::remove_file(&file).unwrap();

    let foreign = Connection::open(&file).unwrap();
    foreign.execute_batch("CREATE TABLE task (a); INSERT INTO task VALUES (7)").unwrap();
    drop(foreign);
    let before = fs::read(&file).unwrap();
    assert_eq!(directory.refusal(), refusal("es de otro programa"));
    assert_eq!(fs::read(&file).unwrap(), before);
    assert!(is_alone());
    fs::remove_file(&file).unwrap();

    drop(directory.open());
    directory.look::<i64>("PRAGMA user_version").checked_sub(1).unwrap();
    Connection::open(&file).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let newer = "es de una versión más nueva de tp2 (su esquema es el 99; esta versión conoce hasta el 4)";
    assert_eq!(directory.refusal(), refusal(newer));
    fs::remove_file(&file).unwrap();

    fs::create_dir(&file).unwrap();
    assert_eq!(directory.refusal(), refusal("no es un archivo"));
    fs::remove_dir(&file).unwrap();

    let missing = directory.0.join("no/tp2.sqlite3");
    assert_eq!(
        super::open(&missing, KEEP, at(0)).map(drop).unwrap_err().to_string(),
        format!(
            "no se puede abrir el almacén «{}»: su directorio «{}»: no existe",
            missing.display(),
            directory.0.join("no").display()
        )
    );
    for nothing in ["", "/", ".."] {
        let refusal = super::open(Path::new(nothing), KEEP, at(0)).map(drop).unwrap_err().to_string();
        assert_eq!(refusal, format!("no se puede abrir el almacén «{nothing}»: no es un archivo"));
    }
}

#[test]
fn a_file_without_permission_is_refused() {
    let directory = Directory::default();
    fs::write(directory.file(), b"").unwrap();
    fs::set_permissions(directory.file(), Permissions::from_mode(0o400)).unwrap();
    if OpenOptions::new().write(true).open(directory.file()).is_ok() {
        println!("SALTADO: root may write everything");
    } else {
        let path = directory.file().display().to_string();
        assert_eq!(directory.refusal(), format!("no se puede abrir el almacén «{path}»: permiso denegado"));
        // And a directory in which no file can be created.
        fs::set_permissions(directory.file(), Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(&directory.0, Permissions::from_mode(0o500)).unwrap();
        let refusal = directory.refusal();
        assert!(refusal.starts_with(&format!("no se puede abrir el almacén «{path}»: ")), "{refusal}");
        fs::set_permissions(&directory.0, Permissions::from_mode(0o700)).unwrap();
    }
    fs::remove_file(directory.file()).unwrap();
}

#[test]
fn the_connection_is_set_up_as_promised() {
    let directory = Directory::default();
    let (writer, reader) = directory.open();
    let pragma = |conn: &Connection, name: &str| -> String {
        conn.query_row(&format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}"), (), |row| row.get(0))
            .unwrap()
    };
    for (name, value) in [
        ("journal_mode", "wal"),
        ("synchronous", "2"),
        ("foreign_keys", "1"),
        ("auto_vacuum", "2"),
        ("trusted_schema", "0"),
    ] {
        assert_eq!(pragma(&writer.conn, name), value, "{name}");
    }
    assert!(reader.conn.is_readonly("main").unwrap());
}

/// Room for so many more pages.
fn leave_room(writer: &SqliteWriter, pages: i64) {
    let used: i64 = writer.conn.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    let set = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
    writer.conn.pragma_update_and_check(None, "max_page_count", used + pages, set).unwrap();
}

#[test]
fn what_does_not_fit_is_refused_alone() {
    let directory = Directory::default();
    let (mut writer, mut reader) = directory.open();
    leave_room(&writer, 20);
    let batch =
        vec![submission(1, 10), submission(2, 200_000), submission(3, 10), claim(), StoreWrite::Probe];
    let answers = write(&mut writer, batch);
    assert!(
        matches!(
            &answers[..],
            [
                Ok(StoreReply::Accepted(Acceptance::New)),
                Err(StoreError::Full(_)),
                Ok(StoreReply::Accepted(Acceptance::New)),
                Ok(StoreReply::Claimed(Claimed::Task(_))),
                Ok(StoreReply::Nothing)
            ]
        ),
        "{answers:?}"
    );
    let states = [1, 2, 3].map(|number| state(&mut reader, number));
    assert_eq!(states, [Some(TaskState::Running), None, Some(TaskState::Pending)]);
    leave_room(&writer, 1000);
    assert!(write(&mut writer, vec![submission(2, 200_000)])[0].is_ok());
}

#[test]
fn a_claim_that_is_undone_and_made_again_is_charged_once() {
    let directory = Directory::default();
    let (mut writer, _reader) = directory.open();
    write(&mut writer, vec![submission(1, 1000)]);
    leave_room(&writer, 20);
    let admission = Admission::new(1, 1000, 1);
    let claim = StoreWrite::Claim {
        crashes_max: CRASHES_MAX,
        in_work: 0,
        at: at(1),
        reservation: admission.reservation(),
    };
    // The second undoes both; each is then made by itself.
    let answers = write(&mut writer, vec![claim, submission(2, 200_000)]);
    assert!(
        matches!(&answers[..], [Ok(StoreReply::Claimed(Claimed::Task(_))), Err(StoreError::Full(_))]),
        "{answers:?}"
    );
    assert_eq!(admission.bytes(), 1000);
    drop(answers);
    assert_eq!(admission.bytes(), 0);
}

#[test]
fn while_somebody_else_writes_everything_is_refused() {
    let directory = Directory::default();
    let (mut writer, mut reader) = directory.open();
    writer.conn.busy_timeout(Duration::ZERO).unwrap();
    let other = Connection::open(directory.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for answer in write(&mut writer, vec![submission(1, 10), StoreWrite::Probe]) {
        let Err(StoreError::Broken(reason)) = answer else { panic!("{answer:?}") };
        assert_eq!(reason, "otro programa la tiene ocupada (SQLite 5)");
    }
    assert_eq!(state(&mut reader, 1), None);
    other.execute_batch("ROLLBACK").unwrap();
    assert!(write(&mut writer, vec![submission(1, 10)])[0].is_ok());
}

#[test]
fn room_that_was_freed_goes_back_to_the_disk() {
    let directory = Directory::default();
    let retention = Retention { age: Duration::ZERO, ..KEEP };
    let (mut writer, reader) = open_both(&directory.file(), retention, at(0)).unwrap();
    let length = || fs::metadata(directory.file()).unwrap().len();
    for number in 1..=3 {
        assert!(write(&mut writer, vec![submission(number, 8 << 20)])[0].is_ok());
    }
    let before = length();
    for number in 1..=3 {
        assert!(matches!(
            write(&mut writer, vec![StoreWrite::Delete { id: id(number) }])[0],
            Ok(StoreReply::Known(true))
        ));
    }
    let mut sweeps = 0;
    while matches!(
        write(&mut writer, vec![StoreWrite::Sweep { at: at(9) }])[..],
        [Ok(StoreReply::Swept { more: true, .. })]
    ) {
        sweeps += 1;
    }
    // The last close merges the log into the file.
    drop((reader, writer));
    assert!(before > 24 << 20 && length() < 8 << 20, "{before} and then {} bytes", length());
    assert!(sweeps > 3, "{sweeps}");
}

#[test]
fn a_damaged_file_is_an_error_and_no_panic() {
    let directory = Directory::default();
    let face = |number: u64| Face {
        name: number.to_string(),
        image: "A".repeat(3000),
        samples: bytes(number, 7200).into(),
    };
    {
        let (mut writer, _reader) = directory.open();
        let insert = |number| StoreWrite::Insert { folder: "c".into(), face: Box::new(face(number)) };
        let batch = (1..9).flat_map(|number| [submission(number, 9000), insert(number)]).collect();
        assert!(write(&mut writer, batch).iter().all(Result::is_ok));
        writer.close();
    }
    let sound = fs::read(directory.file()).unwrap();
    let (mut refused, mut troubled) = (0, 0);
    for round in 0..150_usize {
        let mut damaged = sound.clone();
        for n in 0..20_usize {
            // Spread over the pages, at different offsets in each.
            let place = (round * 7919 + n * 104_729) % damaged.len();
            damaged[place] ^= u8::try_from(round).unwrap() | 1;
        }
        for name in ["tp2.sqlite3-wal", "tp2.sqlite3-shm"] {
            let _ = fs::remove_file(directory.0.join(name));
        }
        fs::write(directory.file(), &damaged).unwrap();
        let Ok((mut writer, mut reader)) = open_both(&directory.file(), KEEP, at(0)) else {
            refused += 1;
            continue;
        };
        let batch = vec![
            claim(),
            claim(),
            submission(20, 9000),
            StoreWrite::Delete { id: id(3) },
            StoreWrite::Sweep { at: at(9) },
        ];
        troubled += write(&mut writer, batch).iter().filter(|answer| answer.is_err()).count();
        for number in 1..9 {
            troubled += usize::from(reader.read(StoreRead::Status(id(number))).is_err());
        }
        troubled +=
            usize::from(reader.read(StoreRead::Faces { folder: "c".into(), after: None, max: 99 }).is_err());
    }
    assert!(refused > 0 && troubled > 0, "{refused} refused, {troubled} in trouble: the damage does nothing");
    fs::remove_file(directory.file()).unwrap();
}

#[test]
fn a_task_that_cannot_be_read_ends_and_the_next_has_its_turn() {
    let directory = Directory::default();
    let (mut writer, mut reader) = directory.open();
    let length = 50_000;
    write(&mut writer, (1..=5).map(|number| submission(number, length)).collect());
    let conn = &writer.conn;
    // An invalid format, a wrong length, no picture.
    conn.execute(
        "UPDATE task SET transform = replace(transform, 'formato=', 'formato=x') WHERE id = ?1",
        [KeptRow(id(1))],
    )
    .unwrap();
    conn.execute("UPDATE task SET received = received + 1 WHERE id = ?1", [KeptRow(id(2))]).unwrap();
    conn.execute("DELETE FROM upload WHERE task = (SELECT seq FROM task WHERE id = ?1)", [KeptRow(id(3))])
        .unwrap();
    // And a broken page chain: each page but the last begins with the number of the next.
    let picture = bytes(4, length);
    drop((writer, reader));
    let mut file = fs::read(directory.file()).unwrap();
    let page = file
        .chunks_exact(4096)
        .position(|page| picture.windows(64).any(|part| page[4..].starts_with(part)))
        .unwrap();
    file[page * 4096..][..4].copy_from_slice(&[0x7f; 4]);
    fs::write(directory.file(), file).unwrap();

    (writer, reader) = directory.open();
    let admission = Admission::new(1, 1 << 30, 1);
    for number in 1..=4 {
        let claim = StoreWrite::Claim {
            crashes_max: CRASHES_MAX,
            in_work: 0,
            at: at(8),
            reservation: admission.reservation(),
        };
        let answer = write(&mut writer, vec![claim]).remove(0);
        let Ok(StoreReply::Claimed(Claimed::Unreadable { id: unreadable })) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!((unreadable, admission.bytes()), (id(number), 0));
        let Ok(StoreReply::Status(Some(status))) = reader.read(StoreRead::Status(id(number))) else {
            panic!()
        };
        assert_eq!((status.state, status.ended_at), (TaskState::Failed, Some(at(8))));
        let problem = status.problem.unwrap();
        assert_eq!((problem.code, &*problem.slug), (500, "error-interno"));
    }
    let answer = write(&mut writer, vec![claim()]).remove(0);
    let Ok(StoreReply::Claimed(Claimed::Task(claim))) = answer else { panic!("{answer:?}") };
    assert_eq!((claim.id, claim.picture), (id(5), bytes(5, length)));
    // The damage was intended: no check.
    drop((writer, reader));
    fs::remove_file(directory.file()).unwrap();
}

#[test]
fn people_can_read_it() {
    let directory = Directory::default();
    let (mut writer, _reader) = directory.open();
    write(&mut writer, vec![submission(1, 10), claim()]);
    let face = Face { name: "é.jpg".into(), image: "QUJD".into(), samples: bytes(1, 7200).into() };
    write(&mut writer, vec![StoreWrite::Insert { folder: "c".into(), face: Box::new(face) }]);
    assert_eq!(directory.look::<String>("SELECT id_tarea FROM tareas"), id(1).to_string());
    assert_eq!(directory.look::<String>("SELECT estado FROM tareas"), "En progreso");
    assert!(directory.look::<String>("SELECT aceptada FROM tareas").starts_with("2023-11-1"));
    assert_eq!(directory.look::<String>("SELECT carpeta || nombre || imagen_str FROM banco"), "cé.jpgQUJD");
}

#[test]
fn a_face_of_another_size_is_refused_alone() {
    let directory = Directory::default();
    let (mut writer, mut reader) = directory.open();
    let insert = |folder: &str, length| {
        let face = Face { name: "a".into(), image: String::new(), samples: bytes(1, length).into() };
        StoreWrite::Insert { folder: folder.into(), face: Box::new(face) }
    };
    let answers = write(&mut writer, vec![insert("c", 7199), insert("d", 7200), insert("d", 0)]);
    assert!(
        matches!(
            &answers[..],
            [Err(StoreError::Broken(_)), Ok(StoreReply::Inserted(true)), Err(StoreError::Broken(_))]
        ),
        "{answers:?}"
    );
    // Nor is a folder left of which it would have been the first.
    let folders = reader.read(StoreRead::Folders { from: None, max: 9 });
    assert!(matches!(folders, Ok(StoreReply::Folders(page)) if page.folders == [("d".to_owned(), 1)]));
}

#[test]
fn a_folder_that_is_removed_leaves_the_file_a_piece_in_each_sweep() {
    let directory = Directory::default();
    let (mut writer, mut reader) = directory.open();
    let insert = |number: usize| {
        let face = Face { name: format!("{number}"), image: String::new(), samples: bytes(1, 7200).into() };
        StoreWrite::Insert { folder: "c".into(), face: Box::new(face) }
    };
    write(&mut writer, (0..600).map(insert).collect());
    let answers = write(&mut writer, vec![StoreWrite::RemoveFolder { folder: "c".into() }, insert(7)]);
    assert!(
        matches!(
            &answers[..],
            [Ok(StoreReply::Removed { known: true, more: false }), Ok(StoreReply::Inserted(true))]
        ),
        "{answers:?}"
    );
    let folders = reader.read(StoreRead::Folders { from: None, max: 9 });
    assert!(matches!(folders, Ok(StoreReply::Folders(page)) if page.folders == [("c".to_owned(), 1)]));
    let mut left = vec![directory.look::<i64>("SELECT count(*) FROM imagen")];
    let mut more = true;
    while more {
        let swept = write(&mut writer, vec![StoreWrite::Sweep { at: SystemTime::now() }]);
        let [Ok(StoreReply::Swept { more: goes_on, .. })] = swept[..] else { panic!("{swept:?}") };
        more = goes_on;
        left.push(directory.look("SELECT count(*) FROM imagen"));
    }
    assert_eq!(left[..4], [601, 345, 89, 1]);
    assert_eq!(directory.look::<i64>("SELECT count(*) FROM carpeta"), 1);
}
