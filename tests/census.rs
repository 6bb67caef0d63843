//! The example `census`: its parts, and the whole as a program.
//!
//! `cargo test` builds the program beside this test; so does
//! `cargo build --example census --all-features`.

#![cfg(all(feature = "std", feature = "async"))]
#![allow(missing_docs)]
#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

#[allow(dead_code)]
#[path = "../examples/census/args.rs"]
mod args;
#[cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
#[allow(dead_code)]
#[path = "../examples/census/board.rs"]
mod board;
#[allow(dead_code)]
#[path = "../examples/census/guarded.rs"]
mod guarded;
#[allow(dead_code)]
#[path = "../examples/census/log.rs"]
mod log;
#[allow(dead_code)]
#[path = "../examples/census/modes.rs"]
mod modes;
#[allow(dead_code)]
#[path = "../examples/census/order.rs"]
mod order;
#[cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
#[allow(dead_code)]
#[path = "../examples/census/processes.rs"]
mod processes;
mod support;
#[allow(dead_code)]
#[path = "../examples/census/table.rs"]
mod table;
#[allow(dead_code)]
#[path = "../examples/census/text.rs"]
mod text;
#[allow(dead_code)]
#[path = "../examples/census/waits.rs"]
mod waits;
#[allow(dead_code)]
#[path = "../examples/census/work.rs"]
mod work;

use support::watched;

/// Numbers without a pattern, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % limit
    }
}

/// A text of many words, of which some are frequent and most are rare.
fn long_text(words: usize) -> String {
    let mut numbers = Numbers(7);
    let mut text = String::new();
    for place in 0..words {
        let range = [10, 1000, 100_000][numbers.below(3)];
        let between = if place % 12 == 11 { ".\n" } else { " " };
        text.push_str(&format!("Word{}{between}", numbers.below(range)));
    }
    text
}

mod parts {
    use std::ffi::OsString;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::path::PathBuf;
    use std::time::Duration;

    use portunus::Mode;

    use crate::args::{Command, Options, parse};
    use crate::guarded::Guarded;
    use crate::log::{Face, Request};
    use crate::modes::{TableMode, conflict};
    use crate::table::{Cut, Table};
    use crate::text::{Counts, count, difference, pieces, top, words};
    use crate::work::{Step, run};
    use crate::{Numbers, long_text, order, waits, watched};

    fn parsed(args: &[&str]) -> Result<Command, String> {
        parse(args.iter().map(OsString::from))
    }

    #[test]
    fn arguments_in_any_order() {
        let expected = Options {
            threads: 3,
            tasks: 0,
            processes: 2,
            kill: true,
            top: 7,
            lossy: true,
            paths: ["a", "-", "--lossy"].map(PathBuf::from).into(),
        };
        let line = "--threads 3 a --tasks=0 --kill --lossy --processes 2 --top=7 - -- --lossy";
        let line: Vec<&str> = line.split(' ').collect();
        assert_eq!(parsed(&line), Ok(Command::Count(expected)));
        assert_eq!(parsed(&[]), Ok(Command::Count(Options::default())));
        assert_eq!(parsed(&["a", "--help", "--nonsense"]), Ok(Command::Help));
    }

    #[test]
    fn wrong_arguments_are_named() {
        let cases: [(&[&str], &str); 11] = [
            (&["--loud"], "--loud"),
            (&["-x"], "-x"),
            (&["--threads"], "--threads"),
            (&["--threads", "many"], "many"),
            (&["--tasks=-1"], "-1"),
            (&["--tasks", "1001"], "1001"),
            (&["--lossy=yes"], "--lossy"),
            (&["--threads", "0", "--tasks", "0"], "nobody"),
            (&["--processes", "65"], "65"),
            (&["--kill"], "--processes"),
            (&["--kill", "--processes", "1", "--threads=0", "--tasks=0"], "survive"),
        ];
        for (line, named) in cases {
            let message = parsed(line).expect_err("a wrong command line");
            assert!(message.contains(named), "{line:?}: {message}");
        }
    }

    #[test]
    fn words_are_letters_and_digits_in_lower_case() {
        let found: Vec<_> =
            words("Don't  PANIC—\u{c4}rger, x86_64 & \u{39f}\u{394}\u{39f}\u{3a3}!").collect();
        assert_eq!(
            found,
            ["don", "t", "panic", "\u{e4}rger", "x86", "64", "\u{3bf}\u{3b4}\u{3bf}\u{3c2}"]
        );
        assert_eq!(words(" \u{fffd}\u{2014}\n").count(), 0);
    }

