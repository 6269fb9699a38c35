//! The files of this repository, as the checks see them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;

/// Folders that hold nothing written by hand.
const SKIPPED_FOLDERS: [&str; 3] = ["target", "node_modules", "dist"];

pub(crate) struct Repository {
    root: PathBuf,
}

impl Repository {
    /// The repository that this program was built from, wherever it is started.
    pub(crate) fn of_this_crate() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .ok_or("xtask must lie in a folder of the repository")?;
        Ok(Self {
            root: root.to_owned(),
        })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// `path` is counted from the root of the repository.
    pub(crate) fn has(&self, path: &Path) -> bool {
        self.root.join(path).exists()
    }

    pub(crate) fn read(&self, path: &Path) -> Result<String> {
        fs::read_to_string(self.root.join(path))
            .map_err(|error| format!("cannot read {}: {error}", path.display()).into())
    }

    /// The files below `folder` with one of the `extensions`, in a stable order.
    /// A folder that is not there has no files.
    pub(crate) fn files(&self, folder: &str, extensions: &[&str]) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        let mut open = vec![PathBuf::from(folder)];
        while let Some(folder) = open.pop() {
            if !self.has(&folder) {
                continue;
            }
            for entry in fs::read_dir(self.root.join(&folder))? {
                let entry = entry?;
                let name = entry.file_name();
                let name = name.to_string_lossy();
                let path = folder.join(&*name);
                if entry.file_type()?.is_dir() {
                    if !name.starts_with('.') && !SKIPPED_FOLDERS.contains(&&*name) {
                        open.push(path);
                    }
                } else if has_extension(&path, extensions) {
                    found.push(path);
                }
            }
        }
        found.sort();
        Ok(found)
    }
}

pub(crate) fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| extensions.contains(&extension))
}
