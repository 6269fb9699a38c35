//! Every operation of the native API, in the order of the router.

use utoipa::openapi::path::HttpMethod::{self, Delete, Get, Post, Put};

use super::operation::Described;
use super::operation::Who::{self, Anyone, Scope, Session, Signed};
use crate::audit::{AuditPage, AuditQuery};
use crate::auth::{Challenge, ListedSession, SignIn, SignedIn, SignedOut};
use crate::chat::ChatRequest;
use crate::command::{CommandCall, CommandList, Data, Revoked};
use crate::event::ChatEvent;
use crate::health::{Liveness, Readiness, ServerInfo};
use crate::identity::{Erased, Identity, IdentityPage, IdentityQuery, Registered, StandingChange};
use crate::key::{ApiKey, KeyRequest, NewKey};
use crate::message::{MessagePage, MessageQuery};
use crate::model::ModelList;
use crate::profile::{FieldOutcome, NewValue, Profile};
use crate::quarantine::{QuarantinePage, QuarantineQuery};
use crate::run::{ActiveRuns, CancelledRun};
use crate::template::{
    Template, TemplateChange, TemplateChangeQuery, TemplateChanged, VersionDetail, VersionPage,
    VersionQuery,
};
use crate::tool::ToolList;
use crate::usage::{UsageQuery, UsageReport};

const OK: &str = "It worked.";
const NOT_THERE: &str = "Nothing of yours goes by this id.";

