//! What the system is asked for: futexes, locks on bytes of a file, mappings,
//! files without a name.
//!
//! # Invariants
//!
//! * **S1** Every pointer that is handed to the system is that of a live Rust
//!   value, or of a mapping that its owner keeps for the time of the call.
//! * **S2** Descriptors are borrowed for the time of the call, and owned ones
//!   come from a call that has just made them.

#![allow(unsafe_code)]

use core::ffi::CStr;
use core::mem;
use core::ptr;
use core::time::Duration;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::world::world;
use crate::atomic::AtomicU32;

/// Where the bytes begin that are locked. Beyond the data, or not: a lock on a
/// byte keeps nobody from it. Small enough for a 32-bit offset.
const LOCKS: i64 = 1 << 30;

/// The byte that serialises attaching, behind the slots' ones.
pub(super) const REGISTRY: u32 = 1 << 20;

#[cfg(target_env = "musl")]
type Range = libc::flock;
#[cfg(not(target_env = "musl"))]
type Range = libc::flock64;

fn range(kind: i32, byte: u32) -> Range {
    // SAFETY: a structure of integers, of which zero is a value.
    let mut range: Range = unsafe { mem::zeroed() };
    range.l_type = kind as _;
    range.l_whence = libc::SEEK_SET as _;
    range.l_start = (LOCKS + i64::from(byte)) as _;
    range.l_len = 1;
    range
}

fn checked(result: i32) -> io::Result<i32> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Calls until no signal came in between.
fn retried(mut call: impl FnMut() -> i32) -> io::Result<i32> {
    loop {
        match checked(call()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Locks a byte for the open file description behind `file`. `false`: another
/// one has it.
pub(super) fn try_lock_byte(file: &File, byte: u32) -> io::Result<bool> {
    let mut range = range(libc::F_WRLCK, byte);
    // SAFETY: S1, S2.
    match retried(|| unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw mut range) }) {
        Ok(_) => Ok(true),
        Err(error) => match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EACCES) => Ok(false),
            _ => Err(error),
        },
    }
}

/// Locks a byte, waiting for it.
pub(super) fn lock_byte(file: &File, byte: u32) -> io::Result<()> {
    let mut range = range(libc::F_WRLCK, byte);
    // SAFETY: S1, S2.
    retried(|| unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLKW, &raw mut range) })?;
    Ok(())
}

/// Unlocks a byte.
pub(super) fn unlock_byte(file: &File, byte: u32) -> io::Result<()> {
    let mut range = range(libc::F_UNLCK, byte);
    // SAFETY: S1, S2.
    retried(|| unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw mut range) })?;
    Ok(())
}

/// Whether another open file description than that of `file` has the byte.
pub(super) fn is_byte_locked(file: &File, byte: u32) -> io::Result<bool> {
    let mut range = range(libc::F_WRLCK, byte);
    // SAFETY: S1, S2.
    retried(|| unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut range) })?;
    Ok(i32::from(range.l_type) != libc::F_UNLCK)
}

/// The kernel's `long`, in its own calls.
#[cfg(all(target_arch = "x86_64", target_pointer_width = "32"))]
type Long = i64;
#[cfg(not(all(target_arch = "x86_64", target_pointer_width = "32")))]
type Long = core::ffi::c_long;

/// How long `SYS_futex` is to sleep. On 32-bit machines that is not the C
/// library's `timespec`, whose seconds may have 64 bits there.
#[repr(C)]
struct FutexTime {
    seconds: Long,
    nanoseconds: Long,
}

/// Sleeps while the word has this value, or until the time is over, a signal
/// comes, or for no reason. `true`: the time was over.
pub(super) fn futex_wait(word: &AtomicU32, value: u32, timeout: Duration) -> bool {
    if let Some(world) = world() {
        return world.sleep(word, value, timeout);
    }
    let time = FutexTime {
        seconds: timeout.as_secs().try_into().unwrap_or(Long::MAX),
        nanoseconds: timeout.subsec_nanos() as _,
    };
    // SAFETY: S1: the word is borrowed, in a mapping that its owner keeps.
    let result = unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT,
            value,
            &raw const time,
            ptr::null::<u32>(),
            0u32,
        )
    };
    result == -1 && io::Error::last_os_error().raw_os_error() == Some(libc::ETIMEDOUT)
}

/// Wakes so many of those who sleep on the word, in any process.
pub(super) fn futex_wake(word: &AtomicU32, count: i32) {
    if let Some(world) = world() {
        return world.wake(word, count);
    }
    // SAFETY: S1, as above. Waking can't fail on a word that is mapped.
    unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, count);
    }
}

