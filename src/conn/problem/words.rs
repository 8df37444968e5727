//! What a person reads of an error: Spanish, one sentence, with what to do about it.
use std::fmt;
use std::time::Duration;

use super::limits::Passed;
use super::{HttpProblem, LimitsInForce};
use crate::http::access::AccessError;
use crate::http::format::Format;
use crate::http::route::Absent;
use crate::model::error::WorkError;
use crate::model::links_folder::FOLDER;
use crate::model::server_state::ServerPart;

impl fmt::Display for HttpProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head(error) => write!(f, "{error}"),
            Self::Body(error) => write!(f, "{error}"),
            Self::Truncated => write!(f, "la conexión se cerró antes de que la petición terminara"),
            Self::Tls => write!(f, "este puerto habla HTTP sin TLS: use http:// en lugar de https://"),
            Self::Slow { time, rate: None, received, .. } => write!(
                f,
                "la cabecera de la petición no llegó dentro del plazo de {} s: en ese tiempo llegaron {received} \
                 bytes; envíe de nuevo la petición",
                time.as_secs()
            ),
            Self::Slow { time, rate: Some(rate), received, took } => write!(
                f,
                "el cuerpo de la petición llegó demasiado despacio: {received} bytes en los últimos {} s, y en cada \
                 {} s se esperan al menos {rate} bytes por segundo; envíe de nuevo la petición",
                seconds(*took),
                time.as_secs()
            ),
            Self::Late { deadline, took } => write!(
                f,
                "la imagen no estuvo lista dentro del plazo de {} s (opción --plazo): pasaron {} s",
                deadline.as_secs(),
                seconds(*took)
            ),
            Self::Expectation => write!(f, "la única expectativa soportada es «Expect: 100-continue»"),
            Self::Access(AccessError::Misdirected(name)) => write!(
                f,
                "este servidor no atiende al nombre «{0}»: use su dirección o localhost, o iníciese tp2 con --nombre {0}",
                shortened(without_port(name))
            ),
            Self::Access(AccessError::Unauthorized { sent: false }) => write!(
                f,
                "este servidor pide una clave, y la petición no la trae: se envía por HTTP, en el campo «Authorization: Bearer \
                 CLAVE»"
            ),
            Self::Access(AccessError::Unauthorized { sent: true }) => write!(
                f,
                "la clave enviada no es la de este servidor; va en el campo «Authorization: Bearer CLAVE», tal como está en \
                 el archivo de --clave-archivo"
            ),
            Self::Access(AccessError::CrossSite(origin)) => {
                write!(f, "la petición viene de la página de otro sitio")?;
                match origin {
                    Some(origin) if origin.contains("://") => write!(
                        f,
                        " ({0}), y aquí solo se atienden las de la propia; para admitirla, iníciese tp2 con --origen {0}",
                        shortened(origin)
                    ),
                    _ => write!(f, ", y aquí solo se atienden las de la propia (opción --origen)"),
                }
            }
            Self::Absent(Absent::NotFound) => {
                write!(f, "esa dirección no existe; las imágenes se envían con POST a /")
            }
            Self::Absent(Absent::MethodNotAllowed { allow }) => {
                write!(f, "esa dirección solo admite los métodos {allow}")
            }
            Self::BodyTooLong { max, received } => write!(
                f,
                "el cuerpo tiene al menos {received} bytes y el límite son {max} (opción --max-cuerpo)"
            ),
            Self::Form(error) => write!(f, "{error}"),
            Self::NoPicture(names) if names.is_empty() => write!(
                f,
                "el formulario no trae ninguna imagen: envíela en un campo de archivo llamado «imagen»"
            ),
            Self::NoPicture(names) => write!(
                f,
                "el formulario no trae ninguna imagen, solo los campos {}: envíela en un campo de archivo \
                 llamado «imagen»",
                names.join(", ")
            ),
            Self::Encoded(coding) => write!(
                f,
                "el cuerpo llegó codificado (Content-Encoding: {}) y aquí no se decodifica: envíelo tal como es, sin ese \
                 campo",
                shortened(coding)
            ),
            Self::LengthRequired => write!(
                f,
                "la petición no trae cuerpo ni dice cuánto mide: envíe la imagen con Content-Length o con \
                 Transfer-Encoding: chunked, como hace curl -F imagen=@foto.jpg"
            ),
            Self::UnknownParameter { name, meant } => {
                write!(f, "no hay ningún parámetro «{}»; ¿quiso decir «{meant}»?", shortened(name))
            }
            Self::Parameter { name, value, expected, .. } => {
                write!(f, "el parámetro «{name}» vale «{}» y debe ser {expected}", shortened(value))
            }
            Self::NotAcceptable => {
                write!(f, "Accept no admite ninguno de los formatos disponibles: {}", Format::names(", "))
            }
            Self::Precondition => write!(
                f,
                "el archivo no es el que indican If-Match o If-Unmodified-Since; pídalo de nuevo sin ellos"
            ),
            Self::Range { length } => {
                write!(f, "el rango pedido empieza después del final: el archivo tiene {length} bytes")
            }
            Self::QueueFull { max, in_hand, retry_after } => {
                let pictures = if *in_hand == 1 { "imagen" } else { "imágenes" };
                write!(
                    f,
                    "ya hay {in_hand} {pictures} en espera o en proceso y el máximo es {max} (opción --cola); \
                     intente de nuevo en {retry_after} s"
                )
            }
            Self::MemoryFull { max, received, retry_after } => write!(
                f,
                "la memoria para imágenes está ocupada: el límite son {max} bytes (opción --memoria) y esta \
                 petición llevaba {received}; intente de nuevo en {retry_after} s"
            ),
            Self::Draining => write!(f, "el servidor se está deteniendo"),
            Self::Stuck(ServerPart::Workers) => {
                write!(f, "los hilos de trabajo no responden: una imagen de prueba no volvió de ellos")
            }
            Self::Stuck(ServerPart::Scaler) => {
                write!(f, "el escalador no responde: una imagen de prueba no volvió de él")
            }
            Self::Overdue { deadline } => write!(
                f,
                "hay una imagen en proceso desde hace más que el plazo de {} s (opción --plazo)",
                deadline.as_secs()
            ),
            Self::WornOut => write!(
                f,
                "demasiados hilos de trabajo no volvieron y ya no se reemplazan: el servidor debe iniciarse de nuevo"
            ),
            Self::UnknownTask { .. } => write!(f, "no hay ninguna tarea con ese id, o fue eliminada"),
            Self::NotReady { id, state } => write!(
                f,
                "la tarea está «{}»: la imagen aún no está lista; pregunte por ella en /estado/{id}?espera=60",
                state.word()
            ),
            Self::Expired(_) => {
                write!(f, "el resultado de esa tarea ya no se guarda; envíe la imagen de nuevo")
            }
            Self::NotKept(_) => {
                write!(f, "esa imagen se entregó a quien la envió y no se guarda; para eso está POST /tareas")
            }
            Self::UnknownFolder { folder } => {
                write!(f, "no hay ninguna carpeta «{folder}»; la crea su primera imagen")
            }
            Self::UnknownFace { folder, name } => {
                write!(f, "la carpeta «{folder}» no tiene ninguna imagen «{name}»")
            }
            Self::ListTooLong { max, received } => write!(
                f,
                "la lista de nombres tiene al menos {received} bytes y el límite son {max}: envíela por partes"
            ),
            Self::NotJson => write!(f, "el cuerpo no es JSON; se espera {NAMES_EXAMPLE}"),
            Self::NotNames { value } if value.is_empty() => {
                write!(f, "el cuerpo no trae la lista «nombres»; se espera {NAMES_EXAMPLE}")
            }
            Self::NotNames { value } => write!(
                f,
                "la lista «nombres» trae {}, que no es el nombre de una imagen (de 1 a 255 bytes, sin /)",
                shortened(value)
            ),
            Self::TaskFailed(_, problem) => write!(f, "{}", problem.detail),
            Self::Unready(reason) => reason.fmt(f),
            Self::OtherBody => write!(
                f,
                "con esa misma «Idempotency-Key» ya se envió otra imagen, u otros parámetros: use otra clave"
            ),
            Self::Failed { failure, limits } => match failure {
                WorkError::Empty => {
                    write!(
                        f,
                        "la imagen está vacía: no llegó ningún byte; revise el archivo y envíelo de nuevo"
                    )
                }
                WorkError::UnknownFormat => write!(f, "{}", no_picture()),
                WorkError::Foreign(foreign) => {
                    write!(
                        f,
                        "lo enviado no es una imagen de un formato conocido: parece {}; {}; se admiten {}",
                        foreign.name(),
                        foreign.advice(),
                        Format::titles(" y ")
                    )
                }
                WorkError::SentAsFields { known } => write!(
                    f,
                    "{}; llegó como application/x-www-form-urlencoded y sin saltos de línea ni bytes nulos, que es lo que \
                     quita curl -d: pruebe con curl -F imagen=@foto.jpg o con --data-binary",
                    if *known { "la imagen perdió bytes en el camino".to_owned() } else { no_picture() }
                ),
                WorkError::NotAPicture => {
                    write!(f, "el archivo no es una imagen {}", Format::titles(" o "))
                }
                WorkError::FileTooLong { length } => write!(
                    f,
                    "el archivo tiene {length} bytes y el límite son {} (opción --max-cuerpo)",
                    limits.body_max
                ),
                WorkError::Unreadable(_) => write!(f, "el archivo no se puede leer"),
                WorkError::StoreFull(_) => write!(
                    f,
                    "no queda espacio en el disco del almacén: intente más tarde; las imágenes que se envían con POST a / \
                     se procesan igual"
                ),
                WorkError::StoreBroken(_) => {
                    write!(f, "el almacén de tareas no está disponible por el momento; intente de nuevo")
                }
                WorkError::TooManyPixels { width, height } => {
                    limits.describe(f, ["la imagen mide", "la imagen tiene"], *width, *height)
                }
                WorkError::ResultTooLarge { width, height } => {
                    limits.describe(f, ["el resultado mediría", "el resultado tendría"], *width, *height)
                }
                WorkError::TooMuchMemory { needed } => write!(
                    f,
                    "procesar esta imagen necesitaría al menos {needed} bytes y el límite son {} (opción --memoria)",
                    limits.memory_max
                ),
                WorkError::FolderFull(_) => write!(
                    f,
                    "no queda espacio en el disco del servidor para guardar la imagen en la carpeta {FOLDER}: \
                     libere espacio, o borre de ella lo que ya no haga falta, e intente de nuevo"
                ),
                WorkError::FolderUnusable(reason) => write!(
                    f,
                    "la imagen no se puede guardar en la carpeta {FOLDER} del servidor ({reason}): debe ser un \
                     directorio en el que tp2 pueda escribir; sin enlace, envíe la imagen a /"
                ),
                other => write!(f, "{other}"),
            },
        }
    }
}

