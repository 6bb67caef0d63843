//! Data behind user-defined modes.

#![cfg(all(feature = "std", feature = "async", feature = "critical-section"))]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]
#![allow(clippy::alloc_instead_of_core)]

#[macro_use]
mod support;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use portunus::guarded::{
    ExclusiveMode, MappedReadGuard, MappedWriteGuard, ReadGuard, UpgradeError, WriteGuard,
};
use portunus::prelude::*;
use portunus::{Backend, ConvertError, Guarded, Held, Mode, PerMode, Rules};
use support::{Hand, ready, watched};

// === Rules ===

portunus::modes! {
    enum Page {
        /// Beside readers and the editor.
        Read,
        /// The one editor: looks on beside readers.
        Edit,
        /// Alone.
        Replace,
        /// Alone too.
        Burn,
        /// Never.
        Never,
    }
}
use Page::{Burn, Edit, Never, Read, Replace};

#[derive(Debug, Default)]
struct Editing;

impl Rules for Editing {
    type Mode = Page;
    const EXCLUSIVE: PerMode<bool> =
        PerMode::all(false).with(Replace.index(), true).with(Burn.index(), true);

    fn admits(&self, mode: Page, held: &Held<Page>) -> bool {
        match mode {
            Read => held[Replace] == 0 && held[Burn] == 0,
            Edit => held[Edit] == 0 && held[Replace] == 0 && held[Burn] == 0,
            Replace | Burn => held.is_empty(),
            Never => false,
        }
    }
}

const REPLACE: ExclusiveMode<Editing> = ExclusiveMode::of::<{ Replace.index() }>();

type Pages<B> = Guarded<Editing, u64, B>;

fn pages<B: Backend>() -> Arc<Pages<B>> {
    Arc::new(Guarded::new(Editing, 0))
}

// === Entering ===

fn readers_share_and_writers_are_alone<B: Backend>() {
    let pages = pages::<B>();
    let (one, editor) = (pages.read(Read), pages.read(Edit));
    assert_eq!((ReadGuard::mode(&one), ReadGuard::mode(&editor)), (Read, Edit));
    assert_eq!((*one, *editor), (0, 0));
    assert!(pages.try_read(Edit).is_none(), "a second editor");
    assert!(pages.try_write(Replace).expect("it is exclusive").is_none());
    drop((one, editor));
    let mut writing = pages.write(Replace).expect("it is exclusive");
    *writing += 1;
    assert_eq!(WriteGuard::mode(&writing), Replace);
    for mode in [Read, Edit, Replace, Burn] {
        assert!(pages.try_read(mode).is_none(), "{mode:?} beside a writer");
    }
    assert!(pages.try_write(Burn).expect("it is exclusive").is_none());
    drop(writing);
    // An exclusive mode may just read.
    let burning = pages.read(Burn);
    assert_eq!(*burning, 1);
    assert!(pages.try_read(Read).is_none());
    drop(burning);
    assert!(!pages.is_locked());
}

/// Every way of writing refuses a mode that is not exclusive, at once, by name,
/// and leaves the lock as it is.
fn a_mode_that_is_not_exclusive_does_not_write<B: Backend>() {
    let pages = pages::<B>();
    let hand = Hand::new();
    let blocker = pages.read(Burn);
    let soon = Instant::now() + Duration::from_secs(60);
    let minute = Duration::from_secs(60);
    for mode in [Read, Edit, Never] {
        let refused = [
            pages.write(mode).map(drop),
            pages.try_write(mode).map(drop),
            pages.write_for(mode, minute).map(drop),
            pages.write_until(mode, soon).map(drop),
            ready(hand.poll(pin!(pages.write_async(mode)))).map(drop),
            pages.write_arc(mode).map(drop),
            pages.try_write_arc(mode).map(drop),
            pages.write_arc_for(mode, minute).map(drop),
            pages.write_arc_until(mode, soon).map(drop),
            ready(hand.poll(pin!(pages.write_arc_async(mode)))).map(drop),
            ExclusiveMode::<Editing>::new(mode).map(drop),
        ];
        for answer in refused {
            let error = answer.expect_err("it is not exclusive");
            assert_eq!(error.mode(), mode);
            assert!(error.to_string().contains(&format!("{mode:?}")), "{error}");
        }
    }
    assert_eq!((pages.waiting(), pages.holders(Burn)), (0, 1));
    drop(blocker);
    let reading = pages.read(Edit);
    let (reading, error) = ReadGuard::upgrade(reading, Read).expect_err("not exclusive");
    assert!(matches!(error, UpgradeError::NotExclusive(error) if error.mode() == Read));
    let (reading, error) = ReadGuard::try_upgrade(reading, Edit).expect_err("not exclusive");
    assert!(matches!(error, UpgradeError::NotExclusive(error) if error.mode() == Edit));
    let upgrade = ReadGuard::upgrade_async(reading, Never);
    let (reading, error) = ready(hand.poll(pin!(upgrade))).expect_err("not exclusive");
    assert!(matches!(error, UpgradeError::NotExclusive(error) if error.mode() == Never));
    assert_eq!(ReadGuard::mode(&reading), Edit, "it is as it was");
    assert_eq!(pages.holders(Edit), 1);
}

