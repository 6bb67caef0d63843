//! A door beside the plain lock that it stands over.

use portunus::sync;

use super::harness::{Bench, Unit};
use super::kinds::{AsyncMutex, AsyncRwLock, Locking, Reading, ThreadMutex, ThreadRwLock, Writing};
use super::ours::OURS;
use super::peers::{async_mutex, async_rwlock, thread_mutex, thread_rwlock};
use super::uncontended::{pair, poll};

/// The rows that the aims are about.
pub(crate) const DOOR: &str = "a door";
/// The tables.
pub(crate) const TABLES: [&str; 6] =
    ["door/enter", "door/read", "door/write", "door/poll", "door/poll read", "door/poll write"];

type Door = sync::Door<()>;
type SharedDoor = sync::SharedDoor<()>;

thread_mutex!(Door, DOOR, Self::new(()), |door| door.enter());
async_mutex!(Door, DOOR, Self::new(()), |door| door.enter_async());
thread_rwlock!(SharedDoor, DOOR, Self::new(()), |door| door.read(), door.write());
async_rwlock!(SharedDoor, DOOR, Self::new(()), |door| door.read_async(), door.write_async());

/// A door over another crate's lock.
type ParkingDoor = portunus::Door<parking_lot::RawMutex, ()>;

thread_mutex!(ParkingDoor, "a door over parking_lot", Self::new(()), |door| door.enter());

pub(crate) fn run(bench: &mut Bench) {
    let rounds = bench.effort().pick(101, 11, 1);
    let count = bench.effort().pick(20_000, 10_000, 20);
    let [enter, read, write, poll_enter, poll_read, poll_write] = TABLES.map(str::to_owned);
    bench.table(enter, Unit::Nanoseconds, OURS, rounds, || {
        vec![
            pair::<Locking<sync::Mutex<()>>>(count),
            pair::<Locking<Door>>(count),
            pair::<Locking<parking_lot::Mutex<()>>>(count),
            pair::<Locking<ParkingDoor>>(count),
        ]
    });
    bench.table(read, Unit::Nanoseconds, OURS, rounds, || {
        vec![pair::<Reading<sync::RwLock<()>>>(count), pair::<Reading<SharedDoor>>(count)]
    });
    bench.table(write, Unit::Nanoseconds, OURS, rounds, || {
        vec![pair::<Writing<sync::RwLock<()>>>(count), pair::<Writing<SharedDoor>>(count)]
    });
    bench.table(poll_enter, Unit::Nanoseconds, OURS, rounds, || {
        vec![poll::<Locking<sync::Mutex<()>>>(count), poll::<Locking<Door>>(count)]
    });
    bench.table(poll_read, Unit::Nanoseconds, OURS, rounds, || {
        vec![poll::<Reading<sync::RwLock<()>>>(count), poll::<Reading<SharedDoor>>(count)]
    });
    bench.table(poll_write, Unit::Nanoseconds, OURS, rounds, || {
        vec![poll::<Writing<sync::RwLock<()>>>(count), poll::<Writing<SharedDoor>>(count)]
    });
}
