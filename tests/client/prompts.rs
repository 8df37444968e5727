//! Prompts for missing arguments, also through a pipe; and usage errors.
use super::common::Server;
use super::fake::{Answer, Fake};
use super::run::{PICTURE, Place, program};

const HOST: &str = "Ingrese la IP del servidor: ";
const PORT: &str = "Ingrese el puerto del servidor: ";
const PATH: &str = "Ingrese la ruta de la imagen a procesar: ";

#[test]
fn three_answers_are_enough() {
    let server = Server::start(&[]);
    let place = Place::new();
    let ended = place.answer(&[], &format!("127.0.0.1\n{}\nfoto.pgm\n", server.port)).expect(0);
    let prompts = format!("{HOST}\n{PORT}\n{PATH}\nConectando al servidor en 127.0.0.1:{}...\n", server.port);
    assert!(ended.lines.starts_with(&prompts), "{}", ended.lines);
    assert_eq!(ended.last_line(), "Imagen escalada recibida y guardada como imagen_procesada.pgm.");
}

#[test]
fn only_what_is_missing_is_asked_for() {
    let fake = Fake::start(|_, _| Answer::new(200, "", PICTURE));
    let place = Place::new();
    let port = fake.port.to_string();
    for (arguments, input, prompts) in [
        (&["-p", &port, "-f", "foto.pgm"][..], "localhost\n", format!("{HOST}\n")),
        (&["-i", "127.0.0.1", "-f", "foto.pgm"], &port, format!("{PORT}\n")),
        (&["-i", "127.0.0.1", "-p", &port], "foto.pgm\n", format!("{PATH}\n")),
    ] {
        let ended = place.answer(arguments, input).expect(0);
        assert!(ended.lines.starts_with(&format!("{prompts}Conectando")), "{}", ended.lines);
    }
}

#[test]
fn a_pipe_that_ends_or_errs_is_bad_usage() {
    let place = Place::new();
    for (input, complaint) in [
        ("", "la entrada terminó sin respuesta a «Ingrese la IP del servidor»"),
        ("::1\n", "la entrada terminó sin respuesta a «Ingrese el puerto del servidor»"),
        ("::1\n1\n", "la entrada terminó sin respuesta a «Ingrese la ruta de la imagen a procesar»"),
        ("::1\nabc\nfoto.pgm\n", "el puerto debe ser un número entero de 1 a 65535: «abc»"),
    ] {
        let ended = place.answer(&[], input).expect(2);
        assert!(
            ended.trouble.starts_with(&format!("tp2-cliente: {complaint}\nusage: ")),
            "{}",
            ended.trouble
        );
    }
}

#[test]
fn a_pipe_that_names_no_picture_is_not_asked_again() {
    let place = Place::new();
    let ended = place.answer(&[], "127.0.0.1\n1\nno.jpg\nfoto.pgm\n").expect(1);
    assert_eq!(ended.lines, format!("{HOST}\n{PORT}\n{PATH}\n"));
    assert_eq!(ended.trouble, "tp2-cliente: no se puede leer no.jpg: no existe\n");
}

#[test]
fn a_directory_given_as_an_answer_is_a_folder() {
    let fake = Fake::start(|_, _| Answer::new(500, "", ""));
    let place = Place::new();
    std::fs::create_dir(place.path("caras")).unwrap();
    let ended = place.answer(&[], &format!("127.0.0.1\n{}\ncaras\n", fake.port)).expect(0);
    assert_eq!(ended.last_line(), "0 insertadas, 0 ya existían, 0 con error");
    let ended = place.answer(&["-e", "2"], &format!("127.0.0.1\n{}\ncaras\n", fake.port)).expect(2);
    assert!(ended.trouble.starts_with("tp2-cliente: --escala no se usa con un directorio: «caras»\n"));
}

#[test]
fn bad_usage_is_two_lines_and_exit_2() {
    let place = Place::new();
    std::fs::create_dir(place.path("caras")).unwrap();
    for (arguments, complaint) in [
        (&["-p", "abc", "-f", "foto.pgm"][..], "--port debe ser un número entero de 1 a 65535: «abc»"),
        (&["--nada"], "no existe la opción --nada"),
        (&["-f", "caras", "-e", "0.5"], "--escala no se usa con un directorio: «caras»"),
        (
            &["-f", "caras", "-o", "caras/"],
            "--salida es la misma carpeta que la de las imágenes, que no se reemplazan: «caras»",
        ),
        (
            &["-f", "caras", "-r"],
            "--recursivo va con --salida SALIDA/; sin ella «caras» va al banco de imágenes",
        ),
        (&["-f", "caras", "--formato", "png"], "--formato no se usa con un directorio: «caras»"),
        (&["-f", "caras", "--tarea"], "--tarea no se usa con un directorio: «caras»"),
        (&["-f", "caras", "--enlace"], "--enlace no se usa con un directorio: «caras»"),
    ] {
        let ended = place.answer(arguments, "").expect(2);
        assert_eq!(ended.lines, "");
        let (first, rest) = ended.trouble.split_once('\n').unwrap();
        assert_eq!(first, format!("tp2-cliente: {complaint}"));
        assert!(rest.starts_with("usage: tp2-cliente [-h]") && rest.lines().count() == 1, "{rest}");
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    for (argument, start) in [("-h", "usage: tp2-cliente [-h]"), ("-V", "tp2-cliente ")] {
        let output = program().arg(argument).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert!(output.stdout.starts_with(start.as_bytes()) && output.stderr.is_empty());
    }
}