/// With a mode that was checked before, there is no `Result`.
fn a_checked_mode_writes_without_an_error<B: Backend>() {
    let pages = pages::<B>();
    let hand = Hand::new();
    let minute = Duration::from_secs(60);
    let soon = Instant::now() + minute;
    *pages.write(REPLACE) += 1;
    *pages.try_write(REPLACE).expect("free") += 1;
    *pages.write_for(REPLACE, minute).expect("free") += 1;
    *pages.write_until(REPLACE, soon).expect("free") += 1;
    *ready(hand.poll(pin!(pages.write_async(REPLACE)))) += 1;
    *pages.write_arc(REPLACE) += 1;
    *pages.try_write_arc(REPLACE).expect("free") += 1;
    *pages.write_arc_for(REPLACE, minute).expect("free") += 1;
    *pages.write_arc_until(REPLACE, soon).expect("free") += 1;
    *ready(hand.poll(pin!(pages.write_arc_async(REPLACE)))) += 1;
    let Ok(mut writing) = ReadGuard::upgrade(pages.read(Read), REPLACE) else {
        panic!("nobody else is inside")
    };
    *writing += 1;
    drop(writing);
    assert_eq!(*pages.read(Read), 11);
    assert_eq!(REPLACE.mode(), Replace);
    assert_eq!(ExclusiveMode::new(Replace), Ok(REPLACE));
    assert_ne!(ExclusiveMode::new(Burn), Ok(REPLACE));
    assert_eq!(Arc::strong_count(&pages), 1);
}

// === Who lies ===

/// Says of a mode that it is exclusive, and admits everybody to everything.
struct Liar;

impl Rules for Liar {
    type Mode = Page;
    const EXCLUSIVE: PerMode<bool> = Editing::EXCLUSIVE;

    fn admits(&self, _: Page, _: &Held<Page>) -> bool {
        true
    }
}

fn a_rule_that_lies_is_not_believed<B: Backend>() {
    let pages = Guarded::<_, u64, B>::new(Liar, 0);
    let hand = Hand::new();
    for inside in Page::ALL {
        let reading = pages.read(*inside);
        let exclusive = Liar::EXCLUSIVE.get(inside.index());
        for mode in Page::ALL {
            let enters = pages.try_read(*mode).is_some();
            let alone = exclusive || Liar::EXCLUSIVE.get(mode.index());
            assert_eq!(enters, !alone, "{mode:?} beside {inside:?}");
            let enters = pages.lock().try_acquire(*mode).is_some();
            assert_eq!(enters, !alone, "a hold in {mode:?} beside {inside:?}");
        }
        // Neither through the line, nor by a conversion.
        let mut writer = pin!(pages.write_async(Replace));
        assert!(hand.poll(writer.as_mut()).is_pending());
        drop(reading);
        let writing = ready(hand.poll(writer)).expect("it is exclusive");
        assert!(pages.try_read(Never).is_none());
        drop(writing);
    }
    let (one, two) = (pages.read(Read), pages.read(Edit));
    let (one, error) = ReadGuard::try_upgrade(one, Burn).expect_err("two are inside");
    assert_eq!(error, UpgradeError::Busy);
    drop(two);
    assert!(ReadGuard::try_upgrade(one, Burn).is_ok());
}

