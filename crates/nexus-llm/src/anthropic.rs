//! Anthropic's Messages API, without a connection: `POST /v1/messages`, as Anthropic serves it and
//! as others do who say so. <https://platform.claude.com/docs/en/api/messages>

mod body;
mod reader;
mod wire;

use url::Url;

pub(crate) use body::body;
pub(crate) use reader::Reader;

use crate::address;

/// The version of the API that is asked for: the only one since 2023.
/// <https://platform.claude.com/docs/en/api/versioning>
pub(crate) const VERSION: &str = "2023-06-01";

/// The key of [`crate::ToolCall::extra`] under which the thinking blocks before a call are kept.
/// They are signed, and go back unchanged together with the result of the call.
/// <https://platform.claude.com/docs/en/build-with-claude/extended-thinking#preserving-thinking-blocks>
pub(crate) const THINKING: &str = "anthropic_thinking";

/// Where turns are asked for.
pub(crate) fn messages_address(base_url: &Url) -> Url {
    address::below(base_url, "/v1", "/messages")
}

/// Where models are listed, the newest first.
/// <https://platform.claude.com/docs/en/api/models/list>
pub(crate) fn models_address(base_url: &Url) -> Url {
    let mut url = address::below(base_url, "/v1", "/models");
    url.query_pairs_mut().append_pair("limit", "1000");
    url
}
