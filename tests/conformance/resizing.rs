//! Semaphores whose number of permits changes while some are out and others
//! are waited for.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use portunus::{AcquireError, Backend, ClosableSemaphore, Semaphore};

use crate::faces::Face;
use crate::kin::Kin;
use crate::script::{Outcome, Script};
use crate::subject::Count::{self, Many, One};
use crate::subject::{Permits as _, Subject as _};
use crate::support::{Hand, ready, watched};

type Closable<F> = <<F as Face>::Kin as Kin>::ClosableSemaphore<<F as Face>::Backend>;

/// Each party asks for so many of `permits`.
fn script<F: Face>(permits: usize, counts: &[Count]) -> Script<F, Closable<F>> {
    let mut script = Script::<F, _>::new(F::Kin::closable(permits));
    for &count in counts {
        script.asks(count);
    }
    script
}

fn resize<F: Face>(script: &Script<F, Closable<F>>, permits: usize) {
    script.subject().resize(permits);
    assert_eq!(script.subject().permits(), permits);
}

/// The party is told that it asked for too many.
#[track_caller]
fn too_many<F: Face>(script: &Script<F, Closable<F>>, index: usize, requested: u32, limit: usize) {
    let Outcome::Refused(text) = script.outcome(index) else { panic!("it was not refused") };
    let said = |number: &str| text.split(|c: char| !c.is_ascii_digit()).any(|word| word == number);
    assert!(said(&requested.to_string()) && said(&limit.to_string()), "{text}");
}

fn more_permits_let_in_who_fits<F: Face>() {
    let script = script::<F>(2, &[One, Many(2), One, One]);
    // One is free, and the next wants two.
    script.history("x---");
    resize(&script, 3);
    script.history("xx--");
    resize(&script, 3);
    script.history("xx--");
    resize(&script, 7);
    script.history("xxxx");
    script.end();
}

/// What is taken stays taken, and is missing first.
fn fewer_permits_wait_for_what_is_out<F: Face>() {
    let script = script::<F>(3, &[One, One, One, One]);
    script.history("xxx-");
    resize(&script, 1);
    assert_eq!((script.subject().available_permits(), script.subject().in_line()), (0, 1));
    script.finish(0);
    assert_eq!((script.subject().available_permits(), script.subject().in_line()), (0, 1));
    script.finish(1);
    script.history("xxx-");
    script.finish(2);
    script.history("xxxx");
    script.end();
}

/// The heavy one is told, and those behind it go on at once.
fn the_heavy_are_sent_away<F: Face>() {
    let script = script::<F>(3, &[One, Many(3), One, Many(3), Many(2)]);
    script.history("x----");
    resize(&script, 2);
    too_many(&script, 1, 3, 2);
    too_many(&script, 3, 3, 2);
    script.history("x-x--");
    script.finish(0);
    script.history("x-x--");
    script.finish(2);
    script.history("x-x-x");
    script.end();
}

/// Heavy ones in the middle and at the end; the first of the line stays.
fn the_first_in_line_stays<F: Face>() {
    let script = script::<F>(3, &[Many(2), Many(2), Many(3), One, Many(3)]);
    script.history("x----");
    resize(&script, 2);
    too_many(&script, 2, 3, 2);
    too_many(&script, 4, 3, 2);
    script.history("x----");
    script.finish(0);
    script.history("xx---");
    script.finish(1);
    script.history("xx-x-");
    script.end();
}

/// Who asks for one waits before a gate; who asks for a number is sent away.
fn a_gate_opens_and_shuts<F: Face>() {
    let mut script = script::<F>(0, &[One, One]);
    script.history("--");
    resize(&script, 1);
    script.history("x-");
    resize(&script, 0);
    script.finish(0);
    script.history("x-");
    script.asks(Many(1));
    too_many(&script, 2, 1, 0);
    script.history("x--");
    resize(&script, 1);
    script.history("xx-");
    script.asks(Many(1));
    resize(&script, 0);
    too_many(&script, 3, 1, 0);
    script.finish(1);
    assert_eq!(script.subject().available_permits(), 0);
    script.end();
}