/// A mode whose index is whatever was said last.
#[derive(Clone, Copy, Debug)]
struct Fickle(#[allow(dead_code, reason = "tells them apart")] u8);

thread_local! {
    static SAYS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

impl Mode for Fickle {
    const ALL: &'static [Self] = &[Self(0), Self(1), Self(2)];

    fn index(self) -> usize {
        SAYS.get()
    }
}

struct Whimsical;

impl Rules for Whimsical {
    type Mode = Fickle;
    const EXCLUSIVE: PerMode<bool> = PerMode::all(false).with(2, true);

    fn admits(&self, _: Fickle, _: &Held<Fickle>) -> bool {
        true
    }
}

/// A hold is released in the mode in which it entered, whatever the mode says
/// since: or the counts would say that nobody reads.
fn a_mode_that_lies_is_not_asked_twice<B: Backend>() {
    let lock = Guarded::<_, u64, B>::new(Whimsical, 0);
    let counts = || {
        [0, 1, 2].map(|index| {
            SAYS.set(index);
            lock.holders(Fickle(0))
        })
    };
    SAYS.set(0);
    let readers = (lock.read(Fickle(0)), lock.read(Fickle(0)));
    SAYS.set(1);
    let other = lock.read(Fickle(0));
    assert_eq!(counts(), [2, 1, 0]);
    drop(readers.0);
    assert_eq!(counts(), [1, 1, 0]);
    SAYS.set(0);
    drop(other);
    assert_eq!(counts(), [1, 0, 0]);
    SAYS.set(2);
    assert!(lock.try_write(Fickle(0)).expect("it says so").is_none(), "one reads");
    drop(readers.1);
    assert_eq!(counts(), [0, 0, 0]);
    SAYS.set(2);
    let mut writing = lock.write(Fickle(0)).expect("it says so");
    *writing += 1;
    for says in 0..3 {
        SAYS.set(says);
        assert!(lock.try_read(Fickle(0)).is_none());
    }
    // A conversion gives up what is held, and not what is said.
    SAYS.set(1);
    let Ok(mut reading) = WriteGuard::downgrade(writing, Fickle(0)) else { panic!("admitted") };
    assert_eq!(counts(), [0, 1, 0]);
    SAYS.set(0);
    assert!(ReadGuard::try_convert(&mut reading, Fickle(0)));
    assert_eq!(counts(), [1, 0, 0]);
    drop(reading);
    assert!(!lock.is_locked());
}

// === Converting ===

fn a_reader_changes_its_mode_and_reads_on<B: Backend>() {
    let pages = pages::<B>();
    let mut reading = pages.read(Read);
    let other = pages.read(Edit);
    assert!(!ReadGuard::try_convert(&mut reading, Edit), "there is an editor");
    drop(other);
    assert!(ReadGuard::try_convert(&mut reading, Edit));
    assert_eq!(ReadGuard::convert(&mut reading, Read), Ok(()));
    let minute = Duration::from_secs(60);
    assert_eq!(ReadGuard::convert_for(&mut reading, Burn, minute), Ok(()));
    assert_eq!(ReadGuard::convert_until(&mut reading, Edit, Instant::now() + minute), Ok(()));
    assert_eq!(ReadGuard::convert(&mut reading, Never), Err(ConvertError::Impossible));
    let hand = Hand::new();
    let reading = ready(hand.poll(pin!(ReadGuard::convert_async(reading, Read)))).expect("free");
    assert_eq!((ReadGuard::mode(&reading), *reading), (Read, 0));
    let refused = ready(hand.poll(pin!(ReadGuard::convert_async(reading, Never))));
    let (reading, error) = refused.expect_err("never admitted");
    assert_eq!((ReadGuard::mode(&reading), error), (Read, ConvertError::Impossible));
    assert_eq!((pages.holders(Read), pages.holders(Edit)), (1, 0));
}

fn a_writer_becomes_a_reader<B: Backend>() {
    let pages = pages::<B>();
    let hand = Hand::new();
    let mut writing = pages.write(REPLACE);
    *writing = 7;
    let mut waiting = pin!(pages.read_async(Read));
    assert!(hand.poll(waiting.as_mut()).is_pending());
    let Err((writing, error)) = WriteGuard::downgrade(writing, Never) else {
        panic!("it is never admitted")
    };
    assert_eq!((error, *writing), (ConvertError::Impossible, 7));
    let Ok(reading) = WriteGuard::downgrade(writing, Edit) else { panic!("alone") };
    assert_eq!(hand.wakes(), 1, "whom the new mode lets in enters at once");
    assert_eq!((*reading, *ready(hand.poll(waiting))), (7, 7));
    // To another exclusive mode, and on to writing.
    let Ok(mut writing) = ReadGuard::try_upgrade(reading, Burn) else { panic!("alone") };
    *writing = 8;
    let Ok(reading) = WriteGuard::downgrade(writing, Replace) else { panic!("alone") };
    assert!(pages.try_read(Read).is_none(), "it is exclusive and reads");
    let Ok(writing) = ReadGuard::try_upgrade(reading, REPLACE) else { panic!("alone") };
    assert_eq!(*writing, 8);
}

/// Of two readers that wait for each other to leave, the second is told so, and
/// reads on.
fn the_second_of_two_upgrades_is_refused<B: Backend>() {
    let pages = pages::<B>();
    let hand = Hand::new();
    let (one, two) = (pages.read(Read), pages.read(Read));
    let mut first = pin!(ReadGuard::upgrade_async(one, Replace));
    assert!(hand.poll(first.as_mut()).is_pending());
    let deadlock = UpgradeError::Convert(ConvertError::Deadlock);
    let (two, error) = ReadGuard::upgrade(two, Replace).expect_err("the first waits");
    assert_eq!(error, deadlock);
    let (two, error) = ready(Hand::new().poll(pin!(ReadGuard::upgrade_async(two, Replace))))
        .expect_err("the first waits");
    assert_eq!((*two, error), (0, deadlock));
    drop(two);
    assert_eq!(hand.wakes(), 1);
    *ready(hand.poll(first)).expect("nobody else is inside") += 1;
    assert_eq!(*pages.read(Read), 1);
}

fn an_upgrade_whose_time_is_over_reads_on<B: Backend>() {
    let pages = pages::<B>();
    let (one, two) = (pages.read(Read), pages.read(Edit));
    let start = Instant::now();
    let wait = Duration::from_millis(20);
    let (one, error) = ReadGuard::upgrade_for(one, Replace, wait).expect_err("one reads");
    assert_eq!(error, UpgradeError::Convert(ConvertError::TimedOut));
    let (one, error) = ReadGuard::upgrade_until(one, Replace, start).expect_err("one reads");
    assert_eq!(error, UpgradeError::Convert(ConvertError::TimedOut));
    assert!(start.elapsed() >= wait, "too early");
    assert_eq!((*one, pages.waiting(), pages.holders(Read)), (0, 0, 1));
    drop(two);
    assert!(ReadGuard::upgrade_for(one, Replace, Duration::from_secs(60)).is_ok());
}

fn a_wait_whose_time_is_over_leaves_nothing_behind<B: Backend>() {
    let pages = pages::<B>();
    let wait = Duration::from_millis(10);
    let start = Instant::now();
    let reading = pages.read(Read);
    assert!(pages.write_for(REPLACE, wait).is_none());
    assert!(pages.write_arc_for(REPLACE, wait).is_none());
    assert!(pages.write_until(Replace, start).expect("exclusive").is_none());
    assert!(pages.write_arc_until(Replace, start).expect("exclusive").is_none());
    drop(reading);
    let writing = pages.write(REPLACE);
    assert!(pages.read_for(Read, wait).is_none());
    assert!(pages.read_arc_for(Read, wait).is_none());
    assert!(pages.read_until(Read, start).is_none());
    assert!(pages.read_arc_until(Read, start).is_none());
    assert!(start.elapsed() >= 4 * wait, "too early");
    assert_eq!(pages.waiting(), 0);
    drop(writing);
    assert!(pages.read_for(Read, wait).is_some() && pages.read_arc_for(Read, wait).is_some());
    assert!(!pages.is_locked());
    assert_eq!(Arc::strong_count(&pages), 1);
}

// === Parts ===

fn guards_narrow_to_parts<B: Backend>() {
    let lock = Guarded::<_, _, B>::new(Editing, (1_u32, vec![2_u8, 3]));
    let part = ReadGuard::map(lock.read(Edit), |data| &data.1);
    let part = MappedReadGuard::map(part, |list| &list[1..]);
    assert_eq!((&*part, MappedReadGuard::mode(&part)), (&[3][..], Edit));
    let Err(part) = MappedReadGuard::try_map(part, |list| list.get(5)) else {
        panic!("there is no sixth")
    };
    assert_eq!(lock.holders(Edit), 1, "it still holds");
    let Ok(part) = MappedReadGuard::try_map(part, |list| list.first()) else {
        panic!("there is a first")
    };
    assert_eq!((*part, format!("{part:?} {part}")), (3, "3 3".to_owned()));
    drop(part);
    assert!(!lock.is_locked());
    let Err(whole) = ReadGuard::try_map(lock.read(Read), |data| data.1.get(9)) else {
        panic!("there is no tenth")
    };
    assert_eq!(whole.0, 1);
    drop(whole);

    let mut part = WriteGuard::map(lock.write(REPLACE), |data| &mut data.1);
    part.push(4);
    let mut part = MappedWriteGuard::map(part, |list| &mut list[..]);
    part[0] = 9;
    assert_eq!(MappedWriteGuard::mode(&part), Replace);
    let Err(part) = MappedWriteGuard::try_map(part, |list| list.get_mut(5)) else {
        panic!("there is no sixth")
    };
    let Ok(mut part) = MappedWriteGuard::try_map(part, |list| list.last_mut()) else {
        panic!("there is a last")
    };
    *part = 8;
    assert!(lock.try_read(Read).is_none(), "it still holds");
    drop(part);
    let Err(whole) = WriteGuard::try_map(lock.write(REPLACE), |data| data.1.get_mut(9)) else {
        panic!("there is no tenth")
    };
    assert_eq!(*whole, (1, vec![9, 3, 8]));
    drop(whole);
    // A panic in the closure releases.
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        drop(WriteGuard::map(lock.write(REPLACE), |_| -> &mut u8 { panic!("on purpose") }));
    }));
    assert!(panicked.is_err() && !lock.is_locked());
}

