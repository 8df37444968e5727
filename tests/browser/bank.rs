//! The bank on the page: folders with malicious names, paging through faces, and sending a local folder.
use super::browser::{Browser, TELEPHONE};
use super::common::pictures::{pgm, photo};
use super::common::tasks::get;
use super::common::{Client, Server, request};

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn insert(client: &mut Client, folder: &str, name: &str, picture: &[u8]) {
    let target = format!("/carpetas/{}/{}", encoded(folder), encoded(name));
    client.ask(&request("PUT", &target, &[], picture)).expect(201);
}

fn enter(browser: &mut Browser, number: usize) {
    browser.wait_for(&format!("document.querySelectorAll('#carpetas button').length >= {number}"));
    browser.click(&format!("#carpetas li:nth-child({number}) button"));
}

const SHOWN: &str = "(() => {
    const faces = [...document.querySelectorAll('#caras img')];
    faces.at(-1)?.scrollIntoView();
    return faces.length > 0 && faces.every((face) => face.complete && face.naturalWidth === 80);
})()";

#[test]
fn names_are_words_whatever_they_say() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    let folders = [
        "\"><img src=x onerror=alert(1)>",
        "100% ñandú #1?x=1&y=\\",
        "<script>document.title='x'<b>",
        "al revés \u{202e}gpj.exe",
        &"larguísimo".repeat(10),
        "javascript:alert(1)",
    ];
    let names = [
        "<svg onload=alert(1)>.jpg",
        "%2e%2e%2fetc.jpg",
        "a b\n\tc.png",
        "🙂\u{202e}gnp.jpg",
        &"n".repeat(255),
        "x' onerror='alert(1)",
    ];
    let (mut client, face) = (server.client(), pgm(20, 20));
    for folder in folders {
        for name in names {
            insert(&mut client, folder, name, &face);
        }
    }
    browser.open(server.port, "/");
    browser.wait_for(&format!("document.querySelectorAll('#carpetas button').length === {}", folders.len()));
    let title = browser.text("document.title");
    for number in 1..=folders.len() {
        enter(&mut browser, number);
        let chip = browser
            .text(&format!("document.querySelector('#carpetas li:nth-child({number}) bdi').textContent"));
        assert!(folders.contains(&&*chip), "{chip}");
        browser.wait_for(&format!(
            "document.querySelector('#contenido-titulo bdi')?.textContent === {}",
            serde_json::Value::from(&*chip)
        ));
        browser.wait_for(SHOWN);
        let found =
            browser.value("[...document.querySelectorAll('#caras bdi')].map((e) => e.textContent).sort()");
        let mut expected: Vec<_> = names.iter().map(|&name| serde_json::Value::from(name)).collect();
        expected.sort_by_key(|name| name.as_str().unwrap().encode_utf16().collect::<Vec<_>>());
        assert_eq!(found, serde_json::Value::from(expected));
    }
    assert_eq!(
        browser.value("document.querySelectorAll('#banco :is(svg, script, b, [onerror], [onload])').length"),
        0
    );
    assert_eq!(browser.text("document.title"), title);
    browser.resize(TELEPHONE);
    assert_eq!(browser.value("document.documentElement.scrollWidth > innerWidth"), false);
    browser.value("document.querySelector('#banco').scrollIntoView()");
    browser.screenshot("banco-telefono");
    browser.assert_content(&[]);
}

#[test]
fn a_long_folder_comes_page_by_page() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    let (mut client, face) = (server.client(), pgm(8, 9));
    for number in 0..65 {
        insert(&mut client, "larga", &format!("{number:02}.pgm"), &face);
    }
    browser.open(server.port, "/");
    enter(&mut browser, 1);
    browser.wait_text("#contenido-titulo", "larga: 65 imágenes");
    let count = "document.querySelectorAll('#caras li').length";
    assert_eq!(browser.value(count), 60);
    browser.click("#mas");
    browser.wait_for(&format!("{count} === 65"));
    assert_eq!(browser.value("document.querySelector('#mas').hidden"), true);
    let last = browser.text("document.querySelector('#caras li:last-child').textContent");
    assert_eq!(last, "64.pgm");
    browser.assert_content(&[]);
}

