//! What it costs when nobody else is there.

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Instant;

use portunus::{ReadPreferring, spin, sync};

use super::executor;
use super::harness::{Bench, Row, Unit};
use super::kinds::{BlockOn, Enter, Gate, Locking, Reading, Taking, Writing};
use super::machine::{Frame, Page};
use super::ours::{
    FiveExclusive, FiveExclusiveSpin, FiveIntent, FiveShared, FiveSharedSpin, FiveUnknown,
};
use super::peers::{
    EmbassyMutex, EmbassyRwLock, EmbassySemaphore, ListenerMutex, MaitakeSpinMutex,
    MaitakeSpinRwLock, ParkingLotFair,
};
#[cfg(target_os = "linux")]
use super::pthread::{PosixSemaphore, PthreadMutex, PthreadRobust, PthreadRwLock};
use super::reference::{
    AdaptiveTicket, CAS_PAIR, CasPair, CondvarSemaphore, Nothing, SwapPair, Ticket,
};

pub(crate) fn run(bench: &mut Bench) {
    let rounds = bench.effort().pick(101, 11, 1);
    let count = bench.effort().pick(20_000, 10_000, 20);
    for (name, rows) in TABLES {
        bench.table(name.to_owned(), Unit::Nanoseconds, CAS_PAIR, rounds, || rows(count));
    }
}

/// The rows of one table, each of so many repetitions.
type Rows = fn(u32) -> Vec<Row>;

pub(crate) const TABLES: [(&str, Rows); 10] = [
    ("pair/mutex", pair_mutex),
    ("pair/read", pair_rwlock_read),
    ("pair/write", pair_rwlock_write),
    ("pair/semaphore", pair_semaphore),
    ("pair/modes", pair_modes),
    ("poll/mutex", poll_mutex),
    ("poll/read", poll_rwlock_read),
    ("poll/write", poll_rwlock_write),
    ("poll/semaphore", poll_semaphore),
    ("poll/modes", poll_modes),
];

/// What the loops take around a pair, and around a poll.
pub(crate) fn nothing(count: u32) -> [Row; 2] {
    [pair::<Locking<Nothing>>(count), poll::<Locking<Nothing>>(count)]
}

fn pair_mutex(count: u32) -> Vec<Row> {
    Vec::from([
        pair::<Locking<CasPair>>(count),
        pair::<Locking<SwapPair>>(count),
        pair::<Locking<Ticket>>(count),
        pair::<Locking<AdaptiveTicket>>(count),
        pair::<Locking<sync::Mutex<()>>>(count),
        pair::<Locking<spin::Mutex<()>>>(count),
        pair::<Locking<std::sync::Mutex<()>>>(count),
        pair::<Locking<parking_lot::Mutex<()>>>(count),
        pair::<Locking<ParkingLotFair>>(count),
        pair::<Locking<usync::Mutex<()>>>(count),
        pair::<Locking<::spin::mutex::SpinMutex<()>>>(count),
        pair::<Locking<MaitakeSpinMutex>>(count),
        pair::<Locking<BlockOn<maitake_sync::Mutex<()>>>>(count),
        pair::<Locking<BlockOn<futures_intrusive::sync::Mutex<()>>>>(count),
        pair::<Locking<async_lock::Mutex<()>>>(count),
        pair::<Locking<tokio::sync::Mutex<()>>>(count),
        pair::<Locking<BlockOn<ListenerMutex>>>(count),
        pair::<Locking<BlockOn<EmbassyMutex>>>(count),
        pair::<Locking<saa::Lock>>(count),
        #[cfg(target_os = "linux")]
        pair::<Locking<PthreadMutex>>(count),
        #[cfg(target_os = "linux")]
        pair::<Locking<PthreadRobust>>(count),
    ])
}

fn pair_rwlock_read(count: u32) -> Vec<Row> {
    Vec::from([
        pair::<Locking<CasPair>>(count),
        pair::<Reading<sync::RwLock<()>>>(count),
        pair::<Reading<sync::RwLock<(), ReadPreferring>>>(count),
        pair::<Reading<spin::RwLock<()>>>(count),
        pair::<Reading<std::sync::RwLock<()>>>(count),
        pair::<Reading<parking_lot::RwLock<()>>>(count),
        pair::<Reading<usync::RwLock<()>>>(count),
        pair::<Reading<::spin::RwLock<()>>>(count),
        pair::<Reading<MaitakeSpinRwLock>>(count),
        pair::<Reading<BlockOn<maitake_sync::RwLock<()>>>>(count),
        pair::<Reading<async_lock::RwLock<()>>>(count),
        pair::<Reading<tokio::sync::RwLock<()>>>(count),
        pair::<Reading<BlockOn<EmbassyRwLock>>>(count),
        pair::<Reading<saa::Lock>>(count),
        #[cfg(target_os = "linux")]
        pair::<Reading<PthreadRwLock>>(count),
    ])
}

