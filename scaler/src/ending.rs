//! How a child ended: the table from exit code or signal to a log line.
//!
//! Codes are sysexits(3) where it has one. Only ends that are our own fault count for the throttle, not those of the
//! peer.

use crate::exit_stats::Cause;
use crate::sys::{self, Exit};

/// The peer closed between two requests: the normal end.
pub const DONE: u8 = 0;
/// The peer sent no valid request, left in the middle of one, or did not take its answer (`EX_USAGE`).
pub const PEER: u8 = 64;
/// A panic (`EX_SOFTWARE`).
pub const PANIC: u8 = 70;
/// The system refused a call that should never fail (`EX_OSERR`).
pub const SYSTEM: u8 = 71;
/// The parent was gone before the child began.
pub const ORPHAN: u8 = 75;
/// A step of the confinement failed, and all are required (`EX_NOPERM`).
pub const UNCONFINED: u8 = 77;

/// The cause of an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No fault: the work was done, or the parent asked for the end.
    None,
    /// The peer's.
    Peer,
    /// A process other than the parent killed the child.
    Outsider,
    /// Ours, or an attack that was stopped.
    Ours,
}

/// The fault that it counts as; `draining` as for [`describe`].
#[must_use]
pub fn cause(exit: Exit, draining: bool) -> Cause {
    let code = |code: u8| i32::from(code);
    match exit {
        Exit::Code(found) if found == code(DONE) => Cause::Done,
        Exit::Code(found) if found == code(PEER) => Cause::Refused,
        Exit::Code(found) if found == code(PANIC) => Cause::Panic,
        Exit::Code(found) if found == code(UNCONFINED) => Cause::Unconfined,
        Exit::Signal(sys::SIGTERM | sys::SIGKILL) if draining => Cause::Stopped,
        Exit::Signal(sys::SIGTERM | sys::SIGKILL) => Cause::Killed,
        Exit::Signal(sys::SIGALRM) => Cause::Deadline,
        Exit::Signal(sys::SIGSYS) => Cause::Forbidden,
        Exit::Signal(sys::SIGABRT) => Cause::Memory,
        Exit::Signal(sys::SIGXCPU) => Cause::Cpu,
        Exit::Signal(sys::SIGXFSZ) => Cause::File,
        Exit::Signal(sys::SIGSEGV | sys::SIGBUS | sys::SIGILL | sys::SIGFPE) => Cause::Crash,
        Exit::Code(_) | Exit::Signal(_) => Cause::Other,
    }
}

/// The fault, and the cause in words. `draining`: the parent has asked its children to stop.
#[must_use]
pub fn describe(exit: Exit, draining: bool) -> (Fault, String) {
    let code = |code: u8| i32::from(code);
    let (fault, text) = match exit {
        Exit::Code(found) if found == code(DONE) => (Fault::None, "terminado"),
        Exit::Code(found) if found == code(PEER) => {
            (Fault::Peer, "petición rechazada o interrumpida por el cliente")
        }
        Exit::Code(found) if found == code(PANIC) => (Fault::Ours, "pánico"),
        Exit::Code(found) if found == code(SYSTEM) => (Fault::Ours, "error del sistema"),
        Exit::Code(found) if found == code(ORPHAN) => (Fault::Ours, "el padre ya no estaba"),
        Exit::Code(found) if found == code(UNCONFINED) => (Fault::Ours, "no pudo aislarse"),
        Exit::Code(found) => return (Fault::Ours, format!("código {found}, desconocido")),
        Exit::Signal(sys::SIGTERM | sys::SIGKILL) if draining => (Fault::None, "detenido"),
        Exit::Signal(sys::SIGTERM) => (Fault::Outsider, "SIGTERM: detenido desde fuera"),
        Exit::Signal(sys::SIGKILL) => (Fault::Outsider, "SIGKILL: matado desde fuera o por falta de memoria"),
        Exit::Signal(sys::SIGALRM) => (Fault::Peer, "SIGALRM: plazo agotado"),
        Exit::Signal(sys::SIGSYS) => (Fault::Ours, "SIGSYS: llamada al sistema prohibida"),
        Exit::Signal(sys::SIGABRT) => (Fault::Ours, "SIGABRT: límite de memoria"),
        Exit::Signal(sys::SIGXCPU) => (Fault::Ours, "SIGXCPU: límite de procesador"),
        Exit::Signal(sys::SIGXFSZ) => (Fault::Ours, "SIGXFSZ: escritura en un archivo"),
        Exit::Signal(sys::SIGSEGV) => (Fault::Ours, "SIGSEGV: acceso a memoria inválido"),
        Exit::Signal(sys::SIGBUS) => (Fault::Ours, "SIGBUS: acceso a memoria inválido"),
        Exit::Signal(other) => return (Fault::Ours, format!("señal {other}")),
    };
    (fault, text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_counts_as_what_it_is() {
        for (exit, draining, expected) in [
            (Exit::Code(0), false, Cause::Done),
            (Exit::Code(64), false, Cause::Refused),
            (Exit::Code(70), true, Cause::Panic),
            (Exit::Code(3), false, Cause::Other),
            (Exit::Signal(sys::SIGKILL), false, Cause::Killed),
            (Exit::Signal(sys::SIGTERM), true, Cause::Stopped),
            (Exit::Signal(sys::SIGSYS), true, Cause::Forbidden),
            (Exit::Signal(sys::SIGFPE), false, Cause::Crash),
            (Exit::Signal(sys::SIGHUP), false, Cause::Other),
        ] {
            assert_eq!(cause(exit, draining), expected, "{exit:?}");
        }
    }
}
