//! Generated files: one body, and two modes in which it runs.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process,
};

use anyhow::{Context, Result};
use similar::TextDiff;

/// What to do with a generated file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Bring it up to date.
    Write,
    /// Only look whether it is.
    Check,
}

/// What there was to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The file is as it should be.
    Unchanged,
    /// There was no such file.
    New,
    /// The file was different.
    Changed,
}

impl Change {
    /// One word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Change::Unchanged => "unchanged",
            Change::New => "new",
            Change::Changed => "changed",
        }
    }
}

/// A generated file, looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ensured {
    /// Where it is.
    pub path: PathBuf,
    /// What there was to do.
    pub change: Change,
    /// From the file as it is to the file as it should be; empty without a change.
    pub diff: String,
}

/// Makes sure that a file holds `want`, or looks whether it does; `shown` is what the diff calls it.
///
/// A file with other line ends counts as the same: checkouts may have them.
///
/// # Errors
///
/// When the file can be neither read nor written.
pub fn ensure(path: &Path, shown: &str, want: &str, mode: Mode) -> Result<Ensured> {
    let have = match fs::read(path) {
        Ok(bytes) => Some(String::from_utf8_lossy(&bytes).replace("\r\n", "\n")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("`{shown}` cannot be read")),
    };
    let change = match &have {
        None => Change::New,
        Some(have) if have == want => Change::Unchanged,
        Some(_) => Change::Changed,
    };
    let diff = match change {
        Change::Unchanged => String::new(),
        _ => diff(shown, have.as_deref(), want),
    };
    if mode == Mode::Write && change != Change::Unchanged {
        write(path, want).with_context(|| format!("`{shown}` cannot be written"))?;
    }
    Ok(Ensured { path: path.to_owned(), change, diff })
}

/// A unified diff; `None` is a file that is not there.
fn diff(shown: &str, have: Option<&str>, want: &str) -> String {
    let from = if have.is_some() { format!("a/{shown}") } else { "/dev/null".to_owned() };
    TextDiff::from_lines(have.unwrap_or_default(), want)
        .unified_diff()
        .context_radius(3)
        .header(&from, &format!("b/{shown}"))
        .to_string()
}

/// Writes a file so that a reader sees the old one or the new one whole, and a crash leaves nothing half done.
///
/// # Errors
///
/// When the folder cannot be made or the file not be written; the old file then stands.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // In the same folder: a rename across file systems is a copy.
    let temporary = Temporary(folder.join(format!(".{name}.{}.tmp", process::id())));
    let mut file = fs::File::create(&temporary.0)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    drop(file);
    fs::rename(&temporary.0, path)
}

/// A file that goes away unless it was renamed.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // Nothing is left to do about a file that cannot be removed; after the rename there is none.
        let _ = fs::remove_file(&self.0);
    }
}

/// Replaces what stands between `<!-- generated: NAME -->` and `<!-- end generated: NAME -->` by what `make` gives for the
/// name.
///
/// # Errors
///
/// When a marker has no end, or `make` knows no such name.
pub fn fill(text: &str, make: impl Fn(&str) -> Option<String>) -> Result<String> {
    let mut out = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        out.push_str(line);
        out.push('\n');
        let Some(name) =
            line.strip_prefix("<!-- generated: ").and_then(|rest| rest.trim_end().strip_suffix(" -->"))
        else {
            continue;
        };
        let end = format!("<!-- end generated: {name} -->");
        lines
            .find(|line| line.trim_end() == end)
            .with_context(|| format!("`{line}` has no end; write `{end}`"))?;
        let made = make(name).with_context(|| format!("nothing generates `{name}`"))?;
        out.push_str(&format!("\n{}\n\n{end}\n", made.trim_end()));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder");
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_written_once() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("sub/a.json");
        let ensure = |want: &str, mode| ensure(&path, "sub/a.json", want, mode).expect("a look");

        let looked = ensure("1\n", Mode::Check);
        assert_eq!(looked.change, Change::New);
        assert_eq!(looked.diff, "--- /dev/null\n+++ b/sub/a.json\n@@ -0,0 +1 @@\n+1\n");
        assert!(!path.exists());

        assert_eq!(ensure("1\n", Mode::Write).change, Change::New);
        assert_eq!(ensure("1\n", Mode::Write).change, Change::Unchanged);
        assert_eq!(names(&dir.path().join("sub")), ["a.json"]);
    }

    #[test]
    fn a_stale_file_is_shown_and_left_alone() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a.txt");
        fs::write(&path, "one\ntwo\n").expect("a file");
        let looked = ensure(&path, "a.txt", "one\nthree\n", Mode::Check).expect("a look");
        assert_eq!(looked.change, Change::Changed);
        assert_eq!(looked.diff, "--- a/a.txt\n+++ b/a.txt\n@@ -1,2 +1,2 @@\n one\n-two\n+three\n");
        assert_eq!(fs::read_to_string(&path).expect("a file"), "one\ntwo\n");
    }

    #[test]
    fn line_ends_of_a_checkout_are_no_change() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a.txt");
        fs::write(&path, "one\r\ntwo\r\n").expect("a file");
        let looked = ensure(&path, "a.txt", "one\ntwo\n", Mode::Check).expect("a look");
        assert_eq!(looked.change, Change::Unchanged);
    }

    #[test]
    fn a_write_that_fails_leaves_nothing_behind() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a");
        fs::create_dir_all(path.join("full")).expect("a folder in the way");
        assert!(write(&path, "text").is_err());
        assert_eq!(names(dir.path()), ["a"]);
    }

    #[test]
    fn markers_are_filled() {
        let make = |name: &str| (name == "rules").then(|| "| a |\n".to_owned());
        let text = "# Title\n<!-- generated: rules -->\nold\n<!-- end generated: rules -->\nrest\n";
        let filled = fill(text, make).expect("a text");
        let want = "# Title\n<!-- generated: rules -->\n\n| a |\n\n<!-- end generated: rules -->\nrest\n";
        assert_eq!(filled, want);
        assert_eq!(fill(&filled, make).expect("a text"), want);
        let open = fill("<!-- generated: rules -->\n", make).expect_err("no end");
        assert!(open.to_string().ends_with("write `<!-- end generated: rules -->`"), "{open}");
        let unknown = fill("<!-- generated: x -->\n<!-- end generated: x -->\n", make).expect_err("no such");
        assert_eq!(unknown.to_string(), "nothing generates `x`");
    }
}
