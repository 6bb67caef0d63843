//! Waits inside a door, and notifications.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use portunus::raw::{RawCondvarAsync, RawMutexAsync, RawRwLockAsync, RawSharedCondvarAsync};
use portunus::{DoorGuard, DoorReadGuard, DoorWriteGuard, sync};

use crate::executor::{Executor, Smol, TokioMulti};
use crate::over::{Door, Over, SharedDoor, SharedOver};
use crate::support::{Hand, PATIENCE, forget, handed_over, panic_of, ready, until, watched};

#[derive(Debug, Default, PartialEq)]
struct State {
    ready: bool,
    processed: bool,
}

/// T-DOOR 4: one waits until it is ready, and processes; the other makes it
/// ready, and waits until it is processed.
fn a_handshake_ends<O: Over>() {
    watched("a handshake", || {
        let door = Door::<O, State>::default();
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut state = door.enter();
                while !state.ready {
                    state.wait();
                }
                state.processed = true;
                state.notify_one();
            });
            let mut state = door.enter();
            state.ready = true;
            state.notify_one();
            state.wait_while(|state| !state.processed);
        });
        assert_eq!(door.into_inner(), State { ready: true, processed: true });
    });
}

/// T-PRIM 7: the worker waits as a writer and notifies as one; the other waits
/// as a reader.
fn a_handshake_of_a_writer_and_a_reader_ends<O: SharedOver>() {
    watched("a handshake", || {
        let door = SharedDoor::<O, State>::default();
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut state = door.write();
                while !state.ready {
                    state.wait();
                }
                state.processed = true;
                state.notify_all();
            });
            let mut state = door.write();
            state.ready = true;
            state.notify_all();
            drop(state);
            let mut state = door.read();
            state.wait_while(|state| !state.processed);
            assert!(state.ready);
        });
    });
}

/// Many turns through one door: every worker waits for its own.
fn a_token_goes_around<O: Over>() {
    const WORKERS: usize = 4;
    watched("a token that goes around", || {
        let door = Door::<O, usize>::new(0);
        thread::scope(|scope| {
            for me in 0..WORKERS {
                let door = &door;
                scope.spawn(move || {
                    for _ in 0..100 {
                        let mut token = door.enter();
                        token.wait_while(|token| *token % WORKERS != me);
                        *token += 1;
                        token.notify_all();
                    }
                });
            }
        });
        assert_eq!(*door.enter(), WORKERS * 100);
    });
}

/// Readers that wait for one thing are inside together when it has come.
fn readers_come_back_together<O: SharedOver>() {
    watched("three readers", || {
        let door = SharedDoor::<O, u32>::new(0);
        let inside = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let mut value = door.read();
                    value.wait_while(|value| *value == 0);
                    assert_eq!(*value, 7);
                    inside.fetch_add(1, Ordering::SeqCst);
                    // Each stays until all are inside.
                    until("the others are inside", || inside.load(Ordering::SeqCst) == 3);
                });
            }
            *door.write() = 7;
            until("all have come", || {
                door.notify_all();
                inside.load(Ordering::SeqCst) == 3
            });
        });
        assert!(!door.is_locked());
    });
}

fn a_panicking_condition_leaves_the_guard_inside<O: Over>() {
    let door = Door::<O, u32>::new(1);
    let mut inside = door.enter();
    assert_eq!(panic_of(|| inside.wait_while(|_| panic!("condition"))), "condition");
    assert!(door.try_enter().is_none());
    *inside += 1;
    drop(inside);
    assert_eq!(door.try_enter().as_deref(), Some(&2));
}

fn an_owned_guard_waits_as_another<O: Over>() {
    watched("a wait of an owned guard", || {
        let door = Arc::new(Door::<O, u32>::new(0));
        let other = Arc::clone(&door);
        let waiter = thread::spawn(move || {
            let mut inside = other.enter_arc();
            drop(other);
            inside.wait_while(|value| *value == 0);
            let seen = *inside;
            inside.notify_all();
            seen
        });
        *door.enter_arc() = 5;
        until("it was seen", || {
            door.notify_one();
            waiter.is_finished()
        });
        assert_eq!(waiter.join().expect("no panic"), 5);
        assert!(!door.is_locked());
    });
}

