//! Registries: keys, renaming, duplicates, trees, and what vanishes.

#![cfg(feature = "std")]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

use std::collections::HashSet;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Barrier, LazyLock, Mutex, OnceLock};
use std::thread;

use portunus::registry::{DefaultKey, Duplicate, Duplicates};
use portunus::sync::{Registration, Registry};

fn key(text: &str) -> String {
    text.to_owned()
}

fn keys<T: ?Sized>(registry: &Registry<String, T>) -> Vec<String> {
    registry.entries().into_iter().map(|(key, _)| key).collect()
}

/// Something whose name may change.
struct Named(Mutex<String>);

impl Named {
    fn new(name: &str) -> Arc<Self> {
        Arc::new(Self(Mutex::new(name.to_owned())))
    }

    fn name(&self) -> String {
        self.0.lock().expect("no panic").clone()
    }

    fn rename(&self, name: &str) {
        *self.0.lock().expect("no panic") = name.to_owned();
    }
}

#[test]
fn a_value_vanishes_with_its_last_reference() {
    let registry: Registry<String, u32> = Registry::new(Duplicates::Reject);
    let foo = Arc::new(1);
    let place = registry.register(&foo, key("foo")).expect("free");
    assert_eq!(registry.get(&key("foo")).as_deref(), Some(&1));
    assert_eq!(registry.len(), 1);
    drop(foo);
    assert_eq!(registry.get(&key("foo")), None);
    assert_eq!((registry.len(), registry.entries().len()), (0, 0));
    // Its key is free, though its place is still there.
    let bar = Arc::new(2);
    let _other = registry.register(&bar, key("foo")).expect("free again");
    drop(place);
    assert_eq!(registry.get(&key("foo")).as_deref(), Some(&2));
}

#[test]
fn a_registration_takes_the_value_out_unless_detached() {
    let registry: Registry<String, u32> = Registry::new(Duplicates::Reject);
    let (one, two) = (Arc::new(1), Arc::new(2));
    let first = registry.register(&one, key("one")).expect("free");
    registry.register(&two, key("two")).expect("free").detach();
    drop(first);
    assert_eq!(keys(&registry), ["two"]);
    drop(two);
    assert!(registry.is_empty());
    // Of what was taken out, not even the key is known.
    let shown = format!("{registry:?}");
    assert!(!shown.contains("one"), "{shown}");
}

#[test]
fn a_registry_that_rejects_says_which_key() {
    let registry: Registry<String, u32> = Registry::new(Duplicates::Reject);
    let (one, two) = (Arc::new(1), Arc::new(2));
    let _first = registry.register(&one, key("k")).expect("free");
    let error = registry.register(&two, key("k")).expect_err("taken");
    assert_eq!(error, Duplicate { key: key("k") });
    assert_eq!(error.to_string(), "the key \"k\" is that of another live value");
    let other = registry.register(&two, key("l")).expect("free");
    assert_eq!(other.rename(key("k")), Err(Duplicate { key: key("k") }));
    assert_eq!(other.key(), Some(key("l")));
    // To its own key, it may be renamed.
    assert_eq!(other.rename(key("l")), Ok(()));
    assert_eq!(keys(&registry), ["k", "l"]);
}

#[test]
fn of_two_with_one_key_the_later_hides_the_earlier_until_they_differ() {
    let registry: Registry<String, u32> = Registry::new(Duplicates::Shadow);
    let (one, two) = (Arc::new(1), Arc::new(2));
    let first = registry.register(&one, key("k")).expect("no rejection");
    let second = registry.register(&two, key("k")).expect("no rejection");
    assert_eq!(registry.get(&key("k")).as_deref(), Some(&2));
    assert_eq!(registry.entries(), [(key("k"), two.clone())]);
    assert_eq!(registry.len(), 2);
    second.rename(key("l")).expect("no rejection");
    assert_eq!(registry.get(&key("k")).as_deref(), Some(&1));
    assert_eq!(registry.get(&key("l")).as_deref(), Some(&2));
    // Back again: the order is that of registration, not of renaming.
    first.rename(key("m")).expect("no rejection");
    second.rename(key("k")).expect("no rejection");
    first.rename(key("k")).expect("no rejection");
    assert_eq!(registry.get(&key("k")).as_deref(), Some(&2));
    drop(two);
    assert_eq!(registry.get(&key("k")).as_deref(), Some(&1));
}

