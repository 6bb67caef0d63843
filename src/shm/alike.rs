//! What a rule does, as numbers: two rules that admit alike are alike.
//!
//! A rule has no name that is the same in two programs; so its constants, the
//! names of its modes, and its answers about up to two holders of each mode
//! are what is compared.

use super::env::G;
use super::format::Fingerprint;
use crate::raw::mode::{Held, Mode, Rules};

/// What is known of a rule without having one.
pub(super) fn describe<R: Rules>(to: &mut Fingerprint) {
    let modes = <R::Mode as Mode>::ALL;
    to.number(modes.len() as u64);
    for (i, &mode) in modes.iter().enumerate() {
        to.text(&std::format!("{mode:?}"));
        to.number(G::<R>::limit(i) as u64);
        to.number(G::<R>::shift(i).into());
        to.number(R::LANES.get(i).into());
    }
    to.number(u64::from(R::WEIGHTED) | u64::from(R::CONVERTS) << 1);
}

/// What a rule answers.
pub(super) fn answers<R: Rules>(rules: &R) -> u64 {
    let mut to = Fingerprint::new();
    let modes = <R::Mode as Mode>::ALL;
    for &mode in modes {
        to.number(rules.changes(mode).into());
        to.number(rules.admits(mode, &Held::new()).into());
        for &first in modes {
            for count in [1, 2] {
                let held = Held::new().with(first, count);
                to.number(rules.admits(mode, &held).into());
                for &second in modes.iter().take_while(|mode| mode.index() < first.index()) {
                    to.number(rules.admits(mode, &held.with(second, 1)).into());
                }
            }
        }
    }
    to.get()
}
