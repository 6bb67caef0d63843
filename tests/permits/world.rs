//! Plays one history on a real semaphore and on the model, and compares them
//! after every step.
//!
//! Everything happens in one thread. Several parties belong to one *task*,
//! which has one waker that keeps a log. So a history decides which futures of
//! a task are polled and which are not.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use portunus::{AcquireError, Backend, ClosableSemaphore, Permit};

use crate::model::{Answer, Model, Place, QUIET, Reached, Request, Why};
use crate::task::{Task, ensure};

/// The most parties that a history can have: more than one batch of wake-ups.
pub(crate) const MOST_PARTIES: usize = 20;

/// A step of a history. A step that a party can't make as it is now is left
/// out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// A party that has nothing makes a future, and may poll it. `many`: with
    /// a number; otherwise for one.
    Ask {
        party: usize,
        count: u32,
        many: bool,
        polled: bool,
    },
    /// Polls the party's future.
    Poll {
        party: usize,
    },
    /// Drops the party's future.
    Drop {
        party: usize,
    },
    /// Drops the party's permits.
    Release {
        party: usize,
    },
    /// A party that has nothing tries.
    Try {
        party: usize,
        count: u32,
    },
    /// A party that has nothing blocks for no time at all.
    Briefly {
        party: usize,
        count: u32,
    },
    /// Another task polls the party from now on.
    Move {
        party: usize,
        task: usize,
    },
    /// So many permits from now on.
    Resize(usize),
    /// So many permits more.
    Add(usize),
    /// So many permits fewer, as far as there are so many.
    Remove(usize),
    /// Uses the party's permits up.
    Forget {
        party: usize,
    },
    /// All parties that have nothing ask, for one or for four, and are polled.
    Crowd {
        heavy: bool,
    },
    Close,
}

type Got<'a, B> = Result<Permit<'a, B>, AcquireError>;

enum Party<'a, B: Backend> {
    Nothing,
    Asks(Pin<Box<dyn Future<Output = Got<'a, B>> + 'a>>),
    Holds(Permit<'a, B>),
}

struct World<'a, B: Backend> {
    semaphore: &'a ClosableSemaphore<B>,
    parties: Vec<Party<'a, B>>,
    polled_by: Vec<usize>,
    tasks: Vec<Task>,
    log: Arc<Mutex<Vec<usize>>>,
    model: Model,
}

/// Plays a history.
///
/// # Errors
///
/// Where they differ.
pub(crate) fn run<B: Backend>(
    parties: usize,
    permits: usize,
    ops: &[Op],
) -> Result<Reached, String> {
    let semaphore = ClosableSemaphore::<B>::new(permits);
    let log = Arc::default();
    let mut world = World {
        semaphore: &semaphore,
        parties: (0..parties).map(|_| Party::Nothing).collect(),
        // Neighbours belong to one task.
        polled_by: (0..parties).map(|party| party / 2 % QUIET).collect(),
        tasks: (0..=QUIET).map(|task| Task::new((task != QUIET).then_some(task), &log)).collect(),
        log,
        model: Model::new(permits, parties),
    };
    for (step, &op) in ops.iter().enumerate() {
        world
            .play(op)
            .and_then(|()| world.compare())
            .map_err(|what| format!("step {step}, {op:?}: {what}\n{:#?}", world.model))?;
    }
    for party in 0..parties {
        world
            .cancel(party)
            .and_then(|()| world.release(party))
            .and_then(|()| world.compare())
            .map_err(|what| format!("at the end, party {party}: {what}\n{:#?}", world.model))?;
    }
    let reached = world.model.reached;
    let (permits, free) = (semaphore.permits(), semaphore.available_permits());
    ensure!(permits == free, "{free} of {permits} are free when everybody has left");
    ensure!(semaphore.waiting() == 0, "somebody waits when everybody has left");
    Ok(reached)
}

/// The model's word for an error, which must say what was asked for.
fn why(error: AcquireError, request: Request) -> Result<Why, String> {
    match error {
        AcquireError::Closed(_) => Ok(Why::Closed),
        AcquireError::TooMany(error) if error.requested() == request.count && request.many => {
            Ok(Why::TooMany(error.limit()))
        }
        AcquireError::TooMany(error) => Err(format!("{request:?} ended with {error:?}")),
    }
}

impl<'a, B: Backend> World<'a, B> {
    fn play(&mut self, op: Op) -> Result<(), String> {
        let of = |party: usize| party % self.parties.len();
        match op {
            Op::Ask { party, count, many, polled } => {
                let count = if many { count } else { 1 };
                self.ask(of(party), Request { count, many }, polled)
            }
            Op::Poll { party } => self.poll(of(party)),
            Op::Drop { party } => self.cancel(of(party)),
            Op::Release { party } => self.release(of(party)),
            Op::Try { party, count } => {
                self.enter(of(party), count, |semaphore| semaphore.try_acquire_many(count))
            }
            // Who does not fit stands in line for a moment, as a blocked thread.
            Op::Briefly { party, count } => self.enter(of(party), count, |semaphore| {
                semaphore.acquire_many_for(count, Duration::ZERO)
            }),
            Op::Move { party, task } => {
                let party = of(party);
                self.polled_by[party] = task;
                Ok(())
            }
            Op::Resize(permits) => {
                self.semaphore.resize(permits).map_err(|error| error.to_string())?;
                self.model.resize(permits);
                Ok(())
            }
            Op::Add(permits) => {
                self.semaphore.add_permits(permits).map_err(|error| error.to_string())?;
                self.model.resize(self.model.permits + permits);
                Ok(())
            }
            Op::Remove(permits) => {
                let removed = self.semaphore.remove_permits(permits);
                ensure!(
                    removed == permits.min(self.model.permits),
                    "removed {removed} of {permits}"
                );
                self.model.resize(self.model.permits - removed);
                Ok(())
            }
            Op::Forget { party } => {
                let party = of(party);
                match mem::replace(&mut self.parties[party], Party::Nothing) {
                    Party::Holds(permit) => {
                        permit.forget();
                        self.model.forget(party);
                    }
                    other => self.parties[party] = other,
                }
                Ok(())
            }
            Op::Crowd { heavy } => {
                let count = if heavy { 4 } else { 1 };
                for party in 0..self.parties.len() {
                    self.ask(party, Request { count, many: true }, true)?;
                }
                Ok(())
            }
            Op::Close => {
                self.semaphore.close();
                self.model.close();
                Ok(())
            }
        }
    }

