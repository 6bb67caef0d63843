//! Locks for main code, tasks and interrupt handlers together: the line is
//! guarded by the chip's critical section.
//!
//! The application chooses the critical section, as the crate
//! `critical-section` explains. A blocked caller spins.
//!
//! # Interrupts
//!
//! An interrupt handler may `try_…`, release, and poll or drop a future. It
//! must not block: the code that it interrupted could never go on.

use core::fmt;
use core::marker::PhantomData;

use ::spin::relax::RelaxStrategy;

use crate::backend::{Backend, family};
use crate::wait::critical::CriticalInner;
use crate::wait::relax::RelaxWait;

/// The backend with a critical section, relaxing by `R` while blocked.
pub struct Critical<R = ::spin::relax::Spin>(PhantomData<fn() -> R>);

impl<R: RelaxStrategy + 'static> Backend for Critical<R> {
    type Inner = CriticalInner;
    type Wait = RelaxWait<R>;
}

impl<R> fmt::Debug for Critical<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Critical")
    }
}

family!(Critical);