fn owned_guards_of_a_shared_door_wait_as_others<O: SharedOver>() {
    watched("waits of owned guards", || {
        let door = Arc::new(SharedDoor::<O, u32>::new(0));
        let (writer, reader) = (Arc::clone(&door), Arc::clone(&door));
        let writer = thread::spawn(move || {
            let mut inside = writer.write_arc();
            inside.wait_while(|value| *value == 0);
            *inside += 1;
            inside.notify_all();
        });
        let reader = thread::spawn(move || {
            let mut inside = reader.read_arc();
            inside.wait_while(|value| *value < 2);
            *inside
        });
        *door.write() = 1;
        until("both were notified", || {
            door.notify_all();
            writer.is_finished() && reader.is_finished()
        });
        writer.join().expect("no panic");
        assert_eq!(reader.join().expect("no panic"), 2);
    });
}

over_mutexes!(
    a_handshake_ends,
    a_token_goes_around,
    a_panicking_condition_leaves_the_guard_inside,
    an_owned_guard_waits_as_another,
);
over_shared_locks!(
    a_handshake_of_a_writer_and_a_reader_ends,
    readers_come_back_together,
    owned_guards_of_a_shared_door_wait_as_others,
);

// === In which order: waits that are polled by hand ===

mod by_hand {
    use super::*;

    /// T-PRIM 12: whoever has waited longest is next, whatever it and the
    /// notifier are.
    fn one_line_of_readers_and_writers<O: SharedOver>()
    where
        O::Lock: RawRwLockAsync,
        O::Condvar: RawSharedCondvarAsync<O::Lock>,
    {
        let door = SharedDoor::<O, u32>::new(1);
        let (w1, r2, w3, r4) = (Hand::new(), Hand::new(), Hand::new(), Hand::new());
        let mut first = Box::pin(door.write().wait_async());
        assert!(w1.poll(&mut first).is_pending());
        let mut second = Box::pin(door.read().wait_async());
        assert!(r2.poll(&mut second).is_pending());
        let mut third = Box::pin(door.write().wait_async());
        assert!(w3.poll(&mut third).is_pending());
        let mut fourth = Box::pin(door.read().wait_async());
        assert!(r4.poll(&mut fourth).is_pending());
        assert!(!door.is_locked());

        // A reader notifies: the writer that waits longest.
        let reading = door.read();
        assert!(reading.notify_one());
        assert_eq!(w1.wakes(), 0, "nobody wakes before it can enter");
        assert!(w1.poll(&mut first).is_pending(), "the notifier is still inside");
        drop(reading);
        assert_eq!([w1.wakes(), r2.wakes(), w3.wakes(), r4.wakes()], [1, 0, 0, 0]);
        // It notifies in its turn: a writer, a reader.
        let writing = ready(w1.poll(&mut first));
        assert!(writing.notify_one());
        assert!(r2.poll(&mut second).is_pending());
        drop(writing);
        assert_eq!([r2.wakes(), w3.wakes(), r4.wakes()], [1, 0, 0]);
        let reading = ready(r2.poll(&mut second));
        drop(reading);
        // Without being inside.
        assert!(door.notify_one());
        assert_eq!([w3.wakes(), r4.wakes()], [1, 0]);
        let writing = ready(w3.poll(&mut third));
        let part = DoorWriteGuard::map(writing, |value| value);
        assert_eq!(part.notify_all(), 1);
        assert!(!part.notify_one(), "nobody is left");
        drop(part);
        drop(ready(r4.poll(&mut fourth)));
        assert!(!door.is_locked());
    }

    /// T-PRIM 11: twice in one visit, with a single waiter that gets time to run
    /// in between. It comes back after the notifier has left.
    fn a_second_notification_in_one_visit_does_no_harm<O: SharedOver>()
    where
        O::Lock: RawRwLockAsync,
        O::Condvar: RawSharedCondvarAsync<O::Lock>,
    {
        let door = SharedDoor::<O, u32>::new(1);
        let hand = Hand::new();
        let mut waiting = Box::pin(door.write().wait_async());
        assert!(hand.poll(&mut waiting).is_pending());
        let mut inside = door.write();
        assert!(inside.notify_one());
        assert!(hand.poll(&mut waiting).is_pending());
        assert!(!inside.notify_one());
        *inside += 1;
        drop(inside);
        assert_eq!(*ready(hand.poll(&mut waiting)), 2);
    }

    /// T-PRIM 13: what nobody waits for is forgotten.
    fn a_notification_that_nobody_waits_for_is_forgotten<O: SharedOver>()
    where
        O::Lock: RawRwLockAsync,
        O::Condvar: RawSharedCondvarAsync<O::Lock>,
    {
        let door = SharedDoor::<O, u32>::new(1);
        let hand = Hand::new();
        assert!(!door.read().notify_one() && !door.write().notify_one() && !door.notify_one());
        assert_eq!(door.read().notify_all(), 0);
        assert_eq!(door.write().notify_all(), 0);
        assert_eq!(door.notify_all(), 0);
        let mut waiting = Box::pin(door.read().wait_async());
        for _ in 0..3 {
            assert!(hand.poll(&mut waiting).is_pending());
        }
        assert_eq!(hand.wakes(), 0);
        assert_eq!(door.notify_all(), 1);
        assert_eq!(hand.wakes(), 1);
        drop(ready(hand.poll(&mut waiting)));
    }

