//! scripts/check-layers finds the violations that it should find.
use std::path::Path;
use std::process::{Command, Output};

use super::common::processes::Directory;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn check(tree: &Path) -> Output {
    Command::new("bash").arg(format!("{ROOT}/scripts/check-layers")).arg(tree).output().unwrap()
}

/// A source tree of these files alone.
fn tree(files: &[(&str, &str)]) -> Directory {
    let directory = Directory::new();
    for (path, text) in
        [("src/lib.rs", "pub mod key;\n"), ("scaler/src/lib.rs", "pub mod sys;\n")].iter().chain(files)
    {
        let path = directory.0.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    directory
}

#[test]
fn this_tree_keeps_its_layers() {
    let output = check(Path::new(ROOT));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn violations_are_found_where_they_are() {
    for (path, text, line) in [
        ("src/http/head.rs", "//! Docs.\nuse crate::conn::job::Job;\n", 2),
        ("src/work/pipeline.rs", "fn f() {\n    crate::net::serve();\n}\n", 2),
        ("src/pixels/png.rs", "use crate::workers::Workers;\n", 1),
        ("src/net/pool.rs", "use crate::config::Config;\n", 1),
        ("src/model/key.rs", "use crate::{http, conn};\n", 1),
        ("src/host.rs", "use scaler::raster::Raster;\n", 1),
        ("src/http/head/line.rs", "use super::super::super::net::Slab;\n", 1),
        ("src/http/mod.rs", "use super::conn::Connection;\n", 1),
        ("src/http/body.rs", "use std::net::TcpStream;\n", 1),
        ("src/http/body.rs", "let now = Instant::now();\n", 1),
        ("src/model/job.rs", "\n\nstd::thread::spawn(f);\n", 3),
        ("src/model/job.rs", "println!(\"hola\");\n", 1),
        ("src/workers.rs", "use mio::Waker;\n", 1),
        ("src/work/slab.rs", "use png::Decoder;\n", 1),
        ("src/model/job.rs", "use scaler::sys::kill;\n", 1),
        ("src/work/slab.rs", "use scaler::serve::run;\n", 1),
        ("src/work/slab.rs", "unsafe { f() }\n", 1),
        ("src/inventado.rs", "fn f() {}\n", 1),
        ("scaler/src/wire.rs", "use std::fs::File;\n", 1),
        ("scaler/src/wire/header.rs", "use crate::serve::run;\n", 1),
        ("scaler/src/child.rs", "unsafe fn f() {}\n", 1),
        ("scaler/src/serve.rs", "use libc::fork;\n", 1),
        // The rule continues after the tests of another item.
        ("src/http/buf.rs", "#[cfg(test)]\nuse std::fmt;\nuse std::fs;\n", 3),
    ] {
        let tree = tree(&[(path, text)]);
        let output = check(&tree.0);
        assert_eq!(output.status.code(), Some(1), "{path}: {text}");
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.starts_with(&format!("{path}:{line}: ")), "{text}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn a_circle_inside_a_folder_is_found() {
    let tree = tree(&[
        ("src/http/a.rs", "use super::b::B;\n"),
        ("src/http/b.rs", "use super::{below, c};\n"),
        ("src/http/c/d.rs", "use crate::http::a::A;\n"),
        ("src/http/above.rs", "use super::a::A;\n"),
        ("src/http/below.rs", "pub struct Below;\n"),
        ("src/work/a.rs", "use super::b::B;\n"),
        ("src/work/b.rs", "#[cfg(test)]\nmod tests {\n    use crate::work::a::A;\n}\n"),
    ]);
    let output = check(&tree.0);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with("src/http: files name each other in a circle, among"), "{said}");
    assert!(["a", "b", "c"].iter().all(|unit| said.split_whitespace().any(|word| word == *unit)), "{said}");
    assert!(!said.contains("below") && said.lines().count() == 1, "{said}");
}

#[test]
fn what_is_allowed_passes() {
    let tree = tree(&[
        (
            "src/http/head.rs",
            "use std::time::Instant;\nuse super::buf::RecvBuf;\n// crate::net is above.\nlet x = 1; // println!\n",
        ),
        ("src/http/head/line.rs", "use super::super::buf::RecvBuf;\n"),
        (
            "src/work/pipeline.rs",
            "use crate::http::head;\n\n#[cfg(test)]\nmod tests {\n    use std::thread;\n}\n",
        ),
        ("src/conn/connection_tests.rs", "use std::thread;\n"),
        ("src/pixels/png.rs", "use png::Decoder;\nuse scaler::raster::Raster;\n"),
        (
            "src/net/server.rs",
            "use crate::pixels;\nuse mio::Poll;\nuse scaler::sys;\n#![forbid(unsafe_code)]\n",
        ),
        ("src/main.rs", "use tp2::net::server::Server;\nuse scaler::sys;\n"),
        ("scaler/src/sys/fd.rs", "unsafe { libc::read() }\n"),
        ("scaler/src/sandbox/filter.rs", "const READ: i32 = libc::SYS_read;\n"),
    ]);
    let output = check(&tree.0);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
