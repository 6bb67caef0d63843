use portunus::prelude::*;
use portunus::rules::*;
use portunus::sync::{FifoLock, Mutex, RwLock, Semaphore};
use std::sync::Arc;
#[test]
fn smoke() {
    static L: FifoLock<ReadWrite> = FifoLock::new(ReadWrite);
    static M: Mutex<u64> = Mutex::new(0);
    let rw = Arc::new(RwLock::<u64>::new(0));
    let sem = Arc::new(Semaphore::new(3));
    println!("{:?} {:?}", L, sem);
    std::thread::scope(|s| {
        for t in 0..4 {
            let (rw, sem) = (rw.clone(), sem.clone());
            s.spawn(move || {
                for i in 0..10000 {
                    let h = L.acquire(if i % 3 == 0 { Access::Write } else { Access::Read });
                    drop(h);
                    *M.lock() += 1;
                    if i % 5 == 0 {
                        *rw.write() += 1
                    } else {
                        std::hint::black_box(*rw.read());
                    }
                    drop(sem.acquire());
                    smol::block_on(async {
                        *M.lock_async().await += 1;
                        *rw.write_async().await += 1;
                        sem.acquire_async().await;
                    });
                    let _ = t;
                }
            });
        }
    });
    assert_eq!(*M.lock(), 80000);
    assert_eq!(*rw.read(), 48000);
    println!("{:?} {:?} {}", L, sem, std::mem::size_of::<portunus::sync::RawMutex>());
    assert_eq!(std::mem::size_of::<portunus::sync::RawMutex>(), 24);
    assert_eq!(std::mem::size_of_val(&M.lock_async()), 48);
}
