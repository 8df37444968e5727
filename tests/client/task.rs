//! `--tarea`: submitted, awaited, fetched.
use super::common::pictures::{pgm, photo, size_of};
use super::common::{Server, request};
use super::fake::{Answer, Asked, Fake};
use super::run::{PICTURE, Place};
use serde_json::json;
use tp2::http::format::Format;

const ID: &str = "34d6916e-49b8-40f5-9940-a2c1a2e0082c";

/// A server whose tasks pass through these states, one per request.
fn tasks(states: &'static [&'static str]) -> Fake {
    let asked = std::sync::atomic::AtomicUsize::new(0);
    Fake::start(move |request: &Asked, before| match request.line().as_str() {
        // The first 202 is lost.
        "POST /tareas?escala=2" if before == 0 => Answer::Cut(Vec::new()),
        "POST /tareas?escala=2" => Answer::json(202, &json!({"id_tarea": ID, "estado": "Pendiente"})),
        line if line == format!("GET /estado/{ID}?espera=30") => {
            let number = asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let state = states[number.min(states.len() - 1)];
            Answer::json(200, &json!({"id_tarea": ID, "estado": state, "detalle": "está rota"}))
        }
        line if line == format!("GET /tareas/{ID}/imagen") => Answer::new(200, "", PICTURE),
        line => panic!("{line}"),
    })
}

#[test]
fn a_task_is_handed_in_once_waited_for_and_fetched() {
    let server = tasks(&["Pendiente", "En progreso", "Completada"]);
    let place = Place::new();
    let ended = place.run(server.port, &["-f", "foto.pgm", "-e", "2", "--tarea"]).expect(0);
    let expected = format!(
        "Tarea: {ID}\nEstado: http://127.0.0.1:{}/estado/{ID}\nEstado de la tarea: Pendiente.\n\
         Estado de la tarea: En progreso.\nImagen escalada recibida y guardada como imagen_procesada.pgm.\n",
        server.port
    );
    assert!(ended.lines.ends_with(&expected), "{}", ended.lines);
    assert_eq!(std::fs::read(place.path("imagen_procesada.pgm")).unwrap(), PICTURE);
    let asked = server.asked();
    let keys: Vec<_> =
        asked.iter().take(2).map(|request| request.field("idempotency-key").unwrap()).collect();
    assert_eq!(keys[0], keys[1]);
    assert!(uuid::Uuid::parse_str(keys[0]).is_ok());
    // One connection for everything after the one that broke.
    assert!(asked[1..].iter().all(|request| request.connection == 1), "{asked:?}");
}

#[test]
fn the_real_server_does_it() {
    let server = Server::start(&[]);
    let place = Place::new();
    std::fs::write(place.path("grande.pgm"), pgm(40, 20)).unwrap();
    let whole = photo("rocket.jpg");
    std::fs::write(place.path("rota.jpg"), &whole[..whole.len() / 2]).unwrap();
    let ended =
        place.run(server.port, &["-f", "grande.pgm", "-e", "2", "--tarea", "-o", "doble.pgm"]).expect(0);
    assert_eq!(ended.last_line(), "Imagen escalada recibida y guardada como doble.pgm.");
    assert_eq!(size_of(&std::fs::read(place.path("doble.pgm")).unwrap()), (Format::Pnm, 80, 40));
    let id = ended.lines.lines().find_map(|line| line.strip_prefix("Tarea: ")).unwrap();
    let status = server.ask(&request("GET", &format!("/estado/{id}"), &[], b"")).expect(200);
    let status: serde_json::Value = serde_json::from_slice(&status.body).unwrap();
    assert_eq!(status["estado"], "Completada");

    let ended = place.run(server.port, &["-f", "rota.jpg", "--tarea"]).expect(1);
    let last = ended.trouble.lines().last().unwrap();
    assert!(last.starts_with("tp2-cliente: la tarea terminó con error: "), "{last}");
}

