//! How long each kind of request waited.

use std::time::Duration;

use super::log::{Face, Request};
use super::modes::TableMode;

/// The requests of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waits {
    pub(crate) face: Face,
    pub(crate) mode: TableMode,
    pub(crate) requests: usize,
    /// `None` if there was no request.
    pub(crate) times: Option<Times>,
}

/// What is told of many times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) median: Duration,
    /// Ninety-nine of a hundred waited no longer.
    pub(crate) p99: Duration,
    pub(crate) longest: Duration,
}

/// All kinds of requests.
pub(crate) fn by_kind(requests: &[Request], faces: &[Face], modes: &[TableMode]) -> Vec<Waits> {
    let mut kinds = Vec::new();
    for &face in faces {
        for &mode in modes {
            let kind = requests.iter().filter(|r| r.face == face && r.mode == mode);
            let waited: Vec<Duration> = kind.map(|request| request.waited).collect();
            kinds.push(Waits { face, mode, requests: waited.len(), times: times(waited) });
        }
    }
    kinds
}

/// Median, 99th percentile and maximum.
pub(crate) fn times(mut all: Vec<Duration>) -> Option<Times> {
    all.sort_unstable();
    let longest = *all.last()?;
    // The smallest that so many percent don't exceed.
    let percentile = |percent: usize| all[(all.len() * percent).div_ceil(100) - 1];
    Some(Times { median: percentile(50), p99: percentile(99), longest })
}

/// A time with three digits and its unit.
pub(crate) fn show(time: Duration) -> String {
    let nanos = time.as_nanos();
    if nanos < 1000 {
        return format!("{nanos} ns");
    }
    let mut value = nanos as f64 / 1e3;
    let mut unit = "\u{b5}s";
    for larger in ["ms", "s"] {
        // What would be shown as 1000 belongs to the next unit.
        if value < 999.5 {
            break;
        }
        value /= 1e3;
        unit = larger;
    }
    let decimals = if value < 9.995 {
        2
    } else if value < 99.95 {
        1
    } else {
        0
    };
    format!("{value:.decimals$} {unit}")
}
