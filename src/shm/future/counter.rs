//! Awaiting a number that processes share.

use alloc::sync::Arc;
use core::future::poll_fn;
use core::task::{Poll, Waker};

use crate::atomic::{AtomicU64, Ordering};
use crate::counter::Counter as _;
use crate::shm::attach::Attachment;
use crate::shm::counter::Counter;
use crate::shm::tasks::{Seen, Tasks};

/// One of this process's tasks that watches a number; dropped, it does not any
/// more.
struct Watch<'a> {
    attachment: &'a Arc<Attachment>,
    id: u64,
}

impl<'a> Watch<'a> {
    fn new(attachment: &'a Arc<Attachment>) -> Self {
        static IDS: AtomicU64 = AtomicU64::new(0);
        // Ordering: Relaxed, only its being different counts.
        Self { attachment, id: IDS.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if self.attachment.is_ours() {
            self.attachment.tasks().unwatch(self.id);
        }
    }
}

impl Counter {
    /// Suspends the task until `done` says that the number is right, and says
    /// what it is.
    ///
    /// Otherwise as [`wait_until`](Self::wait_until). The first task that has to
    /// wait starts a thread, which ends when none waits.
    ///
    /// # Cancel safety
    ///
    /// Whenever it is dropped, nothing is left of it, and nothing was taken: it
    /// only looks.
    ///
    /// ```
    /// use portunus::shm::{Counter, Name, Options, Segment};
    ///
    /// # smol::block_on(async {
    /// let name = Name::random();
    /// let jobs: Segment<Counter> = Segment::create(&name, &Options::new(), 0)?;
    /// let worker = jobs.wait_until_async(|jobs| jobs >= 2);
    /// let other_process = async { jobs.add(2).unwrap() };
    /// assert_eq!(smol::future::zip(worker, other_process).await, (2, 2));
    /// # Segment::unlink(&name)?;
    /// # Ok::<(), portunus::shm::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn wait_until_async(&self, mut done: impl FnMut(u64) -> bool) -> u64 {
        let watch = Watch::new(self.attachment());
        poll_fn(|cx| self.poll_until(&mut done, watch.id, cx.waker())).await
    }

    fn poll_until(&self, done: &mut impl FnMut(u64) -> bool, id: u64, waker: &Waker) -> Poll<u64> {
        loop {
            let seen = self.seen();
            if done(seen.value) {
                return Poll::Ready(seen.value);
            }
            Tasks::watch(self.attachment(), id, seen, waker);
            // Who changes it after this look finds that we asked.
            if self.seen() == seen {
                return Poll::Pending;
            }
        }
    }

    fn seen(&self) -> Seen {
        // Ordering: as in a blocking wait: first the changes, then the value.
        let changes = self.changes().load(Ordering::SeqCst);
        Seen { at: self.at(), value: self.value(), changes }
    }
}
