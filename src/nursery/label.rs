//! What a task is called.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;

/// How many bytes of a name a task has room for in itself: all that its longer
/// forms take.
const ROOM: usize = 38;

/// The name of a task: `task:nursery`.
pub(super) enum TaskName {
    /// The whole name, where there is room for it.
    Short { len: u8, bytes: [u8; ROOM] },
    /// The parts.
    Long(Box<str>, Arc<str>),
    /// The name of its future's type, to be cut to its last part; and its
    /// nursery's.
    Type(&'static str, Arc<str>),
}

impl TaskName {
    /// The whole name, if there is room for it.
    pub(super) fn short(task: &str, nursery: &str) -> Option<Self> {
        let len = task.len().checked_add(nursery.len())?.checked_add(1)?;
        let mut bytes = [0; ROOM];
        let (before, behind) = bytes.get_mut(..len)?.split_at_mut(task.len());
        before.copy_from_slice(task.as_bytes());
        let (colon, behind) = behind.split_first_mut()?;
        *colon = b':';
        behind.copy_from_slice(nursery.as_bytes());
        Some(Self::Short { len: len as u8, bytes })
    }

    pub(super) fn given(task: &str, nursery: Arc<str>) -> Self {
        Self::short(task, &nursery).unwrap_or_else(|| Self::Long(task.into(), nursery))
    }

    pub(super) fn text(&self) -> String {
        let (task, nursery) = match self {
            Self::Short { len, bytes } => {
                let whole = bytes.get(..usize::from(*len)).unwrap_or_default();
                return String::from_utf8_lossy(whole).into_owned();
            }
            Self::Long(task, nursery) => (&**task, nursery),
            Self::Type(name, nursery) => (last_part(name), nursery),
        };
        alloc::format!("{task}:{nursery}")
    }
}

/// The name of the function in which a future's type was made:
/// `worker` of `app::jobs::worker<T>::{{closure}}`.
fn last_part(mut name: &str) -> &str {
    while let Some(outer) = name.strip_suffix("::{{closure}}") {
        name = outer;
    }
    let plain = name.find('<').map_or(name, |at| &name[..at]);
    let plain = plain.trim_end_matches("::");
    if plain.is_empty() {
        return name;
    }
    plain.rfind("::").map_or(plain, |at| &plain[at + 2..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_length_are_whole() {
        for task in 0..ROOM + 3 {
            for nursery in 0..ROOM + 3 {
                let (task, nursery) = ("é".repeat(task / 2) + "t", "n".repeat(nursery));
                let name = TaskName::given(&task, nursery.as_str().into());
                assert_eq!(name.text(), alloc::format!("{task}:{nursery}"));
                let fits = task.len() + 1 + nursery.len() <= ROOM;
                assert_eq!(matches!(name, TaskName::Short { .. }), fits);
            }
        }
        assert!(size_of::<TaskName>() <= ROOM + 2, "its longer forms need no more room");
    }
}
