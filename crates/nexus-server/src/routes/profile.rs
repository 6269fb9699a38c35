//! `GET /api/v1/profile`: what is in force for a person, and why.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use nexus_core::Timestamp;
use nexus_core::event::NoticeText;
use nexus_core::profile::{Explanation, Notice};
use nexus_run::personal;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{ApiError, AppState, Member};

#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    /// With the upper and lower case letters of its checksum.
    public_key: String,
    created_at: Timestamp,
    app_name: Arc<str>,
    template_version: u64,
    fields: Vec<Explanation>,
    field_options: Map<String, Value>,
    notices: Vec<NoticeText>,
    /// A name of the IANA time zone database. `None`: UTC.
    time_zone: Option<&'static str>,
}

pub(crate) async fn show_profile(
    State(state): State<AppState>,
    Member(identity): Member,
) -> Result<Json<Answer>, ApiError> {
    let genesis = state.orchestrator.template.current()?;
    let profile = personal::profile(&genesis, &identity);
    Ok(Json(Answer {
        public_key: identity.public_key.to_checksummed(),
        created_at: identity.created_at,
        app_name: Arc::clone(&genesis.system().app_name),
        template_version: profile.template_version,
        fields: profile.explain(),
        field_options: genesis.field_options().clone(),
        notices: profile.notices.iter().map(Notice::to_text).collect(),
        time_zone: identity.time_zone().map(nexus_core::Tz::name),
    }))
}
