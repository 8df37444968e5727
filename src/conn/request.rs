//! From a request's head to what is to be done with its body: route, limits, admission. No byte of the body has been
//! read yet, so a refusal here spares the client the upload (RFC 9110 §10.1.1). Requests for files are parsed here too;
//! a run looks at the file itself.
use std::borrow::Cow;
use std::time::Instant;

use uuid::Uuid;

use super::asset;
use super::bank::{self, LIST_MAX};
use super::intent::{Intent, TaskPreferences};
use super::local_address::{ListenerRole, LocalAddress};
use super::parameters::Parameters;
use super::problem::HttpProblem;
use super::upload::{BodySink, EarlyReply};
use crate::http::accept;
use crate::http::conditional::Conditions;
use crate::http::form::{Form, is_form, is_without_files};
use crate::http::forwarded::Forwarded;
use crate::http::head::{Expectation, Framing, Method, RequestHead, Version};
use crate::http::path::beneath;
use crate::http::prefer::Preferences;
use crate::http::reply::Reply;
use crate::http::route::{Absent, Route, route, route_of_links, without_slash};
use crate::model::error::WorkError;
use crate::model::file::FileRequest;
use crate::model::links::LinkRequest;
use crate::model::links_folder::FOLDER;
use crate::model::log_event::{Caller, LogNote, MetricLabels};
use crate::model::server_state::{Figures, ServerState};
use crate::model::transform::RequestedTransform;

/// Bytes of an unwanted body that are read and discarded, so that the connection can be kept.
const DISCARD_MAX: u64 = 64 << 10;
/// Longest `Idempotency-Key`, in bytes.
const KEY_MAX: usize = 255;
/// Characters of an invalid id that are echoed.
const ASKED_MAX: usize = 64;
/// Longest part of a target that a log line shows, in bytes.
const SHOWN_MAX: usize = 200;

/// A request, until its answer is sent.
#[derive(Debug)]
pub struct Request {
    /// `X-Tarea`; also the id of its run.
    pub id: Uuid,
    /// HTTP, or netcat mode.
    pub kind: Kind,
    /// Its client.
    pub caller: Caller,
    /// Fields that every answer to it has: those of CORS, and the proxy's id.
    pub extra: Vec<(&'static str, Cow<'static, str>)>,
    /// Method and target for the log: bounded, printable.
    pub shown: String,
    /// Its purpose.
    pub intent: Intent,
    /// The parameters of the run's plan.
    pub parameters: Parameters,
    /// When its head was complete; of one that could not be read, when it began.
    pub began_at: Instant,
    /// Its body has the type of a form without files.
    pub as_fields: bool,
    /// An error is to be sent as a page: its `Accept` prefers that.
    pub as_page: bool,
    /// Its answer may come in chunks: HTTP/1.1.
    pub chunks: bool,
    /// Body bytes that came with it, once it is complete or refused.
    pub received: u64,
    /// How its answer is counted.
    pub labels: MetricLabels,
    /// It is a probe: `/healthz`, `/readyz`, `/metrics`.
    pub is_health_check: bool,
    /// What went wrong, where the status of its answer does not tell it.
    pub note: Option<LogNote>,
}

/// How the answer is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// With a head.
    Http {
        /// Another request may follow.
        keep_alive: bool,
        /// The request was HEAD.
        head_only: bool,
    },
    /// The bytes alone, then the end of the connection.
    Netcat,
}

/// What to do about a request whose head has come.
#[derive(Debug)]
pub enum Decision {
    /// Read the body into this sink; ask for it first if the client waits to be asked.
    Read {
        /// Where to.
        sink: BodySink,
        /// The client waits for `100 Continue`.
        ask: bool,
    },
    /// Go on with this; there is no body, so the connection can be kept.
    Answer(EarlyReply),
    /// Go on with this without reading the body: it is too long, or the client has not been asked for it.
    Dismiss(EarlyReply),
}

