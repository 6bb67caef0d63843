//! Barriers and guards that need a heap.

macro_rules! meeting_family {
    ($backend:ty $(, $own:ident)?) => {
        /// Lets parties through when all have come, once.
        pub type StatefulBarrier<T $(, $own)?> =
            crate::StatefulBarrier<T, $backend, crate::barrier::Heap>;
        /// Lets parties through each time that all have come.
        pub type CyclicBarrier<T $(, $own)?> = crate::CyclicBarrier<T, $backend>;
        /// One guard for each object.
        pub type UniqueResourceGuards<K $(, $own)?> = crate::UniqueResourceGuards<K, $backend>;
    };
}
pub(crate) use meeting_family;
