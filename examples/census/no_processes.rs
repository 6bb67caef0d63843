//! Where processes can't share a table.

use std::ffi::OsString;

use super::args::Options;
use super::work::{Outcome, Step};

const WHY: &str = "--processes needs Linux and the feature `shm`";

/// What became of the children.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fates {
    pub(crate) children: usize,
    pub(crate) killed: usize,
    pub(crate) put_back: usize,
    pub(crate) undone: usize,
}

pub(crate) fn run(
    _: &[&str],
    _: &Options,
    _: impl FnMut(Step<'_>),
) -> Result<(Outcome, Fates, Vec<String>), String> {
    Err(WHY.to_owned())
}

pub(crate) fn child(_: &OsString, _: usize) -> Result<(), String> {
    Err(WHY.to_owned())
}