/// A mapping of a whole file, shared, which a child of `fork` does not get.
pub(super) fn map(file: &File, len: usize) -> io::Result<*mut u8> {
    // SAFETY: S2; a new mapping wherever there is room.
    let base = unsafe {
        libc::mmap(
            ptr::null_mut(),
            len,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        )
    };
    if base == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the mapping just made.
    if let Err(error) = checked(unsafe { libc::madvise(base, len, libc::MADV_DONTFORK) }) {
        // SAFETY: as above, and nobody has a pointer into it.
        unsafe { libc::munmap(base, len) };
        return Err(error);
    }
    Ok(base.cast())
}

/// # Safety
///
/// A mapping of [`map`] with this length, which nobody uses any more.
pub(super) unsafe fn unmap(base: *mut u8, len: usize) {
    // SAFETY: by this function's contract.
    unsafe { libc::munmap(base.cast(), len) };
}

/// A page of one's own that reads as zero in a child of `fork`.
pub(super) fn forgetful_page() -> io::Result<*mut u8> {
    const LEN: usize = 4096;
    // SAFETY: a new mapping wherever there is room.
    let page = unsafe {
        libc::mmap(
            ptr::null_mut(),
            LEN,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if page == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the mapping just made.
    checked(unsafe { libc::madvise(page, LEN, libc::MADV_WIPEONFORK) })?;
    Ok(page.cast())
}

/// Gives a file its room now: a full file system is an error here, and not a
/// signal later.
pub(super) fn allocate(file: &File, len: u64) -> io::Result<()> {
    let len = libc::off_t::try_from(len).map_err(|_| io::Error::from_raw_os_error(libc::EFBIG))?;
    // SAFETY: S2.
    match retried(|| unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, len) }) {
        Ok(_) => Ok(()),
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Takes room of a file back: what was there reads as zero.
#[allow(dead_code, reason = "of the feature `serde`")]
pub(super) fn release(file: &File, at: u64, len: u64) -> io::Result<()> {
    let end = |end: u64| {
        libc::off_t::try_from(end).map_err(|_| io::Error::from_raw_os_error(libc::EFBIG))
    };
    let (at, len) = (end(at)?, end(len)?);
    let how = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    // SAFETY: S2.
    retried(|| unsafe { libc::fallocate(file.as_raw_fd(), how, at, len) })?;
    Ok(())
}

/// Gives a file without a name this one, which must be free.
pub(super) fn link(file: &File, path: &CStr) -> io::Result<()> {
    let from = std::format!("/proc/self/fd/{}\0", file.as_raw_fd());
    let (at, follow) = (libc::AT_FDCWD, libc::AT_SYMLINK_FOLLOW);
    // SAFETY: S1: both are strings that end with a zero.
    checked(unsafe { libc::linkat(at, from.as_ptr().cast(), at, path.as_ptr(), follow) })?;
    Ok(())
}

/// A file in memory, without a name, of a size that will not change.
pub(super) fn memfd() -> io::Result<OwnedFd> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: S1: a string that ends with a zero.
    let fd = checked(unsafe { libc::memfd_create(c"portunus".as_ptr(), flags) })?;
    // SAFETY: S2.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Nobody can change the size of this file in memory any more.
pub(super) fn seal(file: &File) -> io::Result<()> {
    let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
    // SAFETY: S2.
    checked(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) })?;
    Ok(())
}

/// Who one is, for access to files.
pub(super) fn effective_user() -> u32 {
    // SAFETY: it has no conditions.
    unsafe { libc::geteuid() }
}

/// The magic number of the file system on which the file is.
pub(super) fn filesystem(fd: BorrowedFd<'_>) -> io::Result<u64> {
    // SAFETY: a structure of integers, of which zero is a value.
    let mut found: libc::statfs = unsafe { mem::zeroed() };
    // SAFETY: S1, S2.
    retried(|| unsafe { libc::fstatfs(fd.as_raw_fd(), &raw mut found) })?;
    Ok(found.f_type as u64)
}

/// Milliseconds on the machine's monotonic clock, read cheaply.
pub(super) fn milliseconds() -> u64 {
    if let Some(world) = world() {
        return world.now();
    }
    // SAFETY: a structure of integers, of which zero is a value.
    let mut now: libc::timespec = unsafe { mem::zeroed() };
    // SAFETY: S1. It can't fail for this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut now) };
    now.tv_sec as u64 * 1000 + now.tv_nsec as u64 / 1_000_000
}

/// Sends this thread a signal: the tests' way of dying, or of standing still,
/// right here. (The process's signal might be another thread's to take, and
/// this one go on for a while.)
#[cfg(test)]
pub(super) fn signal_self(signal: i32) {
    // SAFETY: it has no conditions.
    unsafe { libc::raise(signal) };
}