#[test]
fn a_key_is_read_anew_each_time() {
    let registry: Registry<String, Named> = Registry::new(Duplicates::Reject);
    let value = Named::new("old");
    let place = registry.register_read(&value, Named::name).expect("free");
    assert!(registry.contains(&key("old")));
    value.rename("new");
    assert_eq!((registry.contains(&key("old")), registry.contains(&key("new"))), (false, true));
    assert_eq!((place.key(), keys(&registry)), (Some(key("new")), vec![key("new")]));
    // Taken, also by a key that is read.
    let other = Named::new("new");
    assert!(registry.register(&other, key("new")).is_err());
    assert!(registry.register_read(&other, Named::name).is_err());
    // Nobody can reject this: the later one is found.
    other.rename("newer");
    let _other = registry.register_read(&other, Named::name).expect("free");
    other.rename("new");
    assert!(Arc::ptr_eq(&registry.get(&key("new")).expect("two"), &other));
    assert_eq!(registry.entries().len(), 1);
    // To its own key, it may be renamed, though that is read.
    let third = Named::new("third");
    let reads = registry.register_read(&third, Named::name).expect("free");
    assert_eq!(reads.rename(key("new")), Err(Duplicate { key: key("new") }));
    assert_eq!(reads.rename(key("third")), Ok(()));
    drop(reads);
    // From here on the key is given.
    place.rename(key("given")).expect("free");
    value.rename("unseen");
    assert_eq!(keys(&registry), ["given", "new"]);
    drop((value, other));
    assert_eq!(place.key(), Some(key("given")));
    assert!(registry.is_empty());
}

#[test]
fn among_given_and_read_keys_the_later_registration_is_found() {
    let registry: Registry<String, Named> = Registry::new(Duplicates::Shadow);
    let values: Vec<_> = (0..4).map(|_| Named::new("k")).collect();
    let _places = [
        registry.register(&values[0], key("k")).expect("no rejection"),
        registry.register_read(&values[1], Named::name).expect("no rejection"),
        registry.register(&values[2], key("k")).expect("no rejection"),
        registry.register_read(&values[3], Named::name).expect("no rejection"),
    ];
    let mut values = values;
    while let Some(last) = values.last() {
        assert!(Arc::ptr_eq(&registry.get(&key("k")).expect("one"), last), "{}", values.len());
        assert!(Arc::ptr_eq(&registry.entries()[0].1, last));
        values.pop();
    }
    assert!(!registry.contains(&key("k")));
}

#[test]
fn the_default_key_is_the_type_and_a_running_number() {
    let registry: Registry<String, Named> = Registry::new(Duplicates::Reject);
    let values = [Named::new("a"), Named::new("b")];
    let places: Vec<_> =
        values.iter().map(|value| registry.register_default(value).expect("free")).collect();
    let name = std::any::type_name::<Named>();
    assert!(name.ends_with("::Named"));
    assert_eq!(places[0].key(), Some(format!("{name}-0")));
    assert_eq!(places[1].key(), Some(format!("{name}-1")));
    drop(places);
    // Numbers are not used twice.
    let place = registry.register_default(&values[0]).expect("free");
    assert_eq!(place.key(), Some(format!("{name}-2")));

    let typed: Registry<DefaultKey, u8> = Registry::new(Duplicates::Reject);
    let value = Arc::new(1);
    let place = typed.register_default(&value).expect("free");
    assert_eq!(place.key(), Some(DefaultKey { type_name: "u8", number: 0 }));
}

static SHAPES: Registry<String, dyn Debug + Send + Sync> = Registry::new(Duplicates::Shadow);
static CIRCLES: LazyLock<Registry<String, u32>> =
    LazyLock::new(|| Registry::new(Duplicates::Reject).under(&SHAPES, |circle| circle));

