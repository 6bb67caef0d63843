//! No guards that keep their lock alive: they need a heap.

macro_rules! owned_family {
    ($backend:ty $(, $own:ident)?) => {};
}
pub(crate) use owned_family;

#[allow(unused_macros, reason = "of observed locks")]
macro_rules! observed_owned_family {
    ($backend:ty) => {};
}
#[allow(unused_imports, reason = "of observed locks")]
pub(crate) use observed_owned_family;
