//! Flags of resources in use: whom they keep out, what their errors say, and
//! that an object has one.

#![cfg(all(feature = "std", feature = "async"))]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

mod support;

use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;

use portunus::sync::Threads;
use portunus::{ByAddress, ResourceBusy, ResourceGuard, UniqueResourceGuard, UniqueResourceGuards};
use support::executor::{Executor, RunQueue, Smol, TokioCurrent, TokioMulti};
use support::{Hand, ready};

#[test]
fn al_1_a_second_entry_is_refused_and_guards_are_independent() {
    let guard = ResourceGuard::new();
    let other = ResourceGuard::new();
    let busy = guard.try_enter().unwrap();
    assert!(guard.try_enter().is_err());
    assert!(guard.is_busy());
    let elsewhere = other.try_enter().unwrap();
    drop(busy);
    assert!(!guard.is_busy());
    assert!(other.is_busy());
    drop(elsewhere);
}

#[test]
fn al_7_a_refused_entry_leaves_it_busy_and_counts_as_an_attempt() {
    let guard = ResourceGuard::new();
    assert_eq!(guard.success_ratio(), 0.0);
    let busy = guard.try_enter().unwrap();
    guard.try_enter().unwrap_err();
    assert!(guard.is_busy());
    assert_eq!((guard.attempts(), guard.success_ratio()), (2, 0.5));
    drop(busy);
    assert!(!guard.is_busy());
    drop(guard.try_enter().unwrap());
    drop(guard.try_enter().unwrap());
    assert_eq!((guard.attempts(), guard.success_ratio()), (4, 0.75));
}

#[test]
fn the_error_says_what_is_done_to_what() {
    static PORT: ResourceGuard<&str> = ResourceGuard::named("reading from", "ttyS0");
    let busy = PORT.try_enter().unwrap();
    let error = PORT.try_enter().unwrap_err();
    assert_eq!(error.to_string(), r#"another task is already reading from resource: "ttyS0""#);
    assert_eq!((error.action(), *error.resource()), ("reading from", "ttyS0"));
    assert_eq!(error, error.clone());
    drop(busy);

    // Without a name, a number of its own that stays.
    let (one, two) = (ResourceGuard::new(), ResourceGuard::with_action("closing"));
    let (_one, _two) = (one.try_enter().unwrap(), two.try_enter().unwrap());
    let error: ResourceBusy = one.try_enter().unwrap_err();
    let text = error.to_string();
    let number = text.strip_prefix("another task is already using resource: #").unwrap();
    assert!(number.parse::<usize>().unwrap() > 0);
    assert_eq!(one.try_enter().unwrap_err(), error);
    let closing = two.try_enter().unwrap_err();
    assert!(closing.to_string().starts_with("another task is already closing resource: #"));
    assert_ne!(closing.resource(), error.resource());
    let boxed: Box<dyn std::error::Error + Send + Sync> = Box::new(error);
    assert_eq!(boxed.to_string(), text);
}

#[test]
fn a_panic_frees_the_resource() {
    let guard = ResourceGuard::new();
    let end = catch_unwind(AssertUnwindSafe(|| {
        let _busy = guard.try_enter().unwrap();
        panic!("in the body");
    }));
    assert!(end.is_err() && !guard.is_busy());
    drop(guard.try_enter().unwrap());
}

#[test]
fn of_many_threads_one_is_inside() {
    let guard = ResourceGuard::new();
    let inside = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    if let Ok(_busy) = guard.try_enter() {
                        assert_eq!(inside.fetch_add(1, SeqCst), 0);
                        inside.fetch_sub(1, SeqCst);
                    }
                }
            });
        }
    });
    assert!(!guard.is_busy());
    assert_eq!(guard.attempts(), 8_000);
    assert!(guard.success_ratio() > 0.0 && guard.success_ratio() <= 1.0);
}

/// One task holds it across an await, another is refused, and dropping the
/// first one's future frees it.
fn held_by_a_task<E: Executor>() {
    static GUARD: ResourceGuard<&str> = ResourceGuard::named("using", "a line");
    let executor = E::default();
    let spawn = executor.spawner();
    let guard: &'static ResourceGuard<&str> =
        Box::leak(Box::new(ResourceGuard::named("using", "x")));
    assert!(!GUARD.is_busy());
    let (entered, is_entered) = mpsc::channel();
    let (go_on, may_go_on) = tokio::sync::oneshot::channel::<()>();
    spawn(Box::pin(async move {
        let _busy = guard.try_enter().unwrap();
        entered.send(()).unwrap();
        let _ = may_go_on.await;
        assert!(guard.try_enter().is_err());
    }));
    executor.advance();
    is_entered.recv_timeout(support::watch::patience()).unwrap();
    let (refused, is_refused) = mpsc::channel();
    spawn(Box::pin(async move { refused.send(guard.try_enter().is_err()).unwrap() }));
    executor.advance();
    assert!(is_refused.recv_timeout(support::watch::patience()).unwrap());
    go_on.send(()).unwrap();
    executor.advance();
    support::until("the task leaves", || !guard.is_busy());
}

