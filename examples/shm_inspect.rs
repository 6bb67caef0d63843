//! Shows the segments of this machine: who is attached, who holds what and for
//! whom others wait; takes back what the dead hold; removes a name.
//!
//! ```text
//! cargo run --features shm --example shm_inspect                    lists all
//! cargo run --features shm --example shm_inspect -- show NAME
//! cargo run --features shm --example shm_inspect -- recover NAME
//! cargo run --features shm --example shm_inspect -- unlink NAME
//! ```

#![allow(clippy::std_instead_of_core)]

#[cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
mod linux {
    use std::error::Error;

    use portunus::shm::{Inspection, Name, Options, Segment};

    /// A peer that others may write to breaks nothing here.
    fn options() -> Options {
        Options::new().trust_others(true)
    }

    fn list() {
        println!("{:<50} {:>10} {:>9} {:>6} {:>7}", "name", "age", "processes", "locks", "claims");
        for name in Inspection::names() {
            match Inspection::open(&name, &options()) {
                Ok(seen) => {
                    let peers = seen.peers();
                    // Without this one.
                    let alive = peers.iter().filter(|peer| peer.is_alive() && !peer.is_this());
                    println!(
                        "{:<50} {:>9.0?} {:>9} {:>6} {:>7}",
                        name.as_str(),
                        seen.age(),
                        alive.count(),
                        seen.locks(),
                        seen.claims().len()
                    );
                }
                Err(error) => println!("{:<50} {error}", name.as_str()),
            }
        }
    }

    fn show(name: &Name) -> Result<(), portunus::shm::Error> {
        let seen = Inspection::open(name, &options())?;
        let (processes, records) = seen.room();
        println!(
            "{name}: {:.0?} old, room for {processes} processes, {records} records",
            seen.age()
        );
        for peer in seen.peers() {
            let state = match (peer.is_this(), peer.is_alive()) {
                (true, _) => "this one",
                (false, true) => "alive",
                (false, false) => "dead",
            };
            println!("  process {:>8}  {state}", peer.pid());
        }
        let claims = seen.claims();
        for (lock, deaths) in seen.deaths().into_iter().enumerate() {
            let unmended =
                if deaths == 0 { "" } else { ", an owner died in the middle of a change" };
            println!("  lock {lock}{unmended}");
            for claim in claims.iter().filter(|claim| claim.lock() == lock) {
                let (mode, weight, pid) = (claim.mode(), claim.weight(), claim.pid());
                let dead = if claim.is_alive() { "" } else { " (dead)" };
                let does = if claim.is_waiting() { "waits" } else { "holds" };
                let time = claim.waits().or(claim.holds());
                let time = time.map_or(String::new(), |time| format!(", {time:.1?}"));
                println!("    {does}  mode {mode} × {weight}  process {pid}{dead}{time}");
            }
        }
        Ok(())
    }

    pub(super) fn main() -> Result<(), Box<dyn Error>> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match *words {
            [] => list(),
            ["show", name] => show(&Name::new(name)?)?,
            ["recover", name] => {
                let done = Inspection::open(&Name::new(name)?, &options())?.recover();
                println!("{} holds and places in line of the dead were taken back", done.dead());
                if done.is_pending() {
                    println!("a process stands still in the middle of an operation: try again");
                }
            }
            ["unlink", name] => Segment::unlink(&Name::new(name)?)?,
            _ => return Err("usage: shm_inspect [show NAME | recover NAME | unlink NAME]".into()),
        }
        Ok(())
    }
}

#[cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    linux::main()
}

#[cfg(not(all(feature = "shm", target_os = "linux", target_has_atomic = "64")))]
fn main() {
    eprintln!("build it for Linux, with the feature `shm`");
}
