//! Accessors, predicates and properties: who is woken by a write, and what it
//! then sees.

#![cfg(all(feature = "std", feature = "async", feature = "critical-section"))]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]
#![allow(unsafe_code, reason = "a waker is written here")]

#[macro_use]
mod support;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use portunus::accessor::{Changes, Functions};
use portunus::{Accessor, Backend, Condition, Predicate};
use smol::stream::Stream;

use support::executor::{Executor, RunQueue, Smol, TokioCurrent, TokioMulti};
use support::{Hand, panics, ready, until, watched};

#[test]
fn a_value_becomes_an_accessor() {
    let number: portunus::sync::Accessor<u32> = 7.into();
    number.set(number.value() + 1);
    assert_eq!(number.into_inner(), 8);
}

/// A waker whose copies panic when they are dropped.
fn panics_when_dropped() -> Waker {
    static FIRST: RawWakerVTable = RawWakerVTable::new(copy, ignore, ignore, ignore);
    static COPY: RawWakerVTable = RawWakerVTable::new(copy, ignore, ignore, |_| {
        panic!("the drop of a waker panics");
    });
    fn copy(data: *const ()) -> RawWaker {
        RawWaker::new(data, &COPY)
    }
    fn ignore(_: *const ()) {}
    // SAFETY: the functions of the tables do nothing with what they are given.
    unsafe { Waker::new(std::ptr::null(), &FIRST) }
}

/// Lasts for ever, as what is awaited has to.
fn lasting<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// All waiting readers get the next value, in the order in which they came.
fn one_write_releases_all_readers<B: Backend>() {
    let word = lasting(Accessor::<_, B>::new("Foo"));
    let hands = [Hand::new(), Hand::new(), Hand::new()];
    let mut gets = [word.get_async(), word.get_async(), word.get_async()].map(Box::pin);
    for (hand, get) in hands.iter().zip(&mut gets) {
        assert!(hand.poll(get.as_mut()).is_pending());
    }
    assert!(word.has_waiting_read());
    word.set("Bar");
    for (hand, get) in hands.iter().zip(&mut gets) {
        assert_eq!(hand.wakes(), 1);
        assert_eq!(ready(hand.poll(get.as_mut())), "Bar");
    }
    assert!(!word.has_waiting_read());
}

/// Notes who is woken, in that order.
struct Noting(usize, Arc<Mutex<Vec<usize>>>);

impl Wake for Noting {
    fn wake(self: Arc<Self>) {
        self.1.lock().expect("no panic under it").push(self.0);
    }
}

