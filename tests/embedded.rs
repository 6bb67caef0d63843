//! The README's embedded example is the firmware's, word for word.

#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

use std::fs;
use std::path::Path;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What stands between two marks.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("there is no {from:?}"));
    let (part, _) = rest.split_once(to).unwrap_or_else(|| panic!("there is no {to:?}"));
    part.trim()
}

#[test]
fn the_embedded_example_is_tested_firmware() {
    let readme = read("README.md");
    let section = between(&readme, "\n## Embedded\n", "\n## ");
    let example = between(section, "```rust,ignore\n", "\n```");
    let firmware = read("tests/firmware/src/shared.rs");
    assert_eq!(example, between(&firmware, "// README {\n", "// } README\n"));
    for part in ["static SAMPLES", "fn on_timer", "embassy_executor::task", "fn take_one"] {
        assert!(example.contains(part), "the example has no {part:?}");
    }
}
