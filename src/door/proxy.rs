//! Access that is decided at run time.

use core::error::Error;
use core::fmt;
use core::marker::PhantomData;
use core::ops::{BitAnd, BitOr, BitOrAssign};

use lock_api::{RawMutex, RawRwLock};

use super::{DoorGuard, DoorReadGuard, DoorWriteGuard};

/// What may be done with a resource: reading, writing, both, or nothing.
///
/// ```
/// use portunus::Permissions;
///
/// const BOTH: Permissions = Permissions::READ.union(Permissions::WRITE);
/// assert_eq!(BOTH, Permissions::READ | Permissions::WRITE);
/// assert!(BOTH.contains(Permissions::READ));
/// assert!(!Permissions::NONE.contains(Permissions::READ));
/// ```
#[doc(alias = "Proxy.Mode")]
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Permissions(u8);

impl Permissions {
    /// Neither reading nor writing.
    pub const NONE: Self = Self(0);
    /// Reading.
    pub const READ: Self = Self(1);
    /// Writing.
    pub const WRITE: Self = Self(2);
    /// Reading and writing.
    pub const BOTH: Self = Self(3);

    /// Whether all of `other` is there.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// What is in one or the other.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether neither reading nor writing is there.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for Permissions {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

impl BitOrAssign for Permissions {
    fn bitor_assign(&mut self, other: Self) {
        *self = self.union(other);
    }
}

impl BitAnd for Permissions {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        self.intersection(other)
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::NONE => "NONE",
            Self::READ => "READ",
            Self::WRITE => "WRITE",
            _ => "READ | WRITE",
        })
    }
}

/// An access that a [`Proxy`] refused.
///
/// [`Proxy::is_closed`] tells why: the permission was never given, or the proxy
/// is closed.
#[doc(alias = "ValueError")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccessError {
    /// Reading is not permitted now.
    NoReadPermission,
    /// Writing is not permitted now.
    NoWritePermission,
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoReadPermission => "no read permission",
            Self::NoWritePermission => "no write permission",
        })
    }
}

impl Error for AccessError {}

/// A borrowed resource, in the way in which it was borrowed.
#[derive(Debug)]
pub enum Borrowed<'a, T: ?Sized> {
    /// For reading.
    Shared(&'a T),
    /// For reading and writing.
    Exclusive(&'a mut T),
}

/// What a [`Proxy`] can stand before: something that leads to a resource.
///
/// Implemented by [`Borrowed`] and by the guards of doors.
pub trait Resource {
    /// The resource.
    type Target: ?Sized;

    /// Leads to the resource.
    fn shared(&self) -> &Self::Target;

    /// Lends the resource, exclusively where the way to it allows.
    fn lend(&mut self) -> Borrowed<'_, Self::Target>;
}

impl<T: ?Sized> Resource for Borrowed<'_, T> {
    type Target = T;

    fn shared(&self) -> &T {
        match self {
            Self::Shared(resource) => resource,
            Self::Exclusive(resource) => resource,
        }
    }

    fn lend(&mut self) -> Borrowed<'_, T> {
        match self {
            Self::Shared(resource) => Borrowed::Shared(resource),
            Self::Exclusive(resource) => Borrowed::Exclusive(resource),
        }
    }
}

impl<L: RawMutex, T: ?Sized, C> Resource for DoorGuard<'_, L, T, C> {
    type Target = T;

    fn shared(&self) -> &T {
        self
    }

    fn lend(&mut self) -> Borrowed<'_, T> {
        Borrowed::Exclusive(self)
    }
}

/// The guard of a [`SharedDoor`](super::SharedDoor), in the kind that was asked
/// for at run time.
pub enum SharedDoorGuard<'a, L: RawRwLock, T: ?Sized, C> {
    /// For reading.
    Read(DoorReadGuard<'a, L, T, C>),
    /// For reading and writing.
    Write(DoorWriteGuard<'a, L, T, C>),
}

impl<L: RawRwLock, T: ?Sized, C> Resource for SharedDoorGuard<'_, L, T, C> {
    type Target = T;

    fn shared(&self) -> &T {
        match self {
            Self::Read(guard) => guard,
            Self::Write(guard) => guard,
        }
    }

    fn lend(&mut self) -> Borrowed<'_, T> {
        match self {
            Self::Read(guard) => Borrowed::Shared(guard),
            Self::Write(guard) => Borrowed::Exclusive(guard),
        }
    }
}

