//! Behind nginx with `scripts/nginx.conf` and `scripts/nginx-tls.conf`: the real program, with a certificate made
//! here.
use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use scaler::sys::SIGTERM;

use super::common::Server;
use super::common::pictures::photo;
use super::common::processes::{Directory, signal};
use super::common::tools::find;
use super::common::wait::until;

struct Nginx {
    child: Child,
    place: Directory,
}

impl Nginx {
    /// With this configuration after each of `changes`; None, with a message, without nginx.
    fn start(configuration: &str, changes: &[(&str, &str)], port: u16) -> Option<Self> {
        find("curl")?;
        let program = nginx()?;
        let place = Directory::new();
        // If root starts it, its worker is another user, which keeps uploads here.
        fs::set_permissions(&place.0, Permissions::from_mode(0o711)).unwrap();
        certificate(&place)?;
        let mut text = configuration.to_owned();
        for (old, new) in changes {
            assert!(text.contains(old), "{old}");
            text = text.replace(old, new);
        }
        text = text.replace("/etc/tp2", place.0.to_str().unwrap());
        let path = place.0.join("nginx.conf");
        fs::write(&path, format!("daemon off;\n{text}")).unwrap();
        let command = |test: bool| {
            let mut command = Command::new(&program);
            command.arg("-p").arg(&place.0).arg("-c").arg(&path);
            command.args(test.then_some("-t")).stderr(Stdio::piped());
            command
        };
        let tested = command(true).output().unwrap();
        let told = String::from_utf8_lossy(&tested.stderr).into_owned();
        assert!(tested.status.success() && told.contains("test is successful"), "{told}");
        let mut child = command(false).stderr(Stdio::null()).spawn().unwrap();
        until("nginx", || {
            assert!(child.try_wait().unwrap().is_none(), "nginx has ended");
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()
        });
        Some(Self { child, place })
    }

    /// `curl` with these arguments, from 127.0.0.2, to this name and port.
    fn curl(&self, port: u16, arguments: &[&str]) -> Output {
        let mut command = Command::new("curl");
        command.args(["-sS", "--max-time", "30", "--interface", "127.0.0.2", "--resolve"]);
        command
            .arg(format!("fotos.example:{port}:127.0.0.1"))
            .arg("--cacert")
            .arg(self.place.0.join("tls.crt"));
        command.args(arguments).output().unwrap()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        signal(self.child.id(), SIGTERM);
        // SIGTERM; a failure is ignored.
        let _ = self.child.wait();
    }
}

/// Debian installs it in a directory that only root's PATH has.
fn nginx() -> Option<PathBuf> {
    let usual = PathBuf::from("/usr/sbin/nginx");
    if usual.is_file() { Some(usual) } else { find("nginx") }
}

