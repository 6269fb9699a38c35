//! `nexus export`: everything that a server stores about somebody, in a file that is checked.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use http::Method;
use nexus_core::PublicKey;
use nexus_core::auth::Signature;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::cli::Export;
use crate::failure::Failure;
use crate::output::{columns, printable};
use crate::remote::{Call, Remote};
use crate::{Shell, private};

/// The form that this program knows.
const FORMAT: &str = "nexus-export-1";

/// The last line of a bundle.
#[derive(Debug, Deserialize)]
struct End {
    records: u64,
    sha256: String,
    signer: PublicKey,
    signature: String,
}

/// A bundle that is whole, and what it holds.
#[derive(Debug, Serialize)]
struct Whole {
    file: PathBuf,
    public_key: String,
    exported_at: String,
    records: u64,
    sha256: String,
    signer: PublicKey,
}

pub(crate) async fn run(shell: &Shell, arguments: Export) -> Result<(), Failure> {
    let file = match arguments.verify {
        Some(file) => file,
        None => save(shell, &arguments).await?,
    };
    let whole = tokio::task::block_in_place(|| check(&file))?;
    if shell.output.json {
        shell.output.data(&whole);
        return Ok(());
    }
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let rows = [
        row("file", whole.file.display().to_string()),
        row("of", whole.public_key),
        row("made", whole.exported_at),
        row("records", whole.records.to_string()),
        row("sha256", whole.sha256),
        row("signed by", whole.signer.to_checksummed()),
    ];
    for line in columns(&rows) {
        shell.output.line(line);
    }
    shell
        .output
        .note("the file is whole, and the signature fits");
    Ok(())
}

/// Saves the bundle. It has its name when all of it is there.
async fn save(shell: &Shell, arguments: &Export) -> Result<PathBuf, Failure> {
    let remote = Remote::open(&arguments.remote)?;
    let usual = || PathBuf::from(format!("nexus-{}.jsonl", remote.profile.public_key));
    let path = arguments.out.clone().unwrap_or_else(usual);
    if path.exists() {
        return Err(Failure::new(format!("{} is there already", path.display()))
            .hint("name another file with --out"));
    }
    let mut name = path.clone().into_os_string();
    name.push(".part");
    let part = PathBuf::from(name);
    let unwritable =
        |error: io::Error| Failure::new(format!("{} cannot be written: {error}", part.display()));
    let call = Call::new(Method::GET, "/api/v1/export");
    let mut body = remote.connection.stream(call).await?;
    // Left behind by one that was interrupted.
    _ = fs::remove_file(&part);
    private::create(&part, b"").map_err(unwritable)?;
    let mut file = File::options()
        .append(true)
        .open(&part)
        .map_err(unwritable)?;
    let mut bytes = 0;
    while let Some(piece) = body.next().await? {
        tokio::task::block_in_place(|| file.write_all(&piece)).map_err(unwritable)?;
        bytes += piece.len();
        shell.output.progress(format_args!("{} KiB", bytes / 1024));
    }
    shell.output.progress_is_over();
    let saved = file.sync_all().and_then(|()| fs::rename(&part, &path));
    saved.map_err(unwritable)?;
    Ok(path)
}

/// Reads a bundle to its end, and checks its hash and its signature.
fn check(path: &Path) -> Result<Whole, Failure> {
    let refuse = |reason: String| {
        Failure::new(format!(
            "{} is not a whole bundle: {reason}",
            path.display()
        ))
    };
    let unreadable =
        |error: io::Error| Failure::new(format!("{} cannot be read: {error}", path.display()));
    let mut lines = BufReader::new(File::open(path).map_err(unreadable)?);
    let (mut hash, mut records) = (Sha256::new(), 0);
    let (mut first, mut line, mut next) = (Value::Null, Vec::new(), Vec::new());
    lines.read_until(b'\n', &mut line).map_err(unreadable)?;
    // What follows tells whether a line is the last one.
    while lines.read_until(b'\n', &mut next).map_err(unreadable)? > 0 {
        if records == 0 {
            first = serde_json::from_slice(&line).unwrap_or_default();
        }
        hash.update(&line);
        records += 1;
        std::mem::swap(&mut line, &mut next);
        next.clear();
    }
    let header = &first["data"];
    if header["format"] != FORMAT {
        return Err(refuse(format!("its first line does not say {FORMAT}")));
    }
    let end: Value = serde_json::from_slice(&line).unwrap_or_default();
    if end["kind"] != "end" {
        return Err(refuse("its last line is missing".to_owned()));
    }
    let end: End = serde_json::from_value(end)
        .map_err(|_| refuse("its last line cannot be understood".to_owned()))?;
    let digest = base16ct::lower::encode_string(&hash.finalize());
    if end.records != records || end.sha256 != digest {
        return Err(refuse("it was changed after it was made".to_owned()));
    }
    let signer = Signature::from_hex(&end.signature)
        .and_then(|signature| signature.recover(digest.as_bytes()));
    if signer != Ok(end.signer) {
        return Err(refuse("its signature does not fit".to_owned()));
    }
    let text = |name: &str| {
        let text = header[name].as_str().unwrap_or_default();
        printable(text).into_owned()
    };
    Ok(Whole {
        file: path.to_owned(),
        public_key: text("public_key"),
        exported_at: text("exported_at"),
        records,
        sha256: digest,
        signer: end.signer,
    })
}
