//! The clock of a probe that names none: the operating system's.

pub(super) use crate::clock::StdClock as Standard;