    #[test]
    fn pieces_are_the_text_and_cut_no_word() {
        let texts = [
            String::new(),
            " ".to_owned(),
            "oneword".to_owned(),
            "\u{20ac}\u{20ac} \u{20ac}\u{2003}\u{20ac}\u{20ac}\u{20ac}\n\n \u{20ac}".to_owned(),
            long_text(300),
        ];
        for text in texts {
            let mut plain = Counts::new();
            count(&text, &mut plain);
            for size in [1, 2, 3, 4, 10, 100, 1000, 100_000] {
                let cut: Vec<&str> = pieces(&text, size).collect();
                assert_eq!(cut.concat(), text);
                assert!(cut.iter().all(|piece| !piece.is_empty()));
                assert!(cut.iter().rev().skip(1).all(|piece| piece.len() >= size));
                let mut counts = Counts::new();
                for piece in cut {
                    count(piece, &mut counts);
                }
                assert_eq!(difference(&counts, &plain), None, "size {size}");
            }
        }
        assert!(pieces(&long_text(300), 100).count() > 15);
    }

    #[test]
    fn top_words_and_differences() {
        let mut counts = Counts::new();
        count("b a c b a d b", &mut counts);
        assert_eq!(top(&counts, 3), [("b", 3), ("a", 2), ("c", 1)]);
        assert_eq!(top(&counts, 9).len(), 4);

        let mut other = counts.clone();
        assert_eq!(difference(&counts, &other), None);
        other.insert("c".to_owned(), 5);
        other.insert("z".to_owned(), 1);
        let message = difference(&counts, &other).expect("two differ");
        assert!(message.contains("2 words") && message.contains("\"c\""), "{message}");
        let message = difference(&other, &counts).expect("two differ");
        assert!(message.contains("5 times, not 1"), "{message}");
    }

    #[test]
    fn counters_beside_counters_and_reporters_beside_reporters() {
        use TableMode::{Count, Report};
        let beside = [(Count, Count), (Report, Report)];
        let table = Guarded::new(());
        for &inside in TableMode::ALL {
            for &new in TableMode::ALL {
                let hold = table.lock().acquire(inside);
                let enters = table.lock().try_acquire(new).is_some();
                drop(hold);
                assert_eq!(enters, beside.contains(&(inside, new)), "{new:?} beside {inside:?}");
                assert_eq!(conflict(inside, new), !enters);
            }
        }
    }

    #[test]
    fn a_hold_is_the_key_to_the_data() {
        let table = Guarded::new(1);
        for &mode in TableMode::ALL {
            let hold = table.lock().acquire(mode);
            assert_eq!(*table.read(&hold), 1);
        }
        let mut hold = table.lock().acquire(TableMode::Merge);
        *table.write(&mut hold) += 1;
        assert_eq!(*table.read(&hold), 2);
        drop(hold);
        assert_eq!(table.into_inner(), 2);
    }

    #[test]
    #[should_panic(expected = "written in mode Merge only")]
    fn a_counter_does_not_write() {
        let table = Guarded::new(0);
        let mut hold = table.lock().acquire(TableMode::Count);
        *table.write(&mut hold) += 1;
    }

    #[test]
    #[should_panic(expected = "on another lock")]
    fn a_hold_on_another_lock_does_not_read() {
        let (table, other) = (Guarded::new(0), Guarded::new(0));
        let hold = other.lock().acquire(TableMode::Count);
        let _ = table.read(&hold);
    }

    #[test]
    #[should_panic(expected = "on another lock")]
    fn a_hold_on_another_lock_does_not_write() {
        let (table, other) = (Guarded::new(0), Guarded::new(0));
        let mut hold = other.lock().acquire(TableMode::Merge);
        *table.write(&mut hold) += 1;
    }

    #[test]
    fn the_table_adds_what_it_has() {
        let mut table = Table::default();
        let mut unknown = Counts::new();
        table.insert("a".to_owned(), 2);
        table.insert("b".to_owned(), 3);
        let mut counts = Counts::new();
        count("a a c a c", &mut counts);
        table.add(counts.clone(), &mut unknown);
        table.add(counts, &mut unknown);
        assert_eq!(unknown, Counts::from([("c".to_owned(), 4)]));
        let cut = table.cut();
        assert_eq!(cut, Cut { words: 11, sum: 11, top: Some(("a".to_owned(), 8)) });
        assert!(cut.is_exact());
        assert!(!Cut { words: 10, ..cut }.is_exact());
        assert_eq!(table.into_counts(), Counts::from([("a".to_owned(), 8), ("b".to_owned(), 3)]));
    }

    fn request(mode: TableMode, asked: u64, queued: Option<u64>, served: u64) -> Request {
        Request { face: Face::Task, mode, asked, queued, served, waited: Duration::ZERO }
    }

