//! Requests to other servers: to providers of models, and to servers with tools.
//!
//! | module | what it holds |
//! |---|---|
//! | [`HttpClient`] | pooled connections, and what went wrong with them, for people |
//! | `addresses` | [`AddressRules`]: where it connects to, and where never |
//! | `guard` | looks a name up once, and connects to what was judged |
//! | `connector` | a time limit, and whether a connection has answered before |
//! | `driven` | [`AnswerBody`]: whoever reads an answer moves its connection |
//!
//! Nothing else in Nexus connects to an address that a template names.

mod addresses;
mod client;
mod connector;
mod driven;
mod guard;

pub use addresses::{AddressRefused, AddressRules, is_public};
pub use client::{Broken, HttpClient, RequestError, SetupError, causes, describe, tls};
pub use driven::AnswerBody;