#[test]
fn it_is_held_across_an_await_on_every_executor() {
    held_by_a_task::<RunQueue>();
    held_by_a_task::<TokioCurrent>();
    held_by_a_task::<TokioMulti>();
    held_by_a_task::<Smol>();
}

#[test]
fn a_cancelled_future_frees_it() {
    let guard = ResourceGuard::new();
    let hand = Hand::new();
    let mut future = Box::pin(async {
        let _busy = guard.try_enter().unwrap();
        std::future::pending::<()>().await;
    });
    assert!(hand.poll(&mut future).is_pending() && guard.is_busy());
    drop(future);
    assert!(!guard.is_busy());
    let mut again = Box::pin(async { guard.try_enter().is_ok() });
    assert!(ready(hand.poll(&mut again)));
}

// === one for each object ===

type Objects = UniqueResourceGuards<ByAddress<String>, Threads>;

#[test]
fn al_2_an_object_has_one_guard_until_the_cache_is_cleared() {
    static GUARDS: Objects = Objects::new();
    let object = Arc::new(String::from("object"));
    let guard = GUARDS.guard(ByAddress(Arc::clone(&object)));
    let busy = guard.try_enter().unwrap();
    let error = GUARDS.guard(ByAddress(Arc::clone(&object))).try_enter().unwrap_err();
    assert_eq!(error.to_string(), r#"another task is already using resource: "object""#);
    let plain = ResourceGuard::named("using", Arc::clone(&object));
    drop(plain.try_enter().unwrap());
    GUARDS.clear_cache();
    assert!(!GUARDS.guard(ByAddress(object)).is(&guard));
    drop(busy);
}

#[test]
fn al_8_look_ups_share_the_flag_and_clearing_makes_a_second_holder_possible() {
    let guards = Objects::new();
    let object = Arc::new(String::from("object"));
    let kept = guards.guard(ByAddress(Arc::clone(&object)));
    assert!(guards.guard(ByAddress(Arc::clone(&object))).is(&kept));
    let second = guards.guard_with_action("stealing", ByAddress(Arc::clone(&object)));
    assert_eq!(second.action(), "using", "the first action stays");
    let busy = second.try_enter().unwrap();
    assert!(kept.is_busy());
    guards.clear_cache();
    assert!(format!("{guards:?}").contains("entries: 0,"), "{guards:?}");
    let new = guards.guard(ByAddress(object));
    assert!(format!("{guards:?}").contains("entries: 1,"), "{guards:?}");
    assert!(!new.is(&kept) && !new.is_busy());
    drop(new.try_enter().unwrap());
    drop(busy);
}

#[test]
fn the_guard_keeps_its_object_and_is_forgotten_with_its_last_handle() {
    let guards = Objects::new();
    let object = Arc::new(String::from("object"));
    let guard = guards.guard_with_action("reading", ByAddress(Arc::clone(&object)));
    let clone = guard.clone();
    let busy = guard.try_enter().unwrap();
    std::mem::forget(busy);
    drop(guard);
    assert_eq!(Arc::strong_count(&object), 2);
    assert!(clone.is_busy());
    drop(clone);
    assert_eq!(Arc::strong_count(&object), 1);
    let new = guards.guard_with_action("writing", ByAddress(object));
    assert_eq!((new.is_busy(), new.action()), (false, "writing"));
}

#[test]
fn equal_keys_share_and_equal_objects_at_two_places_do_not() {
    let by_key = UniqueResourceGuards::<String, Threads>::new();
    let one = by_key.guard("x".to_owned());
    assert!(by_key.guard("x".to_owned()).is(&one));
    assert!(!by_key.guard("y".to_owned()).is(&one));
    let by_place = Objects::new();
    let one = by_place.guard(ByAddress(Arc::new("x".to_owned())));
    assert!(!by_place.guard(ByAddress(Arc::new("x".to_owned()))).is(&one));
    // What has no size, or no `Eq`, has a place as well.
    let floats = UniqueResourceGuards::<ByAddress<[f64]>, Threads>::new();
    let values: Arc<[f64]> = Arc::new([f64::NAN]);
    let guard = floats.guard(ByAddress(Arc::clone(&values)));
    assert!(floats.guard(ByAddress(values)).is(&guard));
}

/// A key that collides with all others, looks guards up while it is compared
/// and dropped, and panics when told to.
#[derive(Clone)]
struct Odd<'a> {
    name: u32,
    guards: &'a UniqueResourceGuards<u32, Threads>,
    own: Option<&'a UniqueResourceGuards<Odd<'a>, Threads>>,
    panics: bool,
}