    #[test]
    fn who_is_served_before_one_in_line_overtakes() {
        use TableMode::{Count, Merge};
        // (first, second, how many pairs, how many overtake)
        for (first, second, pairs, overtaken) in [
            // In line when the other asks; served before it, or after it.
            (request(Merge, 0, Some(1), 4), request(Count, 2, Some(3), 5), 1, 0),
            (request(Merge, 0, Some(1), 5), request(Count, 2, Some(3), 4), 1, 1),
            (request(Merge, 0, Some(1), 5), request(Count, 2, None, 4), 1, 1),
            // Not known to be in line.
            (request(Merge, 0, None, 5), request(Count, 2, Some(3), 4), 0, 0),
            // Not in line yet when the other asks.
            (request(Merge, 0, Some(3), 5), request(Count, 2, Some(4), 6), 0, 0),
            // Served already when the other asks.
            (request(Merge, 0, Some(1), 2), request(Count, 3, None, 4), 0, 0),
            // Their modes go together.
            (request(Count, 0, Some(1), 5), request(Count, 2, Some(3), 4), 0, 0),
        ] {
            for requests in [[first, second], [second, first]] {
                let verdict = order::check(&requests);
                assert_eq!((verdict.pairs, verdict.overtaken), (pairs, overtaken), "{requests:?}");
                assert_eq!(verdict.example, (overtaken > 0).then_some((first, second)));
            }
        }
    }

    #[test]
    fn the_check_finds_what_trying_all_pairs_finds() {
        let mut numbers = Numbers(1);
        let mut overtaken_in_all = 0;
        for count in 0..120 {
            // Three moments for each request: far apart in one half of the
            // rounds, so that nearly all overtake; close in the other.
            let mut moments: Vec<u64> = (0..3 * count as u64).collect();
            for place in 0..moments.len() {
                let rest = moments.len() - place;
                let reach = if count % 2 == 0 { rest } else { rest.min(5) };
                moments.swap(place, place + numbers.below(reach));
            }
            let requests: Vec<Request> = moments
                .chunks_mut(3)
                .map(|three| {
                    three.sort_unstable();
                    let mode = TableMode::ALL[numbers.below(3)];
                    let queued = (numbers.below(4) > 0).then_some(three[1]);
                    request(mode, three[0], queued, three[2])
                })
                .collect();

            let is_pair = |first: &Request, second: &Request| {
                conflict(first.mode, second.mode)
                    && first.queued.is_some_and(|queued| queued < second.asked)
                    && first.served > second.asked
            };
            let overtakes = |first: &Request, second: &Request| {
                is_pair(first, second) && second.served < first.served
            };
            let mut pairs = 0;
            let mut overtaken = 0;
            for second in &requests {
                pairs += requests.iter().filter(|first| is_pair(first, second)).count() as u64;
                overtaken += u64::from(requests.iter().any(|first| overtakes(first, second)));
            }
            let verdict = order::check(&requests);
            assert_eq!((verdict.pairs, verdict.overtaken), (pairs, overtaken), "{requests:?}");
            assert_eq!(verdict.example.is_some(), overtaken > 0);
            if let Some((first, second)) = verdict.example {
                assert!(overtakes(&first, &second), "{second:?} and {first:?}");
            }
            overtaken_in_all += overtaken;
        }
        assert!(overtaken_in_all > 500, "the histories are too tame: {overtaken_in_all}");
    }

