//! Every state of the page: checked by axe-core, at four widths, in light, dark and system colours.
//!
//! `.ci/run` fetches axe-core from npm into `target/axe`; without it the tests that need it are skipped, with a
//! message.
use std::path::Path;

use serde_json::{Value, json};

use super::browser::{Browser, DESKTOP, TELEPHONE, Window};
use super::common::pictures::{pgm, photo};
use super::common::tools::skip;
use super::common::{Server, request};

/// axe-core's text; None, with a message, where it is missing.
fn axe() -> Option<String> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("axe/node_modules/axe-core/axe.min.js");
    let found = std::fs::read_to_string(&path).ok();
    // .ci/run prints it if the download failed.
    if found.is_none() && std::env::var_os("TP2_SIN_AXE").is_none() {
        skip(&format!("no está {} (.ci/run la trae)", path.display()));
    }
    found
}

/// axe-core's findings: rules, and where.
const FOUND: &str = "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) =>
    violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target.join(' ')}`)))";

/// Elements that overflow the window.
const WIDE: &str = "document.documentElement.scrollWidth <= innerWidth ? [] :
    [...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
        .map((one) => `${one.tagName}#${one.id}.${one.className}`)";

/// Too small for touch: controls of less than 44 px either way.
const SMALL: &str = "[...document.querySelectorAll('button, .button, summary, select, .modes label, input:not([type=radio], .unseen, #imagen)')]
    .filter((one) => one.checkVisibility())
    .map((one) => [one, one.getBoundingClientRect()])
    .filter(([one, { width, height }]) => Math.min(width, height) < 44)
    .map(([one, { width, height }]) => `${one.tagName}#${one.id} ${one.textContent.slice(0, 20)} ${width}x${height}`)";

const WIDTHS: [Window; 4] = [
    Window { width: 320, height: 640, ..TELEPHONE },
    TELEPHONE,
    Window { width: 768, height: 1024, ..DESKTOP },
    DESKTOP,
];

/// Checks a state in every mode.
fn look(browser: &mut Browser, name: &str, with_axe: bool) {
    for window in WIDTHS {
        browser.resize(window);
        browser.screenshot(&format!("estado-{name}-{}", window.width));
        assert_eq!(browser.value(WIDE), json!([]), "{name} at {}", window.width);
        if window.telephone {
            assert_eq!(browser.value(SMALL), json!([]), "{name} at {}", window.width);
        }
    }
    for (look, window) in [
        ("dia", DESKTOP),
        ("noche", Window { dark: true, ..TELEPHONE }),
        ("forzado", Window { forced: true, ..DESKTOP }),
    ] {
        browser.resize(window);
        browser.screenshot(&format!("estado-{name}-{look}"));
        if with_axe {
            assert_eq!(browser.value(FOUND), json!([]), "{name}, {look}");
        }
    }
    browser.resize(DESKTOP);
}

#[test]
fn every_state_can_be_seen_and_used_by_everybody() {
    let Some(mut browser) = Browser::start() else { return };
    let axe = axe();
    let mut server = Server::start(&[]);
    let face = pgm(8, 9);
    for name in ["1A58001.pgm", "1A58002.pgm", "un nombre muy largo que no cabe en ninguna parte.pgm"] {
        let target = format!("/carpetas/caras%20de%20mucha%20gente/{}", name.replace(' ', "%20"));
        server.ask(&request("PUT", &target, &[], &face)).expect(201);
    }
    browser.open(server.port, "/");
    browser.wait_for("document.querySelector('#carpetas button') !== null");
    if let Some(axe) = &axe {
        browser.value(&format!("{axe}; 0"));
    }
    let look = |browser: &mut Browser, name: &str| look(browser, name, axe.is_some());
    look(&mut browser, "inicio");

    let good = browser.file("IMG_20240102_123456_una_foto_de_las_vacaciones.png", &photo("chelsea.png"));
    let bad = browser.file("apuntes.txt", b"no soy una imagen");
    browser.choose("#imagen", &[&bad, &good]);
    browser.wait_text("#resumen", "1 de 2 listas, 1 con error");
    browser.click("#lista > li:nth-child(2) .thumb");
    browser.wait_for("!document.querySelector('#comparador').hidden");
    // The extension of a long name is visible, on its line.
    browser.resize(TELEPHONE);
    let line = browser.value(
        "(() => { const name = document.querySelector('#lista > li:nth-child(2) .line');
            const end = name.lastChild.getBoundingClientRect(); const row = name.closest('li').getBoundingClientRect();
            return [name.textContent, name.lastChild.textContent, end.right <= row.right && end.height < 30]; })()",
    );
    assert_eq!(line, json!(["IMG_20240102_123456_una_foto_de_las_vacaciones.png", "iones.png", true]));
    browser.resize(DESKTOP);
    browser.act(2, "Copiar enlace");
    browser.wait_for("document.querySelector('#lista .link input') !== null");
    browser.click("#carpetas button");
    browser.wait_text("#contenido-titulo", "caras de mucha gente: 3 imágenes");
    browser.click("form summary");
    browser.click("[name=modo][value=lados]");
    browser.click("#servidor summary");
    browser.wait_text("#etapas tbody", "codificar");
    look(&mut browser, "todo");

    browser.act(1, "Quitar");
    browser.wait_for("!document.querySelector('#deshacer').hidden");
    // It stays while it is focused.
    browser.value("document.querySelector('#deshacer-ya').focus()");
    look(&mut browser, "deshacer");
    browser.click("#deshacer-cerrar");

    browser.click("#caras button");
    browser.wait_for("document.querySelector('#cara').open");
    look(&mut browser, "cara");
    browser.click("#cara-borrar");
    browser.wait_for("document.querySelector('#pregunta').open");
    look(&mut browser, "pregunta");
    browser.click("#pregunta [value=no]");
    browser.click("#cara-cerrar");

    server.kill();
    browser.choose("#imagen", &[&good]);
    browser.wait_for("!document.querySelector('#aviso').hidden");
    look(&mut browser, "sin-servidor");
    let gone = ["status of 415", "ERR_CONNECTION_", "ERR_EMPTY_RESPONSE", "ERR_SOCKET_NOT_CONNECTED"];
    browser.assert_content(&gone);
    assert_ne!(browser.value("document.title"), Value::Null);
}