impl Request {
    /// A request over HTTP.
    #[must_use]
    pub fn http(id: Uuid, head: &RequestHead, now: Instant) -> Self {
        let target = head.target();
        let cut = &target[..target.len().min(SHOWN_MAX)];
        let kind =
            Kind::Http { keep_alive: head.keep_alive(), head_only: matches!(head.method(), Method::Head) };
        let parameters = Parameters {
            query: head.query().map(<[u8]>::to_vec),
            // RFC 9110 §5.3: several fields of one name are one list.
            accept: head.field("accept").map(|_| head.fields("accept").collect::<Vec<_>>().join(&b","[..])),
        };
        let shown = format!("{} {}", head.method().as_str(), cut.escape_ascii());
        let as_fields = is_without_files(head.field("content-type").unwrap_or_default());
        let chunks = head.version() == Version::Http11;
        let labels = MetricLabels { method: head.method().name(), ..MetricLabels::UNREAD };
        let as_page = parameters.accept.as_deref().is_some_and(accept::prefers_page);
        Self { kind, shown, parameters, as_fields, as_page, chunks, labels, ..Self::bare(id, now) }
    }

    /// A picture without HTTP.
    #[must_use]
    pub fn netcat(id: Uuid, now: Instant) -> Self {
        Self {
            kind: Kind::Netcat,
            shown: "netcat".into(),
            labels: MetricLabels::NETCAT,
            ..Self::bare(id, now)
        }
    }

    /// Bytes that could not be read as a request, and came from this moment on.
    #[must_use]
    pub fn unreadable(id: Uuid, since: Instant) -> Self {
        Self::bare(id, since)
    }

    /// No other request will follow: part of this one is not read.
    pub fn close_after(&mut self) {
        if let Kind::Http { keep_alive, .. } = &mut self.kind {
            *keep_alive = false;
        }
    }

    fn refused(&mut self, reject: &HttpProblem) -> EarlyReply {
        self.labels.refused = Some(reject.reason());
        EarlyReply::Reply(reject.reply(self.id, self.as_page))
    }

    fn bare(id: Uuid, began_at: Instant) -> Self {
        let kind = Kind::Http { keep_alive: false, head_only: false };
        let (shown, intent, parameters) = ("-".into(), Intent::Picture, Parameters::default());
        Self {
            id,
            kind,
            caller: Caller::default(),
            extra: Vec::new(),
            shown,
            intent,
            parameters,
            began_at,
            as_fields: false,
            as_page: false,
            chunks: false,
            received: 0,
            labels: MetricLabels::UNREAD,
            is_health_check: false,
            note: None,
        }
    }
}

/// Decides on a head, and notes whether it is a probe's or wants a link; only cheap checks, in this order: access,
/// expectation, route, length, form, admission.
#[must_use]
pub fn decide(
    head: &RequestHead,
    request: &mut Request,
    local_address: &LocalAddress,
    server: &ServerState,
) -> Decision {
    let told = Forwarded::of(head, local_address.peer, &server.access.proxies);
    request.caller = Caller { address: told.client, request_id: told.request_id.map(Into::into) };
    request.extra = server.access.fields(head);
    if let Some(id) = told.request_id {
        request.extra.push(("X-Request-Id", id.to_owned().into()));
    }
    let framing = head.framing();
    let body_max = server.limits.body_max;
    let has_body = !matches!(framing, Framing::None | Framing::Length(0));
    let ask = has_body && head.expectation() == Expectation::Continue;
    let known = match known_of(head, request, &told, local_address, server) {
        Ok(None) if !has_body => {
            let reject = match (framing, &request.intent) {
                (_, intent) if wants_list(intent) => HttpProblem::NotJson,
                (Framing::None, _) => HttpProblem::LengthRequired,
                _ => server.failed(WorkError::Empty),
            };
            request.refused(&reject)
        }
        Ok(None) => match sink_for(head, &request.intent, server) {
            Ok(sink) => return Decision::Read { sink, ask },
            Err(reject) => request.refused(&reject),
        },
        Ok(Some(known)) => known,
        // Problems of the body come before those of parameters, as far as the head tells.
        Err(reject) if reject.status() == 422 && reads_body(head.method()) => match framing {
            Framing::Length(received) if received > body_max => {
                request.refused(&HttpProblem::BodyTooLong { max: body_max, received })
            }
            Framing::None => request.refused(&HttpProblem::LengthRequired),
            _ if !has_body => request.refused(&server.failed(WorkError::Empty)),
            _ => match check_coding(head) {
                Ok(()) => request.refused(&reject),
                Err(reject) => request.refused(&reject),
            },
        },
        Err(reject) => request.refused(&reject),
    };
    match framing {
        _ if !has_body => Decision::Answer(known),
        _ if ask => Decision::Dismiss(known),
        Framing::Length(length) if length > DISCARD_MAX.min(body_max) => Decision::Dismiss(known),
        _ => Decision::Read { sink: BodySink::Discard(Box::new(known), DISCARD_MAX), ask: false },
    }
}

