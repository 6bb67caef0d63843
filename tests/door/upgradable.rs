//! Readers that become writers, and the other way round.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lock_api::{RawRwLockUpgrade, RawRwLockUpgradeDowngrade};
use portunus::raw::{RawRwLockUpgradeAsync, RawSharedCondvarUpgrade, RawSharedCondvarUpgradeAsync};
use portunus::{
    DoorReadGuard, DoorUpgradableReadGuard, DoorWriteGuard, OwnedDoorReadGuard,
    OwnedDoorUpgradableReadGuard, OwnedDoorWriteGuard, sync,
};

use crate::over::{SharedDoor, SharedOver};
use crate::support::{Hand, ready, until, watched};

fn one_upgradable_reader_beside_plain_ones<O: SharedOver>()
where
    O::Lock: RawRwLockUpgrade,
{
    let door = SharedDoor::<O, u32>::new(1);
    let looking = door.upgradable_read();
    assert!(door.try_upgradable_read().is_none() && door.try_write().is_none());
    let reading = door.try_read().expect("readers are beside it");
    assert_eq!((*looking, *reading, format!("{looking:?}").as_str()), (1, 1, "1"));
    assert!(std::ptr::eq(*DoorUpgradableReadGuard::door(&looking), &door));
    let looking = DoorUpgradableReadGuard::try_upgrade(looking).expect_err("a reader is inside");
    assert!(door.try_upgradable_read().is_none(), "it is as it was");
    drop(reading);
    let mut writing = DoorUpgradableReadGuard::try_upgrade(looking).expect("nobody else is inside");
    *writing += 1;
    assert!(door.try_read().is_none());
    drop(writing);
    assert!(!door.is_locked());
    *DoorUpgradableReadGuard::upgrade(door.upgradable_read()) += 1;
    assert!(!door.is_locked());
    assert_eq!(*door.try_upgradable_read().expect("nobody is inside"), 3);
}

fn guards_step_down_without_letting_go<O: SharedOver>()
where
    O::Lock: RawRwLockUpgradeDowngrade,
{
    let door = Arc::new(SharedDoor::<O, u32>::new(1));
    let mut writing = door.write();
    *writing = 2;
    let looking = DoorWriteGuard::downgrade_to_upgradable(writing);
    assert!(door.try_write().is_none() && door.try_upgradable_read().is_none());
    drop(door.try_read().expect("readers are beside it"));
    let reading: DoorReadGuard<'_, _, _, _> = DoorUpgradableReadGuard::downgrade(looking);
    assert!(door.try_write().is_none(), "a reader is inside");
    drop(door.try_upgradable_read().expect("none is there any more"));
    assert_eq!(*reading, 2);
    drop(reading);
    assert!(!door.is_locked());
    let reading = DoorWriteGuard::downgrade(door.write());
    assert!(door.try_read().is_some() && door.try_write().is_none());
    drop(reading);
    assert!(!door.is_locked());

    // The same of guards that keep the door alive: none keeps it twice.
    let owners = Arc::strong_count(&door);
    let looking = OwnedDoorWriteGuard::downgrade_to_upgradable(door.write_arc());
    assert!(door.try_upgradable_read_arc().is_none());
    let looking = match OwnedDoorUpgradableReadGuard::try_upgrade(looking) {
        Ok(writing) => OwnedDoorWriteGuard::downgrade_to_upgradable(writing),
        Err(_) => panic!("nobody else is inside"),
    };
    let reading: OwnedDoorReadGuard<_, _, _> = OwnedDoorUpgradableReadGuard::downgrade(looking);
    let looking = door.upgradable_read_arc();
    let looking = OwnedDoorUpgradableReadGuard::try_upgrade(looking).expect_err("a reader");
    assert_eq!(Arc::strong_count(&door), owners + 2);
    drop(reading);
    let writing = OwnedDoorUpgradableReadGuard::upgrade(looking);
    assert_eq!((*writing, Arc::strong_count(&door)), (2, owners + 1));
    drop(OwnedDoorWriteGuard::downgrade(writing));
    assert_eq!(Arc::strong_count(&door), owners);
    assert!(!door.is_locked());
}

