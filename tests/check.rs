//! The checker of rules: that it finds nothing in the ready-made ones, each kind
//! of mistake in a rule that has it, and in random rules what a naive search
//! finds.

#![cfg(all(feature = "std", feature = "async"))]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

use std::cell::Cell;
use std::collections::{BTreeSet, HashSet};

use portunus::rules::{
    Access, BoundedReaders, Check, Exclusive, Finding, Granularity, Groups, Intention, Permit,
    ReadWrite, Report, Semaphore, Shared, SharedMode, Sole, check,
};
use portunus::{Fair, Held, Mode, PerMode, ReadPreferring, Rules, UNLIMITED, WritePreferring};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

portunus::modes! { enum Abc { A, B, C } }
use Abc::{A, B, C};

// === The ready-made rules ===

/// Checks a rule, and which of its modes are exclusive.
fn sound<R: Rules>(rules: &R, exclusive: &[R::Mode]) {
    check(rules).unwrap();
    Check::of(rules).up_to(5).run().unwrap();
    let said: Vec<_> = (0..R::Mode::COUNT).filter(|&index| R::EXCLUSIVE.get(index)).collect();
    let meant: Vec<_> = exclusive.iter().map(|mode| mode.index()).collect();
    assert_eq!(said, meant);
    // What is exclusive is exactly what is never beside another, and admits
    // nobody beside it.
    for &mode in R::Mode::ALL {
        let alone = R::Mode::ALL.iter().all(|&other| {
            let (inside, entering) = (Held::new().with(mode, 1), Held::new().with(other, 1));
            let limit = R::LIMITS.get(mode.index());
            let same = mode.index() == other.index();
            !(rules.admits(other, &inside) && !(same && limit == 1))
                && !(rules.admits(mode, &entering) && !(same && limit == 1))
        });
        assert_eq!(alone, said.contains(&mode.index()), "{mode:?}");
    }
}

#[test]
fn the_markers_of_the_ready_made_rules_are_proved() {
    sound(&Exclusive, &[Sole::Exclusive]);
    sound(&ReadWrite, &[Access::Write]);
    sound(&Shared::<Fair>::new(), &[SharedMode::Write]);
    sound(&Shared::<ReadPreferring>::new(), &[SharedMode::Write]);
    sound(&Shared::<WritePreferring>::new(), &[SharedMode::Write]);
    sound(&Intention, &[Granularity::Exclusive]);
    sound(&BoundedReaders::<2>, &[Access::Write]);
    sound(&BoundedReaders::<5>, &[Access::Write]);
    sound(&Groups::<Abc>::new(), &[]);
    sound(&Semaphore::new(2), &[]);
    sound(&Semaphore::new(5), &[]);
}

/// Of one reader, a reader is alone too, and nobody says so: that is no mistake.
#[test]
fn a_rule_may_say_less_than_is_so() {
    check(&BoundedReaders::<1>).unwrap();
    check(&Semaphore::new(1)).unwrap();
}

// === Each mistake ===

macro_rules! rule {
    ($name:ident { $($item:item)* } $admits:expr) => {
        struct $name;
        impl Rules for $name {
            type Mode = Abc;
            $($item)*
            fn admits(&self, mode: Abc, held: &Held<Abc>) -> bool {
                let admits: fn(Abc, &Held<Abc>) -> bool = $admits;
                admits(mode, held)
            }
        }
    };
}

fn findings<R: Rules>(rules: &R) -> Vec<Finding<R::Mode>> {
    check(rules).map_or_else(|report| report.findings().to_vec(), |()| Vec::new())
}

