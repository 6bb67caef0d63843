//! The locks that a [script](crate::script) can be played on.

use std::error::Error;
use std::fmt::Debug;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use portunus::future::AcquireHold;
use portunus::prelude::*;
use portunus::rules::{Preference, SharedMode};
use portunus::{Backend, ClosableSemaphore, FifoLock, Mode, RawMutex, RawRwLock, Rules, Semaphore};

use crate::raw;
use crate::script::{Outcome, Party};
use crate::support::Hand;

/// A visit of a task: it enters, stays, leaves.
pub(crate) type Visit<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// A lock, as the driver sees it.
pub(crate) trait Subject: Send + Sync + 'static {
    /// What a party asks for.
    type Ask: Copy + Debug + Send + 'static;

    /// Which count it goes to.
    fn kind(ask: Self::Ask) -> usize;

    /// How much of it.
    fn units(_: Self::Ask) -> usize {
        1
    }

    /// Enters, blocking, and stays.
    fn visit(&self, ask: Self::Ask, party: &Party) -> Outcome;

    /// The same, waiting no longer than that: then it is cancelled.
    fn visit_for(&self, ask: Self::Ask, limit: Duration, party: &Party) -> Outcome;

    /// The same for a task.
    fn visit_async<'a>(&'a self, ask: Self::Ask, party: &'a Party) -> Visit<'a>;

    /// How many units of this kind are held.
    fn held(&self, ask: Self::Ask) -> usize;

    /// How many wait.
    fn in_line(&self) -> usize;
}

/// A lock that is held by what keeps it alive.
pub(crate) struct Owned<L>(Arc<L>);

impl<L> Owned<L> {
    pub(crate) fn new(lock: L) -> Self {
        Self(Arc::new(lock))
    }
}

impl<L> Deref for Owned<L> {
    type Target = Arc<L>;

    fn deref(&self) -> &Arc<L> {
        &self.0
    }
}

/// A [`FifoLock`] or one of its kin, by these methods.
macro_rules! fifo_subject {
    ($lock:ty, $acquire:ident, $acquire_for:ident, $acquire_async:ident) => {
        impl<R: Rules + Send + Sync + 'static, B: Backend> Subject for $lock {
            type Ask = R::Mode;

            fn kind(mode: R::Mode) -> usize {
                Mode::index(mode)
            }

            fn visit(&self, mode: R::Mode, party: &Party) -> Outcome {
                party.stay(self.$acquire(mode))
            }

            fn visit_for(&self, mode: R::Mode, limit: Duration, party: &Party) -> Outcome {
                match self.$acquire_for(mode, limit) {
                    Some(hold) => party.stay(hold),
                    None => Outcome::Cancelled,
                }
            }

            fn visit_async<'a>(&'a self, mode: R::Mode, party: &'a Party) -> Visit<'a> {
                Box::pin(async move { party.stay_async(self.$acquire_async(mode).await).await })
            }

            fn held(&self, mode: R::Mode) -> usize {
                self.holders(mode)
            }

            fn in_line(&self) -> usize {
                self.waiting()
            }
        }
    };
}

/// A mutex or one of its kin.
macro_rules! mutex_subject {
    ($mutex:ty, $waiting:path, $lock:ident, $try_lock_for:ident, $lock_async:ident) => {
        impl<B: Backend> Subject for $mutex {
            type Ask = ();

            fn kind((): ()) -> usize {
                0
            }

            fn visit(&self, (): (), party: &Party) -> Outcome {
                party.stay(self.$lock())
            }

            fn visit_for(&self, (): (), limit: Duration, party: &Party) -> Outcome {
                match self.$try_lock_for(limit) {
                    Some(guard) => party.stay(guard),
                    None => Outcome::Cancelled,
                }
            }

            fn visit_async<'a>(&'a self, (): (), party: &'a Party) -> Visit<'a> {
                Box::pin(async move { party.stay_async(self.$lock_async().await).await })
            }

            fn held(&self, (): ()) -> usize {
                usize::from(self.is_locked())
            }

            fn in_line(&self) -> usize {
                $waiting(self).waiting()
            }
        }
    };
}

/// What is asked of a readers-writer lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    Read,
    Write,
}

