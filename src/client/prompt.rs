//! Asking for what the command line left open: address, port and picture, in this order.
//!
//! Rules: the questions are asked wherever the answers come from, so three lines through a pipe work as a person does.
//! A person who mistypes is asked again, also for a picture that can't be sent; a pipe gets the complaint. A path is
//! bytes: it need not be UTF-8, and the spaces in it are its own. If there is no file of the name that was typed, it is
//! read as a shell or a file manager would have written it ([`readings`]).
use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use scaler::words::InWords;

use super::failure::Failure;
use super::options::{BadUsage, Options};
use super::request::Body;
use super::server::{ServerAddress, parse_address, parse_port};

const HOST: &str = "Ingrese la IP del servidor: ";
const PORT: &str = "Ingrese el puerto del servidor: ";
const PATH: &str = "Ingrese la ruta de la imagen a procesar: ";

/// A source of answers: a person or a pipe.
pub struct Asker<R, W> {
    /// Where answers come from, one a line.
    pub input: R,
    /// Where questions go.
    pub output: W,
    /// It is a person, who may answer better when asked again.
    pub person: bool,
}

impl<R: BufRead, W: Write> Asker<R, W> {
    /// Address and port: those of `options`, else of the answers; an address may be answered with its port.
    ///
    /// # Errors
    /// The answers end, or one of a pipe's is wrong: exit 2.
    pub fn server(&mut self, options: &Options) -> Result<ServerAddress, BadUsage> {
        let (host, within) = match &options.host {
            Some(host) => (host.clone(), None),
            None => self.ask(HOST, |answer| parse_address("la IP", answer.to_string_lossy().trim()))?,
        };
        let port = match options.port.or(within) {
            Some(port) => port,
            None => self.ask(PORT, |answer| {
                let text = answer.to_string_lossy();
                parse_port(text.trim()).ok_or_else(|| {
                    format!("el puerto debe ser un número entero de 1 a 65535: «{}»", text.trim())
                })
            })?,
        };
        Ok(ServerAddress::new(host, port))
    }

    /// The path of a picture or a directory.
    ///
    /// # Errors
    /// As [`Asker::server`].
    pub fn path(&mut self) -> Result<PathBuf, BadUsage> {
        let person = self.person;
        let home = std::env::home_dir();
        self.ask(PATH, |answer| match find(answer, home.as_deref()) {
            path if path.as_os_str().is_empty() => Err("la ruta está vacía".into()),
            path if person => check(&path).map(|()| path).map_err(|failure| failure.to_string()),
            path => Ok(path),
        })
    }

    /// All that is to be read, which is a picture.
    ///
    /// # Errors
    /// As read(2), and more than `max` bytes.
    pub fn picture(&mut self, max: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.input.by_ref().take(max + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > max {
            return Err(io::Error::other(format!(
                "son más de {} MiB, y no de un archivo regular",
                max >> 20
            )));
        }
        Ok(bytes)
    }

    fn ask<T>(&mut self, question: &str, read: impl Fn(&OsStr) -> Result<T, String>) -> Result<T, BadUsage> {
        let whose = question.trim_end_matches([':', ' ']);
        loop {
            // If the output has no reader, the answer can still be read.
            let _ = self.output.write_all(question.as_bytes()).and_then(|()| self.output.flush());
            let answer = match self.line() {
                Ok(Some(answer)) => answer,
                Ok(None) => {
                    return Err(BadUsage(format!("la entrada terminó sin respuesta a «{whose}»")));
                }
                Err(error) => {
                    return Err(BadUsage(format!("no se puede leer la entrada: {}", InWords(&error))));
                }
            };
            if !self.person {
                // What a person types ends the line of the question by itself.
                let _ = writeln!(self.output);
            }
            match read(&answer) {
                Ok(value) => return Ok(value),
                Err(complaint) if self.person => {
                    let _ = writeln!(self.output, "{complaint}");
                }
                Err(complaint) => return Err(BadUsage(complaint)),
            }
        }
    }

    /// The next line without its end; None at the end of the input. The last line need not end in one.
    fn line(&mut self) -> io::Result<Option<OsString>> {
        let mut line = Vec::new();
        if self.input.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Ok(Some(OsString::from_vec(line.to_vec())))
    }
}

/// The first reading of an answer that names something; if none does, the answer as it was typed.
fn find(answer: &OsStr, home: Option<&Path>) -> PathBuf {
    let typed = PathBuf::from(answer);
    if typed.exists() {
        return typed;
    }
    readings(answer.as_bytes(), home).into_iter().find(|path| path.exists()).unwrap_or(typed)
}

/// Other meanings of an answer: without the white space around it, in quotes, with `~` for the home directory, with a
/// backslash before special characters, as a `file:` URL (RFC 8089).
fn readings(answer: &[u8], home: Option<&Path>) -> Vec<PathBuf> {
    let trimmed = answer.trim_ascii();
    let quoted = |quote: &[u8]| trimmed.strip_prefix(quote)?.strip_suffix(quote);
    let bare = quoted(b"'").or_else(|| quoted(b"\"")).unwrap_or(trimmed);
    let url =
        bare.strip_prefix(b"file://").map(|path| percent_encoding::percent_decode(path).collect::<Vec<u8>>());
    let mut texts = vec![bare.to_vec(), unescaped(bare)];
    texts.extend(url);
    let in_home = |text: &Vec<u8>| {
        let rest = text.strip_prefix(b"~")?;
        let rest = if rest.is_empty() { rest } else { rest.strip_prefix(b"/")? };
        Some(home?.join(OsStr::from_bytes(rest)))
    };
    let at_home: Vec<_> = texts.iter().filter_map(in_home).collect();
    let plain = texts.into_iter().map(|text| OsString::from_vec(text).into());
    plain.chain(at_home).collect()
}

/// Without the backslash before any character.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut bytes = text.iter();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(&byte) = bytes.next() {
        plain.push(if byte == b'\\' { bytes.next().copied().unwrap_or(byte) } else { byte });
    }
    plain
}

