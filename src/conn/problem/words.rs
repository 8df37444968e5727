//! The texts of problems that are longer than a row: Spanish, one sentence, with what to do about it.
use std::time::Duration;

use super::LimitsInForce;
use super::limits::Passed;
use crate::http::access::AccessError;
use crate::http::format::Format;
use crate::http::route::Absent;
use crate::model::error::WorkError;
use crate::model::links_folder::FOLDER;
use crate::model::server_state::ServerPart;

/// A list of names as it should be.
pub(super) const NAMES_EXAMPLE: &str = r#"{"nombres": ["a.jpg", "b.jpg"]}"#;

pub(super) fn slow(time: Duration, rate: Option<u64>, received: u64, took: Duration) -> String {
    let stretch = time.as_secs();
    match rate {
        None => format!(
            "la cabecera de la petición no llegó dentro del plazo de {stretch} s: en ese tiempo llegaron {received} bytes; \
             envíe de nuevo la petición"
        ),
        Some(rate) => format!(
            "el cuerpo de la petición llegó demasiado despacio: {received} bytes en los últimos {} s, y en cada {stretch} s \
             se esperan al menos {rate} bytes por segundo; envíe de nuevo la petición",
            seconds(took)
        ),
    }
}

pub(super) fn absent(absent: &Absent) -> String {
    match absent {
        Absent::NotFound => "esa dirección no existe; las imágenes se envían con POST a /".into(),
        Absent::Nameless => "falta el nombre de la imagen detrás de la barra; la carpeta entera se borra sin la barra del final".into(),
        Absent::MethodNotAllowed { allow } => format!("esa dirección solo admite los métodos {allow}"),
    }
}

pub(super) fn access(error: &AccessError) -> String {
    match error {
        AccessError::Misdirected(name) => format!(
            "este servidor no atiende al nombre «{0}»: use su dirección o localhost, o iníciese tp2 con --nombre {0}",
            shortened(without_port(name))
        ),
        AccessError::Unauthorized { sent: false } => {
            "este servidor pide una clave, y la petición no la trae: se envía por \
             HTTP, en el campo «Authorization: Bearer CLAVE»"
                .into()
        }
        AccessError::Unauthorized { sent: true } => {
            "la clave enviada no es la de este servidor; va en el campo \
             «Authorization: Bearer CLAVE», tal como está en el archivo de --clave-archivo"
                .into()
        }
        AccessError::CrossSite(Some(origin)) if origin.contains("://") => format!(
            "la petición viene de la página de otro sitio ({0}), y aquí solo se atienden las de la propia; para admitirla, \
             iníciese tp2 con --origen {0}",
            shortened(origin)
        ),
        AccessError::CrossSite(_) => {
            "la petición viene de la página de otro sitio, y aquí solo se atienden las de la propia \
             (opción --origen)"
                .into()
        }
    }
}

pub(super) fn no_picture_among(fields: &[String]) -> String {
    let among = match fields {
        [] => String::new(),
        fields => format!(", solo los campos {}", fields.join(", ")),
    };
    format!("el formulario no trae ninguna imagen{among}: envíela en un campo de archivo llamado «imagen»")
}

pub(super) fn stuck(part: ServerPart) -> &'static str {
    match part {
        ServerPart::Workers => "los hilos de trabajo no responden: una imagen de prueba no volvió de ellos",
        ServerPart::Scaler => "el escalador no responde: una imagen de prueba no volvió de él",
    }
}

pub(super) fn not_names(value: &str) -> String {
    if value.is_empty() {
        return format!("el cuerpo no trae la lista «nombres»; se espera {NAMES_EXAMPLE}");
    }
    let value = shortened(value);
    format!("la lista «nombres» trae {value}, que no es el nombre de una imagen (de 1 a 255 bytes, sin /)")
}

