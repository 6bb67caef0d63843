//! Four harts at the locks of the backend `spin`.

#![no_std]
#![no_main]

#[path = "real.rs"]
mod gates;
mod harts;
