//! `GET /api/v1/messages`: what was said, newest first, in pages.

use std::error::Error;

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use nexus_api::message::{MessagePage, MessageQuery};
use nexus_run::Reserved;
use nexus_run::limiter::Holder;
use nexus_store::Cursor;
use tokio::sync::Semaphore;

use crate::body::shortened;
use crate::{ApiError, AppState, Member};

const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 100;

/// How many pages are read at the same time: before it is cut, a page may be long.
static PAGES: Semaphore = Semaphore::const_new(8);

/// A page that is on its way. It takes memory on its reader's account until the connection has
/// taken it.
struct Unread {
    json: Vec<u8>,
    _memory: Reserved,
}

impl AsRef<[u8]> for Unread {
    fn as_ref(&self) -> &[u8] {
        &self.json
    }
}

pub(crate) async fn list_messages(
    State(state): State<AppState>,
    Member(identity): Member,
    page: Result<Query<MessageQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(page) = page.map_err(|rejection| {
        let reason = rejection
            .source()
            .map_or_else(|| rejection.to_string(), ToString::to_string);
        ApiError::unprocessable("invalid_query", shortened(&reason))
    })?;
    let limit = page
        .limit
        .as_deref()
        .map_or(Ok(DEFAULT_LIMIT), parse_limit)?;
    let before = page.cursor.as_deref().map(parse_cursor).transpose()?;
    // The semaphore is never closed.
    let _permit = PAGES.acquire().await.ok();
    let page = state
        .orchestrator
        .store
        .messages(&identity, limit, before)
        .await?;
    let answer = MessagePage {
        messages: page.messages.into_iter().map(Into::into).collect(),
        unreadable: page.unreadable,
        next_cursor: page.next.map(format_cursor),
    };
    let holder = Holder::Member(identity.public_key);
    let mut memory = state.orchestrator.limiter.memory.reserve(holder);
    let json = serde_json::to_vec(&answer).map_err(ApiError::internal)?;
    memory.grow(json.len())?;
    let body = Bytes::from_owner(Unread {
        json,
        _memory: memory,
    });
    let kind = HeaderValue::from_static("application/json");
    Ok(([(CONTENT_TYPE, kind)], Body::from(body)).into_response())
}

fn parse_limit(text: &str) -> Result<u32, ApiError> {
    let limit = text
        .parse()
        .ok()
        .filter(|limit| (1..=MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| {
        let message = format!("limit must be a whole number from 1 to {MAX_LIMIT}");
        ApiError::unprocessable("invalid_limit", message).field("limit")
    })
}

/// Clients hand a cursor back as it is, and read nothing from it.
fn format_cursor(Cursor(place): Cursor) -> String {
    format!("c_{place:x}")
}

fn parse_cursor(text: &str) -> Result<Cursor, ApiError> {
    let digits = text
        .strip_prefix("c_")
        .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    let place = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    place
        .map(|place| Cursor(place.cast_signed()))
        .ok_or_else(|| {
            let message =
                "this is no cursor: send next_cursor of the page before, exactly as it came";
            ApiError::unprocessable("invalid_cursor", message).field("cursor")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_the_place_it_names() {
        for place in [0, 1, 255, i64::MAX, i64::MIN, -1] {
            assert_eq!(
                parse_cursor(&format_cursor(Cursor(place))).unwrap(),
                Cursor(place)
            );
        }
        for text in ["", "c_", "c_+1", "c_g", "1", "c_11111111111111111"] {
            assert!(parse_cursor(text).is_err(), "{text}");
        }
    }
}
