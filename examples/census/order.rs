//! Whether somebody was overtaken.

use std::cmp::Reverse;

use portunus::Mode;

use super::log::Request;
use super::modes::{TableMode, conflict};

/// What [`check`] found.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// Pairs of requests in conflicting modes, the second made while the first
    /// stood in line.
    pub(crate) pairs: u64,
    /// Requests that were served before one that stood in line when they were
    /// made.
    pub(crate) overtaken: u64,
    /// Who was overtaken, and by whom: one of these pairs.
    pub(crate) example: Option<(Request, Request)>,
}

/// Looks at all pairs of requests in conflicting modes, the first seen in line
/// before the second asked. The first has to be served first: conflicting
/// holders are not inside together, so that the numbers they take while they
/// hold are in the order in which they were let in.
///
/// Sorts and sweeps, and never enumerates the pairs.
pub(crate) fn check(requests: &[Request]) -> Verdict {
    let (overtaken, example) = sweep(requests);
    Verdict { pairs: count_pairs(requests), overtaken, example }
}

/// How many pairs there are of which the first was in line, and not served,
/// when the second asked. Whoever was served before that can't be overtaken.
fn count_pairs(requests: &[Request]) -> u64 {
    let mut pairs = 0;
    for &mode in TableMode::ALL {
        let seen = || requests.iter().filter(|r| r.mode == mode && r.queued.is_some());
        let mut queued: Vec<u64> = seen().filter_map(|first| first.queued).collect();
        let mut served: Vec<u64> = seen().map(|first| first.served).collect();
        queued.sort_unstable();
        served.sort_unstable();
        for second in requests.iter().filter(|second| conflict(mode, second.mode)) {
            let before = |moments: &[u64]| moments.partition_point(|&at| at < second.asked);
            // Everybody was queued before being served.
            pairs += (before(&queued) - before(&served)) as u64;
        }
    }
    pairs
}

/// From the last served to the first: of those served later, the one queued
/// first, of each mode, must not have been in line when this one asked.
fn sweep(requests: &[Request]) -> (u64, Option<(Request, Request)>) {
    let mut by_served: Vec<&Request> = requests.iter().collect();
    by_served.sort_unstable_by_key(|request| Reverse(request.served));
    let mut later: [Option<(u64, &Request)>; TableMode::COUNT] = [None; TableMode::COUNT];
    let mut overtaken = 0;
    let mut example = None;
    for second in by_served {
        let first = TableMode::ALL
            .iter()
            .filter(|&&mode| conflict(mode, second.mode))
            .filter_map(|mode| later[mode.index()])
            .find(|&(queued, _)| queued < second.asked);
        if let Some((_, first)) = first {
            overtaken += 1;
            example = Some((*first, *second));
        }
        if let Some(queued) = second.queued {
            let earliest = &mut later[second.mode.index()];
            if earliest.is_none_or(|(other, _)| queued < other) {
                *earliest = Some((queued, second));
            }
        }
    }
    (overtaken, example)
}
