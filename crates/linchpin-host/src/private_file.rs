//! Files that are for their owner's eyes only.

use std::{fs::Metadata, path::Path};

use linchpin::{Code, Error, Result};

/// Refuses a file that anybody but its owner may read or change.
#[cfg(unix)]
pub(crate) fn check(what: &str, path: &Path, found: &Metadata) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;

    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let message = format!("{what} `{}` can be read by others: its mode is {mode:o}", path.display());
    Err(Error::coded(Code::StoreFailed, message).hint(format!("run `chmod 600 {}`", quoted(path))))
}

/// Windows keeps the files of a user's folders to this user.
#[cfg(not(unix))]
pub(crate) fn check(_what: &str, _path: &Path, _found: &Metadata) -> Result<()> {
    Ok(())
}

/// A path as a shell takes it.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%,:".contains(c);
    if !text.starts_with('-') && text.chars().all(plain) {
        return text;
    }
    let text = text.replace('\'', r"'\''");
    if text.starts_with('-') { format!("'./{text}'") } else { format!("'{text}'") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_a_quoted_path_as_one_word() {
        for (path, word) in [
            ("/data/store.db", "/data/store.db"),
            ("/my data/store.db", "'/my data/store.db'"),
            ("/it's/store.db", r"'/it'\''s/store.db'"),
            ("-rf", "'./-rf'"),
        ] {
            assert_eq!(quoted(Path::new(path)), word);
        }
    }
}
