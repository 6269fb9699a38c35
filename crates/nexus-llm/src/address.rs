//! The addresses of a protocol's paths below a provider's `base_url`.

use url::Url;

/// `base_url`, then `folder` where the base does not end with it, then `path`. A name and password
/// in the base are left out.
pub(crate) fn below(base_url: &Url, folder: &str, path: &str) -> Url {
    let base = base_url.path().trim_end_matches('/');
    let missing = if base.ends_with(folder) { "" } else { folder };
    let mut url = base_url.clone();
    url.set_path(&format!("{base}{missing}{path}"));
    url.set_fragment(None);
    // Both only fail for addresses that cannot have them, which have nothing to leave out.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(base_url: &str) -> String {
        below(&Url::parse(base_url).expect("a URL"), "/v1", "/messages").into()
    }

    #[test]
    fn the_folder_is_added_where_a_template_leaves_it_out() {
        for (base_url, expected) in [
            (
                "https://api.anthropic.com",
                "https://api.anthropic.com/v1/messages",
            ),
            ("http://x.test/v1/", "http://x.test/v1/messages"),
            (
                "https://x.test/anthropic",
                "https://x.test/anthropic/v1/messages",
            ),
            (
                "https://me:secret@x.test/v1?a=b",
                "https://x.test/v1/messages?a=b",
            ),
        ] {
            assert_eq!(messages(base_url), expected);
        }
    }
}