#[test]
fn a_false_marker_is_found_with_the_counts() {
    rule! { Careless {
        const EXCLUSIVE: PerMode<bool> = PerMode::all(false).with(C.index(), true);
    } |mode, held| match mode {
        A => held[C] == 0,
        // Forgets C.
        B => held[B] == 0,
        // Only from two on.
        C => held[A] != 2 && held[B] == 0 && held[C] == 0,
    } }
    let found = findings(&Careless);
    let false_markers: Vec<_> =
        found.iter().filter(|f| matches!(f, Finding::NotExclusive { .. })).copied().collect();
    assert_eq!(
        false_markers,
        [
            Finding::NotExclusive { exclusive: C, entering: B, held: Held::new().with(C, 1) },
            Finding::NotExclusive { exclusive: C, entering: C, held: Held::new().with(A, 1) },
        ],
    );
}

#[test]
fn a_marker_that_only_a_crowd_disproves_is_found() {
    rule! { Crowded {
        const EXCLUSIVE: PerMode<bool> = PerMode::all(false).with(C.index(), true);
    } |mode, held| match mode {
        A | B => held[C] == 0,
        C => held.is_empty() || (held[A] == 2 && held[B] == 3 && held[C] == 0),
    } }
    let found = findings(&Crowded);
    let crowd = Held::new().with(A, 2).with(B, 3);
    assert!(
        found.contains(&Finding::NotExclusive { exclusive: C, entering: C, held: crowd }),
        "{found:?}",
    );
    // It is not looked for so far out.
    assert!(Check::of(&Crowded).up_to(2).run().is_ok());
}

#[test]
fn self_defeating_modes_are_found() {
    rule! { Defeated {
        const LIMITS: PerMode<usize> = PerMode::all(UNLIMITED).with(B.index(), 0);
    } |mode, _| mode != C }
    assert_eq!(
        findings(&Defeated),
        [Finding::SelfDefeating { mode: B }, Finding::SelfDefeating { mode: C }],
    );
    assert_eq!(findings(&Semaphore::new(0)), [Finding::SelfDefeating { mode: Permit::Permit }]);
    assert!(!findings(&BoundedReaders::<0>).is_empty());
}

#[test]
fn asymmetric_pairs_are_found() {
    rule! { OneWay {} |mode, held| match mode {
        A => held[B] == 0,
        B | C => true,
    } }
    let report = check(&OneWay).unwrap_err();
    assert_eq!(report.findings(), [Finding::Asymmetric { entering: B, beside: A }]);
    report.without(|finding| matches!(finding, Finding::Asymmetric { .. })).unwrap();
}

#[test]
fn rules_that_are_not_monotone_are_found() {
    rule! { Waiting {} |mode, held| mode != B || held.is_empty() || held[A] != 1 }
    let found = findings(&Waiting);
    assert_eq!(
        found,
        [
            Finding::Asymmetric { entering: A, beside: B },
            Finding::NotMonotone {
                mode: B,
                admitted: Held::new().with(A, 2),
                refused: Held::new().with(A, 1),
            },
        ],
    );
}

#[test]
fn rules_that_change_their_mind_are_found() {
    struct Moody(Cell<usize>);
    impl Rules for Moody {
        type Mode = Abc;
        fn admits(&self, mode: Abc, held: &Held<Abc>) -> bool {
            if mode == B && held[B] == 1 {
                self.0.set(self.0.get() + 1);
                return self.0.get() > 20;
            }
            true
        }
    }
    let found = findings(&Moody(Cell::new(0)));
    assert!(
        found.iter().any(|f| matches!(f, Finding::Impure { mode: B, held } if held[B] == 1)),
        "{found:?}",
    );
}

#[test]
fn limits_that_are_never_reached_are_found() {
    rule! { Narrow {
        const LIMITS: PerMode<usize> =
            PerMode::all(UNLIMITED).with(A.index(), 3).with(B.index(), 2).with(C.index(), 9);
    } |mode, held| mode == B || held[mode] == 0 }
    assert_eq!(
        findings(&Narrow),
        // That of C is too far away.
        [Finding::LimitNeverReached { mode: A, limit: 3, most: 1 }],
    );
    let further = Check::of(&Narrow).up_to(9).run().unwrap_err();
    assert_eq!(further.findings().len(), 2);
}

