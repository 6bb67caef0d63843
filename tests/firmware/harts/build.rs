//! Puts the machine's memory map where the linker finds it, with room for four
//! stacks.

use std::{env, fs, path::Path};

fn main() {
    let out = env::var("OUT_DIR").expect("set by cargo");
    let map = "MEMORY { RAM : ORIGIN = 0x80000000, LENGTH = 16M }
        REGION_ALIAS(\"REGION_TEXT\", RAM); REGION_ALIAS(\"REGION_RODATA\", RAM);
        REGION_ALIAS(\"REGION_DATA\", RAM); REGION_ALIAS(\"REGION_BSS\", RAM);
        REGION_ALIAS(\"REGION_HEAP\", RAM); REGION_ALIAS(\"REGION_STACK\", RAM);
        _max_hart_id = 3;
        _hart_stack_size = 64K;";
    fs::write(Path::new(&out).join("memory.x"), map).expect("a writable folder");
    println!("cargo:rustc-link-search={out}");
    println!("cargo:rerun-if-changed=build.rs");
}
