//! What the workers that are killed do at doors: they wait inside, and notify.
//!
//! At the stall one makes goods, and notifies one who waits for some; both are
//! done inside. So whoever is inside, and has been told of no death, can tell
//! whether a notification was lost: unless nobody waits, there are as many
//! notified ones on their way in as there are goods.
//!
//! At the board one writes, and notifies all; so nobody waits there who has not
//! seen what is written.

use alloc::sync::Arc;
use core::time::Duration;
use std::thread::JoinHandle;

use super::Dice;
use super::kills::violation;
use super::scratch::Scratch;
use crate::atomic::{AtomicU64, Ordering};
use crate::shm::attach::Attachment;
use crate::shm::format::{kind, lock, record};
use crate::shm::record::{self as note, State};
use crate::shm::{Door, DoorGuard, DoorWriteGuard, Name, Options, OwnerDied, Segment, SharedDoor};

/// A pair of numbers that are the same, and how many goods there are.
type Goods = [u64; 3];
/// The same, and which page it is.
type Page = [u64; 3];
pub(super) type Market = (Door<Goods>, SharedDoor<Page>, Scratch);

/// Tells those who wait for goods to end.
const CLOSED: u64 = 0;
/// How often a death was told, and how often somebody came in after a wait.
const REPORTS: u64 = 1;
const NOTIFIED: u64 = 2;
/// From here on, for each worker: who it is, and which page it has seen.
const WHO: u64 = 16;
const SEEN: u64 = 32;

pub(super) fn name_of(name: &Name) -> Name {
    Name::new(std::format!("{name}-market")).expect("a name")
}

pub(super) fn create(name: &Name, options: &Options) -> Segment<Market> {
    Segment::create(&name_of(name), options, ([0; 3], [0; 3], ())).expect("a market")
}

pub(super) fn open(name: &Name, me: u64) -> Segment<Market> {
    let market: Segment<Market> = Segment::open(&name_of(name)).expect("a market");
    let scratch = &market.2;
    scratch.set(WHO + me, scratch.attachment.who().into());
    market
}

/// The records of a lock in these states: their numbers.
fn in_state<'a>(
    attachment: &'a Attachment,
    at: u64,
    is: impl Fn(State) -> bool + 'a,
) -> impl Iterator<Item = u32> + 'a {
    (0..attachment.tables().records).filter(move |&index| {
        let word = attachment.state_of(index).load(Ordering::SeqCst);
        u64::from(note::object(word)) * 64 == at && is(State::of(word))
    })
}

/// A change of two numbers, which a death in between leaves torn.
fn change(pair: &mut [u64; 3]) {
    // Not one store of both.
    pair[0] = core::hint::black_box(pair[0] + 1);
    core::hint::spin_loop();
    pair[1] = core::hint::black_box(pair[0]);
}

fn check_whole(pair: &[u64; 3]) {
    if pair[0] != pair[1] {
        violation("a change behind a door was cut short, and nobody was told");
    }
}

/// Inside at the stall: what a dead one left is mended, and all look anew.
/// `notified`: it has been, and may take what it was notified of.
fn at_stall<'a>(
    market: &'a Segment<Market>,
    entered: Result<DoorGuard<'a, Goods>, OwnerDied<DoorGuard<'a, Goods>>>,
    notified: bool,
) -> DoorGuard<'a, Goods> {
    match entered {
        Ok(goods) => {
            check_whole(&goods);
            check_notified(market, goods[2].saturating_sub(notified.into()));
            goods
        }
        Err(died) => {
            let mut goods = died.into_inner();
            market.2.cell(REPORTS).fetch_add(1, Ordering::SeqCst);
            goods[1] = goods[0];
            goods.mark_consistent();
            goods.notify_all();
            goods
        }
    }
}

/// Checks that no notification was lost, inside the stall, for those goods that
/// are others'.
fn check_notified(market: &Segment<Market>, goods: u64) {
    let (door, _, scratch) = &**market;
    let (raw, attachment) = (door.lock.fifo().raw(), &scratch.attachment);
    // Under the guard, so that nobody is in between.
    let (waiting, coming) = raw.section(|_| {
        let waiting = in_state(attachment, raw.at(), |state| state == State::Waiting).count();
        let is = |state| matches!(state, State::Queued | State::Granting | State::Granted);
        let coming = in_state(attachment, raw.at(), is).filter(|&index| {
            attachment.record_u32(index, record::CONDVAR).load(Ordering::SeqCst) != 0
        });
        (waiting, coming.count() as u64)
    });
    if waiting != 0 && coming < goods {
        violation("a notification was lost");
    }
}

fn make(goods: &mut DoorGuard<'_, Goods>) {
    change(goods);
    goods[2] += 1;
    goods.notify_one();
}

/// Makes goods, or waits for some and takes one.
pub(super) fn trade(market: &Segment<Market>, dice: &mut Dice) {
    let (door, _, scratch) = &**market;
    let mut goods = at_stall(market, door.enter(), false);
    if dice.roll(3) == 0 {
        return make(&mut goods);
    }
    let patient = dice.roll(2) == 0;
    let mut is_late = false;
    while goods[2] == 0 && !is_late && scratch.get(CLOSED) == 0 {
        goods = if patient {
            at_stall(market, goods.wait(), true)
        } else {
            let waited = goods.wait_for(Duration::from_micros(dice.roll(3000)));
            is_late = match &waited {
                Ok((_, over)) => over.timed_out(),
                Err(died) => died.get_ref().1.timed_out(),
            };
            let goods = waited.map(|(goods, _)| goods);
            at_stall(market, goods.map_err(|died| died.map(|(goods, _)| goods)), !is_late)
        };
        if !is_late {
            scratch.cell(NOTIFIED).fetch_add(1, Ordering::SeqCst);
        }
    }
    if goods[2] != 0 {
        change(&mut goods);
        goods[2] -= 1;
    }
}