// === Owning ===

fn owned_guards_keep_the_data_alive<B: Backend>() {
    let pages = pages::<B>();
    let hand = Hand::new();
    let reading = pages.read_arc(Read);
    let other = ready(hand.poll(pin!(pages.read_arc_async(Edit))));
    assert!(pages.try_read_arc(Edit).is_none());
    assert!(Arc::ptr_eq(ReadGuard::hold(&reading).lock(), &pages));
    drop(other);
    let Ok(mut writing) = ReadGuard::upgrade(reading, Replace) else { panic!("alone") };
    *writing += 1;
    let weak = Arc::downgrade(&pages);
    drop(pages);
    let reading = thread::spawn(move || {
        let Ok(reading) = WriteGuard::downgrade(writing, Read) else { panic!("alone") };
        reading
    });
    let reading = reading.join().expect("no panic");
    assert_eq!(*reading, 1);
    let mut upgrade = Box::pin(ReadGuard::upgrade_async(reading, Replace));
    let writing = ready(hand.poll(upgrade.as_mut())).expect("alone");
    drop(upgrade);
    let part = WriteGuard::map(writing, |data| data);
    assert!(weak.upgrade().is_some());
    drop(part);
    assert!(weak.upgrade().is_none(), "a reference is left over");
}

/// An owned hold of a lock without data converts too.
fn owned_holds_convert<B: Backend>() {
    let lock = Arc::new(portunus::FifoLock::<_, B>::new(Editing));
    let mut hold = lock.acquire_owned(Read);
    let mut other = lock.acquire_owned(Edit);
    assert!(!hold.try_convert(Edit));
    assert_eq!(other.convert(Never), Err(ConvertError::Impossible));
    assert_eq!(other.convert(Read), Ok(()));
    assert!(hold.try_convert(Edit));
    let hand = Hand::new();
    let mut converting = Box::pin(hold.convert_async(Burn));
    assert!(hand.poll(converting.as_mut()).is_pending());
    drop(other);
    assert_eq!((hand.wakes(), lock.holders(Burn)), (1, 1));
    drop(converting);
    assert!(!lock.is_locked(), "it owned the hold");
    assert_eq!(Arc::strong_count(&lock), 1);
}

