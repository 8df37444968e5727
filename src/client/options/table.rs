//! The table of options, and what is made from it: the usage line and the help.
use scaler::usage::{self, Manual, Row};

/// Every option, in the order of the help. A default that is shown is the server's.
pub(super) const OPTIONS: &[Row<()>] = &[
    Row { short: "h", ..Row::new("help", "Muestra este mensaje de ayuda y sale", ()) },
    Row {
        short: "i",
        ..valued("ip", "IP", "Dirección o nombre del servidor; también HOST:PUERTO\ny http://HOST:PUERTO")
    },
    Row { short: "p", synonyms: &["puerto"], ..valued("port", "PORT", "Puerto del servidor") },
    Row {
        short: "f",
        synonyms: &["imagen", "carpeta"],
        repeatable: true,
        ..valued(
            "image",
            "RUTA",
            "Imagen o carpeta a procesar; puede repetirse, y es lo\nmismo que RUTA sola. -f - lee la entrada estándar",
        )
    },
    Row {
        short: "o",
        ..valued(
            "salida",
            "SALIDA",
            "Archivo del resultado (su terminación elige el formato;\nsi ya existe, se reemplaza), o directorio donde dejar\n\
             los resultados. -o - escribe en la salida estándar",
        )
    },
    Row { short: "r", ..Row::new("recursivo", "Entra en los subdirectorios", ()) },
    Row::new("de-nuevo", "Hace otra vez los resultados que ya existen", ()),
    Row::new("simular", "Dice lo que haría, sin enviar ni guardar nada", ()),
    Row { short: "e", default: "el del servidor", ..valued("escala", "FACTOR", "Factor de escala") },
    valued("ancho", "PIXELES", "Ancho máximo del resultado, sin deformarlo ni ampliarlo"),
    valued("alto", "PIXELES", "Alto máximo, igual; con --ancho, cabe en ambos"),
    Row {
        default: "el de la imagen",
        ..valued("formato", "FORMATO", "jpeg, png, webp, gif, bmp, tiff o pgm")
    },
    Row { default: "85", ..valued("calidad", "N", "Calidad de JPEG, de 1 a 100") },
    Row {
        default: "FFFFFF",
        ..valued("fondo", "RRGGBB", "Color detrás de lo transparente, si el formato no lo\nadmite")
    },
    Row::new("tarea", "Como tarea: muestra su id, espera a que termine y trae\nla imagen", ()),
    Row::new("enlace", "El servidor guarda el resultado y responde un enlace", ()),
    Row {
        short: "q",
        ..Row::new("silencio", "Muestra solo el resultado: una ruta o un enlace por línea", ())
    },
    Row::new("json", "Muestra un objeto JSON por imagen", ()),
    valued(
        "clave-archivo",
        "RUTA",
        "Archivo con la clave que pide el servidor\n(TP2_CLAVE_ARCHIVO en el entorno)",
    ),
    Row { short: "V", ..Row::new("version", "Muestra la versión y sale", ()) },
];

const fn valued(long: &'static str, value: &'static str, help: &'static str) -> Row<()> {
    Row { value, ..Row::new(long, help, ()) }
}

/// The usage line: the options that have a letter.
#[must_use]
pub fn usage_line() -> String {
    let lettered = OPTIONS.iter().filter(|row| !row.short.is_empty());
    usage::line("tp2-cliente", lettered) + " [RUTA ...]"
}

/// What the help says below the options.
const NOTES: &str = "
--puerto es sinónimo de --port; --imagen y --carpeta, de --image.

Una imagen: lo que falte de dirección, puerto e imagen se pregunta.

Varias imágenes, o carpetas, con -o SALIDA/: los resultados quedan debajo de
SALIDA/ con el mismo árbol y los mismos nombres; la terminación cambia con
--formato. De varias RUTAS, cada carpeta conserva su nombre. Lo que ya está no
se hace de nuevo: una corrida interrumpida sigue si se repite la misma orden.
Lo que no es una imagen se omite, y una imagen de entrada no se reemplaza nunca.

Una carpeta sin -o va al banco del servidor, a la carpeta que se llama como
ella; se envían solo las imágenes que allí faltan, sin los subdirectorios.

Con varias imágenes o carpetas no se pregunta nada: sin -i es 127.0.0.1 y sin
-p es 1234.

Termina con 0 si todo salió bien, con 1 si algo falló, con 2 si el uso es
incorrecto, con 130 si se interrumpió con Ctrl-C.

Ejemplos:
  tp2-cliente -i ::1 -p 8080 -f foto.jpg -e 0.25 -o gris.webp
  tp2-cliente -i localhost:8080 -r --ancho 800 -o grises/ fotos
  tp2-cliente -i ::1 -p 8080 -f img_to_learn
";

const ABOUT: &str = "envía imágenes al servidor y guarda los resultados, o una carpeta al banco de imágenes";

/// What its page of the manual is made from.
#[must_use]
pub fn manual() -> Manual {
    let rows = OPTIONS.to_vec();
    Manual { program: "tp2-cliente", about: ABOUT, usage: usage_line(), rows, operand: "RUTA", notes: NOTES }
}

pub(super) fn help() -> String {
    format!("{}\n\nTp2-cliente - {ABOUT}\n\nOpciones:\n{}{NOTES}", usage_line(), usage::help(OPTIONS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_every_option() {
        let text = help();
        for row in OPTIONS {
            for long in row.longs() {
                assert!(text.contains(&format!("--{long}")), "{long}");
            }
        }
        assert!(text.lines().skip(1).all(|line| line.chars().count() <= 100), "{text}");
    }
}
