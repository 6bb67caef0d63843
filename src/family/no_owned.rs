//! No guards that keep their lock alive: they need a heap.

macro_rules! owned_family {
    ($backend:ty $(, $own:ident)?) => {};
}
pub(crate) use owned_family;