/// Each looks first and writes then: nobody writes in between.
fn what_was_read_is_still_there_when_it_is_written<O: SharedOver>()
where
    O::Lock: RawRwLockUpgrade,
{
    const WORKERS: usize = 4;
    const EACH: usize = 250;
    watched("upgrades", || {
        let door = SharedDoor::<O, usize>::new(0);
        thread::scope(|scope| {
            for worker in 0..WORKERS {
                let door = &door;
                scope.spawn(move || {
                    for turn in 0..EACH {
                        if (worker + turn) % 2 == 0 {
                            drop(door.read());
                        }
                        let looking = door.upgradable_read();
                        let seen = *looking;
                        let mut writing = DoorUpgradableReadGuard::upgrade(looking);
                        assert_eq!(*writing, seen);
                        *writing += 1;
                    }
                });
            }
        });
        assert_eq!(*door.read(), WORKERS * EACH);
    });
}

/// It waits, and comes back as what it was.
fn an_upgradable_reader_waits<O: SharedOver>()
where
    O::Lock: RawRwLockUpgrade,
    O::Condvar: RawSharedCondvarUpgrade<O::Lock>,
{
    watched("an upgradable reader that waits", || {
        let door = SharedDoor::<O, u32>::new(0);
        let waits = AtomicUsize::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut looking = door.upgradable_read();
                waits.store(1, Ordering::SeqCst);
                looking.wait_while(|value| *value == 0);
                assert!(door.try_upgradable_read().is_none());
                assert_eq!(*looking, 1);
                // From inside, it notifies the one who wrote.
                let mut writing = DoorUpgradableReadGuard::upgrade(looking);
                *writing = 2;
                writing.notify_all();
            });
            until("it is inside or waits", || waits.load(Ordering::SeqCst) == 1);
            let mut writing = door.write();
            *writing = 1;
            assert_eq!(writing.notify_all(), 1);
            writing.wait_while(|value| *value == 1);
            assert_eq!(*writing, 2);
        });
        assert!(!door.is_locked());
    });
}

/// An awaited upgrade, at each point of its life.
fn an_upgrade_can_be_awaited_and_given_up<O: SharedOver>()
where
    O::Lock: RawRwLockUpgradeAsync,
{
    let door = Arc::new(SharedDoor::<O, u32>::new(1));
    let hand = Hand::new();
    macro_rules! each_point {
        ($upgrade:expr) => {{
            // Before the first poll.
            drop($upgrade);
            assert!(!door.is_locked());
            // In line.
            let reading = door.read();
            let mut upgrade = Box::pin($upgrade);
            assert!(hand.poll(&mut upgrade).is_pending());
            drop(upgrade);
            assert_eq!(hand.kept(), 0);
            drop(door.try_upgradable_read().expect("it was let go"));
            drop(reading);
            assert!(!door.is_locked());
            // Granted, and not polled since.
            let reading = door.read();
            let mut upgrade = Box::pin($upgrade);
            assert!(hand.poll(&mut upgrade).is_pending());
            let before = hand.wakes();
            drop(reading);
            assert_eq!(hand.wakes(), before + 1);
            assert!(door.try_read().is_none(), "it is the writer");
            drop(upgrade);
            assert!(!door.is_locked());
            // Ready.
            let reading = door.read();
            let mut upgrade = Box::pin($upgrade);
            assert!(hand.poll(&mut upgrade).is_pending());
            drop(reading);
            let mut writing = ready(hand.poll(&mut upgrade));
            drop(upgrade);
            *writing += 1;
            assert!(door.try_read().is_none());
            drop(writing);
            assert!(!door.is_locked());
        }};
    }
    each_point!(DoorUpgradableReadGuard::upgrade_async(door.upgradable_read()));
    each_point!(OwnedDoorUpgradableReadGuard::upgrade_async(door.upgradable_read_arc()));
    assert_eq!((*door.read(), Arc::strong_count(&door)), (3, 1));
}

