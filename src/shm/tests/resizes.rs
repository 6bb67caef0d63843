//! A semaphore's number of permits, changed by one who is killed at each point.

use alloc::string::ToString;
use core::time::Duration;
use std::os::unix::process::ExitStatusExt as _;
use std::sync::Mutex as StdMutex;

use super::scratch::Scratch;
use super::stories::until;
use super::{argument, child, number};
use crate::atomic::Ordering;
use crate::shm::fault::{POINTS, Point, armed};
use crate::shm::format::lock;
use crate::shm::{Name, Options, Segment, Semaphore};

type Stage = (Semaphore, Scratch);

pub(super) fn actor() {
    let name = Name::new(argument("NAME")).expect("a name");
    let stage: Segment<Stage> = Segment::open(&name).expect("a stage");
    armed::arm(number("POINT") as u32, 0, libc::SIGKILL);
    stage.0.resize(number("PERMITS") as u32).expect("not too many");
}

/// From `before` permits, of which `out` are out, to `after`.
fn play(before: u32, out: u32, after: u32, point: u32) -> bool {
    let name = Name::random();
    let options = Options::new().records(64).processes(8).poll(Duration::from_millis(2));
    let stage: Segment<Stage> = Segment::create(&name, &options, (before, ())).expect("a stage");
    let (permits, scratch) = &*stage;
    let what = std::format!("from {before} to {after} at {point}");
    let ours = permits.acquire_many(out).expect("so many").expect("consistent");
    let log = StdMutex::new(std::vec![]);
    let mut killed = false;
    std::thread::scope(|scope| {
        let log = &log;
        // All of them at once, and behind them two single ones.
        for (i, count) in [before, 1, 1].into_iter().enumerate() {
            scope.spawn(move || {
                let got = if i == 0 {
                    permits.acquire_many(count).map_err(|error| (error.requested(), error.limit()))
                } else {
                    Ok(permits.acquire())
                };
                let got = got.map(|permit| drop(permit.expect("consistent")));
                log.lock().expect("no panic").push((i, got));
            });
            until("it waits", || permits.waiting() == i + 1);
        }
        let mut actor = child(
            "resizer",
            &[
                ("NAME", name.to_string()),
                ("POINT", point.to_string()),
                ("PERMITS", after.to_string()),
            ],
        );
        let end = actor.wait().expect("a child");
        killed = end.signal() == Some(libc::SIGKILL);
        assert!(killed || end.success(), "{what}: {end}");
        // It may have had to wait for the guard, which it needs for the change.
        let unchanged = [Point::GuardTaken as u32, Point::GuardSleep as u32];
        let changed = !killed || !unchanged.contains(&point);
        // Whoever asks finds the dead one's guard, if that is what there is.
        let _ = permits.waiting();
        assert_eq!(permits.permits(), if changed { after } else { before } as usize, "{what}");
        if changed && after < before {
            until(&std::format!("{what}: sent away"), || {
                let log = log.lock().expect("no panic");
                log.first() == Some(&(0, Err((before, after as usize))))
            });
        }
        if changed && after >= out + before {
            until(&std::format!("{what}: all enter"), || log.lock().expect("no panic").len() == 3);
        }
        drop(ours);
    });
    assert_eq!(log.into_inner().expect("no panic").len(), 3, "{what}");
    assert_eq!(permits.available_permits(), permits.permits(), "{what}");
    stage.recover();
    let at = scratch.attachment.objects()[0].at;
    let load = |field| scratch.attachment.map().u64(at + field).load(Ordering::SeqCst);
    assert_eq!(load(lock::WORD), load(lock::BASE), "{what}: permits or waiters are left");
    Segment::unlink(&name).expect("it is there");
    killed
}

#[test]
fn killed_at_each_point_of_a_change_of_the_permits() {
    for (before, out, after, least) in [(3, 1, 1, 6), (2, 1, 5, 5)] {
        let died = |point| u32::from(play(before, out, after, point));
        let deaths: u32 = (1..=POINTS).map(died).sum();
        assert!(deaths >= least, "to {after}: only {deaths} points were reached");
    }
}
