//! What an own scaler tells its owner beside its log: how each child ended, to be counted and not read.
//!
//! One line on its standard error for each, [`MARK`] and a word of [`Cause`]; a log line begins with no such mark. The owner
//! believes nothing else: a line that is none of these is a line of the log.
//!
//! ```
//! use scaler::exit_stats::{Cause, parse};
//! assert_eq!(parse(&Cause::Memory.line()), Some(Cause::Memory));
//! assert_eq!(parse("tp2-scaler: =done"), None);
//! ```

/// What such a line begins with.
pub const MARK: char = '=';

/// Why a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The work was done.
    Done,
    /// The peer broke the protocol, a limit, or the connection.
    Refused,
    /// SIGALRM: a job took too long.
    Deadline,
    /// SIGABRT: no more memory.
    Memory,
    /// SIGXCPU: no more processor time.
    Cpu,
    /// SIGSYS: a forbidden system call.
    Forbidden,
    /// SIGXFSZ: a write to a file.
    File,
    /// SIGSEGV, SIGBUS, SIGILL, SIGFPE.
    Crash,
    /// A panic.
    Panic,
    /// It could not be confined.
    Unconfined,
    /// SIGTERM or SIGKILL, from us, at the end.
    Stopped,
    /// SIGTERM or SIGKILL, from somebody else.
    Killed,
    /// Anything else.
    Other,
}

impl Cause {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 13] = [
        Self::Done,
        Self::Refused,
        Self::Deadline,
        Self::Memory,
        Self::Cpu,
        Self::Forbidden,
        Self::File,
        Self::Crash,
        Self::Panic,
        Self::Unconfined,
        Self::Stopped,
        Self::Killed,
        Self::Other,
    ];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Deadline => "deadline",
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Forbidden => "forbidden",
            Self::File => "file",
            Self::Crash => "crash",
            Self::Panic => "panic",
            Self::Unconfined => "unconfined",
            Self::Stopped => "stopped",
            Self::Killed => "killed",
            Self::Other => "other",
        }
    }

    /// The line that tells it, without its end.
    #[must_use]
    pub fn line(self) -> String {
        format!("{MARK}{}", self.word())
    }
}

/// What a line tells; None for a line of the log.
#[must_use]
pub fn parse(line: &str) -> Option<Cause> {
    let word = line.strip_prefix(MARK)?;
    Cause::ALL.into_iter().find(|cause| cause.word() == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_understood_and_nothing_else() {
        for (number, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!((cause as usize, parse(&cause.line())), (number, Some(cause)));
        }
        for line in ["", "=", "done", "=nada", "=done ", " =done", "==done"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