fn pair_rwlock_write(count: u32) -> Vec<Row> {
    Vec::from([
        pair::<Locking<CasPair>>(count),
        pair::<Writing<sync::RwLock<()>>>(count),
        pair::<Writing<sync::RwLock<(), ReadPreferring>>>(count),
        pair::<Writing<spin::RwLock<()>>>(count),
        pair::<Writing<std::sync::RwLock<()>>>(count),
        pair::<Writing<parking_lot::RwLock<()>>>(count),
        pair::<Writing<usync::RwLock<()>>>(count),
        pair::<Writing<::spin::RwLock<()>>>(count),
        pair::<Writing<MaitakeSpinRwLock>>(count),
        pair::<Writing<BlockOn<maitake_sync::RwLock<()>>>>(count),
        pair::<Writing<async_lock::RwLock<()>>>(count),
        pair::<Writing<tokio::sync::RwLock<()>>>(count),
        pair::<Writing<BlockOn<EmbassyRwLock>>>(count),
        pair::<Writing<saa::Lock>>(count),
        #[cfg(target_os = "linux")]
        pair::<Writing<PthreadRwLock>>(count),
    ])
}

fn pair_semaphore(count: u32) -> Vec<Row> {
    Vec::from([
        pair::<Locking<CasPair>>(count),
        pair::<Taking<sync::Semaphore>>(count),
        pair::<Taking<spin::Semaphore>>(count),
        pair::<Taking<CondvarSemaphore>>(count),
        pair::<Taking<BlockOn<maitake_sync::Semaphore>>>(count),
        pair::<Taking<BlockOn<futures_intrusive::sync::Semaphore>>>(count),
        pair::<Taking<async_lock::Semaphore>>(count),
        pair::<Taking<tokio::sync::Semaphore>>(count),
        pair::<Taking<BlockOn<EmbassySemaphore>>>(count),
        pair::<Taking<saa::Semaphore>>(count),
        #[cfg(target_os = "linux")]
        pair::<Taking<PosixSemaphore>>(count),
    ])
}

fn pair_modes(count: u32) -> Vec<Row> {
    vec![
        pair::<Locking<CasPair>>(count),
        pair::<FiveExclusive>(count),
        pair::<FiveShared>(count),
        pair::<FiveIntent>(count),
        pair::<FiveUnknown>(count),
        pair::<FiveExclusiveSpin>(count),
        pair::<FiveSharedSpin>(count),
        named("parking_lot, read", pair::<Reading<parking_lot::RwLock<()>>>(count)),
        named("parking_lot, write", pair::<Writing<parking_lot::RwLock<()>>>(count)),
        named("std, read", pair::<Reading<std::sync::RwLock<()>>>(count)),
        named("std, write", pair::<Writing<std::sync::RwLock<()>>>(count)),
    ]
}

fn poll_mutex(count: u32) -> Vec<Row> {
    vec![
        pair::<Locking<CasPair>>(count),
        poll::<Locking<sync::Mutex<()>>>(count),
        poll::<Locking<spin::Mutex<()>>>(count),
        poll::<Locking<maitake_sync::Mutex<()>>>(count),
        poll::<Locking<futures_intrusive::sync::Mutex<()>>>(count),
        poll::<Locking<futures_intrusive::sync::LocalMutex<()>>>(count),
        poll::<Locking<async_lock::Mutex<()>>>(count),
        poll::<Locking<tokio::sync::Mutex<()>>>(count),
        poll::<Locking<ListenerMutex>>(count),
        poll::<Locking<EmbassyMutex>>(count),
        poll::<Locking<saa::Lock>>(count),
    ]
}

