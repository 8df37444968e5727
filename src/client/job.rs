//! What is to be done with the named paths. Pure: whether one is a directory comes in as an argument.
//!
//! | paths | without `-o` | `-o` a file, or `-` | `-o` a directory |
//! | --- | --- | --- | --- |
//! | one picture | single | single | batch; single if it came by `-f` alone and the directory is there |
//! | several pictures | refused | batch, unless it is `-` | batch |
//! | folders | the bank | batch, unless it is `-` | batch |
//! | standard input | single | single | single |
use std::path::{Path, PathBuf};

use super::endings::is_unwritten;
use super::options::{BadUsage, Mode, Options, Output};
use crate::http::format::Format;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Job {
    /// Folders into the bank.
    Bank(Vec<PathBuf>),
    /// Pictures and folders, with results below this directory.
    Batch(Vec<PathBuf>, PathBuf),
    /// One picture.
    Single(PathBuf),
    /// One picture from standard input.
    Standard,
}

impl Job {
    /// Whether it asks for missing options.
    pub(super) fn asks(&self) -> bool {
        matches!(self, Self::Single(_))
    }
}

/// Decides.
///
/// # Errors
/// [`BadUsage`]: the options are not good for these paths.
pub(super) fn decide(
    options: &Options,
    paths: &[PathBuf],
    is_directory: impl Fn(&Path) -> bool,
) -> Result<Job, BadUsage> {
    let directory = paths.iter().find(|path| is_directory(path));
    if let Some(Output::Path { path, .. }) = &options.output {
        check_ending(options, path, is_directory(path))?;
    }
    match (paths, directory, &options.output) {
        ([path], None, _) if path == Path::new("-") => Ok(Job::Standard),
        (_, Some(directory), None) if paths.iter().all(|path| is_directory(path)) => {
            check_bank(options, directory).map(|()| Job::Bank(paths.to_vec()))
        }
        ([path], None, None | Some(Output::Standard)) => Ok(Job::Single(path.clone())),
        (_, _, None) => {
            Err(BadUsage("varias imágenes, o imágenes y carpetas, llevan --salida SALIDA/".into()))
        }
        (_, _, Some(Output::Standard)) => {
            Err(BadUsage("--salida - va con una sola imagen, que se escribe en la salida estándar".into()))
        }
        ([path], None, Some(Output::Path { path: output, is_for_many })) => {
            let names_directory =
                output.as_os_str().as_encoded_bytes().ends_with(b"/") || is_directory(output);
            let is_single = options.mode != Mode::Picture || !is_for_many || !names_directory;
            Ok(if is_single { Job::Single(path.clone()) } else { Job::Batch(paths.to_vec(), output.clone()) })
        }
        (_, _, Some(Output::Path { path: output, .. })) => {
            check_batch(options, paths, directory).map(|()| Job::Batch(paths.to_vec(), output.clone()))
        }
    }
}

/// The name of a result says what is in it.
fn check_ending(options: &Options, output: &Path, is_directory: bool) -> Result<(), BadUsage> {
    let names_directory = is_directory || output.as_os_str().as_encoded_bytes().ends_with(b"/");
    if names_directory || options.parameters.format.is_some() || !is_unwritten(output) {
        return Ok(());
    }
    Err(BadUsage(format!(
        "--salida tiene la terminación de un formato que no se escribe: «{}»; se escriben {} (o dígalo con --formato)",
        output.display(),
        Format::names(", ")
    )))
}

fn check_bank(options: &Options, directory: &Path) -> Result<(), BadUsage> {
    let shown = directory.display();
    if let Some(option) = options.only_for_pictures() {
        return Err(BadUsage(format!("{option} no se usa con un directorio: «{shown}»")));
    }
    match options.only_for_results() {
        Some(option) => Err(BadUsage(format!(
            "{option} va con --salida SALIDA/; sin ella «{shown}» va al banco de imágenes"
        ))),
        None => Ok(()),
    }
}

