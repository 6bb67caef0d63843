//! Sleeps that signals end, again and again.

use core::ptr;

use core::time::Duration;
use std::sync::mpsc::channel;
use std::thread;

use crate::atomic::{AtomicU32, Ordering};
use crate::rules::{Exclusive, Sole};
use crate::shm::{FifoLock, Name, Options, Segment};

type House = FifoLock<Exclusive>;

extern "C" fn nothing(_: libc::c_int) {}

/// A death is noticed also by a thread that never sleeps for a whole period.
#[test]
fn signals_do_not_put_off_the_look_at_the_dead() {
    // SAFETY: a structure of integers and an optional function, of which zero
    // is a value; the handler does nothing.
    unsafe {
        let mut action: libc::sigaction = core::mem::zeroed();
        action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as usize;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &raw const action, ptr::null_mut()), 0);
    }
    let name = Name::random();
    // The look before the first sleep is over when it begins.
    let options = Options::new().processes(8).records(64).poll(Duration::from_millis(200));
    let ours: Segment<House> = Segment::create(&name, &options, ()).expect("a house");
    {
        let theirs: Segment<House> = Segment::open(&name).expect("a house");
        // Let go of with a hold inside: as good as dead, once it is gone.
        core::mem::forget(theirs.acquire(Sole::Exclusive).expect("free"));
        let (ready, is_ready) = channel();
        let over = AtomicU32::new(0);
        thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                // SAFETY: it has no conditions.
                ready.send(unsafe { libc::pthread_self() }).expect("somebody asks");
                let hold = ours.acquire_for(Sole::Exclusive, Duration::from_secs(60));
                over.store(1, Ordering::SeqCst);
                assert!(hold.is_err(), "the death is told");
            });
            let thread = is_ready.recv().expect("it says who it is");
            while ours.waiting() == 0 {
                thread::yield_now();
            }
            drop(theirs);
            while over.load(Ordering::SeqCst) == 0 && !waiter.is_finished() {
                // SAFETY: the thread is not joined yet.
                unsafe { libc::pthread_kill(thread, libc::SIGUSR1) };
                thread::sleep(Duration::from_millis(1));
            }
        });
    }
    Segment::unlink(&name).expect("it is still there");
}
