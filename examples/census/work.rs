//! The work: threads and tasks at one table, through one lock.

use std::array;
use std::future;
use std::mem;
use std::panic;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use smol::channel::{self, Receiver, Sender};
use smol::future::{block_on, yield_now};
use smol::{Executor, Task};

use super::guarded::{Guarded, TableHold};
use super::log::{Face, Log, Request, Sequence};
use super::modes::TableMode;
use super::table::{Cut, Table};
use super::text::{self, Counts};

/// A pocket with so many unknown words is emptied into the table.
const FULL: usize = 64;
/// So is one that was not emptied after so many pieces.
const LONG: usize = 8;
/// A task that merges lets others run after so many words.
const PORTION: usize = 16;
/// About how many reports there are in all.
const REPORTS: usize = 128;
/// The most threads on which the tasks run.
const EXECUTORS: usize = 2;

/// What a run left behind.
pub(crate) struct Outcome {
    pub(crate) counts: Counts,
    pub(crate) log: Log,
    pub(crate) took: Duration,
}

/// What has just happened.
pub(crate) enum Step<'a> {
    /// A piece of so many bytes was counted.
    Counted(usize),
    /// A thread has read the totals.
    Reported(&'a Cut),
}

/// The pieces for one kind of worker.
struct Share<'a> {
    pieces: Vec<&'a str>,
    next: AtomicUsize,
}

impl<'a> Share<'a> {
    fn take(&self) -> Option<&'a str> {
        self.pieces.get(self.next.fetch_add(1, Ordering::Relaxed)).copied()
    }
}

/// Deals the pieces out in turn to as many workers of each kind.
///
/// Every kind has its own share, so that all are at work whomever the
/// scheduler starts first; within the kind, who is free takes the next piece.
fn deal<'a, const KINDS: usize>(pieces: &[&'a str], workers: [usize; KINDS]) -> [Share<'a>; KINDS] {
    let round: usize = workers.iter().sum();
    assert!(round > 0, "somebody has to count");
    let mut shares: [Share<'a>; KINDS] =
        array::from_fn(|_| Share { pieces: Vec::new(), next: AtomicUsize::new(0) });
    for (index, &piece) in pieces.iter().enumerate() {
        let mut seat = index % round;
        for (share, &seats) in shares.iter_mut().zip(&workers) {
            if seat < seats {
                share.pieces.push(piece);
                break;
            }
            seat -= seats;
        }
    }
    shares
}

/// Words that the table did not have when a worker met them.
#[derive(Default)]
struct Pocket {
    unknown: Counts,
    /// Pieces since it was emptied.
    pieces: usize,
}

impl Pocket {
    fn is_due(&self) -> bool {
        self.unknown.len() >= FULL || (self.pieces >= LONG && !self.unknown.is_empty())
    }

    fn empty(&mut self) -> Counts {
        self.pieces = 0;
        mem::take(&mut self.unknown)
    }
}

/// All that the workers share.
struct Job<'a> {
    table: Guarded<Table>,
    sequence: Sequence,
    for_threads: Share<'a>,
    for_tasks: Share<'a>,
}

/// What a thread does.
impl Job<'_> {
    /// Blocks until the hold is there. When it came to stand in line, if it
    /// did, is not to be seen from here.
    fn acquire(&self, mode: TableMode, log: &mut Log) -> TableHold<'_> {
        let start = Instant::now();
        let asked = self.sequence.mark();
        let hold = self.table.lock().acquire(mode);
        let served = self.sequence.mark();
        let waited = start.elapsed();
        log.requests.push(Request {
            face: Face::Thread,
            mode,
            asked,
            queued: None,
            served,
            waited,
        });
        hold
    }

    fn count(&self, counted: mpsc::Sender<usize>) -> Log {
        let mut log = Log::default();
        let mut pocket = Pocket::default();
        while let Some(piece) = self.for_threads.take() {
            let mut counts = Counts::new();
            text::count(piece, &mut counts);
            let hold = self.acquire(TableMode::Count, &mut log);
            self.table.read(&hold).add(counts, &mut pocket.unknown);
            drop(hold);
            pocket.pieces += 1;
            if pocket.is_due() {
                self.merge(&mut pocket, &mut log);
            }
            // Nobody listens any more only when the whole run is over.
            let _ = counted.send(piece.len());
        }
        self.merge(&mut pocket, &mut log);
        log
    }

    fn merge(&self, pocket: &mut Pocket, log: &mut Log) {
        let words = pocket.empty();
        if words.is_empty() {
            return;
        }
        let mut hold = self.acquire(TableMode::Merge, log);
        let table = self.table.write(&mut hold);
        for (word, times) in words {
            table.insert(word, times);
        }
    }

    fn report(&self, log: &mut Log) -> Cut {
        let hold = self.acquire(TableMode::Report, log);
        let cut = self.table.read(&hold).cut();
        drop(hold);
        log.reports += 1;
        log.torn += usize::from(!cut.is_exact());
        cut
    }
}