/// Checks whether `path` can be sent, as far as is known before; directories and pipes are opened later.
fn check(path: &Path) -> Result<(), Failure> {
    let unreadable = |error| Failure::Read(path.to_owned(), error);
    if !path.metadata().map_err(unreadable)?.is_file() {
        return Ok(());
    }
    match Body::open(path).map_err(unreadable)?.length() {
        0 => Err(Failure::Empty(path.to_owned())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    use crate::client::options::{ClientCommand, parse};

    fn options(arguments: &[&str]) -> Options {
        let Ok(ClientCommand::Send(options)) = parse(arguments.iter().map(OsString::from)) else { panic!() };
        options
    }

    /// The result, and the questions asked.
    fn ask(
        arguments: &[&str],
        input: &[u8],
        person: bool,
    ) -> (Result<(ServerAddress, PathBuf), BadUsage>, String) {
        let mut output = Vec::new();
        let options = options(arguments);
        let mut asker = Asker { input, output: &mut output, person };
        let result = asker.server(&options).and_then(|server| match &options.paths[..] {
            [] => Ok((server, asker.path()?)),
            [path, ..] => Ok((server, path.clone())),
        });
        (result, String::from_utf8(output).unwrap())
    }

    #[test]
    fn what_is_missing_is_asked_for_and_nothing_else() {
        let all = format!("{HOST}\n{PORT}\n{PATH}\n");
        for (arguments, input, asked) in [
            (&[][..], "::1\n8090\nmi foto.jpg\n", all.as_str()),
            (&[], "[::1]\r\n 8090 \r\nmi foto.jpg", all.as_str()),
            (&["-i", "::1"], "8090\nmi foto.jpg\n", &format!("{PORT}\n{PATH}\n")),
            (&["-p", "8090", "-f", "mi foto.jpg"], "::1\n", &format!("{HOST}\n")),
            (&["-i", "::1", "-p", "8090", "-f", "mi foto.jpg"], "", ""),
            (&[], "http://[::1]:8090/\nmi foto.jpg\n", &format!("{HOST}\n{PATH}\n")),
            (&["-p", "8090"], "[::1]:1\nmi foto.jpg\n", &format!("{HOST}\n{PATH}\n")),
        ] {
            let (result, output) = ask(arguments, input.as_bytes(), false);
            assert_eq!(
                result,
                Ok((ServerAddress::new("::1".into(), 8090), "mi foto.jpg".into())),
                "{input:?}"
            );
            assert_eq!(output, asked);
        }
    }

    #[test]
    fn a_path_is_bytes() {
        let (result, _) = ask(&["-i", "a", "-p", "1"], b" \xff.jpg \n", false);
        assert_eq!(result.unwrap().1.as_os_str().as_bytes(), b" \xff.jpg ");
    }

    #[test]
    fn answers_are_read_as_shells_and_file_managers_write_them() {
        let home = Path::new("/casa/ana");
        for (answer, expected) in [
            (" foto.jpg ", "foto.jpg"),
            ("'mi foto.jpg'", "mi foto.jpg"),
            ("\"mi foto.jpg\" ", "mi foto.jpg"),
            ("mi\\ foto\\(1\\).jpg", "mi foto(1).jpg"),
            ("~/fotos/a b.jpg", "/casa/ana/fotos/a b.jpg"),
            ("'~/a.jpg'", "/casa/ana/a.jpg"),
            ("~", "/casa/ana/"),
            ("file:///tmp/mi%20foto.jpg", "/tmp/mi foto.jpg"),
        ] {
            let readings = readings(answer.as_bytes(), Some(home));
            assert!(readings.contains(&PathBuf::from(expected)), "{answer}: {readings:?}");
        }
        assert!(!readings(b"~beto/a.jpg", Some(home)).iter().any(|path| path.starts_with(home)));
        let place = std::env::temp_dir().join(format!("tp2-lectura-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&place).unwrap();
        let odd = place.join("'mía' .jpg");
        std::fs::write(&odd, "P").unwrap();
        // What there is goes before every reading.
        assert_eq!(find(odd.as_os_str(), None), odd);
        let quoted = format!("  \"{}\"", odd.display());
        assert_eq!(find(OsStr::new(&quoted), None), odd);
        assert_eq!(find(OsStr::new("'no.jpg'"), None), Path::new("'no.jpg'"));
        std::fs::remove_dir_all(&place).unwrap();
    }

    #[test]
    fn a_pipe_that_ends_or_errs_is_told_so() {
        for (input, complaint) in [
            (&b""[..], "la entrada terminó sin respuesta a «Ingrese la IP del servidor»"),
            (b"::1\n", "la entrada terminó sin respuesta a «Ingrese el puerto del servidor»"),
            (b"::1\n80\n", "la entrada terminó sin respuesta a «Ingrese la ruta de la imagen a procesar»"),
            (b"\n", "la IP debe ser una dirección o un nombre: «»"),
            (b"::1\nabc\n", "el puerto debe ser un número entero de 1 a 65535: «abc»"),
            (b"::1\n80\n\n", "la ruta está vacía"),
        ] {
            assert_eq!(ask(&[], input, false).0, Err(BadUsage(complaint.into())));
        }
    }

    #[test]
    fn a_person_is_asked_again() {
        let (result, output) = ask(&["-i", "a", "-f", "b"], b"abc\n0\n8090\n", true);
        assert_eq!(result, Ok((ServerAddress::new("a".into(), 8090), "b".into())));
        let complaint = |text| format!("el puerto debe ser un número entero de 1 a 65535: «{text}»\n");
        assert_eq!(output, format!("{PORT}{}{PORT}{}{PORT}", complaint("abc"), complaint("0")));
        let place = std::env::temp_dir().join(format!("tp2-pregunta-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&place).unwrap();
        let [none, empty, good] = ["no.jpg", "vacia.jpg", "foto.jpg"].map(|name| place.join(name));
        std::fs::write(&empty, "").unwrap();
        std::fs::write(&good, "P").unwrap();
        let answers = format!("{}\n\n{}\n{}\n", none.display(), empty.display(), good.display());
        let (result, output) = ask(&["-i", "a", "-p", "1"], answers.as_bytes(), true);
        assert_eq!(result, Ok((ServerAddress::new("a".into(), 1), good.clone())));
        let none = format!("no se puede leer {}: no existe", none.display());
        let empty = format!("no se puede enviar {}: está vacío", empty.display());
        assert_eq!(output, format!("{PATH}{none}\n{PATH}la ruta está vacía\n{PATH}{empty}\n{PATH}"));
        // What is no regular file is not opened here.
        for path in [place.as_path(), Path::new("/dev/null")] {
            let (result, _) = ask(&["-i", "a", "-p", "1"], path.as_os_str().as_bytes(), true);
            assert_eq!(result.unwrap().1, path);
        }
        std::fs::remove_dir_all(&place).unwrap();
        // ^D.
        assert!(ask(&[], b"", true).0.is_err());
    }
}
