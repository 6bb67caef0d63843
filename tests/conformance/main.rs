//! The conformance suite: what the locks promise, written once and run for
//! every way of waiting, on every backend.
//!
//! | module | what it is about |
//! |---|---|
//! | [`fifo`] | order of service, with modes and rules of the user's own |
//! | [`primitives`] | the same of mutex, readers-writer lock and semaphore |
//! | [`preference`] | who goes first at a shared lock |
//! | [`load`] | many workers, nothing lost |
//! | [`tasks`] | what only tasks on an executor can show |
//! | [`cancel`] | requests that are given up, at each point of their life |
//! | [`condvar`] | condition variables: who is notified, and when it runs |
//! | [`overtaking`] | `try_…` and newcomers against the line |
//! | [`limits`] | counts that are full, weights, semaphores of nothing |
//! | [`resizing`], [`closing`] | semaphores whose permits change, and that end |
//! | [`timeouts`] | waits that end with the clock |
//! | [`panics`] | panics in the rule, in a waker, under a guard |
//! | [`wakers`] | wakers that use the lock, and wakers of unusual make |
//! | [`futurelock`], [`trades`] | two acquisitions of one task |
//! | [`futures`] | what every future promises |
//! | [`observe`] | statics, counts, `Debug` |
//! | [`misuse`] | releases that nobody may make |
//!
//! The first two are about *faces*, the others about backends, with futures
//! that the test polls by hand. A [face](faces::Face) is a way of waiting: a
//! blocked thread, one with a timeout, a task on an executor, or threads and
//! tasks in turn. The [driver](script::Script) tells parties to ask and to
//! leave, and looks after each step who is inside. A release hands over before
//! it returns; so the counts of the lock are right at once, and only for a
//! party to notice its turn the driver has to wait.
//!
//! A face also says which [kin](kin::Kin) of the locks: plain or observed, held
//! by reference or by what keeps them alive.

#![cfg(all(feature = "std", feature = "async", feature = "critical-section"))]
#![allow(missing_docs)]
#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc, clippy::alloc_instead_of_core)]
#![allow(clippy::await_holding_lock, reason = "a suspended task may hold these guards")]

#[macro_use]
#[path = "../support/mod.rs"]
mod support;
#[macro_use]
mod macros;

mod faces;
mod kin;
#[cfg(feature = "observe")]
mod observed;
mod raw;
mod rules;
mod script;
mod subject;

use support::{executor, watch};

mod cancel;
mod closing;
mod condvar;
mod fifo;
mod futurelock;
mod futures;
mod limits;
mod load;
mod misuse;
mod notify_all;
mod observe;
mod overtaking;
mod panics;
mod preference;
mod primitives;
mod resizing;
mod tasks;
mod timeouts;
mod trades;
mod wakers;
