//! The system calls a confined child may make, as a table, and the table as a program for the kernel.
//!
//! The program first checks the architecture, because the same number is another call elsewhere; then it goes down
//! the table. Every other call kills the process (SIGSYS, which the parent logs). A child that served jobs of every
//! size needed read, writev, sendto and the memory calls; the others are for its deadline, its per-job limit, the
//! orderly end of a connection, and an abort that can still print its reason.
//!
//! `open` and `stat` fail with EACCES instead, as in OpenSSH's sandbox: a library that looks into /proc for tuning
//! goes on without it instead of dying.

use crate::sys::{Instruction, Pid};

/// When a listed call is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Always,
    /// Argument (0 to 5) has none of these bits.
    Without(u32, u32),
    /// Argument (0 to 5) equals this.
    Equals(u32, u32),
    /// The first argument is this process's own id.
    Own,
    /// It sets the niceness of the caller, to the one that the filter was made with.
    StepBack,
}

/// What is asked of the low half of an argument.
enum Test {
    HasNone(u32),
    Is(u32),
}

const PRIO_PROCESS: u32 = 0;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e; // AUDIT_ARCH_X86_64
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7; // AUDIT_ARCH_AARCH64
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("the filter knows the system calls of x86_64 and aarch64 alone");

const NO_EXECUTION: When = When::Without(2, libc::PROT_EXEC.cast_unsigned());
/// prlimit64 of process 0, which is the caller.
const ONESELF: When = When::Equals(0, 0);

/// The most frequent first: the kernel goes down the list on each call.
const ALLOWED: &[(libc::c_long, When)] = &[
    // The work.
    (libc::SYS_read, When::Always),
    (libc::SYS_writev, When::Always),
    (libc::SYS_write, When::Always),
    // send(2) to its own connection, and only without blocking. (An address has no effect: its sockets are connected
    // streams.)
    (libc::SYS_sendto, When::Equals(3, crate::sys::SEND_NOW.cast_unsigned())),
    (libc::SYS_brk, When::Always),
    (libc::SYS_mmap, NO_EXECUTION),
    (libc::SYS_munmap, When::Always),
    (libc::SYS_mremap, When::Always),
    (libc::SYS_mprotect, NO_EXECUTION),
    (libc::SYS_madvise, When::Always),
    // Deadline and limits of a job. glibc's alarm(3) uses the call of that name where there is one; elsewhere, and in
    // musl, it uses the real-time timer.
    #[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
    (libc::SYS_alarm, When::Always),
    #[cfg(not(all(target_arch = "x86_64", target_env = "gnu")))]
    (libc::SYS_setitimer, When::Equals(0, libc::ITIMER_REAL.cast_unsigned())),
    (libc::SYS_rt_sigprocmask, When::Always),
    (libc::SYS_clock_gettime, When::Always),
    (libc::SYS_prlimit64, ONESELF),
    // A child that gets a large picture makes way for others.
    (libc::SYS_setpriority, When::StepBack),
    // The end of a connection, and of the process.
    (libc::SYS_shutdown, When::Always),
    (libc::SYS_exit_group, When::Always),
    (libc::SYS_exit, When::Always),
    // A panic or an abort: the lock around the message, then the signal to this process.
    (libc::SYS_futex, When::Always),
    (libc::SYS_getpid, When::Always),
    (libc::SYS_gettid, When::Always),
    #[cfg(not(target_env = "musl"))]
    (libc::SYS_tgkill, When::Own),
    // musl's raise names the thread only: this process has one, whose id is its own.
    #[cfg(target_env = "musl")]
    (libc::SYS_tkill, When::Own),
    (libc::SYS_rt_sigaction, When::Always),
    (libc::SYS_rt_sigreturn, When::Always),
    (libc::SYS_restart_syscall, When::Always),
];

/// Fail with EACCES.
const DENIED: &[libc::c_long] = &[
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    libc::SYS_openat,
    libc::SYS_openat2,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    libc::SYS_faccessat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    libc::SYS_readlinkat,
];

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;
const DENY: u32 = libc::SECCOMP_RET_ERRNO | libc::EACCES.cast_unsigned();

