//! Links: stored in `scaled_images`, served from there, on the main port or on one of their own.
use std::collections::HashSet;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use serde_json::json;
use tp2::http::format::Format;

use super::common::pictures::{pgm, photo, size_of};
use super::common::processes::Directory;
use super::common::server::tp2;
use super::common::wait::until;
use super::common::{Client, Part, Response, Server, form, post, request, tools};

const FOLDER: &str = "scaled_images";
const LINE: &str = "Imagen escalada disponible en: ";

/// A server with `-l`, and the port that the kernel chose for it.
fn with_links_port(arguments: &[&str]) -> (Server, u16) {
    let server = Server::start(&[arguments, &["-l", "0"]].concat());
    let line = until("the second port's line", || {
        let line = server.line();
        line.starts_with("Servidor de archivos escalados escuchando en http://").then_some(line)
    });
    let port = line.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("a port");
    (server, port)
}

/// A server that works in this directory.
fn start_in(home: &Path) -> Server {
    let mut command = tp2();
    command.args(["-i", "127.0.0.1", "-p", "0"]).current_dir(home);
    Server::launch(command)
}

/// An upload with this Host field.
fn upload(host: &str, target: &str, picture: &[u8]) -> Vec<u8> {
    let head = format!("POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n", picture.len());
    [head.as_bytes(), picture].concat()
}

fn get(target: &str, fields: &[&str]) -> Vec<u8> {
    request("GET", target, fields, b"")
}