/// More of them than are woken at once.
fn readers_wake_in_the_order_in_which_they_came<B: Backend>() {
    const CROWD: usize = 50;
    let value = lasting(Accessor::<_, B>::new(0));
    let woken = Arc::new(Mutex::new(Vec::new()));
    let mut gets: Vec<_> = (0..CROWD)
        .map(|number| {
            let waker = Waker::from(Arc::new(Noting(number, Arc::clone(&woken))));
            let wanted = if number % 3 == 0 { 2 } else { 1 };
            (waker, Box::pin(value.get_where_async(move |v| *v >= wanted)))
        })
        .collect();
    for (waker, get) in &mut gets {
        assert!(get.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
    }
    let take = || std::mem::take(&mut *woken.lock().expect("no panic under it"));
    value.set(1);
    assert_eq!(take(), (0..CROWD).filter(|number| number % 3 != 0).collect::<Vec<_>>());
    value.set(2);
    assert_eq!(take(), (0..CROWD).step_by(3).collect::<Vec<_>>());
    for (waker, get) in &mut gets {
        assert_eq!(get.as_mut().poll(&mut Context::from_waker(waker)), Poll::Ready(2));
    }
}

/// What is read, and when, by predicate and by whether it has to be fresh.
fn the_table_of_decisions<B: Backend>() {
    let hand = Hand::new();
    // At once, or not, while the value is 5.
    let value = lasting(Accessor::<_, B>::new(5));
    assert!(hand.poll(pin!(value.get_async())).is_pending());
    assert_eq!(value.value(), 5);
    assert_eq!(hand.poll(pin!(value.get_where_async(|_| true))), Poll::Ready(5));
    assert_eq!(hand.poll(pin!(value.get_where_async(|v| *v == 5))), Poll::Ready(5));
    assert!(hand.poll(pin!(value.get_where_async(|v| *v == 6))).is_pending());
    assert!(!value.has_waiting_read(), "they were dropped");
    // Fresh: the same value counts, when it is set again.
    let mut fresh = pin!(value.get_next_where_async(|v| *v == 5));
    assert!(hand.poll(fresh.as_mut()).is_pending());
    value.set(5);
    assert_eq!(hand.poll(fresh.as_mut()), Poll::Ready(5));
    // Fresh and another one: 5 does not release it, 6 does.
    let mut other = pin!(value.get_next_where_async(|v| *v == 6));
    assert!(hand.poll(other.as_mut()).is_pending());
    value.set(5);
    assert!(hand.poll(other.as_mut()).is_pending());
    value.set(6);
    assert_eq!(hand.poll(other.as_mut()), Poll::Ready(6));
}

/// Asked when it comes, and at each write; not when it runs, if nothing moved.
fn how_often_a_predicate_is_asked<B: Backend>() {
    let (value, hand) = (lasting(Accessor::<_, B>::new(5)), Hand::new());
    let asked = lasting(Mutex::new(Vec::new()));
    let mut get = pin!(value.get_next_where_async(|v| {
        asked.lock().expect("no panic under it").push(*v);
        *v >= 7
    }));
    assert!(hand.poll(get.as_mut()).is_pending());
    value.set(6);
    assert_eq!(hand.wakes(), 0, "it was woken for nothing");
    value.set(7);
    assert_eq!(hand.wakes(), 1);
    assert_eq!(hand.poll(get.as_mut()), Poll::Ready(7));
    assert_eq!(*asked.lock().expect("no panic under it"), [5, 6, 7]);
}

fn a_reader_sees_the_latest_value<B: Backend>() {
    let (value, hand) = (lasting(Accessor::<_, B>::new(0)), Hand::new());
    let mut get = pin!(value.get_async());
    assert!(hand.poll(get.as_mut()).is_pending());
    value.set(1);
    value.set(2);
    assert_eq!(hand.poll(get.as_mut()), Poll::Ready(2));
    // One that wanted 1 finds 2, and waits on.
    let mut one = pin!(value.get_where_async(|v| *v == 1));
    assert!(hand.poll(one.as_mut()).is_pending());
    value.set(1);
    value.set(2);
    assert!(hand.poll(one.as_mut()).is_pending());
    assert_eq!(value.condition().waiting(), 1, "it stands in line again");
    value.set(1);
    assert_eq!(hand.poll(one.as_mut()), Poll::Ready(1));
}

/// Of many that wait, only those are woken whose value has come.
fn only_who_is_satisfied_wakes<B: Backend>() {
    let value = lasting(Accessor::<_, B>::new(usize::MAX));
    let hands: Vec<_> = (0..1000).map(|_| Hand::new()).collect();
    let mut gets: Vec<_> = (0..hands.len())
        .map(|wanted| Box::pin(value.get_where_async(move |v| *v == wanted)))
        .collect();
    for (hand, get) in hands.iter().zip(&mut gets) {
        assert!(hand.poll(get.as_mut()).is_pending());
    }
    value.set(70);
    let woken: Vec<_> = (0..hands.len()).filter(|at| hands[*at].wakes() != 0).collect();
    assert_eq!(woken, [70]);
    assert_eq!(hands[70].poll(gets[70].as_mut()), Poll::Ready(70));
    assert_eq!(value.condition().waiting(), 999);
}

fn a_reader_that_gives_up_is_gone<B: Backend>() {
    let (value, hand) = (lasting(Accessor::<_, B>::new(0)), Hand::new());
    let mut get = Box::pin(value.get_async());
    assert!(!value.has_waiting_read(), "before the first poll");
    assert!(hand.poll(get.as_mut()).is_pending());
    assert!(value.has_waiting_read());
    drop(get);
    assert!(!value.has_waiting_read());
    assert_eq!(hand.kept(), 0, "its waker is kept");
    // Woken, and not polled since.
    let mut get = Box::pin(value.get_async());
    assert!(hand.poll(get.as_mut()).is_pending());
    value.set(1);
    assert!(!value.has_waiting_read());
    drop(get);
    value.set(2);
    assert_eq!(value.condition().waiting(), 0);
}

fn set_when_read_waits_for_a_reader<B: Backend>() {
    let (value, writer, reader) = (lasting(Accessor::<_, B>::new(0)), Hand::new(), Hand::new());
    for new in 1..=2 {
        let mut set = pin!(value.set_when_read_async(new));
        assert!(writer.poll(set.as_mut()).is_pending());
        assert_eq!(value.value(), new - 1);
        let mut get = pin!(value.get_async());
        assert!(reader.poll(get.as_mut()).is_pending());
        assert_eq!(writer.wakes(), new, "a reader has come");
        assert!(writer.poll(set.as_mut()).is_ready());
        assert_eq!(reader.poll(get.as_mut()), Poll::Ready(new));
    }
    // Who waits for a reader is not woken by anything else.
    let observer = Hand::new();
    let mut sees = pin!(value.wait_for_reader_async());
    assert!(observer.poll(sees.as_mut()).is_pending());
    value.set(2);
    assert_eq!(observer.wakes(), 0);
    // A reader is there already.
    let mut get = pin!(value.get_async());
    assert!(reader.poll(get.as_mut()).is_pending());
    assert!(observer.wakes() == 1 && observer.poll(sees.as_mut()).is_ready());
    assert!(writer.poll(pin!(value.set_when_read_async(7))).is_ready());
    assert_eq!(reader.poll(get.as_mut()), Poll::Ready(7));
}

/// One reader lets one of them set, in order; one that gives up leaves the
/// reader to the next.
fn several_wait_for_readers<B: Backend>() {
    let (value, reader) = (lasting(Accessor::<_, B>::new(0)), Hand::new());
    let hands = [Hand::new(), Hand::new(), Hand::new()];
    let mut sets: Vec<_> =
        (1..=3).map(|new| Some(Box::pin(value.set_when_read_async(new)))).collect();
    for (hand, set) in hands.iter().zip(&mut sets) {
        assert!(hand.poll(set.as_mut().expect("there").as_mut()).is_pending());
    }
    let wakes = || hands.each_ref().map(Hand::wakes);
    let mut get = pin!(value.get_async());
    assert!(reader.poll(get.as_mut()).is_pending());
    assert_eq!(wakes(), [1, 0, 0]);
    // The reader is that of the first one, who has not run yet.
    assert!(reader.poll(pin!(value.set_when_read_async(4))).is_pending());
    assert_eq!(value.value(), 0);
    // Dropped with the reader that it was woken for.
    sets[0] = None;
    assert_eq!(wakes(), [1, 1, 0]);
    assert!(hands[1].poll(sets[1].as_mut().expect("there").as_mut()).is_ready());
    assert_eq!(reader.poll(get.as_mut()), Poll::Ready(2));
    // The third one is as it was.
    assert!(hands[2].poll(sets[2].as_mut().expect("there").as_mut()).is_pending());
    let mut get = pin!(value.get_async());
    assert!(reader.poll(get.as_mut()).is_pending());
    assert!(hands[2].poll(sets[2].as_mut().expect("there").as_mut()).is_ready());
    assert_eq!(reader.poll(get.as_mut()), Poll::Ready(3));
}

/// One that gives up in line changes nothing for the others, nor for later
/// ones.
fn a_writer_that_gives_up_in_line<B: Backend>() {
    let (value, reader) = (lasting(Accessor::<_, B>::new(0)), Hand::new());
    let hands = [Hand::new(), Hand::new(), Hand::new()];
    let mut sets: Vec<_> =
        (1..=3).map(|new| Some(Box::pin(value.set_when_read_async(new)))).collect();
    for (hand, set) in hands.iter().zip(&mut sets) {
        assert!(hand.poll(set.as_mut().expect("there").as_mut()).is_pending());
    }
    sets[1] = None;
    sets[0] = None;
    assert_eq!((hands[2].wakes(), value.value()), (0, 0));
    let mut get = pin!(value.get_async());
    assert!(reader.poll(get.as_mut()).is_pending());
    assert_eq!(hands.each_ref().map(Hand::wakes), [0, 0, 1]);
    assert!(hands[2].poll(sets[2].as_mut().expect("there").as_mut()).is_ready());
    assert_eq!(reader.poll(get.as_mut()), Poll::Ready(3));
    assert!(hands[0].poll(pin!(value.set_when_read_async(4))).is_pending());
    assert_eq!(value.value(), 3);
}

/// The reader for whom a writer was woken has gone when the writer runs.
fn a_reader_that_has_gone_is_waited_for_again<B: Backend>() {
    let (value, writer, reader) = (lasting(Accessor::<_, B>::new(0)), Hand::new(), Hand::new());
    let mut set = pin!(value.set_when_read_async(1));
    assert!(writer.poll(set.as_mut()).is_pending());
    let mut get = Box::pin(value.get_async());
    assert!(reader.poll(get.as_mut()).is_pending());
    drop(get);
    assert!(writer.poll(set.as_mut()).is_pending());
    assert_eq!(value.value(), 0);
    let mut get = Box::pin(value.get_async());
    assert!(reader.poll(get.as_mut()).is_pending());
    assert!(writer.poll(set.as_mut()).is_ready());
    assert_eq!(reader.poll(get.as_mut()), Poll::Ready(1));
}

fn a_failing_setter_notifies_nobody<B: Backend>() {
    let stored = lasting(Mutex::new(0));
    let value = lasting(Accessor::<u32, B, _>::with_source(
        Changes::<_, B>::new(),
        Functions::new(
            || Ok(*stored.lock().expect("no panic under it")),
            |new: u32| {
                if new > 9 {
                    return Err(new);
                }
                *stored.lock().expect("no panic under it") = new;
                Ok(())
            },
        ),
    ));
    let hand = Hand::new();
    let mut get = pin!(value.get_async());
    assert!(hand.poll(get.as_mut()).is_pending());
    assert_eq!(value.set(10), Err(10));
    assert_eq!(hand.wakes(), 0);
    assert_eq!(value.set(3), Ok(()));
    assert_eq!(hand.poll(get.as_mut()), Poll::Ready(Ok(3)));
}

fn a_failing_getter_is_its_readers_error<B: Backend>() {
    let broken = lasting(AtomicBool::new(false));
    let value = lasting(Accessor::<u32, B, _>::with_source(
        Changes::<_, B>::new(),
        Functions::new(
            || if broken.load(SeqCst) { Err("broken") } else { Ok(1) },
            |_: u32| {
                broken.store(true, SeqCst);
                Ok(())
            },
        ),
    ));
    let hand = Hand::new();
    let mut get = pin!(value.get_where_async(|v| *v == 2));
    assert!(hand.poll(get.as_mut()).is_pending());
    assert_eq!(value.set(2), Ok(()));
    assert_eq!(hand.poll(get.as_mut()), Poll::Ready(Err("broken")));
    assert_eq!(value.value(), Err("broken"));
}

fn accessors_share_a_condition<B: Backend>() {
    let changed = lasting(Condition::<B>::new());
    let (a, b) = (lasting(Accessor::on(changed, 1)), lasting(Accessor::on(changed, 1)));
    let (hand_a, hand_b, hand_both) = (Hand::new(), Hand::new(), Hand::new());
    let (mut get_a, mut get_b) = (pin!(a.get_async()), pin!(b.get_async()));
    assert!(hand_a.poll(get_a.as_mut()).is_pending());
    assert!(hand_b.poll(get_b.as_mut()).is_pending());
    let told = lasting(AtomicUsize::new(0));
    let both = lasting(Predicate::new(changed, || told.load(SeqCst) == 2));
    let mut wait = pin!(both.wait_async());
    assert!(hand_both.poll(wait.as_mut()).is_pending());
    assert_eq!(changed.waiting(), 3);
    told.fetch_add(1, SeqCst);
    a.set(2);
    assert_eq!([hand_a.wakes(), hand_b.wakes(), hand_both.wakes()], [1, 0, 0]);
    assert_eq!(changed.notify(), 0, "a notification alone changes no version");
    told.fetch_add(1, SeqCst);
    b.set(2);
    assert_eq!([hand_a.wakes(), hand_b.wakes(), hand_both.wakes()], [1, 1, 1]);
    assert!(hand_both.poll(wait.as_mut()).is_ready());
}

fn values_come_one_by_one<B: Backend>() {
    let (value, hand) = (lasting(Accessor::<_, B>::new(0)), Hand::new());
    let mut values = pin!(value.values());
    let mut next = || values.as_mut().poll_next(&mut Context::from_waker(hand.waker()));
    assert!(next().is_pending());
    value.set(1);
    assert_eq!(next(), Poll::Ready(Some(1)));
    // What is set while nobody polls is not missed; of several, the last.
    value.set(2);
    value.set(3);
    assert_eq!(next(), Poll::Ready(Some(3)));
    assert!(next().is_pending());
    value.set(4);
    assert_eq!(next(), Poll::Ready(Some(4)));
}

fn in_place_and_compared<B: Backend>() {
    let (value, hand) = (lasting(Accessor::<_, B>::new(vec![1])), Hand::new());
    let mut get = pin!(value.get_async());
    assert!(hand.poll(get.as_mut()).is_pending());
    assert_eq!(value.compare_and_set(&vec![2], vec![3]), Err(vec![3]));
    assert_eq!(hand.wakes(), 0);
    value.update(|list| list.push(2));
    assert_eq!(hand.poll(get.as_mut()), Poll::Ready(vec![1, 2]));
    assert_eq!(value.compare_and_set(&vec![1, 2], vec![3]), Ok(()));
    assert_eq!(value.value(), [3]);
    // Asked only where it is a new one.
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let mut get = pin!(value.get_next_where_async(move |list| {
        count.fetch_add(1, SeqCst);
        list.len() > 2
    }));
    assert!(hand.poll(get.as_mut()).is_pending());
    let wakes = hand.wakes();
    assert!(!value.update_if(|list| list.len() > 1));
    assert_eq!((asked.load(SeqCst), hand.wakes()), (1, wakes));
    assert_eq!(value.replace(vec![4]), [3]);
    assert_eq!((asked.load(SeqCst), hand.wakes()), (2, wakes));
    assert!(value.update_if(|list| {
        list.extend([5, 6]);
        true
    }));
    assert_eq!((asked.load(SeqCst), hand.wakes()), (3, wakes + 1));
    assert_eq!(hand.poll(get.as_mut()), Poll::Ready(vec![4, 5, 6]));
    let mut mine = Accessor::<_, B>::new(1);
    *mine.get_mut() = 2;
    assert_eq!(mine.into_inner(), 2);
}

fn a_panicking_predicate<B: Backend>() {
    let (value, bad, good) = (lasting(Accessor::<_, B>::new(0)), Hand::new(), Hand::new());
    let mut panics = Box::pin(value.get_where_async(|v| {
        assert!(*v != 1, "the predicate panics");
        *v == 2
    }));
    assert!(bad.poll(panics.as_mut()).is_pending());
    let mut other = Box::pin(value.get_where_async(|v| *v == 1));
    assert!(good.poll(other.as_mut()).is_pending());
    // In the call that asked it: the value is set all the same.
    assert!(catch_unwind(AssertUnwindSafe(|| value.set(1))).is_err());
    assert_eq!(value.value(), 1);
    assert_eq!((bad.wakes(), good.wakes()), (1, 0));
    // In its own call, and whoever stood behind it goes on.
    assert!(catch_unwind(AssertUnwindSafe(|| bad.poll(panics.as_mut()))).is_err());
    assert_eq!(good.wakes(), 1);
    assert_eq!(good.poll(other.as_mut()), Poll::Ready(1));
    drop(panics);
    assert_eq!(value.condition().waiting(), 0);
    assert!(!value.has_waiting_read());
    value.set(3);
}

fn one_that_panicked_and_is_dropped_leaves_the_others_to_be_asked<B: Backend>() {
    let (value, bad, good) = (lasting(Accessor::<_, B>::new(0)), Hand::new(), Hand::new());
    let mut panics = Box::pin(value.get_where_async(|v| {
        assert!(*v != 1, "the predicate panics");
        false
    }));
    assert!(bad.poll(panics.as_mut()).is_pending());
    let mut other = Box::pin(value.get_where_async(|v| *v == 1));
    assert!(good.poll(other.as_mut()).is_pending());
    assert!(catch_unwind(AssertUnwindSafe(|| value.set(1))).is_err());
    drop(panics);
    assert_eq!(good.poll(other.as_mut()), Poll::Ready(1));
}

/// Several whose predicates panic: one after the other, each in its own call,
/// and whoever stands behind them goes on.
fn several_panicking_predicates<B: Backend>() {
    watched("nobody waits for ever", || {
        let value = Accessor::<_, B>::new(0);
        thread::scope(|scope| {
            let panicking: Vec<_> = (0..3)
                .map(|before| {
                    let reader = scope.spawn(|| {
                        let read = || {
                            value.get_where(|v| {
                                assert!(*v != 5, "the predicate panics");
                                false
                            })
                        };
                        catch_unwind(AssertUnwindSafe(read)).is_err()
                    });
                    until("they wait", || value.condition().waiting() == before + 1);
                    reader
                })
                .collect();
            let good = scope.spawn(|| value.get_where(|v| *v == 5));
            until("they wait", || value.condition().waiting() == 4);
            assert!(catch_unwind(AssertUnwindSafe(|| value.set(5))).is_err());
            for reader in panicking {
                assert!(reader.join().expect("caught"));
            }
            assert_eq!(good.join().expect("no panic"), 5);
        });
        assert!(!value.has_waiting_read());
    });
}

/// A setter that fails leaves the reader to the next writer.
fn a_failing_setter_leaves_its_reader<B: Backend>() {
    let value = lasting(Accessor::<u32, B, _>::with_source(
        Changes::<_, B>::new(),
        Functions::new(|| Ok(7), |new: u32| if new == 1 { Err("one") } else { Ok(()) }),
    ));
    let (first, second, reader) = (Hand::new(), Hand::new(), Hand::new());
    let mut fails = pin!(value.set_when_read_async(1));
    assert!(first.poll(fails.as_mut()).is_pending());
    let mut sets = pin!(value.set_when_read_async(2));
    assert!(second.poll(sets.as_mut()).is_pending());
    let mut get = pin!(value.get_async());
    assert!(reader.poll(get.as_mut()).is_pending());
    assert_eq!((first.wakes(), second.wakes()), (1, 0));
    assert_eq!(first.poll(fails.as_mut()), Poll::Ready(Err("one")));
    assert_eq!(second.wakes(), 1, "the reader is still there");
    assert_eq!(second.poll(sets.as_mut()), Poll::Ready(Ok(())));
    assert_eq!(reader.poll(get.as_mut()), Poll::Ready(Ok(7)));
}

/// An error of the getter in between is no answer to the predicate.
fn what_was_not_wanted_is_not_returned<B: Backend>() {
    let broken = lasting(AtomicBool::new(false));
    let value = lasting(Accessor::<u32, B, _>::with_source(
        Changes::<_, B>::new(),
        Functions::new(|| if broken.load(SeqCst) { Err(()) } else { Ok(1) }, |_: u32| Ok(())),
    ));
    let hand = Hand::new();
    let mut get = pin!(value.get_where_async(|v| *v == 2));
    assert!(hand.poll(get.as_mut()).is_pending());
    broken.store(true, SeqCst);
    assert_eq!(value.set(1), Ok(()));
    broken.store(false, SeqCst);
    assert!(hand.poll(get.as_mut()).is_pending(), "1 was not wanted");
}

fn threads_wait_as_well<B: Backend>() {
    watched("nobody waits for ever", || {
        let value = lasting(Accessor::<_, B>::new(0));
        thread::scope(|scope| {
            let next = scope.spawn(|| value.get());
            let wanted = scope.spawn(|| value.get_where(|v| *v == 3));
            until("they wait", || value.condition().waiting() == 2);
            value.set(2);
            assert_eq!(next.join().expect("no panic"), 2);
            let writer = scope.spawn(|| value.set_when_read(3));
            writer.join().expect("there was a reader");
            assert_eq!(wanted.join().expect("no panic"), 3);
            let rendezvous = scope.spawn(|| value.set_when_read(4));
            until("they wait", || value.condition().waiting() == 1);
            assert_eq!(value.get(), 4);
            rendezvous.join().expect("no panic");
            let reader = scope.spawn(|| value.get());
            value.wait_for_reader();
            value.set(5);
            assert_eq!(reader.join().expect("no panic"), 5);
        });
    });
}

fn time_is_a_limit<B: Backend>() {
    const TIME: Duration = Duration::from_millis(10);
    let value = lasting(Accessor::<_, B>::new(5));
    let start = Instant::now();
    assert_eq!(value.get_for(TIME), None);
    assert!(start.elapsed() >= TIME, "too early");
    assert_eq!(value.get_where_for(|v| *v == 5, TIME), Some(5));
    assert_eq!(value.get_where_for(|v| *v == 6, TIME), None);
    assert_eq!(value.get_next_where_for(|v| *v == 5, TIME), None);
    assert_eq!(value.set_when_read_for(6, TIME), Err(6));
    assert_eq!(value.value(), 5);
    assert!(!value.has_waiting_read());
    assert_eq!(value.condition().waiting(), 0);
    let flag = AtomicBool::new(false);
    let predicate = Predicate::<_, B>::new(Condition::new(), || flag.load(SeqCst));
    assert!(predicate.wait_for(TIME).timed_out());
    // When the time is over it is asked once more, though nobody has notified.
    let asked = AtomicUsize::new(0);
    let second = Predicate::<_, B>::new(Condition::new(), || asked.fetch_add(1, SeqCst) == 1);
    assert!(!second.wait_for(TIME).timed_out());
    // It can be waited for again.
    flag.store(true, SeqCst);
    assert!(!predicate.wait_for(TIME).timed_out());
    assert!(predicate.holds());
    // And it is no latch.
    flag.store(false, SeqCst);
    assert!(predicate.wait_until(Instant::now() + TIME).timed_out());
}

/// The cancellation of one wait is nothing to the others.
fn each_wait_for_a_predicate_is_its_own<B: Backend>() {
    let flag = lasting(AtomicBool::new(false));
    let predicate = lasting(Predicate::<_, B>::new(Condition::new(), || flag.load(SeqCst)));
    let (hand1, hand2) = (Hand::new(), Hand::new());
    let mut first = Box::pin(predicate.wait_async());
    let mut second = Box::pin(predicate.wait_async());
    assert!(hand1.poll(first.as_mut()).is_pending());
    assert!(hand2.poll(second.as_mut()).is_pending());
    drop(first);
    flag.store(true, SeqCst);
    assert_eq!(hand2.wakes(), 0, "nobody was notified");
    assert_eq!(predicate.condition().notify(), 1);
    assert!(hand2.poll(second.as_mut()).is_ready());
}

fn what_is_busy_is_not_waited_for<B: Backend>() {
    let value = lasting(Accessor::<_, B>::new(0));
    assert_eq!(value.try_set(1), Ok(()));
    assert_eq!(value.condition().try_notify(), Some(0));
    value.with(|seen| {
        assert_eq!(*seen, 1);
        assert_eq!(value.try_set(2), Err(2), "its lock is taken");
        assert_eq!(value.condition().try_notify(), None);
        assert_eq!(
            format!("{value:?}"),
            "Accessor { name: None, condition: Condition { waiting: <locked> }, .. }"
        );
    });
    assert_eq!(value.value(), 1);
}

/// A local, a field, and a predicate that owns what it asks.
fn what_is_borrowed_is_awaited<B: Backend>() {
    let (value, hand) = (Accessor::<_, B>::new(1), Hand::new());
    let limit = 2;
    let mut get = pin!(value.get_where_async(move |v| *v > limit));
    assert!(hand.poll(get.as_mut()).is_pending());
    value.set(3);
    assert_eq!(hand.poll(get.as_mut()), Poll::Ready(3));
    let (flag, changed) = (Arc::new(AtomicBool::new(false)), Condition::<B>::new());
    let seen = Arc::clone(&flag);
    let is_set = Predicate::new(&changed, move || seen.load(SeqCst));
    let mut wait = pin!(is_set.wait_async());
    assert!(hand.poll(wait.as_mut()).is_pending());
    flag.store(true, SeqCst);
    assert_eq!(changed.notify(), 1);
    assert!(hand.poll(wait.as_mut()).is_ready());
}

/// A future that is forgotten is asked on, where its accessor has gone to, and
/// never again when that is gone.
fn a_forgotten_reader_is_followed_nowhere<B: Backend>() {
    let asked = Arc::new(AtomicUsize::new(0));
    let changed = Condition::<B>::new();
    let hand = Hand::new();
    let text = Accessor::<_, B, _, _>::on(&changed, String::from("a"));
    let count = Arc::clone(&asked);
    let mut get = Box::pin(text.get_next_where_async(move |text| {
        count.fetch_add(1, SeqCst);
        text == "c"
    }));
    assert!(hand.poll(get.as_mut()).is_pending());
    std::mem::forget(get);
    let moved = Box::new(text);
    moved.set(String::from("b"));
    assert_eq!((asked.load(SeqCst), hand.wakes()), (2, 0));
    drop(moved);
    // The same size, perhaps in the same place; values of another type.
    let others: Vec<_> = (0..10).map(|_| Box::new(Accessor::on(&changed, [1_usize; 3]))).collect();
    for other in &others {
        let mut get = pin!(other.get_async());
        assert!(hand.poll(get.as_mut()).is_pending());
        other.set([usize::MAX; 3]);
        assert!(hand.poll(get.as_mut()).is_ready());
    }
    assert_eq!((asked.load(SeqCst), hand.wakes()), (2, 10));
    // It is woken, because another value could be there, and asked nothing.
    assert_eq!(changed.waiting(), 1);
    assert_eq!(changed.notify(), 1);
    assert_eq!((asked.load(SeqCst), hand.wakes()), (2, 11));
    assert_eq!(changed.notify(), 0);
}

/// The line goes before who stands in it, and was forgotten.
fn a_condition_goes_before_forgotten_waiters<B: Backend>() {
    let hand = Hand::new();
    {
        let value = Box::new(Accessor::<_, B>::new(1));
        let mut get = Box::pin(value.get_async());
        assert!(hand.poll(get.as_mut()).is_pending());
        std::mem::forget(get);
        let flag = Arc::new(AtomicBool::new(false));
        let predicate = Predicate::new(value.condition(), move || flag.load(SeqCst));
        let mut wait = Box::pin(predicate.wait_async());
        assert!(hand.poll(wait.as_mut()).is_pending());
        std::mem::forget(wait);
        assert_eq!(value.condition().waiting(), 2);
    }
    assert_eq!(hand.wakes(), 0);
}

/// Whose value is set asks its own readers, and nobody else's.
fn others_readers_are_not_asked<B: Backend>() {
    let (changed, hand) = (Condition::<B>::new(), Hand::new());
    let (a, b) = (Accessor::on(&changed, 1), Accessor::on(&changed, 1));
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let mut get = pin!(b.get_where_async(move |v| {
        count.fetch_add(1, SeqCst);
        *v == 2
    }));
    assert!(hand.poll(get.as_mut()).is_pending());
    a.set(2);
    assert_eq!((asked.load(SeqCst), hand.wakes()), (1, 0));
    let mut other = pin!(a.get_async());
    assert!(hand.poll(other.as_mut()).is_pending());
    a.set(2);
    assert!(hand.poll(other.as_mut()).is_ready());
    assert_eq!((asked.load(SeqCst), hand.wakes()), (1, 1));
    b.set(2);
    assert_eq!(hand.poll(get.as_mut()), Poll::Ready(2));
}

/// What a getter finds changes without a setter: who notifies the condition lets
/// those look who could be satisfied.
fn a_notification_lets_readers_look<B: Backend>() {
    let stored = AtomicUsize::new(1);
    let value = Accessor::<usize, B, _>::with_source(
        Changes::<_, B>::new(),
        Functions::new(|| Ok::<_, ()>(stored.load(SeqCst)), |_| Ok(())),
    );
    let (hand, fresh, writer) = (Hand::new(), Hand::new(), Hand::new());
    let mut get = pin!(value.get_where_async(|v| *v == 3));
    let mut next = pin!(value.get_next_where_async(|v| *v == 3));
    assert!(hand.poll(get.as_mut()).is_pending());
    assert!(fresh.poll(next.as_mut()).is_pending());
    stored.store(2, SeqCst);
    assert_eq!(value.condition().notify(), 1);
    assert_eq!((hand.wakes(), fresh.wakes()), (1, 0), "nothing was set");
    assert!(value.has_waiting_read());
    assert!(hand.poll(get.as_mut()).is_pending());
    assert_eq!(value.condition().waiting(), 2, "it stands in line again");
    // Set, and not as wanted: from now on another value is news to both.
    assert_eq!(value.set(2), Ok(()));
    stored.store(3, SeqCst);
    assert_eq!(value.condition().notify(), 2);
    assert!(value.has_waiting_read());
    assert_eq!(hand.poll(get.as_mut()), Poll::Ready(Ok(3)));
    assert!(value.has_waiting_read());
    assert_eq!(fresh.poll(next.as_mut()), Poll::Ready(Ok(3)));
    assert!(!value.has_waiting_read());
    // Woken for a value that has gone when it runs: another one is news again.
    {
        let mut next = pin!(value.get_next_where_async(|v| *v == 3));
        assert!(fresh.poll(next.as_mut()).is_pending());
        assert_eq!(value.set(3), Ok(()));
        stored.store(2, SeqCst);
        assert_eq!(value.set(2), Ok(()));
        assert!(fresh.poll(next.as_mut()).is_pending());
        stored.store(3, SeqCst);
        assert_eq!(value.condition().notify(), 1);
        assert_eq!(fresh.poll(next.as_mut()), Poll::Ready(Ok(3)));
    }
    // Woken by a notification, and dropped instead of asked.
    {
        let mut get = Box::pin(value.get_where_async(|v| *v == 4));
        assert!(hand.poll(get.as_mut()).is_pending());
        assert_eq!(value.condition().notify(), 1);
        drop(get);
    }
    assert!(!value.has_waiting_read());
    assert!(writer.poll(pin!(value.set_when_read_async(1))).is_pending());
}

/// A predicate that panics when an accessor is set leaves its readers to be asked
/// by its owner, who comes back or is dropped.
fn behind_a_predicate_that_panics<B: Backend>() {
    for drops in [false, true] {
        let value = Accessor::<_, B>::new(0);
        let (armed, bad, good) = (Arc::new(AtomicBool::new(false)), Hand::new(), Hand::new());
        let seen = Arc::clone(&armed);
        let predicate = Predicate::new(value.condition(), move || {
            assert!(!seen.load(SeqCst), "the predicate panics");
            false
        });
        let mut wait = Box::pin(predicate.wait_async());
        assert!(bad.poll(wait.as_mut()).is_pending());
        let mut get = pin!(value.get_async());
        assert!(good.poll(get.as_mut()).is_pending());
        armed.store(true, SeqCst);
        assert!(catch_unwind(AssertUnwindSafe(|| value.set(1))).is_err());
        assert_eq!((bad.wakes(), good.wakes()), (1, 0));
        if !drops {
            assert!(catch_unwind(AssertUnwindSafe(|| bad.poll(wait.as_mut()))).is_err());
        }
        drop(wait);
        assert_eq!(good.wakes(), 1);
        assert!(value.has_waiting_read(), "it has not come yet");
        assert_eq!(good.poll(get.as_mut()), Poll::Ready(1));
        assert!(!value.has_waiting_read());
    }
}

/// Who comes to read asks others only where somebody waits for readers.
#[track_caller]
fn nobody_waits_for_readers<B: Backend>(value: &Accessor<u32, B>) {
    let (asked, hand) = (Arc::new(AtomicUsize::new(0)), Hand::new());
    let count = Arc::clone(&asked);
    let counting = move || count.fetch_add(1, SeqCst) > 9;
    let counts = Predicate::<_, B, _>::new(value.condition(), counting);
    let mut wait = pin!(counts.wait_async());
    assert!(hand.poll(wait.as_mut()).is_pending());
    assert!(hand.poll(pin!(value.get_async())).is_pending());
    assert_eq!(asked.load(SeqCst), 1);
}

/// The same for who waits until somebody reads.
fn a_writer_behind_a_predicate_that_panics<B: Backend>() {
    // They look again, or are dropped.
    for drops in [false, true] {
        writers_behind_a_predicate_that_panics::<B>(drops);
    }
}

fn writers_behind_a_predicate_that_panics<B: Backend>(drops: bool) {
    let value = Accessor::<_, B>::new(0);
    let (armed, bad, writer) = (Arc::new(AtomicBool::new(false)), Hand::new(), Hand::new());
    let seen = Arc::clone(&armed);
    let predicate = Predicate::new(value.condition(), move || {
        assert!(!seen.load(SeqCst), "the predicate panics");
        false
    });
    let mut wait = Box::pin(predicate.wait_async());
    assert!(bad.poll(wait.as_mut()).is_pending());
    let mut set = Box::pin(value.set_when_read_async(1));
    assert!(writer.poll(set.as_mut()).is_pending());
    let mut sees = Box::pin(value.wait_for_reader_async());
    assert!(writer.poll(sees.as_mut()).is_pending());
    armed.store(true, SeqCst);
    let reader = Hand::new();
    let mut get = Box::pin(value.get_async());
    assert!(catch_unwind(AssertUnwindSafe(|| reader.poll(get.as_mut()))).is_err());
    assert_eq!(writer.wakes(), 0);
    armed.store(false, SeqCst);
    drop(wait);
    assert_eq!(writer.wakes(), 2);
    if drops {
        drop((get, set, sees));
        nobody_waits_for_readers(&value);
        return;
    }
    // Nobody reads: the writer has been woken for nothing, and waits again.
    drop(get);
    assert!(writer.poll(set.as_mut()).is_pending());
    assert!(writer.poll(sees.as_mut()).is_pending());
    let mut get = pin!(value.get_async());
    assert!(reader.poll(get.as_mut()).is_pending());
    assert!(writer.poll(sees.as_mut()).is_ready());
    assert!(writer.poll(set.as_mut()).is_ready());
    assert_eq!(reader.poll(get.as_mut()), Poll::Ready(1));
    nobody_waits_for_readers(&value);
}

/// Accessors that look at a field of an object through a view that is made anew
/// each time.
struct Lamp<B: Backend> {
    level: Mutex<u8>,
    level_changed: Changes<u8, B>,
}

impl<B: Backend> Lamp<B> {
    fn new() -> Self {
        Self { level: Mutex::new(0), level_changed: Changes::new() }
    }

    portunus::condition_property! {
        on B;

        /// How bright it is.
        fn level(&self.level_changed) -> Result<u8, u8> {
            get: |lamp| Ok(*lamp.level.lock().expect("no panic under it")),
            set: |lamp, level| {
                if level > 100 {
                    return Err(level);
                }
                *lamp.level.lock().expect("no panic under it") = level;
                Ok(())
            },
        }
    }
}

fn a_property_is_awaited<B: Backend>() {
    let (lamp, hand, writer) = (Lamp::<B>::new(), Hand::new(), Hand::new());
    // As one writes it: the view lives as long as the statement.
    let mut bright = Box::pin(async { lamp.level().get_where_async(|level| *level > 50).await });
    assert!(hand.poll(bright.as_mut()).is_pending());
    assert_eq!(lamp.level().set(101), Err(101));
    assert_eq!(lamp.level().set(50), Ok(()));
    assert_eq!(hand.wakes(), 0);
    assert_eq!(lamp.level().set(70), Ok(()));
    assert_eq!(hand.wakes(), 1);
    assert_eq!(hand.poll(bright.as_mut()), Poll::Ready(Ok(70)));
    // Two views, one line.
    let (one, other) = (lamp.level(), lamp.level());
    let mut set = pin!(one.set_when_read_async(1));
    assert!(writer.poll(set.as_mut()).is_pending());
    let mut values = pin!(other.values());
    let mut next = || values.as_mut().poll_next(&mut Context::from_waker(hand.waker()));
    assert!(next().is_pending());
    assert_eq!(writer.poll(set.as_mut()), Poll::Ready(Ok(())));
    assert_eq!(next(), Poll::Ready(Some(Ok(1))));
    // A view that is gone, with a future that was forgotten.
    let forgotten = Hand::new();
    {
        let view = lamp.level();
        let mut get = Box::pin(view.get_where_async(|level| *level == 9));
        assert!(forgotten.poll(get.as_mut()).is_pending());
        std::mem::forget(get);
    }
    assert_eq!(lamp.level().set(8), Ok(()));
    assert_eq!(forgotten.wakes(), 0);
    assert_eq!(lamp.level().set(9), Ok(()));
    assert_eq!(forgotten.wakes(), 1);
}

/// Writers and readers at once: each reader gets all that it waits for.
fn nothing_is_lost<B: Backend>() {
    const LAST: usize = 2000;
    watched("nobody waits for ever", || {
        let value = lasting(Accessor::<_, B>::new(0_usize));
        thread::scope(|scope| {
            for wanted in [LAST / 2, LAST] {
                let value = &value;
                scope.spawn(move || {
                    let mut seen = 0;
                    while seen < wanted {
                        let next = value.get_where(|v| *v > seen);
                        assert!(next > seen);
                        seen = next;
                    }
                });
            }
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..LAST / 2 {
                        value.update(|v| *v += 1);
                    }
                });
            }
        });
        assert_eq!(value.value(), LAST);
    });
}