/// The filter for the process `own`, whose id is part of the program, as is the only niceness that it may set.
#[must_use]
pub fn program(own: Pid, niceness: i32) -> Vec<Instruction> {
    let own = own.number().cast_unsigned();
    let mut program =
        vec![load(OFFSET_ARCHITECTURE), skip_if_equal(ARCHITECTURE), verdict(KILL), load(OFFSET_NUMBER)];
    for &(call, when) in ALLOWED {
        // Each with the argument that it is about.
        let conditions = match when {
            When::Always => vec![],
            When::Without(argument, bits) => vec![(argument, Test::HasNone(bits))],
            When::Equals(argument, value) => vec![(argument, Test::Is(value))],
            When::Own => vec![(0, Test::Is(own))],
            When::StepBack => {
                vec![(0, Test::Is(PRIO_PROCESS)), (1, Test::Is(0)), (2, Test::Is(niceness.cast_unsigned()))]
            }
        };
        if conditions.is_empty() {
            program.extend([skip_unless_equal(number(call), 1), verdict(ALLOW)]);
            continue;
        }
        // Each branch returns the call's own verdict: the number is gone from the accumulator.
        let steps = 2 * u8::try_from(conditions.len()).unwrap_or(u8::MAX / 4);
        program.push(skip_unless_equal(number(call), steps + 2));
        for (place, (argument, test)) in (0..steps).step_by(2).zip(conditions) {
            // The other conditions, and the verdict behind them.
            let skip = steps - place - 1;
            program.push(load(OFFSET_ARGUMENTS + 8 * argument));
            program.push(match test {
                Test::HasNone(bits) => skip_if_any(bits, skip),
                Test::Is(value) => skip_unless_equal(value, skip),
            });
        }
        program.extend([verdict(ALLOW), verdict(KILL)]);
    }
    for &call in DENIED {
        program.extend([skip_unless_equal(number(call), 1), verdict(DENY)]);
    }
    program.push(verdict(KILL));
    program
}

// Offsets in the kernel's `struct seccomp_data` (all little-endian machines here: the low half of an argument first).
const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCHITECTURE: u32 = 4;
const OFFSET_ARGUMENTS: u32 = 16;

/// Accumulator := the 32 bits at this offset.
const fn load(offset: u32) -> Instruction {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset)
}

/// Goes on if the accumulator is `value`, else skips that many instructions.
const fn skip_unless_equal(value: u32, skip: u8) -> Instruction {
    instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, skip, value)
}

const fn skip_if_equal(value: u32) -> Instruction {
    instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, 0, value)
}

/// Goes on if the accumulator has none of `bits`, else skips that many instructions.
const fn skip_if_any(bits: u32, skip: u8) -> Instruction {
    instruction(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, skip, 0, bits)
}

const fn verdict(action: u32) -> Instruction {
    instruction(libc::BPF_RET | libc::BPF_K, 0, 0, action)
}