/// By so many, whoever has changed the number before.
fn more_and_fewer_by_a_number<F: Face>() {
    let script = script::<F>(1, &[One, One, Many(3), One]);
    assert_eq!(script.subject().remove(0), 0);
    script.history("x---");
    too_many(&script, 2, 3, 1);
    script.subject().add(1);
    script.history("xx--");
    script.subject().add(0);
    script.history("xx--");
    assert_eq!(script.subject().remove(1), 1);
    assert_eq!((script.subject().permits(), script.subject().available_permits()), (1, 0));
    script.finish(0);
    script.history("xx--");
    script.subject().add(2);
    script.history("xx-x");
    assert_eq!(script.subject().available_permits(), 1);
    // Not more than there are.
    assert_eq!(script.subject().remove(7), 3);
    assert_eq!((script.subject().permits(), script.subject().available_permits()), (0, 0));
    script.end();
}

/// The heavy one is told, and those behind it go on at once.
fn fewer_by_a_number_send_the_heavy_away<F: Face>() {
    let script = script::<F>(3, &[One, Many(3), One]);
    script.history("x--");
    assert_eq!(script.subject().remove(1), 1);
    too_many(&script, 1, 3, 2);
    script.history("x-x");
    script.end();
}

/// A request that is given up does not stand in the way of a resize, nor the
/// other way round.
fn who_gives_up_is_gone<F: Face>() {
    let script = script::<F>(2, &[Many(2), Many(2), One, One]);
    script.history("x---");
    script.cancel(1);
    resize(&script, 3);
    script.history("x-x-");
    script.cancel(3);
    resize(&script, 4);
    assert_eq!(script.subject().available_permits(), 1);
    script.end();
}

on_faces! {
    all: [
        more_permits_let_in_who_fits,
        fewer_permits_wait_for_what_is_out,
        the_heavy_are_sent_away,
        the_first_in_line_stays,
        a_gate_opens_and_shuts,
        more_and_fewer_by_a_number,
        fewer_by_a_number_send_the_heavy_away,
    ],
    cancelling: [
        who_gives_up_is_gone,
    ],
}

/// As many as there can be, and not one more.
fn the_most_permits<B: Backend>() {
    let most = Semaphore::<B>::MAX_PERMITS;
    let semaphore = Semaphore::<B>::new(1);
    let error = semaphore.resize(most + 1).expect_err("there is no room");
    assert_eq!((error.requested(), error.limit()), (most + 1, most));
    let text = error.to_string();
    assert!(text.contains(&most.to_string()), "{text}");
    assert_eq!((semaphore.permits(), semaphore.available_permits()), (1, 1));
    semaphore.resize(most).expect("there is room");
    // All is out at once: nothing overflows, and all comes back.
    let some: Vec<_> = (0..3).map(|_| semaphore.acquire_many(u32::MAX)).collect();
    let taken = 3 * u32::MAX as usize;
    assert_eq!(semaphore.available_permits(), most - taken);
    semaphore.resize(0).expect("there is room");
    assert_eq!((semaphore.permits(), semaphore.available_permits()), (0, 0));
    assert!(semaphore.try_acquire().is_none());
    drop(some);
    assert_eq!((semaphore.permits(), semaphore.available_permits()), (0, 0));
    semaphore.resize(2).expect("there is room");
    assert_eq!((semaphore.permits(), semaphore.available_permits()), (2, 2));
    drop(semaphore.try_acquire_many(2).expect("there are two").expect("they are free"));
}

/// It says how many there were when it was sent away, however many there are
/// when it hears of it; and it keeps nothing.
fn a_refusal_is_for_good<B: Backend>() {
    let semaphore = Semaphore::<B>::new(3);
    let (hand, other) = (Hand::new(), Hand::new());
    let permit = semaphore.acquire();
    let mut heard = Box::pin(semaphore.acquire_many_async(3));
    let mut unheard = Box::pin(semaphore.acquire_many_async(3));
    assert!(hand.poll(&mut heard).is_pending());
    assert!(other.poll(&mut unheard).is_pending());
    assert_eq!((hand.kept(), other.kept()), (1, 1));
    semaphore.resize(2).expect("so many can be");
    assert_eq!((hand.wakes(), other.wakes(), semaphore.waiting()), (1, 1, 0));
    assert_eq!((hand.kept(), other.kept()), (0, 0));
    semaphore.resize(5).expect("so many can be");
    let error = ready(hand.poll(&mut heard)).expect_err("there were two");
    assert_eq!((error.requested(), error.limit()), (3, 2));
    // Dropped before it could say so.
    drop(unheard);
    assert_eq!((hand.wakes(), other.wakes()), (1, 1));
    drop(permit);
    assert_eq!((semaphore.available_permits(), semaphore.waiting()), (5, 0));
}

