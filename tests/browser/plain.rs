//! The page without its script: a form of RFC 1867, whose answer is the picture.
use super::browser::{Browser, TELEPHONE};
use super::common::Server;
use super::common::pictures::photo;

#[test]
fn the_form_needs_no_script() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    browser.forbid_scripts();
    browser.open(server.port, "/");
    browser.screenshot("sin-guiones");
    let shown = |selector| format!("document.querySelector('{selector}').checkVisibility()");
    for (selector, is_shown) in [
        ("#imagen", true),
        ("button[type=submit]", true),
        ("#escala", true),
        ("#deslizador", false),
        ("label.button", false),
        ("#imagenes", false),
        ("#banco", false),
        ("#servidor", false),
    ] {
        assert_eq!(browser.value(&shown(selector)), is_shown, "{selector}");
    }
    let file = browser.file("chelsea.png", &photo("chelsea.png"));
    browser.choose("#imagen", &[&file]);
    browser.value("document.querySelector('#escala').value = '0.1'");
    browser.value("document.querySelector('#formato').value = 'jpeg'");
    browser.click("button[type=submit]");
    browser.wait_for("document.contentType === 'image/jpeg' && document.images[0]?.naturalWidth === 45");
    assert_eq!(browser.document(), (200, "image/jpeg".into()));
    browser.screenshot("sin-guiones-respuesta");
    browser.assert_content(&[]);
}

#[test]
fn what_is_no_picture_is_told_in_words() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    browser.forbid_scripts();
    browser.resize(TELEPHONE);
    browser.open(server.port, "/");
    browser.screenshot("sin-guiones-telefono");
    let within = "[...document.querySelectorAll('.drop *')].every((part) =>
        part.getBoundingClientRect().right < document.querySelector('.drop').getBoundingClientRect().right)";
    assert_eq!(browser.value(within), true, "nothing sticks out");
    let file = browser.file("apuntes.txt", b"hola, no soy una imagen\n");
    browser.choose("#imagen", &[&file]);
    browser.click("button[type=submit]");
    browser.wait_for("document.body?.textContent.includes('no es una imagen')");
    assert_eq!(browser.document().0, 415);
    browser.assert_content(&["status of 415"]);
}
