//! The other program of `tests/shm_programs.rs`, built apart from it.
//!
//! `COMMAND NAME`: what it is to do with the segment of this name. It ends when
//! its input does.

use std::io::{Read, stdin};

use portunus::shm::{Error, Mutex, Name, Options, Segment};

#[cfg(not(feature = "another"))]
portunus::shm_type! {
    /// What both programs count.
    #[derive(Debug)]
    pub struct Tally {
        pub left: u64,
        pub by: [u32; 2],
        pub right: u64,
    }
}

#[cfg(feature = "another")]
portunus::shm_type! {
    /// As long, and something else.
    #[derive(Debug)]
    pub struct Tally {
        pub left: u64,
        pub by: [u32; 2],
        pub right: i64,
    }
}

fn until_the_end() {
    let _ = stdin().read(&mut [0]);
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().expect("a command");
    let name = Name::new(arguments.next().expect("a name")).expect("a name");
    if command == "create" {
        let tally = Tally { left: 0, by: [0; 2], right: 0 };
        let _ours = Segment::<Mutex<Tally>>::create(&name, &Options::new(), tally).expect("new");
        println!("created");
        return until_the_end();
    }
    let segment = match Segment::<Mutex<Tally>>::open(&name) {
        Ok(segment) => segment,
        Err(Error::Layout { found, wanted }) => return println!("layout {found} {wanted}"),
        Err(error) => return println!("error {error}"),
    };
    match command.as_str() {
        "count" => {
            println!("open");
            for _ in 0..10_000 {
                let mut tally = segment.lock().expect("nobody dies");
                tally.left += 1;
                tally.by[1] += 1;
                tally.right += 1;
            }
            println!("done");
        }
        "hold" => {
            let mut tally = segment.lock().expect("nobody has died");
            tally.left += 1;
            println!("holds");
            until_the_end();
            tally.right += 1;
        }
        other => panic!("no such command: {other}"),
    }
}
