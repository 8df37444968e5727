//! The page's files as they are served; needs no browser.
use std::fs;

use super::common::processes::Directory;
use super::common::tasks::get;
use super::common::{Server, request};
use tp2::page::{ASSETS, PAGE};

#[test]
fn every_file_comes_whole_once_and_then_only_when_it_has_changed() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for asset in std::iter::once(&PAGE).chain(&ASSETS) {
        let fresh = client.ask(&get(asset.path, &[])).expect(200);
        assert_eq!(fresh.body, asset.text.as_bytes(), "{}", asset.path);
        assert_eq!(fresh.field("content-type"), Some(asset.media_type));
        assert_eq!(fresh.field("cache-control"), Some("no-cache"));
        let tag = fresh.field("etag").unwrap();
        let same = client.ask(&get(asset.path, &[&format!("If-None-Match: {tag}")])).expect(304);
        assert_eq!((same.field("etag"), same.body.len()), (Some(tag), 0));
        let other = client.ask(&get(asset.path, &["If-None-Match: \"x\""])).expect(200);
        assert_eq!(other.field("etag"), Some(tag));
        client.send(&request("HEAD", asset.path, &[], b""));
        let head = client.response_to_head().expect(200);
        assert_eq!(head.field("content-length"), Some(&*asset.text.len().to_string()));
        assert_eq!(client.ask(&request("DELETE", asset.path, &[], b"")).status, 405);
    }
}

#[test]
fn the_policy_allows_nothing_inline_and_nothing_from_elsewhere() {
    let server = Server::start(&[]);
    for path in ["/", "/app.js", "/favicon.svg"] {
        let answer = server.ask(&get(path, &[])).expect(200);
        let policy = answer.field("content-security-policy").expect("a policy");
        assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"), "{policy}");
        let directives: Vec<&str> = policy.split("; ").collect();
        for directive in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(directives.contains(&directive), "{directive} in {policy}");
        }
        assert_eq!(answer.field("x-content-type-options"), Some("nosniff"));
    }
}

#[test]
fn whoever_asks_for_the_page_gets_it() {
    let server = Server::start(&[]);
    for accept in [&["Accept: */*"][..], &[], &["Accept: image/png"], &["Accept: application/json"]] {
        assert_eq!(server.ask(&get("/", accept)).expect(200).body, PAGE.text.as_bytes());
    }
}

#[test]
fn files_of_the_same_name_stand_behind() {
    let directory = Directory::new();
    fs::create_dir(directory.0.join("app")).unwrap();
    for name in ["app.js", "estilo.css", "favicon.svg", "app/net.js"] {
        fs::write(directory.0.join(name), "otra cosa").unwrap();
    }
    let server = Server::start(&["-d", directory.0.to_str().unwrap()]);
    for asset in &ASSETS {
        assert_eq!(server.ask(&get(asset.path, &[])).expect(200).body, asset.text.as_bytes());
    }
    assert_eq!(server.ask(&get("/app/otro.js", &[])).status, 404);
}
