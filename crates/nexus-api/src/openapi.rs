//! The OpenAPI document of the native API, made from the types of this crate. `cargo xtask openapi`
//! writes it to `openapi.json`, which the server serves and the page's types are generated from.

mod operation;
mod operations;

use utoipa::openapi::path::{Paths, PathsBuilder};
use utoipa::openapi::schema::{AnyOfBuilder, Schema};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, ComponentsBuilder, Info, OpenApi, OpenApiBuilder, RefOr};

use self::operation::{API_KEY, COOKIE, Described, SESSION, SIGNATURE};

/// The document, as it is checked in and served.
pub const DOCUMENT: &str = include_str!("../openapi.json");

const DESCRIPTION: &str = "The native HTTP API of Nexus. `docs/api.md` has the prose: what a \
member, a visitor and an administrator are, how sign-in works, and how requests are signed. \
Under `/api/v1`, names, types, status codes and error codes are stable; new ones may be added at \
any time, so ignore what you do not know. The routes under `/v1` speak OpenAI's protocol and are \
described in `docs/clients.md`.";

/// Makes the document, as the text of `openapi.json`.
///
/// # Errors
/// Never for the types of this crate: each can be written as JSON.
pub fn generate() -> Result<String, serde_json::Error> {
    let mut text = document().to_pretty_json()?;
    text.push('\n');
    Ok(text)
}

fn document() -> OpenApi {
    let mut components = ComponentsBuilder::new();
    for (name, scheme) in security_schemes() {
        components = components.security_scheme(name, scheme);
    }
    let mut components = components.build();
    components.responses.extend(operation::failures());
    let mut paths = Paths::new();
    for described in operations::all() {
        paths = add(described, paths, &mut components);
    }
    is_any(&mut components);
    let info = Info::builder()
        .title("Nexus")
        .version("v1")
        .description(Some(DESCRIPTION));
    OpenApiBuilder::new()
        .info(info)
        .paths(paths)
        .components(Some(components))
        .build()
}

/// An empty list is any of the lists that a command may answer, so `oneOf` would refuse it.
fn is_any(components: &mut Components) {
    let data = components.schemas.get_mut("CommandData");
    if let Some(RefOr::T(Schema::OneOf(one))) = data {
        let any = AnyOfBuilder::new().description(one.description.take());
        let any = one.items.drain(..).fold(any, AnyOfBuilder::item);
        components
            .schemas
            .insert("CommandData".to_owned(), any.into());
    }
}

fn add(described: Described, paths: Paths, components: &mut Components) -> Paths {
    components.schemas.extend(described.schemas);
    let item = utoipa::openapi::PathItem::new(described.method, described.operation);
    let mut paths: Paths = PathsBuilder::from(paths).build();
    match paths.paths.get_mut(described.path) {
        Some(there) => there.merge_operations(item),
        None => {
            paths.paths.insert(described.path.to_owned(), item);
        }
    }
    paths
}

fn security_schemes() -> [(&'static str, SecurityScheme); 4] {
    let bearer = |format: &str, description: &str| {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format(format)
            .description(Some(description));
        SecurityScheme::Http(scheme.build())
    };
    let cookie = ApiKeyValue::with_description(
        "__Host-nexus",
        "The session of a browser, which signed in with `cookie: true`. Over `http` on this \
         machine the cookie is called `nexus`.",
    );
    let signature = ApiKeyValue::with_description(
        "Signature",
        "An HTTP message signature (RFC 9421) over exactly this request, with the headers \
         `Content-Digest` and `Signature-Input`, beside the session. Its nonce is good for once. \
         `docs/signing.md` has the format.",
    );
    [
        (
            SESSION,
            bearer("nxs_…", "A session, from `POST /api/v1/auth/verify`."),
        ),
        (COOKIE, SecurityScheme::ApiKey(ApiKey::Cookie(cookie))),
        (
            API_KEY,
            bearer("nxk_…", "An API key, which reaches what its scopes say."),
        ),
        (SIGNATURE, SecurityScheme::ApiKey(ApiKey::Header(signature))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_the_one_that_is_checked_in() {
        let made = generate().unwrap();
        assert!(
            made == DOCUMENT,
            "openapi.json is stale: run `cargo xtask openapi`, then `npm run types` in web/"
        );
    }
}