    /// The original's `notify` lets the lock go for a moment. Here a writer in
    /// line stays there.
    fn notifying_lets_nobody_in<O: SharedOver>()
    where
        O::Lock: RawRwLockAsync,
        O::Condvar: RawSharedCondvarAsync<O::Lock>,
    {
        let door = SharedDoor::<O, u32>::new(1);
        let (hand, other) = (Hand::new(), Hand::new());
        let mut waiting = Box::pin(door.read().wait_async());
        assert!(other.poll(&mut waiting).is_pending());
        let inside = door.write();
        let mut writer = Box::pin(door.write_async());
        assert!(hand.poll(&mut writer).is_pending());
        assert_eq!(inside.notify_all(), 1);
        assert_eq!((hand.wakes(), other.wakes()), (0, 0));
        assert!(hand.poll(&mut writer).is_pending());
        assert!(other.poll(&mut waiting).is_pending());
        drop(inside);
        // Both come in, in the order of the lock.
        let mut left = 2;
        let (mut writer, mut waiting) = (Some(writer), Some(waiting));
        while left > 0 {
            let before = left;
            if let Some(it) = &mut writer
                && let Poll::Ready(guard) = hand.poll(it)
            {
                drop(guard);
                (writer, left) = (None, left - 1);
            }
            if let Some(it) = &mut waiting
                && let Poll::Ready(guard) = other.poll(it)
            {
                drop(guard);
                (waiting, left) = (None, left - 1);
            }
            assert!(left < before, "somebody has to come in");
        }
        assert!(!door.is_locked());
    }

    over_our_shared_locks!(
        one_line_of_readers_and_writers,
        a_second_notification_in_one_visit_does_no_harm,
        a_notification_that_nobody_waits_for_is_forgotten,
        notifying_lets_nobody_in,
    );

    fn those_who_wait_come_back_in_their_order<O: Over>()
    where
        O::Lock: RawMutexAsync,
        O::Condvar: RawCondvarAsync<O::Lock>,
    {
        let door = Arc::new(Door::<O, u32>::new(0));
        let hands = [Hand::new(), Hand::new(), Hand::new()];
        let mut first = Box::pin(door.enter().wait_async());
        assert!(hands[0].poll(&mut first).is_pending());
        let mut second = Box::pin(door.enter_arc().wait_async());
        assert!(hands[1].poll(&mut second).is_pending());
        let mut third = Box::pin(door.enter().wait_while_async(|value| *value < 2));
        assert!(hands[2].poll(&mut third).is_pending());
        let part = DoorGuard::map(door.enter(), |value| value);
        assert!(part.notify_one());
        assert_eq!(door.notify_all(), 2);
        // All stand in the door's line, and none is woken for that.
        assert_eq!(hands.each_ref().map(Hand::wakes), [0, 0, 0]);
        assert!(hands[0].poll(&mut first).is_pending());
        assert!(hands[1].poll(&mut second).is_pending());
        assert!(hands[2].poll(&mut third).is_pending());
        drop(part);
        // Then one wake-up each, when it is inside.
        assert_eq!(hands.each_ref().map(Hand::wakes), [1, 0, 0]);
        let mut inside = ready(hands[0].poll(&mut first));
        *inside += 1;
        drop(inside);
        assert_eq!(hands.each_ref().map(Hand::wakes), [1, 1, 0]);
        let mut inside = ready(hands[1].poll(&mut second));
        assert_eq!(*inside, 1);
        drop(inside);
        // Its condition does not hold yet: it waits again.
        assert!(hands[2].poll(&mut third).is_pending());
        assert!(!door.is_locked());
        inside = door.enter_arc();
        *inside += 1;
        assert!(inside.notify_one());
        drop(inside);
        assert_eq!(*ready(hands[2].poll(&mut third)), 2);
    }

    /// More waiters than one batch has room for.
    const MANY: usize = 40;

