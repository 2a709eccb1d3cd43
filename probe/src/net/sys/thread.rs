//! Where a thread runs, and before whom.

use std::io;
use std::mem::{size_of, zeroed};

/// The lowest real-time priority: before every ordinary thread, behind the kernel's own.
const PRIORITY: libc::c_int = 1;

/// A thread that cannot run as asked.
#[derive(Debug, thiserror::Error)]
pub enum ThreadError {
    /// There is no such processor, or this process may not run on it.
    #[error("cannot run on processor {processor}: this process may use {permitted}")]
    Pin {
        /// The number asked for.
        processor: usize,
        /// Those that may be used, as `0-3,8`.
        permitted: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The real-time class is not for this process.
    #[error(
        "cannot run in the real-time class SCHED_FIFO without CAP_SYS_NICE, or a limit on real-time priorities (RLIMIT_RTPRIO) of 1 or more"
    )]
    RealTime(#[source] io::Error),
}

/// Keeps the calling thread on one processor, counted from 0 as `/proc/cpuinfo` counts them.
///
/// # Errors
/// When there is none of that number, or this process may not use it. The thread then runs where it did.
pub fn pin_to(processor: usize) -> Result<(), ThreadError> {
    let refused = |source| ThreadError::Pin {
        processor,
        permitted: ranges(&processors()),
        source,
    };
    if processor >= libc::CPU_SETSIZE as usize {
        return Err(refused(io::Error::from_raw_os_error(libc::EINVAL)));
    }
    // SAFETY: all-zero is the empty set: a plain array of integers.
    let mut set: libc::cpu_set_t = unsafe { zeroed() };
    // SAFETY: CPU_SET writes one bit inside the set, with whose size the number was compared.
    unsafe { libc::CPU_SET(processor, &mut set) };
    // SAFETY: the set is a live local of the stated size, which the kernel only reads; 0 is the calling thread.
    let result =
        unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) };
    if result < 0 {
        Err(refused(io::Error::last_os_error()))
    } else {
        Ok(())
    }
}

/// The processors that the calling thread may run on, in order; none when the kernel does not tell.
pub fn processors() -> Vec<usize> {
    // SAFETY: all-zero is the empty set.
    let mut set: libc::cpu_set_t = unsafe { zeroed() };
    // SAFETY: the set is a live local of the stated size, which the kernel fills; 0 is the calling thread.
    let result = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) };
    if result < 0 {
        return Vec::new();
    }
    (0..libc::CPU_SETSIZE as usize)
        // SAFETY: CPU_ISSET reads one bit inside the set, whose size bounds the number.
        .filter(|&processor| unsafe { libc::CPU_ISSET(processor, &set) })
        .collect()
}

/// Lets the calling thread run before every ordinary one as soon as it is ready (`SCHED_FIFO`, lowest priority). A
/// thread that never waits must not ask for this: it would leave its processor to nobody.
///
/// Threads that it starts are ordinary again.
///
/// # Errors
/// When this process may not; the thread then runs as it did.
pub fn real_time() -> Result<(), ThreadError> {
    // SAFETY: all-zero is a valid sched_param: plain integers.
    let mut parameters: libc::sched_param = unsafe { zeroed() };
    parameters.sched_priority = PRIORITY;
    // SAFETY: the parameters are a live local, which the kernel only reads; 0 is the calling thread.
    let result = unsafe {
        libc::sched_setscheduler(
            0,
            libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK,
            &raw const parameters,
        )
    };
    if result < 0 {
        Err(ThreadError::RealTime(io::Error::last_os_error()))
    } else {
        Ok(())
    }
}

/// Numbers in order, as the kernel writes lists of processors.
fn ranges(numbers: &[usize]) -> String {
    numbers
        .chunk_by(|&one, &next| one + 1 == next)
        .filter_map(|run| Some((*run.first()?, *run.last()?)))
        .map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        })
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_thread_runs_on_its_processor_and_others_run_where_they_did() {
        let before = processors();
        let last = *before.last().expect("a thread runs somewhere");
        let pinned = std::thread::spawn(move || {
            pin_to(last).unwrap();
            processors()
        });
        assert_eq!(pinned.join().unwrap(), [last]);
        assert_eq!(processors(), before);
    }

    #[test]
    fn a_processor_that_is_not_there_is_named_with_those_that_are() {
        for processor in [libc::CPU_SETSIZE as usize - 1, usize::MAX] {
            let said = pin_to(processor).unwrap_err().to_string();
            assert!(
                said.starts_with(&format!("cannot run on processor {processor}: ")),
                "{said}"
            );
            assert!(said.contains(&ranges(&processors())), "{said}");
        }
    }

    #[test]
    fn the_real_time_class_is_had_or_the_error_says_what_it_needs() {
        let thread = std::thread::spawn(|| {
            let asked = real_time();
            // SAFETY: no pointers; 0 is the calling thread.
            (asked, unsafe { libc::sched_getscheduler(0) })
        });
        match thread.join().unwrap() {
            (Ok(()), class) => {
                assert_eq!(class, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK);
            }
            (Err(error), class) => {
                assert_eq!(class, libc::SCHED_OTHER);
                assert!(error.to_string().contains("CAP_SYS_NICE"), "{error}");
            }
        }
    }

    #[test]
    fn processors_are_listed_as_the_kernel_lists_them() {
        for (numbers, told) in [
            (vec![], ""),
            (vec![3], "3"),
            (vec![0, 1, 2, 5, 7, 8], "0-2,5,7-8"),
        ] {
            assert_eq!(ranges(&numbers), told);
        }
    }
}
