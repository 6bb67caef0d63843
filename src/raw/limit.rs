//! Requests that could never be served: taken out of the line, and told so.
//!
//! | transition | step on the word | where | then |
//! |---|---|---|---|
//! | [`refuse`] | `grant(leave, bits of the lanes that are empty now)` | inner lock | unlink, mark before; wake after the inner lock |
//!
//! Limits move under the inner lock only, and a request is judged by them
//! under that lock before it stands in line. So whoever stands in line after a
//! [`refuse`] could be served by the limits as they are.

use super::engine::{Env, GeometryOf};
use super::grant::{close_lane, grant};
use super::word::Shape;
use crate::atomic::{Fault, Word};
use crate::wait::batch::{BATCH, Batch};
use crate::wait::node::{Refusal, Request};

/// An environment whose limits move.
pub(crate) trait Refusing: Env {
    /// Why this request could never be served by the limits as they are.
    fn refusal(&self, request: Request) -> Option<Refusal>;

    /// The waiter is out of the line without units, and owes nothing. It may
    /// be gone after this.
    fn refused(&mut self, id: Self::Id, why: Refusal) -> Option<Self::Wake>;
}

/// Ends the requests in line that could never be served, and lets out what
/// leaves and in whoever may enter now. `true`: there may be more than one
/// batch of either.
pub(crate) fn refuse<E: Refusing>(
    env: &mut E,
    leave: <E::Shape as Shape>::Word,
    refused: &mut Batch<E::Wake>,
    batch: &mut Batch<E::Wake>,
) -> bool {
    let mut clear = <E::Shape as Shape>::Word::ZERO;
    let mut ended = 0;
    for lane in 0..GeometryOf::<E>::LANES {
        let Some((first, last)) = env.ends(lane) else { continue };
        let mut at = Some(first);
        let mut first_left = false;
        while let Some(id) = at
            && ended < BATCH
        {
            at = if id == last { None } else { Some(env.next(id)) };
            let request = env.request(id);
            // A conversion is inside: it goes when its hold does.
            if request.is_conversion() {
                continue;
            }
            let Some(why) = env.refusal(request) else { continue };
            first_left |= env.unlink(lane, id);
            if let Some(wake) = env.refused(id, why) {
                refused.push(wake);
            }
            ended += 1;
        }
        if first_left {
            let bit = close_lane(env, lane);
            if !Fault::RefuseKeepsBit.on() {
                clear = clear | bit;
            }
        }
    }
    let more = ended == BATCH;
    if Fault::RefuseWithoutGrant.on() {
        return more;
    }
    grant(env, leave, clear, batch) | more
}
