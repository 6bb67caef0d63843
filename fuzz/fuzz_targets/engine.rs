//! Operations of many parties on a real lock and on a naive model: with rules
//! that are always the same, and with rules that are drawn together with the
//! history.
//!
//! `cargo +nightly fuzz run engine` runs it from the folder of the crate. A
//! failure prints the rules and the history, as `cargo +nightly fuzz fmt engine
//! FILE` does.
//!
//! # What it finds
//!
//! That the drawn rules find what the others can't was seen with a fault put into
//! `Geometry::judge`: of rules with three modes, the first mode did not see the
//! second, one entry off the diagonal of the matrix. Those that are always the
//! same have no bound there. With the fault, this target ended with a drawn rule
//! in seconds; drawing none, it ran for its minute and noticed nothing.

#![no_main]

use arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use portunus::Backend;
use portunus::spin::Spinning;
use portunus::sync::Threads;

#[path = "../../tests/model/mod.rs"]
mod model;

use model::drawn::{self, Drawn};
use model::{ANY, History, Law, MOST_PARTIES, Op, Reached, plays, run_with};

/// Longer histories reach nothing that shorter ones do not.
const MOST_OPS: usize = 512;

/// Plays a history with a rule whose predicate was drawn.
type DrawnPlay = fn(Law, &History) -> core::result::Result<Reached, String>;

/// Each shape that drawn rules have: its name, how many modes there are, and
/// how it is played.
fn shapes<B: Backend>() -> [(&'static str, usize, DrawnPlay); 6] {
    fn shape<R: Drawn, B: Backend>(name: &'static str) -> (&'static str, usize, DrawnPlay) {
        (name, R::MODES, |law, history| run_with::<R, B>(R::of(law), history))
    }
    [
        shape::<drawn::Pair, B>("pair"),
        shape::<drawn::Ranks, B>("ranks"),
        shape::<drawn::Trio, B>("trio"),
        shape::<drawn::Apart, B>("apart"),
        shape::<drawn::Still, B>("still"),
        shape::<drawn::Quartet, B>("quartet"),
    ]
}

/// A predicate over so many modes: beside which of them how many, mostly few.
fn law(u: &mut Unstructured<'_>, modes: usize) -> Result<Law> {
    let mut rows = vec![vec![ANY; modes]; modes];
    for place in rows.iter_mut().flatten() {
        let most = u.int_in_range(0..=5_usize)?;
        *place = if most > 3 { ANY } else { most };
    }
    let total = u.int_in_range(0..=15_usize)?;
    let rows: Vec<_> = rows.iter().map(Vec::as_slice).collect();
    Ok(Law::new(&rows, if total > 7 { ANY } else { total }))
}

/// The rules of a lock.
#[derive(Debug)]
enum Chosen {
    /// One of those that are always the same, by its number.
    Fixed(usize),
    /// One of a shape, by its number, with this predicate.
    Drawn(usize, Law),
}

/// Which lock, and what happens to it.
#[derive(Debug)]
struct Input {
    rules: Chosen,
    threads: bool,
    history: History,
}

impl<'a> Arbitrary<'a> for Input {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let (fixed, shapes) = (plays::<Spinning>().len(), shapes::<Spinning>());
        let chosen = u.choose_index(fixed + shapes.len())?;
        let rules = match chosen.checked_sub(fixed) {
            None => Chosen::Fixed(chosen),
            Some(shape) => Chosen::Drawn(shape, law(u, shapes[shape].1)?),
        };
        let threads = u.arbitrary()?;
        let parties = u.int_in_range(1..=MOST_PARTIES)?;
        let mut ops = Vec::new();
        while !u.is_empty() && ops.len() < MOST_OPS {
            ops.push(Op::decode(u.arbitrary()?, u.arbitrary()?, u.arbitrary()?));
        }
        Ok(Self { rules, threads, history: History { parties, ops } })
    }
}

/// Plays it on one backend; the name of the rules, and where it differs from
/// the model.
fn play<B: Backend>(input: &Input) -> (&'static str, core::result::Result<Reached, String>) {
    match input.rules {
        Chosen::Fixed(number) => {
            let (name, play) = plays::<B>()[number];
            (name, play(&input.history))
        }
        Chosen::Drawn(shape, law) => {
            let (name, _, play) = shapes::<B>()[shape];
            (name, play(law, &input.history))
        }
    }
}

fuzz_target!(|input: Input| {
    let (name, played) =
        if input.threads { play::<Threads>(&input) } else { play::<Spinning>(&input) };
    if let Err(what) = played {
        panic!("the lock with the rules `{name}` is not what its model is: {what}");
    }
});
