//! Guards that keep their door alive, and guards of a part.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use portunus::door::{
    MappedDoorGuard, MappedDoorReadGuard, MappedDoorWriteGuard, OwnedMappedDoorGuard,
    OwnedMappedDoorReadGuard, OwnedMappedDoorWriteGuard,
};
use portunus::{
    DoorGuard, DoorReadGuard, DoorWriteGuard, OwnedDoorGuard, OwnedDoorReadGuard,
    OwnedDoorWriteGuard, sync,
};

use crate::over::{Door, Over, SharedDoor, SharedOver};
use crate::support::{Hand, panic_of, ready};

/// The names of a backend are those of its doors' guards, in a struct as well.
#[test]
fn a_backend_names_its_guards() {
    struct Held<'a> {
        _whole: sync::DoorGuard<'a, (u32, u8)>,
        part: sync::MappedDoorGuard<'a, u8>,
        reading: sync::MappedDoorReadGuard<'a, u8>,
        writing: sync::MappedDoorWriteGuard<'a, u8>,
    }
    struct Owned {
        whole: sync::OwnedDoorGuard<(u32, u8)>,
        part: sync::OwnedMappedDoorGuard<(u32, u8), u8>,
        reading: sync::OwnedDoorReadGuard<(u32, u8)>,
        read_part: sync::OwnedMappedDoorReadGuard<(u32, u8), u8>,
        upgradable: sync::OwnedDoorUpgradableReadGuard<(u32, u8)>,
        writing: sync::OwnedDoorWriteGuard<(u32, u8)>,
        write_part: sync::OwnedMappedDoorWriteGuard<(u32, u8), u8>,
    }
    let doors: [_; 3] = std::array::from_fn(|_| Arc::new(sync::Door::new((0, 1))));
    let shared: [_; 4] =
        std::array::from_fn(|_| Arc::new(sync::SharedDoor::<(u32, u8)>::new((0, 1))));
    {
        let held = Held {
            _whole: doors[0].enter(),
            part: DoorGuard::map(doors[1].enter(), |pair| &mut pair.1),
            reading: DoorReadGuard::map(shared[0].read(), |pair| &pair.1),
            writing: DoorWriteGuard::map(shared[1].write(), |pair| &mut pair.1),
        };
        assert_eq!((*held.part, *held.reading, *held.writing), (1, 1, 1));
    }
    let owned = Owned {
        whole: doors[0].enter_arc(),
        part: OwnedDoorGuard::map(doors[1].enter_arc(), |pair| &mut pair.1),
        reading: shared[0].read_arc(),
        read_part: OwnedDoorReadGuard::map(shared[1].read_arc(), |pair| &pair.1),
        upgradable: shared[1].upgradable_read_arc(),
        writing: shared[2].write_arc(),
        write_part: OwnedDoorWriteGuard::map(shared[3].write_arc(), |pair| &mut pair.1),
    };
    let whole = [owned.whole.1, owned.reading.1, owned.upgradable.1, owned.writing.1];
    assert_eq!((whole, [*owned.part, *owned.read_part, *owned.write_part]), ([1; 4], [1; 3]));
}

/// Counts how often it is dropped.
#[derive(Debug, Default)]
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn an_owned_guard_outlives_every_other_owner<O: Over>() {
    let drops = Arc::new(AtomicUsize::new(0));
    let door = Arc::new(Door::<O, _>::new((1, Dropped(Arc::clone(&drops)))));
    let mut inside = door.enter_arc();
    assert!(door.try_enter_arc().is_none());
    drop(door);
    inside.0 += 1;
    assert_eq!(inside.0, 2);
    let door = Arc::clone(portunus::OwnedDoorGuard::door(&inside));
    drop(inside);
    assert_eq!(door.try_enter_arc().expect("nobody is inside").0, 2);
    assert_eq!(drops.load(Ordering::SeqCst), 0);
    let inside = door.enter_arc();
    drop(door);
    drop(inside);
    assert_eq!(drops.load(Ordering::SeqCst), 1);
}

fn owned_readers_are_together_and_a_writer_alone<O: SharedOver>() {
    let door = Arc::new(SharedDoor::<O, u32>::new(1));
    let (one, two) = (door.read_arc(), door.try_read_arc().expect("only a reader"));
    assert_eq!(*one, *two);
    assert!(door.try_write_arc().is_none());
    drop((one, two));
    let mut writing = door.write_arc();
    assert!(door.try_read_arc().is_none());
    *writing += 1;
    drop(writing);
    let writing = door.try_write_arc().expect("nobody is inside");
    drop(door);
    assert_eq!(*writing, 2);
}

