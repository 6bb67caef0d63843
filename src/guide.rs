//! Pages that are no item's own.

#[doc = include_str!("docs/python.md")]
pub mod python {}

#[doc = include_str!("docs/unsafe.md")]
pub mod unsafe_code {}
