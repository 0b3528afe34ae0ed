//! The workspace that an xtask belongs to.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// What an xtask works on: a workspace, and in it the package whose binary knows the connectors.
///
/// ```
/// let workspace = linchpin_build::Workspace::new("tracker-app").binary("tracker");
/// ```
#[derive(Debug, Clone)]
pub struct Workspace {
    pub(crate) package: String,
    pub(crate) binary: Option<String>,
    root: Option<PathBuf>,
}

impl Workspace {
    /// The workspace of the running xtask; `package` is the one with the binary, whose `main` hands its connectors to
    /// linchpin's command line.
    pub fn new(package: impl Into<String>) -> Workspace {
        Workspace { package: package.into(), binary: None, root: None }
    }

    /// Which binary it is, for a package that has several.
    #[must_use]
    pub fn binary(mut self, name: impl Into<String>) -> Workspace {
        self.binary = Some(name.into());
        self
    }

    /// Another workspace than that of the running xtask.
    #[must_use]
    pub fn root(mut self, folder: impl Into<PathBuf>) -> Workspace {
        self.root = Some(folder.into());
        self
    }

    /// Asks cargo where everything is.
    ///
    /// # Errors
    ///
    /// When cargo cannot read the workspace.
    pub fn layout(&self) -> Result<Layout> {
        let from = match (&self.root, env::var_os("CARGO_MANIFEST_DIR")) {
            (Some(root), _) => root.clone(),
            (None, Some(folder)) => folder.into(),
            (None, None) => env::current_dir()?,
        };
        // Without dependencies nothing is resolved, so nothing is fetched either.
        let mut command = cargo();
        command.args(["metadata", "--format-version", "1", "--no-deps"]).current_dir(&from);
        let output = command.stderr(Stdio::inherit()).output().context("cargo cannot be started")?;
        if !output.status.success() {
            bail!("cargo cannot read the workspace at `{}`", from.display());
        }
        let metadata = serde_json::from_slice(&output.stdout).context("cargo's metadata cannot be read")?;
        Layout::read(&metadata).context("cargo's metadata cannot be read")
    }
}

/// The cargo that started this process, or the one on the path.
pub(crate) fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Where the parts of a workspace are.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Layout {
    /// The workspace's folder.
    pub root: PathBuf,
    /// Its packages.
    pub members: Vec<Member>,
}

/// A package of a workspace.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Member {
    /// The package's name.
    pub name: String,
    /// The folder of its `Cargo.toml`.
    pub dir: PathBuf,
    /// What its sources call the crate `linchpin`.
    pub(crate) linchpin: String,
}

impl Layout {
    fn read(metadata: &Value) -> Result<Layout> {
        let text = |value: &Value, key: &str| {
            value[key].as_str().map(str::to_owned).with_context(|| format!("`{key}` is missing"))
        };
        let root = canonical(Path::new(&text(metadata, "workspace_root")?));
        let packages = metadata["packages"].as_array().context("`packages` is missing")?;
        let mut members = Vec::new();
        for package in packages {
            let manifest = PathBuf::from(text(package, "manifest_path")?);
            let dir = canonical(manifest.parent().unwrap_or(&root));
            let dependencies = package["dependencies"].as_array().into_iter().flatten();
            let renamed = dependencies
                .filter(|dependency| dependency["name"] == "linchpin")
                .find_map(|dependency| dependency["rename"].as_str());
            let linchpin = renamed.unwrap_or("linchpin").replace('-', "_");
            members.push(Member { name: text(package, "name")?, dir, linchpin });
        }
        members.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Layout { root, members })
    }

    /// A folder without packages.
    #[cfg(test)]
    pub(crate) fn bare(root: &Path) -> Layout {
        Layout { root: canonical(root), members: Vec::new() }
    }

    /// The same with a package more, in a folder of the root.
    #[cfg(test)]
    pub(crate) fn with(mut self, name: &str, dir: &str) -> Layout {
        let dir = self.root.join(dir);
        self.members.push(Member { name: name.to_owned(), dir, linchpin: "linchpin".to_owned() });
        self
    }

    /// The folder of the workspace's own specs.
    pub fn specs(&self) -> PathBuf {
        self.root.join("specs")
    }

    /// The package of this name.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }

    /// A path as messages show it: relative to the workspace, with `/`.
    pub fn shown(&self, path: &Path) -> String {
        let path = path.strip_prefix(&self.root).unwrap_or(path);
        let shown = path.display().to_string();
        if cfg!(windows) { shown.replace('\\', "/") } else { shown }
    }
}

/// The one spelling of a path; as given where there is nothing.
pub(crate) fn canonical(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_read() {
        let metadata = serde_json::json!({
            "workspace_root": "/nowhere",
            "packages": [
                { "name": "b", "manifest_path": "/nowhere/b/Cargo.toml",
                  "dependencies": [{ "name": "linchpin", "rename": "lin-pin" }] },
                { "name": "a", "manifest_path": "/nowhere/a/Cargo.toml",
                  "dependencies": [{ "name": "linchpin", "rename": null }] },
            ],
        });
        let layout = Layout::read(&metadata).expect("a layout");
        let members: Vec<_> = layout.members.iter().map(|m| (m.name.as_str(), m.linchpin.as_str())).collect();
        assert_eq!(members, [("a", "linchpin"), ("b", "lin_pin")]);
        assert_eq!(layout.shown(&layout.members[1].dir.join("src/lib.rs")), "b/src/lib.rs");
        assert!(Layout::read(&serde_json::json!({})).is_err());
    }

    #[test]
    fn the_own_workspace_is_found() {
        let layout = Workspace::new("linchpin-app").layout().expect("a layout");
        assert!(layout.member("linchpin-build").is_some_and(|member| member.dir.ends_with("linchpin-build")));
    }
}
