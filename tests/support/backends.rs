//! Backends, and tests of functions that are generic over them.

#![allow(unused_macros, reason = "each suite uses a part of it")]

use std::thread;

/// Lets other threads run: the machine may have one core.
pub(crate) struct Yield;

impl ::spin::relax::RelaxStrategy for Yield {
    fn relax() {
        thread::yield_now();
    }
}

pub(crate) type YieldingSpin = portunus::spin::Spinning<Yield>;
#[cfg(feature = "critical-section")]
pub(crate) type YieldingCritical = portunus::critical::Critical<Yield>;

/// A module for each type, in it a test for each function.
macro_rules! instantiate {
    (@module $module:ident, $type:ty, [$($test:ident),* $(,)?]) => {
        mod $module {
            $(
                #[test]
                fn $test() {
                    crate::support::watch::guarded(
                        concat!(module_path!(), "::", stringify!($test)),
                        super::$test::<$type>,
                    );
                }
            )*
        }
    };
    ({ $($module:ident: $type:ty),+ $(,)? } $tests:tt) => {
        $(instantiate!(@module $module, $type, $tests);)+
    };
}

/// On every backend, where futures are polled by hand or threads wait without
/// a driver.
macro_rules! on_backends {
    ($($test:ident),+ $(,)?) => {
        instantiate!({
            on_sync: portunus::sync::Threads,
            on_spin: crate::support::backends::YieldingSpin,
            on_critical: crate::support::backends::YieldingCritical,
        } [$($test),+]);
    };
}

/// On every executor.
macro_rules! on_executors {
    ($($test:ident),+ $(,)?) => {
        instantiate!({
            tokio_current_thread: crate::support::executor::TokioCurrent,
            tokio_multi_thread: crate::support::executor::TokioMulti,
            smol: crate::support::executor::Smol,
            queue: crate::support::executor::RunQueue,
        } [$($test),+]);
    };
}
