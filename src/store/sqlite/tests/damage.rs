//! Stored pictures that other bytes have replaced: what is read is what was written, or an error.
use std::ops::Range;

use super::*;
use crate::http::format::Format;
use crate::model::picture::Picture;
use crate::model::task::TaskState;
use crate::store::sqlite::sums::PIECE;

/// Three whole pieces and a part of one.
const LENGTH: usize = 3 * PIECE + 5000;

fn end(number: u64, length: usize) -> StoreWrite {
    let picture = Picture {
        file: bytes(number, length).into(),
        format: Format::Pnm,
        width: 4,
        height: 9,
        variant: None,
        reservation: Admission::new(1, 1 << 30, 1).reservation(),
    };
    StoreWrite::End { id: id(number), at: at(2), end: End::Done(picture.into()) }
}

fn file(reader: &mut SqliteReader, number: u64, range: Range<usize>) -> Result<Vec<u8>, StoreError> {
    let reservation = Admission::new(1, 1 << 30, 1).reservation();
    let range = range.start as u64..range.end as u64;
    match reader.read(StoreRead::File { id: id(number), range, reservation }) {
        Ok(StoreReply::File(Some((bytes, _)))) => Ok(bytes.to_vec()),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error),
    }
}

/// Changes the byte at `offset`, from 0, of a column.
fn change(writer: &SqliteWriter, table: &str, column: &str, offset: usize, to: &str) {
    let sql = format!(
        "UPDATE {table} SET {column} = CAST(substr({column}, 1, {offset}) || {to}
            || substr({column}, {offset} + 2) AS {})",
        if column == "imagen_str" { "TEXT" } else { "BLOB" }
    );
    assert_eq!(writer.conn.execute(&sql, ()).unwrap(), 1);
}

/// A byte as SQLite's literal.
fn blob(byte: u8) -> String {
    format!("x'{byte:02x}'")
}

fn damaged(error: &StoreError) -> &str {
    let StoreError::Damaged(words) = error else { panic!("{error:?}") };
    words
}

#[test]
fn a_changed_byte_of_a_result_is_an_error_where_it_is_read() {
    let directory = Directory::default();
    let (mut writer, mut reader) = directory.open();
    let answers = write(&mut writer, vec![submission(1, 10), claim(), end(1, LENGTH)]);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let whole = bytes(1, LENGTH);
    let ranges = [
        0..LENGTH,
        0..0,
        0..1,
        0..PIECE,
        0..PIECE + 1,
        5..PIECE - 5,
        PIECE - 1..PIECE + 1,
        PIECE..2 * PIECE,
        2 * PIECE - 1..3 * PIECE + 1,
        3 * PIECE..LENGTH,
        LENGTH - 1..LENGTH,
        LENGTH..LENGTH,
    ];
    for range in ranges.clone() {
        assert_eq!(file(&mut reader, 1, range.clone()).unwrap(), whole[range]);
    }
    change(&writer, "result", "file", PIECE + 7, &blob(!whole[PIECE + 7]));
    for range in ranges {
        let touches = range.start < 2 * PIECE && range.end > PIECE && !range.is_empty();
        match file(&mut reader, 1, range.clone()) {
            Ok(read) => assert!(!touches && read == whole[range.clone()], "{range:?}"),
            Err(error) => {
                assert!(touches, "{range:?}");
                assert_eq!(damaged(&error), "una imagen guardada está dañada: su suma no coincide");
            }
        }
    }
    // Nor is a result taken for sound whose checksums are gone in part.
    change(&writer, "result", "file", PIECE + 7, &blob(whole[PIECE + 7]));
    assert!(file(&mut reader, 1, 0..LENGTH).is_ok());
    writer.conn.execute("UPDATE task SET sums = substr(sums, 1, 7)", ()).unwrap();
    damaged(&file(&mut reader, 1, 0..LENGTH).unwrap_err());
}

#[test]
fn a_changed_byte_of_an_upload_ends_its_task() {
    let directory = Directory::default();
    let (mut writer, mut reader) = directory.open();
    write(&mut writer, vec![submission(1, LENGTH)]);
    change(&writer, "upload", "file", LENGTH - 1, &blob(!bytes(1, LENGTH)[LENGTH - 1]));
    let answer = write(&mut writer, vec![claim()]).remove(0);
    assert!(
        matches!(answer, Ok(StoreReply::Claimed(Claimed::Unreadable { id: it })) if it == id(1)),
        "{answer:?}"
    );
    assert_eq!(state(&mut reader, 1), Some(TaskState::Failed));
}