fn the_data_may_be_unsized<B: Backend>() {
    let list: Arc<Guarded<Editing, [u8], B>> = Arc::new(Guarded::<_, _, B>::new(Editing, [1, 2]));
    list.write_arc(REPLACE)[0] = 3;
    assert_eq!(*list.read(Read), [3, 2]);
    assert_eq!(*list.read_arc(Read), [3, 2]);
}

fn without_the_lock<B: Backend>() {
    let mut number = Guarded::<Editing, u64, B>::default();
    *number.get_mut() += 1;
    assert_eq!(number.into_inner(), 1);
    let number = Guarded::<Editing, _, B>::from(5);
    let hold = number.lock().acquire(Read);
    assert!(number.try_write(REPLACE).is_none(), "a hold without data counts");
    assert_eq!((number.holders(Read), number.waiting(), number.is_locked()), (1, 0, true));
    let shown = format!("{number:?}");
    assert!(shown.contains("Read: 1") && shown.contains("waiting: 0"), "{shown}");
    drop(hold);
    let writing = number.write(REPLACE);
    assert_eq!(format!("{writing:?} {writing}"), "5 5");
    assert!(format!("{number:?}").contains("Replace: 1"), "it never blocks");
    assert!(matches!(number.rules(), Editing));
}

/// Guards let go for a while, and come back as they were.
fn guards_let_go_for_a_while<B: Backend>() {
    let pages = pages::<B>();
    let hand = Hand::new();
    let mut reading = pages.read(Edit);
    reading.releasing(|| *pages.write(REPLACE) += 1);
    assert_eq!((*reading, pages.holders(Edit)), (1, 1));
    let (reading, ()) =
        ready(hand.poll(pin!(reading.releasing_async(async { *pages.write(REPLACE) += 1 }))));
    assert_eq!((*reading, ReadGuard::mode(&reading)), (2, Edit));
    drop(reading);
    let mut writing = pages.write(Burn).expect("exclusive");
    writing.releasing(|| *pages.write(REPLACE) += 1);
    *writing += 1;
    assert_eq!((*writing, pages.holders(Burn)), (4, 1));
    let letting_go = writing.releasing_async(async { *pages.write_async(REPLACE).await += 1 });
    let (writing, ()) = ready(hand.poll(pin!(letting_go)));
    assert_eq!((*writing, WriteGuard::mode(&writing)), (5, Burn));
    drop(writing);
    // Those that keep the data alive.
    let mut reading = pages.read_arc(Read);
    reading.releasing(|| *pages.write_arc(REPLACE) += 1);
    let (reading, ()) = ready(hand.poll(pin!(reading.releasing_async(async {}))));
    drop(reading);
    let mut writing = pages.write_arc(REPLACE);
    writing.releasing(|| assert!(!pages.is_locked()));
    let (writing, ()) = ready(hand.poll(pin!(writing.releasing_async(async {}))));
    assert_eq!((*writing, pages.holders(Replace)), (6, 1));
    drop(writing);
    assert_eq!((pages.is_locked(), Arc::strong_count(&pages)), (false, 1));
}

