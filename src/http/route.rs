//! (method, path) -> route. The one table of what the server has.
//!
//! ```
//! use tp2::http::{head::Method, route::{route, Absent, Route}};
//! assert_eq!(route(&Method::Post, b"/", false), Ok(Route::Process));
//! assert_eq!(route(&Method::Put, b"/foto.jpg", false), Ok(Route::Process));
//! assert_eq!(route(&Method::Get, b"/foto.jpg", false), Err(Absent::NotFound));
//! assert_eq!(route(&Method::Get, b"/foto.jpg", true), Ok(Route::File));
//! ```
use super::head::Method;
use crate::page::{self, Asset};

/// The handler of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// The page, or a file that it asks for.
    Page(&'static Asset),
    /// 200 while the loop turns.
    Health,
    /// 200 while work would be taken.
    Ready,
    /// Figures for Prometheus.
    Metrics,
    /// The few figures and defaults that the page shows.
    Panel,
    /// A picture in, the gray, scaled picture out.
    Process,
    /// A picture in, the id of a task out.
    Submit,
    /// The status of the task of this name, as sent.
    Status(&'a [u8]),
    /// The picture that the task of this name led to.
    Result(&'a [u8]),
    /// Forget the task of this name.
    Forget(&'a [u8]),
    /// A picture in, a link to the gray, scaled picture out.
    Link,
    /// A picture in the folder of links.
    Linked,
    /// The bank's folders.
    Folders,
    /// What is in this folder, as sent.
    Folder(&'a [u8]),
    /// Which of the names in the body this folder lacks.
    Missing(&'a [u8]),
    /// A face: its folder and its name, as sent.
    Face(&'a [u8], &'a [u8]),
    /// A picture in, a face of this folder and name out.
    Insert(&'a [u8], &'a [u8]),
    /// Forget this folder and its faces.
    RemoveFolder(&'a [u8]),
    /// Forget a face: its folder and its name, as sent.
    RemoveFace(&'a [u8], &'a [u8]),
    /// A picture below the directory of `-d`, if the path names one.
    File,
    /// `OPTIONS`: what the path allows.
    Options {
        /// The value of `Allow`.
        allow: &'static str,
    },
}

impl Route<'_> {
    /// A word for it, independent of the path or name sent.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Page(_) => "page",
            Self::Health => "health",
            Self::Ready => "ready",
            Self::Metrics => "metrics",
            Self::Panel => "panel",
            Self::Process => "process",
            Self::Submit => "task_submit",
            Self::Status(_) => "task_status",
            Self::Result(_) => "task_result",
            Self::Forget(_) => "task_delete",
            Self::Link => "link_submit",
            Self::Linked => "link",
            Self::Folders => "bank",
            Self::Folder(_) => "bank_folder",
            Self::Missing(_) => "bank_missing",
            Self::Face(..) => "bank_face",
            Self::Insert(..) => "bank_insert",
            Self::RemoveFolder(_) => "bank_folder_delete",
            Self::RemoveFace(..) => "bank_face_delete",
            Self::File => "file",
            Self::Options { .. } => "options",
        }
    }
}

/// Why there is no route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// The path names nothing.
    NotFound,
    /// The path has a slash behind a folder of the bank, and no name of a face behind that.
    Nameless,
    /// The path has other methods.
    MethodNotAllowed {
        /// The value of `Allow` (RFC 9110 §10.2.1).
        allow: &'static str,
    },
}

/// A path without one trailing slash; `/` is itself.
#[must_use]
pub fn without_slash(path: &[u8]) -> &[u8] {
    match path {
        [rest @ .., b'/'] if rest.starts_with(b"/") => rest,
        whole => whole,
    }
}

/// The same where that is the same to a client. Behind a folder of the bank the slash begins an empty name for what
/// changes something: a script that has lost the name of a face must not forget the whole folder.
fn trimmed<'a>(method: &Method, path: &'a [u8]) -> &'a [u8] {
    let short = without_slash(path);
    let is_folder = short.strip_prefix(b"/carpetas/").is_some_and(|folder| !folder.contains(&b'/'));
    if is_folder && matches!(method, Method::Put | Method::Delete) { path } else { short }
}