/// A readers-writer lock or one of its kin.
macro_rules! rwlock_subject {
    ($rwlock:ty, $raw:path, $read:ident, $try_read_for:ident, $read_async:ident,
     $write:ident, $try_write_for:ident, $write_async:ident) => {
        impl<P: Preference, B: Backend> Subject for $rwlock {
            type Ask = Want;

            fn kind(want: Want) -> usize {
                want as usize
            }

            fn visit(&self, want: Want, party: &Party) -> Outcome {
                match want {
                    Want::Read => party.stay(self.$read()),
                    Want::Write => party.stay(self.$write()),
                }
            }

            fn visit_for(&self, want: Want, limit: Duration, party: &Party) -> Outcome {
                let outcome = match want {
                    Want::Read => self.$try_read_for(limit).map(|guard| party.stay(guard)),
                    Want::Write => self.$try_write_for(limit).map(|guard| party.stay(guard)),
                };
                outcome.unwrap_or(Outcome::Cancelled)
            }

            fn visit_async<'a>(&'a self, want: Want, party: &'a Party) -> Visit<'a> {
                match want {
                    Want::Read => {
                        Box::pin(async move { party.stay_async(self.$read_async().await).await })
                    }
                    Want::Write => {
                        Box::pin(async move { party.stay_async(self.$write_async().await).await })
                    }
                }
            }

            fn held(&self, want: Want) -> usize {
                $raw(self).holders(match want {
                    Want::Read => SharedMode::Read,
                    Want::Write => SharedMode::Write,
                })
            }

            fn in_line(&self) -> usize {
                $raw(self).waiting()
            }
        }
    };
}

/// What the scripts do to a semaphore and ask it.
pub(crate) trait Permits {
    fn resize(&self, permits: usize);
    fn add(&self, permits: usize);
    fn remove(&self, permits: usize) -> usize;
    fn close(&self);
    fn is_closed(&self) -> bool;
    fn permits(&self) -> usize;
    fn available_permits(&self) -> usize;
}

/// A semaphore or one of its kin, asked for a number of permits, which it has to
/// have.
macro_rules! semaphore_subject {
    ($semaphore:ty, $acquire_many:ident, $acquire_many_for:ident, $acquire_many_async:ident) => {
        impl<B: Backend> Subject for $semaphore {
            type Ask = u32;

            fn kind(_: u32) -> usize {
                0
            }

            fn units(count: u32) -> usize {
                count as usize
            }

            fn visit(&self, count: u32, party: &Party) -> Outcome {
                party.stay(self.$acquire_many(count).expect("there are so many"))
            }

            fn visit_for(&self, count: u32, limit: Duration, party: &Party) -> Outcome {
                match self.$acquire_many_for(count, limit).expect("there are so many") {
                    Some(permit) => party.stay(permit),
                    None => Outcome::Cancelled,
                }
            }

            fn visit_async<'a>(&'a self, count: u32, party: &'a Party) -> Visit<'a> {
                Box::pin(async move {
                    let permit = self.$acquire_many_async(count).await.expect("there are so many");
                    party.stay_async(permit).await
                })
            }

            fn held(&self, _: u32) -> usize {
                Permits::permits(self) - Permits::available_permits(self)
            }

            fn in_line(&self) -> usize {
                self.waiting()
            }
        }
    };
}

/// What is asked of a semaphore that may refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    /// One, also where there is none.
    One,
    /// So many, or none where there are fewer.
    Many(u32),
}

/// The outcome of a request that was served, whose time was over, or that was
/// refused.
pub(crate) fn ended<E: Error, P>(result: Result<Option<P>, E>, party: &Party) -> Outcome {
    match result {
        Ok(Some(permit)) => party.stay(permit),
        Ok(None) => Outcome::Cancelled,
        Err(error) => Outcome::Refused(error.to_string()),
    }
}

/// Parties are told when they are refused. While more is taken than there is,
/// [`held`](Subject::held) can't tell how much.
macro_rules! closable_subject {
    ($semaphore:ty, $acquire:ident, $acquire_for:ident, $acquire_async:ident,
     $acquire_many:ident, $acquire_many_for:ident, $acquire_many_async:ident) => {
        impl<B: Backend> Subject for $semaphore {
            type Ask = Count;

            fn kind(_: Count) -> usize {
                0
            }

            fn units(count: Count) -> usize {
                match count {
                    Count::One => 1,
                    Count::Many(count) => count as usize,
                }
            }

            fn visit(&self, count: Count, party: &Party) -> Outcome {
                match count {
                    Count::One => ended(self.$acquire().map(Some), party),
                    Count::Many(count) => ended(self.$acquire_many(count).map(Some), party),
                }
            }

            fn visit_for(&self, count: Count, limit: Duration, party: &Party) -> Outcome {
                match count {
                    Count::One => ended(self.$acquire_for(limit), party),
                    Count::Many(count) => ended(self.$acquire_many_for(count, limit), party),
                }
            }

            fn visit_async<'a>(&'a self, count: Count, party: &'a Party) -> Visit<'a> {
                Box::pin(async move {
                    let permit = match count {
                        Count::One => {
                            self.$acquire_async().await.map_err(|error| error.to_string())
                        }
                        Count::Many(count) => {
                            let permit = self.$acquire_many_async(count).await;
                            permit.map_err(|error| error.to_string())
                        }
                    };
                    match permit {
                        Ok(permit) => party.stay_async(permit).await,
                        Err(error) => Outcome::Refused(error),
                    }
                })
            }

            fn held(&self, _: Count) -> usize {
                Permits::permits(self) - Permits::available_permits(self)
            }

            fn in_line(&self) -> usize {
                self.waiting()
            }
        }
    };
}

