//! No nurseries: they need a heap, and futures.

macro_rules! nursery_family {
    ($backend:ty $(, $own:ident)?) => {};
}
pub(crate) use nursery_family;