fn reads_body(method: &Method) -> bool {
    matches!(method, Method::Post | Method::Put)
}

/// What a route that needs no body leads to; None for those that do.
fn known_of(
    head: &RequestHead,
    request: &mut Request,
    told: &Forwarded<'_>,
    local_address: &LocalAddress,
    server: &ServerState,
) -> Result<Option<EarlyReply>, HttpProblem> {
    let is_links = local_address.side == ListenerRole::Links;
    server.access.judge(head, told, is_links).map_err(HttpProblem::Access)?;
    let linked = links_path(head.path(), local_address, server);
    let found = match linked {
        Some(path) => route_of_links(head.method(), path),
        None => route(head.method(), head.path(), server.limits.files),
    };
    if let Some(reply) = server.access.preflight(head) {
        // RFC 9110 §9.3.7: OPTIONS says what there is, also to a browser that asks for a page.
        return Ok(Some(EarlyReply::Reply(match found {
            Ok(Route::Options { allow }) => reply.with("Allow", Cow::Borrowed(allow)),
            _ => reply,
        })));
    }
    if head.expectation() == Expectation::Unknown {
        return Err(HttpProblem::Expectation);
    }
    let found = found.map_err(HttpProblem::Absent)?;
    request.labels.route = found.name();
    request.is_health_check = matches!(found, Route::Health | Route::Ready | Route::Metrics | Route::Panel);
    Ok(Some(EarlyReply::Reply(match found {
        Route::Process => {
            let preferences = Preferences::of(head);
            // A preference is never an error: where no task can be kept, the picture is waited for.
            let is_preferred = preferences != Preferences::default();
            if is_preferred && server.store_away.borrow().is_none() {
                request.intent = Intent::Task(handover(head, preferences, false)?);
            }
            return Ok(None);
        }
        Route::Submit => {
            request.intent = Intent::Task(handover(head, Preferences::of(head), true)?);
            return Ok(None);
        }
        Route::Status(asked) => {
            let wait = request.parameters.wait()?;
            let (asked, id) = task_id(asked)?;
            request.intent = Intent::Status { asked, wait };
            return Ok(Some(EarlyReply::Task(id)));
        }
        Route::Result(asked) => {
            let (asked, id) = task_id(asked)?;
            request.intent = Intent::Result { asked, conditions: Conditions::of(head) };
            return Ok(Some(EarlyReply::Task(id)));
        }
        Route::Forget(asked) => {
            let (asked, id) = task_id(asked)?;
            request.intent = Intent::Delete { asked };
            return Ok(Some(EarlyReply::Task(id)));
        }
        Route::Link => {
            request.intent =
                Intent::Link { base: local_address.base(told, head.host(), server.limits.links_port) };
            return Ok(None);
        }
        Route::Linked => {
            return link_request(head, linked.unwrap_or_default(), server)
                .map(|link_request| Some(EarlyReply::Linked(link_request)));
        }
        Route::File => {
            return file_request(head, request, server)
                .map(|file_request| Some(EarlyReply::File(file_request)));
        }
        Route::Folders => {
            let requested = bank::folders(&request.parameters)?;
            return ask_store(request, requested, server);
        }
        Route::RemoveFolder(folder) => {
            let folder = bank::folder_name(folder)?;
            return ask_store(request, bank::BankRequest::RemoveFolder { folder }, server);
        }
        Route::RemoveFace(folder, name) => {
            let (folder, name) = (bank::folder_name(folder)?, bank::face_name(name)?);
            return ask_store(request, bank::BankRequest::RemoveFace { folder, name }, server);
        }
        Route::Folder(folder) => {
            let requested = bank::listing(bank::folder_name(folder)?, &request.parameters)?;
            return ask_store(request, requested, server);
        }
        Route::Face(folder, name) => {
            let as_image = request.parameters.accept.as_deref().is_some_and(accept::prefers_picture);
            let (folder, name) = (bank::folder_name(folder)?, bank::face_name(name)?);
            return ask_store(request, bank::BankRequest::Face { folder, name, as_image }, server);
        }
        Route::Missing(folder) => {
            let folder = bank::folder_name(folder)?;
            return ask_store(request, bank::BankRequest::Missing { folder }, server);
        }
        Route::Insert(folder, name) => {
            let (folder, name) = (bank::folder_name(folder)?, bank::face_name(name)?);
            return ask_store(request, bank::BankRequest::Insert { folder, name }, server);
        }
        Route::Page(file) => asset::reply(file, &Conditions::of(head)),
        Route::Metrics => return Ok(Some(EarlyReply::Metrics(Figures::Prometheus))),
        Route::Panel => return Ok(Some(EarlyReply::Metrics(Figures::Panel))),
        Route::Health => uncached(Reply::text(200, "ok\n")),
        Route::Ready => match server.unready() {
            None => uncached(Reply::text(200, "listo\n")),
            Some(reject) => return Err(reject),
        },
        Route::Options { allow } => Reply::empty(204).with("Allow", Cow::Borrowed(allow)),
    })))
}

