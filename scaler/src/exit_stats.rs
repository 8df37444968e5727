//! What tp2's own scaler reports to its owner beside its log: how each child ended, for the counters.
//!
//! One line on its standard error for each end, [`MARK`] and a word of [`Cause`]; no log line begins with this mark.
//! The owner treats any other line as a line of the log.
//!
//! ```
//! use scaler::exit_stats::{Cause, parse};
//! assert_eq!(parse(&Cause::Memory.line()), Some(Cause::Memory));
//! assert_eq!(parse("tp2-scaler: =done"), None);
//! ```

/// First character of such a line.
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
    /// SIGTERM or SIGKILL from the parent, at the end.
    Stopped,
    /// SIGTERM or SIGKILL from another process.
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

    /// Its word.
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

    /// Its line, without the line end.
    #[must_use]
    pub fn line(self) -> String {
        format!("{MARK}{}", self.word())
    }
}

/// The cause in a line; None for a line of the log.
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
