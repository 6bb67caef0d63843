//! Tasks at locks in a segment, on an executor and polled by hand.

#![cfg(all(feature = "shm", feature = "async", target_os = "linux", target_has_atomic = "64"))]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures_core::FusedFuture;
use portunus::ConvertError;
use portunus::rules::{Access, ReadWrite};
use portunus::shm::{
    Condvar, Content, Counter, FifoLock, Mutex, Name, Options, RwLock, RwLockUpgradableReadGuard,
    Segment, Semaphore,
};

/// A segment without a name; the first who waits looks after the dead seldom,
/// so that who is woken was woken by a grant.
fn segment<C: Content>(init: C::Init) -> Segment<C> {
    let options = Options::new().records(64).poll(Duration::from_secs(10));
    Segment::memfd(&options, init).unwrap().0
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Count {
    fn new() -> (Arc<Self>, Waker) {
        let count = Arc::new(Self::default());
        (Arc::clone(&count), Waker::from(count))
    }

    /// Waits for a wake-up.
    fn rings(&self) {
        let start = Instant::now();
        while self.0.load(Ordering::SeqCst) == 0 {
            assert!(start.elapsed() < Duration::from_secs(60), "nobody called the waker");
            thread::yield_now();
        }
    }
}

fn poll<F: Future>(future: std::pin::Pin<&mut F>, waker: &Waker) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(waker)) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

#[test]
fn a_task_is_woken_by_the_grant_and_keeps_its_place() {
    let lock: Segment<FifoLock<ReadWrite>> = segment(());
    let first = lock.acquire(Access::Write).unwrap();
    let (one, one_waker) = Count::new();
    let (two, two_waker) = Count::new();
    let mut a = pin!(lock.acquire_async(Access::Write));
    let mut b = pin!(lock.acquire_async(Access::Read));
    assert!(poll(a.as_mut(), &one_waker).is_none());
    assert!(poll(b.as_mut(), &two_waker).is_none());
    assert_eq!(lock.waiting(), 2);
    drop(first);
    one.rings();
    assert!(poll(b.as_mut(), &two_waker).is_none(), "not its turn");
    assert_eq!(two.0.load(Ordering::SeqCst), 0);
    let hold = poll(a.as_mut(), &one_waker).expect("granted").unwrap();
    drop(hold);
    two.rings();
    assert!(poll(b.as_mut(), &two_waker).expect("granted").is_ok());
    assert!(!lock.is_locked());
}

#[test]
fn a_dropped_future_leaves_wherever_it_is() {
    let lock: Segment<FifoLock<ReadWrite>> = segment(());
    // Before the first poll.
    drop(lock.acquire_async(Access::Write));
    assert!(!lock.is_locked());
    // Queued: those behind it enter.
    let reader = lock.acquire(Access::Read).unwrap();
    let (_, waker) = Count::new();
    let (behind, behind_waker) = Count::new();
    let mut second = pin!(lock.acquire_async(Access::Read));
    {
        let mut writer = pin!(lock.acquire_async(Access::Write));
        assert!(poll(writer.as_mut(), &waker).is_none());
        assert!(poll(second.as_mut(), &behind_waker).is_none());
    }
    behind.rings();
    drop(poll(second.as_mut(), &behind_waker).expect("granted"));
    // Granted and not polled: it is passed on.
    let (granted, waker) = Count::new();
    let (next, next_waker) = Count::new();
    let mut third = pin!(lock.acquire_async(Access::Write));
    {
        let mut writer = pin!(lock.acquire_async(Access::Write));
        assert!(poll(writer.as_mut(), &waker).is_none());
        assert!(poll(third.as_mut(), &next_waker).is_none());
        drop(reader);
        granted.rings();
    }
    next.rings();
    drop(poll(third.as_mut(), &next_waker).expect("granted"));
    assert!(!lock.is_locked());
    assert_eq!(lock.waiting(), 0);
}

#[test]
fn another_waker_takes_the_place_of_the_first() {
    let lock: Segment<FifoLock<ReadWrite>> = segment(());
    let hold = lock.acquire(Access::Write).unwrap();
    let (old, old_waker) = Count::new();
    let (new, new_waker) = Count::new();
    let mut future = pin!(lock.acquire_async(Access::Read));
    assert!(!future.is_terminated());
    assert!(poll(future.as_mut(), &old_waker).is_none());
    assert!(poll(future.as_mut(), &new_waker).is_none());
    assert!(!future.is_terminated());
    drop(hold);
    new.rings();
    assert_eq!(old.0.load(Ordering::SeqCst), 0);
    assert!(poll(future.as_mut(), &new_waker).is_some());
    assert!(future.is_terminated());
}

