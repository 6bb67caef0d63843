//! Workers that are killed and stopped at every point, while the others check
//! on real data that nobody is inside who must not be.
//!
//! `PORTUNUS_KILLS` sets how many, 300 by default; `PORTUNUS_SEED` which ones.

use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use std::process::Child;
use std::time::Instant;

use super::scratch::{Orchard, Scratch, Tree};
use super::{Dice, argument, child, market, number, seed, signal};
use crate::atomic::Ordering;
use crate::rules::Exclusive;
use crate::shm::fault::{POINTS, armed};
use crate::shm::format::{lock, record};
use crate::shm::record::{self as note, State};
use crate::shm::{FifoLock, Hold, Name, Options, OwnerDied, Segment};

type Yard = (FifoLock<Orchard>, Scratch);
/// Apart, so that its records' tickets are only its own.
type Gate = (FifoLock<Exclusive>, Scratch);

fn gate_of(name: &Name) -> Name {
    Name::new(std::format!("{name}-gate")).expect("a name")
}

/// Workers at a time.
const WORKERS: u64 = 4;
/// Tells the workers to end.
const STOP: u64 = 0;
/// Counts acquisitions, so that standing still is noticed.
const PROGRESS: u64 = 1;
/// Who is changing the pair of numbers, and the numbers.
const CHANGER: u64 = 2;
const LEFT: u64 = 3;
const RIGHT: u64 = 4;
/// The last ticket of the exclusive lock that came through the line.
const TICKET: u64 = 5;
/// How often a death was reported.
const REPORTS: u64 = 6;
/// From here on, for each worker: who it is, and the mode that it is in.
const WHO: u64 = 16;
const INSIDE: u64 = 32;

/// What a worker finds wrong ends it with this.
pub(super) fn violation(what: &str) -> ! {
    std::eprintln!("violation: {what}");
    std::process::exit(3);
}

/// What every worker does until it is killed or told to stop.
pub(super) fn worker() {
    let name = Name::new(argument("NAME")).expect("a name");
    let yard: Segment<Yard> = Segment::open(&name).expect("a yard");
    let gate: Segment<Gate> = Segment::open(&gate_of(&name)).expect("a gate");
    let me = number("WORKER");
    let market = market::open(&name, me);
    let mut dice = Dice::new(number("SEED"));
    let scratch = &yard.1;
    scratch.set(INSIDE + me, 0);
    scratch.set(WHO + me, scratch.attachment.who().into());
    armed::arm(number("POINT") as u32, number("PASSES") as u32, number("SIGNAL") as i32);
    let mut before = false;
    while scratch.get(STOP) == 0 {
        scratch.cell(PROGRESS).fetch_add(1, Ordering::SeqCst);
        match dice.roll(5) {
            0 => alone(&gate, core::mem::replace(&mut before, true), &mut dice),
            1 => market::trade(&market, &mut dice),
            2 => market::publish(&market, me, &mut dice),
            _ => together(&yard, me, &mut dice),
        }
    }
}

/// Whether this one has a hold. A dead one looks alive for a moment when its
/// slot gets a new tenant who has not said so yet; its hold is gone by then.
fn holds(scratch: &Scratch, who: u32) -> bool {
    let attachment = &scratch.attachment;
    (0..attachment.tables().records).any(|index| {
        let word = attachment.state_of(index).load(Ordering::SeqCst);
        attachment.owner_of(index) == who
            && State::of(word) == State::Held
            && u64::from(note::object(word)) * 64 == attachment.objects()[0].at
    })
}

/// Checks that one's own hold was not taken away.
fn check_own(scratch: &Scratch, hold: &Hold<'_, Orchard>) {
    let word = scratch.attachment.state_of(hold.record()).load(Ordering::SeqCst);
    let held = note::request(word);
    if State::of(word) != State::Held || usize::from(held.mode) != hold.mode().index() {
        violation("a living one was robbed");
    }
}

/// Checks that nobody alive is in a mode that excludes this one.
fn check_neighbours(scratch: &Scratch, me: u64, mode: Tree) {
    for other in (0..WORKERS).filter(|&other| other != me) {
        let theirs = scratch.get(INSIDE + other);
        let clash = theirs != 0 && (mode == Tree::Fell || theirs == 1 + Tree::Fell.index() as u64);
        if clash
            && scratch.attachment.is_alive(scratch.get(WHO + other) as u32)
            && scratch.get(INSIDE + other) == theirs
            && holds(scratch, scratch.get(WHO + other) as u32)
        {
            violation("two are inside that exclude each other");
        }
    }
}

