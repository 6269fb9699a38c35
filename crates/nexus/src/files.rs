//! How many files, and so connections, the process may have open. `nexus serve` raises it.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// More than a server uses, and not so many that programs which it starts would walk through
/// millions.
const ENOUGH: u64 = 65_536;
/// What macOS allows when it says that there is no limit.
const ALWAYS: u64 = 10_240;
/// What most systems begin with.
const USUAL: u64 = 1024;

/// Raises the soft limit to the hard one, or to what is enough. Gives what holds.
pub(crate) fn raise_limit() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return USUAL;
    };
    let raised = [hard.min(ENOUGH), hard.min(ALWAYS)]
        .into_iter()
        .filter(|wanted| *wanted > soft)
        .find(|wanted| setrlimit(Resource::RLIMIT_NOFILE, *wanted, hard).is_ok());
    raised.unwrap_or(soft)
}