/// Looks a request up; `path` as sent, without the query. A trailing slash is ignored. With `files`, every path that is
/// none of the program's own may name a file: own routes win.
///
/// # Errors
/// [`Absent`]: 404 or 405.
pub fn route<'a>(method: &Method, path: &'a [u8], files: bool) -> Result<Route<'a>, Absent> {
    let path = trimmed(method, path);
    let (allow, found) = match path {
        b"/" => (
            "GET, HEAD, POST, PUT, OPTIONS",
            match method {
                Method::Get | Method::Head => Some(Route::Page(&page::PAGE)),
                Method::Post | Method::Put => Some(Route::Process),
                _ => None,
            },
        ),
        _ if let Some(asset) = page::asset(path) => {
            ("GET, HEAD, OPTIONS", reads(method).then_some(Route::Page(asset)))
        }
        b"/healthz" => ("GET, HEAD, OPTIONS", reads(method).then_some(Route::Health)),
        b"/readyz" => ("GET, HEAD, OPTIONS", reads(method).then_some(Route::Ready)),
        b"/metrics" => ("GET, HEAD, OPTIONS", reads(method).then_some(Route::Metrics)),
        b"/panel.json" => ("GET, HEAD, OPTIONS", reads(method).then_some(Route::Panel)),
        b"/tareas" => ("POST, OPTIONS", (*method == Method::Post).then_some(Route::Submit)),
        _ if let Some(id) = path.strip_prefix(b"/estado/") => {
            ("GET, HEAD, OPTIONS", reads(method).then_some(Route::Status(id)))
        }
        _ if let Some(rest) = path.strip_prefix(b"/tareas/") => match rest.strip_suffix(b"/imagen") {
            Some(id) => ("GET, HEAD, OPTIONS", reads(method).then_some(Route::Result(id))),
            None => ("DELETE, OPTIONS", (*method == Method::Delete).then_some(Route::Forget(rest))),
        },
        b"/enlaces" => ("POST, OPTIONS", (*method == Method::Post).then_some(Route::Link)),
        b"/carpetas" => ("GET, HEAD, OPTIONS", reads(method).then_some(Route::Folders)),
        _ if let Some(rest) = path.strip_prefix(b"/carpetas/") => return bank(method, rest),
        // RFC 9110 §9.3.7: the server as a whole.
        b"*" => ("GET, HEAD, POST, PUT, OPTIONS", None),
        // `curl -T foto.jpg http://host/` adds the file's name: one segment that is no route.
        [b'/', name @ ..] if *method == Method::Put && !name.contains(&b'/') => return Ok(Route::Process),
        [b'/', ..] if files => ("GET, HEAD, OPTIONS", reads(method).then_some(Route::File)),
        _ => return Err(Absent::NotFound),
    };
    answer(method, allow, found)
}

/// What lies below the bank: folders, and faces in them.
fn bank<'a>(method: &Method, path: &'a [u8]) -> Result<Route<'a>, Absent> {
    let mut segments = path.split(|&byte| byte == b'/');
    let folder = segments.next().unwrap_or_default();
    let (allow, found) = match (segments.next(), segments.next()) {
        (None, _) => {
            let found = match method {
                Method::Get | Method::Head => Some(Route::Folder(folder)),
                Method::Delete => Some(Route::RemoveFolder(folder)),
                _ => None,
            };
            ("GET, HEAD, DELETE, OPTIONS", found)
        }
        (Some(_), Some(_)) => return Err(Absent::NotFound),
        (Some(b""), None) if *method == Method::Delete => return Err(Absent::Nameless),
        (Some(name), None) => {
            let lists = name == b"faltantes";
            let found = match method {
                Method::Get | Method::Head => Some(Route::Face(folder, name)),
                Method::Put => Some(Route::Insert(folder, name)),
                Method::Delete => Some(Route::RemoveFace(folder, name)),
                Method::Post if lists => Some(Route::Missing(folder)),
                _ => None,
            };
            let allow = if lists {
                "GET, HEAD, PUT, POST, DELETE, OPTIONS"
            } else {
                "GET, HEAD, PUT, DELETE, OPTIONS"
            };
            (allow, found)
        }
    };
    answer(method, allow, found)
}

fn answer<'a>(method: &Method, allow: &'static str, found: Option<Route<'a>>) -> Result<Route<'a>, Absent> {
    match found {
        Some(route) => Ok(route),
        None if *method == Method::Options => Ok(Route::Options { allow }),
        None => Err(Absent::MethodNotAllowed { allow }),
    }
}

/// Looks a request up where the folder of links is served; `path` from there on, as sent. Files are read-only.
///
/// # Errors
/// [`Absent`]: 404 or 405.
pub fn route_of_links(method: &Method, path: &[u8]) -> Result<Route<'static>, Absent> {
    let allow = "GET, HEAD, OPTIONS";
    match (method, path) {
        (Method::Get | Method::Head, [b'/', _, ..]) => Ok(Route::Linked),
        (Method::Get | Method::Head, _) => Err(Absent::NotFound),
        (Method::Options, _) => Ok(Route::Options { allow }),
        _ => Err(Absent::MethodNotAllowed { allow }),
    }
}