fn enter<'a>(
    scratch: &Scratch,
    me: u64,
    hold: Result<Hold<'a, Orchard>, OwnerDied<Hold<'a, Orchard>>>,
) -> Hold<'a, Orchard> {
    let died = hold.is_err();
    let mut hold = match hold {
        Ok(hold) => hold,
        Err(died) => died.into_inner(),
    };
    scratch.set(INSIDE + me, 1 + hold.mode().index() as u64);
    check_neighbours(scratch, me, hold.mode());
    let (left, right) = (scratch.get(LEFT), scratch.get(RIGHT));
    let torn = left != right || scratch.get(CHANGER) != 0;
    if torn && !died {
        violation("a change was cut short, and nobody was told");
    }
    if died && hold.mode() == Tree::Fell {
        scratch.cell(REPORTS).fetch_add(1, Ordering::SeqCst);
        scratch.set(LEFT, right);
        scratch.set(CHANGER, 0);
        hold.mark_consistent();
    }
    hold
}

fn change(scratch: &Scratch, me: u64, mode: Tree) {
    if mode != Tree::Fell {
        return;
    }
    scratch.set(CHANGER, 1 + me);
    let next = scratch.get(LEFT) + 1;
    scratch.set(LEFT, next);
    core::hint::spin_loop();
    scratch.set(RIGHT, next);
    if scratch.get(CHANGER) != 1 + me {
        violation("another one changed it meanwhile");
    }
    scratch.set(CHANGER, 0);
}

fn together(yard: &Segment<Yard>, me: u64, dice: &mut Dice) {
    let (lock, scratch) = &**yard;
    let mode = [Tree::Look, Tree::Climb, Tree::Fell][dice.roll(3) as usize];
    let weight = if mode == Tree::Fell { 1 } else { 1 + dice.roll(2) as u32 };
    let hold = match dice.roll(4) {
        0 => lock.try_acquire_many(mode, weight).expect("possible").transpose(),
        1 => {
            let time = Duration::from_micros(dice.roll(3000));
            lock.acquire_many_for(mode, weight, time).expect("possible").transpose()
        }
        _ => Some(lock.acquire_many(mode, weight).expect("possible")),
    };
    let Some(hold) = hold else { return };
    let mut hold = enter(scratch, me, hold);
    change(scratch, me, hold.mode());
    if dice.roll(3) == 0 && weight == 1 {
        let to = [Tree::Look, Tree::Climb, Tree::Fell][dice.roll(3) as usize];
        if to != hold.mode() {
            // While it waits it may be seen in either mode.
            scratch.set(INSIDE + me, 0);
            let time = Duration::from_micros(dice.roll(3000));
            let _ = if dice.roll(2) == 0 { hold.convert_for(to, time) } else { hold.convert(to) };
            scratch.set(INSIDE + me, 1 + hold.mode().index() as u64);
            check_neighbours(scratch, me, hold.mode());
            change(scratch, me, hold.mode());
        }
    }
    if dice.roll(8) == 0 {
        std::thread::sleep(Duration::from_micros(dice.roll(300)));
    }
    check_own(scratch, &hold);
    scratch.set(INSIDE + me, 0);
    drop(hold);
}

/// The exclusive lock: order, by the tickets. The first time the record may
/// have a dead one's.
fn alone(gate: &Segment<Gate>, before: bool, dice: &mut Dice) {
    use crate::rules::Sole;
    let (lock, scratch) = &**gate;
    let mut hold = match lock.acquire(Sole::Exclusive) {
        Ok(hold) => hold,
        Err(died) => died.into_inner(),
    };
    hold.mark_consistent();
    let ticket = scratch.attachment.record_u64(hold.record(), record::TICKET);
    let drawn = ticket.swap(0, Ordering::SeqCst);
    if before && drawn != 0 {
        if drawn <= scratch.get(TICKET) {
            violation("served out of order");
        }
        scratch.set(TICKET, drawn);
    }
    if dice.roll(4) == 0 {
        std::thread::sleep(Duration::from_micros(dice.roll(200)));
    }
    drop(hold);
}

struct Plan {
    kills: u64,
    /// Of those that die at a point, and not from outside, in percent.
    armed: u64,
    /// Of those, how many are stopped and continued instead, in percent.
    stops: u64,
}

