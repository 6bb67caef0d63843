//! No barriers of any size and no interned guards: they need a heap.

macro_rules! meeting_family {
    ($backend:ty $(, $own:ident)?) => {};
}
pub(crate) use meeting_family;
