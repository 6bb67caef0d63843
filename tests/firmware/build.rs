//! Puts the board's memory map where the linker finds it.

use std::{env, fs, path::Path};

fn main() {
    let out = env::var("OUT_DIR").expect("set by cargo");
    let target = env::var("TARGET").expect("set by cargo");
    let map = match target.as_str() {
        // microbit
        "thumbv6m-none-eabi" => {
            "MEMORY { FLASH : ORIGIN = 0x00000000, LENGTH = 256K
                      RAM : ORIGIN = 0x20000000, LENGTH = 16K }"
        }
        // mps2-an385, mps2-an386
        "thumbv7m-none-eabi" | "thumbv7em-none-eabihf" => {
            "MEMORY { FLASH : ORIGIN = 0x00000000, LENGTH = 4M
                      RAM : ORIGIN = 0x20000000, LENGTH = 4M }"
        }
        // virt
        _ => {
            "MEMORY { RAM : ORIGIN = 0x80000000, LENGTH = 16M }
             REGION_ALIAS(\"REGION_TEXT\", RAM); REGION_ALIAS(\"REGION_RODATA\", RAM);
             REGION_ALIAS(\"REGION_DATA\", RAM); REGION_ALIAS(\"REGION_BSS\", RAM);
             REGION_ALIAS(\"REGION_HEAP\", RAM); REGION_ALIAS(\"REGION_STACK\", RAM);"
        }
    };
    fs::write(Path::new(&out).join("memory.x"), map).expect("a writable folder");
    println!("cargo:rustc-link-search={out}");
    println!("cargo:rerun-if-changed=build.rs");
}
