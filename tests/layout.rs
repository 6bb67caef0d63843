//! The rules of the source tree, checked on the tree.

#![allow(missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source");
            found.push((path, text));
        }
    }
}

/// Each file under `src`, by its path there.
fn all() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&root, &mut found);
    assert!(found.len() > 20, "the sources are somewhere else");
    let name = |path: PathBuf| {
        path.strip_prefix(&root).expect("below src").to_string_lossy().replace('\\', "/")
    };
    found.into_iter().map(|(path, text)| (name(path), text)).collect()
}

/// The lines of code, without comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.starts_with("//"))
}

#[test]
fn unsafe_code_stands_where_the_crate_says() {
    let all = all();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/docs/unsafe.md");
    let page = fs::read_to_string(page).expect("the page that lists them");
    for (name, text) in &all {
        if name.starts_with("raw/tests/") || name.starts_with("shm/tests/") {
            continue;
        }
        let allowed = code(text).any(|line| line.contains("allow(unsafe_code)"));
        let entry = match name.strip_prefix("future/") {
            Some(_) => "`future/*.rs`".to_owned(),
            None => format!("`{name}`"),
        };
        if allowed {
            assert!(
                page.contains(&entry),
                "{name} allows unsafe code, and docs/unsafe.md does not list it"
            );
        } else {
            assert!(
                name.starts_with("future/") || !page.contains(&entry),
                "{name} needs no listing"
            );
        }
    }
}

#[test]
fn atomics_are_named_in_the_facade() {
    for (name, text) in all() {
        // The engine's tests are loom's models: a count that loom must not see
        // is the standard library's.
        if name.starts_with("raw/tests/") || name.starts_with("atomic/") {
            continue;
        }
        for line in code(&text) {
            for path in ["sync::atomic", "portable_atomic::", "loom::"] {
                assert!(!line.contains(path), "{name}: {line}");
            }
        }
    }
}

#[test]
fn features_are_chosen_at_the_top() {
    for (name, text) in all() {
        if name == "lib.rs" || name.ends_with("/mod.rs") {
            continue;
        }
        for line in code(&text) {
            assert!(!(line.contains("cfg(") && line.contains("feature =")), "{name}: {line}");
        }
    }
}

#[test]
fn nothing_is_left_to_be_done() {
    for (name, text) in all() {
        for word in ["todo!", "unimplemented!", "FIXME", "TODO", "XXX"] {
            assert!(!text.contains(word), "{name} has a {word}");
        }
    }
}
