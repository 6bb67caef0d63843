//! Who goes first at a shared lock, by its preference.

use portunus::prelude::*;
use portunus::rules::Preference;
use portunus::{Backend, Fair, ReadPreferring, WritePreferring};

use crate::faces::Face;
use crate::kin::Kin;
use crate::raw;
use crate::script::Script;
use crate::subject::Want::{Read, Write};
use crate::subject::{RwLock, Want};
use crate::support::{Hand, ready};

type Lock<F, P> = <<F as Face>::Kin as Kin>::RwLock<P, <F as Face>::Backend>;
type Shared<F, P> = Script<F, Lock<F, P>>;

fn shared<F: Face, P: Preference>(wants: &[Want]) -> Shared<F, P> {
    let mut script: Shared<F, P> = Script::new(F::Kin::rwlock());
    for &want in wants {
        script.asks(want);
    }
    script
}

/// A writer inside; then a reader, a writer, a reader, a writer, a reader.
const MIXED: &[Want] = &[Write, Read, Write, Read, Write, Read];

/// All readers, then the writers.
fn readers_first<F: Face>() {
    let script = shared::<F, ReadPreferring>(MIXED);
    script.history("x-----");
    script.finish(0);
    script.history("xx-x-x");
    script.finish(3);
    script.finish(1);
    script.history("xx-x-x");
    script.finish(5);
    script.history("xxxx-x");
    script.finish(2);
    script.history("xxxxxx");
    script.order(&[0, 1, 3, 5, 2, 4]);
    script.end();
}

/// All writers, then the readers.
fn writers_first<F: Face>() {
    let script = shared::<F, WritePreferring>(MIXED);
    script.history("x-----");
    script.finish(0);
    script.history("x-x---");
    script.finish(2);
    script.history("x-x-x-");
    script.finish(4);
    script.history("xxxxxx");
    script.order(&[0, 2, 4, 1, 3, 5]);
    script.end();
}

/// As they came.
fn nobody_first<F: Face>() {
    let script = shared::<F, Fair>(MIXED);
    for entered in 1..=6 {
        let waiting = 6 - entered;
        script.history(&format!("{}{}", "x".repeat(entered), "-".repeat(waiting)));
        script.finish(entered - 1);
    }
    script.end();
}

/// A reader passes a writer that waits; that one waits for both.
fn a_reader_passes_a_waiting_writer<F: Face>() {
    let script = shared::<F, ReadPreferring>(&[Read, Write, Read]);
    script.history("x-x");
    script.finish(0);
    script.history("x-x");
    script.finish(2);
    script.history("xxx");
    script.end();
}

/// Preference is strong: it holds behind a writer too.
fn a_reader_passes_a_waiting_writer_behind_a_writer<F: Face>() {
    let script = shared::<F, ReadPreferring>(&[Write, Write, Read]);
    script.history("x--");
    script.finish(0);
    script.history("x-x");
    script.finish(2);
    script.history("xxx");
    script.end();
}

/// No reader enters while a writer waits.
fn a_reader_waits_behind_a_waiting_writer<F: Face>() {
    for_both::<F, WritePreferring>();
    for_both::<F, Fair>();

    fn for_both<F: Face, P: Preference>() {
        let script = shared::<F, P>(&[Read, Write, Read]);
        script.history("x--");
        script.finish(0);
        script.history("xx-");
        script.finish(1);
        script.history("xxx");
        script.end();
    }
}

/// A second read of one thread, with a writer waiting.
fn nested_reads<F: Face>() {
    fn with_a_writer_waiting<F: Face, P: Preference>(nested: bool) {
        let mut script = shared::<F, P>(&[]);
        script.asks(Read);
        script.asks(Write);
        script.history("x-");
        let lock = F::Kin::inner(script.subject());
        // The driver is the one that reads already.
        let again = lock.try_read();
        assert_eq!(again.is_some(), nested);
        if nested {
            drop(lock.read());
            let hand = Hand::new();
            let mut future = Box::pin(lock.read_async());
            drop(ready(hand.poll(&mut future)));
        }
        drop(again);
        script.end();
    }
    with_a_writer_waiting::<F, ReadPreferring>(true);
    with_a_writer_waiting::<F, WritePreferring>(false);
    with_a_writer_waiting::<F, Fair>(false);
}

/// A reader cancelled behind a writer leaves nothing behind that would keep
/// later readers and writers out.
fn a_cancelled_reader_leaves_no_trace<F: Face>() {
    fn of<F: Face, P: Preference>() {
        let mut script = shared::<F, P>(&[Write, Read]);
        script.history("x-");
        script.cancel(1);
        script.history("x-");
        script.finish(0);
        script.asks(Read);
        script.history("x-x");
        script.finish(2);
        script.asks(Write);
        script.history("x-xx");
        script.end();
    }
    of::<F, Fair>();
    of::<F, ReadPreferring>();
    of::<F, WritePreferring>();
}

/// The writer gone, the reader that waited for it enters beside the first.
fn a_cancelled_writer_lets_a_reader_in<F: Face>() {
    fn of<F: Face, P: Preference>() {
        let script = shared::<F, P>(&[Read, Write, Read]);
        script.history("x--");
        script.cancel(1);
        script.history("x-x");
        script.end();
    }
    of::<F, WritePreferring>();
    of::<F, Fair>();
}

/// With two writers waiting, one of them cancelled, the readers go on waiting
/// for the other.
fn the_last_waiting_writer_counts<F: Face>() {
    let script = shared::<F, WritePreferring>(&[Read, Write, Write, Read]);
    script.history("x---");
    script.cancel(1);
    script.history("x---");
    script.cancel(2);
    script.history("x--x");
    script.end();
}

/// One upgradable reader beside plain ones; as the line it stands with the
/// writers, or with everybody.
fn one_upgradable_at_a_time<B: Backend>() {
    fn of<P: Preference, B: Backend>() {
        let lock = RwLock::<P, B>::new(0);
        let hand = Hand::new();
        let reading = lock.read();
        let first = lock.upgradable_read();
        assert!(lock.try_upgradable_read().is_none());
        let mut second = Box::pin(lock.upgradable_read_async());
        assert!(hand.poll(&mut second).is_pending());
        assert_eq!(raw::rwlock(&lock).waiting(), 1);
        drop(reading);
        assert!(hand.poll(&mut second).is_pending());
        drop(first);
        let second = ready(hand.poll(&mut second));
        drop(second);
        assert!(!lock.is_locked());
    }
    of::<Fair, B>();
    of::<ReadPreferring, B>();
    of::<WritePreferring, B>();
}

on_faces! {
    all: [
        readers_first,
        writers_first,
        nobody_first,
        a_reader_passes_a_waiting_writer,
        a_reader_passes_a_waiting_writer_behind_a_writer,
        a_reader_waits_behind_a_waiting_writer,
        nested_reads,
    ],
    cancelling: [
        a_cancelled_reader_leaves_no_trace,
        a_cancelled_writer_lets_a_reader_in,
        the_last_waiting_writer_counts,
    ],
}

on_backends!(one_upgradable_at_a_time);
