//! Where threads run, and where things lie in memory.

#![allow(unsafe_code)]

use std::hint::black_box;
use std::ops::Deref;
use std::sync::OnceLock;
use std::thread;

/// A page to itself: its place in the cache is the same for every lock.
///
/// The value lies in the page's middle, away from the stack's frames, which
/// begin and end at the borders of pages: a store and a load at the same
/// offset in two pages can hold each other up.
#[repr(C, align(4096))]
pub(crate) struct Page<T> {
    _gap: [u8; 2048],
    value: T,
}

impl<T> Page<T> {
    pub(crate) fn new(value: T) -> Box<Self> {
        Box::new(Self { _gap: [0; 2048], value })
    }
}

impl<T> Deref for Page<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// Keeps its value away from its neighbours' cache lines.
#[repr(align(128))]
pub(crate) struct Apart<T>(pub(crate) T);

impl<T> Deref for Apart<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}

/// A local variable that aligns its function's stack frame to a page.
#[repr(align(4096))]
pub(crate) struct Frame([u8; 16]);

impl Frame {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self([0; 16])
    }

    /// Makes the variable, and so the alignment, real.
    #[inline(always)]
    pub(crate) fn settle(&self) {
        black_box(&self.0);
    }
}

/// Pins the calling thread, and starts one that sleeps for ever.
pub(crate) fn settle() {
    // Asked before anything is pinned: afterwards it is one.
    cores();
    pin(0);
    thread::spawn(sleeper);
}

fn sleeper() {
    loop {
        thread::park();
    }
}

/// The two cores to run on; fewer where fewer are allowed or known.
fn cores() -> &'static [usize] {
    static CORES: OnceLock<Vec<usize>> = OnceLock::new();
    CORES.get_or_init(|| {
        let mut allowed = affinity::allowed();
        allowed.truncate(2);
        allowed
    })
}

/// Puts the calling thread on the core of a party: they alternate.
pub(crate) fn pin(party: usize) {
    let cores = cores();
    if !cores.is_empty() {
        affinity::pin(cores[party % cores.len()]);
    }
}

/// What the figures depend on.
pub(crate) fn describe() -> String {
    let cores = match cores() {
        [] => "not pinned".to_owned(),
        cores => format!("pinned to cores {cores:?}"),
    };
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().filter(|load| !load.is_empty()).unwrap_or("unknown");
    format!("{cores}, load {load}")
}

#[cfg(target_os = "linux")]
mod affinity {
    const BITS: usize = usize::BITS as usize;
    const WORDS: usize = 1024 / BITS;

    /// A `cpu_set_t`.
    type Mask = [usize; WORDS];

    unsafe extern "C" {
        fn sched_getaffinity(process: i32, size: usize, mask: *mut Mask) -> i32;
        fn sched_setaffinity(process: i32, size: usize, mask: *const Mask) -> i32;
    }

    /// The cores that the calling thread may use; none where that is unknown.
    pub(super) fn allowed() -> Vec<usize> {
        let mut mask: Mask = [0; WORDS];
        // SAFETY: the mask may be written and has the size that is said; 0 is
        // the caller.
        if unsafe { sched_getaffinity(0, size_of::<Mask>(), &mut mask) } != 0 {
            return Vec::new();
        }
        (0..WORDS * BITS).filter(|core| (mask[core / BITS] >> (core % BITS)) & 1 == 1).collect()
    }

    pub(super) fn pin(core: usize) {
        let mut mask: Mask = [0; WORDS];
        mask[core / BITS] |= 1 << (core % BITS);
        // SAFETY: the mask may be read and has the size that is said; 0 is the
        // caller. A refusal leaves the thread where it is.
        unsafe { sched_setaffinity(0, size_of::<Mask>(), &mask) };
    }
}

#[cfg(not(target_os = "linux"))]
mod affinity {
    pub(super) fn allowed() -> Vec<usize> {
        Vec::new()
    }

    pub(super) fn pin(_: usize) {}
}