#[test]
fn conversions_are_awaited_dropped_and_refused() {
    let lock: Segment<FifoLock<ReadWrite>> = segment(());
    let one = lock.acquire(Access::Read).unwrap();
    let two = lock.acquire(Access::Read).unwrap();
    let (count, waker) = Count::new();
    let mut upgrade = pin!(one.convert_async(Access::Write));
    assert!(poll(upgrade.as_mut(), &waker).is_none());
    let mut other = pin!(two.convert_async(Access::Write));
    let Some(Err((two, error))) = poll(other.as_mut(), Waker::noop()) else {
        panic!("two upgrades would wait for each other")
    };
    assert_eq!((error, two.mode()), (ConvertError::Deadlock, Access::Read));
    drop(two);
    count.rings();
    assert!(other.is_terminated() && !upgrade.is_terminated());
    let Some(Ok(writer)) = poll(upgrade.as_mut(), &waker) else { panic!("granted") };
    assert!(upgrade.is_terminated());
    assert_eq!(writer.mode(), Access::Write);
    // A downgrade is ready at once; an upgrade that is dropped lets go.
    let mut down = pin!(writer.convert_async(Access::Read));
    let Some(Ok(reader)) = poll(down.as_mut(), &waker) else { panic!("at once") };
    let beside = lock.acquire(Access::Read).unwrap();
    {
        let mut upgrade = pin!(reader.convert_async(Access::Write));
        assert!(poll(upgrade.as_mut(), &waker).is_none());
        assert_eq!((lock.waiting(), lock.holders(Access::Read)), (1, 2));
    }
    assert_eq!((lock.waiting(), lock.holders(Access::Read)), (0, 1));
    drop(beside);
    assert!(!lock.is_locked());
}

#[test]
fn tasks_and_threads_of_two_attachments_count_together() {
    use std::os::fd::AsFd;
    let (first, fd) = Segment::<Mutex<u64>>::memfd(&Options::new(), 0).unwrap();
    let second = Segment::<Mutex<u64>>::from_fd(fd.as_fd()).unwrap();
    thread::scope(|scope| {
        for segment in [&first, &second] {
            scope.spawn(move || {
                smol::block_on(async {
                    for _ in 0..500 {
                        *segment.lock_async().await.unwrap() += 1;
                        smol::future::yield_now().await;
                    }
                });
            });
            scope.spawn(move || {
                for _ in 0..500 {
                    *segment.lock().unwrap() += 1;
                }
            });
        }
    });
    assert_eq!(*first.lock().unwrap(), 2000);
}

#[test]
fn readers_permits_and_upgrades_are_awaited() {
    let (lock, permits): (Segment<RwLock<u64>>, Segment<Semaphore>) = (segment(1), segment(2));
    smol::block_on(async {
        let (one, two) = (lock.read_async().await.unwrap(), lock.read_async().await.unwrap());
        assert_eq!(*one + *two, 2);
        drop((one, two));
        let seen = lock.upgradable_read_async().await.unwrap();
        *RwLockUpgradableReadGuard::upgrade_async(seen).await += 1;
        *lock.write_async().await.unwrap() += 1;
        assert_eq!(*lock.read_async().await.unwrap(), 3);
        assert!(permits.acquire_many_async(3).await.is_err());
        let both = permits.acquire_many_async(2).await.unwrap().unwrap();
        assert_eq!(permits.available_permits(), 0);
        drop(both);
        assert_eq!(permits.acquire_async().await.unwrap().count(), 1);
    });
    assert!(!lock.is_locked());
}

#[test]
fn a_number_is_awaited_by_tasks_of_several_attachments() {
    let options = Options::new().records(64).poll(Duration::from_secs(10));
    let (ours, fd) = Segment::<Counter>::memfd(&options, 0).unwrap();
    let theirs = Segment::<Counter>::from_fd(std::os::fd::AsFd::as_fd(&fd)).unwrap();
    let (rung, waker) = Count::new();
    let asked = AtomicUsize::new(0);
    let mut future = Box::pin(ours.wait_until_async(|n| {
        asked.fetch_add(1, Ordering::SeqCst);
        n >= 3
    }));
    assert!(poll(future.as_mut(), &waker).is_none());
    for n in 1..=3 {
        let before = rung.0.load(Ordering::SeqCst);
        assert_eq!(theirs.add(1), Ok(n));
        let start = Instant::now();
        while rung.0.load(Ordering::SeqCst) == before {
            assert!(start.elapsed() < Duration::from_secs(60), "nobody called the waker");
            thread::yield_now();
        }
        assert_eq!(poll(future.as_mut(), &waker), (n == 3).then_some(3));
    }
    drop(future);
    assert!(asked.load(Ordering::SeqCst) >= 4);
    // Many on an executor, and one who gives up.
    let given_up = ours.wait_until_async(|n| n == 100);
    drop(given_up);
    thread::scope(|scope| {
        for i in 4..8 {
            let counter = if i % 2 == 0 { &ours } else { &theirs };
            scope.spawn(move || {
                assert_eq!(smol::block_on(counter.wait_until_async(|n| n == i)), i);
                counter.add(1).unwrap();
            });
        }
        ours.add(1).unwrap();
    });
}