fn a_panic_releases<B: Backend>() {
    let pages = pages::<B>();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let mut writing = pages.write(REPLACE);
        *writing = 5;
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    assert_eq!(*pages.read(Read), 5, "no poisoning");
}

// === Cancelling ===

/// Some guard, which lets go when it is dropped.
trait Lets {}
impl<T> Lets for T {}
type Entered<'a> = Box<dyn Lets + 'a>;
type Asked<'a> = Pin<Box<dyn Future<Output = Entered<'a>> + 'a>>;

fn erase<'a, F: Future + 'a>(future: F) -> Asked<'a>
where
    F::Output: 'a,
{
    Box::pin(async move { Box::new(future.await) as Entered<'a> })
}

/// A future, what it holds from the start, what it asks for, and who keeps it
/// out.
struct Case<B: Backend> {
    name: &'static str,
    from: Option<Page>,
    to: Page,
    blocker: Page,
    ask: for<'a> fn(&'a Arc<Pages<B>>) -> Asked<'a>,
}

fn cases<B: Backend>() -> [Case<B>; 10] {
    macro_rules! case {
        ($name:literal, $from:expr, $to:expr, $blocker:expr, |$pages:ident| $ask:expr) => {
            Case { name: $name, from: $from, to: $to, blocker: $blocker, ask: |$pages| erase($ask) }
        };
    }
    [
        case!("read", None, Edit, Edit, |pages| pages.read_async(Edit)),
        case!("write", None, Replace, Read, |pages| pages.write_async(Replace)),
        case!("write, checked", None, Replace, Edit, |pages| pages.write_async(REPLACE)),
        case!("read arc", None, Read, Burn, |pages| pages.read_arc_async(Read)),
        case!("write arc", None, Burn, Edit, |pages| pages.write_arc_async(Burn)),
        case!("convert", Some(Read), Edit, Edit, |pages| {
            ReadGuard::convert_async(pages.read(Read), Edit)
        }),
        case!("convert arc", Some(Read), Edit, Edit, |pages| {
            ReadGuard::convert_async(pages.read_arc(Read), Edit)
        }),
        case!("upgrade", Some(Edit), Replace, Read, |pages| {
            ReadGuard::upgrade_async(pages.read(Edit), Replace)
        }),
        case!("upgrade, checked", Some(Edit), Replace, Read, |pages| {
            ReadGuard::upgrade_async(pages.read(Edit), REPLACE)
        }),
        case!("upgrade arc", Some(Edit), Burn, Read, |pages| {
            ReadGuard::upgrade_async(pages.read_arc(Edit), Burn)
        }),
    ]
}

fn dropped_before_the_first_poll<B: Backend>() {
    for case in cases::<B>() {
        let pages = pages::<B>();
        let future = (case.ask)(&pages);
        // An `async` block asks when it is polled, so the guard of a conversion
        // is taken along by what is erased.
        assert_eq!(pages.holders(Read) + pages.holders(Edit), usize::from(case.from.is_some()));
        drop(future);
        assert!(!pages.is_locked(), "{}", case.name);
        assert_eq!((pages.waiting(), Arc::strong_count(&pages)), (0, 1), "{}", case.name);
    }
}

fn dropped_in_line<B: Backend>() {
    for case in cases::<B>() {
        let pages = pages::<B>();
        let (hand, other) = (Hand::new(), Hand::new());
        let blocker = pages.read(case.blocker);
        let mut future = (case.ask)(&pages);
        assert!(hand.poll(future.as_mut()).is_pending(), "{}", case.name);
        assert_eq!(pages.waiting(), 1, "{}", case.name);
        drop(future);
        assert_eq!(pages.waiting(), 0, "{}", case.name);
        assert_eq!(pages.holders(case.blocker), 1, "{}", case.name);
        let mut follower = pin!(pages.write_async(REPLACE));
        assert!(other.poll(follower.as_mut()).is_pending(), "{}", case.name);
        drop(blocker);
        drop(ready(other.poll(follower)));
        assert_eq!((pages.is_locked(), Arc::strong_count(&pages)), (false, 1), "{}", case.name);
        assert_eq!(hand.wakes(), 0, "{}", case.name);
    }
}

/// Whoever it kept out enters at once.
fn dropped_at_the_head_of_the_line<B: Backend>() {
    let pages = pages::<B>();
    let (hand, other) = (Hand::new(), Hand::new());
    let reader = pages.read(Read);
    let editor = pages.read(Edit);
    let mut upgrade = Box::pin(ReadGuard::upgrade_async(editor, Replace));
    assert!(hand.poll(upgrade.as_mut()).is_pending());
    let mut follower = pin!(pages.read_async(Edit));
    assert!(other.poll(follower.as_mut()).is_pending());
    drop(upgrade);
    assert_eq!(other.wakes(), 1);
    assert_eq!(*ready(other.poll(follower)), *reader);
}

fn dropped_when_granted<B: Backend>() {
    for case in cases::<B>() {
        let pages = pages::<B>();
        let (hand, other) = (Hand::new(), Hand::new());
        let blocker = pages.read(case.blocker);
        let mut future = (case.ask)(&pages);
        assert!(hand.poll(future.as_mut()).is_pending(), "{}", case.name);
        drop(blocker);
        assert_eq!((hand.wakes(), pages.holders(case.to)), (1, 1), "{}", case.name);
        let mut follower = pin!(pages.write_async(REPLACE));
        assert!(other.poll(follower.as_mut()).is_pending(), "{}", case.name);
        drop(future);
        assert_eq!(other.wakes(), 1, "{}: the lock goes to the next", case.name);
        drop(ready(other.poll(follower)));
        assert_eq!((pages.is_locked(), Arc::strong_count(&pages)), (false, 1), "{}", case.name);
    }
}

fn dropped_after_it_was_ready<B: Backend>() {
    for case in cases::<B>() {
        let pages = pages::<B>();
        let hand = Hand::new();
        let blocker = pages.read(case.blocker);
        let mut future = (case.ask)(&pages);
        assert!(hand.poll(future.as_mut()).is_pending(), "{}", case.name);
        drop(blocker);
        let guard = ready(hand.poll(future.as_mut()));
        drop(future);
        assert_eq!(pages.holders(case.to), 1, "{}: the guard is the holder", case.name);
        drop(guard);
        assert_eq!((pages.is_locked(), Arc::strong_count(&pages)), (false, 1), "{}", case.name);
    }
}

fn polled_after_it_was_ready<B: Backend>() {
    let pages = pages::<B>();
    let hand = Hand::new();
    let panics = |poll: &mut dyn FnMut()| catch_unwind(AssertUnwindSafe(poll)).is_err();
    let mut read = Box::pin(pages.read_async(Read));
    let reading = ready(hand.poll(read.as_mut()));
    assert!(panics(&mut || drop(hand.poll(read.as_mut()))));
    let mut upgrade = Box::pin(ReadGuard::upgrade_async(reading, Replace));
    drop(ready(hand.poll(upgrade.as_mut())));
    assert!(panics(&mut || drop(hand.poll(upgrade.as_mut()))));
    let mut refused = Box::pin(pages.write_async(Read));
    assert!(ready(hand.poll(refused.as_mut())).is_err());
    assert!(panics(&mut || drop(hand.poll(refused.as_mut()))));
    let mut refused = Box::pin(ReadGuard::upgrade_async(pages.read(Read), Read));
    drop(ready(hand.poll(refused.as_mut())));
    assert!(panics(&mut || drop(hand.poll(refused.as_mut()))));
    assert!(!pages.is_locked());
}

// === Load ===

/// Data that is torn while it is written.
struct Torn([u64; 8]);

impl Torn {
    fn seen(&self) -> u64 {
        assert!(self.0.iter().all(|&part| part == self.0[0]), "seen while it was written");
        self.0[0]
    }

    fn next(&mut self) {
        let next = self.seen() + 1;
        for part in &mut self.0 {
            *part = next;
        }
    }
}

/// Threads and tasks write, upgrade and downgrade: nothing is torn or lost.
///
/// `modes` read, look on, and write: there are two that write.
fn load<R: Rules + Default + Send + Sync + 'static, B: Backend>(modes: [R::Mode; 4]) {
    const ROUNDS: u64 = 150;
    let [read, edit, replace, burn] = modes;
    watched("many share the data", move || {
        let lock = Arc::new(Guarded::<R, _, B>::new(R::default(), Torn([0; 8])));
        let inside = AtomicUsize::new(0);
        let start = Barrier::new(4);
        let alone = |torn: &mut Torn| {
            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two write");
            torn.next();
            inside.fetch_sub(1, Ordering::SeqCst);
        };
        thread::scope(|scope| {
            // Writes, and reads on.
            scope.spawn(|| {
                start.wait();
                for _ in 0..ROUNDS {
                    let mut writing = lock.write(replace).expect("exclusive");
                    alone(&mut writing);
                    let wrote = writing.seen();
                    let Ok(reading) = WriteGuard::downgrade(writing, read) else { panic!("alone") };
                    assert_eq!(reading.seen(), wrote, "somebody wrote in between");
                }
            });
            // Reads, and goes on to writing.
            scope.spawn(|| {
                start.wait();
                for _ in 0..ROUNDS {
                    let reading = lock.read(edit);
                    let seen = reading.seen();
                    let Ok(mut writing) = ReadGuard::upgrade(reading, burn) else {
                        panic!("one editor at a time")
                    };
                    assert_eq!(writing.seen(), seen, "somebody wrote in between");
                    alone(&mut writing);
                }
            });
            // The same in tasks, by owned guards.
            scope.spawn(|| {
                start.wait();
                smol::block_on(async {
                    for _ in 0..ROUNDS {
                        let reading = lock.read_arc_async(edit).await;
                        let seen = reading.seen();
                        smol::future::yield_now().await;
                        let upgraded = ReadGuard::upgrade_async(reading, replace).await;
                        let Ok(mut writing) = upgraded else { panic!("one editor at a time") };
                        assert_eq!(writing.seen(), seen, "somebody wrote in between");
                        alone(&mut writing);
                    }
                });
            });
            // Only reads, and gives up now and then.
            scope.spawn(|| {
                start.wait();
                for round in 0..ROUNDS {
                    if round % 3 == 0 {
                        let short = Duration::from_micros(50);
                        if let Some(reading) = lock.read_for(read, short) {
                            reading.seen();
                        }
                    } else {
                        lock.read(read).seen();
                    }
                }
            });
        });
        assert!(!lock.is_locked());
        assert_eq!((lock.read(read).seen(), lock.waiting()), (3 * ROUNDS, 0));
    });
}