on_backends!(
    one_write_releases_all_readers,
    readers_wake_in_the_order_in_which_they_came,
    the_table_of_decisions,
    how_often_a_predicate_is_asked,
    a_reader_sees_the_latest_value,
    only_who_is_satisfied_wakes,
    a_reader_that_gives_up_is_gone,
    set_when_read_waits_for_a_reader,
    several_wait_for_readers,
    a_writer_that_gives_up_in_line,
    a_reader_that_has_gone_is_waited_for_again,
    a_failing_setter_notifies_nobody,
    a_failing_getter_is_its_readers_error,
    accessors_share_a_condition,
    values_come_one_by_one,
    in_place_and_compared,
    a_panicking_predicate,
    one_that_panicked_and_is_dropped_leaves_the_others_to_be_asked,
    several_panicking_predicates,
    a_failing_setter_leaves_its_reader,
    what_was_not_wanted_is_not_returned,
    threads_wait_as_well,
    time_is_a_limit,
    each_wait_for_a_predicate_is_its_own,
    what_is_busy_is_not_waited_for,
    what_is_borrowed_is_awaited,
    a_forgotten_reader_is_followed_nowhere,
    a_condition_goes_before_forgotten_waiters,
    others_readers_are_not_asked,
    a_notification_lets_readers_look,
    behind_a_predicate_that_panics,
    a_writer_behind_a_predicate_that_panics,
    a_property_is_awaited,
    nothing_is_lost,
    a_writer_whose_waker_panics_when_it_is_dropped,
    a_waker_that_panics_under_the_lock,
    a_panicking_setter_leaves_its_reader,
    an_old_value_that_panics_when_it_is_dropped,
);

