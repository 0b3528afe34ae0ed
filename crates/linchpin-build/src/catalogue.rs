//! The specs of a workspace.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use linchpin_manifest::{
    Diagnostic, Location, rules,
    spec::{self, Parsed},
};

use crate::{
    scan::Scan,
    workspace::{Layout, canonical},
};

/// Every spec of a workspace, each read once.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    /// Sorted by path.
    pub(crate) specs: Vec<SpecFile>,
    /// What `connector!` names, and is not there.
    pub(crate) missing: Vec<Diagnostic>,
}

/// A spec as it lies on the disk.
#[derive(Debug)]
pub(crate) struct SpecFile {
    pub(crate) path: PathBuf,
    pub(crate) parsed: Parsed,
    /// Where the sources name it.
    pub(crate) said: Vec<Location>,
}

impl SpecFile {
    fn read(path: PathBuf, shown: &str) -> Result<SpecFile> {
        let bytes = fs::read(&path).with_context(|| format!("`{shown}` cannot be read"))?;
        // What is not UTF-8 is no TOML either, and is reported as that, at its place.
        let parsed = spec::parse(shown, &String::from_utf8_lossy(&bytes));
        Ok(SpecFile { path, parsed, said: Vec::new() })
    }

    /// The connector's key; of a spec that is not usable, the file's name.
    pub(crate) fn key(&self) -> String {
        match &self.parsed.spec {
            Some(spec) => spec.key.clone(),
            None => self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        }
    }

    /// Where the key stands.
    pub(crate) fn key_place(&self) -> Location {
        self.parsed.source.value("/key")
    }

    /// Where its manifest belongs.
    pub(crate) fn manifest(&self) -> PathBuf {
        self.path.with_file_name(format!("{}.manifest.json", self.key()))
    }

    /// What the rules say of this spec alone, and of its file's name.
    pub(crate) fn check(&self) -> Vec<Diagnostic> {
        let mut found = self.parsed.diagnostics.clone();
        if let Some(spec) = &self.parsed.spec
            && self.path.file_stem().is_none_or(|stem| stem != spec.key.as_str())
        {
            found.push(rules::other_file_name(self.key_place(), &spec.key));
        }
        found
    }
}

impl Catalogue {
    /// The specs of the workspace's folder, and those that the sources name.
    pub(crate) fn find(layout: &Layout, scans: &[Scan]) -> Result<Catalogue> {
        let mut catalogue = Catalogue::default();
        for path in in_folder(&layout.specs(), ".toml")? {
            catalogue.add(layout, &path)?;
        }
        for (member, scan) in layout.members.iter().zip(scans) {
            for said in &scan.connectors {
                let path = member.dir.join(&said.path);
                if path.is_file() {
                    let at = catalogue.add(layout, &path)?;
                    catalogue.specs[at].said.push(said.location.clone());
                } else {
                    catalogue.missing.push(rules::crate_without_spec(said.location.clone(), &said.path));
                }
            }
        }
        catalogue.specs.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(catalogue)
    }

    /// Only these files, of whatever workspace.
    pub(crate) fn of(files: &[PathBuf]) -> Result<Catalogue> {
        let read = |path: &PathBuf| SpecFile::read(canonical(path), &path.display().to_string());
        Ok(Catalogue { specs: files.iter().map(read).collect::<Result<_>>()?, missing: Vec::new() })
    }

    /// Adds the spec at a path unless it is there; gives its index.
    pub(crate) fn add(&mut self, layout: &Layout, path: &Path) -> Result<usize> {
        let path = canonical(path);
        if let Some(at) = self.specs.iter().position(|spec| spec.path == path) {
            return Ok(at);
        }
        let shown = layout.shown(&path);
        self.specs.push(SpecFile::read(path, &shown)?);
        Ok(self.specs.len() - 1)
    }

    /// Pairs of specs that share a key.
    pub(crate) fn same_keys(&self) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        for (at, spec) in self.specs.iter().enumerate() {
            let Some(key) = spec.parsed.spec.as_ref().map(|spec| &spec.key) else { continue };
            let same = |other: &&SpecFile| other.parsed.spec.as_ref().is_some_and(|spec| spec.key == *key);
            if let Some(first) = self.specs[..at].iter().find(same) {
                found.push(rules::same_key(first.key_place(), spec.key_place(), key));
            }
        }
        found
    }

    /// Manifests beside the specs, and in the workspace's folder, that belong to no spec.
    pub(crate) fn orphans(&self, layout: &Layout) -> Result<Vec<Diagnostic>> {
        let own: Vec<PathBuf> = self.specs.iter().map(SpecFile::manifest).collect();
        let mut folders: Vec<PathBuf> =
            self.specs.iter().filter_map(|s| Some(s.path.parent()?.into())).collect();
        folders.push(layout.specs());
        folders.sort();
        folders.dedup();
        let mut found = Vec::new();
        for folder in folders {
            for path in in_folder(&folder, ".manifest.json")? {
                if !own.contains(&path) {
                    found.push(rules::manifest_without_spec(&layout.shown(&path)));
                }
            }
        }
        Ok(found)
    }
}

/// The files of a folder whose names end so, sorted; none where there is no folder.
fn in_folder(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(error).with_context(|| format!("`{}` cannot be read", folder.display()));
        }
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // Editors leave hidden copies of what they have open.
        if name.ends_with(ending) && !name.starts_with('.') && entry.path().is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}
