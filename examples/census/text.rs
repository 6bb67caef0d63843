//! Text: where it comes from, its pieces, its words, and a plain count.

use std::collections::HashMap;
use std::error;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::iter;
use std::path::{Path, PathBuf};

/// How often each word was met.
pub(crate) type Counts = HashMap<String, u64>;

/// How far into a file of a folder a zero byte is looked for.
const HEAD: u64 = 8 * 1024;

/// Why there is nothing to count.
#[derive(Debug)]
pub(crate) enum Error {
    Unreadable { path: PathBuf, source: io::Error },
    NotUtf8 { path: PathBuf, offset: usize },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, source } => {
                write!(f, "cannot read {}: {source}", path.display())
            }
            Self::NotUtf8 { path, offset } => {
                write!(f, "{} is not UTF-8 (at byte {offset}); --lossy accepts it", path.display())
            }
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Unreadable { source, .. } => Some(source),
            Self::NotUtf8 { .. } => None,
        }
    }
}

/// Names the file in an error of reading it.
fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Unreadable { path: path.to_owned(), source }
}

/// Reads files, whatever they hold, and the text files of folders.
pub(crate) fn load(paths: &[PathBuf], lossy: bool) -> Result<Vec<String>, Error> {
    let mut texts = Vec::new();
    for path in paths {
        if fs::metadata(path).map_err(unreadable(path))?.is_dir() {
            walk(path, lossy, &mut texts)?;
        } else {
            let bytes = fs::read(path).map_err(unreadable(path))?;
            texts.push(decode(path, bytes, lossy)?);
        }
    }
    Ok(texts)
}

/// Reads the text files of a folder and of those in it, in the order of their
/// names. Symbolic links are not followed: they may lead round in a circle.
fn walk(folder: &Path, lossy: bool, texts: &mut Vec<String>) -> Result<(), Error> {
    let mut entries = fs::read_dir(folder)
        .and_then(|entries| entries.collect::<io::Result<Vec<_>>>())
        .map_err(unreadable(folder))?;
    entries.sort_by_key(|entry| entry.file_name());
    for entry in entries {
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        let kind = entry.file_type().map_err(unreadable(&path))?;
        if kind.is_dir() {
            if name != "target" {
                walk(&path, lossy, texts)?;
            }
        } else if kind.is_file()
            && let Some(bytes) = read_text(&path).map_err(unreadable(&path))?
        {
            texts.push(decode(&path, bytes, lossy)?);
        }
    }
    Ok(())
}

/// Reads a file unless it looks like something else than text.
fn read_text(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut file = File::open(path)?;
    let mut bytes = Vec::new();
    file.by_ref().take(HEAD).read_to_end(&mut bytes)?;
    if bytes.contains(&0) {
        return Ok(None);
    }
    file.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

fn decode(path: &Path, bytes: Vec<u8>, lossy: bool) -> Result<String, Error> {
    String::from_utf8(bytes).or_else(|error| {
        if lossy {
            return Ok(String::from_utf8_lossy(error.as_bytes()).into_owned());
        }
        let offset = error.utf8_error().valid_up_to();
        Err(Error::NotUtf8 { path: path.to_owned(), offset })
    })
}

/// Cuts text into pieces of at least `size` bytes, except for the last. Every
/// cut is before white space, so that no word is cut; together the pieces are
/// the text.
pub(crate) fn pieces(text: &str, size: usize) -> impl Iterator<Item = &str> {
    assert!(size > 0, "a piece has at least one byte");
    let mut rest = text;
    iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let least = (size..rest.len()).find(|&at| rest.is_char_boundary(at)).unwrap_or(rest.len());
        let end = rest[least..].find(char::is_whitespace).map_or(rest.len(), |at| least + at);
        let (piece, behind) = rest.split_at(end);
        rest = behind;
        Some(piece)
    })
}

/// The words of a text: what stands between characters that are neither
/// letters nor digits, in lower case.
pub(crate) fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

/// Counts the words of a text.
pub(crate) fn count(text: &str, counts: &mut Counts) {
    for word in words(text) {
        *counts.entry(word).or_default() += 1;
    }
}

/// The most frequent words; of equally frequent ones those first that come
/// first in order.
pub(crate) fn top(counts: &Counts, most: usize) -> Vec<(&str, u64)> {
    let mut all: Vec<_> = counts.iter().map(|(word, &times)| (word.as_str(), times)).collect();
    all.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    all.truncate(most);
    all
}

/// Says in what a count differs from a plain one, if it does.
pub(crate) fn difference(counted: &Counts, plain: &Counts) -> Option<String> {
    let mut words: Vec<&String> = counted
        .keys()
        .chain(plain.keys())
        .filter(|word| counted.get(*word) != plain.get(*word))
        .collect();
    words.sort_unstable();
    words.dedup();
    let first = *words.first()?;
    Some(format!(
        "the totals of {} words differ from a plain count; {first:?} was counted {} times, not {}",
        words.len(),
        counted.get(first).copied().unwrap_or(0),
        plain.get(first).copied().unwrap_or(0),
    ))
}