    #[test]
    fn median_p99_and_longest() {
        let millis = Duration::from_millis;
        let times =
            |range: std::ops::RangeInclusive<u64>| waits::times(range.rev().map(millis).collect());
        assert_eq!(waits::times(Vec::new()), None);
        let shown = times(7..=7).expect("one time");
        assert_eq!((shown.median, shown.p99, shown.longest), (millis(7), millis(7), millis(7)));
        let shown = times(1..=100).expect("some times");
        assert_eq!((shown.median, shown.p99, shown.longest), (millis(50), millis(99), millis(100)));
        let shown = times(1..=1000).expect("some times");
        assert_eq!(
            (shown.median, shown.p99, shown.longest),
            (millis(500), millis(990), millis(1000))
        );

        for (nanos, shown) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1000, "1.00 \u{b5}s"),
            (12_345, "12.3 \u{b5}s"),
            (999_499, "999 \u{b5}s"),
            (999_500, "1.00 ms"),
            (99_960_000, "100 ms"),
            (2_500_000_000, "2.50 s"),
            (4_321_000_000_000, "4321 s"),
        ] {
            assert_eq!(waits::show(Duration::from_nanos(nanos)), shown);
        }
    }

    #[test]
    fn any_crew_counts_like_one() {
        for (threads, tasks) in [(1, 0), (0, 1), (3, 0), (0, 5), (2, 2), (3, 12)] {
            watched("it ends", move || {
                let text = long_text(6000);
                let pieces: Vec<&str> = pieces(&text, 256).collect();
                let mut plain = Counts::new();
                count(&text, &mut plain);
                let (mut bytes, mut told) = (0, 0);
                let outcome = run(&pieces, threads, tasks, |step| match step {
                    Step::Counted(more) => bytes += more,
                    Step::Reported(cut) => {
                        assert!(cut.is_exact());
                        told += 1;
                    }
                });
                assert_eq!(difference(&outcome.counts, &plain), None);
                assert_eq!(bytes, text.len());

                let made = |face: Face, mode: TableMode| {
                    let log = &outcome.log.requests;
                    log.iter().filter(|r| (r.face, r.mode) == (face, mode)).count()
                };
                let by_threads = made(Face::Thread, TableMode::Count);
                let by_tasks = made(Face::Task, TableMode::Count);
                assert_eq!(by_threads + by_tasks, pieces.len());
                assert_eq!((by_threads > 0, by_tasks > 0), (threads > 0, tasks > 0));
                assert_eq!(made(Face::Thread, TableMode::Merge) > 0, threads > 0);
                assert_eq!(made(Face::Task, TableMode::Merge) > 0, tasks > 0);
                assert_eq!(made(Face::Thread, TableMode::Report), told);
                assert_eq!(made(Face::Task, TableMode::Report) > 0, tasks > 0);
                assert_eq!(told + made(Face::Task, TableMode::Report), outcome.log.reports);
                assert_eq!(outcome.log.torn, 0);

                for request in &outcome.log.requests {
                    assert!(request.asked < request.served);
                    if let Some(queued) = request.queued {
                        assert_eq!(request.face, Face::Task);
                        assert!(request.asked < queued && queued < request.served);
                    }
                }
                let verdict = order::check(&outcome.log.requests);
                assert_eq!((verdict.overtaken, verdict.example), (0, None));
            });
        }
    }

    #[test]
    fn no_pieces_and_few_pieces() {
        watched("it ends", || {
            for text in ["", "one", "one two"] {
                let pieces: Vec<&str> = pieces(text, 1).collect();
                let outcome = run(&pieces, 2, 2, |_| ());
                assert_eq!(outcome.counts.len(), pieces.len());
            }
        });
    }

    #[test]
    fn a_panic_while_it_works_leaves_nobody_behind() {
        for (threads, tasks) in [(3, 0), (0, 6), (3, 6)] {
            let panicked = watched("it ends", move || {
                let text = long_text(20_000);
                let pieces: Vec<&str> = pieces(&text, 256).collect();
                let mut steps = 0;
                let panicking = AssertUnwindSafe(|| {
                    run(&pieces, threads, tasks, |_| {
                        steps += 1;
                        assert!(steps < 10, "the tenth step is one too many");
                    })
                });
                catch_unwind(panicking).is_err()
            });
            assert!(panicked);
        }
    }
}

#[cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
mod boards {
    use crate::board::{Board, Claim, Worker};
    use crate::text::{Counts, count, pieces};
    use crate::{long_text, watched};

    /// On a stack that has room for several boards.
    fn roomy(f: impl FnOnce() + Send + 'static) {
        watched("it ends", || {
            let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(f);
            let ended = thread.expect("a thread").join();
            ended.unwrap_or_else(|cause| std::panic::resume_unwind(cause));
        });
    }

    fn counts(text: &str) -> Counts {
        let mut counts = Counts::new();
        count(text, &mut counts);
        counts
    }

    fn put_in(board: &mut Board, lot: usize, words: &Counts) {
        board.begin(lot);
        assert!(words.iter().all(|(word, &times)| board.add(word, times)));
        board.finish(lot, words.values().sum());
    }

