//! Notifying more than a batch takes: who is notified is decided in one moment,
//! whatever is done between two batches.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as StdMutex};
use std::task::{Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use portunus::prelude::*;
use portunus::{Backend, Condvar, RawMutex};

use crate::support::{Hand, poll_by, ready, until};

/// How many are notified before the first of them is woken.
const BATCH: usize = 16;

type Mutex<B, T> = lock_api::Mutex<RawMutex<B>, T>;

/// A wait that has everything it needs.
type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A waker that does something when it is called, once.
struct Does<F>(StdMutex<Option<F>>);

impl<F: FnOnce() + Send + 'static> Wake for Does<F> {
    fn wake(self: Arc<Self>) {
        let what = self.0.lock().expect("no panic under it").take();
        if let Some(what) = what {
            what();
        }
    }
}

fn doing(what: impl FnOnce() + Send + 'static) -> Waker {
    Arc::new(Does(StdMutex::new(Some(what)))).into()
}

fn wait<B: Backend>(condvar: &Arc<Condvar<B>>) -> Waiting {
    let condvar = Arc::clone(condvar);
    let mutex = Arc::new(Mutex::<B, ()>::new(()));
    Box::pin(async move { drop(condvar.wait_async(mutex.lock_arc_async().await).await) })
}

/// So many that wait, each by its own hand.
#[derive(Default)]
struct Crowd(Vec<(Hand, Option<Waiting>)>);

impl Crowd {
    fn come<B: Backend>(&mut self, condvar: &Arc<Condvar<B>>, many: usize) {
        for _ in 0..many {
            let (hand, mut waiting) = (Hand::new(), wait(condvar));
            assert!(hand.poll(&mut waiting).is_pending());
            self.0.push((hand, Some(waiting)));
        }
    }

    fn go(&mut self, index: usize) {
        self.0[index].1 = None;
        assert_eq!(self.0[index].0.kept(), 0, "its waker is kept");
    }

    fn wakes(&self) -> Vec<usize> {
        self.0.iter().map(|(hand, _)| hand.wakes()).collect()
    }

    /// Those who are still here have been notified, and go.
    fn return_notified(&mut self) {
        for (hand, waiting) in &mut self.0 {
            if let Some(mut waiting) = waiting.take() {
                assert_eq!(hand.wakes(), 1, "woken once");
                ready(hand.poll(&mut waiting));
            }
        }
    }
}

/// What `between` does after the first of a batch was woken, and before the next
/// batch, with those who have no place in the first one. How many were notified in
/// all.
fn notify_all_and<B: Backend>(
    condvar: &Arc<Condvar<B>>,
    rest: &Arc<StdMutex<Crowd>>,
    many: usize,
    between: impl FnOnce(&mut Crowd) + Send + 'static,
) -> usize {
    let (mut first, mut others) = (wait(condvar), Crowd::default());
    let waker = {
        let rest = Arc::clone(rest);
        doing(move || between(&mut rest.lock().expect("no panic under it")))
    };
    assert!(poll_by(&waker, &mut first).is_pending());
    others.come(condvar, BATCH - 1);
    rest.lock().expect("no panic under it").come(condvar, many);
    let notified = condvar.notify_all();
    ready(poll_by(&waker, &mut first));
    others.return_notified();
    notified
}

/// The last in line goes, and another one comes: it has come too late.
fn who_comes_for_one_that_left_is_not_notified<B: Backend>() {
    let (condvar, rest) = (Arc::new(Condvar::<B>::new()), Arc::default());
    let all = Arc::clone(&condvar);
    let notified = notify_all_and(&condvar, &rest, 2, move |rest| {
        rest.go(1);
        rest.come(&all, 1);
    });
    let mut rest = rest.lock().expect("no panic under it");
    assert_eq!(rest.wakes(), [1, 0, 0], "one who came later was notified");
    assert_eq!((notified, condvar.waiting()), (BATCH + 1, 1));
    assert!(condvar.notify_one());
    rest.return_notified();
    assert_eq!(condvar.waiting(), 0);
}

/// The line is empty for a moment, and as many come as were there, of whom some are
/// notified one by one.
fn who_comes_into_an_empty_line_is_not_notified<B: Backend>() {
    let (condvar, rest) = (Arc::new(Condvar::<B>::new()), Arc::default());
    let all = Arc::clone(&condvar);
    let notified = notify_all_and(&condvar, &rest, 2, move |rest| {
        rest.go(0);
        rest.go(1);
        assert_eq!(all.waiting(), 0);
        rest.come(&all, BATCH + 2);
        for _ in 0..BATCH {
            assert!(all.notify_one());
        }
    });
    let mut rest = rest.lock().expect("no panic under it");
    assert_eq!((notified, condvar.waiting()), (BATCH, 2), "one who came later was notified");
    assert_eq!(condvar.notify_all(), 2);
    rest.return_notified();
}

/// Who is to be notified with all others takes no other notification: that is for
/// those who came later, or for nobody.
fn another_notification_is_for_those_who_come_later<B: Backend>() {
    let (condvar, rest) = (Arc::new(Condvar::<B>::new()), Arc::default());
    let all = Arc::clone(&condvar);
    let notified = notify_all_and(&condvar, &rest, 3, move |rest| {
        assert_eq!(all.waiting(), 0);
        assert!(!all.notify_one(), "all that waited are notified");
        rest.come(&all, 2);
        assert!(all.notify_one());
        assert_eq!(rest.wakes(), [0, 0, 0, 1, 0], "the first of those who came later");
    });
    let mut rest = rest.lock().expect("no panic under it");
    assert_eq!(rest.wakes(), [1, 1, 1, 1, 0]);
    assert_eq!((notified, condvar.waiting()), (BATCH + 3, 1));
    assert!(condvar.notify_one());
    rest.return_notified();
}