fn nothing_is_torn_or_lost<B: Backend>() {
    load::<Editing, B>([Read, Edit, Replace, Burn]);
}

/// The same by rules that somebody vouches for, and in which readers and
/// writers stand in different lanes.
fn nothing_is_torn_or_lost_by_vouched_rules<B: Backend>() {
    use portunus::rules::{Granularity, Intention, Shared, SharedMode};
    assert!(!Editing::VOUCHED.is_yes());
    assert!(Intention::VOUCHED.is_yes() && Shared::<portunus::Fair>::VOUCHED.is_yes());
    let modes = [SharedMode::Read, SharedMode::Upgradable, SharedMode::Write, SharedMode::Write];
    load::<Shared<portunus::Fair>, B>(modes);
    load::<Shared<portunus::ReadPreferring>, B>(modes);
    load::<Shared<portunus::WritePreferring>, B>(modes);
    let alone = Granularity::Exclusive;
    load::<Intention, B>([
        Granularity::IntentShared,
        Granularity::SharedIntentExclusive,
        alone,
        alone,
    ]);
}

on_backends!(
    readers_share_and_writers_are_alone,
    a_mode_that_is_not_exclusive_does_not_write,
    a_checked_mode_writes_without_an_error,
    a_rule_that_lies_is_not_believed,
    a_mode_that_lies_is_not_asked_twice,
    a_reader_changes_its_mode_and_reads_on,
    a_writer_becomes_a_reader,
    the_second_of_two_upgrades_is_refused,
    an_upgrade_whose_time_is_over_reads_on,
    a_wait_whose_time_is_over_leaves_nothing_behind,
    guards_narrow_to_parts,
    owned_guards_keep_the_data_alive,
    owned_holds_convert,
    the_data_may_be_unsized,
    without_the_lock,
    guards_let_go_for_a_while,
    a_panic_releases,
    dropped_before_the_first_poll,
    dropped_in_line,
    dropped_at_the_head_of_the_line,
    dropped_when_granted,
    dropped_after_it_was_ready,
    polled_after_it_was_ready,
    nothing_is_torn_or_lost,
    nothing_is_torn_or_lost_by_vouched_rules,
);

/// In a `static`, and with the names that the backends have.
#[test]
fn in_a_static() {
    use portunus::spin::{Guarded, GuardedReadGuard, MappedGuardedReadGuard};

    static PAGE: Guarded<Editing, (u32, &str)> = Guarded::new(Editing, (1, "one"));
    PAGE.write(REPLACE).0 = 2;
    let name: MappedGuardedReadGuard<'_, Editing, str> =
        GuardedReadGuard::map(PAGE.read(Read), |page| page.1);
    assert_eq!(&*name, "one");
}