/// What is asked of the bank, if that does not take the body.
fn ask_store(
    request: &mut Request,
    requested: bank::BankRequest,
    server: &ServerState,
) -> Result<Option<EarlyReply>, HttpProblem> {
    let ask = requested.first_ask(server.admission.reservation());
    request.intent = Intent::Bank(requested);
    Ok(ask.map(EarlyReply::Bank))
}

fn handover(
    head: &RequestHead,
    preferences: Preferences,
    explicit: bool,
) -> Result<TaskPreferences, HttpProblem> {
    let key = head.field("idempotency-key").map(<[u8]>::to_vec);
    match key {
        Some(key) if key.is_empty() || key.len() > KEY_MAX => Err(HttpProblem::Parameter {
            name: "Idempotency-Key",
            value: String::from_utf8_lossy(&key).into_owned(),
            expected: "un texto de 1 a 255 bytes",
            range: None,
        }),
        key => Ok(TaskPreferences { key, preferences, explicit }),
    }
}

/// The id in a path: as it was sent, for the answer that there is no such task, and parsed.
fn task_id(sent: &[u8]) -> Result<(String, Uuid), HttpProblem> {
    let asked: String = String::from_utf8_lossy(sent).chars().take(ASKED_MAX).collect();
    // Of the ways to write one, only that in which it was given out.
    let id = Uuid::try_parse_ascii(sent).ok().filter(|_| sent.len() == uuid::fmt::Hyphenated::LENGTH);
    match id {
        Some(id) => Ok((asked, id)),
        None => Err(HttpProblem::UnknownTask { asked }),
    }
}

/// What is wanted of a file; checked in the order 404, 422, by the head alone. The run checks the memory.
fn file_request(
    head: &RequestHead,
    request: &Request,
    server: &ServerState,
) -> Result<FileRequest, HttpProblem> {
    let path = beneath(without_slash(head.path())).ok_or(HttpProblem::Absent(Absent::NotFound))?;
    let requested = RequestedTransform::read(&request.parameters, &[], server.limits.factor)?;
    Ok(FileRequest { path, requested, conditions: Conditions::of(head) })
}