    fn ask(&mut self, party: usize, request: Request, polled: bool) -> Result<(), String> {
        if !matches!(self.parties[party], Party::Nothing) {
            return Ok(());
        }
        let semaphore = self.semaphore;
        self.parties[party] = Party::Asks(if request.many {
            Box::pin(semaphore.acquire_many_async(request.count))
        } else {
            let future = semaphore.acquire_async();
            Box::pin(async move { future.await.map_err(AcquireError::from) })
        });
        self.model.places[party] = Place::Fresh(request);
        if polled { self.poll(party) } else { Ok(()) }
    }

    fn poll(&mut self, party: usize) -> Result<(), String> {
        let task = self.polled_by[party];
        let Party::Asks(future) = &mut self.parties[party] else { return Ok(()) };
        let polled = future.as_mut().poll(&mut Context::from_waker(&self.tasks[task].waker));
        let (Place::Fresh(request)
        | Place::Waits(request, _)
        | Place::Granted(request, _)
        | Place::Refused(request, _)) = self.model.places[party]
        else {
            return Err(format!("party {party} has a future"));
        };
        let answer = self.model.poll(party, task);
        match (polled, answer) {
            (Poll::Pending, Answer::Waits | Answer::LetIn) => {}
            (Poll::Ready(Ok(permit)), Answer::Holds(count)) if permit.count() == count => {
                self.parties[party] = Party::Holds(permit);
            }
            (Poll::Ready(Ok(permit)), Answer::LetIn) if permit.count() == request.count => {
                self.model.pick_up(party);
                self.parties[party] = Party::Holds(permit);
            }
            (Poll::Ready(Err(error)), Answer::Refused(expected))
                if why(error, request)? == expected =>
            {
                self.parties[party] = Party::Nothing;
            }
            (polled, answer) => {
                return Err(format!("party {party} got {polled:?}, expected {answer:?}"));
            }
        }
        Ok(())
    }

    fn cancel(&mut self, party: usize) -> Result<(), String> {
        if matches!(self.parties[party], Party::Asks(_)) {
            self.parties[party] = Party::Nothing;
            self.model.cancel(party);
        }
        Ok(())
    }

    fn release(&mut self, party: usize) -> Result<(), String> {
        if matches!(self.parties[party], Party::Holds(_)) {
            self.parties[party] = Party::Nothing;
            self.model.release(party);
        }
        Ok(())
    }

    fn enter(
        &mut self,
        party: usize,
        count: u32,
        f: impl FnOnce(&'a ClosableSemaphore<B>) -> Result<Option<Permit<'a, B>>, AcquireError>,
    ) -> Result<(), String> {
        if !matches!(self.parties[party], Party::Nothing) {
            return Ok(());
        }
        let request = Request { count, many: true };
        let expected = self.model.enter(party, request);
        match f(self.semaphore) {
            Ok(permit) => {
                let got = Ok(permit.is_some());
                ensure!(got == expected, "party {party} got {permit:?}, expected {expected:?}");
                self.parties[party] = permit.map_or(Party::Nothing, Party::Holds);
            }
            Err(error) => {
                let got = Err(why(error, request)?);
                ensure!(got == expected, "party {party} got {got:?}, expected {expected:?}");
            }
        }
        Ok(())
    }

    /// Compares all that can be seen.
    fn compare(&mut self) -> Result<(), String> {
        let (semaphore, model) = (self.semaphore, &mut self.model);
        let (permits, free) = (semaphore.permits(), semaphore.available_permits());
        ensure!(permits == model.permits, "{permits} permits, expected {}", model.permits);
        ensure!(free == model.available(), "{free} are free, expected {}", model.available());
        let waiting = semaphore.waiting();
        ensure!(waiting == model.line.len(), "{waiting} wait, expected {}", model.line.len());
        ensure!(semaphore.is_closed() == model.closed, "closed is not {}", model.closed);

        // Each grant and each refusal wakes the task of its future once, in
        // order.
        let woken = mem::take(&mut *self.log.lock().expect("no panic"));
        let expected = mem::take(&mut model.woken);
        ensure!(woken == expected, "these tasks were woken: {woken:?}, expected {expected:?}");

        // A waker is kept while its request stands in line, and no longer.
        for (task, of) in self.tasks.iter().enumerate() {
            if let Some(shared) = &of.shared {
                let kept = Arc::strong_count(shared) - 2;
                let expected = model.wakers(task);
                ensure!(kept == expected, "task {task}: {kept} wakers, expected {expected}");
            }
        }
        Ok(())
    }
}