fn a_guard_of_a_part_holds_the_whole<O: Over>() {
    let door = Door::<O, (u32, Vec<u32>)>::new((1, vec![1, 2]));
    let list: MappedDoorGuard<'_, _, [u32], _> =
        DoorGuard::map(door.enter(), |it| it.1.as_mut_slice());
    assert_eq!(format!("{list:?}"), "[1, 2]");
    let mut last = MappedDoorGuard::try_map(list, |list| list.last_mut()).expect("there is one");
    *last = 7;
    assert!(door.try_enter().is_none());
    drop(last);
    assert_eq!(door.enter().1, [1, 7]);
    assert!(!door.is_locked());

    let whole = DoorGuard::try_map(door.enter(), |it| it.1.get_mut(5)).expect_err("two are there");
    assert_eq!(whole.1.len(), 2);
    let part = DoorGuard::map(whole, |it| &mut it.1);
    let part = MappedDoorGuard::try_map(part, |list| list.get_mut(5)).expect_err("as before");
    assert!(door.is_locked());
    drop(part);
    assert!(!door.is_locked());

    // Not found by panicking: let go all the same.
    panic_of(|| DoorGuard::map(door.enter(), |_| -> &mut u32 { panic!("no part") }));
    assert!(!door.is_locked());
}

fn a_guard_of_a_part_reads_or_writes_as_the_whole_did<O: SharedOver>() {
    let door = SharedDoor::<O, (u32, [u32; 2])>::new((1, [2, 3]));
    let one = DoorReadGuard::map(door.read(), |it| &it.1);
    let two = DoorReadGuard::try_map(door.read(), |it| it.1.first()).expect("there is one");
    let one = MappedDoorReadGuard::map(one, |part| &part[0]);
    assert_eq!((*one, *two), (2, 2));
    assert!(door.try_write().is_none());
    drop((one, two));
    let part = DoorWriteGuard::map(door.write(), |it| &mut it.1);
    let mut second = MappedDoorWriteGuard::try_map(part, |part| part.get_mut(1)).expect("two");
    *second += 10;
    assert!(door.try_read().is_none());
    drop(second);
    assert_eq!(*door.read(), (1, [2, 13]));
    assert!(!door.is_locked());
}

fn an_owned_guard_of_a_part_keeps_the_door<O: Over>() {
    let drops = Arc::new(AtomicUsize::new(0));
    let door = Arc::new(Door::<O, _>::new((1, vec![1, 2], Dropped(Arc::clone(&drops)))));
    let left = Arc::downgrade(&door);
    let list: OwnedMappedDoorGuard<_, _, [u32], _> =
        OwnedDoorGuard::map(door.enter_arc(), |it| it.1.as_mut_slice());
    assert_eq!(format!("{list:?}"), "[1, 2]");
    assert!(Arc::ptr_eq(OwnedMappedDoorGuard::door(&list), &door) && !list.notify_one());
    let list = OwnedMappedDoorGuard::try_map(list, |list| list.get_mut(5)).expect_err("two");
    let mut last = OwnedMappedDoorGuard::map(list, |list| &mut list[1]);
    *last = 7;
    assert!(door.try_enter().is_none() && last.notify_all() == 0);
    assert_eq!(left.strong_count(), 2, "the door, and one guard");
    drop(door);
    assert_eq!((*last, left.strong_count(), drops.load(Ordering::SeqCst)), (7, 1, 0));
    let door = left.upgrade().expect("the guard keeps it");
    drop(last);
    assert_eq!(door.enter().1, [1, 7]);

    let whole = OwnedDoorGuard::try_map(door.enter_arc(), |it| it.1.get_mut(5)).expect_err("two");
    assert_eq!(whole.1.len(), 2);
    let part = OwnedDoorGuard::try_map(whole, |it| it.1.first_mut()).expect("there is one");
    drop(door);
    assert_eq!((*part, drops.load(Ordering::SeqCst)), (1, 0));
    drop(part);
    assert_eq!((left.strong_count(), drops.load(Ordering::SeqCst)), (0, 1));

    // Not found by panicking: let go all the same.
    let door = Arc::new(Door::<O, u32>::new(1));
    panic_of(|| OwnedDoorGuard::map(door.enter_arc(), |_| -> &mut u32 { panic!("no part") }));
    assert!(!door.is_locked() && Arc::strong_count(&door) == 1);
}