impl<L: RawRwLock, T: ?Sized + fmt::Debug, C> fmt::Debug for SharedDoorGuard<'_, L, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared().fmt(f)
    }
}

/// Stands before a resource and gives the access that was permitted, while it
/// is open.
///
/// Where the kind of access is known when the program is written, a guard is
/// better: it does not compile what is forbidden. A proxy is for access that is
/// decided at run time, and refused with an [`AccessError`].
///
/// ```
/// use portunus::{AccessError, Permissions, Proxy};
///
/// let mut key = "value";
/// let mut proxy = Proxy::new(&mut key, Permissions::READ);
/// assert_eq!(proxy.get(), Ok(&"value"));
/// assert_eq!(proxy.get_mut(), Err(AccessError::NoWritePermission));
/// assert_eq!(AccessError::NoWritePermission.to_string(), "no write permission");
///
/// proxy.close();
/// assert_eq!(proxy.get(), Err(AccessError::NoReadPermission));
/// assert!(proxy.is_closed());
/// ```
///
/// A door's [`access`](super::Door::access) gives one that holds the door until
/// it is dropped:
///
/// ```
/// use portunus::{Permissions, spin::SharedDoor};
///
/// let door: SharedDoor<u32> = SharedDoor::new(1);
/// let both = Permissions::READ | Permissions::WRITE;
/// *door.access(both).get_mut()? += 1;
/// let (one, two) = (door.access(Permissions::READ), door.access(Permissions::READ));
/// assert_eq!(one, two);
/// # Ok::<(), portunus::AccessError>(())
/// ```
///
/// # Writing without reading
///
/// With [`Permissions::WRITE`] alone [`get`](Self::get) is refused and
/// [`get_mut`](Self::get_mut) is not, though what it gives can be read.
/// [`set`](Self::set) writes and reads nothing.
///
/// # Access that is over
///
/// What a proxy gives borrows it, so it can't be kept until after `close`:
///
/// ```compile_fail,E0502
/// use portunus::{Permissions, Proxy};
///
/// let mut resource = 1;
/// let mut proxy = Proxy::new(&mut resource, Permissions::READ);
/// let kept = proxy.get().unwrap();
/// proxy.close();
/// println!("{kept}");
/// ```
///
/// Used before, it compiles:
///
/// ```
/// use portunus::{Permissions, Proxy};
///
/// let mut resource = 1;
/// let mut proxy = Proxy::new(&mut resource, Permissions::READ);
/// let kept = proxy.get().unwrap();
/// println!("{kept}");
/// proxy.close();
/// ```
///
/// # Equality and `Debug`
///
/// They need no permission, and work on a closed proxy.
pub struct Proxy<'a, T: ?Sized, G = Borrowed<'a, T>> {
    guard: G,
    permissions: Permissions,
    open: bool,
    resource: PhantomData<fn() -> &'a T>,
}

impl<'a, T: ?Sized> Proxy<'a, T> {
    /// An open proxy before `resource`.
    pub fn new(resource: &'a mut T, permissions: Permissions) -> Self {
        Self::over(Borrowed::Exclusive(resource), permissions)
    }

    /// An open proxy before a resource that is only lent for reading: the
    /// permission to write is not given, whether it was asked for or not.
    pub fn shared(resource: &'a T, permissions: Permissions) -> Self {
        Self::over(Borrowed::Shared(resource), permissions & Permissions::READ)
    }
}

impl<'a, T: ?Sized, G: Resource<Target = T>> Proxy<'a, T, G> {
    /// An open proxy before what `guard` leads to.
    ///
    /// A guard that only reads gives no writing access, whatever is permitted.
    pub fn over(guard: G, permissions: Permissions) -> Self {
        Self { guard, permissions, open: true, resource: PhantomData }
    }

