//! The scenarios, in the order of their tables.

mod arena;
mod conditions;
mod doors;
mod executor;
mod fairness;
mod harness;
mod instructions;
mod kinds;
mod machine;
mod ours;
mod peers;
#[cfg(target_os = "linux")]
mod pthread;
mod random;
mod reference;
mod sizes;
mod targets;
mod tasks;
mod threads;
mod uncontended;
mod waiting;

use std::process::ExitCode;

use harness::{Bench, Effort, Options, Part};

pub(crate) fn run() -> ExitCode {
    let Some(options) = Options::parse(std::env::args().skip(1)) else {
        return ExitCode::SUCCESS;
    };
    let (effort, part) = (options.effort, options.part);
    let mut bench = Bench::new(options);
    match part {
        Part::Instructions => return instructions::run(&bench),
        Part::Counted => instructions::count(&bench),
        Part::Times | Part::Fairness => {
            machine::settle();
            if effort != Effort::Smoke {
                println!("{}", machine::describe());
            }
            if part == Part::Times {
                times(&mut bench);
            }
            if part == Part::Fairness || effort == Effort::Smoke {
                fairness::run(&bench);
            }
        }
    }
    ExitCode::SUCCESS
}

fn times(bench: &mut Bench) {
    uncontended::run(bench);
    threads::run(bench);
    tasks::run(bench);
    waiting::run(bench);
    conditions::run(bench);
    doors::run(bench);
    sizes::run(bench);
    targets::judge(bench);
}
