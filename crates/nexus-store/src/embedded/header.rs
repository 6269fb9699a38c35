//! The first bytes of a database file, as SQLite documents them
//! (<https://sqlite.org/fileformat2.html#the_database_header>). They are read from the file itself:
//! what SQLite tells comes from its cache and its write-ahead log.

use std::fs::File;
use std::io;

/// How long it is.
pub(super) const LENGTH: usize = 100;

pub(super) type Header = [u8; LENGTH];

/// How the file is written and read: 2 and 2 with a write-ahead log.
const VERSIONS: usize = 18;
const CHANGES: usize = 24;
const SCHEMA: usize = 40;
const USER_VERSION: usize = 60;
const APPLICATION: usize = 68;

/// Reads it.
#[cfg(unix)]
pub(super) fn read(file: &File) -> io::Result<Header> {
    use std::os::unix::fs::FileExt as _;
    let mut header = [0; LENGTH];
    file.read_exact_at(&mut header, 0)?;
    Ok(header)
}

/// Reads it.
#[cfg(not(unix))]
pub(super) fn read(file: &File) -> io::Result<Header> {
    use std::os::windows::fs::FileExt as _;
    let mut header = [0; LENGTH];
    match file.seek_read(&mut header, 0)? {
        LENGTH => Ok(header),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Whether a file that began like `before` may begin like `now` later.
///
/// Only what was committed gets into the file, in the order in which it was. The number of the
/// schema grows with the first commit of each process, and with each commit after which this program
/// moves commits from the write-ahead log into the file. So a copy that was made earlier has a
/// smaller number, unless it holds nothing but what the write-ahead log repeats. A copy that was made
/// with `VACUUM INTO` has no write-ahead log.
pub(super) fn follows(before: &Header, now: &Header) -> bool {
    let is_same = before[..VERSIONS] == now[..VERSIONS];
    let application = number(before, APPLICATION);
    let is_ours = application == 0 || application == number(now, APPLICATION);
    let grows = |place| number(before, place) <= number(now, place);
    is_same
        && now[VERSIONS..VERSIONS + 2] == [2, 2]
        && is_ours
        && [CHANGES, SCHEMA, USER_VERSION].into_iter().all(grows)
}

fn number(header: &Header, place: usize) -> u32 {
    let bytes = header.get(place..place + 4);
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u32::from_be_bytes)
}
