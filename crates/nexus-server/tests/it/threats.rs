//! The threats that the design names, each with the test that carries its number. Lists of routes
//! come from the router, so that a new route cannot be forgotten.

mod bounds;
mod browser;
mod commands;
mod defects;
mod door;
mod export;
mod history;
mod host;
mod invisible;
mod keys;
mod legacy;
mod members;
mod operators;
mod outage;
mod policy;
mod programs;
mod random;
mod replay;
mod revocation;
mod signatures;
mod slow;
mod storage;

use http::Method;
use nexus_server::{Access, routes};

use crate::client::Call;

/// An API key and a session that nobody has.
const NO_KEY: &str = "0123456789Ab";
const NO_SESSION: &str = "ses_00000000000000000000000000000000";

/// A route, with something in the place of each `{…}`.
struct Place {
    method: Method,
    route: &'static str,
    path: String,
    access: Access,
}

impl Place {
    fn call(&self) -> Call {
        Call::new(&self.method, &self.path)
    }

    /// With a body of JSON.
    fn call_with(&self, body: impl Into<bytes::Bytes>) -> Call {
        Call::json(&self.method, &self.path, body)
    }

    fn is_unsafe(&self) -> bool {
        self.method != Method::GET
    }
}

/// Every route of the server.
fn places() -> Vec<Place> {
    let routes = routes().into_iter();
    let places = routes.map(|route| {
        let id = if route.path.contains("/keys/") {
            NO_KEY
        } else {
            NO_SESSION
        };
        let path = route.path.replace("{id}", id).replace("{*id}", "calm");
        let path = path
            .replace("{run_id}", "run_unknown")
            .replace("{field}", "temperature")
            .replace("{version}", "1")
            .replace("{collection}", "messages");
        let path = path.replace("{key}", &crate::world::VISITOR.to_string());
        assert!(!path.contains('{'), "{path} has a name of another kind");
        Place {
            method: route.method,
            route: route.path,
            path,
            access: route.access,
        }
    });
    places.collect()
}

/// Every route that asks for a credential.
fn guarded() -> Vec<Place> {
    let places = places().into_iter();
    places
        .filter(|place| place.access != Access::Anyone)
        .collect()
}