/// The link in an answer, which has it three times.
fn link_of(server: &Server, response: Response) -> String {
    let response = response.expect(201);
    let url = response.field("location").expect("Location").to_owned();
    assert_eq!(response.field("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(String::from_utf8(response.body.clone()).unwrap(), format!("{LINE}{url}\n"));
    server.wait_log(&format!("{} - Enlace de imagen escalada enviado al cliente: {url}\n", response.id()));
    url
}

/// The name of the file at the end of a link, checked.
fn name_of(url: &str) -> &str {
    let name = url.rsplit_once('/').unwrap().1;
    let digits = name.strip_prefix("scaled_image_").and_then(|rest| rest.strip_suffix(".jpg")).expect(name);
    let (second, number) = digits.split_once('_').unwrap_or((digits, "1"));
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!(now - second.parse::<u64>().expect(name) < 120, "{name}");
    assert!(number.parse::<u64>().expect(name) > 0 && !number.starts_with('0'), "{name}");
    name
}

fn stored(home: &Path, name: &str) -> Vec<u8> {
    fs::read(home.join(FOLDER).join(name)).unwrap()
}

#[test]
fn a_link_leads_to_the_picture_on_the_main_port() {
    let server = Server::start(&[]);
    assert!(!server.home.0.join(FOLDER).exists(), "the folder is made when it is needed");
    let picture = photo("chelsea.png");
    let expected = server.ask(&post("/?formato=jpeg&escala=0.25&calidad=70", &picture)).expect(200).body;

    let host = format!("127.0.0.1:{}", server.port);
    let asked = upload(&host, "/enlaces?escala=0.25&calidad=70&formato=png", &picture);
    let url = link_of(&server, server.ask(&asked));
    let path = url.strip_prefix(&format!("http://{host}")).expect("the host that the client used");
    assert_eq!(path, format!("/{FOLDER}/{}", name_of(&url)));
    let response = server.ask(&get(path, &[])).expect(200);
    assert!(response.body == expected, "what POST / answers, byte by byte");
    assert_eq!(response.field("content-type"), Some("image/jpeg"));
    assert_eq!(response.field("x-content-type-options"), Some("nosniff"));
    let policy = "default-src 'none'; style-src 'unsafe-inline'; sandbox";
    assert_eq!(response.field("content-security-policy"), Some(policy));
    assert!(stored(&server.home.0, name_of(&url)) == expected);

    // A form: the answer is for its sender only (no-store), whatever `Accept` says.
    let parts =
        [Part::Field("escala", "0.25"), Part::Field("calidad", "70"), Part::File("imagen", "x", &picture)];
    let response = server.ask(&form("/enlaces", &parts)).expect(201);
    assert_eq!(response.field("cache-control"), Some("no-store"));
    assert_eq!((response.field("x-ancho"), response.field("x-alto")), (Some("112"), Some("75")));
    let url = link_of(&server, response);
    assert!(url.starts_with("http://localhost/scaled_images/"), "the client named no port: {url}");
    assert!(stored(&server.home.0, name_of(&url)) == expected);
    assert_eq!(fs::read_dir(server.home.0.join(FOLDER)).unwrap().count(), 2, "nothing is left aside");
}

#[test]
fn a_client_without_a_name_for_us_gets_our_address() {
    let server = Server::start(&[]);
    let own = format!("http://127.0.0.1:{}/{FOLDER}/", server.port);
    for host in ["", "a,b", "[fe80::1%25eth0]"] {
        let url = link_of(&server, server.ask(&upload(host, "/enlaces", &pgm(4, 4))));
        assert!(url.starts_with(&own), "{host:?}: {url}");
    }
    let url =
        link_of(&server, server.ask(b"POST /enlaces HTTP/1.0\r\nContent-Length: 12\r\n\r\nP5 1 1 255\nx"));
    assert!(url.starts_with(&own), "{url}");
    let asked = upload("other", "http://user:pass@foto.example:81/enlaces", &pgm(4, 4));
    let url = link_of(&server, server.ask(&asked));
    assert!(url.starts_with("http://foto.example:81/scaled_images/"), "{url}");
}

#[test]
fn a_port_of_their_own_serves_links_and_nothing_else() {
    let (server, port) = with_links_port(&[]);
    let asked = upload("foto.localhost:99", "/enlaces", &photo("rocket.jpg"));
    let url = link_of(&server, server.ask(&asked));
    let path = url.strip_prefix(&format!("http://foto.localhost:{port}")).expect("the port of -l");
    assert_eq!(path, format!("/{}", name_of(&url)));
    let mut links = Client::connect_to_links(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let served = links.ask(&get(path, &[])).expect(200).body;
    assert!(served == stored(&server.home.0, name_of(&url)));
    assert_eq!(size_of(&served).0, Format::Jpeg);

    for (method, target, status) in [
        ("GET", "/", 404),
        ("HEAD", "/nada.jpg", 404),
        ("GET", "/healthz", 404),
        ("OPTIONS", path, 204),
        ("DELETE", path, 405),
        ("PATCH", path, 405),
    ] {
        links.send(&request(method, target, &[], b""));
        let response = if method == "HEAD" { links.response_to_head() } else { links.response() };
        let allow = (status != 404).then_some("GET, HEAD, OPTIONS");
        assert_eq!((response.status, response.field("allow")), (status, allow), "{method} {target}");
    }
    for target in ["/", "/enlaces", path] {
        links.ask(&post(target, &pgm(2, 2))).expect(405);
        links.ask(&request("PUT", target, &[], &pgm(2, 2))).expect(405);
    }
    assert!(links.ask(&get(path, &[])).expect(200).body == served, "it is for reading");
    // That port takes no pictures.
    let mut netcat = Client::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    netcat.send(&pgm(3, 3)).half_close();
    netcat.response().expect(400);
    // And the main port does not serve them.
    server.ask(&get(&format!("/{FOLDER}{path}"), &[])).expect(404);
}

#[test]
fn without_http_the_answer_is_the_links_line_where_links_have_a_port() {
    let (server, port) = with_links_port(&[]);
    let picture = photo("chelsea.png");
    let mut client = server.client();
    client.send(&picture).half_close();
    let line = String::from_utf8(client.rest()).unwrap();
    let url = line.strip_prefix(LINE).and_then(|rest| rest.strip_suffix('\n')).expect(&line);
    let path = url.strip_prefix(&format!("http://127.0.0.1:{port}")).expect(url);
    let mut links = Client::connect_to_links(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let expected = server.ask(&post("/?formato=jpeg", &picture)).expect(200).body;
    assert!(links.ask(&get(path, &[])).expect(200).body == expected, "a JPEG, whatever was sent");
    server.wait_log(&format!("Enlace de imagen escalada enviado al cliente: {url}\n"));
    // Without such a port the answer is the picture.
    let server = Server::start(&[]);
    let mut client = server.client();
    client.send(&picture).half_close();
    assert_eq!(size_of(&client.rest()).0, Format::Png);
    assert!(!server.home.0.join(FOLDER).exists());
}

#[test]
fn addresses_of_ipv6_stand_in_brackets_and_those_of_ipv4_do_not() {
    if !tools::has_ipv6() {
        return;
    }
    let (server, port) = with_links_port(&["-i", "::"]);
    for (at, shown) in [(server.at(Ipv6Addr::LOCALHOST), "[::1]"), (server.address(), "127.0.0.1")] {
        let base = format!("http://{shown}:{port}/");
        let mut netcat = Client::connect(at);
        netcat.send(&pgm(4, 4)).half_close();
        let line = String::from_utf8(netcat.rest()).unwrap();
        assert!(line.starts_with(&format!("{LINE}{base}")), "{line}");
        let mut client = Client::connect(at);
        for host in [format!("{shown}:{}", server.port), shown.to_owned(), String::new()] {
            let url = link_of(&server, client.ask(&upload(&host, "/enlaces", &pgm(4, 4))));
            assert!(url.starts_with(&base), "{url}");
            let mut links = Client::connect_to_links(SocketAddr::new(at.ip(), port));
            links.ask(&get(&format!("/{}", name_of(&url)), &[])).expect(200);
        }
    }
}

#[test]
fn parts_tags_and_conditions() {
    let server = Server::start(&[]);
    let url = link_of(&server, server.ask(&upload("x", "/enlaces", &photo("rocket.jpg"))));
    let path = url.strip_prefix("http://x").unwrap();
    let mut client = server.client();
    let whole = client.ask(&get(path, &[])).expect(200);
    let (file, length) = (&whole.body, whole.body.len());
    let (etag, modified) = (whole.field("etag").unwrap(), whole.field("last-modified").unwrap());
    assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() > 2, "strong: {etag}");
    assert_eq!(whole.field("accept-ranges"), Some("bytes"));
    assert!(whole.field("cache-control").is_some_and(|value| value.contains("max-age=")));

    client.send(&request("HEAD", path, &["Range: bytes=0-1"], b""));
    let head = client.response_to_head().expect(200);
    for name in ["etag", "last-modified", "content-type", "content-length", "accept-ranges", "cache-control"]
    {
        assert_eq!(head.field(name), whole.field(name), "{name}");
    }

    let last = length - 1;
    for (range, part) in [
        ("bytes=0-0", 0..1),
        ("bytes=10-99", 10..100),
        ("bytes=1000-", 1000..length),
        ("bytes=-7", length - 7..length),
        ("bytes=0-99999999999", 0..length),
    ] {
        let response = client.ask(&get(path, &[&format!("Range: {range}")])).expect(206);
        assert_eq!(
            response.field("content-range").unwrap(),
            format!("bytes {}-{}/{length}", part.start, part.end - 1)
        );
        assert!(response.body == file[part], "{range}");
        assert_eq!(
            (response.field("etag"), response.field("content-type")),
            (Some(etag), Some("image/jpeg"))
        );
    }
    for range in ["bytes=0-1,4-5", "bytes=5-4", "lines=0-1", "bytes=x"] {
        let response = client.ask(&get(path, &[&format!("Range: {range}")])).expect(200);
        assert!(response.body == *file, "{range}");
    }
    let behind = client.ask(&get(path, &[&format!("Range: bytes={length}-")])).expect(416);
    assert_eq!(behind.field("content-range").unwrap(), format!("bytes */{length}"));
    assert!(behind.problem()["detail"].as_str().unwrap().contains(&length.to_string()));

    let range = format!("Range: bytes=5-{last}");
    for (field, status) in [
        (format!("If-Range: {etag}"), 206),
        (format!("If-Range: {modified}"), 206),
        ("If-Range: \"x\"".to_owned(), 200),
        (format!("If-Range: W/{etag}"), 200),
        ("If-Range: Thu, 01 Jan 1970 00:00:00 GMT".to_owned(), 200),
        (format!("If-None-Match: {etag}"), 304),
        (format!("If-Modified-Since: {modified}"), 304),
        (format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {modified}"), 206),
        (format!("If-Match: {etag}"), 206),
        ("If-Match: \"x\"".to_owned(), 412),
        ("If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT".to_owned(), 412),
    ] {
        let response = client.ask(&get(path, &[&range, &field])).expect(status);
        match status {
            200 => assert!(response.body == *file, "{field}"),
            206 => assert!(response.body == file[5..], "{field}"),
            304 => assert_eq!((response.field("etag"), response.body.len()), (Some(etag), 0), "{field}"),
            _ => assert_eq!(response.problem()["status"], 412),
        }
    }
}

#[test]
fn nothing_but_files_of_the_folder_is_served() {
    let (server, port) = with_links_port(&[]);
    let home = &server.home.0;
    fs::write(home.join("secreto.jpg"), "secreto").unwrap();
    let mut client = Client::connect_to_links(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    client.ask(&get("/a.jpg", &[])).expect(404);
    link_of(&server, server.ask(&upload("x", "/enlaces", &pgm(4, 4))));
    fs::create_dir_all(home.join(FOLDER).join("dentro")).unwrap();
    for hidden in [".oculto.jpg", "dentro/b.jpg"] {
        fs::write(home.join(FOLDER).join(hidden), "x").unwrap();
    }
    std::os::unix::fs::symlink("../secreto.jpg", home.join(FOLDER).join("enlace.jpg")).unwrap();
    for target in [
        "/../secreto.jpg",
        "/%2e%2e/secreto.jpg",
        "/..%2fsecreto.jpg",
        "/..%5csecreto.jpg",
        "/dentro/../../secreto.jpg",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
        "/enlace.jpg",
        "/.oculto.jpg",
        "/%2eoculto.jpg",
        "/dentro",
        "/dentro/",
        "/dentro/b.jpg",
        "/.",
        "/..",
        "/a%00.jpg",
    ] {
        let response = client.ask(&get(target, &[])).expect(404);
        assert!(!String::from_utf8_lossy(&response.body).contains("secreto"), "{target}");
    }
}

#[test]
fn two_thousand_links_in_a_few_seconds_are_two_thousand_files() {
    const CLIENTS: usize = 8;
    const EACH: usize = 250;
    let server = Server::start(&[]);
    let links = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (mut client, side) = (server.client(), u32::try_from(number).unwrap() + 2);
                scope.spawn(move || {
                    let asked = upload("x", "/enlaces?escala=1", &pgm(side, 1));
                    let answers: Vec<(u32, String)> = (0..EACH)
                        .map(|_| {
                            let response = client.ask(&asked).expect(201);
                            (side, response.field("location").unwrap().to_owned())
                        })
                        .collect();
                    answers
                })
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect::<Vec<_>>()
    });
    let names: HashSet<&str> = links.iter().map(|(_, url)| name_of(url)).collect();
    assert_eq!(names.len(), CLIENTS * EACH);
    assert_eq!(fs::read_dir(server.home.0.join(FOLDER)).unwrap().count(), CLIENTS * EACH);
    for (side, url) in &links {
        assert_eq!(size_of(&stored(&server.home.0, name_of(url))), (Format::Jpeg, *side, 1));
    }
}

#[test]
fn two_servers_share_a_folder() {
    let home = Directory::new();
    let servers = [start_in(&home.0), start_in(&home.0)];
    let links: Vec<String> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..6)
            .map(|number| {
                let mut client = servers[number % 2].client();
                scope.spawn(move || {
                    let asked = upload("x", "/enlaces", &pgm(6, 6));
                    let ask = |_| client.ask(&asked).expect(201).field("location").unwrap().to_owned();
                    (0..50).map(ask).collect::<Vec<String>>()
                })
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    let names: HashSet<&str> = links.iter().map(|url| name_of(url)).collect();
    assert_eq!(names.len(), 300);
    // One server serves what the other has stored.
    for server in &servers {
        for url in links.iter().step_by(29) {
            server.ask(&get(url.strip_prefix("http://x").unwrap(), &[])).expect(200);
        }
    }
}

#[test]
fn a_folder_that_can_not_be_used_is_an_error_of_the_request() {
    let (server, _) = with_links_port(&[]);
    let folder: PathBuf = server.home.0.join(FOLDER);
    fs::write(&folder, "no es una carpeta").unwrap();
    let mut client = server.client();
    let response = client.ask(&upload("x", "/enlaces", &pgm(4, 4))).expect(500);
    let problem = response.problem();
    assert_eq!(problem["type"], "urn:tp2:error:carpeta-inutilizable");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains(FOLDER) && detail.contains("no es un directorio"), "{detail}");
    let line = format!("{} - POST /enlaces 500 ", response.id());
    server.wait_log(&line);
    let log = server.log();
    let line = log.lines().find(|text| text.contains(&line)).unwrap();
    assert!(line.contains(" - ERROR - fd=") && line.contains("no es un directorio"), "{line}");
    let mut netcat = server.client();
    netcat.send(&pgm(4, 4)).half_close();
    let line = String::from_utf8(netcat.rest()).unwrap();
    assert!(line.starts_with("ERROR 500 ") && line.ends_with('\n') && line.lines().count() == 1, "{line}");
    // Everything else still works, and so do links once the folder is repaired.
    client.ask(&post("/", &pgm(4, 4))).expect(200);
    fs::remove_file(&folder).unwrap();
    link_of(&server, client.ask(&upload("x", "/enlaces", &pgm(4, 4))));
    // Removed while in use: it is created again.
    fs::remove_dir_all(&folder).unwrap();
    link_of(&server, client.ask(&upload("x", "/enlaces", &pgm(4, 4))));
}

#[test]
fn a_server_that_is_killed_leaves_whole_files_and_every_link_it_gave() {
    let home = Directory::new();
    let folder = home.0.join(FOLDER);
    // Small, so that the sockets take many of them at once.
    let picture = pgm(50, 50);
    let mut links: Vec<String> = Vec::new();
    let mut expected = Vec::new();
    for round in 1..=4 {
        let mut server = start_in(&home.0);
        expected = server.ask(&post("/?formato=jpeg", &picture)).expect(200).body;
        let asked = upload("x", "/enlaces", &picture);
        let mut clients: Vec<Client> = (0..4).map(|_| server.client()).collect();
        for client in &mut clients {
            // Several in sequence, so that one is in progress at the end, whenever it comes.
            client.send(&asked.repeat(20));
        }
        for client in &mut clients[..round] {
            links.push(client.response().expect(201).field("location").unwrap().to_owned());
        }
        server.kill();
    }
    // As a server that is killed while it writes leaves it.
    fs::write(folder.join(".tp2-0123456789"), "half").unwrap();
    let names: HashSet<&str> = links.iter().map(|url| name_of(url)).collect();
    assert_eq!((links.len(), names.len()), (10, 10));
    let server = start_in(&home.0);
    link_of(&server, server.ask(&upload("x", "/enlaces", &picture)));
    let mut found = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name.starts_with("scaled_image_"), "{name} was left aside");
        assert!(stored(&home.0, &name) == expected, "{name} is not whole");
        found += 1;
    }
    assert!(found > 10, "{found}");
    for name in names {
        assert!(folder.join(name).exists(), "{name} was answered");
    }
}

#[test]
fn connections_to_both_ports_are_counted_together_and_both_close() {
    let (mut server, port) = with_links_port(&["--conexiones", "2"]);
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut held = [Client::connect(at), server.client()];
    // In the middle of their requests, so that neither is closed to make room.
    let question = get("/a.jpg", &[]);
    let (begun, end) = question.split_at(question.len() - 2);
    for client in &mut held {
        client.send(begun);
    }
    let mut third = Client::connect(at);
    third.send(&get("/a.jpg", &[]));
    for _ in 0..3 {
        for client in &mut held {
            client.send(&[end, begun].concat());
            client.response().expect(404);
        }
    }
    let [mut links, main] = held;
    links.send(end);
    links.response().expect(404);
    drop(main);
    third.response().expect(404);
    server.terminate();
    assert_eq!(server.wait().code(), Some(0));
    for mut client in [links, third] {
        client.assert_closed();
    }
    for address in [at, server.address()] {
        assert!(std::net::TcpStream::connect(address).is_err(), "{address}");
    }
}

#[test]
fn both_ports_are_on_every_address_and_printed() {
    let server = Server::start(&["-i", "127.0.0.1", "-i", "127.0.0.2", "-l", "0"]);
    assert_eq!(server.line(), format!("Servidor escuchando en http://127.0.0.2:{}", server.port));
    let lines = [server.line(), server.line()];
    let address = |line: &str| line.rsplit_once("http://").unwrap().1.parse::<SocketAddr>().unwrap();
    let addresses = [address(&lines[0]), address(&lines[1])];
    assert_eq!(lines[0], format!("Servidor de archivos escalados escuchando en http://{}", addresses[0]));
    assert_eq!(addresses[0].port(), addresses[1].port());
    assert_ne!(addresses[0].port(), server.port);
    for at in addresses {
        Client::connect(at).ask(&get("/a.jpg", &[])).expect(404);
    }
}

#[test]
fn a_port_that_can_not_be_had_is_one_line() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let run =
        |links: &str, main: &str| tp2().args(["-i", "127.0.0.1", "-p", main, "-l", links]).output().unwrap();
    let output = run(&port, "0");
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), error.lines().count()), (Some(1), 1), "{error}");
    assert!(error.contains(&port) && error.contains("ya está en uso; elija otro con -l"), "{error}");
    assert!(output.stdout.is_empty());
    for (links, main) in [("8080", "8080"), ("65536", "0"), ("x", "0")] {
        let output = run(links, main);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), error.lines().count()), (Some(2), 2), "{error}");
        assert!(error.contains("--enlaces") && error.contains(&format!("«{links}»")), "{error}");
    }
}