/// The part of a path that names a link, where links are served: all of it on a port of their own, else what follows
/// the folder's name.
fn links_path<'a>(path: &'a [u8], local_address: &LocalAddress, server: &ServerState) -> Option<&'a [u8]> {
    match (local_address.side, server.limits.links_port) {
        (ListenerRole::Links, _) => Some(path),
        (ListenerRole::Main, None) => {
            let rest = path.strip_prefix(b"/")?.strip_prefix(FOLDER.as_bytes())?;
            rest.starts_with(b"/").then_some(rest)
        }
        (ListenerRole::Main, Some(_)) => None,
    }
}

/// What is wanted of a link: a file of the folder itself, and none that is hidden, as files being written are.
fn link_request(head: &RequestHead, path: &[u8], server: &ServerState) -> Result<LinkRequest, HttpProblem> {
    let name = beneath(without_slash(path)).filter(|name| !name.contains(&b'/') && !name.starts_with(b"."));
    let name = name.ok_or(HttpProblem::Absent(Absent::NotFound))?;
    match server.short_of_memory() {
        Some(reject) => Err(reject),
        None => Ok(LinkRequest {
            name,
            conditions: Conditions::of(head),
            head_only: *head.method() == Method::Head,
        }),
    }
}

fn uncached(reply: Reply) -> Reply {
    reply.with("Cache-Control", "no-store")
}

/// Refuses a compressed body: its size when decompressed is not known before it has taken its room.
fn check_coding(head: &RequestHead) -> Result<(), HttpProblem> {
    // RFC 9110, section 8.4.1: codings are listed in any case; `identity` is none.
    let codings: Vec<_> =
        head.fields("content-encoding").flat_map(|field| field.split(|&byte| byte == b',')).collect();
    let is_plain = |coding: &[u8]| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity");
    if codings.iter().all(|coding| is_plain(coding.trim_ascii())) {
        return Ok(());
    }
    Err(HttpProblem::Encoded(String::from_utf8_lossy(&codings.join(&b","[..])).trim().to_owned()))
}

/// Whether the body is to be a list of names, and no picture.
fn wants_list(intent: &Intent) -> bool {
    matches!(intent, Intent::Bank(bank::BankRequest::Missing { .. }))
}

/// Where the body of an upload goes, if it may come at all.
fn sink_for(head: &RequestHead, intent: &Intent, server: &ServerState) -> Result<BodySink, HttpProblem> {
    let body_max = server.limits.body_max;
    if let Framing::Length(length) = head.framing()
        && length > body_max
    {
        return Err(HttpProblem::BodyTooLong { max: body_max, received: length });
    }
    let is_list = wants_list(intent);
    if is_list
        && let Framing::Length(received) = head.framing()
        && received > LIST_MAX
    {
        return Err(HttpProblem::ListTooLong { max: LIST_MAX, received });
    }
    check_coding(head)?;
    let content_type = head.field("content-type").unwrap_or_default();
    let sink = if is_form(content_type) && !is_list {
        BodySink::Form(Box::new(Form::new(content_type).map_err(HttpProblem::Form)?))
    } else {
        BodySink::Raw(Vec::new())
    };
    if let Framing::Length(needed) = head.framing()
        && needed > server.admission.bytes_max()
    {
        return Err(server.failed(WorkError::TooMuchMemory { needed }));
    }
    let obstacle = match intent {
        Intent::Task(_) => server.unable_to_keep(),
        Intent::Bank(_) if is_list => server.unable_to_keep(),
        Intent::Bank(_) => server.overloaded().or_else(|| server.unable_to_keep()),
        _ => server.overloaded(),
    };
    match obstacle {
        Some(reject) => Err(reject),
        None => Ok(sink),
    }
}