/// Made when there were enough, polled when there are not, and the other way
/// round.
fn the_permits_of_the_first_poll_count<B: Backend>() {
    let semaphore = Semaphore::<B>::new(3);
    let hand = Hand::new();
    let mut future = Box::pin(semaphore.acquire_many_async(3));
    semaphore.resize(2).expect("so many can be");
    let error = ready(hand.poll(&mut future)).expect_err("there are two");
    assert_eq!((error.requested(), error.limit()), (3, 2));
    let mut future = Box::pin(semaphore.acquire_many_async(3));
    semaphore.resize(3).expect("so many can be");
    assert_eq!(ready(hand.poll(&mut future)).expect("there are three").count(), 3);
}

/// A grant that was not picked up stays, whatever becomes of the number.
fn a_grant_outlives_a_resize<B: Backend>() {
    let semaphore = Semaphore::<B>::new(2);
    let hand = Hand::new();
    let permit = semaphore.acquire();
    let mut future = Box::pin(semaphore.acquire_many_async(2));
    assert!(hand.poll(&mut future).is_pending());
    drop(permit);
    semaphore.resize(1).expect("so many can be");
    let two = ready(hand.poll(&mut future)).expect("it was served before");
    assert_eq!((two.count(), semaphore.available_permits()), (2, 0));
    drop(two);
    assert_eq!(semaphore.available_permits(), 1);
}

/// A future of the same task takes such a grant over; whoever had it can't
/// stand in line for it, and is told so.
fn a_grant_that_is_too_heavy_is_not_traded<B: Backend>() {
    let semaphore = Semaphore::<B>::new(2);
    let hand = Hand::new();
    let permits = semaphore.acquire_many(2).expect("there are two");
    let mut heavy = Box::pin(semaphore.acquire_many_async(2));
    let mut light = Box::pin(semaphore.acquire_async());
    assert!(hand.poll(&mut heavy).is_pending());
    drop(permits);
    semaphore.resize(1).expect("so many can be");
    // Granted, not polled since; its sibling asks.
    let light = match hand.poll(&mut light) {
        std::task::Poll::Ready(permit) => permit,
        std::task::Poll::Pending => ready(hand.poll(&mut light)),
    };
    let error = ready(hand.poll(&mut heavy)).expect_err("there is one");
    assert_eq!((error.requested(), error.limit()), (2, 1));
    assert_eq!((semaphore.available_permits(), semaphore.waiting()), (0, 0));
    drop(light);
    assert_eq!(semaphore.available_permits(), 1);
}

/// More than one batch of wake-ups, of both kinds.
fn a_crowd_is_sent_away<B: Backend>() {
    const CROWD: usize = 50;
    let semaphore = Semaphore::<B>::new(CROWD);
    let all = semaphore.acquire_many(CROWD as u32).expect("there are so many");
    let hands: Vec<_> = (0..2 * CROWD).map(|_| Hand::new()).collect();
    // Every second one is too heavy afterwards.
    let mut futures: Vec<_> = (0..2 * CROWD)
        .map(|i| Box::pin(semaphore.acquire_many_async(if i % 2 == 0 { 2 } else { 1 })))
        .collect();
    for (hand, future) in hands.iter().zip(&mut futures) {
        assert!(hand.poll(future).is_pending());
    }
    semaphore.resize(1).expect("so many can be");
    assert_eq!(semaphore.waiting(), CROWD);
    for (i, (hand, future)) in hands.iter().zip(&mut futures).enumerate() {
        assert_eq!(hand.wakes(), usize::from(i % 2 == 0), "of party {i}");
        if i % 2 == 0 {
            let error = ready(hand.poll(future)).expect_err("there is one");
            assert_eq!((error.requested(), error.limit()), (2, 1));
        } else {
            assert!(hand.poll(future).is_pending());
        }
    }
    drop(all);
    semaphore.resize(CROWD).expect("so many can be");
    assert_eq!(semaphore.waiting(), 0);
    for (hand, future) in hands.iter().zip(&mut futures).skip(1).step_by(2) {
        drop(ready(hand.poll(future)).expect("there are so many"));
    }
    assert_eq!(semaphore.available_permits(), CROWD);
}