/// More readers than a batch takes.
const MANY: usize = 19;

/// A future that waits.
type Waiting<T> = Pin<Box<dyn Future<Output = T>>>;

/// So many readers, in line, and their tasks.
fn readers<T: Clone + Send + 'static, B: Backend>(
    value: &'static Accessor<T, B>,
    waker: impl Fn(usize, &Hand) -> Waker,
) -> Vec<(Hand, Waiting<T>)> {
    (0..MANY)
        .map(|number| {
            let (hand, mut get) = (Hand::new(), Box::pin(value.get_async()));
            let waker = waker(number, &hand);
            assert!(get.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            (hand, get as Pin<Box<dyn Future<Output = T>>>)
        })
        .collect()
}

/// The copy of a writer's waker that it did not need is dropped when all are
/// woken.
fn a_writer_whose_waker_panics_when_it_is_dropped<B: Backend>() {
    let value = lasting(Accessor::<_, B>::new(0));
    let mut readers = readers(value, |_, hand| hand.waker().clone());
    let mut set = Box::pin(value.set_when_read_async(1));
    let waker = panics_when_dropped();
    let polled = AssertUnwindSafe(|| set.as_mut().poll(&mut Context::from_waker(&waker)));
    assert!(catch_unwind(polled).is_err());
    for (hand, get) in &mut readers {
        assert_eq!(hand.wakes(), 1, "a batch was forgotten");
        assert_eq!(hand.poll(get.as_mut()), Poll::Ready(1));
    }
}

/// One that is woken under the lock, because there is no room for it elsewhere.
fn a_waker_that_panics_under_the_lock<B: Backend>() {
    let value = lasting(Accessor::<_, B>::new(0));
    let mut readers = readers(value, |number, hand| match number {
        16 => panics(),
        _ => hand.waker().clone(),
    });
    assert!(catch_unwind(AssertUnwindSafe(|| value.try_set(1))).is_err());
    for (number, (hand, get)) in readers.iter_mut().enumerate() {
        assert!(number == 16 || hand.wakes() > 0, "{number} was forgotten");
        assert_eq!(hand.poll(get.as_mut()), Poll::Ready(1));
    }
    assert!(!value.has_waiting_read());
}

/// A reader whose writer panics is left to the next one.
fn a_panicking_setter_leaves_its_reader<B: Backend>() {
    let stored = lasting(AtomicUsize::new(0));
    let set = |value: usize| {
        assert!(value != 1, "the setter panics");
        stored.store(value, SeqCst);
        Ok::<(), ()>(())
    };
    let value = lasting(Accessor::<usize, B, _>::with_source(
        Changes::<_, B>::new(),
        Functions::new(|| Ok(stored.load(SeqCst)), set),
    ));
    let (bad, good, reader) = (Hand::new(), Hand::new(), Hand::new());
    let mut first = Box::pin(value.set_when_read_async(1));
    let mut second = Box::pin(value.set_when_read_async(2));
    let mut get = Box::pin(value.get_async());
    assert!(bad.poll(first.as_mut()).is_pending());
    assert!(good.poll(second.as_mut()).is_pending());
    assert!(reader.poll(get.as_mut()).is_pending());
    assert_eq!((bad.wakes(), good.wakes(), reader.wakes()), (1, 0, 0));
    assert!(catch_unwind(AssertUnwindSafe(|| bad.poll(first.as_mut()))).is_err());
    assert_eq!((good.wakes(), reader.wakes()), (1, 0), "the next one was not woken");
    assert_eq!(good.poll(second.as_mut()), Poll::Ready(Ok(())));
    assert_eq!(reader.wakes(), 1);
    assert_eq!(reader.poll(get.as_mut()), Poll::Ready(Ok(2)));
    assert_eq!(value.condition().waiting(), 0);
}

/// A value that panics when it is dropped, where it is the first of its kind.
#[derive(Clone, Debug, PartialEq)]
struct Heavy(u32);

impl Drop for Heavy {
    fn drop(&mut self) {
        assert!(self.0 != 0, "the drop of a value panics");
    }
}

/// What it was replaced by is there, and its readers get it.
fn an_old_value_that_panics_when_it_is_dropped<B: Backend>() {
    for trying in [false, true] {
        let value = lasting(Accessor::<_, B>::new(Heavy(0)));
        let mut readers = readers(value, |_, hand| hand.waker().clone());
        let set = AssertUnwindSafe(|| {
            if trying {
                assert!(value.try_set(Heavy(1)).is_ok());
            } else {
                value.set(Heavy(1));
            }
        });
        assert!(catch_unwind(set).is_err());
        for (hand, get) in &mut readers {
            assert_eq!(hand.wakes(), 1, "nobody was told");
            assert_eq!(hand.poll(get.as_mut()), Poll::Ready(Heavy(1)));
        }
    }
}

static NAMED: portunus::sync::Accessor<u8> = portunus::sync::Accessor::new(1).named("level");

#[test]
fn it_has_a_name() {
    assert_eq!(NAMED.name(), Some("level"));
    assert!(format!("{NAMED:?}").contains("level"));
}

/// T-CS 4, 6 and 8, as tasks of an executor.
fn tasks_of<E: Executor>() {
    let executor = E::default();
    let spawn = executor.spawner();
    let value = Arc::new(portunus::sync::Accessor::new(0));
    let got = Arc::new(Mutex::new(Vec::new()));
    let read = |name: &'static str| {
        let (value, got) = (Arc::clone(&value), Arc::clone(&got));
        spawn(Box::pin(async move {
            let seen = value.get_async().await;
            got.lock().unwrap().push((name, seen));
        }));
    };
    let waiting = |count: usize| {
        until("they wait", || {
            executor.advance();
            value.condition().waiting() == count
        });
    };
    let all = |count: usize| {
        until("they have it", || {
            executor.advance();
            got.lock().unwrap().len() == count
        });
        std::mem::take(&mut *got.lock().unwrap())
    };
    // T-CS 4: all of them get it, first come, first served.
    for (before, name) in ["one", "two", "three"].into_iter().enumerate() {
        read(name);
        waiting(before + 1);
    }
    value.set(1);
    let mut seen = all(3);
    if !E::IN_ORDER {
        seen.sort_unstable_by_key(|(name, _)| name.len());
        seen[..2].sort_unstable();
    }
    assert_eq!(seen, [("one", 1), ("two", 1), ("three", 1)]);
    assert_eq!(value.condition().waiting(), 0);
    // T-CS 6: who did not run in between sees the last of two.
    read("late");
    waiting(1);
    value.set(2);
    value.set(3);
    let seen = all(1)[0].1;
    assert!(seen == 3 || !E::IN_ORDER && seen == 2, "{seen}");
    // T-CS 8: a write waits for a reader, and the next one for another.
    let written = Arc::new(AtomicUsize::new(0));
    let (theirs, count) = (Arc::clone(&value), Arc::clone(&written));
    spawn(Box::pin(async move {
        for next in [10, 20] {
            theirs.set_when_read_async(next).await;
            count.fetch_add(1, SeqCst);
        }
    }));
    for (before, next) in [10, 20].into_iter().enumerate() {
        waiting(1);
        assert_eq!((written.load(SeqCst), value.value()), (before, [3, 10][before]));
        read("reader");
        assert_eq!(all(1), [("reader", next)]);
        until("it is written", || {
            executor.advance();
            written.load(SeqCst) == before + 1
        });
    }
    assert_eq!(value.condition().waiting(), 0);
}

