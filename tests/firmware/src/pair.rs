//! Data that shows when two were inside at once.

use core::hint::black_box;

/// Two halves that are always equal for whoever may look.
#[derive(Default)]
pub struct Pair {
    pub left: u32,
    pub right: u32,
}

impl Pair {
    pub const NEW: Self = Self { left: 0, right: 0 };

    pub fn bump(&mut self) {
        self.bump_left();
        self.bump_right();
    }

    pub fn bump_left(&mut self) {
        self.left = black_box(self.left + 1);
    }

    pub fn bump_right(&mut self) {
        self.right = black_box(self.right + 1);
    }

    /// Bumps it with a while in between, in which a handler may come.
    pub fn bump_slowly(&mut self) {
        self.bump_left();
        for step in 0..50 {
            black_box(step);
        }
        self.bump_right();
    }

    pub fn is_whole(&self) -> bool {
        black_box(self.left) == black_box(self.right)
    }

    /// Whether it was bumped so often, and nothing was lost.
    pub fn counts(&self, times: u32) -> bool {
        self.left == times && self.right == times
    }
}
