//! Every route of the server, in one list.

use axum::Json;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::middleware::{from_extractor_with_state, from_fn};
use axum::routing::{self, MethodRouter};
use http::Method;
use serde_json::{Value, json};
use tower_http::catch_panic::CatchPanicLayer;

use self::Access::{Admin, Anyone, Token};
use crate::body::MAX_BODY_BYTES;
use crate::caller::{self, Caller};
use crate::routes::{chat, health, messages, models, profile, template, tools};
use crate::{ApiError, AppState, observe, web};

/// The list. A path that is not in it is a file of the page, or not there.
#[must_use]
#[rustfmt::skip]
pub fn routes() -> Vec<Route> {
    vec![
        get( "/",                                Anyone, web::show_page),
        get( "/livez",                           Anyone, health::livez),
        get( "/readyz",                          Anyone, health::readyz),
        get( "/api/v1",                          Anyone, list_routes),
        post("/api/v1/chat",                     Token,  chat::start_run),
        get( "/api/v1/messages",                 Token,  messages::list_messages),
        get( "/api/v1/models",                   Token,  models::list_models),
        get( "/api/v1/tools",                    Token,  tools::list_tools),
        get( "/api/v1/profile",                  Token,  profile::show_profile),
        get( "/api/v1/admin/template",           Admin,  template::show_template),
        put( "/api/v1/admin/template",           Admin,  template::change_template),
        get( "/api/v1/admin/template/versions",  Admin,  template::list_versions),
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

/// Who gets past the door of a route. Handlers may ask for more, never for less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Anyone,
    /// Whoever shows a token that is valid, member or visitor.
    Token,
    /// Whoever shows a valid token that reaches the installation.
    Admin,
}

/// All routes, ready to be served.
pub fn router(state: AppState) -> Router {
    let mut router = Router::new();
    for route in routes() {
        let handler = match route.access {
            Anyone => route.handler,
            Token => {
                let check = from_extractor_with_state::<Caller, _>(state.clone());
                route.handler.route_layer(check)
            }
            Admin => {
                let check = from_extractor_with_state::<caller::Admin, _>(state.clone());
                route.handler.route_layer(check)
            }
        };
        router = router.route(route.path, handler);
    }
    router
        .fallback(web::show_file)
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(CatchPanicLayer::custom(observe::panicked))
        .layer(from_fn(observe::observe))
        .with_state(state)
}

/// `GET /api/v1`
async fn list_routes() -> Json<Value> {
    let routes = routes();
    let routes = routes.iter().filter(|route| route.path.starts_with("/api"));
    let routes: Vec<_> = routes
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    Json(json!({
        "name": "nexus",
        "version": env!("CARGO_PKG_VERSION"),
        "routes": routes,
    }))
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
