//! Files of this machine that go into flows, and those that come out.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context, Poll, ready},
};

use linchpin::{
    Code, Error, FileRef, Result, Secret,
    bytes::{Bytes, BytesMut},
    file::{ByteSource, ByteStream, FileSource, Files},
    flow::BoxFuture,
};
use tokio::io::{AsyncRead, AsyncWriteExt as _, ReadBuf};

use crate::{
    args::Run,
    exit::{Failure, write_stdout},
};

/// How much is read at once.
const PIECE: usize = 64 << 10;

/// A file of this machine, which is read while it is sent.
pub(crate) fn open(path: &str) -> Result<FileRef, Failure> {
    let unreadable =
        |error: &dyn std::fmt::Display| Failure::usage(format!("`{path}` cannot be read: {error}"));
    let metadata = fs::metadata(path).map_err(|error| unreadable(&error))?;
    if metadata.is_file() {
        // Opened at once, so that what cannot be read is told before anything is asked.
        fs::File::open(path).map_err(|error| unreadable(&error))?;
    }
    if metadata.is_dir() {
        return Err(unreadable(&"it is a folder"));
    }
    let name = Path::new(path).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let file = FileRef::new(name, Local { path: PathBuf::from(path), regular: metadata.is_file() });
    Ok(if metadata.is_file() { file.sized(metadata.len()) } else { file })
}

/// The secret in a file of its owner's, and whether it was made just now. Whoever else looks for it finds all of it or nothing.
pub(crate) fn secret_file(file: &Path) -> Result<(Secret, bool), Failure> {
    let shown = file.display();
    let unwritten = |error: &io::Error| Failure::usage(format!("`{shown}` cannot be written: {error}"));
    match fs::read_to_string(file) {
        // An empty secret is one that everybody knows.
        Ok(text) if text.trim().is_empty() => Err(Failure::usage(format!("`{shown}` has no secret"))
            .help("take the file away, and another is made")),
        Ok(text) => Ok((Secret::new(text.trim()), false)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let secret = linchpin_runtime::webhook::signing_secret()?;
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
            let part = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")));
            let mut part = part.map_err(|error| unwritten(&error))?;
            part.write_all(secret.expose().as_bytes()).map_err(|error| unwritten(&error))?;
            match part.persist_noclobber(file) {
                Ok(_) => Ok((secret, true)),
                Err(lost) if lost.error.kind() == io::ErrorKind::AlreadyExists => secret_file(file),
                Err(lost) => Err(unwritten(&lost.error)),
            }
        }
        Err(error) => Err(Failure::usage(format!("`{shown}` cannot be read: {error}"))),
    }
}

struct Local {
    path: PathBuf,
    /// Pipes and devices are not the same twice.
    regular: bool,
}

impl FileSource for Local {
    fn open(&self) -> BoxFuture<'_, Result<ByteStream>> {
        Box::pin(async {
            let file = tokio::fs::File::open(&self.path).await.map_err(|error| unread(&self.path, &error))?;
            Ok(ByteStream::new(Reading { file, path: self.path.clone(), buffer: BytesMut::new() }))
        })
    }

    fn reopens(&self) -> bool {
        self.regular
    }
}

fn unread(path: &Path, error: &io::Error) -> Error {
    Error::new(format!("`{}` cannot be read: {error}", path.display()))
}

struct Reading {
    file: tokio::fs::File,
    path: PathBuf,
    buffer: BytesMut,
}

impl ByteSource for Reading {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        self.buffer.resize(PIECE, 0);
        let mut read = ReadBuf::new(&mut self.buffer);
        if let Err(error) = ready!(Pin::new(&mut self.file).poll_read(cx, &mut read)) {
            return Poll::Ready(Some(Err(unread(&self.path, &error))));
        }
        let count = read.filled().len();
        Poll::Ready((count > 0).then(|| Ok(self.buffer.split_to(count).freeze())))
    }
}

/// Writes the files that a flow gives.
pub(crate) struct Saver<'a> {
    files: &'a Files,
    output: Option<&'a Path>,
    /// How many were written; one path is for one file.
    saved: usize,
}

impl<'a> Saver<'a> {
    pub(crate) fn new(args: &'a Run, files: &'a Files) -> Saver<'a> {
        Saver { files, output: args.output.as_deref(), saved: 0 }
    }

    /// Writes what the output has named since the last time. A file is there when it is whole, or not at all.
    pub(crate) async fn save(&mut self) -> Result<(), Failure> {
        for file in self.files.take() {
            if self.output.is_some() && self.saved > 0 {
                let message = "the flow gives several files, and `--output` names one place";
                return Err(Failure::usage(message).help("leave `--output` out: each then has its own name"));
            }
            self.saved += 1;
            tokio::select! {
                saved = self.write(&file) => saved?,
                // Whoever goes leaves no half a file behind.
                _ = tokio::signal::ctrl_c() => {
                    return Err(Error::coded(Code::Cancelled, "the download was broken off").into());
                }
            }
        }
        Ok(())
    }

    /// Prints the result. Where a file has gone to stdout, what is known of it goes elsewhere.
    pub(crate) fn print(&self, result: &[u8]) -> Result<(), Failure> {
        if self.saved > 0 && self.output == Some(Path::new("-")) {
            // Nobody is left to tell when stderr is gone.
            drop(io::stderr().write_all(result));
            return Ok(());
        }
        write_stdout(result)
    }

    async fn write(&self, file: &FileRef) -> Result<(), Failure> {
        match self.output {
            Some(path) if path == Path::new("-") => {
                let mut stream = file.open().await?;
                while let Some(bytes) = stream.next().await? {
                    write_stdout(&bytes)?;
                }
                Ok(())
            }
            // Pipes and devices are written to, never replaced.
            Some(path) if fs::metadata(path).is_ok_and(|found| !found.is_file()) => {
                let target = fs::OpenOptions::new().write(true).open(path);
                copy(file, target.map_err(|error| unwritten(path, &error))?, path).await
            }
            Some(path) => place(file, path, true).await,
            None => place(file, Path::new(&file.file_name()), false).await,
        }
    }
}

/// Writes a file beside its place, and puts it there once it is whole.
async fn place(file: &FileRef, path: &Path, replace: bool) -> Result<(), Failure> {
    let there = || {
        let message = format!("`{}` is there already, and is not overwritten", path.display());
        Failure::usage(message).help("say with `--output PATH` where the file goes")
    };
    if !replace && fs::symlink_metadata(path).is_ok() {
        return Err(there());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".linchpin-").suffix(".part");
    // As any other new file, not as a secret one.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let part = builder.tempfile_in(folder).map_err(|error| unwritten(path, &error))?;
    copy(file, part.reopen().map_err(|error| unwritten(path, &error))?, path).await?;
    let placed = if replace { part.persist(path) } else { part.persist_noclobber(path) };
    match placed {
        Ok(_) => {
            eprintln!("the file is in {}", path.display());
            Ok(())
        }
        Err(error) if !replace && error.error.kind() == io::ErrorKind::AlreadyExists => Err(there()),
        Err(error) => Err(unwritten(path, &error.error)),
    }
}

async fn copy(file: &FileRef, to: fs::File, path: &Path) -> Result<(), Failure> {
    let mut to = tokio::fs::File::from_std(to);
    let mut stream = file.open().await?;
    while let Some(bytes) = stream.next().await? {
        to.write_all(&bytes).await.map_err(|error| unwritten(path, &error))?;
    }
    to.flush().await.map_err(|error| unwritten(path, &error))
}

fn unwritten(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("`{}` cannot be written: {error}", path.display()))
}
