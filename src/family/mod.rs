//! The names that each backend exports only with certain features: empty where
//! these are off.

#[cfg(all(feature = "alloc", target_has_atomic = "ptr", not(all(test, portunus_loom))))]
#[path = "registry.rs"]
mod registry;
#[cfg(not(all(feature = "alloc", target_has_atomic = "ptr", not(all(test, portunus_loom)))))]
#[path = "no_registry.rs"]
mod registry;

#[cfg(all(
    feature = "alloc",
    feature = "async",
    target_has_atomic = "ptr",
    not(all(test, portunus_loom))
))]
#[path = "nursery.rs"]
mod nursery;
#[cfg(not(all(
    feature = "alloc",
    feature = "async",
    target_has_atomic = "ptr",
    not(all(test, portunus_loom))
)))]
#[path = "no_nursery.rs"]
mod nursery;

pub(crate) use nursery::nursery_family;
pub(crate) use registry::registry_family;

#[cfg(all(feature = "alloc", target_has_atomic = "ptr", not(all(test, portunus_loom))))]
#[path = "meeting.rs"]
mod meeting;
#[cfg(not(all(feature = "alloc", target_has_atomic = "ptr", not(all(test, portunus_loom)))))]
#[path = "no_meeting.rs"]
mod meeting;

pub(crate) use meeting::meeting_family;

#[cfg(all(feature = "alloc", target_has_atomic = "ptr", not(all(test, portunus_loom))))]
#[path = "owned.rs"]
mod owned;
#[cfg(not(all(feature = "alloc", target_has_atomic = "ptr", not(all(test, portunus_loom)))))]
#[path = "no_owned.rs"]
mod owned;

#[cfg(all(feature = "alloc", target_has_atomic = "ptr", not(all(test, portunus_loom))))]
pub(crate) use owned::arc_guard_family;
#[allow(unused_imports, reason = "of observed locks, and with a heap")]
pub(crate) use owned::{observed_owned_family, owned_family};