    /// Each of many is notified at once, by one who is inside or not, and wakes
    /// once, when it is inside itself.
    fn each_of_many_wakes_once<O: Over>()
    where
        O::Lock: RawMutexAsync,
        O::Condvar: RawCondvarAsync<O::Lock>,
    {
        let door = Arc::new(Door::<O, u32>::new(0));
        let line = || usize::MAX;
        let inside = || door.enter();
        handed_over(MANY, || door.enter().wait_async(), inside, |it| it.notify_all(), line);
        handed_over(MANY, || door.enter_arc().wait_async(), inside, |_| door.notify_all(), line);
        let part = || DoorGuard::map(door.enter(), |value| value);
        handed_over(MANY, || door.enter().wait_async(), part, |it| it.notify_all(), line);
        assert!(!door.is_locked());
    }

    fn each_of_many_writers_wakes_once<O: SharedOver>()
    where
        O::Lock: RawRwLockAsync,
        O::Condvar: RawSharedCondvarAsync<O::Lock>,
    {
        let door = Arc::new(SharedDoor::<O, u32>::new(0));
        let line = || usize::MAX;
        let (read, write) = (|| door.read(), || door.write());
        handed_over(MANY, || door.write().wait_async(), read, |it| it.notify_all(), line);
        handed_over(MANY, || door.write_arc().wait_async(), write, |_| door.notify_all(), line);
        assert!(!door.is_locked());
    }

    /// A future that is forgotten while it waits is in the door's line when it
    /// was notified: as a forgotten entry is. A door that has moved since is
    /// another one to it.
    fn a_forgotten_wait_is_followed_nowhere<O: Over>()
    where
        O::Lock: RawMutexAsync,
        O::Condvar: RawCondvarAsync<O::Lock>,
    {
        let hand = Hand::new();
        let door = Box::new(Door::<O, Vec<u8>>::new(vec![1; 100]));
        let mut waiting = Box::pin(door.enter().wait_async());
        assert!(hand.poll(&mut waiting).is_pending());
        forget(waiting);
        let moved = Box::new(*door);
        assert!(moved.enter().notify_one());
        assert_eq!(hand.wakes(), 1, "it is woken, and nothing else");
        assert!(!moved.is_locked() && !moved.notify_one());
        drop(moved);

        let door = Door::<O, u32>::new(1);
        let mut waiting = Box::pin(door.enter().wait_async());
        assert!(hand.poll(&mut waiting).is_pending());
        forget(waiting);
        let inside = door.enter();
        assert!(inside.notify_one());
        assert_eq!(hand.wakes(), 1);
        drop(inside);
        assert_eq!(hand.wakes(), 2, "its turn, which it never takes");
        assert!(door.is_locked());
    }

    over_our_mutexes!(
        those_who_wait_come_back_in_their_order,
        each_of_many_wakes_once,
        a_forgotten_wait_is_followed_nowhere,
    );

    mod of_writers {
        use super::each_of_many_writers_wakes_once;

        over_our_shared_locks!(each_of_many_writers_wakes_once);
    }
}

// === With a clock ===

const SHORT: Duration = Duration::from_millis(5);

#[test]
fn a_timed_wait_ends_with_its_time_inside() {
    let door = sync::Door::new(1);
    let mut inside = door.enter();
    let start = Instant::now();
    assert!(inside.wait_for(SHORT).timed_out());
    assert!(start.elapsed() >= SHORT);
    let deadline = Instant::now() + SHORT;
    assert!(inside.wait_until(deadline).timed_out());
    assert!(Instant::now() >= deadline);
    let start = Instant::now();
    assert!(inside.wait_while_for(|value| *value == 1, SHORT).timed_out());
    assert!(start.elapsed() >= SHORT);
    assert!(!inside.wait_while_for(|value| *value == 0, Duration::MAX).timed_out());
    assert!(inside.wait_while_until(|value| *value == 1, Instant::now()).timed_out());
    assert!(door.try_enter().is_none(), "it is inside again");
    drop(inside);
    assert!(!door.notify_one(), "nothing is left in the line");
    let door = Arc::new(door);
    assert!(door.enter_arc().wait_for(SHORT).timed_out());
    assert!(!door.is_locked());
}

#[test]
fn a_timed_wait_inside_a_shared_door_ends_with_its_time() {
    let door: Arc<sync::SharedDoor<u32>> = Arc::new(sync::SharedDoor::new(1));
    let start = Instant::now();
    let mut reading = door.read();
    assert!(reading.wait_for(SHORT).timed_out());
    assert!(reading.wait_while_until(|value| *value == 1, Instant::now() + SHORT).timed_out());
    assert!(start.elapsed() >= 2 * SHORT);
    assert!(door.try_read().is_some() && door.try_write().is_none());
    drop(reading);
    let start = Instant::now();
    let mut writing = door.write();
    assert!(writing.wait_until(start + SHORT).timed_out());
    assert!(writing.wait_while_for(|value| *value == 1, SHORT).timed_out());
    assert!(!writing.wait_while_for(|value| *value == 2, SHORT).timed_out());
    assert!(start.elapsed() >= 2 * SHORT);
    assert!(door.try_read().is_none());
    drop(writing);
    assert!(door.read_arc().wait_for(SHORT).timed_out());
    assert!(door.write_arc().wait_for(SHORT).timed_out());
    assert!(!door.is_locked() && door.notify_all() == 0);
}