/// Whatever comes in between, each change is made once: in the end there are as
/// many as the last one says.
fn resizes_at_once_add_up<B: Backend>() {
    const RESIZERS: usize = 3;
    const ROUNDS: usize = 300;
    watched("everybody comes through", || {
        let semaphore = Arc::new(ClosableSemaphore::<B>::new(1));
        let (start, refused) = (Arc::new(Barrier::new(2 * RESIZERS)), AtomicUsize::new(0));
        thread::scope(|scope| {
            for i in 0..RESIZERS {
                let (semaphore, start) = (&semaphore, &start);
                scope.spawn(move || {
                    start.wait();
                    for round in 0..ROUNDS {
                        semaphore.resize((round * 7 + i) % 5).expect("so many can be");
                        thread::yield_now();
                    }
                    // The gate is open in the end.
                    semaphore.resize(3).expect("so many can be");
                });
                let refused = &refused;
                scope.spawn(move || {
                    start.wait();
                    for round in 0..ROUNDS {
                        match semaphore.acquire_many(1 + (round + i) as u32 % 4) {
                            Ok(permit) => drop(permit),
                            Err(AcquireError::TooMany(error)) => {
                                assert!(error.requested() as usize > error.limit());
                                refused.fetch_add(1, Ordering::SeqCst);
                            }
                            Err(AcquireError::Closed(error)) => panic!("{error}"),
                        }
                    }
                });
            }
        });
        assert_eq!((semaphore.permits(), semaphore.available_permits()), (3, 3));
        assert_eq!(semaphore.waiting(), 0);
        // Four are asked for, and three there are in the end.
        assert!(refused.into_inner() > 0);
    });
}

/// What would be too many is refused, and the number is what it was.
fn not_more_than_the_most<B: Backend>() {
    let most = Semaphore::<B>::MAX_PERMITS;
    let semaphore = Semaphore::<B>::new(1);
    let permit = semaphore.acquire();
    for more in [most, usize::MAX] {
        let error = semaphore.add_permits(more).expect_err("there is no room");
        assert_eq!((error.requested(), error.limit()), (more.saturating_add(1), most));
    }
    assert_eq!((semaphore.permits(), semaphore.available_permits()), (1, 0));
    semaphore.add_permits(most - 1).expect("there is room");
    assert_eq!((semaphore.permits(), semaphore.available_permits()), (most, most - 1));
    assert_eq!(semaphore.remove_permits(usize::MAX), most);
    assert_eq!((semaphore.permits(), semaphore.available_permits()), (0, 0));
    drop(permit);
    assert_eq!((semaphore.permits(), semaphore.available_permits()), (0, 0));
}

/// As many are free as before, and those who want more than there are any more
/// are sent away.
fn what_is_used_up_is_gone<B: Backend>() {
    let semaphore = Arc::new(Semaphore::<B>::new(5));
    let hand = Hand::new();
    let mut three = semaphore.acquire_many(3).expect("there are five");
    let mut heavy = Box::pin(semaphore.acquire_many_async(5));
    let mut light = Box::pin(semaphore.acquire_many_async(2));
    assert!(hand.poll(&mut heavy).is_pending());
    assert!(hand.poll(&mut light).is_pending());
    three.split(1).expect("there are three").forget();
    let error = ready(hand.poll(&mut heavy)).expect_err("there are four");
    assert_eq!((error.requested(), error.limit()), (5, 4));
    // Nobody stands before it any more.
    let light = ready(hand.poll(&mut light)).expect("two are free");
    assert_eq!((three.count(), semaphore.permits(), semaphore.available_permits()), (2, 4, 0));
    drop(light);
    three.split(0).expect("nothing is there").forget();
    assert_eq!((semaphore.permits(), semaphore.available_permits()), (4, 2));
    three.forget();
    assert_eq!((semaphore.permits(), semaphore.available_permits()), (2, 2));
    semaphore.acquire_many_owned(2).expect("there are two").forget();
    assert_eq!((semaphore.permits(), semaphore.available_permits()), (0, 0));
    assert_eq!(Arc::strong_count(&semaphore), 1);
    semaphore.add_permits(1).expect("so many can be");
    drop(semaphore.try_acquire().expect("there is one"));
}

