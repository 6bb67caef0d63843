//! No registries: they need a heap.

macro_rules! registry_family {
    ($backend:ty $(, $own:ident)?) => {};
}
pub(crate) use registry_family;
