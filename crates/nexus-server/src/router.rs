//! Every route of the server, in one list.

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::handler::Handler;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{self, MethodRouter};
use http::{Method, StatusCode};
use nexus_api::health::ServerInfo;
use nexus_core::ApiScope::{self, Chat, HistoryRead, ModelsRead, ProfileRead};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::csrf::CsrfLayer;

use self::Access::{Admin, Anyone, Scope, Session};
use crate::caller::IsSignedIn;
use crate::origins::{self, Origins};
use crate::routes::{
    admin, auth, chat, commands, export, health, messages, models, openapi, personal, profile,
    quarantine, runs, template, tools, usage,
};
use crate::{ApiError, AppState, admission, compress, drain, observe, openai, web};

/// The list. A path that is not in it is a file of the page, or not there.
#[must_use]
#[rustfmt::skip]
pub fn routes() -> Vec<Route> {
    vec![
        get(   "/",                               Anyone,              web::show_page),
        get(   "/livez",                          Anyone,              health::livez),
        get(   "/readyz",                         Anyone,              health::readyz),
        get(   "/api/openapi.json",               Anyone,              openapi::show_document),
        get(   "/api/v1",                         Anyone,              list_routes),
        post(  "/api/v1/auth/challenge",          Anyone,              auth::challenge),
        post(  "/api/v1/auth/verify",             Anyone,              auth::verify),
        get(   "/api/v1/auth/session",            Session,             auth::show_session),
        delete("/api/v1/auth/session",            Session,             auth::sign_out),
        get(   "/api/v1/commands",                Anyone,              commands::list_commands),
        post(  "/api/v1/commands/execute",        Session,             commands::execute),
        post(  "/api/v1/identity",                Session,             personal::register),
        delete("/api/v1/identity",                Session,             personal::erase),
        put(   "/api/v1/profile/{field}",         Session,             personal::set),
        delete("/api/v1/profile/{field}",         Session,             personal::unset),
        get(   "/api/v1/keys",                    Session,             personal::list_keys),
        post(  "/api/v1/keys",                    Session,             personal::create_key),
        delete("/api/v1/keys/{id}",               Session,             personal::revoke_key),
        get(   "/api/v1/sessions",                Session,             personal::list_sessions),
        delete("/api/v1/sessions",                Session,             personal::revoke_sessions),
        delete("/api/v1/sessions/{id}",           Session,             personal::revoke_session),
        get(   "/api/v1/export",                  Session,             export::export),
        post(  "/api/v1/chat",                    Scope(Chat),         chat::start_run),
        get(   "/api/v1/runs",                    Scope(HistoryRead),  runs::list_runs),
        post(  "/api/v1/runs/{run_id}/cancel",    Scope(Chat),         runs::cancel_run),
        get(   "/api/v1/messages",                Scope(HistoryRead),  messages::list_messages),
        get(   "/api/v1/models",                  Scope(ModelsRead),   models::list_models),
        get(   "/api/v1/tools",                   Scope(ProfileRead),  tools::list_tools),
        get(   "/api/v1/profile",                 Scope(ProfileRead),  profile::show_profile),
        get(   "/api/v1/usage",                   Scope(ProfileRead),  usage::show_usage),
        post(  "/v1/chat/completions",            Scope(Chat),         openai::complete_chat),
        post(  "/v1/responses",                   Scope(Chat),         openai::responses::respond),
        get(   "/v1/models",                      Scope(ModelsRead),   openai::models::list_models),
        get(   "/v1/models/{*id}",                Scope(ModelsRead),   openai::models::show_model),
        get(   "/api/v1/admin/template",          Admin,               template::show_template),
        put(   "/api/v1/admin/template",          Admin,               template::change_template),
        get(   "/api/v1/admin/template/versions", Admin,               template::list_versions),
        get(   "/api/v1/admin/template/versions/{version}", Admin,     template::show_version),
        get(   "/api/v1/admin/identities",        Admin,               admin::list_identities),
        get(   "/api/v1/admin/identities/{key}",  Admin,               admin::show_identity),
        put(   "/api/v1/admin/identities/{key}",  Admin,               admin::decide),
        delete("/api/v1/admin/identities/{key}",  Admin,               admin::erase),
        get(   "/api/v1/admin/quarantine",        Admin,               quarantine::list_unreadable),
        delete("/api/v1/admin/quarantine/{collection}/{id}", Admin,   quarantine::delete_unreadable),
        get(   "/api/v1/admin/audit",             Admin,               admin::list_audit),
    ]
}