fn check_batch(options: &Options, paths: &[PathBuf], directory: Option<&PathBuf>) -> Result<(), BadUsage> {
    let option = match options.mode {
        Mode::Picture => return Ok(()),
        Mode::Task => "--tarea",
        Mode::Link => "--enlace",
    };
    Err(BadUsage(match directory {
        Some(directory) => format!("{option} no se usa con un directorio: «{}»", directory.display()),
        None => format!("{option} va con una sola imagen, y son {}", paths.len()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::client::options::{ClientCommand, parse};

    /// The job of these arguments; names that begin with `d` are directories.
    fn decided(arguments: &[&str]) -> Result<Job, BadUsage> {
        let Ok(ClientCommand::Send(options)) = parse(arguments.iter().map(Into::into)) else {
            panic!("{arguments:?}")
        };
        decide(&options, &options.paths, |path| path.to_string_lossy().starts_with('d'))
    }

    #[test]
    fn the_table_above() {
        let single = |path: &str| Job::Single(path.into());
        let batch =
            |paths: &[&str], output: &str| Job::Batch(paths.iter().map(Into::into).collect(), output.into());
        for (arguments, job) in [
            (&["-f", "a.jpg"][..], single("a.jpg")),
            (&["a.jpg"], single("a.jpg")),
            (&["-f", "a.jpg", "-o", "b.jpg"], single("a.jpg")),
            (&["-f", "a.jpg", "-o", "dir"], single("a.jpg")),
            (&["a.jpg", "-o", "b.jpg"], single("a.jpg")),
            (&["a.jpg", "-o", "b.heic", "--formato", "jpeg"], single("a.jpg")),
            (&["a.jpg", "-o", "d.heic"], batch(&["a.jpg"], "d.heic")),
            (&["a.jpg", "-o", "b.heic/"], batch(&["a.jpg"], "b.heic/")),
            (&["a.jpg", "-o", "-"], single("a.jpg")),
            (&["a.jpg", "--tarea", "-o", "dir"], single("a.jpg")),
            (&["-f", "a.jpg", "-o", "salida/"], batch(&["a.jpg"], "salida/")),
            (&["a.jpg", "-o", "dir"], batch(&["a.jpg"], "dir")),
            (&["-f", "a.jpg", "--de-nuevo", "-o", "dir"], batch(&["a.jpg"], "dir")),
            (&["a.jpg", "-f", "b.jpg", "-o", "salida"], batch(&["b.jpg", "a.jpg"], "salida")),
            (&["-f", "dir", "-o", "salida"], batch(&["dir"], "salida")),
            (&["dir", "a.jpg", "-o", "salida"], batch(&["dir", "a.jpg"], "salida")),
            (&["-f", "dir"], Job::Bank(vec!["dir".into()])),
            (&["dir", "dos"], Job::Bank(vec!["dir".into(), "dos".into()])),
            (&["-f", "-", "-o", "dir"], Job::Standard),
            (&["-", "-o", "-"], Job::Standard),
        ] {
            assert_eq!(decided(arguments), Ok(job), "{arguments:?}");
        }
    }

    #[test]
    fn what_goes_with_nothing_is_told() {
        for (arguments, complaint) in [
            (&["a.jpg", "b.jpg"][..], "varias imágenes, o imágenes y carpetas, llevan --salida SALIDA/"),
            (
                &["a.jpg", "-o", "b.heic"],
                "--salida tiene la terminación de un formato que no se escribe: «b.heic»; se escriben jpeg, png, webp, gif, bmp, \
                 tiff, pgm (o dígalo con --formato)",
            ),
            (&["dir", "b.jpg"], "varias imágenes, o imágenes y carpetas, llevan --salida SALIDA/"),
            (&["dir", "-o", "-"], "--salida - va con una sola imagen, que se escribe en la salida estándar"),
            (&["dir", "-e", "2"], "--escala no se usa con un directorio: «dir»"),
            (&["dir", "-r"], "--recursivo va con --salida SALIDA/; sin ella «dir» va al banco de imágenes"),
            (&["dir", "--tarea"], "--tarea no se usa con un directorio: «dir»"),
            (&["dir", "--tarea", "-o", "salida"], "--tarea no se usa con un directorio: «dir»"),
            (&["a.jpg", "b.jpg", "--tarea", "-o", "s"], "--tarea va con una sola imagen, y son 2"),
        ] {
            assert_eq!(decided(arguments), Err(BadUsage(complaint.into())), "{arguments:?}");
        }
    }
}
