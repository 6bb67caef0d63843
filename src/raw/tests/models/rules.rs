//! Rules with weights, and a rule that panics.

use std::boxed::Box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::vec::Vec;

use loom::thread;

use super::shop::{LOCK, Party, Shop, explore, join, task, this_thread};
use crate::raw::mode::{Held, PerMode, Rules, UNLIMITED};
use crate::wait::node::{NO_MODE, Request};

crate::modes! { enum Load { Load } }

struct Scales;

impl Rules for Scales {
    type Mode = Load;
    const LIMITS: PerMode<usize> = PerMode::all(2);
    const WEIGHTED: bool = true;

    fn admits(&self, _: Load, _: &Held<Load>) -> bool {
        true
    }
}

#[test]
fn weights() {
    const HEAVY: Request = Request { mode: 0, from: NO_MODE, weight: 2 };
    explore(Some(3), || {
        let shop = Shop::new(Scales);
        let other = shop.clone();
        let heavy = thread::spawn(move || other.with(HEAVY, Shop::write));
        let other = shop.clone();
        let light = thread::spawn(move || {
            other.with(LOCK, |shop| {
                shop.read();
            });
        });
        shop.with(LOCK, |shop| {
            shop.read();
        });
        join(Vec::from([heavy, light]));
        shop.check(1);
    });
}

crate::modes! { enum Temper { Calm, Wild } }

/// Lets the calm in beside the calm; asked for the wild one, it panics.
struct Temperament;

impl Rules for Temperament {
    type Mode = Temper;
    const LIMITS: PerMode<usize> = PerMode::all(UNLIMITED);

    fn admits(&self, mode: Temper, held: &Held<Temper>) -> bool {
        if mode == Temper::Wild && held.is_empty() {
            std::panic::panic_any("wild");
        }
        mode == Temper::Calm && held[Temper::Calm] == 0
    }
}

#[test]
fn a_panicking_predicate() {
    const CALM: Request = Request { mode: 0, from: NO_MODE, weight: 1 };
    const WILD: Request = Request { mode: 1, from: NO_MODE, weight: 1 };
    let caught = |f: &mut dyn FnMut()| catch_unwind(AssertUnwindSafe(f)).is_err();
    std::panic::set_hook(Box::new(|info| {
        if info.payload().downcast_ref::<&str>() != Some(&"wild") {
            std::eprintln!("{info}");
        }
    }));
    explore(Some(3), move || {
        let shop = Shop::new(Temperament);
        let mine = shop.acquire(CALM);
        let wild = Party::new(WILD);
        let waker = task();
        assert_eq!(wild.poll(&shop, &waker), None);
        let other = shop.clone();
        let behind = thread::spawn(move || {
            let lined = Party::new(CALM).wait(&other, &this_thread());
            other.write();
            // The wild one may stand in line again, and be judged here.
            caught(&mut || other.lock.release(CALM, lined));
        });
        // Judging the wild one panics here; we have left all the same.
        assert!(caught(&mut || shop.lock.release(CALM, mine)), "the wild one is first");
        // It asks anew; when nobody is inside, it panics in its own call.
        // Whoever stood behind it goes on, whichever way it leaves.
        caught(&mut || {
            wild.poll(&shop, &waker);
        });
        wild.cancel(&shop);
        join(Vec::from([behind]));
        shop.check(1);
    });
}