fn run(plan: &Plan) {
    let name = Name::random();
    let options = Options::new().records(256).processes(16).poll(Duration::from_millis(5));
    let yard: Segment<Yard> = Segment::create(&name, &options, ((), ())).expect("a yard");
    let gate: Segment<Gate> = Segment::create(&gate_of(&name), &options, ((), ())).expect("a gate");
    let market = Arc::new(market::create(&name, &options));
    let supplier = market::Supplier::new(&market);
    let seed = seed();
    let mut dice = Dice::new(seed);
    let mut generation = 0;
    let mut spawn = |me: u64, dice: &mut Dice| -> (Child, Instant, bool) {
        generation += 1;
        let point = if dice.roll(100) < plan.armed { 1 + dice.roll(POINTS.into()) } else { 0 };
        let stop = point != 0 && dice.roll(100) < plan.stops;
        let sent = if stop { libc::SIGSTOP } else { libc::SIGKILL };
        let child = child(
            "worker",
            &[
                ("NAME", name.to_string()),
                ("WORKER", me.to_string()),
                ("SEED", (seed * 1_000_000 + generation).to_string()),
                ("POINT", point.to_string()),
                ("PASSES", dice.roll(40).to_string()),
                ("SIGNAL", sent.to_string()),
            ],
        );
        // Whoever is not dead by then dies from outside.
        (child, Instant::now() + Duration::from_millis(15 + dice.roll(30)), stop)
    };
    let mut workers: Vec<_> = (0..WORKERS).map(|me| spawn(me, &mut dice)).collect();
    let (mut kills, mut progress, mut since) = (0, 0, Instant::now());
    while kills < plan.kills {
        for (me, worker) in workers.iter_mut().enumerate() {
            if let Some(status) = worker.0.try_wait().expect("a child") {
                use std::os::unix::process::ExitStatusExt;
                assert_eq!(status.signal(), Some(libc::SIGKILL), "worker {me}: {status}");
                kills += 1;
                *worker = spawn(me as u64, &mut dice);
            } else if Instant::now() > worker.1 {
                if core::mem::take(&mut worker.2) {
                    // It may stand still: it goes on, and dies later.
                    signal(&worker.0, libc::SIGCONT);
                    worker.1 = Instant::now() + Duration::from_millis(5);
                } else {
                    signal(&worker.0, libc::SIGKILL);
                }
            }
        }
        std::thread::sleep(Duration::from_millis(1));
        let now = yard.1.get(PROGRESS);
        if now != progress {
            (progress, since) = (now, Instant::now());
        }
        assert!(
            since.elapsed() < Duration::from_secs(60),
            "nothing moves: {:?} {:?} {:?} {:?}",
            yard.0,
            gate.0,
            market.0,
            market.1
        );
    }
    yard.1.set(STOP, 1);
    supplier.close(&market);
    let end = Instant::now() + Duration::from_secs(60);
    while !workers.is_empty() {
        workers.retain_mut(|(child, ..)| {
            use std::os::unix::process::ExitStatusExt;
            // Again and again: it may come to its point only now.
            signal(child, libc::SIGCONT);
            let Some(status) = child.try_wait().expect("a child") else { return true };
            assert!(status.success() || status.signal() == Some(libc::SIGKILL), "{status}");
            kills += u64::from(!status.success());
            false
        });
        assert!(Instant::now() < end, "a worker does not end: {:?} {:?}", yard.0, gate.0);
        std::thread::sleep(Duration::from_millis(1));
    }
    yard.recover();
    gate.recover();
    let word = |scratch: &Scratch| {
        let at = scratch.attachment.objects()[0].at;
        scratch.attachment.map().u64(at + lock::WORD).load(Ordering::SeqCst)
    };
    assert_eq!(word(&yard.1), 0, "units or waiters are left: {:?}", yard.0);
    assert_eq!(word(&gate.1), 0, "units or waiters are left: {:?}", gate.0);
    supplier.end();
    market::end(&market, &name, kills);
    // They did something.
    assert!(progress > plan.kills, "{progress} acquisitions");
    Segment::unlink(&name).expect("it is still there");
    Segment::unlink(&gate_of(&name)).expect("it is still there");
}

pub(super) fn kills() -> u64 {
    std::env::var("PORTUNUS_KILLS").map_or(300, |kills| kills.parse().expect("a number"))
}

#[test]
fn killed_at_every_point() {
    run(&Plan { kills: kills() * 2 / 3, armed: 80, stops: 0 });
}

#[test]
fn killed_and_stopped() {
    run(&Plan { kills: kills() / 3, armed: 70, stops: 40 });
}
