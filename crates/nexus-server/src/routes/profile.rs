//! `GET /api/v1/profile`: what is in force for a person, and why.

use axum::Json;
use axum::extract::State;
use nexus_api::profile::Profile;
use nexus_core::profile::Notice;
use nexus_run::personal;

use crate::{ApiError, AppState, Member};

pub(crate) async fn show_profile(
    State(state): State<AppState>,
    Member(identity): Member,
) -> Result<Json<Profile>, ApiError> {
    let genesis = state.orchestrator.template.current()?;
    let profile = personal::profile(&genesis, &identity);
    let zone = identity.time_zone().map(nexus_core::Tz::name);
    Ok(Json(Profile {
        public_key: identity.public_key.to_checksummed(),
        created_at: identity.created_at,
        app_name: genesis.system().app_name.to_string(),
        template_version: profile.template_version,
        fields: profile.explain(),
        field_options: genesis.field_options().clone(),
        notices: profile.notices.iter().map(Notice::to_text).collect(),
        time_zone: zone.map(Into::into),
    }))
}