#[test]
fn a_timed_wait_ends_with_a_notification() {
    watched("timed waits", || {
        let door = sync::Door::new(false);
        let shared: sync::SharedDoor<bool> = sync::SharedDoor::new(false);
        thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                let one = door.enter().wait_while_for(|done| !*done, PATIENCE).timed_out();
                let two = shared.read().wait_while_for(|done| !*done, PATIENCE).timed_out();
                one || two
            });
            *door.enter() = true;
            *shared.write() = true;
            until("it has seen both", || {
                door.notify_one();
                shared.notify_one();
                waiter.is_finished()
            });
            assert!(!waiter.join().expect("no panic"));
        });
    });
}

#[test]
fn a_timed_wait_over_parking_lot_ends_with_its_time() {
    let door = Door::<crate::over::OnParkingLot, u32>::new(1);
    let mut inside = door.enter();
    let start = Instant::now();
    assert!(inside.wait_while_for(|value| *value == 1, SHORT).timed_out());
    assert!(start.elapsed() >= SHORT);
    assert!(door.try_enter().is_none());
}

// === Tasks ===

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs two jobs to their end.
fn both<E: Executor>(one: Job, two: Job) {
    let executor = E::default();
    let spawn = executor.spawner();
    let (finished, finish) = std::sync::mpsc::channel();
    for job in [one, two] {
        let finished = finished.clone();
        spawn(Box::pin(async move {
            job.await;
            finished.send(()).expect("the test waits");
        }));
    }
    for _ in 0..2 {
        finish.recv_timeout(PATIENCE).expect("a handshake");
    }
}

/// T-DOOR 4 and T-PRIM 7 for tasks.
fn tasks_shake_hands<E: Executor>() {
    let door = Arc::new(sync::Door::new(State::default()));
    let other = Arc::clone(&door);
    both::<E>(
        Box::pin(async move {
            let mut state = other.enter_async().await;
            while !state.ready {
                state = state.wait_async().await;
            }
            state.processed = true;
            state.notify_one();
        }),
        Box::pin(async move {
            let mut state = door.enter_arc_async().await;
            state.ready = true;
            state.notify_one();
            drop(state.wait_while_async(|state| !state.processed).await);
        }),
    );
    let door: Arc<sync::SharedDoor<State>> = Arc::default();
    let other = Arc::clone(&door);
    both::<E>(
        Box::pin(async move {
            let state = other.write_async().await;
            let mut state = state.wait_while_async(|state| !state.ready).await;
            state.processed = true;
            state.notify_all();
        }),
        Box::pin(async move {
            let mut state = door.write_arc_async().await;
            state.ready = true;
            state.notify_all();
            drop(state);
            let state = door.read_async().await;
            drop(state.wait_while_async(|state| !state.processed).await);
        }),
    );
}

#[test]
fn tasks_shake_hands_on_tokio() {
    tasks_shake_hands::<TokioMulti>();
}

#[test]
fn tasks_shake_hands_on_smol() {
    tasks_shake_hands::<Smol>();
}

/// A thread and a task stand in the same line.
#[test]
fn a_thread_and_a_task_shake_hands() {
    watched("a handshake", || {
        let door = sync::SharedDoor::<State>::default();
        thread::scope(|scope| {
            scope.spawn(|| {
                smol::block_on(async {
                    let state = door.write_async().await;
                    let mut state = state.wait_while_async(|state| !state.ready).await;
                    state.processed = true;
                    state.notify_all();
                });
            });
            door.write().ready = true;
            door.notify_all();
            DoorReadGuard::wait_while(&mut door.read(), |state| !state.processed);
        });
    });
}

/// A door without a condition variable is as large as its lock.
#[test]
fn what_does_not_wait_has_no_place_for_it() {
    type Plain = portunus::Door<sync::RawMutex, u64>;
    assert_eq!(size_of::<Plain>(), size_of::<sync::Mutex<u64>>());
    static PLAIN: Plain = Plain::new(1);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| done.store(*PLAIN.enter() == 1, Ordering::SeqCst));
    });
    assert!(done.into_inner());
}
