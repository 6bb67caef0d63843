//! What a segment holds.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::attach::Attachment;
use super::error::Error;
use super::format::Plan;
use super::map::Map;

/// What a [`Segment`](super::Segment) can hold: this crate's shared
/// primitives, and tuples and arrays of them.
///
/// A value of such a type is a process's handle on the thing in the segment;
/// the thing itself is reached through it only. Both sides have to name the
/// same type, or opening is [`Error::Layout`].
pub trait Content: Sized {
    /// What it is made of when the segment is created.
    type Init;

    /// Says what it needs.
    #[doc(hidden)]
    fn plan(plan: &mut Plan);

    /// Says what this one needs: what all of the type do, and perhaps something
    /// behind it.
    #[doc(hidden)]
    fn plan_for(_: &Self::Init, plan: &mut Plan) {
        Self::plan(plan);
    }

    /// Writes it into a segment that nobody else sees.
    #[doc(hidden)]
    fn create(site: &mut Site<'_>, init: &Self::Init) -> Result<(), Error>;

    /// Finds it in a segment.
    #[doc(hidden)]
    fn open(site: &mut Site<'_>) -> Result<Self, Error>;
}

/// The objects of a segment, one after the other.
#[derive(Debug)]
pub struct Site<'a> {
    attachment: &'a Arc<Attachment>,
    next: usize,
}

impl<'a> Site<'a> {
    pub(super) fn new(attachment: &'a Arc<Attachment>) -> Self {
        Self { attachment, next: 0 }
    }

    pub(super) fn attachment(&self) -> &'a Arc<Attachment> {
        self.attachment
    }

    pub(super) fn map(&self) -> &'a Map {
        self.attachment.map()
    }

    /// The same place, to look at what comes later.
    pub(super) fn ahead(&self) -> Self {
        Self { attachment: self.attachment, next: self.next }
    }

    /// Leaves out the next object.
    pub(super) fn skip(&mut self) {
        self.next += 1;
    }

    /// The place of the next object, which must be such a one.
    pub(super) fn next(&mut self, kind: u32, len: u64) -> Result<u64, Error> {
        let corrupt = |what, found, wanted| Err(Error::Corrupt { what, found, wanted });
        let Some(object) = self.attachment.objects().get(self.next) else {
            return corrupt("number of objects", self.next as u64, self.next as u64 + 1);
        };
        if object.kind != kind {
            return corrupt("kind of an object", object.kind.into(), kind.into());
        }
        if object.len != len {
            return corrupt("length of an object", object.len, len);
        }
        self.next += 1;
        Ok(object.at)
    }

    /// The place and the length of the next object, if it is such a one.
    #[allow(dead_code, reason = "of the feature `serde`")]
    pub(super) fn next_if(&mut self, kind: u32) -> Option<(u64, u64)> {
        let object = self.attachment.objects().get(self.next).filter(|next| next.kind == kind)?;
        self.next += 1;
        Some((object.at, object.len))
    }
}

/// Nothing.
impl Content for () {
    type Init = ();

    fn plan(_: &mut Plan) {}

    fn create(_: &mut Site<'_>, (): &()) -> Result<(), Error> {
        Ok(())
    }

    fn open(_: &mut Site<'_>) -> Result<Self, Error> {
        Ok(())
    }
}

macro_rules! tuples {
    ($(($($content:ident $at:tt),+))*) => {$(
        /// Several things, one after the other.
        impl<$($content: Content),+> Content for ($($content,)+) {
            type Init = ($($content::Init,)+);

            fn plan(plan: &mut Plan) {
                $($content::plan(plan);)+
            }

            fn create(site: &mut Site<'_>, init: &Self::Init) -> Result<(), Error> {
                $($content::create(site, &init.$at)?;)+
                Ok(())
            }

            fn open(site: &mut Site<'_>) -> Result<Self, Error> {
                Ok(($($content::open(site)?,)+))
            }
        }
    )*};
}

tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
}

/// The same several times.
impl<C: Content, const N: usize> Content for [C; N] {
    type Init = [C::Init; N];

    fn plan(plan: &mut Plan) {
        plan.fingerprint.number(N as u64);
        for _ in 0..N {
            C::plan(plan);
        }
    }

    fn create(site: &mut Site<'_>, init: &Self::Init) -> Result<(), Error> {
        init.iter().try_for_each(|init| C::create(site, init))
    }

    fn open(site: &mut Site<'_>) -> Result<Self, Error> {
        let all = (0..N).map(|_| C::open(site)).collect::<Result<Vec<_>, _>>()?;
        all.try_into().map_err(|_: Vec<C>| unreachable!("as many as were asked for"))
    }
}