fn poll_rwlock_read(count: u32) -> Vec<Row> {
    vec![
        pair::<Locking<CasPair>>(count),
        poll::<Reading<sync::RwLock<()>>>(count),
        poll::<Reading<sync::RwLock<(), ReadPreferring>>>(count),
        poll::<Reading<spin::RwLock<()>>>(count),
        poll::<Reading<maitake_sync::RwLock<()>>>(count),
        poll::<Reading<async_lock::RwLock<()>>>(count),
        poll::<Reading<tokio::sync::RwLock<()>>>(count),
        poll::<Reading<EmbassyRwLock>>(count),
        poll::<Reading<saa::Lock>>(count),
    ]
}

fn poll_rwlock_write(count: u32) -> Vec<Row> {
    vec![
        pair::<Locking<CasPair>>(count),
        poll::<Writing<sync::RwLock<()>>>(count),
        poll::<Writing<sync::RwLock<(), ReadPreferring>>>(count),
        poll::<Writing<spin::RwLock<()>>>(count),
        poll::<Writing<maitake_sync::RwLock<()>>>(count),
        poll::<Writing<async_lock::RwLock<()>>>(count),
        poll::<Writing<tokio::sync::RwLock<()>>>(count),
        poll::<Writing<EmbassyRwLock>>(count),
        poll::<Writing<saa::Lock>>(count),
    ]
}

fn poll_semaphore(count: u32) -> Vec<Row> {
    vec![
        pair::<Locking<CasPair>>(count),
        poll::<Taking<sync::Semaphore>>(count),
        poll::<Taking<spin::Semaphore>>(count),
        poll::<Taking<maitake_sync::Semaphore>>(count),
        poll::<Taking<futures_intrusive::sync::Semaphore>>(count),
        poll::<Taking<futures_intrusive::sync::LocalSemaphore>>(count),
        poll::<Taking<async_lock::Semaphore>>(count),
        poll::<Taking<tokio::sync::Semaphore>>(count),
        poll::<Taking<EmbassySemaphore>>(count),
        poll::<Taking<saa::Semaphore>>(count),
    ]
}

fn poll_modes(count: u32) -> Vec<Row> {
    vec![
        pair::<Locking<CasPair>>(count),
        poll::<FiveExclusive>(count),
        poll::<FiveShared>(count),
        poll::<FiveIntent>(count),
        poll::<FiveUnknown>(count),
        poll::<FiveExclusiveSpin>(count),
        poll::<FiveSharedSpin>(count),
        named("maitake, read", poll::<Reading<maitake_sync::RwLock<()>>>(count)),
        named("async-lock, read", poll::<Reading<async_lock::RwLock<()>>>(count)),
        named("tokio, read", poll::<Reading<tokio::sync::RwLock<()>>>(count)),
    ]
}

/// A row in a table where a lock has several.
fn named(name: &'static str, row: Row) -> Row {
    Row { name, ..row }
}

pub(super) fn pair<E: Enter>(count: u32) -> Row {
    let lock = Page::new(E::new());
    Row::new(E::NAME, move || pairs::<E>(&lock, count))
}

pub(super) fn poll<G: Gate>(count: u32) -> Row {
    let lock = Page::new(G::new());
    Row::new(G::NAME, move || polls::<G>(&lock, count))
}

/// A thread enters and leaves.
///
/// Nothing in the loop reads memory but the lock itself: a load right after a
/// locked instruction would cost as much as what is measured here.
#[inline(never)]
fn pairs<E: Enter>(lock: &E, count: u32) -> f64 {
    let frame = Frame::new();
    frame.settle();
    let lock = black_box(lock);
    let start = Instant::now();
    for _ in 0..count {
        // No instruction, but nothing moves across it.
        lock.pass(|| black_box(()));
    }
    start.elapsed().as_nanos() as f64 / f64::from(count)
}

/// A task enters with the first poll, and leaves.
#[inline(never)]
fn polls<G: Gate>(lock: &G, count: u32) -> f64 {
    let frame = Frame::new();
    frame.settle();
    let lock = black_box(lock);
    // Its table of functions is not known here, as in an executor.
    let waker = black_box(executor::waker(0));
    let mut cx = Context::from_waker(&waker);
    let start = Instant::now();
    for _ in 0..count {
        match pin!(lock.enter()).poll(&mut cx) {
            Poll::Ready(guard) => {
                black_box(());
                drop(guard);
            }
            Poll::Pending => panic!("{} is free, and its future waits", G::NAME),
        }
    }
    start.elapsed().as_nanos() as f64 / f64::from(count)
}
