//! Operations of many parties on a real lock and on a naive model.
//!
//! `cargo +nightly fuzz run engine` runs it from the folder of the crate. A
//! failure prints the history, as `cargo +nightly fuzz fmt engine FILE` does.

#![no_main]

use arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use portunus::spin::Spinning;
use portunus::sync::Threads;

#[path = "../../tests/model/mod.rs"]
mod model;

use model::{History, MOST_PARTIES, Op, plays};

/// Longer histories reach nothing that shorter ones do not.
const MOST_OPS: usize = 512;

/// Which lock, and what happens to it.
#[derive(Debug)]
struct Input {
    rules: u8,
    threads: bool,
    history: History,
}

impl<'a> Arbitrary<'a> for Input {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let rules = u.arbitrary()?;
        let threads = u.arbitrary()?;
        let parties = u.int_in_range(1..=MOST_PARTIES)?;
        let mut ops = Vec::new();
        while !u.is_empty() && ops.len() < MOST_OPS {
            ops.push(Op::decode(u.arbitrary()?, u.arbitrary()?, u.arbitrary()?));
        }
        Ok(Self { rules, threads, history: History { parties, ops } })
    }
}

fuzz_target!(|input: Input| {
    let plays = if input.threads { plays::<Threads>() } else { plays::<Spinning>() };
    let (name, play) = plays[usize::from(input.rules) % plays.len()];
    if let Err(what) = play(&input.history) {
        panic!("the lock with the rules `{name}` is not what its model is: {what}");
    }
});
