//! Makes tests of functions that are generic over a face.

/// On every face, and on some with the locks' other kin; those of `cancelling` only where a queued request can be
/// taken back.
macro_rules! on_faces {
    (all: [$($all:ident),* $(,)?], cancelling: [$($cancelling:ident),* $(,)?] $(,)?) => {
        instantiate!({
            threads_on_sync: crate::faces::Blocking<portunus::sync::Threads>,
            threads_on_spin: crate::faces::Blocking<crate::faces::YieldingSpin>,
            threads_on_critical: crate::faces::Blocking<crate::faces::YieldingCritical>,
        } [$($all),*]);
        instantiate!({
            timed_threads_on_sync: crate::faces::Timed<portunus::sync::Threads>,
            timed_threads_on_spin: crate::faces::Timed<crate::faces::YieldingSpin>,
            timed_threads_on_critical: crate::faces::Timed<crate::faces::YieldingCritical>,
            tokio_current_thread:
                crate::faces::Tasks<crate::executor::TokioCurrent, portunus::sync::Threads>,
            tokio_multi_thread:
                crate::faces::Tasks<crate::executor::TokioMulti, portunus::sync::Threads>,
            smol: crate::faces::Tasks<crate::executor::Smol, portunus::sync::Threads>,
            queue_on_sync: crate::faces::Tasks<crate::executor::RunQueue, portunus::sync::Threads>,
            queue_on_spin: crate::faces::Tasks<crate::executor::RunQueue, portunus::spin::Spinning>,
            queue_on_critical:
                crate::faces::Tasks<crate::executor::RunQueue, portunus::critical::Critical>,
            mixed_on_sync: crate::faces::Mixed<crate::executor::Smol, portunus::sync::Threads>,
            mixed_on_critical:
                crate::faces::Mixed<crate::executor::RunQueue, crate::faces::YieldingCritical>,
            timed_threads_kept: crate::faces::Of<
                crate::kin::Kept, crate::faces::Timed<portunus::sync::Threads>>,
            queue_kept: crate::faces::Of<
                crate::kin::Kept,
                crate::faces::Tasks<crate::executor::RunQueue, portunus::sync::Threads>>,
        } [$($all,)* $($cancelling),*]);
        #[cfg(feature = "observe")]
        instantiate!({
            threads_observed: crate::faces::Of<
                crate::observed::Observed, crate::faces::Blocking<portunus::sync::Threads>>,
            threads_observed_kept: crate::faces::Of<
                crate::observed::ObservedKept, crate::faces::Blocking<portunus::sync::Threads>>,
        } [$($all),*]);
        #[cfg(feature = "observe")]
        instantiate!({
            timed_threads_observed: crate::faces::Of<
                crate::observed::Observed, crate::faces::Timed<portunus::sync::Threads>>,
            timed_threads_observed_kept: crate::faces::Of<
                crate::observed::ObservedKept, crate::faces::Timed<portunus::sync::Threads>>,
            queue_observed: crate::faces::Of<
                crate::observed::Observed,
                crate::faces::Tasks<crate::executor::RunQueue, portunus::sync::Threads>>,
            queue_observed_kept: crate::faces::Of<
                crate::observed::ObservedKept,
                crate::faces::Tasks<crate::executor::RunQueue, portunus::sync::Threads>>,
            mixed_observed_kept: crate::faces::Of<
                crate::observed::ObservedKept,
                crate::faces::Mixed<crate::executor::RunQueue, crate::faces::YieldingCritical>>,
        } [$($all,)* $($cancelling),*]);
    };
}