#[test]
fn a_folder_is_sent_once() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    let mut folder = None;
    for name in ["astronaut.png", "chelsea.png", "coffee.png", "hubble_deep_field.jpg", "rocket.jpg"] {
        let file = browser.file(&format!("caras ñ/{name}"), &photo(name));
        folder = file.parent().map(ToOwned::to_owned);
    }
    browser.file("caras ñ/apuntes.txt", b"no soy una imagen");
    browser.file("caras ñ/.oculto", b"nada");
    browser.file("caras ñ/dentro/chelsea.png", &photo("chelsea.png"));
    let folder = folder.unwrap();
    browser.open(server.port, "/");
    for (counts, picture) in [
        ("Listo: 5 insertadas, 0 ya existían, 1 con error. 1 en subcarpetas no se envían.", "banco-envio"),
        (
            "Listo: 0 insertadas, 5 ya existían, 1 con error. 1 en subcarpetas no se envían.",
            "banco-envio-otra-vez",
        ),
    ] {
        browser.value("document.querySelector('#envio-texto').textContent = ''");
        browser.choose("#carpeta", &[&folder]);
        browser.wait_text("#envio-texto", counts);
        browser.wait_text("#envio-fallas", "apuntes.txt: ");
        assert_eq!(browser.value("document.querySelector('#envio-avance').value"), 1);
        browser.wait_text("#contenido-titulo", "caras ñ: 5 imágenes");
        browser.wait_for(SHOWN);
        browser.value("document.querySelector('#envio-fallas').open = true");
        browser.screenshot(picture);
    }
    let listed = server.ask(&get(&format!("/carpetas/{}", encoded("caras ñ")), &[])).expect(200).json();
    assert_eq!(listed["imagenes"], 5);
    browser.assert_content(&["status of 415"]);
}

#[test]
fn faces_open_large_and_go_after_a_question() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    let (mut client, face) = (server.client(), pgm(8, 9));
    for (folder, name) in [("clase", "a.pgm"), ("clase", "b <i>.pgm"), ("clase", "c.pgm"), ("otra", "d.pgm")]
    {
        insert(&mut client, folder, name, &face);
    }
    browser.open(server.port, "/");
    enter(&mut browser, 1);
    browser.wait_text("#contenido-titulo", "clase: 3 imágenes");
    browser.click("#caras li:nth-child(2) button");
    browser.wait_text("#cara-nombre", "b <i>.pgm");
    let size = "document.querySelector('#cara img').getBoundingClientRect().width";
    assert_eq!(browser.value(size), 320, "four times as large");
    browser.press("ArrowRight");
    browser.wait_text("#cara-nombre", "c.pgm");
    assert_eq!(browser.value("document.querySelector('#cara-despues').disabled"), true);
    browser.click("#cara-antes");
    browser.wait_text("#cara-nombre", "b <i>.pgm");
    browser.screenshot("cara");

    // Answering no does nothing.
    let is_there = |server: &Server| server.ask(&get("/carpetas/clase/b%20%3Ci%3E.pgm", &[])).status == 200;
    browser.click("#cara-borrar");
    browser.wait_text("#pregunta", "¿Borrar «b <i>.pgm» del banco? No se puede deshacer.");
    browser.click("#pregunta [value=no]");
    browser.wait_for("!document.querySelector('#pregunta').open");
    assert!(is_there(&server));
    browser.click("#cara-borrar");
    browser.click("#pregunta [value=si]");
    browser.wait_text("#contenido-titulo", "clase: 2 imágenes");
    assert!(!is_there(&server));
    browser.wait_text("#cara-nombre", "c.pgm");
    browser.click("#cara-cerrar");
    browser.wait_for("!document.querySelector('#cara').open");

    browser.click("#borrar-carpeta");
    browser.wait_text("#pregunta", "¿Borrar la carpeta «clase» con sus 2 imágenes? No se puede deshacer.");
    browser.screenshot("pregunta");
    browser.click("#pregunta [value=si]");
    browser.wait_for("document.querySelector('#contenido').hidden");
    browser.wait_for("document.querySelectorAll('#carpetas button').length === 1");
    let left = server.ask(&get("/carpetas", &[])).expect(200).json();
    assert_eq!(left["carpetas"], serde_json::json!([{ "nombre": "otra", "imagenes": 1 }]));
    // Deleting a face that is gone already succeeds.
    enter(&mut browser, 1);
    browser.wait_text("#contenido-titulo", "otra: 1 imagen");
    browser.click("#borrar-carpeta");
    browser.wait_text("#pregunta", "¿Borrar la carpeta «otra» con su imagen? No se puede deshacer.");
    browser.click("#pregunta [value=no]");
    browser.click("#idioma");
    browser.wait_for("document.querySelector('#contenido-titulo').textContent === 'otra: 1 picture'");
    server.ask(&request("DELETE", "/carpetas/otra/d.pgm", &[], b"")).expect(204);
    browser.click("#caras button");
    browser.click("#cara-borrar");
    browser.click("#pregunta [value=si]");
    browser.wait_for("document.querySelectorAll('#caras button').length === 0");
    browser.assert_content(&["status of 404"]);
}

#[test]
fn folders_come_page_by_page() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    let (mut client, face) = (server.client(), pgm(8, 9));
    for number in 0..103 {
        insert(&mut client, &format!("c{number:03}"), "a.pgm", &face);
    }
    browser.open(server.port, "/");
    let count = "document.querySelectorAll('#carpetas button').length";
    browser.wait_for(&format!("{count} === 100"));
    browser.click("#mas-carpetas");
    browser.wait_for(&format!("{count} === 103"));
    assert_eq!(browser.value("document.querySelector('#mas-carpetas').hidden"), true);
    browser.assert_content(&[]);
}
