//! Waiting inside doors that processes share, with them let go, until somebody
//! notifies.

use core::time::Duration;
use std::time::Instant;

use super::any_handle::AnyHandle;
use super::condvar::SharedCondvarGuard;
use super::data::ShmType;
use super::door::{Door, DoorGuard, DoorReadGuard, DoorWriteGuard, SharedDoor};
use super::error::{Error, OwnerDied};
use super::frame::Frame;
use super::handle_door::{HandleDoor, HandleReadGuard, HandleWriteGuard, reading, writing};
use crate::condvar::WaitTimeoutResult;
use crate::rules::Preference;
use crate::wait::until::Until;
use crate::wait::{Forever, Left, Limit};

/// The guard again, or with the news of an owner's death.
type Waited<G> = Result<G, OwnerDied<G>>;
/// The same of a wait that may take too long.
type Timed<G> = Waited<(G, WaitTimeoutResult)>;

/// Adds notifying to doors and their guards.
macro_rules! notifying {
    ($([$($param:ident: $bound:ident)?] $name:ident <$($life:lifetime)?>, $($path:ident).+;)*) => {$(
        impl<T: ShmType $(, $param: $bound)?> $name<$($life,)? T $(, $param)?> {
            /// Notifies the one that has waited longest, of whichever kind.
            /// `false`: nobody did. It lets nothing go.
            #[doc(alias = "notify")]
            pub fn notify_one(&self) -> bool {
                self.$($path).+.notify_one()
            }

            /// Notifies all that wait now, and says how many. It lets nothing
            /// go.
            pub fn notify_all(&self) -> usize {
                self.$($path).+.notify_all()
            }
        }
    )*};
}

notifying! {
    [] Door<>, condvar;
    [P: Preference] SharedDoor<>, condvar;
    [] DoorGuard<'_>, door.condvar;
    [P: Preference] DoorReadGuard<'_>, door.condvar;
    [P: Preference] DoorWriteGuard<'_>, door.condvar;
}

/// Adds waiting to the guards of doors in a segment.
macro_rules! waiting {
    ($([$($param:ident: $bound:ident)?] $guard:ident [& $($mutable:ident)?];)*) => {$(
        impl<T: ShmType $(, $param: $bound)?> $guard<'_, T $(, $param)?> {
            /// Lets the door go, waits for a notification, and gives the guard
            /// back when it is inside again, in the same kind.
            ///
            /// It stands in line before the door is let go, so that no
            /// notification after that is missed. Wait for a condition, with
            /// [`wait_while`](Self::wait_while).
            ///
            /// # Errors
            ///
            /// [`OwnerDied`], with the guard inside.
            pub fn wait(self) -> Waited<Self> {
                let Self { inner, door } = self;
                let guard = |inner| Self { inner, door };
                door.condvar.wait(inner).map(guard).map_err(|died| died.map(guard))
            }

            /// As [`wait`](Self::wait), waiting for a notification no longer
            /// than `timeout`.
            ///
            /// The time limits the wait for the notification, not the one for
            /// the door that follows. It never ends early.
            ///
            /// # Errors
            ///
            /// As [`wait`](Self::wait).
            pub fn wait_for(self, timeout: Duration) -> Timed<Self> {
                let Self { inner, door } = self;
                let guard = |(inner, over)| (Self { inner, door }, over);
                let waited = door.condvar.wait_for(inner, timeout);
                waited.map(guard).map_err(|died| died.map(guard))
            }

            /// As [`wait_for`](Self::wait_for), no longer than until
            /// `deadline`.
            ///
            /// # Errors
            ///
            /// As [`wait`](Self::wait).
            pub fn wait_until(self, deadline: Instant) -> Timed<Self> {
                let Self { inner, door } = self;
                let guard = |(inner, over)| (Self { inner, door }, over);
                let waited = door.condvar.wait_until(inner, deadline);
                waited.map(guard).map_err(|died| died.map(guard))
            }

            /// Waits as long as `condition` holds: it is asked at once, and
            /// again after each notification, inside the door.
            ///
            /// # Errors
            ///
            /// As [`wait`](Self::wait), at once: what the condition would look
            /// at may be half changed.
            ///
            /// # Panics
            ///
            /// If `condition` does; the guard is dropped then.
            pub fn wait_while(
                mut self,
                mut condition: impl FnMut(&$($mutable)? T) -> bool,
            ) -> Waited<Self> {
                while condition(&$($mutable)? self) {
                    self = self.wait()?;
                }
                Ok(self)
            }

            /// As [`wait_while`](Self::wait_while), no longer than `timeout` in
            /// all.
            ///
            /// # Errors
            ///
            /// As [`wait_while`](Self::wait_while).
            pub fn wait_while_for(
                self,
                condition: impl FnMut(&$($mutable)? T) -> bool,
                timeout: Duration,
            ) -> Timed<Self> {
                let Some(deadline) = Instant::now().checked_add(timeout) else {
                    // Beyond the clock's range: no limit.
                    let with = |guard| (guard, WaitTimeoutResult::new(false));
                    return self.wait_while(condition).map(with).map_err(|died| died.map(with));
                };
                self.wait_while_until(condition, deadline)
            }

            /// As [`wait_while`](Self::wait_while), no longer than until
            /// `deadline`.
            ///
            /// # Errors
            ///
            /// As [`wait_while`](Self::wait_while).
            pub fn wait_while_until(
                mut self,
                mut condition: impl FnMut(&$($mutable)? T) -> bool,
                deadline: Instant,
            ) -> Timed<Self> {
                let mut timed_out = false;
                loop {
                    let holds = condition(&$($mutable)? self);
                    if !holds || timed_out {
                        return Ok((self, WaitTimeoutResult::new(holds)));
                    }
                    let (guard, over) = self.wait_until(deadline)?;
                    self = guard;
                    timed_out = over.timed_out();
                }
            }
        }
    )*};
}