/// Awaited waits of an upgradable reader.
fn an_upgradable_reader_waits_as_a_task<O: SharedOver>()
where
    O::Lock: RawRwLockUpgradeAsync,
    O::Condvar: RawSharedCondvarUpgradeAsync<O::Lock>,
{
    let door = Arc::new(SharedDoor::<O, u32>::new(0));
    let hand = Hand::new();
    let looking = smol::block_on(door.upgradable_read_async());
    let mut waiting = Box::pin(looking.wait_while_async(|value| *value < 2));
    for round in 1..=2 {
        assert!(hand.poll(&mut waiting).is_pending());
        assert!(!door.is_locked());
        let mut writing = door.write();
        *writing = round;
        assert!(writing.notify_one());
    }
    let looking = ready(hand.poll(&mut waiting));
    assert!(door.try_upgradable_read().is_none());
    assert_eq!(*looking, 2);
    drop(looking);
    let looking = smol::block_on(door.upgradable_read_arc_async());
    let mut waiting = Box::pin(looking.wait_async());
    assert!(hand.poll(&mut waiting).is_pending());
    assert!(door.notify_one());
    let looking = ready(hand.poll(&mut waiting));
    assert!(door.try_upgradable_read().is_none());
    drop(looking);
    assert!(!door.is_locked());
}

over_upgradable_locks!(
    one_upgradable_reader_beside_plain_ones,
    guards_step_down_without_letting_go,
    what_was_read_is_still_there_when_it_is_written,
    an_upgradable_reader_waits,
);

mod as_tasks {
    use super::{an_upgradable_reader_waits_as_a_task, an_upgrade_can_be_awaited_and_given_up};

    over_our_shared_locks!(
        an_upgrade_can_be_awaited_and_given_up,
        an_upgradable_reader_waits_as_a_task,
    );
}

#[test]
fn times_limit_an_upgradable_reader() {
    const SHORT: Duration = Duration::from_millis(2);
    let door: Arc<sync::SharedDoor<u32>> = Arc::new(sync::SharedDoor::new(1));
    let writing = door.write();
    let start = Instant::now();
    assert!(door.upgradable_read_for(SHORT).is_none() && start.elapsed() >= SHORT);
    assert!(door.upgradable_read_until(Instant::now()).is_none());
    assert!(door.upgradable_read_arc_for(SHORT).is_none());
    assert!(door.upgradable_read_arc_until(Instant::now()).is_none());
    drop(writing);
    let reading = door.read();
    let looking = door.upgradable_read_for(SHORT).expect("only a reader");
    let start = Instant::now();
    let looking = DoorUpgradableReadGuard::upgrade_for(looking, SHORT).expect_err("a reader");
    assert!(start.elapsed() >= SHORT);
    let now = Instant::now();
    let looking = DoorUpgradableReadGuard::upgrade_until(looking, now).expect_err("a reader");
    drop(reading);
    drop(DoorUpgradableReadGuard::upgrade_for(looking, SHORT).expect("nobody else is inside"));
    let mut looking = door.upgradable_read_arc_for(SHORT).expect("nobody is inside");
    assert!(looking.wait_for(SHORT).timed_out());
    assert!(looking.wait_while_until(|value| *value == 1, Instant::now() + SHORT).timed_out());
    assert!(!looking.wait_while_for(|value| *value == 2, SHORT).timed_out());
    assert!(door.try_upgradable_read().is_none(), "it is inside again");
    let writing = OwnedDoorUpgradableReadGuard::upgrade_until(looking, Instant::now() + SHORT);
    assert_eq!(*writing.expect("nobody else is inside"), 1);
    let mut looking = door.upgradable_read();
    assert!(looking.wait_until(Instant::now()).timed_out());
    drop(looking);
    assert!(!door.is_locked());
}
