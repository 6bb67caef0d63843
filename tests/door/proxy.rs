//! Access that is decided at run time.

use portunus::sync;
use portunus::{AccessError, Permissions, Proxy};

use crate::over::{Door, Over, SharedDoor, SharedOver};

const READ: Permissions = Permissions::READ;
const WRITE: Permissions = Permissions::WRITE;
const BOTH: Permissions = READ.union(WRITE);
const NONE: Permissions = Permissions::NONE;

const NO_READ: Option<AccessError> = Some(AccessError::NoReadPermission);
const NO_WRITE: Option<AccessError> = Some(AccessError::NoWritePermission);

/// What reading and writing is refused with.
type Refused = (Option<AccessError>, Option<AccessError>);

fn refused<G>(proxy: &mut Proxy<'_, u32, G>) -> Refused
where
    G: portunus::door::Resource<Target = u32>,
{
    (proxy.get().err(), proxy.get_mut().err())
}

/// What each permission has to be refused.
const TABLE: [(Permissions, Refused); 4] = [
    (READ, (None, NO_WRITE)),
    (WRITE, (NO_READ, None)),
    (BOTH, (None, None)),
    (NONE, (NO_READ, NO_WRITE)),
];

#[test]
fn each_mode_gives_what_it_says() {
    for (permissions, expected) in TABLE {
        let mut resource = 1;
        let mut proxy = Proxy::new(&mut resource, permissions);
        assert_eq!(refused(&mut proxy), expected, "{permissions:?}");
        assert_eq!(proxy.permissions(), permissions);
        assert!(!proxy.is_closed());

        proxy.close();
        assert_eq!(refused(&mut proxy), (NO_READ, NO_WRITE), "{permissions:?}, closed");
        assert!(proxy.is_closed());
        assert_eq!(proxy.permissions(), permissions);

        proxy.open();
        assert_eq!(refused(&mut proxy), expected, "{permissions:?}, opened again");
    }
}

fn a_shared_door_gives_what_was_asked<O: SharedOver>() {
    for (permissions, expected) in TABLE {
        let door = SharedDoor::<O, u32>::new(1);
        let mut proxy = door.access(permissions);
        assert_eq!(refused(&mut proxy), expected, "{permissions:?}");
        // It takes no more than it needs.
        assert_eq!(door.try_read().is_none(), permissions.contains(WRITE), "{permissions:?}");
        assert!(door.try_write().is_none());
        proxy.close();
        proxy.close();
        assert_eq!(refused(&mut proxy), (NO_READ, NO_WRITE));
        // Closed, it still holds: what it holds ends with its scope.
        assert!(door.try_write().is_none());
        drop(proxy);
        assert!(!door.is_locked());
    }
}

fn a_door_gives_what_was_asked<O: Over>() {
    for (permissions, expected) in TABLE {
        let door = Door::<O, u32>::new(1);
        let mut proxy = door.access(permissions);
        assert_eq!(refused(&mut proxy), expected, "{permissions:?}");
        assert!(door.try_enter().is_none());
        assert!(door.try_access(NONE).is_none());
        drop(proxy);
        let mut proxy = door.try_access(permissions).expect("nobody is inside");
        proxy.close();
        proxy.close();
        assert_eq!(refused(&mut proxy), (NO_READ, NO_WRITE));
        drop(proxy);
        assert!(!door.is_locked());
    }
}

over_mutexes!(a_door_gives_what_was_asked);
over_shared_locks!(a_shared_door_gives_what_was_asked);

/// T-UTIL 1: a method that was fetched before the end fails after it. In Rust
/// it takes the proxy, and asks when it is called.
#[test]
fn permission_is_asked_when_a_method_runs() {
    struct Resource(&'static str);
    impl Resource {
        fn key(proxy: &Proxy<'_, Self>) -> Result<&'static str, AccessError> {
            Ok(proxy.get()?.0)
        }
        fn set_key(proxy: &mut Proxy<'_, Self>, key: &'static str) -> Result<(), AccessError> {
            proxy.get_mut()?.0 = key;
            Ok(())
        }
    }
    let mut resource = Resource("value");
    let (key, set_key) = (Resource::key, Resource::set_key);
    let mut proxy = Proxy::new(&mut resource, READ);
    assert_eq!(key(&proxy), Ok("value"));
    assert_eq!(set_key(&mut proxy, "VALUE"), Err(AccessError::NoWritePermission));
    proxy.close();
    assert_eq!(key(&proxy), Err(AccessError::NoReadPermission));

    let mut proxy = Proxy::new(&mut resource, BOTH);
    assert_eq!(set_key(&mut proxy, "VALUE"), Ok(()));
    assert_eq!(key(&proxy), Ok("VALUE"));
    proxy.close();
    assert_eq!(key(&proxy), Err(AccessError::NoReadPermission));
    assert_eq!(set_key(&mut proxy, "value"), Err(AccessError::NoWritePermission));
    assert_eq!(resource.0, "VALUE");
}

/// T-UTIL 2: where the original can't use a bare list, a proxy gives the list.
#[test]
fn a_bare_list_can_be_used() {
    let mut list = vec![1];
    let mut proxy = Proxy::new(&mut list, BOTH);
    proxy.get_mut().expect("permitted").push(2);
    assert_eq!(proxy.get().map(Vec::len), Ok(2));
}

#[test]
fn refusals_speak_as_the_original_does() {
    assert_eq!(AccessError::NoReadPermission.to_string(), "no read permission");
    assert_eq!(AccessError::NoWritePermission.to_string(), "no write permission");
    fn is_an_error<E: std::error::Error + Copy + PartialEq + Send + Sync + 'static>() {}
    is_an_error::<AccessError>();
}

#[test]
fn a_refused_value_changes_nothing() {
    let mut resource = 1;
    let mut proxy = Proxy::new(&mut resource, READ);
    assert_eq!(proxy.set(2), Err(AccessError::NoWritePermission));
    let mut proxy = Proxy::new(&mut resource, WRITE);
    assert_eq!(proxy.set(3), Ok(()));
    proxy.close();
    assert_eq!(proxy.set(4), Err(AccessError::NoWritePermission));
    assert_eq!(resource, 3);
}

#[test]
fn equality_and_debug_need_no_permission() {
    let (mut one, mut two, mut other) = (1, 1, 2);
    let mut a = Proxy::new(&mut one, NONE);
    let b = Proxy::new(&mut two, READ);
    let c = Proxy::new(&mut other, BOTH);
    assert_eq!(a, b);
    assert_ne!(a, c);
    a.close();
    assert_eq!(a, b);
    let text = format!("{a:?}");
    assert!(text.contains("resource: 1") && text.contains("closed: true"), "{text}");

    let door: sync::SharedDoor<u32> = sync::SharedDoor::new(1);
    assert_eq!(door.access(NONE), b);
}

/// Nothing that only reads ever gives a `&mut`, whatever is said.
#[test]
fn what_is_lent_for_reading_is_never_written() {
    let resource = 1;
    let mut proxy = Proxy::shared(&resource, BOTH);
    assert_eq!(refused(&mut proxy), (None, NO_WRITE));
    assert_eq!(proxy.permissions(), READ);

    // A read guard with every permission, which `access` never makes.
    let door: sync::SharedDoor<u32> = sync::SharedDoor::new(1);
    let guard = portunus::door::SharedDoorGuard::Read(door.read());
    let mut proxy = Proxy::over(guard, BOTH);
    assert_eq!(refused(&mut proxy), (None, NO_WRITE));
    assert_eq!(refused(&mut proxy.narrowed(BOTH)), (None, NO_WRITE));

    let door = sync::ReentrantDoor::new(1);
    assert_eq!(refused(&mut door.access(BOTH)), (None, NO_WRITE));
}

#[test]
fn what_is_lent_has_no_more_than_the_lender() {
    for (own, _) in TABLE {
        for (asked, _) in TABLE {
            let mut resource = 1;
            let mut proxy = Proxy::new(&mut resource, own);
            let (_, expected) = TABLE[match own & asked {
                READ => 0,
                WRITE => 1,
                BOTH => 2,
                _ => 3,
            }];
            assert_eq!(refused(&mut proxy.narrowed(asked)), expected, "{own:?} & {asked:?}");
            proxy.close();
            let mut lent = proxy.narrowed(asked);
            assert!(lent.is_closed());
            lent.open();
            assert_eq!(refused(&mut lent), (NO_READ, NO_WRITE), "opened behind a closed one");
        }
    }
}

#[test]
fn permissions_are_flags() {
    assert_eq!(READ | WRITE, BOTH);
    assert_eq!(BOTH, Permissions::BOTH);
    assert_eq!(BOTH & READ, READ);
    assert_eq!(READ & WRITE, NONE);
    assert!(BOTH.contains(READ) && BOTH.contains(NONE) && !READ.contains(BOTH));
    assert!(NONE.is_none() && !READ.is_none());
    assert_eq!(Permissions::default(), NONE);
    let mut permissions = READ;
    permissions |= WRITE;
    assert_eq!(format!("{permissions:?}, {NONE:?}, {WRITE:?}"), "READ | WRITE, NONE, WRITE");
}

#[test]
fn access_can_be_awaited() {
    smol::block_on(async {
        for (permissions, expected) in TABLE {
            let door = sync::Door::new(1);
            assert_eq!(refused(&mut door.access_async(permissions).await), expected);
            let door: sync::SharedDoor<u32> = sync::SharedDoor::new(1);
            let mut proxy = door.access_async(permissions).await;
            assert_eq!(refused(&mut proxy), expected);
            assert_eq!(door.try_read().is_none(), permissions.contains(WRITE));
        }
    });
}
