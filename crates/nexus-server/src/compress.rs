//! Compresses JSON that is read. The page's files are compressed when they are built.
//!
//! Only answers to GET are: what holds a secret (a new token, a new key) answers a POST, so that a
//! secret never stands in one compressed text with something that others may choose (BREACH). An
//! event stream, or what is small, is never compressed.

use http::header::CONTENT_TYPE;
use http::{Extensions, HeaderMap, Method, StatusCode, Version};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{And, Predicate as _, SizeAbove};

use crate::router::Route;

/// What is smaller fits into one packet anyway.
const WORTH_IT: u64 = 1024;
/// Most of what there is to gain, for little time.
const LEVEL: CompressionLevel = CompressionLevel::Precise(4);

type IsJson = fn(StatusCode, Version, &HeaderMap, &Extensions) -> bool;

/// Whether answers of a route may be compressed.
pub(crate) fn suits(route: &Route) -> bool {
    route.method == Method::GET && route.path.starts_with("/api/")
}

pub(crate) fn layer() -> CompressionLayer<And<SizeAbove, IsJson>> {
    let is_json: IsJson = |_, _, headers, _| {
        let kind = headers.get(CONTENT_TYPE).map(http::HeaderValue::as_bytes);
        kind.is_some_and(|kind| {
            kind.split(|byte| *byte == b';').next() == Some(b"application/json")
        })
    };
    CompressionLayer::new()
        .quality(LEVEL)
        .compress_when(SizeAbove::new(WORTH_IT).and(is_json))
}