    #[test]
    fn each_kind_has_its_share_and_all_have_what_is_put_back() {
        roomy(|| {
            let child = Worker::Child(3);
            let mut board = Box::new(Board::new(9, [1, 1, 2]));
            let claims = |board: &mut Board, who| match board.claim(who) {
                Claim::Lot(lot) => Some(lot),
                Claim::Wait => None,
                Claim::Over => panic!("nothing is done"),
            };
            let all = |board: &mut Board, who| -> Vec<usize> {
                std::iter::from_fn(|| claims(board, who)).collect()
            };
            assert_eq!(all(&mut board, Worker::Thread), [0, 4, 8]);
            assert_eq!(all(&mut board, Worker::Task), [1, 5]);
            assert_eq!(claims(&mut board, child), Some(2));
            assert_eq!(claims(&mut board, Worker::Child(0)), Some(3));
            assert_eq!(board.busy(), [3, 0]);
            board.put_back(3);
            assert_eq!((board.busy(), board.put_back), (vec![0], 1));
            assert_eq!(all(&mut board, Worker::Task), [2]);
            board.free_share_of_children();
            assert_eq!(all(&mut board, Worker::Thread), [6, 7]);
            assert_eq!(board.put_back, 1, "these were nobody's");
            for lot in 0..9 {
                assert!(!board.is_over());
                put_in(&mut board, lot, &counts("word"));
            }
            assert!(board.is_over());
            assert_eq!(board.claim(child), Claim::Over);
            assert_eq!(board.counts(), Counts::from([("word".to_owned(), 9)]));
        });
    }

    #[test]
    fn what_is_half_added_is_taken_back() {
        roomy(|| {
            let text = long_text(300);
            let cut: Vec<Counts> = pieces(&text, 1000).map(counts).collect();
            assert!(cut.len() > 2);
            let mut board = Box::new(Board::new(cut.len(), [0, 0, 1]));
            let plain = counts(&text);
            for (lot, words) in cut.iter().enumerate() {
                assert_eq!(board.claim(Worker::Child(0)), Claim::Lot(lot));
                let before = board.counts();
                // It dies when it has added so many words, and everybody who
                // comes after it does.
                for most in [0, 1, 2, words.len() / 2, words.len()] {
                    board.begin(lot);
                    assert!(words.iter().take(most).all(|(word, &times)| board.add(word, times)));
                    assert_eq!(board.cut().is_exact(), most == 0, "lot {lot}, {most} words");
                    board.undo();
                    assert_eq!(board.counts(), before, "lot {lot}, {most} words");
                    assert!(board.cut().is_exact());
                }
                put_in(&mut board, lot, words);
                let (after, undone) = (board.counts(), board.undone);
                board.undo();
                assert_eq!((board.counts(), board.undone), (after, undone), "it is done");
            }
            assert_eq!(board.undone as usize, 5 * cut.len());
            assert_eq!(board.counts(), plain);
            assert!(board.is_over() && board.cut().is_exact());
        });
    }

    #[test]
    fn a_full_board_ends_the_work() {
        roomy(|| {
            let mut board = Box::new(Board::new(2, [1, 0, 0]));
            assert_eq!(board.claim(Worker::Thread), Claim::Lot(0));
            board.begin(0);
            let added = (0..1 << 20).take_while(|word| board.add(&format!("w{word}"), 1)).count();
            assert!((50_000..1 << 16).contains(&added), "{added}");
            board.undo();
            assert!(board.is_full() && board.is_over());
            assert_eq!(board.counts(), Counts::new());
            assert_eq!(board.claim(Worker::Thread), Claim::Over);

            let mut board = Box::new(Board::new(1, [1, 0, 0]));
            board.begin(0);
            assert!(!board.add(&"w".repeat(2 << 20), 1));
            assert!(board.is_full());
        });
    }
}

