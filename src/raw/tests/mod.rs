//! The engine's own tests: models of its interleavings, and the same code on
//! another environment.

#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

#[cfg(portunus_loom)]
mod models;
#[cfg(not(portunus_loom))]
mod table;
