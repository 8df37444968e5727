//! The interface description (docs/openapi.json, OpenAPI 3.1) is correct: it has every route, and every example is
//! answered as described. See openapi.py.
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::common::pictures::pgm;
use super::common::processes::Directory;
use super::common::{Server, request, tools};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn described() -> Value {
    let text = std::fs::read_to_string(Path::new(ROOT).join("docs/openapi.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_route_is_described() {
    let source = std::fs::read_to_string(Path::new(ROOT).join("src/http/route.rs")).unwrap();
    let (_, names) = source.split_once("pub const fn name(").unwrap();
    let (names, _) = names.split_once("\n}\n").unwrap();
    let routes: BTreeSet<_> = names.split('"').skip(1).step_by(2).filter(|name| *name != "options").collect();
    assert!(routes.len() > 15, "{routes:?}");
    let document = described();
    let items = document["paths"].as_object().unwrap().values();
    let operations = items.flat_map(|item| item.as_object().unwrap().values());
    let told: BTreeSet<_> = operations.filter_map(|operation| operation.get("x-ruta")?.as_str()).collect();
    assert_eq!(told, routes);
}

#[test]
fn its_version_is_the_programs() {
    assert_eq!(described()["info"]["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn every_example_is_answered_as_described() {
    let Some(python) = tools::find("python3") else { return };
    let module = Command::new(&python).args(["-c", "import jsonschema"]).output().unwrap();
    if !module.status.success() {
        tools::skip("no está jsonschema, de Python");
        return;
    }
    let pictures = Directory::new();
    std::fs::write(pictures.0.join("foto.pgm"), pgm(8, 8)).unwrap();
    let server = Server::start(&["-d", pictures.0.to_str().unwrap()]);
    let served = server.ask(&request("GET", "/openapi.json", &[], b"")).expect(200);
    let file = pictures.0.join("served.json");
    std::fs::write(&file, served.body).unwrap();
    let script = Path::new(ROOT).join("tests/openapi.py");
    let key = pictures.0.join("clave");
    std::fs::write(&key, "una-clave-de-prueba-larga\n").unwrap();
    let keyed = Server::start(&["--clave-archivo", key.to_str().unwrap()]);
    let mut command = Command::new(python);
    command.arg(script).arg(server.port.to_string()).arg(file).arg(keyed.port.to_string());
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.ends_with(", 0 faltas\n"), "{told}");
}