mod program {
    use std::collections::HashMap;
    use std::env;
    use std::fs;
    use std::io::Read;
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};
    use std::sync::mpsc;
    use std::thread;

    use crate::long_text;
    use crate::support::PATIENCE;
    use crate::text::{Counts, count, top};

    /// The program, which cargo puts beside the folder of the tests.
    fn program() -> PathBuf {
        let mut path = env::current_exe().expect("the test knows where it is");
        path.pop();
        if path.ends_with("deps") {
            path.pop();
        }
        path.push("examples");
        path.push(format!("census{}", env::consts::EXE_SUFFIX));
        assert!(
            path.exists(),
            "{} is missing: run all tests at once, or build it by \
             `cargo build --example census --all-features`",
            path.display()
        );
        path
    }

    /// How the program ended, and what it said.
    #[derive(Debug)]
    struct Ended {
        code: Option<i32>,
        out: String,
        err: String,
    }

    fn census<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Ended {
        let mut child = Command::new(program())
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let (sender, heard) = mpsc::channel();
        let out: Box<dyn Read + Send> = Box::new(child.stdout.take().expect("a pipe"));
        let err: Box<dyn Read + Send> = Box::new(child.stderr.take().expect("a pipe"));
        for (index, mut pipe) in [out, err].into_iter().enumerate() {
            let sender = sender.clone();
            thread::spawn(move || {
                let mut text = String::new();
                let read = pipe.read_to_string(&mut text);
                let _ = sender.send((index, read.map(|_| text)));
            });
        }
        let mut said = [String::new(), String::new()];
        for _ in 0..2 {
            match heard.recv_timeout(PATIENCE) {
                Ok((index, text)) => said[index] = text.expect("it speaks UTF-8"),
                Err(_) => {
                    let _ = child.kill();
                    let _ = child.wait();
                    panic!("the program is stuck: no end after {PATIENCE:?}");
                }
            }
        }
        let code = child.wait().expect("the program has ended").code();
        let [out, err] = said;
        Ended { code, out, err }
    }

    /// The path as an argument among others.
    fn as_str(path: &Path) -> &str {
        path.to_str().expect("the build folder has a name in UTF-8")
    }

    impl Ended {
        /// The line that begins so, without that.
        fn line(&self, begin: &str) -> &str {
            let found = self.out.lines().find_map(|line| line.strip_prefix(begin));
            found.unwrap_or_else(|| panic!("no line begins with {begin:?}: {self:?}"))
        }

        /// The words listed as most frequent.
        fn top(&self) -> Vec<(&str, u64)> {
            let lines = self.out.lines().skip_while(|line| *line != "top words").skip(1);
            let rows = lines.take_while(|line| !line.is_empty());
            rows.map(|row| {
                let (times, word) = row.trim().split_once("  ").expect("two columns");
                (word, times.parse().expect("a number"))
            })
            .collect()
        }

        /// The requests of each kind, as listed.
        fn requests(&self) -> HashMap<String, u64> {
            let lines = self.out.lines().skip_while(|line| !line.starts_with("waits")).skip(1);
            let rows = lines.take_while(|line| !line.is_empty());
            rows.map(|row| {
                let cells: Vec<&str> = row.split_whitespace().collect();
                (cells[..2].join(" "), cells[2].parse().expect("a number"))
            })
            .collect()
        }

        /// In how many pairs somebody could have been overtaken.
        fn pairs(&self) -> u64 {
            let pairs = self.line("order: ").split(' ').next().map(str::parse::<u64>);
            pairs.expect("a first word").expect("a number")
        }

        #[track_caller]
        fn assert_success(&self) {
            assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{}", self.out);
            assert!(self.line("totals: ").contains(": equal to a plain count"), "{self:?}");
            assert!(self.line("reports: ").ends_with(", all of them exact"), "{self:?}");
            assert!(self.pairs() == 0 || self.out.contains("nobody was overtaken"), "{self:?}");
        }

        /// It failed with this code, said so on the standard error, naming
        /// what was wrong, and printed nothing.
        #[track_caller]
        fn assert_failure(&self, code: i32, named: &str) {
            assert_eq!((self.code, self.out.as_str()), (Some(code), ""), "{}", self.err);
            assert!(self.err.starts_with("census: "), "{self:?}");
            assert!(self.err.contains(named), "{self:?}");
        }
    }

    /// A folder that goes when its test ends.
    struct Folder(PathBuf);

    impl Folder {
        /// `name` is the test's own.
        fn new(name: &str) -> Self {
            let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
                .join(format!("census-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).expect("a folder for the test");
            Self(path)
        }

        fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
            let path = self.0.join(name);
            let folder = path.parent().expect("it is in the folder");
            fs::create_dir_all(folder).expect("a folder for the file");
            fs::write(&path, content).expect("a file for the test");
            path
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn counts_the_texts_of_a_folder() {
        let folder = Folder::new("folder");
        folder.write("a.txt", "The cat, the dog. THE END\n");
        folder.write("sub/b.txt", "Cat na\u{ef}ve NA\u{cf}VE 42");
        folder.write("sub/empty.txt", "");
        folder.write(".hidden", "hidden");
        folder.write(".folder/c.txt", "hidden");
        folder.write("target/d.txt", "built");
        folder.write("sub/picture", b"picture \0\xff");
        let ended = census([&folder.0]);
        ended.assert_success();
        let expected =
            [("the", 3), ("cat", 2), ("na\u{ef}ve", 2), ("42", 1), ("dog", 1), ("end", 1)];
        assert_eq!(ended.top(), expected);
        assert!(ended.line("text: ").starts_with("3 files, "), "{ended:?}");
        assert!(ended.line("totals: ").starts_with("10 words, 6 different: "), "{ended:?}");
    }

    #[test]
    fn reads_files_and_folders_that_are_named() {
        let folder = Folder::new("named");
        let hidden = folder.write(".hidden", "one two");
        let binary = folder.write("target/x", b"two \0 three");
        folder.write("sub/y", "three\nthree");
        let paths = [hidden, binary, folder.0.join("sub"), folder.0.join("target")];
        let ended = census(paths);
        ended.assert_success();
        // The file with a zero byte is text when named, and passed over in
        // the folder.
        assert_eq!(ended.top(), [("three", 3), ("two", 2), ("one", 1)]);
        assert!(ended.line("text: ").starts_with("3 files, "), "{ended:?}");
    }

    #[test]
    fn a_long_text_keeps_threads_and_tasks_in_line() {
        let folder = Folder::new("long");
        let text = long_text(60_000);
        let path = folder.write("long.txt", &text);
        let mut counts = Counts::new();
        count(&text, &mut counts);

        let ended = census(["--threads", "2", "--tasks=8", "--top", "5", as_str(&path)]);
        ended.assert_success();
        assert_eq!(ended.top(), top(&counts, 5));
        let words: u64 = counts.values().sum();
        let totals = format!("{words} words, {} different: ", counts.len());
        assert!(ended.line("totals: ").starts_with(&totals), "{ended:?}");
        assert!(ended.line("text: ").contains("; 2 threads and 8 tasks took "), "{ended:?}");
        assert!(ended.pairs() > 0, "{ended:?}");

        let requests = ended.requests();
        assert_eq!(requests.len(), 6, "{ended:?}");
        assert!(requests.values().all(|&made| made > 0), "{ended:?}");
        let pieces = ended.line("text: ").split(' ').nth(5).map(str::parse::<u64>);
        assert_eq!(pieces, Some(Ok(requests["thread Count"] + requests["task Count"])));
    }

    #[test]
    fn one_kind_is_enough() {
        let folder = Folder::new("one-kind");
        let path = folder.write("long.txt", long_text(5000));
        for (threads, tasks) in [("1", "0"), ("0", "1"), ("4", "0"), ("0", "4")] {
            let ended = census(["--threads", threads, "--tasks", tasks, as_str(&path)]);
            ended.assert_success();
            let requests = ended.requests();
            assert_eq!(requests["thread Count"] > 0, threads != "0", "{ended:?}");
            assert_eq!(requests["task Count"] > 0, tasks != "0", "{ended:?}");
        }
    }

    /// What is said of the children: how many, killed, done anew.
    #[cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
    fn fates(ended: &Ended) -> [u64; 3] {
        let words = ended.line("children: ").split([' ', ',']);
        let mut numbers = words.filter_map(|word| word.parse().ok());
        std::array::from_fn(|_| numbers.next().expect("a number"))
    }

    #[cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
    #[test]
    fn children_count_at_the_same_table() {
        let folder = Folder::new("children");
        let text = long_text(30_000);
        let path = folder.write("long.txt", &text);
        let mut counts = Counts::new();
        count(&text, &mut counts);
        for (threads, tasks, processes) in [("1", "4", "2"), ("0", "0", "3"), ("2", "0", "1")] {
            let crew = ["--threads", threads, "--tasks", tasks, "--processes", processes];
            let ended = census([&crew[..], &["--top", "1000000", as_str(&path)]].concat());
            ended.assert_success();
            assert_eq!(ended.top(), top(&counts, usize::MAX));
            assert_eq!(fates(&ended), [processes.parse().expect("a number"), 0, 0]);
            let requests = ended.requests();
            assert_eq!(requests.contains_key("thread Merge"), threads != "0", "{ended:?}");
            assert_eq!(requests.contains_key("task Merge"), tasks != "0", "{ended:?}");
            assert!(requests["process Merge"] > 0, "{ended:?}");
        }
    }

    #[cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
    #[test]
    fn what_killed_children_leave_is_done_by_the_others() {
        let folder = Folder::new("killed");
        let text = long_text(60_000);
        let path = folder.write("long.txt", &text);
        let mut counts = Counts::new();
        count(&text, &mut counts);
        for (threads, tasks, processes, killed) in
            [("1", "4", "4", 3), ("0", "0", "3", 2), ("1", "0", "1", 1), ("0", "2", "1", 1)]
        {
            let crew = ["--kill", "--threads", threads, "--tasks", tasks, "--processes", processes];
            let ended = census([&crew[..], &["--top", "1000000", as_str(&path)]].concat());
            ended.assert_success();
            assert_eq!(ended.top(), top(&counts, usize::MAX));
            let [children, dead, anew] = fates(&ended);
            assert_eq!((children.to_string().as_str(), dead), (processes, killed), "{ended:?}");
            // Killed right between two lots, one leaves nothing.
            assert!(anew <= killed, "{ended:?}");
        }
    }

    #[cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
    #[test]
    fn few_lots_and_many_children() {
        let folder = Folder::new("few");
        for (name, text) in [("empty", ""), ("one", "one"), ("two", "one two")] {
            let path = folder.write(name, text);
            for kill in [false, true] {
                let mut line = vec!["--threads=0", "--tasks=0", "--processes=3", as_str(&path)];
                line.extend(kill.then_some("--kill"));
                let ended = census(line);
                ended.assert_success();
                assert_eq!(ended.top().len(), text.split_whitespace().count());
            }
        }
    }

    #[cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
    #[test]
    fn more_words_than_the_table_has_room_for_are_refused() {
        let folder = Folder::new("room");
        let text: String = (0..70_000).map(|word| format!("word{word} ")).collect();
        let path = folder.write("long.txt", text);
        let ended = census(["--threads=1", "--tasks=1", "--processes=1", as_str(&path)]);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.err.contains("no room for so many words"), "{ended:?}");
    }

    /// A child that has a desk and nothing to do.
    #[cfg(all(feature = "shm", target_os = "linux", target_has_atomic = "64"))]
    #[test]
    fn a_child_ends_with_its_parent() {
        use crate::processes::{make, pack};
        use std::io::Write;
        use std::os::fd::AsRawFd;
        use std::time::Instant;

        let made = make(1, [1, 0, 0], 64, false).expect("a table");
        let table = format!("/proc/{}/fd/{}", std::process::id(), made.fd.as_raw_fd());
        let mut child = Command::new(program())
            .args(["--child", &table, "5"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(&pack(&["one two".to_owned()])).expect("it reads");
        let end = Instant::now() + PATIENCE;
        let desk = &made.place.2[5];
        while !desk.is_locked() {
            assert!(Instant::now() < end, "it does not come");
            assert_eq!(child.try_wait().expect("our child"), None, "it ended at once");
            thread::yield_now();
        }
        assert!(child.try_wait().expect("our child").is_none(), "it waits for work");
        drop(stdin);
        loop {
            if let Some(status) = child.try_wait().expect("our child") {
                assert_eq!(status.code(), Some(1));
                break;
            }
            if Instant::now() > end {
                let _ = child.kill();
                let _ = child.wait();
                panic!("it goes on without its parent");
            }
            thread::yield_now();
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let folder = Folder::new("missing");
        let there = folder.write("there.txt", "there");
        let missing = folder.0.join("not-there.txt");
        let ended = census([&there, &missing]);
        ended.assert_failure(1, &missing.display().to_string());
    }

    #[test]
    fn text_that_is_not_utf8_is_named_unless_lossy() {
        let folder = Folder::new("not-utf8");
        folder.write("good.txt", "good");
        let bad = folder.write("latin1.txt", b"caf\xe9 good caf\xe9");
        for path in [&bad, &folder.0] {
            let ended = census([path]);
            ended.assert_failure(1, &format!("{} is not UTF-8", bad.display()));
            assert!(ended.err.contains("at byte 3"), "{ended:?}");
            assert!(ended.err.contains("--lossy"), "{ended:?}");
        }
        let ended = census(["--lossy", as_str(&folder.0)]);
        ended.assert_success();
        assert_eq!(ended.top(), [("caf", 2), ("good", 2)]);
    }

    #[test]
    fn a_wrong_command_line_is_refused() {
        let cases: [(&[&str], &str); 5] = [
            (&["--frobnicate"], "unknown option --frobnicate"),
            (&["README.md", "-v"], "unknown option -v"),
            (&["--threads", "some"], "--threads takes a number"),
            (&["--top"], "--top needs a number"),
            (&["--threads=0", "--tasks=0"], "nobody is left to count"),
        ];
        for (line, named) in cases {
            let ended = census(line);
            ended.assert_failure(2, named);
            assert!(ended.err.contains("usage: census"), "{ended:?}");
        }
    }

    #[test]
    fn help_is_no_error() {
        let ended = census(["--help"]);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
        for option in
            ["--threads", "--tasks", "--processes", "--kill", "--top", "--lossy", "--help"]
        {
            assert!(ended.out.contains(option), "{ended:?}");
        }
    }

    #[test]
    fn without_arguments_it_counts_this_repository() {
        let ended = census::<&str>([]);
        ended.assert_success();
        let top = ended.top();
        assert_eq!(top.len(), 10, "{ended:?}");
        assert!(top.is_sorted_by(|a, b| a.1 >= b.1), "{ended:?}");
        // Its sources speak of little else.
        let ended = census(["--top", "100"]);
        ended.assert_success();
        assert!(ended.top().iter().any(|&(word, _)| word == "lock"), "{ended:?}");
        assert!(ended.requests().values().all(|&made| made > 0), "{ended:?}");
    }
}
