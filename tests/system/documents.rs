//! The documents are correct: links resolve, named files exist, all metrics are described.
use std::path::Path;

use super::common::pictures::pgm;
use super::common::{Server, request};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// All documents, as paths from the root.
fn documents() -> Vec<String> {
    let inside =
        std::fs::read_dir(Path::new(ROOT).join("docs")).unwrap().map(|entry| entry.unwrap().file_name());
    let inside = inside.map(|name| format!("docs/{}", name.to_str().unwrap()));
    let above =
        ["README.md", "LEEME.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "protocol.md"].map(str::to_owned);
    above.into_iter().chain(inside.filter(|name| name.ends_with(".md"))).collect()
}

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Targets of the links in a line of Markdown.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

/// The anchors of a document's titles, as the website makes them.
fn anchors(text: &str) -> Vec<String> {
    let titles = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |title: &str| {
        let kept = title.trim_start_matches('#').trim().to_lowercase();
        kept.chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
            .collect::<String>()
            .replace(' ', "-")
    };
    titles.map(anchor).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut seen = 0;
    for document in documents() {
        let text = read(&document);
        for target in text.lines().flat_map(links).filter(|target| !target.starts_with("http")) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let folder = Path::new(&document).parent().unwrap();
            let place = if file.is_empty() { document.clone().into() } else { folder.join(file) };
            assert!(Path::new(ROOT).join(&place).exists(), "{document}: {target}");
            assert!(
                anchor.is_empty() || anchors(&read(place.to_str().unwrap())).iter().any(|a| a == anchor),
                "{document}: {target}"
            );
            seen += 1;
        }
    }
    assert!(seen > 60, "{seen}");
}

/// Whether a source file has a function, a table or a type of this name.
fn has(file: &str, name: &str) -> bool {
    let starts = ["fn {}(", "fn {}<", "static {}: ", "const {}: ", "struct {} {", "enum {} {", "enum {}<"];
    starts.iter().any(|start| file.contains(&start.replace("{}", name)))
}

#[test]
fn what_is_to_be_seen_is_in_the_file_that_is_to_be_opened() {
    let mut seen = 0;
    for document in ["ARCHITECTURE.md", "LEEME.md"] {
        for row in read(document).lines().filter(|line| line.starts_with("| ") && line.contains(".rs](")) {
            let place = row.rsplit_once(" | ").map_or(row, |(_, place)| place);
            let files: Vec<_> = links(place).map(read).collect();
            // Between its back quotes.
            for name in place.split('`').skip(1).step_by(2) {
                assert!(files.iter().any(|file| has(file, name)), "{document}: {name} in {row}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 12, "{seen}");
}

#[test]
fn a_faces_document_is_shown_as_it_is() {
    let server = Server::start(&[]);
    server.ask(&request("PUT", "/carpetas/c/1A58003.jpg", &[], &pgm(8, 9))).expect(201);
    let document = server.ask(&request("GET", "/carpetas/c/1A58003.jpg", &[], b"")).expect(200);
    let text = String::from_utf8(document.body).unwrap();
    let (name, rest) = text.split_once("/9j/").unwrap();
    let (picture, vector) = rest.split_once('"').unwrap();
    let (between, numbers) = vector.split_once('[').unwrap();
    assert!(picture.len() > 100 && numbers.matches(',').count() == 7199);
    let shown = format!("`{name}<JPEG in base64>\"{between}[7200 numbers]}}`");
    assert!(read("docs/requests.md").contains(&shown), "{shown}");
}

#[test]
fn every_figure_is_told() {
    let told = read("docs/operation.md");
    let server = Server::start(&[]);
    // One request, so that there are figures of requests.
    server.ask(&request("GET", "/nada", &[], b"")).expect(404);
    let page = server.ask(&request("GET", "/metrics", &[], b"")).expect(200);
    let text = String::from_utf8(page.body).unwrap();
    let families: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    assert!(families.len() > 25);
    for family in families {
        let name = family.split(' ').next().unwrap();
        assert!(told.contains(&format!("`{name}`")), "{name}");
    }
}
