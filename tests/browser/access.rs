//! Accessibility of the page: by keyboard alone, with high contrast, for a screen reader.
use serde_json::{Value, json};

use super::browser::{Browser, DESKTOP, TELEPHONE, Window};
use super::common::pictures::{pgm, picture};
use super::common::{Server, request};
use tp2::http::format::Format;

/// Texts whose contrast with their background is below WCAG 2.2's AA (1.4.3: 4.5 to 1, large ones 3 to 1), and edges
/// of controls below its 1.4.11 (3 to 1).
const PALE: &str = r"(() => {
    const parse = (text) => {
        const [r, g, b, alpha = 1] = text.match(/[\d.]+/g).map(Number);
        const scale = text.startsWith('color(') ? 1 : 255;
        return { rgb: [r, g, b].map((part) => part / scale), alpha };
    };
    const over = (top, below) => top.rgb.map((part, at) => part * top.alpha + below[at] * (1 - top.alpha));
    const behind = (element) => {
        if (!element) return [1, 1, 1];
        const own = parse(getComputedStyle(element).backgroundColor);
        return own.alpha === 1 ? own.rgb : over(own, behind(element.parentElement));
    };
    const luminance = (rgb) => {
        const [r, g, b] = rgb.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const contrast = (one, other) => {
        const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
        return (high + 0.05) / (low + 0.05);
    };
    const found = [];
    const check = (what, colour, ground, least) => {
        const ratio = contrast(over(parse(colour), ground), ground);
        if (ratio < least) found.push(`${what}: ${ratio.toFixed(2)}`);
    };
    let looked = 0;
    for (const element of document.body.querySelectorAll('*')) {
        if (!element.checkVisibility({ opacityProperty: true }) || element.closest('.unseen')) continue;
        const style = getComputedStyle(element);
        const name = `${element.tagName}#${element.id}.${element.className} «${element.textContent.slice(0, 30)}»`;
        const texts = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== '');
        const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
        if (texts || element.matches('input, select')) {
            looked += 1;
            check(name, style.color, behind(element), large ? 3 : 4.5);
        }
        if (element.matches('input:not([type=range]), select, button:not(.quiet), .button')) {
            check(`${name} edge`, style.borderTopColor, behind(element.parentElement), 3);
        }
        if (element.placeholder) {
            check(`${name} placeholder`, getComputedStyle(element, '::placeholder').color, behind(element), 4.5);
        }
    }
    return [looked, found];
})()";

/// Of the focused element: its name for a screen reader, and whether the focus is visible, on it or on its
/// substitute.
const FOCUSED: &str = r"(() => {
    const element = document.activeElement;
    if (element === document.body) return null;
    const name = element.getAttribute('aria-label') ?? [...(element.labels ?? [])].find((label) => label.checkVisibility())?.textContent
        ?? element.textContent;
    const shows = (shown) => {
        const { outlineStyle, outlineWidth } = getComputedStyle(shown);
        return outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2;
    };
    const stands = [element, element.nextElementSibling, element.parentElement].filter(Boolean);
    return { name: name.trim(), seen: stands.some((shown) => shows(shown) && shown.checkVisibility({ opacityProperty: true })) };
})()";

/// A page with content in every part: a result, an error, an open folder, figures.
fn full(browser: &mut Browser, server: &Server) {
    let face = pgm(8, 9);
    for name in ["a.pgm", "b.pgm"] {
        server.ask(&request("PUT", &format!("/carpetas/caras/{name}"), &[], &face)).expect(201);
    }
    browser.open(server.port, "/");
    let file = browser.file("a.png", &picture(Format::Png, 400, 300));
    let wrong = browser.file("apuntes.txt", b"no soy una imagen");
    browser.choose("#imagen", &[&file]);
    browser.wait_for("!document.querySelector('#comparador').hidden");
    browser.choose("#imagen", &[&wrong]);
    browser.wait_text("#lista .state", "Error");
    browser.click("#carpetas button");
    browser.wait_text("#contenido-titulo", "caras: 2");
    browser.click("form summary");
    browser.click("#servidor summary");
    browser.wait_text("#etapas tbody", "codificar");
    browser.click("#lista > li:nth-child(2) [aria-expanded]");
}

