//! Doors: access, refusal of access, and letting go for a while; over the locks
//! of every backend, over parking_lot's, and over a spin lock of this test.
//!
//! | module | what it is about |
//! |---|---|
//! | [`access`] | entering, in every way; what a door is besides |
//! | [`proxy`] | access that is decided at run time |
//! | [`owned`] | guards that keep their door alive, and guards of a part |
//! | [`cancel`] | awaited access that is given up, at each point of its life |
//! | [`load`] | many workers, nothing lost |
//! | [`upgradable`] | readers that become writers, and the other way round |
//! | [`releasing`] | guards that let go for a while |
//! | [`waiting`] | waits inside, and notifications |
//! | [`giving_up`] | awaited waits that are given up, at each point of their life |
//! | [`counter`] | counts |
//!
//! What must not compile stands beside the items, as examples.

#![cfg(all(feature = "std", feature = "async", feature = "critical-section"))]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]
#![allow(unsafe_code, reason = "a raw lock is written here")]
#![allow(clippy::await_holding_lock, reason = "a suspended task may hold these guards")]

#[macro_use]
#[path = "../support/mod.rs"]
mod support;
#[macro_use]
mod over;

mod foreign;

use support::executor;

mod access;
mod cancel;
mod counter;
mod giving_up;
mod load;
mod owned;
mod proxy;
mod releasing;
mod upgradable;
mod waiting;