pub(super) fn all() -> Vec<Described> {
    [
        server(),
        sign_in(),
        account(),
        conversation(),
        administration(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn op(method: HttpMethod, path: &'static str, who: Who, id: &str, summary: &str) -> Described {
    Described::new((method, path), who, id, summary)
}

#[rustfmt::skip]
fn server() -> Vec<Described> {
    vec![
        op(Get, "/livez", Anyone, "livez", "Whether the process answers.")
            .answers::<Liveness>(200, "It does."),
        op(Get, "/readyz", Anyone, "readyz", "Whether the server can do its work.")
            .answers::<Readiness>(200, "It can.")
            .answers::<Readiness>(503, "It cannot: `reasons` say why."),
        op(Get, "/api/openapi.json", Anyone, "openapi", "This document.")
            .sends::<crate::Object>(200, "application/json", OK),
        op(Get, "/api/v1", Anyone, "server_info", "Name, version and routes of the server.")
            .answers::<ServerInfo>(200, OK),
    ]
}

#[rustfmt::skip]
fn sign_in() -> Vec<Described> {
    vec![
        op(Post, "/api/v1/auth/challenge", Anyone, "challenge", "A text to sign.")
            .answers::<Challenge>(200, OK),
        op(Post, "/api/v1/auth/verify", Anyone, "sign_in", "Signs in with a signed text.")
            .body::<SignIn>()
            .answers::<SignedIn>(200, "Signed in: the session is in `token`, or in a cookie.")
            .fails_when(401, "The sign-in is not accepted, whatever the reason.")
            .fails(403),
        op(Get, "/api/v1/auth/session", Session, "show_session", "Who is signed in.")
            .answers::<SignedIn>(200, OK),
        op(Delete, "/api/v1/auth/session", Session, "sign_out", "Signs out.")
            .answers::<SignedOut>(200, "The session has ended."),
        op(Get, "/api/v1/sessions", Session, "list_sessions", "Where one is signed in.")
            .outcomes::<ListedSession>(),
        op(Delete, "/api/v1/sessions", Signed, "revoke_sessions", "Signs out everywhere.")
            .outcome::<Revoked>(),
        op(Delete, "/api/v1/sessions/{id}", Session, "revoke_session", "Signs out one session.")
            .outcome::<Revoked>()
            .fails_when(404, NOT_THERE),
    ]
}

#[rustfmt::skip]
fn account() -> Vec<Described> {
    vec![
        op(Get, "/api/v1/commands", Anyone, "list_commands", "Every command of this server.")
            .answers::<CommandList>(200, OK),
        op(Post, "/api/v1/commands/execute", Session, "execute", "Executes one command.")
            .body::<CommandCall>()
            .outcome::<Data>()
            .fails_when(404, NOT_THERE)
            .fails_when(409, "Somebody else changed the same thing."),
        op(Post, "/api/v1/identity", Signed, "register", "Registers the key.")
            .outcome::<Registered>(),
        op(Delete, "/api/v1/identity", Signed, "erase", "Erases everything of one's own.")
            .outcome::<Erased>(),
        op(Get, "/api/v1/profile", Scope("profile.read"), "show_profile", "What is in force for a person, and why.")
            .answers::<Profile>(200, OK),
        op(Put, "/api/v1/profile/{field}", Signed, "set_field", "Changes a setting, a prompt or `time_zone`.")
            .body::<NewValue>()
            .outcome::<FieldOutcome>()
            .fails_when(409, "Somebody else changed the same thing."),
        op(Delete, "/api/v1/profile/{field}", Signed, "unset_field", "Goes back to the default.")
            .outcome::<FieldOutcome>()
            .fails_when(409, "Somebody else changed the same thing.")
            .fails(422),
        op(Get, "/api/v1/keys", Session, "list_keys", "One's API keys.").outcomes::<ApiKey>(),
        op(Post, "/api/v1/keys", Signed, "create_key", "Makes an API key. Its secret is shown once.")
            .body::<KeyRequest>()
            .outcome::<NewKey>(),
        op(Delete, "/api/v1/keys/{id}", Signed, "revoke_key", "Ends an API key.")
            .outcome::<Revoked>()
            .fails_when(404, NOT_THERE),
        op(Get, "/api/v1/usage", Scope("profile.read"), "show_usage", "What one used, by day and model.")
            .query::<UsageQuery>()
            .answers::<UsageReport>(200, OK),
        op(Get, "/api/v1/export", Session, "export", "Everything that is stored about a person.")
            .text(200, "application/jsonl", "Lines of JSON; the last one is signed."),
        op(Get, "/api/v1/models", Scope("models.read"), "list_models", "The models of the catalog.")
            .answers::<ModelList>(200, OK),
        op(Get, "/api/v1/tools", Scope("profile.read"), "list_tools", "What one's model may call.")
            .answers::<ToolList>(200, OK),
    ]
}

#[rustfmt::skip]
fn conversation() -> Vec<Described> {
    vec![
        op(Post, "/api/v1/chat", Scope("chat"), "chat", "Asks, and streams the answer.")
            .header("x-nexus-explain", &["0", "1"], "Whether `run_started` tells every value in force. An API key needs `profile.read` for it.")
            .body::<ChatRequest>()
            .events::<ChatEvent<'_>>("Server-Sent Events: the name of a `ChatEvent`, and as a line of JSON its `data`.")
            .fails_when(404, "There is no such run.")
            .fails_when(409, "The question is being answered, or has a complete answer.")
            .fails_when(502, "A provider failed.")
            .fails_when(504, "A provider was too slow."),
        op(Get, "/api/v1/runs", Scope("history.read"), "list_runs", "The answers that are being written.")
            .answers::<ActiveRuns>(200, OK),
        op(Post, "/api/v1/runs/{run_id}/cancel", Scope("chat"), "cancel_run", "Stops an answer.")
            .answers::<CancelledRun>(200, "The run has ended, now or before.")
            .answers::<CancelledRun>(202, "The run was told to stop.")
            .fails_when(404, "There is no such run."),
        op(Get, "/api/v1/messages", Scope("history.read"), "list_messages", "What was said, newest first.")
            .query::<MessageQuery>()
            .answers::<MessagePage>(200, OK),
    ]
}

#[rustfmt::skip]
fn administration() -> Vec<Described> {
    const NOBODY: &str = "Nobody is registered with this key.";
    const UNREADABLE: &str = "The identity cannot be read, or was changed meanwhile.";
    vec![
        op(Get, "/api/v1/admin/template", Session, "show_template", "The stored template.")
            .answers::<Template>(200, OK),
        op(Put, "/api/v1/admin/template", Signed, "change_template", "Changes the template, or tells what a change would do.")
            .query::<TemplateChangeQuery>()
            .body::<TemplateChange>()
            .answers::<TemplateChanged>(200, OK)
            .fails_when(409, "The stored version is another one: `details.version`."),
        op(Get, "/api/v1/admin/template/versions", Session, "list_versions", "Every version that was stored.")
            .query::<VersionQuery>()
            .answers::<VersionPage>(200, OK),
        op(Get, "/api/v1/admin/template/versions/{version}", Session, "show_version", "One version, with its document.")
            .answers::<VersionDetail>(200, OK)
            .fails_when(404, "There is no such version."),
        op(Get, "/api/v1/admin/identities", Session, "list_identities", "Who is registered.")
            .query::<IdentityQuery>()
            .answers::<IdentityPage>(200, OK),
        op(Get, "/api/v1/admin/identities/{key}", Session, "show_identity", "One person.")
            .answers::<Identity>(200, OK)
            .fails_when(404, NOBODY)
            .fails_when(409, UNREADABLE),
        op(Put, "/api/v1/admin/identities/{key}", Signed, "decide_identity", "Lets a person in, or locks them out.")
            .body::<StandingChange>()
            .answers::<Identity>(200, OK)
            .fails_when(404, NOBODY)
            .fails_when(409, UNREADABLE),
        op(Delete, "/api/v1/admin/identities/{key}", Signed, "erase_identity", "Erases a person with everything that is theirs.")
            .answers::<Erased>(200, OK)
            .fails_when(404, NOBODY)
            .fails_when(409, UNREADABLE),
        op(Get, "/api/v1/admin/quarantine", Session, "list_unreadable", "The documents that cannot be read.")
            .query::<QuarantineQuery>()
            .answers::<QuarantinePage>(200, OK),
        op(Delete, "/api/v1/admin/quarantine/{collection}/{id}", Signed, "delete_unreadable", "Deletes a document that cannot be read.")
            .answers::<Erased>(200, OK)
            .fails_when(404, "No document with this id is unreadable.")
            .fails_when(422, "Nothing is ever deleted of this collection."),
        op(Get, "/api/v1/admin/audit", Session, "list_audit", "What was done, in the order of the chain.")
            .query::<AuditQuery>()
            .answers::<AuditPage>(200, OK),
    ]
}
