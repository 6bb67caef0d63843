//! Changing how many units of a lock's first mode are never given out.
//!
//! The number stands in the lock's `BASE`: what the word is with nobody inside.
//! It is changed under the guard, in this order:
//!
//! | step | died after it, what there is | what the next repair does |
//! |---|---|---|
//! | `BASE` is stored | the word as it was | counts anew, from the new `BASE` |
//! | the word is changed | both are right | counts anew, and finds the same |
//! | requests that can't be served any more leave the line, one by one | some in line | the first in line takes the rest out at its next look |
//! | whoever fits now enters | some in line | the same |
//!
//! A request for so many units at once, or for an error, is told from one that
//! waits for whatever comes: [`NO_MODE_OR_NEVER`].

use super::env::{G, Section};
use super::fault::{Point, point};
use super::format::lock;
use super::line;
use super::raw::RawShmLock;
use super::record::MAX_WEIGHT;
use crate::atomic::Ordering;
use crate::raw::engine::{self, Env};
use crate::raw::mode::Rules;
use crate::wait::node::{NO_MODE_OR_NEVER, Request};

impl<R: Rules> RawShmLock<R> {
    /// From now on so many units of the first mode are never given out.
    pub(super) fn withhold(&self, units: u64) {
        let after = units << G::<R>::shift(0);
        self.settle(|s, batch| {
            let base = self.attachment().map().u64(self.at() + lock::BASE);
            // Ordering: Relaxed, under the guard; elsewhere a snapshot.
            let before = base.load(Ordering::Relaxed);
            base.store(after, Ordering::Relaxed);
            point(Point::Resized);
            // Ordering: Relaxed, no units pass from one to another by this.
            if after >= before {
                self.word().fetch_add(after - before, Ordering::Relaxed);
            } else {
                self.word().fetch_sub(before - after, Ordering::Relaxed);
            }
            point(Point::Reweighed);
            self.refuse_impossible(s);
            !s.is_stopped() && engine::grant(s, 0, 0, batch)
        });
    }

    /// Whether this is a request for an error that can't be served.
    pub(super) fn refuses(&self, request: Request) -> bool {
        if !R::WEIGHTED || request.from != NO_MODE_OR_NEVER {
            return false;
        }
        // Ordering: Relaxed, under the guard; elsewhere a snapshot.
        let base = self.attachment().map().u64(self.at() + lock::BASE).load(Ordering::Relaxed);
        request.weight > MAX_WEIGHT || G::<R>::judge(self.rules(), base, request).is_none()
    }

    /// Sends those away who can't be served any more.
    pub(super) fn refuse_impossible(&self, s: &mut Section<'_, R>) {
        if !R::WEIGHTED {
            return;
        }
        for lane in 0..G::<R>::LANES {
            let Some((mut at, last)) = s.ends(lane) else { continue };
            // Memory that others may have spoilt has no endless list.
            for _ in 0..self.attachment().tables().records {
                let next = if at == last { last } else { s.next(at) };
                if self.refuses(s.request(at)) {
                    if s.unlink(lane, at) {
                        s.tell_first(lane);
                    }
                    point(Point::Refusing);
                    let _ = s.evicted(at);
                    line::wake(self.attachment(), at);
                }
                if at == last {
                    break;
                }
                at = next;
            }
            if s.ends(lane).is_none() {
                // Ordering: Relaxed, a lane's bit carries no data.
                self.word().fetch_and(!G::<R>::bit(lane), Ordering::Relaxed);
            }
        }
    }
}