/// A process that looks by itself does so every ten seconds.
#[test]
fn a_change_of_a_number_rings_for_each_task_that_waits_for_it() {
    let options = Options::new().records(64).poll(Duration::from_secs(10));
    let (ours, fd) = Segment::<Counter>::memfd(&options, 0).unwrap();
    let theirs = Segment::<Counter>::from_fd(std::os::fd::AsFd::as_fd(&fd)).unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    let play = |number: &Counter, turns: [u64; 2]| {
        for n in (turns[0]..turns[1]).step_by(2) {
            assert_eq!(smol::block_on(number.wait_until_async(|now| now == n)), n);
            assert!(Instant::now() < end, "nobody rings");
            number.add(1).unwrap();
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| play(&theirs, [1, 40]));
        play(&ours, [0, 40]);
    });
}

/// A death is noticed also by the tasks of a process that is woken for others
/// all the time.
#[test]
fn rings_for_others_do_not_put_off_the_look_at_the_dead() {
    type Both = (FifoLock<ReadWrite>, FifoLock<ReadWrite>);
    let name = Name::random();
    let options = Options::new().processes(8).records(64).poll(Duration::from_millis(200));
    let ours: Segment<Both> = Segment::create(&name, &options, ((), ())).unwrap();
    let theirs: Segment<Both> = Segment::open(&name).unwrap();
    // Let go of with a hold inside: as good as dead, once it is gone.
    std::mem::forget(theirs.0.acquire(Access::Write).unwrap());
    let (count, waker) = Count::new();
    let mut waits = pin!(ours.0.acquire_async(Access::Read));
    assert!(poll(waits.as_mut(), &waker).is_none());
    drop(theirs);
    let start = Instant::now();
    while count.0.load(Ordering::SeqCst) == 0 {
        assert!(start.elapsed() < Duration::from_secs(60), "nobody looks after the dead");
        let (other, other_waker) = Count::new();
        let busy = ours.1.acquire(Access::Write).unwrap();
        let mut next = pin!(ours.1.acquire_async(Access::Write));
        assert!(poll(next.as_mut(), &other_waker).is_none());
        drop(busy);
        other.rings();
        drop(poll(next.as_mut(), &other_waker).expect("it was granted"));
    }
    let hold = poll(waits.as_mut(), &waker).expect("the dead one's hold was given back");
    assert!(hold.is_err(), "the death is told");
    drop(hold);
    Segment::unlink(&name).unwrap();
}

/// A waker that panics when it is dropped for the last time.
struct Spiteful(Arc<Count>);

