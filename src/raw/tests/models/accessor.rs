//! An accessor: those who read, those who set, and those who set when somebody
//! reads.

use std::vec::Vec;

use loom::sync::Arc;
use loom::thread;

use super::shop::{Model, explore, join};
use crate::accessor::Accessor;
use crate::condition::Condition;
use crate::predicate::Predicate;

type Value = Accessor<usize, Model>;

/// Whatever the order, a value that stays is seen; the next write too, if it
/// comes after the call.
#[test]
fn a_value_is_seen() {
    explore(Some(3), || {
        let value = Arc::new(Value::new(0));
        let other = Arc::clone(&value);
        let writer = thread::spawn(move || {
            other.set(1);
            other.set(2);
        });
        let other = Arc::clone(&value);
        let reader = thread::spawn(move || assert_eq!(other.get_where(|v| *v == 2), 2));
        assert!(value.get_where(|v| *v > 0) > 0);
        join(Vec::from([writer, reader]));
        assert!(!value.has_waiting_read());
        assert_eq!(value.condition().waiting(), 0);
    });
}

/// A writer that waits for a reader, and a reader that waits for a write: they
/// meet, whoever is first.
#[test]
fn a_reader_and_a_writer_meet() {
    explore(Some(4), || {
        let value = Arc::new(Value::new(0));
        let other = Arc::clone(&value);
        let writer = thread::spawn(move || other.set_when_read(1));
        assert_eq!(value.get(), 1);
        join(Vec::from([writer]));
        assert!(!value.has_waiting_read());
    });
}

/// Two writers, two readers: each writer sets once, for a reader.
#[test]
fn writers_share_the_readers() {
    explore(Some(2), || {
        let value = Arc::new(Value::new(0));
        let writers = [1, 2].map(|new| {
            let value = Arc::clone(&value);
            thread::spawn(move || value.set_when_read(new))
        });
        let seen = value.get_where(|v| *v > 0);
        assert_ne!(value.get_where(move |v| *v > 0 && *v != seen), seen);
        join(Vec::from(writers));
        assert!(!value.has_waiting_read());
    });
}

/// Two accessors and a predicate on one condition, each set by a thread.
#[test]
fn a_condition_is_shared() {
    explore(Some(2), || {
        let changed = std::sync::Arc::new(Condition::<Model>::new());
        let [a, b] = [(); 2].map(|()| {
            let on = std::sync::Arc::clone(&changed);
            Arc::new(Accessor::<_, Model, _, _>::on(on, 0_usize))
        });
        let both = [&a, &b].map(|value| {
            let value = Arc::clone(value);
            thread::spawn(move || value.set(1))
        });
        let set = std::sync::atomic::AtomicUsize::new(0);
        let predicate = Predicate::<_, Model, _>::new(std::sync::Arc::clone(&changed), || {
            set.fetch_add(1, std::sync::atomic::Ordering::SeqCst) > 0
        });
        assert_eq!(a.get_where(|v| *v == 1), 1);
        assert_eq!(b.get_where(|v| *v == 1), 1);
        join(Vec::from(both));
        set.store(1, std::sync::atomic::Ordering::SeqCst);
        predicate.wait();
        assert_eq!(changed.waiting(), 0);
    });
}