#[test]
fn modes_in_the_wrong_place_are_found() {
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Swapped(usize);
    impl Mode for Swapped {
        const ALL: &'static [Self] = &[Self(1), Self(0)];
        fn index(self) -> usize {
            self.0
        }
    }
    struct Any;
    impl Rules for Any {
        type Mode = Swapped;
        fn admits(&self, _: Swapped, _: &Held<Swapped>) -> bool {
            true
        }
    }
    assert_eq!(
        findings(&Any),
        [
            Finding::Misplaced { mode: Swapped(1), place: 0 },
            Finding::Misplaced { mode: Swapped(0), place: 1 },
        ],
    );
}

/// Who says that only presence matters, and counts, is found out.
#[test]
fn counting_by_presence_is_found() {
    rule! { Presence { const BY_PRESENCE: bool = true; } |_, held| held[B] == 0 && held[C] == 0 }
    let counting = |found: &Finding<Abc>| matches!(found, Finding::Counting { .. });
    assert!(!findings(&Presence).iter().any(counting));
    rule! { Counts { const BY_PRESENCE: bool = true; } |mode, held| mode != A || held[B] < 2 }
    let found = findings(&Counts);
    let (held, fewer) = (Held::new().with(B, 2), Held::new().with(B, 1));
    assert!(found.contains(&Finding::Counting { mode: A, held, fewer }), "{found:?}");
}

/// A heavy request is asked about as its last unit, and may so get where no
/// sequence of light ones does.
#[test]
fn heavy_requests_are_looked_at() {
    struct Heavy;
    impl Rules for Heavy {
        type Mode = Abc;
        const WEIGHTED: bool = true;
        const EXCLUSIVE: PerMode<bool> = PerMode::all(false).with(C.index(), true);
        fn admits(&self, mode: Abc, held: &Held<Abc>) -> bool {
            match mode {
                // Three at once, or one.
                A => held[A] != 1,
                B => false,
                // Only beside three.
                C => held.is_empty() || held[A] == 3,
            }
        }
    }
    let beside = Held::new().with(A, 3);
    let expected = Finding::NotExclusive { exclusive: C, entering: C, held: beside };
    assert!(findings(&Heavy).contains(&expected));
}