/// Inside at the board, for writing.
fn at_board<'a>(
    market: &Segment<Market>,
    entered: Result<DoorWriteGuard<'a, Page>, OwnerDied<DoorWriteGuard<'a, Page>>>,
) -> DoorWriteGuard<'a, Page> {
    match entered {
        Ok(page) => {
            check_whole(&page);
            check_seen(market, page[2]);
            page
        }
        Err(died) => {
            let mut page = died.into_inner();
            market.2.cell(REPORTS).fetch_add(1, Ordering::SeqCst);
            page[1] = page[0];
            page.mark_consistent();
            page.notify_all();
            page
        }
    }
}

/// Checks that nobody waits who has not seen this page, inside the board.
fn check_seen(market: &Segment<Market>, page: u64) {
    let (_, board, scratch) = &**market;
    let (raw, attachment) = (board.lock.fifo().raw(), &scratch.attachment);
    let missed = raw.section(|_| {
        let waiting = in_state(attachment, raw.at(), |state| state == State::Waiting);
        let mut owners = waiting.map(|index| u64::from(attachment.owner_of(index)));
        owners.any(|owner| {
            let worker = (0..WHO).find(|&worker| scratch.get(WHO + worker) == owner);
            worker.is_some_and(|worker| scratch.get(SEEN + worker) != page)
        })
    });
    if missed {
        violation("one of all was not notified");
    }
}

/// Writes a page, or reads one and waits for the next.
pub(super) fn publish(market: &Segment<Market>, me: u64, dice: &mut Dice) {
    let (_, board, scratch) = &**market;
    if dice.roll(3) != 0 {
        let page = match board.read() {
            Ok(page) => page,
            Err(died) => {
                // A reader mends nothing.
                drop(died);
                return drop(at_board(market, board.write()));
            }
        };
        check_whole(&page);
        scratch.set(SEEN + me, page[2]);
        if let Ok((page, over)) = page.wait_for(Duration::from_micros(dice.roll(3000))) {
            check_whole(&page);
            let notified = u64::from(!over.timed_out());
            scratch.cell(NOTIFIED).fetch_add(notified, Ordering::SeqCst);
        }
        return;
    }
    let mut page = at_board(market, board.write());
    change(&mut page);
    page[2] += 1;
    page.notify_all();
}

/// A thread of the first process that sees to it that nobody waits for ever.
///
/// Another one than that which lets stopped workers go on: who is stopped under
/// a lock's guard keeps it waiting.
pub(super) struct Supplier {
    stage: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Supplier {
    const CLOSES: u64 = 1;
    const ENDS: u64 = 2;

    pub(super) fn new(market: &Arc<Segment<Market>>) -> Self {
        let (market, stage) = (Arc::clone(market), Arc::new(AtomicU64::new(0)));
        let theirs = Arc::clone(&stage);
        let thread = std::thread::spawn(move || {
            loop {
                let stage = theirs.load(Ordering::SeqCst);
                if stage == Self::ENDS {
                    return;
                }
                if let Some(entered) = market.0.enter_for(Duration::from_millis(2)).transpose() {
                    let mut goods = at_stall(&market, entered, false);
                    if stage == Self::CLOSES {
                        goods.notify_all();
                    } else if goods[2] == 0 {
                        make(&mut goods);
                    }
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        Self { stage, thread: Some(thread) }
    }

    /// Sends those home who wait for goods, from now on.
    pub(super) fn close(&self, market: &Segment<Market>) {
        market.2.set(CLOSED, 1);
        self.stage.store(Self::CLOSES, Ordering::SeqCst);
    }

    pub(super) fn end(mut self) {
        self.stage.store(Self::ENDS, Ordering::SeqCst);
        let thread = self.thread.take().expect("it runs");
        thread.join().expect("no panic");
    }
}

impl Drop for Supplier {
    fn drop(&mut self) {
        self.stage.store(Self::ENDS, Ordering::SeqCst);
    }
}

/// Nothing is left of anybody, and as much was told as there were `deaths`.
pub(super) fn end(market: &Segment<Market>, name: &Name, deaths: u64) {
    market.recover();
    let (door, board, scratch) = &**market;
    // The last ones' deaths.
    drop(at_stall(market, door.enter(), false));
    drop(at_board(market, board.write()));
    let attachment = &scratch.attachment;
    for object in attachment.objects().iter().filter(|object| object.kind == kind::LOCK) {
        let word = attachment.map().u64(object.at + lock::WORD).load(Ordering::SeqCst);
        assert_eq!(word, 0, "units or waiters are left: {door:?} {board:?}");
    }
    let left = (door.condvar.waiting(), board.condvar.waiting());
    assert_eq!(left, (0, 0), "a dead one waits");
    let (reports, notified) = (scratch.get(REPORTS), scratch.get(NOTIFIED));
    assert!(reports <= deaths, "{reports} reports of {deaths} deaths");
    assert!(notified != 0, "nobody was notified");
    Segment::unlink(&name_of(name)).expect("it is still there");
}