fn an_owned_guard_of_a_part_reads_or_writes_as_the_whole_did<O: SharedOver>() {
    let door = Arc::new(SharedDoor::<O, (u32, [u32; 2])>::new((1, [2, 3])));
    let one = OwnedDoorReadGuard::map(door.read_arc(), |it| &it.1);
    let two = OwnedDoorReadGuard::try_map(door.read_arc(), |it| it.1.first()).expect("one");
    let one = OwnedMappedDoorReadGuard::map(one, |part| &part[0]);
    assert_eq!((*one, *two, one.notify_all()), (2, 2, 0));
    assert!(door.try_write().is_none());
    drop((one, two));
    let part = OwnedDoorWriteGuard::map(door.write_arc(), |it| &mut it.1);
    let part = OwnedMappedDoorWriteGuard::try_map(part, |part| part.get_mut(2)).expect_err("two");
    let mut second = OwnedMappedDoorWriteGuard::map(part, |part| &mut part[1]);
    *second += 10;
    assert!(door.try_read().is_none() && !second.notify_one());
    drop(second);
    assert_eq!(*door.read(), (1, [2, 13]));
    assert!(!door.is_locked() && Arc::strong_count(&door) == 1);
}

over_mutexes!(
    an_owned_guard_outlives_every_other_owner,
    a_guard_of_a_part_holds_the_whole,
    an_owned_guard_of_a_part_keeps_the_door,
);
over_shared_locks!(
    owned_readers_are_together_and_a_writer_alone,
    a_guard_of_a_part_reads_or_writes_as_the_whole_did,
    an_owned_guard_of_a_part_reads_or_writes_as_the_whole_did,
);

#[test]
fn an_owned_guard_goes_to_another_thread() {
    let door = Arc::new(sync::Door::new(1));
    let mut inside = door.enter_arc();
    thread::spawn(move || *inside += 1).join().expect("no panic");
    let door_too: Arc<sync::SharedDoor<u32>> = Arc::new(sync::SharedDoor::new(1));
    let (reading, mut writing) = (door_too.read_arc(), None);
    thread::spawn(move || drop(reading)).join().expect("no panic");
    writing.replace(door_too.write_arc());
    thread::spawn(move || **writing.as_mut().expect("it is there") += 1).join().expect("no panic");
    assert_eq!((*door.enter(), *door_too.read()), (2, 2));
}

#[test]
fn a_timed_owned_entry_ends_with_its_time() {
    const SHORT: Duration = Duration::from_millis(2);
    let now = std::time::Instant::now;
    let door = Arc::new(sync::Door::new(1));
    let inside = door.enter_arc_for(SHORT).expect("nobody is inside");
    assert!(door.enter_arc_for(SHORT).is_none() && door.enter_arc_until(now()).is_none());
    drop(inside);
    assert!(door.enter_arc_until(now()).is_some());
    let door: Arc<sync::SharedDoor<u32>> = Arc::new(sync::SharedDoor::new(1));
    let reading = door.read_arc_for(SHORT).expect("nobody is inside");
    assert!(door.read_arc_until(now()).is_some());
    assert!(door.write_arc_for(SHORT).is_none() && door.write_arc_until(now()).is_none());
    drop(reading);
    let writing = door.write_arc_for(SHORT).expect("nobody is inside");
    assert!(door.read_arc_for(SHORT).is_none());
    drop(writing);
    assert!(door.write_arc_until(now()).is_some() && !door.is_locked());
}

/// The future, too, keeps the door alive; and lets it go with the guard.
#[test]
fn an_awaited_owned_guard_keeps_its_door() {
    let hand = Hand::new();
    let door = Arc::new(sync::Door::new(1));
    let first = door.enter_arc();
    let mut asking = Box::pin(door.enter_arc_async());
    assert!(hand.poll(&mut asking).is_pending());
    let left = Arc::downgrade(&door);
    drop(door);
    drop(first);
    let inside = ready(hand.poll(&mut asking));
    drop(asking);
    assert_eq!(*inside, 1);
    assert_eq!(left.strong_count(), 1);
    drop(inside);
    assert_eq!(left.strong_count(), 0);

    let door: Arc<sync::SharedDoor<u32>> = Arc::new(sync::SharedDoor::new(1));
    smol::block_on(async {
        let reading = door.read_arc_async().await;
        assert_eq!(*reading, 1);
        drop(reading);
        *door.write_arc_async().await += 1;
    });
    assert_eq!(*door.read(), 2);
}