waiting! {
    [] DoorGuard [&mut];
    [P: Preference] DoorReadGuard [&];
    [P: Preference] DoorWriteGuard [&mut];
}

impl<H: AnyHandle> HandleDoor<'_, H> {
    /// Notifies the one that has waited longest, of whichever kind. `false`:
    /// nobody did. It lets nothing go.
    pub fn notify_one(&self) -> bool {
        self.handle().frame().condvar().notify_one()
    }

    /// Notifies all that wait now, and says how many.
    pub fn notify_all(&self) -> usize {
        self.handle().frame().condvar().notify_all()
    }
}

/// Ends with a limit, or when a handle's value is removed.
struct WhileThere<'a, L>(&'a Frame, &'a L);

impl<L: Limit> Limit for WhileThere<'_, L> {
    fn left(&self) -> Left {
        if self.0.is_going() { Left::Nothing } else { self.1.left() }
    }
}

/// Waits inside a handle's door, no longer than its value is there. Whether that
/// was too long.
fn wait_inside<'a, G: SharedCondvarGuard<'a>>(
    frame: &Frame,
    inside: G,
    limit: &impl Limit,
) -> (Waited<G>, WaitTimeoutResult) {
    let (inside, notified) = frame.condvar().wait_limited(inside, &WhileThere(frame, limit));
    // One whose removal came to nothing has woken without a reason.
    let over = !notified && limit.left() == Left::Nothing;
    (inside, WaitTimeoutResult::new(over))
}

impl<H: AnyHandle> HandleReadGuard<'_, H> {
    /// Lets the door go, waits for a notification, and gives the guard back when
    /// it is inside again, with the value that is there then.
    ///
    /// # Errors
    ///
    /// Those of the handle's `get`, also when the value is unlinked while it
    /// waits; the door is let go then.
    pub fn wait(self) -> Result<Self, Error> {
        let (handle, inside) = self.leave();
        Self::new(handle, reading(wait_inside(handle.frame(), inside, &Forever).0))
    }

    /// As [`wait`](Self::wait), waiting for a notification no longer than
    /// `timeout`.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn wait_for(self, timeout: Duration) -> Result<(Self, WaitTimeoutResult), Error> {
        let (handle, inside) = self.leave();
        let (inside, over) = wait_inside(handle.frame(), inside, &Until::after(timeout));
        Ok((Self::new(handle, reading(inside))?, over))
    }

    /// Notifies the one that has waited longest, of whichever kind. `false`:
    /// nobody did. It lets nothing go.
    pub fn notify_one(&self) -> bool {
        self.handle().frame().condvar().notify_one()
    }

    /// Notifies all that wait now, and says how many. It lets nothing go.
    pub fn notify_all(&self) -> usize {
        self.handle().frame().condvar().notify_all()
    }
}

impl<H: AnyHandle> HandleWriteGuard<'_, H> {
    /// Writes the value back, lets the door go, waits for a notification, and
    /// gives the guard back when it is inside again, with the value that is
    /// there then.
    ///
    /// # Errors
    ///
    /// Those of the handle's `get` and `set`, also when the value is unlinked
    /// while it waits; the door is let go then.
    pub fn wait(self) -> Result<Self, Error> {
        let (handle, inside) = self.leave()?;
        Self::new(handle, writing(wait_inside(handle.frame(), inside, &Forever).0))
    }

    /// As [`wait`](Self::wait), waiting for a notification no longer than
    /// `timeout`.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn wait_for(self, timeout: Duration) -> Result<(Self, WaitTimeoutResult), Error> {
        let (handle, inside) = self.leave()?;
        let (inside, over) = wait_inside(handle.frame(), inside, &Until::after(timeout));
        Ok((Self::new(handle, writing(inside))?, over))
    }

    /// Writes the value back, and notifies the one that has waited longest, of
    /// whichever kind. `false`: nobody did. It stays inside, with the value that
    /// is there then.
    ///
    /// # Errors
    ///
    /// Those of the handle's `get` and `set`; nobody is notified if it can't be
    /// written back.
    pub fn notify_one(&mut self) -> Result<bool, Error> {
        self.write_back()?;
        let notified = self.handle().frame().condvar().notify_one();
        self.refresh()?;
        Ok(notified)
    }

    /// As [`notify_one`](Self::notify_one), of all that wait now; it says how
    /// many.
    ///
    /// # Errors
    ///
    /// As [`notify_one`](Self::notify_one).
    pub fn notify_all(&mut self) -> Result<usize, Error> {
        self.write_back()?;
        let notified = self.handle().frame().condvar().notify_all();
        self.refresh()?;
        Ok(notified)
    }
}

/// Adds waiting for a condition to the guards of a handle's door.
macro_rules! waiting_while {
    ($($guard:ident [& $($mutable:ident)?];)*) => {$(
        impl<H: AnyHandle> $guard<'_, H> {
            /// Waits as long as `condition` holds: it is asked at once, and
            /// again after each notification, inside the door.
            ///
            /// # Errors
            ///
            /// As [`wait`](Self::wait).
            pub fn wait_while(
                mut self,
                mut condition: impl FnMut(&$($mutable)? H::Value) -> bool,
            ) -> Result<Self, Error> {
                while condition(&$($mutable)? self) {
                    self = self.wait()?;
                }
                Ok(self)
            }
        }
    )*};
}

waiting_while! { HandleReadGuard [&]; HandleWriteGuard [&mut]; }
