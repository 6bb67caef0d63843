//! Nurseries.

macro_rules! nursery_family {
    ($backend:ty $(, $own:ident)?) => {
        /// Tasks that don't outlive what started them; see
        /// [`Nursery`](crate::Nursery).
        pub type Nursery<'env, E $(, $own)?> = crate::Nursery<'env, E, $backend>;
        /// What the body and the tasks of a [`Nursery`] have of it.
        pub type Handle<'env, E $(, $own)?> = crate::nursery::Handle<'env, E, $backend>;
        /// A [`Nursery`] whose tasks stay in one thread, and need not be `Send`.
        pub type LocalNursery<'env, E $(, $own)?> =
            crate::nursery::LocalNursery<'env, E, $backend>;
        /// What the body and the tasks of a [`LocalNursery`] have of it.
        pub type LocalHandle<'env, E $(, $own)?> =
            crate::nursery::LocalHandle<'env, E, $backend>;
        /// A task of a [`Nursery`].
        pub type Task<T, E $(, $own)?> = crate::nursery::Task<T, E, $backend>;
        /// What a task of a [`Nursery`] may ask about itself.
        pub type TaskContext<$($own)?> = crate::nursery::TaskContext<$backend>;
        /// What a registry holds of a [`Nursery`].
        pub type NurseryInfo<$($own)?> = crate::nursery::NurseryInfo<$backend>;
        /// Stops a [`Nursery`] from anywhere.
        pub type Sentinel<$($own)?> = crate::nursery::Sentinel<$backend>;
    };
}
pub(crate) use nursery_family;