/// The report says what is wrong, also when it is unwrapped.
#[test]
fn a_report_can_be_read() {
    rule! { Wrong {
        const EXCLUSIVE: PerMode<bool> = PerMode::all(false).with(C.index(), true);
    } |mode, held| mode != A && held[B] == 0 }
    let report: Report<Abc> = check(&Wrong).unwrap_err();
    let text = report.to_string();
    assert_eq!(text, format!("{report:?}"));
    for line in [
        "not even an empty lock admits A: a request waits for ever",
        "C is said to be exclusive, but the rule admits B beside {A: 0, B: 0, C: 1}",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert_eq!(text.lines().count(), report.findings().len() + 1, "{text}");
}

/// With 16 modes there is still an end to it.
#[test]
fn many_modes_are_checked() {
    portunus::modes! {
        enum Many { M0, M1, M2, M3, M4, M5, M6, M7, M8, M9, M10, M11, M12, M13, M14, M15 }
    }
    struct All;
    impl Rules for All {
        type Mode = Many;
        const LIMITS: PerMode<usize> = PerMode::all(15);
        const EXCLUSIVE: PerMode<bool> = PerMode::all(false).with(3, true);
        fn admits(&self, mode: Many, held: &Held<Many>) -> bool {
            // A crowd of all others.
            let crowd = held.iter().all(|(other, count)| other == Many::M3 || count == 1);
            mode != Many::M3 || held.is_empty() || crowd
        }
    }
    let found = findings(&All);
    assert!(
        found.iter().any(|f| matches!(
            f,
            Finding::NotExclusive { exclusive: Many::M3, entering: Many::M3, held } if held[Many::M0] == 1
        )),
        "{found:?}",
    );
}

#[test]
#[should_panic(expected = "2^24")]
fn more_than_can_be_asked_is_refused() {
    let _ = Check::of(&Groups::<Abc>::new()).up_to(255).run().is_ok();
    let _ = Check::of(&Groups::<Abc>::new()).up_to(256).run();
}

// === Random rules ===

/// How many holders of each mode: counts are below this.
const BASE: usize = 3;
type Counts = [usize; 3];

/// A rule as a table: a bit for each mode and combination of counts.
#[derive(Clone, Copy)]
struct Table<const EXCLUSIVE: u8, const LIMITED: bool>(u128);

fn cell(mode: usize, counts: Counts) -> usize {
    mode + 3 * (counts[0] + BASE * (counts[1] + BASE * counts[2]))
}

impl<const EXCLUSIVE: u8, const LIMITED: bool> Rules for Table<EXCLUSIVE, LIMITED> {
    type Mode = Abc;
    const LIMITS: PerMode<usize> = if LIMITED {
        PerMode::all(UNLIMITED).with(0, 1).with(1, 2)
    } else {
        PerMode::all(UNLIMITED)
    };
    const EXCLUSIVE: PerMode<bool> = PerMode::all(false)
        .with(0, EXCLUSIVE & 1 != 0)
        .with(1, EXCLUSIVE & 2 != 0)
        .with(2, EXCLUSIVE & 4 != 0);

    fn admits(&self, mode: Abc, held: &Held<Abc>) -> bool {
        self.0 >> cell(mode.index(), [held[A], held[B], held[C]]) & 1 != 0
    }
}

/// A finding without its counts.
type Key = (&'static str, usize, usize);

fn key(finding: &Finding<Abc>) -> Key {
    match *finding {
        Finding::SelfDefeating { mode } => ("defeated", mode.index(), 0),
        Finding::NotExclusive { exclusive, entering, .. } => {
            ("marker", exclusive.index(), entering.index())
        }
        Finding::Asymmetric { entering, beside } => ("pair", entering.index(), beside.index()),
        Finding::NotMonotone { mode, .. } => ("monotone", mode.index(), 0),
        Finding::LimitNeverReached { mode, most, .. } => ("limit", mode.index(), most),
        ref other => panic!("a table is not {other:?}"),
    }
}

/// Everything that can be found, by trying everything: who is inside is a list
/// of parties, of whom any may leave.
fn search<const E: u8, const L: bool>(rule: &Table<E, L>) -> BTreeSet<Key> {
    let says = |mode: usize, counts: Counts| {
        rule.admits(
            Abc::ALL[mode],
            &Held::new().with(A, counts[0]).with(B, counts[1]).with(C, counts[2]),
        )
    };
    let limits: Counts = if L { [1, 2, usize::MAX] } else { [usize::MAX; 3] };
    let enters = |mode: usize, counts: Counts| says(mode, counts) && counts[mode] < limits[mode];
    let mut seen = HashSet::new();
    let mut open = vec![[0; 3]];
    while let Some(counts) = open.pop() {
        if !seen.insert(counts) {
            continue;
        }
        for mode in 0..3 {
            let mut next = counts;
            if counts[mode] > 0 {
                next[mode] -= 1;
                open.push(next);
                next[mode] += 1;
            }
            if enters(mode, counts) && counts[mode] + 1 < BASE {
                next[mode] += 1;
                open.push(next);
            }
        }
    }
    let one = |mode: usize| {
        let mut counts = [0; 3];
        counts[mode] = 1;
        counts
    };
    let mut found = BTreeSet::new();
    for mode in 0..3 {
        if !enters(mode, [0; 3]) {
            found.insert(("defeated", mode, 0));
        }
        let most = seen.iter().map(|counts| counts[mode]).max().unwrap_or(0);
        if 0 < most && most < limits[mode] && limits[mode] < BASE {
            found.insert(("limit", mode, most));
        }
        for other in 0..3 {
            let possible = enters(mode, [0; 3]) && enters(other, [0; 3]) && mode != other;
            if possible && enters(mode, one(other)) && !enters(other, one(mode)) {
                found.insert(("pair", mode, other));
            }
        }
        for &counts in &seen {
            for other in 0..3 {
                let mut fewer = counts;
                if counts[other] > 0 {
                    fewer[other] -= 1;
                    if says(mode, counts) && !says(mode, fewer) {
                        found.insert(("monotone", mode, 0));
                    }
                }
                // `mode` enters: is anybody disturbed who has to be alone?
                if enters(mode, counts) && E >> other & 1 != 0 {
                    let inside: usize = counts.iter().sum();
                    if counts[other] > 0 || (mode == other && inside > 0) {
                        found.insert(("marker", other, mode));
                    }
                }
            }
        }
    }
    found
}

/// The checker's findings are those of the search, and their counts show it.
fn compare<const E: u8, const L: bool>(rule: &Table<E, L>) -> Result<usize, TestCaseError> {
    let found = match Check::of(rule).up_to(BASE - 1).run() {
        Ok(()) => Vec::new(),
        Err(report) => report.findings().to_vec(),
    };
    let keys: Vec<_> = found.iter().map(key).collect();
    let set: BTreeSet<_> = keys.iter().copied().collect();
    prop_assert_eq!(keys.len(), set.len(), "one is there twice: {:?}", &found);
    prop_assert_eq!(&set, &search(rule));
    for finding in &found {
        match finding {
            Finding::NotExclusive { entering, held, exclusive } => {
                prop_assert!(rule.admits(*entering, held), "{}", finding);
                prop_assert!(held[*exclusive] > 0 || (entering == exclusive && !held.is_empty()));
            }
            Finding::NotMonotone { mode, admitted, refused } => {
                prop_assert!(rule.admits(*mode, admitted) && !rule.admits(*mode, refused));
                let sum = |held: &Held<Abc>| held.iter().map(|(_, count)| count).sum::<usize>();
                prop_assert_eq!(sum(admitted), sum(refused) + 1);
            }
            _ => {}
        }
    }
    Ok(set.len())
}

/// Random rules: a table without sense; one that says yes below thresholds; and
/// such a one with a few mistakes.
fn tables() -> impl Strategy<Value = u128> {
    let mask = (1_u128 << (3 * BASE * BASE * BASE)) - 1;
    let thresholds = prop::array::uniform9(0..=BASE).prop_map(|most| {
        let mut table = 0;
        for mode in 0..3 {
            for number in 0..BASE * BASE * BASE {
                let counts = [number % BASE, number / BASE % BASE, number / BASE / BASE];
                let fits = counts.iter().zip(&most[3 * mode..]).all(|(count, most)| count <= most);
                table |= u128::from(fits) << cell(mode, counts);
            }
        }
        table
    });
    let slips = prop::collection::vec(0..3 * BASE * BASE * BASE, 0..4);
    prop_oneof![
        1 => any::<u128>().prop_map(move |table| table & mask),
        3 => (thresholds, slips)
            .prop_map(|(table, slips)| slips.iter().fold(table, |table, slip| table ^ 1 << slip)),
    ]
}

#[test]
fn random_rules_are_searched_in_full() {
    let config = Config { cases: 3000, failure_persistence: None, ..Config::default() };
    let seed = [7; 32];
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let (clean, faulty) = (Cell::new(0), Cell::new(0));
    let ran = TestRunner::new_with_rng(config, rng).run(&tables(), |table| {
        let counts = [
            compare(&Table::<0, false>(table))?,
            compare(&Table::<0b100, false>(table))?,
            compare(&Table::<0b100, true>(table))?,
            compare(&Table::<0b011, true>(table))?,
            compare(&Table::<0b111, false>(table))?,
        ];
        for count in counts {
            let cell = if count == 0 { &clean } else { &faulty };
            cell.set(cell.get() + 1);
        }
        Ok(())
    });
    if let Err(error) = ran {
        panic!("{error}");
    }
    assert!(clean.get() > 50 && faulty.get() > 1000, "{} {}", clean.get(), faulty.get());
}