impl LimitsInForce {
    /// `[measures, has]`: the subject with its verb, for the one limit and for the other.
    fn describe(
        &self,
        f: &mut fmt::Formatter<'_>,
        [measures, has]: [&str; 2],
        width: u64,
        height: u64,
    ) -> fmt::Result {
        match self.passed_by(width, height) {
            Some(Passed::Side(_)) => {
                write!(f, "{measures} {width}x{height} y cada lado puede medir hasta {}", self.side_max)
            }
            Some(Passed::Pixels(pixels)) => write!(
                f,
                "{has} {width}x{height} = {pixels} píxeles y el límite son {} (opción --max-pixeles)",
                self.pixels_max
            ),
            None => write!(f, "el formato pedido no admite una imagen de {width}x{height}; pida otro"),
        }
    }
}

/// What came is none, and what would be.
fn no_picture() -> String {
    format!("lo enviado no es una imagen de un formato conocido: se admiten {}", Format::titles(" y "))
}

/// A list of names as it should be.
const NAMES_EXAMPLE: &str = r#"{"nombres": ["a.jpg", "b.jpg"]}"#;

/// The name in `name:port`.
fn without_port(host: &str) -> &str {
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

/// So much of a value is shown.
pub(super) fn shortened(value: &str) -> String {
    value.chars().take(40).collect()
}

/// To the millisecond.
pub(super) fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}