/// All who came meanwhile are notified by another one, and go before the rest of
/// the first ones does.
fn all_are_notified_twice_at_once<B: Backend>() {
    let (condvar, rest) = (Arc::new(Condvar::<B>::new()), Arc::default());
    let all = Arc::clone(&condvar);
    let notified = notify_all_and(&condvar, &rest, 3, move |rest| {
        rest.come(&all, 2 * BATCH + 1);
        assert_eq!(all.notify_all(), 2 * BATCH + 1);
        assert_eq!(rest.wakes()[..4], [0, 0, 0, 1]);
        rest.come(&all, 1);
    });
    let mut rest = rest.lock().expect("no panic under it");
    assert_eq!((notified, condvar.waiting()), (BATCH + 3, 1));
    assert!(condvar.notify_one());
    rest.return_notified();
}

/// Each of the rest may go before its turn, and so may all.
fn who_leaves_between_two_batches_is_not_notified<B: Backend>() {
    const REST: usize = BATCH + 4;
    let leaving: [&[usize]; 5] = [
        &[0],
        &[REST - 1],
        &[7],
        &[REST - 1, 0, 5, 6, 1, REST - 2],
        &core::array::from_fn::<_, REST, _>(|index| index),
    ];
    for leaving in leaving {
        let (condvar, rest) = (Arc::new(Condvar::<B>::new()), Arc::default());
        let leave = leaving.to_vec();
        let notified = notify_all_and(&condvar, &rest, REST, move |rest| {
            for index in leave {
                rest.go(index);
            }
        });
        assert_eq!(notified, BATCH + REST - leaving.len());
        assert_eq!(condvar.waiting(), 0);
        rest.lock().expect("no panic under it").return_notified();
        assert!(!condvar.notify_one());
    }
}

/// Polled by another task between two batches, it wakes that one.
fn another_task_waits_between_two_batches<B: Backend>() {
    let (condvar, rest) = (Arc::new(Condvar::<B>::new()), Arc::default());
    notify_all_and(&condvar, &rest, 2, |rest| {
        for (hand, waiting) in &mut rest.0 {
            let (before, waiting) = (core::mem::replace(hand, Hand::new()), waiting.as_mut());
            assert!(hand.poll(waiting.expect("it waits")).is_pending());
            assert_eq!((before.wakes(), before.kept()), (0, 0));
        }
    });
    rest.lock().expect("no panic under it").return_notified();
}

/// A thread's time is over between two batches, and another thread goes on waiting.
fn a_threads_time_is_over_between_two_batches<B: Backend>() {
    let (condvar, over) = (Arc::new(Condvar::<B>::new()), Arc::new(AtomicBool::new(false)));
    let (mut first, mut others) = (wait(&condvar), Crowd::default());
    let seen = Arc::clone(&over);
    let waker = doing(move || until("its time is over", || seen.load(Ordering::SeqCst)));
    assert!(poll_by(&waker, &mut first).is_pending());
    others.come(&condvar, BATCH - 1);
    thread::scope(|scope| {
        let patient = scope.spawn(|| condvar.wait(&mut Mutex::<B, ()>::new(()).lock()));
        until("it waits", || condvar.waiting() == BATCH + 1);
        let hasty = scope.spawn(|| {
            let mutex = Mutex::<B, ()>::new(());
            let ended = condvar.wait_for(&mut mutex.lock(), Duration::from_millis(500));
            over.store(true, Ordering::SeqCst);
            ended.timed_out()
        });
        // On a machine that is slow its time is over already: as good.
        until("it waits, or has", || condvar.waiting() == BATCH + 2 || over.load(Ordering::SeqCst));
        assert_eq!(condvar.notify_all(), BATCH + 1);
        assert!(hasty.join().expect("it does not panic"), "nobody has notified it");
        patient.join().expect("it does not panic");
    });
    ready(poll_by(&waker, &mut first));
    others.return_notified();
    assert_eq!(condvar.waiting(), 0);
}

/// A waker panics in the first, in a later, and in the last batch: all others are
/// notified.
fn a_waker_panics_in_one_of_the_batches<B: Backend>() {
    const MANY: usize = 3 * BATCH + 3;
    for angry in [1, BATCH + 2, MANY - 1] {
        let condvar = Arc::new(Condvar::<B>::new());
        let mut crowd = Crowd::default();
        crowd.come(&condvar, angry);
        let mut waiting = wait(&condvar);
        let panics = doing(|| panic!("a waker panics"));
        assert!(poll_by(&panics, &mut waiting).is_pending());
        crowd.come(&condvar, MANY - angry - 1);
        assert!(catch_unwind(AssertUnwindSafe(|| condvar.notify_all())).is_err());
        assert_eq!(condvar.waiting(), 0);
        crowd.return_notified();
        assert!(matches!(poll_by(Waker::noop(), &mut waiting), Poll::Ready(())));
    }
}

on_backends!(
    who_comes_for_one_that_left_is_not_notified,
    who_comes_into_an_empty_line_is_not_notified,
    another_notification_is_for_those_who_come_later,
    all_are_notified_twice_at_once,
    who_leaves_between_two_batches_is_not_notified,
    another_task_waits_between_two_batches,
    a_threads_time_is_over_between_two_batches,
    a_waker_panics_in_one_of_the_batches,
);
