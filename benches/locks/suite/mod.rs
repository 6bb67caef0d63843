//! The scenarios, in the order of their tables.

mod arena;
mod executor;
mod harness;
mod kinds;
mod machine;
mod ours;
mod peers;
mod random;
mod reference;
mod sizes;
mod targets;
mod tasks;
mod threads;
mod uncontended;
mod waiting;

use harness::{Bench, Effort, Options};

pub(crate) fn run() {
    let Some(options) = Options::parse(std::env::args().skip(1)) else { return };
    machine::settle();
    if options.effort != Effort::Smoke {
        println!("{}", machine::describe());
    }
    let mut bench = Bench::new(options);
    uncontended::run(&mut bench);
    threads::run(&mut bench);
    tasks::run(&mut bench);
    waiting::run(&mut bench);
    sizes::run(&mut bench);
    targets::judge(&bench);
}