#[test]
fn parents_see_children_and_not_the_other_way_round() {
    let squares = Registry::<String, i64>::new(Duplicates::Reject).under(&SHAPES, |value| value);
    let (circle, square) = (Arc::new(1_u32), Arc::new(-4_i64));
    let round = CIRCLES.register(&circle, key("round")).expect("free");
    let edgy = squares.register(&square, key("edgy")).expect("free");
    let any: Arc<dyn Debug + Send + Sync> = Arc::new("any");
    let _any = SHAPES.register(&any, key("any")).expect("free");
    assert_eq!(keys(&SHAPES), ["any", "edgy", "round"]);
    assert_eq!((keys(&CIRCLES), keys(&squares)), (vec![key("round")], vec![key("edgy")]));
    // A new key is seen everywhere at once.
    edgy.rename(key("square")).expect("free");
    assert_eq!(keys(&SHAPES), ["any", "round", "square"]);
    assert_eq!(format!("{:?}", SHAPES.get(&key("square"))), "Some(-4)");
    drop(round);
    assert_eq!(keys(&SHAPES), ["any", "square"]);
    drop(square);
    assert_eq!(keys(&SHAPES), ["any"]);
}

#[test]
fn several_parents_see_a_value_once_each() {
    type Numbers = Registry<String, u32>;
    let root: Arc<Numbers> = Arc::new(Registry::new(Duplicates::Reject));
    let left = Arc::new(Numbers::new(Duplicates::Reject).under(root.clone(), |value| value));
    let right = Arc::new(Numbers::new(Duplicates::Reject).under(root.clone(), |value| value));
    let both = Numbers::new(Duplicates::Reject)
        .under(left.clone(), |value| value)
        .under(right.clone(), |value| value);
    let value = Arc::new(7);
    let place = both.register(&value, key("k")).expect("free");
    for registry in [&*root, &*left, &*right, &both] {
        assert_eq!((registry.len(), keys(registry)), (1, vec![key("k")]));
    }
    place.rename(key("l")).expect("free");
    for registry in [&*root, &*left, &*right, &both] {
        assert_eq!(keys(registry), ["l"]);
        assert_eq!(registry.get(&key("k")), None);
    }
    drop(place);
    for registry in [&*root, &*left, &*right, &both] {
        assert_eq!(registry.len(), 0);
        // Its `Debug` shows the keys that it still knows.
        assert!(format!("{registry:?}").ends_with("registered: [] }"), "{registry:?}");
    }
}

#[test]
fn what_one_parent_rejects_is_registered_and_renamed_nowhere() {
    type Numbers = Registry<String, u32>;
    let lenient: Arc<Numbers> = Arc::new(Registry::new(Duplicates::Shadow));
    let strict: Arc<Numbers> = Arc::new(Registry::new(Duplicates::Reject));
    let child = Numbers::new(Duplicates::Shadow)
        .under(lenient.clone(), |value| value)
        .under(strict.clone(), |value| value);
    let (one, two) = (Arc::new(1), Arc::new(2));
    let _taken = strict.register(&one, key("k")).expect("free");
    assert_eq!(child.register(&two, key("k")).err(), Some(Duplicate { key: key("k") }));
    assert_eq!((child.len(), lenient.len(), strict.len()), (0, 0, 1));
    let place = child.register(&two, key("l")).expect("free");
    assert_eq!(place.rename(key("k")), Err(Duplicate { key: key("k") }));
    assert_eq!((keys(&child), keys(&lenient)), (vec![key("l")], vec![key("l")]));
    assert_eq!(keys(&strict), ["k", "l"]);
    assert_eq!(strict.get(&key("k")).as_deref(), Some(&1));
}

