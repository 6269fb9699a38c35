//! `GET /api/openapi.json`: the contract of the native API. It is the same for everybody.

use http::header::{CACHE_CONTROL, CONTENT_TYPE};

/// An hour: another document comes with another version of the program.
const CACHING: &str = "public, max-age=3600";

pub(crate) async fn show_document() -> impl axum::response::IntoResponse {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, CACHING)];
    (headers, nexus_api::openapi::DOCUMENT)
}