impl Odd<'_> {
    fn look(&self) {
        drop(self.guards.guard(self.name));
        if let Some(own) = self.own {
            own.clear_cache();
        }
        assert!(!self.panics, "an odd key");
    }
}

impl PartialEq for Odd<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.look();
        self.name == other.name
    }
}

impl Eq for Odd<'_> {}

impl Hash for Odd<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.look();
        1_u8.hash(state);
    }
}

impl Drop for Odd<'_> {
    fn drop(&mut self) {
        if !thread::panicking() {
            drop(self.guards.guard(self.name));
        }
    }
}

#[test]
fn keys_may_use_the_table_and_may_panic() {
    let others = UniqueResourceGuards::new();
    let guards = UniqueResourceGuards::<_, Threads>::new();
    let odd = |name, panics| Odd { name, guards: &others, own: None, panics };
    let one = guards.guard(odd(1, false));
    let two = guards.guard(odd(2, false));
    assert!(guards.guard(odd(1, false)).is(&one) && guards.guard(odd(2, false)).is(&two));
    let clash = catch_unwind(AssertUnwindSafe(|| drop(guards.guard(odd(3, true)))));
    assert!(clash.is_err());
    // The table goes on.
    assert!(guards.guard(odd(1, false)).is(&one) && !one.is(&two));
    // Another table, whose keys empty it while they are looked up.
    let guards = UniqueResourceGuards::new();
    support::watched("a look-up in an odd table ends", {
        let (others, guards): (&'static _, &'static _) =
            (Box::leak(Box::new(others_of())), Box::leak(Box::new(guards)));
        move || {
            let key = || Odd { name: 1, guards: others, own: Some(guards), panics: false };
            let first = guards.guard(key());
            drop((first, guards.guard(key())));
        }
    });
}

fn others_of() -> UniqueResourceGuards<u32, Threads> {
    UniqueResourceGuards::new()
}

/// A key that is looked up while it is compared.
struct Nested(u32);

static NESTED: UniqueResourceGuards<Nested, Threads> = UniqueResourceGuards::new();
static INNER: OnceLock<UniqueResourceGuard<Nested>> = OnceLock::new();

impl PartialEq for Nested {
    fn eq(&self, other: &Self) -> bool {
        if self.0 != other.0 && !LOOKS.swap(true, SeqCst) {
            assert!(INNER.set(NESTED.guard(Self(2))).is_ok());
        }
        self.0 == other.0
    }
}

static LOOKS: AtomicBool = AtomicBool::new(false);

impl Eq for Nested {}

impl Hash for Nested {
    fn hash<H: Hasher>(&self, state: &mut H) {
        1_u8.hash(state);
    }
}

#[test]
fn a_guard_that_was_made_meanwhile_is_found() {
    let one = NESTED.guard(Nested(1));
    let two = NESTED.guard(Nested(2));
    let inner = INNER.get().expect("it was compared with the first one");
    assert!(two.is(inner) && !two.is(&one));
}

#[test]
fn entries_of_dropped_guards_are_swept() {
    let guards = UniqueResourceGuards::<usize, Threads>::new();
    let kept: Vec<UniqueResourceGuard<usize>> = (0..10).map(|key| guards.guard(key)).collect();
    for key in 10..10_000 {
        drop(guards.guard(key));
    }
    let shown = format!("{guards:?}");
    let entries = shown.split("entries: ").nth(1).unwrap().split(',').next().unwrap();
    assert!(entries.parse::<usize>().unwrap() < 64, "{shown}");
    for (key, guard) in kept.iter().enumerate() {
        assert!(guards.guard(key).is(guard));
    }
}

#[test]
fn threads_that_look_up_the_same_key_get_the_same_guard() {
    let guards = UniqueResourceGuards::<usize, Threads>::new();
    for round in 0..50 {
        let start = std::sync::Barrier::new(4);
        let found: Vec<_> = thread::scope(|scope| {
            let looking: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        guards.guard(round)
                    })
                })
                .collect();
            looking.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(found.iter().all(|guard| guard.is(&found[0])));
    }
}