/// The text of failed work: its own, unless there is more to say.
pub(super) fn failed(failure: &WorkError, limits: &LimitsInForce) -> String {
    match failure {
        WorkError::Empty => {
            "la imagen está vacía: no llegó ningún byte; revise el archivo y envíelo de nuevo".into()
        }
        WorkError::UnknownFormat => no_picture(),
        WorkError::Foreign(foreign) => format!(
            "lo enviado no es una imagen de un formato conocido: parece {}; {}; se admiten {}",
            foreign.name(),
            foreign.advice(),
            Format::titles(" y ")
        ),
        WorkError::SentAsFields { known } => format!(
            "{}; llegó como application/x-www-form-urlencoded y sin saltos de línea ni bytes nulos, que es lo que quita \
             curl -d: pruebe con curl -F imagen=@foto.jpg o con --data-binary",
            if *known { "la imagen perdió bytes en el camino".to_owned() } else { no_picture() }
        ),
        WorkError::LineEndsLost => {
            "la imagen perdió bytes en el camino: llegó sin saltos de línea ni bytes nulos, que es lo que \
             quita curl -d: pruebe con curl -F imagen=@foto.jpg o con --data-binary"
                .into()
        }
        WorkError::NotAPicture => format!("el archivo no es una imagen {}", Format::titles(" o ")),
        WorkError::FileTooLong { length } => format!(
            "el archivo tiene {length} bytes y el límite son {} (opción --max-cuerpo)",
            limits.body_max
        ),
        WorkError::Unreadable(_) => "el archivo no se puede leer".into(),
        WorkError::StoreFull(_) => {
            "no queda espacio en el disco del almacén: intente más tarde; las imágenes que se envían \
             con POST a / se procesan igual"
                .into()
        }
        WorkError::StoreBroken(_) => {
            "el almacén de tareas no está disponible por el momento; intente de nuevo".into()
        }
        WorkError::TooManyPixels { width, height } => {
            limits.describe(["la imagen mide", "la imagen tiene"], *width, *height)
        }
        WorkError::ResultTooLarge { width, height } => {
            limits.describe(["el resultado mediría", "el resultado tendría"], *width, *height)
        }
        WorkError::TooMuchMemory { needed } => format!(
            "procesar esta imagen necesitaría al menos {needed} bytes y el límite son {} (opción --memoria)",
            limits.memory_max
        ),
        WorkError::FolderFull(_) => format!(
            "no queda espacio en el disco del servidor para guardar la imagen en la carpeta {FOLDER}: libere espacio, o \
             borre de ella lo que ya no haga falta, e intente de nuevo"
        ),
        WorkError::ResultTooLong { length } => format!(
            "el resultado tendría al menos {length} bytes y de una tarea se guardan hasta {}, la octava parte de \
             --retencion-espacio: pida una imagen menor u otro formato, o envíela con POST a /",
            limits.result_max
        ),
        WorkError::LinksFull { max, held } => format!(
            "con esta imagen los enlaces de {FOLDER} ocuparían {held} bytes y el límite son {max} (opción \
             --enlaces-espacio): borre de esa carpeta lo que ya no haga falta; sin enlace, envíe la imagen a /"
        ),
        WorkError::FolderUnusable(reason) => format!(
            "la imagen no se puede guardar en la carpeta {FOLDER} del servidor ({reason}): debe ser un directorio en el \
             que tp2 pueda escribir; sin enlace, envíe la imagen a /"
        ),
        other => other.to_string(),
    }
}

impl LimitsInForce {
    /// `[measures, has]`: the subject with its verb, for the one limit and for the other.
    fn describe(&self, [measures, has]: [&str; 2], width: u64, height: u64) -> String {
        match self.passed_by(width, height) {
            Some(Passed::Side(_)) => {
                format!("{measures} {width}x{height} y cada lado puede medir hasta {}", self.side_max)
            }
            Some(Passed::Pixels(pixels)) => format!(
                "{has} {width}x{height} = {pixels} píxeles y el límite son {} (opción --max-pixeles)",
                self.pixels_max
            ),
            None => format!("el formato pedido no admite una imagen de {width}x{height}; pida otro"),
        }
    }
}

/// No supported picture came: says which formats are.
fn no_picture() -> String {
    format!("lo enviado no es una imagen de un formato conocido: se admiten {}", Format::titles(" y "))
}

/// The name in `name:port`.
fn without_port(host: &str) -> &str {
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

/// A value shortened for display.
pub(super) fn shortened(value: &str) -> String {
    value.chars().take(40).collect()
}

/// To the millisecond.
pub(super) fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}