/// In a directory the result has the picture's name, however the picture is named, as without `--tarea`.
#[test]
fn in_a_directory_results_keep_the_names_of_their_pictures() {
    let server = Server::start(&[]);
    let place = Place::new();
    std::fs::create_dir_all(place.path("fotos")).unwrap();
    std::fs::create_dir_all(place.path("hay.webp")).unwrap();
    for name in ["fotos/dos.pgm", "sin_final"] {
        std::fs::copy(place.path("foto.pgm"), place.path(name)).unwrap();
    }
    let whole = place.text("fotos/dos.pgm");
    for (arguments, result) in [
        (&["foto.pgm", "--tarea", "-o", "s/"][..], "s/foto.pgm"),
        (&["-f", "fotos/../fotos/dos.pgm", "--tarea", "-o", "s/"], "s/dos.pgm"),
        (&["--tarea", "-o", "s", "--image", "sin_final"], "s/sin_final"),
        (&["--tarea", "-o", "t/", "--", &whole], "t/dos.pgm"),
        (&["foto.pgm", "--tarea", "--formato", "png", "-o", "t/"], "t/foto.png"),
        (&["sin_final", "--tarea", "--formato", "png", "-o", "t/"], "t/sin_final.png"),
        // What a directory is called says nothing of the format.
        (&["-f", "foto.pgm", "--tarea", "-o", "hay.webp"], "hay.webp/foto.pgm"),
        (&["foto.pgm", "--tarea", "-o", "x.png"], "x.png"),
        (&["foto.pgm", "--tarea"], "imagen_procesada.pgm"),
    ] {
        let planned = place.run(server.port, &[&["--simular"], arguments].concat()).expect(0);
        assert!(planned.last_line().ends_with(&format!(" se guardaría como {result}")), "{}", planned.lines);
        assert!(!place.path(result).exists(), "{result}");
        let ended = place.run(server.port, arguments).expect(0);
        assert_eq!(ended.last_line(), format!("Imagen escalada recibida y guardada como {result}."));
        let format = if result.ends_with(".png") { Format::Png } else { Format::Pnm };
        assert_eq!(size_of(&std::fs::read(place.path(result)).unwrap()).0, format, "{result}");
    }
    let answers = format!("127.0.0.1:{}\n'fotos/dos.pgm'\n", server.port);
    let ended = place.answer(&["--tarea", "-o", "preguntada/"], &answers).expect(0);
    assert_eq!(ended.last_line(), "Imagen escalada recibida y guardada como preguntada/dos.pgm.");
    let ended = place.run(server.port, &["foto.pgm", "--tarea", "-o", "./"]).expect(1);
    assert!(ended.trouble.contains("es la imagen de entrada, que no se reemplaza"), "{}", ended.trouble);
    assert_eq!(std::fs::read(place.path("foto.pgm")).unwrap(), PICTURE);
}

#[test]
fn a_task_that_fails_is_told() {
    for (state, why) in [("Error", "está rota"), ("Vencida", "venció, y su resultado ya no se guarda")] {
        let server = tasks(if state == "Error" { &["Error"] } else { &["Vencida"] });
        let place = Place::new();
        let ended = place.run(server.port, &["-f", "foto.pgm", "-e", "2", "--tarea"]).expect(1);
        assert!(ended.trouble.ends_with(&format!("tp2-cliente: la tarea terminó con error: {why}\n")));
        assert_eq!(place.directory.names(), ["foto.pgm"]);
    }
}

#[test]
fn an_answer_without_a_sound_id_is_no_task() {
    for answer in [json!({}), json!({"id_tarea": "../x"}), json!([])] {
        let fake = Fake::start(move |_, _| Answer::json(202, &answer));
        let ended = Place::new().run(fake.port, &["-f", "foto.pgm", "--tarea"]).expect(1);
        assert_eq!(ended.trouble, "tp2-cliente: la respuesta del servidor no trae el id de la tarea\n");
    }
}
