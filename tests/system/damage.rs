//! Bytes of stored pictures that change on the disk: every kind of them is a 500 and a line of the log, never a wrong
//! picture.
use super::common::fake_scaler::FakeScaler;
use super::common::pictures::{pgm, photo};
use super::common::tasks::{Store, get};
use super::common::wait::until;
use super::common::{Client, post, request};

/// Changes one byte of the only row's column.
fn change(store: &Store, table: &str, column: &str, offset: usize, to: &str) {
    let conn = rusqlite::Connection::open(store.path()).unwrap();
    let kind = if column == "imagen_str" { "TEXT" } else { "BLOB" };
    let sql = format!(
        "UPDATE {table} SET {column} =
            CAST(substr({column}, 1, {offset}) || {to} || substr({column}, {offset} + 2) AS {kind})"
    );
    assert_eq!(conn.execute(&sql, ()).unwrap(), 1, "{sql}");
}

fn assert_damaged(client: &mut Client, target: &str, fields: &[&str]) {
    let refused = client.ask(&get(target, fields)).expect(500);
    assert_eq!(refused.problem()["type"], "urn:tp2:error:error-interno");
}

#[test]
fn damaged_results_faces_and_uploads_are_500_and_logged() {
    let store = Store::new();
    let mut server = store.serve(&[]);
    let mut client = server.client();
    // The result of a task: 100,000 pixels, so two pieces with a checksum each.
    let id = client.hand_in(&pgm(800, 500));
    let result = client.result(&id);
    assert!(result.len() > 100_000);
    let target = format!("/tareas/{id}/imagen");
    change(&store, "result", "file", 70_000, &format!("x'{:02x}'", !result[70_000]));
    assert_damaged(&mut client, &target, &[]);
    assert_damaged(&mut client, &target, &["Range: bytes=70000-70009"]);
    assert_damaged(&mut client, &target, &["Range: bytes=65536-65536"]);
    // The first piece is sound.
    let part = client.ask(&get(&target, &["Range: bytes=0-65535"])).expect(206);
    assert_eq!(part.body, result[..65_536]);
    server.wait_log("una imagen guardada está dañada: su suma no coincide");

    // A face, as a document, as a picture and in a stream.
    let face = request("PUT", "/carpetas/c/a", &[], &photo("rocket.jpg"));
    client.ask(&face).expect(201);
    for (column, offset, to, back) in [("pixeles", 7199, "x'00'", true), ("imagen_str", 400, "'*'", false)] {
        let before = client.ask(&get("/carpetas/c/a", &[])).expect(200);
        let conn = rusqlite::Connection::open(store.path()).unwrap();
        conn.execute_batch("CREATE TABLE IF NOT EXISTS copia AS SELECT imagen_str, pixeles FROM imagen")
            .unwrap();
        change(&store, "imagen", column, offset, to);
        assert_damaged(&mut client, "/carpetas/c/a", &[]);
        assert_damaged(&mut client, "/carpetas/c/a", &["Accept: image/*"]);
        assert_damaged(&mut client, "/carpetas/c?formato=ndjson", &[]);
        server.wait_log("la imagen «a» del banco está dañada: su suma no coincide");
        if back {
            conn.execute_batch("UPDATE imagen SET pixeles = (SELECT pixeles FROM copia)").unwrap();
            assert_eq!(client.ask(&get("/carpetas/c/a", &[])).expect(200).body, before.body);
        }
        conn.execute_batch("DROP TABLE copia").unwrap();
    }
    // The names can be read, and everything else goes on.
    client.ask(&get("/carpetas/c", &[])).expect(200);
    client.ask(&get("/readyz", &[])).expect(200);
    client.ask(&post("/", &pgm(20, 20))).expect(200);
    client.delete(&id).expect(204);
    server.terminate();
    server.wait();

    // What was handed in: changed while it waits, because no scaler answers for the tasks before it.
    let scaler = FakeScaler::start();
    let mut server = store.serve(&["-s", &scaler.destination()]);
    let mut client = server.client();
    let id = client.hand_in(&pgm(40, 40));
    let _asked = scaler.question();
    server.kill();
    change(&store, "upload", "file", 20, "x'07'");
    let server = store.serve(&[]);
    let mut client = server.client();
    let status = client.ended(&id);
    assert_eq!((&status["estado"], &status["codigo"]), (&"Error".into(), &500.into()), "{status}");
    client.ask(&get(&format!("/tareas/{id}/imagen"), &[])).expect(500).problem_of(&id);
    server.wait_log("Tarea fallida: lo que se guardó de ella no se puede leer");
    until("that the server is ready", || (client.ask(&get("/readyz", &[])).status == 200).then_some(()));
}
