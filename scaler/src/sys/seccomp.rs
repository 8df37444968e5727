//! seccomp(2): installs a filter program. `sandbox::filter` decides what it allows.

use std::ffi::{c_uint, c_ulong, c_ushort};
use std::io;

/// One instruction of a classic BPF program, as the kernel reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Instructions to skip if a comparison holds.
    pub jump_true: u8,
    /// Instructions to skip if not.
    pub jump_false: u8,
    /// Operand.
    pub operand: u32,
}

const _: () = assert!(
    size_of::<Instruction>() == size_of::<libc::sock_filter>()
        && align_of::<Instruction>() <= align_of::<libc::sock_filter>()
);

/// Applies `program` to every later system call of this process. Needs `forbid_new_privileges` first, or root.
///
/// `SPEC_ALLOW`: the process keeps speculative execution, whose mitigation would slow it down; it holds no secret.
///
/// # Errors
/// As seccomp(2): EINVAL for a kernel without filters or a bad program, EACCES without the condition above.
pub fn install_filter(program: &[Instruction]) -> io::Result<()> {
    let length = c_ushort::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let raw = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut().cast() };
    let (operation, flags): (c_uint, c_ulong) =
        (libc::SECCOMP_SET_MODE_FILTER, libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW);
    // SAFETY: `raw` describes a live array of `length` instructions of the kernel's layout, which it only reads.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, operation, flags, &raw const raw) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
