//! Four harts at what only looks like locks: it has to be noticed.

#![no_std]
#![no_main]

#[path = "unlocked.rs"]
mod gates;
mod harts;
