//! All interleavings of two and three parties, explored by loom.
//!
//! Run with `RUSTFLAGS="--cfg portunus_loom" cargo test --release --lib models`.
//! [`faults::every_fault_is_seen`] runs the models again with each [`Fault`]
//! switched on, in a process of its own, and expects the model named beside it
//! to fail.
//!
//! [`Fault`]: crate::atomic::Fault

#![allow(unsafe_code)]

mod accessor;
mod asking;
mod barrier;
mod breaker;
mod cancel;
mod condition;
mod conversion;
mod faults;
mod futurelock;
mod limits;
mod ready;
mod rules;
mod shop;
mod threads;
