//! `GET /api/v1/usage`: how much somebody used, by day and model.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use chrono::{Datelike as _, Days, NaiveDate};
use nexus_api::usage::{UsageCount, UsageQuery, UsageReport};

use super::template::invalid_query;
use crate::{ApiError, AppState, Member};

/// How many days are shown unless somebody asks for others.
const USUAL: Days = Days::new(29);
/// The most days at a time.
const MOST: i64 = 366;

pub(crate) async fn show_usage(
    State(state): State<AppState>,
    Member(identity): Member,
    span: Result<Query<UsageQuery>, QueryRejection>,
) -> Result<Json<UsageReport>, ApiError> {
    let Query(span) = span.map_err(|rejection| invalid_query(&rejection))?;
    let today = state.orchestrator.clock.now().date_naive();
    let to = span.to.unwrap_or(today);
    let from = span.from.or_else(|| to.checked_sub_days(USUAL));
    let from = from.unwrap_or(to);
    // Stores compare days as text, which needs years of four digits.
    let is_year = |day: NaiveDate| (1..=9_999).contains(&day.year());
    let is_span = (0..MOST).contains(&(to - from).num_days());
    if !is_span || !is_year(from) || !is_year(to) {
        let message =
            format!("from must not be after to, and at most {MOST} days are shown at a time");
        return Err(ApiError::unprocessable("invalid_query", message).field("from"));
    }
    let store = &state.orchestrator.store;
    let usage = store.usage(identity.public_key, from, to).await?;
    let counts = usage.iter().map(|usage| usage.count);
    let total = counts.fold(UsageCount::default(), UsageCount::saturating_add);
    Ok(Json(UsageReport {
        from,
        to,
        usage: usage.into_iter().map(Into::into).collect(),
        total,
    }))
}
