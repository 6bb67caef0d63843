//! Registries.

macro_rules! registry_family {
    ($backend:ty $(, $own:ident)?) => {
        /// Values by key, held weakly; see [`Registry`](crate::Registry).
        pub type Registry<K, T $(, $own)?> = crate::Registry<K, T, $backend>;
        /// A value's place in a [`Registry`].
        pub type Registration<'r, K, T $(, $own)?> = crate::registry::Registration<'r, K, T, $backend>;
    };
}
pub(crate) use registry_family;