#[test]
fn a_changed_byte_of_a_face_is_an_error_of_this_face_alone() {
    for (column, offset, to) in [
        ("imagen_str", 0, "'B'"),
        ("imagen_str", 2999, "'B'"),
        ("pixeles", 0, "x'00'"),
        ("pixeles", 7199, "x'00'"),
    ] {
        let directory = Directory::default();
        let (mut writer, mut reader) = directory.open();
        let face =
            |name: &str| Face { name: name.into(), image: "A".repeat(3000), samples: vec![7; 7200].into() };
        let insert = |name| StoreWrite::Insert { folder: "c".into(), face: Box::new(face(name)) };
        write(&mut writer, vec![insert("a")]);
        change(&writer, "imagen", column, offset, to);
        write(&mut writer, vec![insert("b")]);
        let read = |name: &str| StoreRead::Face { folder: "c".into(), name: name.into() };
        let error = reader.read(read("a")).unwrap_err();
        assert_eq!(damaged(&error), "la imagen «a» del banco está dañada: su suma no coincide");
        let sound = reader.read(read("b"));
        assert!(matches!(sound, Ok(StoreReply::Faces(Some(faces))) if faces == [face("b")]));
        let faces = |after: Option<&str>| StoreRead::Faces {
            folder: "c".into(),
            after: after.map(Into::into),
            max: 9,
        };
        damaged(&reader.read(faces(None)).unwrap_err());
        assert!(reader.read(faces(Some("a"))).is_ok());
    }
}

#[test]
fn what_the_version_before_has_stored_is_read_without_checksums() {
    let directory = Directory::default();
    {
        let mut conn = Connection::open(directory.file()).unwrap();
        schema::bring_through(&mut conn, &schema::MIGRATIONS[..2]).unwrap();
        let add = "INSERT INTO task (id, state, accepted_at, ended_at, received, transform) VALUES (?1, ?2, 0, ?3, 300, ?4)";
        conn.execute(add, (KeptRow(id(1)), 0, None::<i64>, transform().to_string())).unwrap();
        conn.execute("INSERT INTO upload (task, file) VALUES (1, ?1)", [bytes(1, 300)]).unwrap();
        conn.execute(add, (KeptRow(id(2)), 2, Some(9), transform().to_string())).unwrap();
        conn.execute(
            "INSERT INTO result (task, format, width, height, length, file) VALUES (2, 'pgm', 4, 9, ?1, ?2)",
            (LENGTH, bytes(2, LENGTH)),
        )
        .unwrap();
        conn.execute_batch(
            "INSERT INTO carpeta (nombre) VALUES ('c');
             INSERT INTO imagen (carpeta, nombre, imagen_str, pixeles) VALUES (1, 'a', 'QUJD', zeroblob(7200))",
        )
        .unwrap();
    }
    let (mut writer, mut reader) = directory.open();
    let answer = write(&mut writer, vec![claim()]).remove(0);
    let Ok(StoreReply::Claimed(Claimed::Task(claim))) = answer else { panic!("{answer:?}") };
    assert_eq!(claim.picture, bytes(1, 300));
    for range in [0..LENGTH, PIECE - 1..PIECE + 1] {
        assert_eq!(file(&mut reader, 2, range.clone()).unwrap(), bytes(2, LENGTH)[range]);
    }
    let read = reader.read(StoreRead::Face { folder: "c".into(), name: "a".into() });
    assert!(matches!(read, Ok(StoreReply::Faces(Some(faces))) if faces[0].image == "QUJD"));
    // What is stored from now on has checksums.
    write(&mut writer, vec![end(1, LENGTH)]);
    writer.conn.execute("DELETE FROM result WHERE task = 2", ()).unwrap();
    writer.conn.execute("UPDATE task SET state = 4, expired_at = 9 WHERE seq = 2", ()).unwrap();
    change(&writer, "result", "file", 0, &blob(!bytes(1, 1)[0]));
    damaged(&file(&mut reader, 1, 0..1).unwrap_err());
}

#[test]
fn a_value_of_another_kind_is_damage_too() {
    let directory = Directory::default();
    let (mut writer, mut reader) = directory.open();
    write(&mut writer, vec![submission(1, 10), claim(), end(1, 100)]);
    writer.conn.execute("UPDATE result SET format = 'xyz'", ()).unwrap();
    let error = reader.read(StoreRead::Status(id(1))).unwrap_err();
    assert_eq!(damaged(&error), "un dato guardado no es lo que debería");
}
