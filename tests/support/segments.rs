//! Segments for one test.

use std::ops::Deref;
use std::time::Duration;

use portunus::shm::{Content, Name, Options, Segment};

/// A segment without a name.
pub(crate) fn segment<C: Content>(init: C::Init) -> Segment<C> {
    Segment::memfd(&Options::new().records(64), init).unwrap().0
}

/// A segment without a name, in which the first who waits looks after the dead
/// rarely: who is woken was woken by somebody.
pub(crate) fn rarely_looking<C: Content>(init: C::Init) -> Segment<C> {
    let options = Options::new().records(64).poll(Duration::from_secs(10));
    Segment::memfd(&options, init).unwrap().0
}

/// A segment whose name goes with it.
pub(crate) struct Own<C>(pub(crate) Segment<C>, pub(crate) Name);

impl<C: Content> Own<C> {
    pub(crate) fn new(init: C::Init) -> Self {
        let name = Name::random();
        Self(Segment::create(&name, &Options::new().records(128), init).unwrap(), name)
    }
}

impl<C> Deref for Own<C> {
    type Target = C;
    fn deref(&self) -> &C {
        &self.0
    }
}

impl<C> Drop for Own<C> {
    fn drop(&mut self) {
        Segment::unlink(&self.1).unwrap();
    }
}