/// What the scripts do to these semaphores, and ask them.
macro_rules! permits {
    ($($semaphore:ident)::+) => {
        impl<B: Backend> Permits for $($semaphore)::+<B> {
            fn resize(&self, permits: usize) {
                self.resize(permits).expect("so many can be");
            }

            fn add(&self, permits: usize) {
                self.add_permits(permits).expect("so many can be");
            }

            fn remove(&self, permits: usize) -> usize {
                self.remove_permits(permits)
            }

            fn close(&self) {
                self.close();
            }

            fn is_closed(&self) -> bool {
                self.is_closed()
            }

            fn permits(&self) -> usize {
                self.permits()
            }

            fn available_permits(&self) -> usize {
                self.available_permits()
            }
        }
    };
}

/// Makes subjects of the locks with these names, held by reference and by what
/// keeps them alive.
macro_rules! subjects {
    ($mutex:path, $rwlock:path) => {
        /// A mutex over a number.
        pub(crate) type Mutex<B> = lock_api::Mutex<RawMutex<B>, u64>;

        /// A readers-writer lock over a number.
        pub(crate) type RwLock<P, B> = lock_api::RwLock<RawRwLock<P, B>, u64>;

        crate::subject::fifo_subject!(FifoLock<R, B>, acquire, acquire_for, acquire_async);
        crate::subject::fifo_subject!(Owned<FifoLock<R, B>>, acquire_owned, acquire_owned_for, acquire_owned_async);

        crate::subject::mutex_subject!(Mutex<B>, $mutex, lock, try_lock_for, lock_async);
        crate::subject::mutex_subject!(Owned<Mutex<B>>, $mutex, lock_arc, try_lock_arc_for, lock_arc_async);

        crate::subject::rwlock_subject!(
            RwLock<P, B>, $rwlock, read, try_read_for, read_async, write, try_write_for, write_async
        );
        crate::subject::rwlock_subject!(
            Owned<RwLock<P, B>>,
            $rwlock,
            read_arc,
            try_read_arc_for,
            read_arc_async,
            write_arc,
            try_write_arc_for,
            write_arc_async
        );

        crate::subject::semaphore_subject!(Semaphore<B>, acquire_many, acquire_many_for, acquire_many_async);
        crate::subject::semaphore_subject!(
            Owned<Semaphore<B>>,
            acquire_many_owned,
            acquire_many_owned_for,
            acquire_many_owned_async
        );

        crate::subject::closable_subject!(
            ClosableSemaphore<B>,
            acquire,
            acquire_for,
            acquire_async,
            acquire_many,
            acquire_many_for,
            acquire_many_async
        );
        crate::subject::closable_subject!(
            Owned<ClosableSemaphore<B>>,
            acquire_owned,
            acquire_owned_for,
            acquire_owned_async,
            acquire_many_owned,
            acquire_many_owned_for,
            acquire_many_owned_async
        );

        crate::subject::permits!(Semaphore);
        crate::subject::permits!(ClosableSemaphore);
    };
}
pub(crate) use {
    closable_subject, fifo_subject, mutex_subject, permits, rwlock_subject, semaphore_subject,
    subjects,
};

subjects!(raw::mutex, raw::rwlock);

impl<S: Permits> Permits for Owned<S> {
    fn resize(&self, permits: usize) {
        S::resize(self, permits);
    }

    fn add(&self, permits: usize) {
        S::add(self, permits);
    }

    fn remove(&self, permits: usize) -> usize {
        S::remove(self, permits)
    }

    fn close(&self) {
        S::close(self);
    }

    fn is_closed(&self) -> bool {
        S::is_closed(self)
    }

    fn permits(&self) -> usize {
        S::permits(self)
    }

    fn available_permits(&self) -> usize {
        S::available_permits(self)
    }
}

/// Requests that stand in line, in this order, each of a task.
#[track_caller]
pub(crate) fn lined_up<'a, R: Rules, B: Backend, const N: usize>(
    lock: &'a FifoLock<R, B>,
    asks: [(&Hand, R::Mode); N],
) -> [Pin<Box<AcquireHold<'a, R, B>>>; N] {
    asks.map(|(hand, mode)| {
        let mut request = Box::pin(lock.acquire_async(mode));
        assert!(hand.poll(&mut request).is_pending());
        request
    })
}

/// The same of requests that came while somebody was inside, who has left: those
/// who can be are granted, and nobody is polled yet.
#[track_caller]
pub(crate) fn granted<'a, R: Rules, B: Backend, const N: usize>(
    lock: &'a FifoLock<R, B>,
    left: R::Mode,
    asks: [(&Hand, R::Mode); N],
) -> [Pin<Box<AcquireHold<'a, R, B>>>; N] {
    let hold = lock.acquire(left);
    let requests = lined_up(lock, asks);
    drop(hold);
    requests
}
