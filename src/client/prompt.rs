//! Asking for what the command line left open: address, port and picture, in this order.
//!
//! Rules: the questions are asked wherever the answers come from, so that three lines through a pipe do as well as a
//! person. A person who mistypes is asked again, also for a picture that can't be sent; a pipe will not do better the second
//! time, and is told what was wrong.
//! A path is bytes: it need not be UTF-8, and the spaces in it are its own.
use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use scaler::usage;
use scaler::words::InWords;

use super::failure::Failure;
use super::options::{BadUsage, Options};
use super::request::Body;
use super::server::{ServerAddress, parse_host, parse_port};

const HOST: &str = "Ingrese la IP del servidor: ";
const PORT: &str = "Ingrese el puerto del servidor: ";
const PATH: &str = "Ingrese la ruta de la imagen a procesar: ";

/// Somebody who answers, or something.
pub struct Asker<R, W> {
    /// Where answers come from, one a line.
    pub input: R,
    /// Where questions go.
    pub output: W,
    /// A person sits there, and may answer better when asked again.
    pub person: bool,
}

impl<R: BufRead, W: Write> Asker<R, W> {
    /// Address and path, as far as given by `options`, the rest by the answers.
    ///
    /// # Errors
    /// The answers end, or one of a pipe's is wrong: exit 2.
    pub fn complete(&mut self, options: &Options) -> Result<(ServerAddress, PathBuf), BadUsage> {
        let host = match &options.host {
            Some(host) => host.clone(),
            None => self.ask(HOST, |answer| {
                let text = answer.to_string_lossy();
                usage::check_host("la IP", text.trim())?;
                parse_host(text.trim())
                    .ok_or_else(|| format!("la IP debe ser una dirección o un nombre: «{}»", text.trim()))
            })?,
        };
        let port = match options.port {
            Some(port) => port,
            None => self.ask(PORT, |answer| {
                let text = answer.to_string_lossy();
                parse_port(text.trim()).ok_or_else(|| {
                    format!("el puerto debe ser un número entero de 1 a 65535: «{}»", text.trim())
                })
            })?,
        };
        let person = self.person;
        let path = match &options.path {
            Some(path) => path.clone(),
            None => self.ask(PATH, |answer| match Path::new(answer) {
                path if path.as_os_str().is_empty() => Err("la ruta está vacía".into()),
                path if person => check(path).map(|()| path.into()).map_err(|failure| failure.to_string()),
                path => Ok(path.into()),
            })?,
        };
        Ok((ServerAddress::new(host, port), path))
    }

    fn ask<T>(&mut self, question: &str, read: impl Fn(&OsStr) -> Result<T, String>) -> Result<T, BadUsage> {
        let whose = question.trim_end_matches([':', ' ']);
        loop {
            // An output that nobody reads does not keep anybody from answering.
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

/// Whether what is at `path` can be sent, as far as can be told before: a directory and a pipe are opened in their turn.
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

    /// What comes of it, and what was asked.
    fn ask(
        arguments: &[&str],
        input: &[u8],
        person: bool,
    ) -> (Result<(ServerAddress, PathBuf), BadUsage>, String) {
        let mut output = Vec::new();
        let result = Asker { input, output: &mut output, person }.complete(&options(arguments));
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