/// More are used up than there are to be: there are none, and what is too much
/// comes back.
fn a_debt_is_used_up_first<B: Backend>() {
    let semaphore = Semaphore::<B>::new(4);
    let (two, mut other) =
        (semaphore.acquire_many(2).expect("four"), semaphore.acquire_many(2).expect("four"));
    semaphore.resize(1).expect("so many can be");
    two.forget();
    assert_eq!((semaphore.permits(), semaphore.available_permits()), (0, 0));
    semaphore.add_permits(3).expect("so many can be");
    // Two of them are out.
    assert_eq!((semaphore.permits(), semaphore.available_permits()), (3, 1));
    drop(other.split(1));
    assert_eq!((semaphore.permits(), semaphore.available_permits()), (3, 2));
    semaphore.close();
    other.forget();
    assert_eq!((semaphore.permits(), semaphore.available_permits()), (2, 2));
    assert!(semaphore.is_closed());
}

/// Those that keep their semaphore alive are parted and put together as well.
fn owned_permits_are_split_and_merged<B: Backend>() {
    let (one, other) = (Arc::new(Semaphore::<B>::new(5)), Arc::new(Semaphore::<B>::new(5)));
    let mut permits = one.acquire_many_owned(3).expect("there are five");
    assert!(permits.split(4).is_none());
    let part = permits.split(2).expect("there are three");
    assert_eq!((permits.count(), part.count(), one.available_permits()), (1, 2, 2));
    assert_eq!(Arc::strong_count(&one), 3);
    let foreign = permits.merge(other.acquire_owned()).expect_err("it is another semaphore's");
    assert_eq!((permits.count(), foreign.count(), other.available_permits()), (1, 1, 4));
    permits.merge(part).expect("it is the same semaphore's");
    assert_eq!((permits.count(), one.available_permits()), (3, 2));
    assert_eq!(Arc::strong_count(&one), 2);
    drop((permits, foreign));
    assert_eq!((one.available_permits(), other.available_permits()), (5, 5));

    let closable = Arc::new(ClosableSemaphore::<B>::new(2));
    let mut first = closable.acquire_owned().expect("it is open");
    first.merge(closable.acquire_owned().expect("it is open")).expect("of the same semaphore");
    first.split(1).expect("there are two").forget();
    assert_eq!((closable.permits(), closable.available_permits()), (1, 0));
    drop(first);
    assert_eq!((closable.available_permits(), Arc::strong_count(&closable)), (1, 1));
}

/// One more, one less, or one used up: none of them is lost, whoever does it at
/// the same time.
fn additions_at_once_add_up<B: Backend>() {
    const ROUNDS: usize = 300;
    // So many that none is removed which is held.
    const FIRST: usize = 1 + 2 * ROUNDS;
    watched("everybody comes through", || {
        let semaphore = ClosableSemaphore::<B>::new(FIRST);
        let start = Barrier::new(6);
        thread::scope(|scope| {
            for party in 0..6 {
                let (semaphore, start) = (&semaphore, &start);
                scope.spawn(move || {
                    start.wait();
                    for _ in 0..ROUNDS {
                        match party {
                            0..3 => semaphore.add_permits(2).expect("so many can be"),
                            3 => semaphore.acquire().expect("it is open").forget(),
                            4 => drop(semaphore.acquire_many(FIRST as u32)),
                            _ => {
                                while semaphore.remove_permits(1) == 0 {
                                    thread::yield_now();
                                }
                            }
                        }
                    }
                });
            }
        });
        let left = FIRST + 4 * ROUNDS;
        assert_eq!((semaphore.permits(), semaphore.available_permits()), (left, left));
        assert_eq!(semaphore.waiting(), 0);
    });
}

on_backends!(
    not_more_than_the_most,
    what_is_used_up_is_gone,
    a_debt_is_used_up_first,
    owned_permits_are_split_and_merged,
    additions_at_once_add_up,
    the_most_permits,
    a_refusal_is_for_good,
    the_permits_of_the_first_poll_count,
    a_grant_outlives_a_resize,
    a_grant_that_is_too_heavy_is_not_traded,
    a_crowd_is_sent_away,
    resizes_at_once_add_up,
);