/// A parent in which the key of one value can't be read any more: what is done
/// below it is undone while that panics.
#[test]
fn a_panic_in_a_registry_above_leaves_nothing_below() {
    type Names = Registry<String, Named>;
    let panics = Arc::new(AtomicBool::new(false));
    let strict: Arc<Names> = Arc::new(Registry::new(Duplicates::Reject));
    let lenient: Arc<Names> = Arc::new(Registry::new(Duplicates::Shadow));
    let middle = Arc::new(Names::new(Duplicates::Shadow).under(strict.clone(), |value| value));
    let child = Names::new(Duplicates::Shadow)
        .under(lenient.clone(), |value| value)
        .under(middle.clone(), |value| value);
    let odd = Named::new("odd");
    let seen = Arc::clone(&panics);
    let read = move |value: &Named| {
        assert!(!seen.load(SeqCst), "the key can't be read");
        value.name()
    };
    let _odd = strict.register_read(&odd, read).expect("free");
    let value = Named::new("value");
    let place = child.register(&value, key("old")).expect("free");

    panics.store(true, SeqCst);
    let other = Named::new("other");
    let register = AssertUnwindSafe(|| child.register(&other, key("new")).is_ok());
    assert!(catch_unwind(register).is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| place.rename(key("new")))).is_err());
    panics.store(false, SeqCst);
    for registry in [&*lenient, &*middle, &child] {
        assert_eq!((registry.len(), keys(registry)), (1, vec![key("old")]));
    }
    assert_eq!(keys(&strict), ["odd", "old"]);
    assert_eq!(place.key(), Some(key("old")));
    // And it goes on.
    assert_eq!(place.rename(key("new")), Ok(()));
    assert_eq!((keys(&child), keys(&strict)), (vec![key("new")], vec![key("new"), key("odd")]));
}

/// A value whose last reference goes while its key is read.
#[test]
fn one_that_dies_when_its_key_is_read_hides_nobody() {
    let registry: Registry<String, Named> = Registry::new(Duplicates::Shadow);
    let first = Named::new("k");
    let _first = registry.register_read(&first, Named::name).expect("no rejection");
    let last = Arc::new(Mutex::new(Some(Named::new("k"))));
    let theirs = Arc::clone(&last);
    let read = move |value: &Named| {
        theirs.lock().expect("no panic").take();
        value.name()
    };
    let second = last.lock().expect("no panic").clone().expect("it lives");
    let _second = registry.register_read(&second, read).expect("no rejection");
    *last.lock().expect("no panic") = Some(second);
    assert!(Arc::ptr_eq(&registry.get(&key("k")).expect("the first one"), &first));
    assert_eq!(registry.len(), 1);
}

/// A value that keeps its own place.
struct Selfish {
    name: &'static str,
    place: OnceLock<Registration<'static, String, Selfish>>,
}

static SELFISH: Registry<String, Selfish> = Registry::new(Duplicates::Shadow);

#[test]
fn a_value_may_keep_its_own_place() {
    let make = |name| {
        let value = Arc::new(Selfish { name, place: OnceLock::new() });
        let place = SELFISH.register_read(&value, |value| key(value.name)).expect("no rejection");
        assert!(value.place.set(place).is_ok());
        value
    };
    let values: Vec<_> = (0..40).map(|_| make("one")).collect();
    let last = SELFISH.get(&key("one")).expect("many");
    drop(values);
    assert_eq!(SELFISH.len(), 1);
    // The last reference is dropped by looking at it: its place goes too.
    drop(last);
    assert_eq!(SELFISH.len(), 0);
}

#[test]
fn the_dead_are_swept_out() {
    let registry: Registry<u32, u32> = Registry::new(Duplicates::Shadow);
    let kept = Arc::new(0);
    registry.register(&kept, 0).expect("no rejection").detach();
    for number in 1..10_000 {
        registry.register(&Arc::new(number), number).expect("no rejection").detach();
    }
    // Its `Debug` shows the keys of what it still knows.
    assert!(format!("{registry:?}").len() < 400, "{registry:?}");
    assert_eq!(registry.entries(), [(0, kept)]);
}

#[test]
fn of_threads_that_want_one_key_exactly_one_gets_it() {
    static KEYS: Registry<u32, u32> = Registry::new(Duplicates::Reject);
    let start = Barrier::new(4);
    let winners = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for number in 0..4 {
            let (start, winners) = (&start, &winners);
            scope.spawn(move || {
                for round in 0..200 {
                    let value = Arc::new(number);
                    start.wait();
                    let place = KEYS.register(&value, round);
                    start.wait();
                    if place.is_ok() {
                        winners.lock().expect("no panic").push(round);
                    }
                }
            });
        }
    });
    let winners = winners.into_inner().expect("no panic");
    assert_eq!(winners.len(), 200);
    assert_eq!(winners.iter().collect::<HashSet<_>>().len(), 200);
}