#[expect(clippy::cast_possible_truncation, reason = "operation codes of classic BPF are 16 bits wide")]
const fn instruction(code: u32, jump_true: u8, jump_false: u8, operand: u32) -> Instruction {
    Instruction { code: code as u16, jump_true, jump_false, operand }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of system calls are below 600"
)]
const fn number(call: libc::c_long) -> u32 {
    call as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys;

    const MMAP: u32 = number(libc::SYS_mmap);
    const OPENAT: u32 = number(libc::SYS_openat);
    const NICENESS: i32 = -3;

    /// The kernel's verdict: interprets classic BPF, as far as the program uses it. Panics on any other instruction,
    /// on a jump out of the program, and on a load out of the data.
    fn verdict_on(architecture: u32, number: u32, arguments: [u64; 6]) -> u32 {
        let mut data = [number, architecture, 0, 0].map(u32::to_le_bytes).concat();
        data.extend(arguments.map(u64::to_le_bytes).concat());
        let program = program(sys::own_pid(), NICENESS);
        let (mut accumulator, mut at) = (0, 0);
        loop {
            let Instruction { code, jump_true, jump_false, operand } = program[at];
            at += 1;
            match u32::from(code) {
                0x20 => {
                    let word = &data[operand as usize..][..4];
                    accumulator = u32::from_le_bytes(word.try_into().unwrap());
                }
                0x15 => at += usize::from(if accumulator == operand { jump_true } else { jump_false }),
                0x45 => at += usize::from(if accumulator & operand != 0 { jump_true } else { jump_false }),
                0x06 => return operand,
                other => panic!("operation {other:#x}"),
            }
        }
    }

    fn here(number: u32, arguments: [u64; 6]) -> u32 {
        verdict_on(ARCHITECTURE, number, arguments)
    }

    #[test]
    fn another_architecture_dies_whatever_it_calls() {
        for architecture in [0, 0x4000_0003, 0x4000_0028, ARCHITECTURE ^ 1, u32::MAX] {
            for call in 0..600 {
                assert_eq!(verdict_on(architecture, call, [0; 6]), KILL);
            }
        }
    }

    #[test]
    fn what_is_not_in_the_tables_dies() {
        let listed: Vec<u32> =
            ALLOWED.iter().map(|&(call, _)| call).chain(DENIED.iter().copied()).map(number).collect();
        for call in (0..1000).filter(|call| !listed.contains(call)) {
            assert_eq!(here(call, [0; 6]), KILL, "call {call}");
        }
        for call in listed {
            // x32: the same numbers with bit 30.
            assert_eq!(here(call | 0x4000_0000, [0; 6]), KILL, "call {call} of x32");
        }
        for call in [
            libc::SYS_socket,
            libc::SYS_clone,
            libc::SYS_clone3,
            libc::SYS_execve,
            libc::SYS_kill,
            libc::SYS_ptrace,
        ] {
            assert_eq!(here(number(call), [0; 6]), KILL);
        }
    }

    #[test]
    fn memory_is_never_executable() {
        for call in [libc::SYS_mmap, libc::SYS_mprotect].map(number) {
            for protection in 0..8 {
                let expected = if protection & 4 == 0 { ALLOW } else { KILL };
                assert_eq!(
                    here(call, [0, 4096, protection, 0x22, u64::MAX, 0]),
                    expected,
                    "call {call}, {protection}"
                );
            }
        }
        assert_eq!(here(MMAP, [4; 6]), KILL);
    }

    #[test]
    fn signals_and_limits_are_for_oneself_alone() {
        let own = u64::from(sys::own_pid().number().cast_unsigned());
        let (signal, other_signal) = if cfg!(target_env = "musl") {
            (number(libc::SYS_tkill), number(libc::SYS_tgkill))
        } else {
            (number(libc::SYS_tgkill), number(libc::SYS_tkill))
        };
        let prlimit64 = number(libc::SYS_prlimit64);
        assert_eq!(here(signal, [own, own, 6, 0, 0, 0]), ALLOW);
        for other in [0, 1, own + 1, u64::MAX] {
            assert_eq!(here(signal, [other, own, 6, 0, 0, 0]), KILL);
        }
        assert_eq!(here(other_signal, [own, own, 6, 0, 0, 0]), KILL, "the call of another C library");
        assert_eq!(here(prlimit64, [0; 6]), ALLOW);
        for other in [1, own] {
            assert_eq!(here(prlimit64, [other, 0, 0, 0, 0, 0]), KILL);
        }
    }

    #[test]
    #[cfg(not(all(target_arch = "x86_64", target_env = "gnu")))]
    fn the_only_timer_is_that_of_real_time() {
        let setitimer = number(libc::SYS_setitimer);
        assert_eq!(here(setitimer, [0; 6]), ALLOW);
        for other in [1, 2, 3] {
            assert_eq!(here(setitimer, [other, 0, 0, 0, 0, 0]), KILL);
        }
    }

    #[test]
    fn only_the_caller_makes_way_and_only_as_far_as_was_said() {
        let setpriority = number(libc::SYS_setpriority);
        let told = u64::from(NICENESS.cast_unsigned());
        assert_eq!(here(setpriority, [0, 0, told, 0, 0, 0]), ALLOW);
        for other in [[1, 0, told], [2, 0, told], [0, 1, told], [0, 0, 0], [0, 0, told - 1], [0, 0, told + 1]]
        {
            let [which, who, niceness] = other;
            assert_eq!(here(setpriority, [which, who, niceness, 0, 0, 0]), KILL, "{other:?}");
        }
    }

    #[test]
    fn a_send_never_waits() {
        let sendto = number(libc::SYS_sendto);
        let flags = u64::from(sys::SEND_NOW.cast_unsigned());
        assert_eq!(here(sendto, [1, 4096, 10, flags, 0, 0]), ALLOW);
        for other in [0, 0x40, 0x4000, flags | 1, flags | 0x2000_0000] {
            assert_eq!(here(sendto, [1, 4096, 10, other, 0, 0]), KILL);
        }
    }

    #[test]
    fn files_are_refused_without_a_death_and_the_work_is_allowed() {
        assert_eq!(here(OPENAT, [0; 6]), DENY);
        assert_eq!(DENY & 0xffff, 13);
        for &call in DENIED {
            assert_eq!(here(number(call), [0; 6]), DENY);
        }
        for &(call, when) in ALLOWED.iter().filter(|(_, when)| *when == When::Always) {
            assert_eq!(here(number(call), [u64::MAX; 6]), ALLOW, "{call} {when:?}");
        }
    }
}
