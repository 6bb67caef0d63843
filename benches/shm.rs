//! Locks between processes beside those of the C library and of the kernel, as
//! ratios in one run.
//!
//! ```text
//! cargo bench --features shm --bench shm
//! ```
//!
//! All sides are measured in turn, round by round, and the medians compared.

#![allow(missing_docs, unsafe_code)]
#![allow(clippy::undocumented_unsafe_blocks, clippy::std_instead_of_core)]

#[cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
mod linux {
    use std::fs::File;
    use std::mem::MaybeUninit;
    use std::os::fd::{AsFd, AsRawFd};
    use std::process::{Command, Stdio};
    use std::ptr;
    use std::thread;
    use std::time::{Duration, Instant};

    use portunus::shm::{Handle, Mutex, Name, Options, RwLock, Segment};

    const ROUNDS: usize = 31;
    const PAIRS: u32 = 100_000;

    /// A page that processes share, for the C library's locks.
    fn shared<T>() -> *mut T {
        // SAFETY: a new mapping, which lasts as long as the program.
        let page = unsafe {
            libc::mmap(
                ptr::null_mut(),
                4096,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(page, libc::MAP_FAILED);
        page.cast()
    }

    fn pthread_mutex(robust: bool) -> *mut libc::pthread_mutex_t {
        let mutex = shared();
        let mut kind = MaybeUninit::uninit();
        // SAFETY: initialised in the order that the C library wants.
        unsafe {
            libc::pthread_mutexattr_init(kind.as_mut_ptr());
            libc::pthread_mutexattr_setpshared(kind.as_mut_ptr(), libc::PTHREAD_PROCESS_SHARED);
            if robust {
                libc::pthread_mutexattr_setrobust(kind.as_mut_ptr(), libc::PTHREAD_MUTEX_ROBUST);
            }
            assert_eq!(libc::pthread_mutex_init(mutex, kind.as_ptr()), 0);
        }
        mutex
    }

    fn nanoseconds(pairs: u32, mut pair: impl FnMut()) -> f64 {
        let start = Instant::now();
        for _ in 0..pairs {
            pair();
        }
        start.elapsed().as_nanos() as f64 / f64::from(pairs)
    }

    fn median(mut all: Vec<f64>) -> f64 {
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    }

    type Side<'a> = (&'a str, Box<dyn FnMut() -> f64 + 'a>);

    /// Measures all sides in turn; each beside the one at `base`.
    fn compare(title: &str, base: usize, rounds: usize, mut sides: Vec<Side<'_>>) {
        let mut all = vec![Vec::new(); sides.len()];
        for _ in 0..rounds {
            for (side, times) in sides.iter_mut().zip(&mut all) {
                times.push(side.1());
            }
        }
        let medians: Vec<_> = all.into_iter().map(median).collect();
        println!("\n{title}");
        for ((name, _), time) in sides.iter().zip(&medians) {
            println!("  {name:<44} {time:>12.1} ns   {:>6.2}", time / medians[base]);
        }
    }

    fn uncontended() {
        let mutex: Segment<Mutex<u64>> = Segment::memfd(&Options::new(), 0).unwrap().0;
        let lock: Segment<RwLock<u64>> = Segment::memfd(&Options::new(), 0).unwrap().0;
        let (robust, plain) = (pthread_mutex(true), pthread_mutex(false));
        let semaphore: *mut libc::sem_t = shared();
        let rwlock: *mut libc::pthread_rwlock_t = shared();
        // SAFETY: as above.
        unsafe {
            assert_eq!(libc::sem_init(semaphore, 1, 1), 0);
            let mut kind = MaybeUninit::uninit();
            libc::pthread_rwlockattr_init(kind.as_mut_ptr());
            libc::pthread_rwlockattr_setpshared(kind.as_mut_ptr(), libc::PTHREAD_PROCESS_SHARED);
            assert_eq!(libc::pthread_rwlock_init(rwlock, kind.as_ptr()), 0);
        }
        let path = std::env::temp_dir().join(Name::random().as_str());
        let file = File::create(&path).unwrap();
        // SAFETY: each is taken and given back by this thread.
        compare(
            "uncontended pair, of a robust pthread mutex",
            0,
            ROUNDS,
            vec![
                (
                    "pthread mutex, robust",
                    Box::new(|| {
                        nanoseconds(PAIRS, || unsafe {
                            libc::pthread_mutex_lock(robust);
                            libc::pthread_mutex_unlock(robust);
                        })
                    }),
                ),
                (
                    "pthread mutex, shared",
                    Box::new(|| {
                        nanoseconds(PAIRS, || unsafe {
                            libc::pthread_mutex_lock(plain);
                            libc::pthread_mutex_unlock(plain);
                        })
                    }),
                ),
                ("shm::Mutex", Box::new(|| nanoseconds(PAIRS, || drop(mutex.lock())))),
                ("shm::RwLock, read", Box::new(|| nanoseconds(PAIRS, || drop(lock.read())))),
                ("shm::RwLock, write", Box::new(|| nanoseconds(PAIRS, || drop(lock.write())))),
                (
                    "pthread rwlock, shared, read",
                    Box::new(|| {
                        nanoseconds(PAIRS, || unsafe {
                            libc::pthread_rwlock_rdlock(rwlock);
                            libc::pthread_rwlock_unlock(rwlock);
                        })
                    }),
                ),
                (
                    "sem_t, shared",
                    Box::new(|| {
                        nanoseconds(PAIRS, || unsafe {
                            libc::sem_wait(semaphore);
                            libc::sem_post(semaphore);
                        })
                    }),
                ),
                (
                    "flock",
                    Box::new(|| {
                        nanoseconds(PAIRS / 20, || unsafe {
                            libc::flock(file.as_raw_fd(), libc::LOCK_EX);
                            libc::flock(file.as_raw_fd(), libc::LOCK_UN);
                        })
                    }),
                ),
            ],
        );
        std::fs::remove_file(path).unwrap();
    }

    fn values() {
        let (small, large) = (Handle::new([1_u64; 8]).unwrap(), Handle::new([1_u64; 512]).unwrap());
        compare(
            "Handle, of its get of 64 bytes",
            0,
            ROUNDS,
            vec![
                ("get 64 bytes", Box::new(|| nanoseconds(20_000, || drop(small.get())))),
                ("set 64 bytes", Box::new(|| nanoseconds(20_000, || drop(small.set([2; 8]))))),
                ("get 4 KiB", Box::new(|| nanoseconds(20_000, || drop(large.get())))),
                ("set 4 KiB", Box::new(|| nanoseconds(20_000, || drop(large.set([2; 512]))))),
            ],
        );
        small.unlink().unwrap();
        large.unlink().unwrap();
    }

    /// Two threads with an attachment each take turns.
    fn handover() {
        let (first, fd) = Segment::<Mutex<u64>>::memfd(&Options::new(), 0).unwrap();
        let second = Segment::<Mutex<u64>>::from_fd(fd.as_fd()).unwrap();
        let ours = || {
            const EACH: u64 = 20_000;
            let start = Instant::now();
            thread::scope(|scope| {
                for segment in [&first, &second] {
                    scope.spawn(move || {
                        for _ in 0..EACH {
                            *segment.lock().unwrap() += 1;
                        }
                    });
                }
            });
            start.elapsed().as_nanos() as f64 / (2 * EACH) as f64
        };
        let asleep = || {
            const EACH: u32 = 500;
            let [ping, pong]: [*mut libc::sem_t; 2] = [shared(), shared()];
            // SAFETY: both are initialised before they are used.
            unsafe {
                libc::sem_init(ping, 1, 1);
                libc::sem_init(pong, 1, 0);
            }
            let start = Instant::now();
            thread::scope(|scope| {
                for (mine, theirs) in [(ping, pong), (pong, ping)] {
                    let (mine, theirs) = (mine as usize, theirs as usize);
                    scope.spawn(move || {
                        for _ in 0..EACH {
                            // SAFETY: they last as long as the program.
                            unsafe {
                                libc::sem_wait(mine as *mut _);
                                libc::sem_post(theirs as *mut _);
                            }
                        }
                    });
                }
            });
            start.elapsed().as_nanos() as f64 / f64::from(2 * EACH)
        };
        compare(
            "handover between two, of one that sleeps",
            0,
            9,
            vec![
                ("two sem_t, asleep each time", Box::new(asleep)),
                ("shm::Mutex, first come, first served", Box::new(ours)),
            ],
        );
    }

    /// From the death of a holder to the next one's entry.
    fn death() {
        let name = Name::random();
        let mutex: Segment<Mutex<u64>> = Segment::create(&name, &Options::new(), 0).unwrap();
        let mut times = Vec::new();
        for _ in 0..200 {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .env("PORTUNUS_BENCH_HOLDER", name.as_str())
                .stdin(Stdio::null())
                .spawn()
                .unwrap();
            while !mutex.is_locked() {
                thread::yield_now();
            }
            let taken = thread::scope(|scope| {
                let next = scope.spawn(|| {
                    let mut guard = match mutex.lock() {
                        Ok(_) => panic!("the death is reported"),
                        Err(died) => died.into_inner(),
                    };
                    let now = Instant::now();
                    guard.mark_consistent();
                    now
                });
                while mutex.waiting() == 0 {
                    thread::yield_now();
                }
                // Anywhere in the period of the waiter's looks.
                thread::sleep(Duration::from_micros(7_000 + 97 * times.len() as u64));
                let killed = Instant::now();
                child.kill().unwrap();
                next.join().unwrap().saturating_duration_since(killed)
            });
            child.wait().unwrap();
            times.push(taken);
        }
        Segment::unlink(&name).unwrap();
        times.sort_unstable();
        println!("\nfrom the death of a holder to the next owner, looking every 20 ms");
        let at = |percent: usize| times[(times.len() - 1) * percent / 100];
        println!("  median {:?}, p99 {:?}, longest {:?}", at(50), at(99), at(100));
    }

    pub(super) fn main() {
        if let Ok(name) = std::env::var("PORTUNUS_BENCH_HOLDER") {
            let mutex: Segment<Mutex<u64>> = Segment::open(&Name::new(name).unwrap()).unwrap();
            let _guard = mutex.lock();
            thread::sleep(Duration::from_secs(60));
            return;
        }
        uncontended();
        values();
        handover();
        death();
    }
}

#[cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
fn main() {
    // `cargo test --benches` only builds it.
    if std::env::args().any(|argument| argument == "--bench")
        || std::env::var("PORTUNUS_BENCH_HOLDER").is_ok()
    {
        linux::main();
    }
}

#[cfg(not(all(feature = "shm", target_os = "linux", target_has_atomic = "64")))]
fn main() {}