#[test]
fn links_win_over_files_of_the_directory() {
    let mut command = tp2();
    let home = Directory::new();
    fs::create_dir(home.0.join(FOLDER)).unwrap();
    fs::write(home.0.join(FOLDER).join("a.pgm"), pgm(8, 8)).unwrap();
    command.args(["-i", "127.0.0.1", "-p", "0", "-d", "."]).current_dir(&home.0);
    let server = Server::launch(command);
    let response = server.ask(&get("/scaled_images/a.pgm", &[])).expect(200);
    assert!(response.body == pgm(8, 8), "as it is stored");
    let mut command = tp2();
    command.args(["-i", "127.0.0.1", "-p", "0", "-d", ".", "-l", "0"]).current_dir(&home.0);
    let server = Server::launch(command);
    let response = server.ask(&get("/scaled_images/a.pgm", &[])).expect(200);
    assert_eq!(size_of(&response.body), (Format::Pnm, 4, 4), "a picture of -d like any other");
}

#[test]
fn links_take_so_much_space_and_no_more() {
    let server = Server::start(&["--enlaces-espacio", "1"]);
    let mut client = server.client();
    let picture = pgm(300, 300);
    let folder = server.home.0.join("scaled_images");
    let link = request("POST", "/enlaces?escala=1&calidad=100", &[], &picture);
    let mut answers = Vec::new();
    while answers.last() != Some(&507) {
        assert!(answers.len() < 300, "{answers:?}");
        answers.push(client.ask(&link).status);
    }
    assert!(answers.len() > 1, "some fit");
    let problem = client.ask(&link).expect(507).problem();
    assert_eq!(problem["type"], "urn:tp2:error:enlaces-llenos");
    assert_eq!((&problem["valor"], &problem["opcion"]), (&json!(1 << 20), &json!("--enlaces-espacio")));
    let held: u64 =
        std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(held <= 1 << 20);
    let page = String::from_utf8(client.ask(&request("GET", "/metrics", &[], b"")).expect(200).body).unwrap();
    assert!(page.contains(&format!("\ntp2_links_bytes {held}\n")), "{page}");
    // Freed space is noticed within seconds.
    std::fs::remove_dir_all(&folder).unwrap();
    until("room", || (client.ask(&link).status == 201).then_some(()));
}