/// What a task does.
impl Job<'_> {
    /// Waits for the hold. A poll that does not give it has put the request
    /// into the line: that is the moment to note.
    async fn acquire_async(&self, mode: TableMode, log: &mut Log) -> TableHold<'_> {
        let start = Instant::now();
        let asked = self.sequence.mark();
        let mut queued = None;
        let mut acquisition = pin!(self.table.lock().acquire_async(mode));
        let hold = future::poll_fn(|cx| {
            let polled = acquisition.as_mut().poll(cx);
            if polled.is_pending() && queued.is_none() {
                queued = Some(self.sequence.mark());
            }
            polled
        })
        .await;
        let served = self.sequence.mark();
        let waited = start.elapsed();
        log.requests.push(Request { face: Face::Task, mode, asked, queued, served, waited });
        hold
    }

    async fn count_async(&self, counted: mpsc::Sender<usize>) -> Log {
        let mut log = Log::default();
        let mut pocket = Pocket::default();
        while let Some(piece) = self.for_tasks.take() {
            let mut counts = Counts::new();
            text::count(piece, &mut counts);
            let hold = self.acquire_async(TableMode::Count, &mut log).await;
            self.table.read(&hold).add(counts, &mut pocket.unknown);
            drop(hold);
            pocket.pieces += 1;
            if pocket.is_due() {
                self.merge_async(&mut pocket, &mut log).await;
            }
            // As in `count`.
            let _ = counted.send(piece.len());
            // Counting is work without a pause; and a lock that is free gives
            // none either.
            yield_now().await;
        }
        self.merge_async(&mut pocket, &mut log).await;
        log
    }

    /// As `merge`, in portions between which the other tasks of the executor
    /// go on. They find the table held.
    async fn merge_async(&self, pocket: &mut Pocket, log: &mut Log) {
        let mut words = pocket.empty().into_iter();
        if words.len() == 0 {
            return;
        }
        let mut hold = self.acquire_async(TableMode::Merge, log).await;
        loop {
            let table = self.table.write(&mut hold);
            for (word, times) in words.by_ref().take(PORTION) {
                table.insert(word, times);
            }
            if words.len() == 0 {
                return;
            }
            log.gave_way += 1;
            yield_now().await;
        }
    }

    /// Reports each time that it is called.
    async fn report_async(&self, called: Receiver<()>) -> Log {
        let mut log = Log::default();
        while called.recv().await.is_ok() {
            let hold = self.acquire_async(TableMode::Report, &mut log).await;
            let cut = self.table.read(&hold).cut();
            drop(hold);
            log.reports += 1;
            log.torn += usize::from(!cut.is_exact());
        }
        log
    }
}

/// Does `task`, and lets go of `running` when that has ended or is cancelled.
async fn keeping<T>(_running: Sender<()>, task: impl Future<Output = T>) -> T {
    task.await
}

/// Counts the words of all pieces with `threads` threads and `tasks` tasks.
///
/// The calling thread tells of the progress, and reports by turns with a task
/// of its own.
///
/// # Panics
///
/// If a worker does, or there is none.
pub(crate) fn run(
    pieces: &[&str],
    threads: usize,
    tasks: usize,
    mut progress: impl FnMut(Step<'_>),
) -> Outcome {
    let every = pieces.len().div_ceil(REPORTS).max(1);
    let [for_threads, for_tasks] = deal(pieces, [threads, tasks]);
    let job = Job {
        table: Guarded::new(Table::default()),
        sequence: Sequence::default(),
        for_threads,
        for_tasks,
    };
    let shared = &job;
    let start = Instant::now();
    let executor = Executor::new();
    let log = thread::scope(|scope| {
        // Closed when the last task is gone. The executors run until then, also
        // when a panic here cancels the tasks: a task that keeps the table has
        // to let go of it before the threads can end.
        let (running, stopped) = channel::bounded::<()>(1);
        for _ in 0..tasks.min(EXECUTORS) {
            let (executor, stopped) = (&executor, stopped.clone());
            scope.spawn(move || {
                let _closed = block_on(executor.run(stopped.recv()));
            });
        }
        let (counted, each_counted) = mpsc::channel();
        let (call, called) = channel::unbounded();
        let count_tasks: Vec<Task<Log>> = (0..tasks)
            .map(|_| {
                let task = shared.count_async(counted.clone());
                executor.spawn(keeping(running.clone(), task))
            })
            .collect();
        let report_task =
            (tasks > 0).then(|| executor.spawn(keeping(running, shared.report_async(called))));
        let count_threads: Vec<_> = (0..threads)
            .map(|_| {
                let counted = counted.clone();
                scope.spawn(move || shared.count(counted))
            })
            .collect();
        drop(counted);

        let mut log = Log::default();
        // Ends when the last worker has dropped its end of the channel.
        for (index, bytes) in each_counted.into_iter().enumerate() {
            progress(Step::Counted(bytes));
            let done = index + 1;
            if !done.is_multiple_of(every) {
                continue;
            }
            if tasks > 0 && (done / every).is_multiple_of(2) {
                // Should that task have panicked, it is noticed below.
                let _ = call.try_send(());
            } else {
                let cut = shared.report(&mut log);
                progress(Step::Reported(&cut));
            }
        }
        drop(call);
        for thread in count_threads {
            log.absorb(thread.join().unwrap_or_else(|cause| panic::resume_unwind(cause)));
        }
        for task in count_tasks.into_iter().chain(report_task) {
            log.absorb(block_on(task));
        }
        log
    });
    let took = start.elapsed();
    drop(executor);
    Outcome { counts: job.table.into_inner().into_counts(), log, took }
}