fn reads(method: &Method) -> bool {
    matches!(method, Method::Get | Method::Head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_table() {
        use Method::{Delete, Get, Head, Options, Post, Put};
        let all = "GET, HEAD, POST, PUT, OPTIONS";
        let read = "GET, HEAD, OPTIONS";
        let face = "GET, HEAD, PUT, DELETE, OPTIONS";
        for (method, path, expected) in [
            (Get, "/", Ok(Route::Page(&page::PAGE))),
            (Head, "/", Ok(Route::Page(&page::PAGE))),
            (Get, "/app.js", Ok(Route::Page(page::asset(b"/app.js").unwrap()))),
            (Put, "/estilo.css", Err(Absent::MethodNotAllowed { allow: read })),
            (Options, "/favicon.svg", Ok(Route::Options { allow: read })),
            (Get, "/app/", Err(Absent::NotFound)),
            (Post, "/", Ok(Route::Process)),
            (Put, "/", Ok(Route::Process)),
            (Put, "/gato.png", Ok(Route::Process)),
            (Put, "/healthz", Err(Absent::MethodNotAllowed { allow: read })),
            (Put, "/a/b", Err(Absent::NotFound)),
            (Post, "/gato.png", Err(Absent::NotFound)),
            (Delete, "/", Err(Absent::MethodNotAllowed { allow: all })),
            (Options, "/", Ok(Route::Options { allow: all })),
            (Options, "*", Ok(Route::Options { allow: all })),
            (Get, "*", Err(Absent::MethodNotAllowed { allow: all })),
            (Options, "*/", Err(Absent::NotFound)),
            (Get, "*/", Err(Absent::NotFound)),
            (Get, "/healthz", Ok(Route::Health)),
            (Head, "/readyz", Ok(Route::Ready)),
            (Get, "/metrics", Ok(Route::Metrics)),
            (Head, "/panel.json", Ok(Route::Panel)),
            (Put, "/panel.json", Err(Absent::MethodNotAllowed { allow: read })),
            (Post, "/metrics", Err(Absent::MethodNotAllowed { allow: read })),
            (Options, "/readyz", Ok(Route::Options { allow: read })),
            (Post, "/tareas", Ok(Route::Submit)),
            (Get, "/tareas", Err(Absent::MethodNotAllowed { allow: "POST, OPTIONS" })),
            (Put, "/tareas", Err(Absent::MethodNotAllowed { allow: "POST, OPTIONS" })),
            (Get, "/estado/x", Ok(Route::Status(b"x"))),
            (Head, "/estado/", Err(Absent::NotFound)),
            (Head, "/estado//", Ok(Route::Status(b""))),
            (Get, "/estado/x/", Ok(Route::Status(b"x"))),
            (Post, "/tareas/", Ok(Route::Submit)),
            (Post, "//", Ok(Route::Process)),
            (Get, "/healthz/", Ok(Route::Health)),
            (Put, "/gato.png/", Ok(Route::Process)),
            (Post, "/estado/x", Err(Absent::MethodNotAllowed { allow: read })),
            (Get, "/tareas/x/imagen", Ok(Route::Result(b"x"))),
            (Head, "/tareas/x/imagen", Ok(Route::Result(b"x"))),
            (Delete, "/tareas/x", Ok(Route::Forget(b"x"))),
            (Delete, "/tareas/x/imagen", Err(Absent::MethodNotAllowed { allow: read })),
            (Get, "/tareas/x", Err(Absent::MethodNotAllowed { allow: "DELETE, OPTIONS" })),
            (Post, "/enlaces", Ok(Route::Link)),
            (Get, "/enlaces", Err(Absent::MethodNotAllowed { allow: "POST, OPTIONS" })),
            (Put, "/enlaces", Err(Absent::MethodNotAllowed { allow: "POST, OPTIONS" })),
            (Options, "/enlaces", Ok(Route::Options { allow: "POST, OPTIONS" })),
            (Get, "/carpetas", Ok(Route::Folders)),
            (Post, "/carpetas", Err(Absent::MethodNotAllowed { allow: read })),
            (Get, "/carpetas/a%2Fb", Ok(Route::Folder(b"a%2Fb"))),
            (Delete, "/carpetas", Err(Absent::MethodNotAllowed { allow: read })),
            (Put, "/carpetas/a", Err(Absent::MethodNotAllowed { allow: "GET, HEAD, DELETE, OPTIONS" })),
            (Delete, "/carpetas/a", Ok(Route::RemoveFolder(b"a"))),
            (Delete, "/carpetas/a/b.jpg", Ok(Route::RemoveFace(b"a", b"b.jpg"))),
            (Delete, "/carpetas/a/faltantes", Ok(Route::RemoveFace(b"a", b"faltantes"))),
            (Delete, "/carpetas/a/", Err(Absent::Nameless)),
            (Delete, "/carpetas/a/b.jpg/", Ok(Route::RemoveFace(b"a", b"b.jpg"))),
            (Delete, "/carpetas/a//", Err(Absent::Nameless)),
            (Put, "/carpetas/a/", Ok(Route::Insert(b"a", b""))),
            (Put, "/carpetas/a/b.jpg/", Ok(Route::Insert(b"a", b"b.jpg"))),
            (Post, "/carpetas/a/faltantes/", Ok(Route::Missing(b"a"))),
            (Get, "/carpetas/a/b.jpg/", Ok(Route::Face(b"a", b"b.jpg"))),
            (Options, "/carpetas/a/", Ok(Route::Options { allow: "GET, HEAD, DELETE, OPTIONS" })),
            (Delete, "/carpetas/a/b/c", Err(Absent::NotFound)),
            (Post, "/carpetas/a/faltantes", Ok(Route::Missing(b"a"))),
            (Put, "/carpetas/a/faltantes", Ok(Route::Insert(b"a", b"faltantes"))),
            (Put, "/carpetas/a/b.jpg", Ok(Route::Insert(b"a", b"b.jpg"))),
            (Head, "/carpetas/a/b.jpg", Ok(Route::Face(b"a", b"b.jpg"))),
            (Post, "/carpetas/a/b.jpg", Err(Absent::MethodNotAllowed { allow: face })),
            (Options, "/carpetas/a/b.jpg", Ok(Route::Options { allow: face })),
            (Get, "/carpetas/a/b/c", Err(Absent::NotFound)),
            (Get, "/carpetas/", Ok(Route::Folders)),
            (Get, "/carpetas/a/", Ok(Route::Folder(b"a"))),
            (Post, "/enlaces/", Ok(Route::Link)),
            (Get, "/../etc/passwd", Err(Absent::NotFound)),
            (Get, "", Err(Absent::NotFound)),
        ] {
            assert_eq!(route(&method, path.as_bytes(), false), expected, "{method:?} {path}");
        }
    }

    #[test]
    fn links_are_for_reading() {
        use Method::{Delete, Get, Head, Options, Post, Put};
        let read = "GET, HEAD, OPTIONS";
        for (method, path, expected) in [
            (Get, "/scaled_image_1.jpg", Ok(Route::Linked)),
            (Head, "/a", Ok(Route::Linked)),
            (Get, "/healthz", Ok(Route::Linked)),
            (Get, "/", Err(Absent::NotFound)),
            (Head, "/", Err(Absent::NotFound)),
            (Get, "*", Err(Absent::NotFound)),
            (Options, "/a", Ok(Route::Options { allow: read })),
            (Options, "*", Ok(Route::Options { allow: read })),
            (Post, "/", Err(Absent::MethodNotAllowed { allow: read })),
            (Put, "/a", Err(Absent::MethodNotAllowed { allow: read })),
            (Delete, "/a", Err(Absent::MethodNotAllowed { allow: read })),
            (Method::Other("PATCH".into()), "/a", Err(Absent::MethodNotAllowed { allow: read })),
        ] {
            assert_eq!(route_of_links(&method, path.as_bytes()), expected, "{method:?} {path}");
        }
    }

    #[test]
    fn files_are_what_is_left() {
        use Method::{Delete, Get, Head, Options, Post, Put};
        let read = "GET, HEAD, OPTIONS";
        for (method, path, expected) in [
            (Get, "/", Ok(Route::Page(&page::PAGE))),
            (Head, "/app/net.js", Ok(Route::Page(page::asset(b"/app/net.js").unwrap()))),
            (Get, "/app/otro.js", Ok(Route::File)),
            (Get, "/healthz", Ok(Route::Health)),
            (Put, "/gato.png", Ok(Route::Process)),
            (Get, "*", Err(Absent::MethodNotAllowed { allow: "GET, HEAD, POST, PUT, OPTIONS" })),
            (Get, "/gato.png", Ok(Route::File)),
            (Head, "/a/gato.png", Ok(Route::File)),
            (Get, "/healthz/", Ok(Route::Health)),
            (Get, "/gato.png/", Ok(Route::File)),
            (Options, "/a/gato.png", Ok(Route::Options { allow: read })),
            (Post, "/gato.png", Err(Absent::MethodNotAllowed { allow: read })),
            (Put, "/a/gato.png", Err(Absent::MethodNotAllowed { allow: read })),
            (Delete, "/gato.png", Err(Absent::MethodNotAllowed { allow: read })),
            (Get, "", Err(Absent::NotFound)),
        ] {
            assert_eq!(route(&method, path.as_bytes(), true), expected, "{method:?} {path}");
        }
    }
}
