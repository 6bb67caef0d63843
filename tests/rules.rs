//! The ready-made rules, each against a table written out by hand.

#![cfg(all(feature = "std", feature = "async"))]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

use std::future::Future;
use std::task::{Context, Waker};

use portunus::rules::{
    Access, BoundedReaders, Granularity, Groups, Intention, Preference, Shared, SharedMode,
};
use portunus::sync::FifoLock;
use portunus::{Fair, Held, Mode, ReadPreferring, Rules, WritePreferring};

/// Whether one of the second mode may enter beside one of the first: on the
/// rule, and on a lock.
fn beside<R: Rules + Default>(inside: R::Mode, entering: R::Mode) -> bool {
    let rule = R::default().admits(entering, &Held::new().with(inside, 1));
    let lock: FifoLock<R> = FifoLock::default();
    let hold = lock.acquire(inside);
    let entered = lock.try_acquire(entering).is_some();
    drop(hold);
    assert_eq!(rule, entered, "{entering:?} beside {inside:?}");
    entered
}

/// Compares all pairs with a matrix: a row for each mode inside.
fn matches<R: Rules + Default>(matrix: &[&str]) {
    let marks: String = R::Mode::ALL
        .iter()
        .flat_map(|&inside| {
            let row = R::Mode::ALL.iter().map(move |&mode| beside::<R>(inside, mode));
            row.map(|beside| if beside { '+' } else { '.' }).chain(['\n'])
        })
        .collect();
    assert_eq!(marks.lines().collect::<Vec<_>>(), matrix);
}

#[test]
fn intention_is_the_matrix_of_the_literature() {
    matches::<Intention>(&["++++.", "++...", "+.+..", "+....", "....."]);
}

#[test]
fn one_upgradable_reader_beside_readers() {
    matches::<Shared<Fair>>(&["++.", "+..", "..."]);
    assert_eq!(SharedMode::ALL.len(), 3);
}

#[test]
fn groups_exclude_each_other() {
    portunus::modes! { enum Team { Red, Green, Blue } }
    matches::<Groups<Team>>(&["+..", ".+.", "..+"]);
}

#[test]
fn readers_are_bounded() {
    let lock = FifoLock::new(BoundedReaders::<3>);
    let mut readers: Vec<_> = (0..3).map(|_| lock.acquire(Access::Read)).collect();
    assert!(lock.try_acquire(Access::Read).is_none(), "a fourth reader");
    readers.pop();
    assert!(lock.try_acquire(Access::Write).is_none(), "a writer beside readers");
    assert!(lock.try_acquire(Access::Read).is_some());
}

/// The usual conversions of a scan that finds something to mend.
#[test]
fn intentions_convert() {
    let lock = FifoLock::new(Intention);
    let mut scan = lock.acquire(Granularity::Shared);
    let reader = lock.acquire(Granularity::IntentShared);
    assert!(scan.try_convert(Granularity::SharedIntentExclusive));
    assert!(!scan.try_convert(Granularity::Exclusive), "a reader is below");
    drop(reader);
    assert!(scan.try_convert(Granularity::Exclusive));
    assert!(scan.try_convert(Granularity::IntentShared));
    assert_eq!(lock.holders(Granularity::IntentShared), 1);
}

/// Whether a reader enters while an upgrade waits for another reader.
fn reader_passes_upgrade<P: Preference>() -> bool {
    let lock: FifoLock<Shared<P>> = FifoLock::default();
    let reader = lock.acquire(SharedMode::Read);
    let mut upgrade =
        Box::pin(lock.acquire(SharedMode::Upgradable).convert_async(SharedMode::Write));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(upgrade.as_mut().poll(&mut cx).is_pending());
    let entered = lock.try_acquire(SharedMode::Read).is_some();
    drop(reader);
    assert!(upgrade.as_mut().poll(&mut cx).is_ready(), "the last reader has left");
    entered
}

/// No reader waits merely because a writer waits, if readers are preferred;
/// an upgrade stands ahead of the writers, not of them.
#[test]
fn an_upgrade_stands_ahead_of_writers() {
    assert!(reader_passes_upgrade::<ReadPreferring>());
    assert!(!reader_passes_upgrade::<Fair>());
    assert!(!reader_passes_upgrade::<WritePreferring>());
}
