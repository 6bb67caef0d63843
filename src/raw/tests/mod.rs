//! The engine's own tests: models of its interleavings, and the same code on
//! another environment.

#[cfg(portunus_loom)]
mod models;
#[cfg(not(portunus_loom))]
mod table;