/// What is replaced is dropped outside the lock, also where a predicate panics over
/// what comes instead.
#[test]
fn a_replaced_value_is_dropped_outside() {
    use portunus::sync::Condition;

    #[derive(Default)]
    struct Looks(Option<(&'static Condition, &'static AtomicBool)>);
    impl Drop for Looks {
        fn drop(&mut self) {
            if let Some((condition, outside)) = self.0 {
                outside.store(condition.try_notify().is_some(), SeqCst);
            }
        }
    }
    let (condition, hand) = (lasting(Condition::new()), Hand::new());
    for panics in [false, true] {
        let outside = lasting(AtomicBool::new(false));
        let old = Arc::new(Looks(Some((condition, outside))));
        let value = lasting(Accessor::on(condition, old));
        let mut get = Box::pin(value.get_next_where_async(move |looks| {
            let is_new = looks.0.is_none();
            assert!(!is_new || !panics, "it panics over the new one");
            is_new
        }));
        assert!(hand.poll(get.as_mut()).is_pending());
        let replaced = catch_unwind(AssertUnwindSafe(|| drop(value.replace(Arc::default()))));
        assert_eq!(replaced.is_err(), panics);
        assert!(outside.load(SeqCst), "dropped under the lock; panics: {panics}");
    }
}

#[test]
fn tasks_of_every_executor_get_what_is_set() {
    tasks_of::<RunQueue>();
    tasks_of::<TokioCurrent>();
    tasks_of::<TokioMulti>();
    tasks_of::<Smol>();
}
