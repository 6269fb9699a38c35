//! What may leave this server, and for where. Boot configuration decides that; a template can only
//! choose among what is allowed.

mod blot;
mod key;
mod secrets;
mod site;

pub use blot::{BLOT, Blotter, SHORTEST_SECRET};
pub use key::PinnedKey;
pub use secrets::{Refused, Secrets, is_variable_name};
pub use site::{NotASite, Site, authority, is_this_machine};
