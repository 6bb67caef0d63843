//! Access to a handle's value that is decided at run time.

use core::fmt;

use super::any_handle::AnyHandle;
use super::error::Error;
use super::handle_door::Inside;
use crate::door::{AccessError, Permissions, Proxy};

/// Stands before a handle's value and gives the access that was permitted, to a
/// copy: it is read when the proxy opens, and written back when it closes, if
/// writing was permitted.
///
/// ```
/// use portunus::Permissions;
/// use portunus::shm::{Error, Handle, HandleProxy};
///
/// let handle = Handle::new(1)?;
/// let mut proxy = HandleProxy::new(&handle, Permissions::BOTH)?;
/// proxy.set(9).unwrap();
/// assert_eq!(handle.get()?, 1);
/// proxy.close()?;
/// assert_eq!(handle.get()?, 9);
/// assert!(proxy.get().is_err());
/// # drop(proxy);
/// # handle.unlink()?;
/// # Ok::<(), Error>(())
/// ```
///
/// Dropped, it closes; an error of that is lost, so close what matters.
///
/// # Alone or inside a door
///
/// By itself it holds nothing: others may set the value meanwhile, and what is
/// written back replaces that. One that came from a door, by
/// [`HandleDoor::access`](super::HandleDoor::access), is inside that door until it
/// is dropped.
///
/// # Equality and `Debug`
///
/// They need no permission, and work on a closed proxy.
#[doc(alias = "Proxy")]
pub struct HandleProxy<'h, H: AnyHandle> {
    handle: &'h H,
    value: H::Value,
    permissions: Permissions,
    open: bool,
    inside: Option<Inside<'h>>,
}

impl<'h, H: AnyHandle> HandleProxy<'h, H> {
    /// An open proxy.
    ///
    /// # Errors
    ///
    /// Those of the handle's `get`.
    pub fn new(handle: &'h H, permissions: Permissions) -> Result<Self, Error> {
        Self::over(handle, permissions, None)
    }

    pub(super) fn over(
        handle: &'h H,
        permissions: Permissions,
        inside: Option<Inside<'h>>,
    ) -> Result<Self, Error> {
        Ok(Self { handle, value: handle.load()?, permissions, open: true, inside })
    }

    /// The value, for reading.
    ///
    /// # Errors
    ///
    /// [`AccessError::NoReadPermission`] without [`Permissions::READ`], or when
    /// the proxy is closed.
    #[doc(alias = "__getattr__")]
    pub fn get(&self) -> Result<&H::Value, AccessError> {
        if self.grants(Permissions::READ) {
            Ok(&self.value)
        } else {
            Err(AccessError::NoReadPermission)
        }
    }

    /// The value, for writing.
    ///
    /// # Errors
    ///
    /// [`AccessError::NoWritePermission`] without [`Permissions::WRITE`], or
    /// when the proxy is closed.
    #[doc(alias = "__setattr__")]
    pub fn get_mut(&mut self) -> Result<&mut H::Value, AccessError> {
        if self.grants(Permissions::WRITE) {
            Ok(&mut self.value)
        } else {
            Err(AccessError::NoWritePermission)
        }
    }

    /// Replaces the proxy's copy of the value.
    ///
    /// # Errors
    ///
    /// As [`get_mut`](Self::get_mut); `value` is dropped then.
    pub fn set(&mut self, value: H::Value) -> Result<(), AccessError> {
        *self.get_mut()? = value;
        Ok(())
    }

    /// Lends a proxy before the same copy, with no more than these permissions
    /// and its own; from a closed one, with none.
    ///
    /// What is changed through it is written back when this one closes.
    pub fn narrowed(&mut self, permissions: Permissions) -> Proxy<'_, H::Value> {
        let own = if self.open { self.permissions } else { Permissions::NONE };
        let mut lent = Proxy::new(&mut self.value, permissions & own);
        if !self.open {
            lent.close();
        }
        lent
    }

    /// Reads the value anew, and gives access to that. What was not written back
    /// is lost.
    ///
    /// # Errors
    ///
    /// Those of the handle's `get`; it is as it was then.
    #[doc(alias = "Proxy.open")]
    pub fn open(&mut self) -> Result<(), Error> {
        self.value = self.handle.load()?;
        self.open = true;
        Ok(())
    }

    /// Writes the value back, if writing was permitted, and gives no access from
    /// now on. Nothing if it is closed.
    ///
    /// # Errors
    ///
    /// Those of the handle's `set`; it is open then.
    #[doc(alias = "Proxy.close")]
    pub fn close(&mut self) -> Result<(), Error> {
        if self.open && self.permissions.contains(Permissions::WRITE) {
            self.handle.store(&self.value)?;
        }
        self.open = false;
        Ok(())
    }

    /// Whether it is closed. After a refusal: `true`, that is why; `false`, the
    /// permission was not given.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        !self.open
    }

    /// What may be done while it is open.
    #[doc(alias = "mode")]
    pub fn permissions(&self) -> Permissions {
        self.permissions
    }

    /// The handle whose value it stands before.
    pub fn handle(&self) -> &'h H {
        self.handle
    }

    fn grants(&self, permission: Permissions) -> bool {
        self.open && self.permissions.contains(permission)
    }
}

impl<H: AnyHandle> Drop for HandleProxy<'_, H> {
    fn drop(&mut self) {
        // Before the door is let go. There is nobody to tell.
        let _ = self.close();
        self.inside = None;
    }
}

/// Compares the values; needs no permission.
impl<H, I> PartialEq<HandleProxy<'_, I>> for HandleProxy<'_, H>
where
    H: AnyHandle,
    I: AnyHandle,
    H::Value: PartialEq<I::Value>,
{
    fn eq(&self, other: &HandleProxy<'_, I>) -> bool {
        self.value == other.value
    }
}

impl<H: AnyHandle> Eq for HandleProxy<'_, H> where H::Value: Eq {}

/// Shows the value; needs no permission.
impl<H: AnyHandle> fmt::Debug for HandleProxy<'_, H>
where
    H::Value: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandleProxy")
            .field("value", &self.value)
            .field("permissions", &self.permissions)
            .field("closed", &self.is_closed())
            .finish()
    }
}