fn certificate(place: &Directory) -> Option<()> {
    let mut command = Command::new(find("openssl")?);
    command.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "1",
    ]);
    command.args(["-subj", "/CN=fotos.example", "-addext", "subjectAltName=DNS:fotos.example"]);
    command.arg("-keyout").arg(place.0.join("tls.key")).arg("-out").arg(place.0.join("tls.crt"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(())
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn local(port: u16) -> String {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string()
}

fn text(output: &Output) -> String {
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Submits a photograph for a link, with forged fields; returns the link.
fn link(nginx: &Nginx, port: u16, url: &str) -> String {
    let place = Directory::new();
    let picture = place.0.join("foto.jpg");
    fs::write(&picture, photo("rocket.jpg")).unwrap();
    let form = format!("imagen=@{}", picture.display());
    let told = text(&nginx.curl(
        port,
        &[
            "-F",
            &form,
            "-H",
            "X-Forwarded-For: 6.6.6.6",
            "-H",
            "X-Forwarded-Host: malo.example",
            "-H",
            "X-Request-Id: mio",
            url,
        ],
    ));
    let link = told.trim().strip_prefix("Imagen escalada disponible en: ");
    link.unwrap_or_else(|| panic!("{told}")).to_owned()
}

/// The log line of the picture that came through nginx.
fn assert_logged(server: &Server) {
    server.wait_log("POST /enlaces 201");
    let log = server.log();
    let line = log.lines().find(|line| line.contains("POST /enlaces 201")).unwrap();
    // nginx's id is 32 hexadecimal digits.
    let id = line.split(" - POST").next().unwrap().rsplit(' ').next().unwrap();
    assert!(line.contains(" de 127.0.0.2 ") && id.len() == 32, "{line}");
    assert!(!log.contains("6.6.6.6") && !log.contains(" mio "), "{log}");
}

#[test]
fn with_tls_and_http_2_links_are_https() {
    let server = Server::start(&["--proxy", "127.0.0.1", "--nombre", "fotos.example"]);
    let (port, plain) = (free_port(), free_port());
    let changes = [
        ("127.0.0.1:8081", &*local(server.port)),
        ("127.0.0.1:8443", &*local(port)),
        ("127.0.0.1:8080", &*local(plain)),
    ];
    let Some(nginx) = Nginx::start(include_str!("../../scripts/nginx-tls.conf"), &changes, port) else {
        return;
    };
    let url = format!("https://fotos.example:{port}");
    let link = link(&nginx, port, &format!("{url}/enlaces"));
    assert!(link.starts_with(&format!("{url}/scaled_images/scaled_image_")), "{link}");
    assert_logged(&server);
    let told = text(
        &nginx.curl(port, &["-o", "/dev/null", "-w", "%{http_version} %{http_code} %{content_type}", &link]),
    );
    assert_eq!(told, "2 200 image/jpeg");

    // A page of this origin is the service's own, a page of another one is foreign. Another Host is refused, whatever
    // nginx makes of it.
    let status = |arguments: &[&str]| {
        let fixed = ["-o", "/dev/null", "-w", "%{http_code}"];
        text(&nginx.curl(port, &[&fixed[..], arguments].concat()))
    };
    let origin = format!("Origin: {url}");
    let (process, readyz) = (format!("{url}/"), format!("{url}/readyz"));
    assert_eq!(status(&["-H", &origin, "-d", "x", &process]), "415");
    assert_eq!(status(&["-H", "Origin: https://malo.example", "-d", "x", &process]), "403");
    assert_eq!(status(&["-H", "Host: malo.example", &readyz]), "421");
    assert_eq!(status(&[&readyz]), "200");
    assert_eq!(status(&[&format!("{url}/metrics")]), "404");
    let to_tls = format!("fotos.example:{plain}:127.0.0.1");
    assert_eq!(status(&["--resolve", &to_tls, &format!("http://fotos.example:{plain}/")]), "301");

    // One address exceeds its rate limit.
    let many: Vec<String> = (0..120).map(|number| format!("{url}/healthz?{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let told = text(&nginx.curl(port, &[&["-w", "%{http_code}\n"][..], &many].concat()));
    let count = |code| told.lines().filter(|line| line.ends_with(code)).count();
    assert!(count("200") >= 1 && count("429") >= 1, "{told}");
}

#[test]
fn without_tls_links_are_http() {
    let server = Server::start(&["--proxy", "127.0.0.1", "--nombre", "fotos.example"]);
    let port = free_port();
    let own = local(server.port);
    let changes = [("127.0.0.1:8081", &*own), ("127.0.0.1:8082", &*own), ("127.0.0.1:8080", &*local(port))];
    let Some(nginx) = Nginx::start(include_str!("../../scripts/nginx.conf"), &changes, port) else { return };
    let url = format!("http://fotos.example:{port}");
    let link = link(&nginx, port, &format!("{url}/enlaces"));
    assert!(link.starts_with(&format!("{url}/scaled_images/scaled_image_")), "{link}");
    assert_logged(&server);
}