    /// The resource, for reading.
    ///
    /// # Errors
    ///
    /// [`AccessError::NoReadPermission`] without [`Permissions::READ`], or when
    /// the proxy is closed.
    #[doc(alias = "__getattr__")]
    pub fn get(&self) -> Result<&T, AccessError> {
        if self.grants(Permissions::READ) {
            Ok(self.guard.shared())
        } else {
            Err(AccessError::NoReadPermission)
        }
    }

    /// The resource, for writing.
    ///
    /// # Errors
    ///
    /// [`AccessError::NoWritePermission`] without [`Permissions::WRITE`], or
    /// when the proxy is closed, or when it leads to the resource for reading
    /// only.
    #[doc(alias = "__setattr__")]
    pub fn get_mut(&mut self) -> Result<&mut T, AccessError> {
        if !self.grants(Permissions::WRITE) {
            return Err(AccessError::NoWritePermission);
        }
        match self.guard.lend() {
            Borrowed::Exclusive(resource) => Ok(resource),
            Borrowed::Shared(_) => Err(AccessError::NoWritePermission),
        }
    }

    /// Replaces the resource, without reading it.
    ///
    /// # Errors
    ///
    /// As [`get_mut`](Self::get_mut); `value` is dropped then.
    pub fn set(&mut self, value: T) -> Result<(), AccessError>
    where
        T: Sized,
    {
        *self.get_mut()? = value;
        Ok(())
    }

    /// Lends a proxy with no more than these permissions and its own; from a
    /// closed one, with none.
    ///
    /// Whatever stands behind, it lends the same type.
    ///
    /// ```
    /// use portunus::{Permissions, Proxy, spin::Door};
    ///
    /// fn look(proxy: &Proxy<'_, u32>) -> Option<u32> {
    ///     proxy.get().ok().copied()
    /// }
    ///
    /// let door = Door::new(1);
    /// let mut inside = door.access(Permissions::BOTH);
    /// assert_eq!(look(&inside.narrowed(Permissions::READ)), Some(1));
    /// assert_eq!(look(&inside.narrowed(Permissions::NONE)), None);
    /// ```
    pub fn narrowed(&mut self, permissions: Permissions) -> Proxy<'_, T> {
        let own = if self.open { self.permissions } else { Permissions::NONE };
        Proxy {
            permissions: permissions & own,
            open: self.open,
            guard: self.guard.lend(),
            resource: PhantomData,
        }
    }

    /// Gives access again, as [permitted](Self::permissions). Nothing if it is
    /// open.
    #[doc(alias = "Proxy.open")]
    pub fn open(&mut self) {
        self.open = true;
    }

    /// Gives no access from now on. Nothing if it is closed.
    ///
    /// What it stands before is held until the proxy is dropped.
    #[doc(alias = "Proxy.close")]
    pub fn close(&mut self) {
        self.open = false;
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

    fn grants(&self, permission: Permissions) -> bool {
        self.open && self.permissions.contains(permission)
    }
}

/// Compares the resources; needs no permission.
impl<T, U, G, H> PartialEq<Proxy<'_, U, H>> for Proxy<'_, T, G>
where
    T: ?Sized + PartialEq<U>,
    U: ?Sized,
    G: Resource<Target = T>,
    H: Resource<Target = U>,
{
    fn eq(&self, other: &Proxy<'_, U, H>) -> bool {
        self.guard.shared() == other.guard.shared()
    }
}

impl<T: ?Sized + Eq, G: Resource<Target = T>> Eq for Proxy<'_, T, G> {}

/// Shows the resource; needs no permission.
impl<T: ?Sized + fmt::Debug, G: Resource<Target = T>> fmt::Debug for Proxy<'_, T, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("resource", &self.guard.shared())
            .field("permissions", &self.permissions)
            .field("closed", &self.is_closed())
            .finish()
    }
}