impl Wake for Spiteful {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Spiteful {
    fn drop(&mut self) {
        assert!(thread::panicking(), "the drop of a waker panics");
    }
}

/// Polls a future, which waits then and has the one copy of a spiteful waker.
fn poll_spitefully<F: Future>(future: std::pin::Pin<&mut F>) -> Arc<Count> {
    let (rung, _) = Count::new();
    let waker = Waker::from(Arc::new(Spiteful(Arc::clone(&rung))));
    assert!(poll(future, &waker).is_none());
    rung
}

/// Drops a future that has been polled spitefully, and says whether that
/// panicked: the thread that has called its waker may be the one that drops it.
fn drop_spitefully(future: impl Future) -> bool {
    catch_unwind(AssertUnwindSafe(|| drop(future))).is_err()
}

/// More often than there are records: none is lost.
const MANY: usize = 100;

#[test]
fn a_waker_that_panics_when_dropped_leaves_nobody_in_line_and_nothing_held() {
    let lock: Segment<FifoLock<ReadWrite>> = segment(());
    let mut panicked = 0;
    for _ in 0..MANY {
        // Queued: who was behind it enters.
        let reader = lock.acquire(Access::Read).unwrap();
        let mut queued = Box::pin(lock.acquire_async(Access::Write));
        poll_spitefully(queued.as_mut());
        let (behind, waker) = Count::new();
        let mut second = pin!(lock.acquire_async(Access::Read));
        assert!(poll(second.as_mut(), &waker).is_none());
        assert!(drop_spitefully(queued));
        behind.rings();
        drop(poll(second.as_mut(), &waker).expect("granted"));
        assert_eq!((lock.waiting(), lock.holders(Access::Read)), (0, 1));
        // Granted: it goes to the next.
        let mut granted = Box::pin(lock.acquire_async(Access::Write));
        let rung = poll_spitefully(granted.as_mut());
        let (behind, waker) = Count::new();
        let mut second = pin!(lock.acquire_async(Access::Write));
        assert!(poll(second.as_mut(), &waker).is_none());
        drop(reader);
        rung.rings();
        panicked += usize::from(drop_spitefully(granted));
        behind.rings();
        drop(poll(second.as_mut(), &waker).expect("granted"));
        assert!(!lock.is_locked());
    }
    assert!(panicked > 0, "the other thread was always the last");
}

#[test]
fn a_waker_that_panics_when_dropped_leaves_no_conversion_in_line() {
    let lock: Segment<FifoLock<ReadWrite>> = segment(());
    let mut panicked = 0;
    for _ in 0..MANY {
        let [one, two] = [(), ()].map(|()| lock.acquire(Access::Read).unwrap());
        let mut queued = Box::pin(two.convert_async(Access::Write));
        poll_spitefully(queued.as_mut());
        assert!(drop_spitefully(queued));
        assert_eq!((lock.waiting(), lock.holders(Access::Read)), (0, 1));
        let two = lock.acquire(Access::Read).unwrap();
        let mut granted = Box::pin(two.convert_async(Access::Write));
        let rung = poll_spitefully(granted.as_mut());
        drop(one);
        rung.rings();
        panicked += usize::from(drop_spitefully(granted));
        assert!(!lock.is_locked() && lock.waiting() == 0);
    }
    assert!(panicked > 0, "the other thread was always the last");
}

#[test]
fn a_waker_that_panics_when_dropped_leaves_nobody_at_a_condition() {
    let both: Segment<(Mutex<u32>, Condvar)> = segment((0, ()));
    let (mutex, changed) = &*both;
    let mut panicked = 0;
    for _ in 0..MANY {
        // Waiting: a notification is not for it.
        let mut waiting = Box::pin(changed.wait_async(mutex.lock().unwrap()));
        poll_spitefully(waiting.as_mut());
        assert!(drop_spitefully(waiting));
        assert!(!changed.notify_one() && !mutex.is_locked());
        // Notified, and in the mutex's line; then with the mutex.
        for held in [true, false] {
            let mut waiting = Box::pin(changed.wait_async(mutex.lock().unwrap()));
            let rung = poll_spitefully(waiting.as_mut());
            let (next, waker) = Count::new();
            let mut second = pin!(changed.wait_async(mutex.lock().unwrap()));
            assert!(poll(second.as_mut(), &waker).is_none());
            let guard = mutex.lock().unwrap();
            assert!(changed.notify_one());
            if held {
                assert!(drop_spitefully(waiting));
                assert_eq!((changed.waiting(), mutex.waiting()), (0, 1), "it is passed on");
                drop(guard);
            } else {
                drop(guard);
                rung.rings();
                panicked += usize::from(drop_spitefully(waiting));
            }
            next.rings();
            drop(poll(second.as_mut(), &waker).expect("granted"));
        }
        assert!(!mutex.is_locked() && mutex.waiting() == 0 && changed.waiting() == 0);
    }
    assert!(panicked > 0, "the other thread was always the last");
}

#[test]
fn a_waker_that_panics_when_another_takes_its_place_leaves_that_one_there() {
    let lock: Segment<FifoLock<ReadWrite>> = segment(());
    let hold = lock.acquire(Access::Write).unwrap();
    let mut waits = pin!(lock.acquire_async(Access::Write));
    poll_spitefully(waits.as_mut());
    let (rung, waker) = Count::new();
    let polled = AssertUnwindSafe(|| poll(waits.as_mut(), &waker).is_some());
    assert!(catch_unwind(polled).is_err());
    drop(hold);
    rung.rings();
    assert!(poll(waits.as_mut(), &waker).expect("granted").is_ok());
}

/// Its future is dropped where it stands.
#[test]
fn a_waker_that_panics_when_a_poll_drops_it_leaves_the_grant_to_the_next() {
    let lock: Segment<FifoLock<ReadWrite>> = segment(());
    let mut panicked = 0;
    for _ in 0..MANY {
        let hold = lock.acquire(Access::Write).unwrap();
        let mut waits = Box::pin(lock.acquire_async(Access::Write));
        let rung = poll_spitefully(waits.as_mut());
        drop(hold);
        rung.rings();
        let polled = AssertUnwindSafe(|| poll(waits.as_mut(), Waker::noop()).map(drop));
        panicked += usize::from(catch_unwind(polled).is_err());
        drop(waits);
        assert!(!lock.is_locked() && lock.waiting() == 0);
    }
    assert!(panicked > 0, "the other thread was always the last");
}
