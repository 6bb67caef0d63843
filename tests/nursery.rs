//! Nurseries: the order in which everything ends, outcomes, failures, and who
//! may stop whom; polled by hand, on a deterministic executor, tokio and smol.

#![cfg(all(feature = "std", feature = "async"))]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

#[path = "nursery/basics.rs"]
mod basics;
#[path = "nursery/common.rs"]
mod common;
#[path = "nursery/executors.rs"]
mod executors;
#[path = "nursery/failures.rs"]
mod failures;
#[path = "nursery/local.rs"]
mod local;
#[path = "nursery/order.rs"]
mod order;
mod support;