/// One route.
pub struct Route {
    /// `GET` stands for `HEAD` too.
    pub method: Method,
    /// The path.
    pub path: &'static str,
    /// Who gets past the door.
    pub access: Access,
    handler: MethodRouter<AppState>,
}

impl Route {
    /// Whether it asks a model. Such requests are admitted by what their runs need.
    fn asks(&self) -> bool {
        let paths = ["/api/v1/chat", "/v1/chat/completions", "/v1/responses"];
        paths.contains(&self.path)
    }
}

/// Who gets past the door of a route. Handlers may ask for more, never for less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Anyone,
    /// Whoever is signed in, member or visitor.
    Session,
    /// Whoever is signed in, and a program whose API key has this scope.
    Scope(ApiScope),
    /// Whoever is signed in and may change what belongs to the installation.
    Admin,
}

/// All routes, ready to be served.
pub fn router(state: AppState) -> Router {
    let origins: Origins = state.origins.clone();
    let mut router = Router::new();
    for route in routes() {
        let is_compressed = compress::suits(&route);
        let handler = match route.access {
            // Files and signs of life cost nothing.
            Anyone if !route.path.starts_with("/api/") => route.handler,
            access => {
                let state = (state.clone(), access, route.asks());
                let check = from_fn_with_state(state, admission::check_access);
                route.handler.route_layer(check)
            }
        };
        let handler = if is_compressed {
            handler.layer(compress::layer())
        } else {
            handler
        };
        router = router.route(route.path, handler);
    }
    router
        .fallback(web::show_file)
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .layer(CsrfLayer::new().with_rejection_response(|_| foreign_page()))
        .layer(from_fn_with_state(origins, origins::check_host))
        .layer(from_fn(drain::check_expectation))
        .layer(CatchPanicLayer::custom(observe::panicked))
        .layer(from_fn(openai::error::speak_openai))
        .layer(from_fn(drain::drain_refused))
        .layer(from_fn(observe::observe))
        .with_state(state)
}

/// A page of somebody else asked a browser to change something here.
fn foreign_page() -> Response {
    ApiError::new(
        StatusCode::FORBIDDEN,
        "cross_site",
        "this request came from a page of another site, which may not change anything here",
    )
    .into_response()
}

/// `GET /api/v1`
async fn list_routes(
    State(state): State<AppState>,
    IsSignedIn(signed_in): IsSignedIn,
) -> Json<ServerInfo> {
    let genesis = state.orchestrator.template.current().ok();
    let routes = routes();
    let routes = routes
        .iter()
        .filter(|route| route.path.starts_with("/api/v1"));
    let routes = routes.map(|route| format!("{} {}", route.method, route.path));
    Json(ServerInfo {
        name: "nexus".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        app_name: genesis.map(|genesis| genesis.system().app_name.to_string()),
        signed_in,
        routes: routes.collect(),
    })
}

fn get<T: 'static>(
    path: &'static str,
    access: Access,
    handler: impl Handler<T, AppState>,
) -> Route {
    Route {
        method: Method::GET,
        path,
        access,
        handler: routing::get(handler),
    }
}

fn post<T: 'static>(
    path: &'static str,
    access: Access,
    handler: impl Handler<T, AppState>,
) -> Route {
    Route {
        method: Method::POST,
        path,
        access,
        handler: routing::post(handler),
    }
}

fn delete<T: 'static>(
    path: &'static str,
    access: Access,
    handler: impl Handler<T, AppState>,
) -> Route {
    Route {
        method: Method::DELETE,
        path,
        access,
        handler: routing::delete(handler),
    }
}

fn put<T: 'static>(
    path: &'static str,
    access: Access,
    handler: impl Handler<T, AppState>,
) -> Route {
    Route {
        method: Method::PUT,
        path,
        access,
        handler: routing::put(handler),
    }
}