#[test]
fn everything_can_be_read() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    full(&mut browser, &server);
    for (name, window) in [
        ("todo", DESKTOP),
        ("todo-noche", Window { dark: true, ..DESKTOP }),
        ("todo-telefono", TELEPHONE),
        ("todo-telefono-noche", Window { dark: true, ..TELEPHONE }),
    ] {
        browser.resize(window);
        browser.screenshot(name);
        let result = browser.value(PALE);
        assert!(result[0].as_u64().unwrap() > 30, "{result}");
        assert_eq!(result[1], json!([]), "{name}");
    }
    browser.assert_content(&["status of 415"]);
}

#[test]
fn everything_can_be_reached_by_keyboard_in_the_order_of_the_page() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    full(&mut browser, &server);
    // From the top: a click has moved the focus.
    browser.value("document.body.tabIndex = -1; document.body.focus()");
    let mut names = Vec::new();
    loop {
        browser.press("Tab");
        let focused = browser.value(FOCUSED);
        if focused == Value::Null || names.len() > 60 {
            break;
        }
        assert_eq!(focused["seen"], true, "{focused}");
        names.push(focused["name"].as_str().unwrap().to_owned());
    }
    let expected = [
        "English",
        "Elegir imágenes",
        "Elegir una carpeta",
        "Factor",
        "Factor de escala: deslizador",
        "Factor de escala",
        "Formato",
        "Más opciones",
        "Calidad (1 a 100)",
        "Fondo, si el formato no tiene transparencia",
        "Divisor entre antes y después",
        "Descargar todo (ZIP)",
        "Quitar las terminadas",
        "Otra vez: apuntes.txt",
        "Quitar: apuntes.txt",
        "Descargar: a.png",
        "Más: a.png",
        "Comparar: a.png",
        "Copiar enlace al resultado, mientras el servidor lo guarde: a.png",
        "Crear enlace fijo un JPEG que queda en el servidor: a.png",
        "Otra vez: a.png",
        "Quitar borra el resultado del servidor: a.png",
        "Guardar una carpeta en el banco",
        "Actualizar",
        "caras (2)",
        "Borrar la carpeta",
        "a.pgm",
        "b.pgm",
        "El servidor, ahora",
        "Órdenes para la terminal",
    ];
    assert_eq!(names, expected);
    browser.assert_content(&["status of 415"]);
}

#[test]
fn a_screen_reader_is_told_what_everything_is() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    full(&mut browser, &server);
    let tree = browser.call("Accessibility.getFullAXTree", json!({}));
    let mut controls = 0;
    for node in tree["nodes"].as_array().unwrap().iter().filter(|node| node["ignored"] == false) {
        let role = node["role"]["value"].as_str().unwrap_or_default();
        let needs_name = [
            "button",
            "link",
            "slider",
            "spinbutton",
            "textbox",
            "combobox",
            "progressbar",
            "meter",
            "image",
            "region",
        ];
        if needs_name.contains(&role) {
            controls += 1;
            assert_ne!(node["name"]["value"].as_str().unwrap_or_default().trim(), "", "{node}");
        }
    }
    assert!(controls > 20, "{controls}");
    assert_eq!(browser.text("document.documentElement.lang"), "es");
    let headings = browser.value(
        "[...document.querySelectorAll('h1, h2, h3')].filter((e) => e.checkVisibility()).map((e) => e.tagName).join()",
    );
    assert_eq!(headings, "H1,H2,H2,H3,H2,H3");
    assert_eq!(browser.text("document.querySelector('#alerta').role ?? 'alert'"), "alert");
    browser.assert_content(&["status of 415"]);
}
