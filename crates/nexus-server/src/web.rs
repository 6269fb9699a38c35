//! The page: files that were there when this crate was built. Without them, a plain page says so.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use nexus_core::hex;
use rust_embed::RustEmbed;

use crate::{ApiError, openai};

#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Built;

/// What stands in for the page of a build without Node.
const NO_PAGE: [(&str, &str, &[u8]); 2] = [
    (
        "index.html",
        "text/html",
        include_bytes!("web/no_page.html"),
    ),
    ("no_page.css", "text/css", include_bytes!("web/no_page.css")),
];

/// A file, wherever it comes from.
struct File {
    content_type: Cow<'static, str>,
    content: Cow<'static, [u8]>,
    /// Changes when the content does.
    version: Cow<'static, [u8]>,
}

/// A form in which the build of the page has left its larger files too, the smallest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Brotli,
    Gzip,
}

impl Encoding {
    const ALL: [Self; 2] = [Self::Brotli, Self::Gzip];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    const fn ending(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Gzip => ".gz",
        }
    }

    /// Whether a client takes it: it is named, and not with `q=0` (RFC 9110, section 12.5.3).
    fn is_accepted(self, headers: &HeaderMap) -> bool {
        let lines = headers.get_all(ACCEPT_ENCODING).iter();
        let mut named = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(','))
            .map(|one| one.split_once(';').unwrap_or((one, "")));
        named.any(|(name, quality)| {
            let quality = quality.trim().strip_prefix("q=");
            let is_refused = quality.is_some_and(|it| it.parse() == Ok(0.0));
            name.trim().eq_ignore_ascii_case(self.as_str()) && !is_refused
        })
    }
}

/// `GET /`
pub(crate) async fn show_page(headers: HeaderMap) -> Response {
    answer("index.html", &headers, &find)
}

/// Any path that is no route.
pub(crate) async fn show_file(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path();
    let is_api = path.starts_with("/api/") || path.starts_with(openai::error::PREFIX);
    if is_api || !matches!(method, Method::GET | Method::HEAD) {
        return ApiError::not_found().into_response();
    }
    answer(path.trim_start_matches('/'), &headers, &find)
}

fn find(path: &str) -> Option<File> {
    if Built::get("index.html").is_some() {
        built(path)
    } else {
        stand_in(path)
    }
}

fn stand_in(path: &str) -> Option<File> {
    let (_, content_type, content) = NO_PAGE.iter().find(|(name, ..)| *name == path)?;
    Some(File {
        content_type: Cow::Borrowed(content_type),
        content: Cow::Borrowed(content),
        version: Cow::Borrowed(env!("CARGO_PKG_VERSION").as_bytes()),
    })
}

fn built(path: &str) -> Option<File> {
    let file = Built::get(path)?;
    Some(File {
        content_type: Cow::Owned(file.metadata.mimetype().to_owned()),
        content: file.data,
        version: Cow::Owned(file.metadata.sha256_hash()[..16].to_vec()),
    })
}

fn answer(path: &str, headers: &HeaderMap, find: &dyn Fn(&str) -> Option<File>) -> Response {
    let is_compressed = Encoding::ALL.iter().any(|it| path.ends_with(it.ending()));
    let Some(plain) = find(path).filter(|_| !is_compressed) else {
        return ApiError::not_found().into_response();
    };
    // The build puts a hash into the names under assets/: what such a name means never changes.
    let caching = if path.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let at = |encoding: Encoding| find(&format!("{path}{}", encoding.ending()));
    let varies = at(Encoding::Gzip).is_some();
    let smaller = Encoding::ALL.into_iter().find_map(|encoding| {
        let accepted = encoding
            .is_accepted(headers)
            .then(|| at(encoding))
            .flatten();
        accepted.map(|file| (file, encoding))
    });
    let (content_type, version) = (plain.content_type, hex::encode(&plain.version));
    // Each form has a tag of its own: they are not the same bytes.
    let (content, encoding, tag) = match smaller {
        Some((file, it)) => (
            file.content,
            Some(it),
            format!("\"{version}-{}\"", it.as_str()),
        ),
        None => (plain.content, None, format!("\"{version}\"")),
    };
    let is_known = headers.get(IF_NONE_MATCH).is_some_and(|known| {
        let known = known.as_bytes();
        known == b"*"
            || known
                .split(|byte| *byte == b',')
                .any(|one| weak(one) == tag.as_bytes())
    });
    let (status, body) = if is_known {
        (StatusCode::NOT_MODIFIED, Body::empty())
    } else {
        (StatusCode::OK, Body::from(content))
    };
    let mut response = (status, body).into_response();
    let answer = response.headers_mut();
    answer.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    if varies {
        answer.insert(VARY, HeaderValue::from_static("accept-encoding"));
    }
    if let Some(encoding) = encoding {
        answer.insert(
            CONTENT_ENCODING,
            HeaderValue::from_static(encoding.as_str()),
        );
    }
    if let Ok(tag) = HeaderValue::try_from(tag) {
        answer.insert(ETAG, tag);
    }
    if let Ok(kind) = HeaderValue::try_from(with_charset(&content_type)) {
        answer.insert(CONTENT_TYPE, kind);
    }
    response
}

/// A tag that a proxy has made weak still names the same content.
fn weak(tag: &[u8]) -> &[u8] {
    let tag = tag.trim_ascii();
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

fn with_charset(kind: &str) -> String {
    if kind.starts_with("text/") {
        format!("{kind}; charset=utf-8")
    } else {
        kind.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content_type: &'static str) -> File {
        File {
            content_type: Cow::Borrowed(content_type),
            content: Cow::Borrowed(b"content"),
            version: Cow::Borrowed(&[1, 0xab]),
        }
    }

    fn get(path: &str, known: Option<&'static str>) -> (u16, Vec<String>) {
        let find = |path: &str| match path {
            "index.html" => Some(file("text/html")),
            "assets/app-1a2b.js" => Some(file("text/javascript")),
            "logo.svg" => Some(file("image/svg+xml")),
            _ => None,
        };
        let mut headers = HeaderMap::new();
        if let Some(known) = known {
            headers.insert(IF_NONE_MATCH, HeaderValue::from_static(known));
        }
        let answer = answer(path, &headers, &find);
        let text = |name| {
            answer
                .headers()
                .get(name)
                .map(|v| v.to_str().unwrap().to_owned())
        };
        let told = [CONTENT_TYPE, CACHE_CONTROL, ETAG]
            .into_iter()
            .filter_map(text);
        (answer.status().as_u16(), told.collect())
    }

    #[test]
    fn a_name_with_a_hash_is_kept_for_ever_and_the_index_is_asked_for_again() {
        let immutable = "public, max-age=31536000, immutable";
        let js = "text/javascript; charset=utf-8";
        assert_eq!(
            get("assets/app-1a2b.js", None),
            (200, vec![js.into(), immutable.into(), "\"01ab\"".into()])
        );
        let html = "text/html; charset=utf-8";
        assert_eq!(
            get("index.html", None),
            (200, vec![html.into(), "no-cache".into(), "\"01ab\"".into()])
        );
        assert_eq!(get("logo.svg", None).1[0], "image/svg+xml");
    }

    #[test]
    fn what_a_browser_has_is_not_sent_again() {
        for known in ["\"01ab\"", "W/\"01ab\"", "\"other\", \"01ab\"", "*"] {
            assert_eq!(get("index.html", Some(known)).0, 304, "{known}");
        }
        assert_eq!(get("index.html", Some("\"01\"")).0, 200);
        assert_eq!(get("assets/gone.js", None).0, 404);
    }

    #[test]
    fn a_compressed_form_is_sent_to_those_who_take_it_with_a_tag_of_its_own() {
        let find = |path: &str| match path {
            "index.html" | "index.html.br" | "index.html.gz" => Some(file("text/html")),
            _ => None,
        };
        let sent = |accepted: &'static str, known: &'static str| {
            let pairs = [(ACCEPT_ENCODING, accepted), (IF_NONE_MATCH, known)];
            let headers = pairs.map(|(name, value)| (name, HeaderValue::from_static(value)));
            let answer = answer("index.html", &HeaderMap::from_iter(headers), &find);
            let text = |name| Some(answer.headers().get(name)?.to_str().unwrap().to_owned());
            assert_eq!(text(VARY).unwrap(), "accept-encoding");
            assert_eq!(text(CONTENT_TYPE).unwrap(), "text/html; charset=utf-8");
            (
                answer.status().as_u16(),
                text(CONTENT_ENCODING),
                text(ETAG).unwrap(),
            )
        };
        let br = |status| (status, Some("br".to_owned()), "\"01ab-br\"".to_owned());
        let gzip = (200, Some("gzip".to_owned()), "\"01ab-gzip\"".to_owned());
        let plain = (200, None, "\"01ab\"".to_owned());
        assert_eq!(sent("gzip, deflate, br, zstd", "\"01ab\""), br(200));
        assert_eq!(sent("gzip, BR;q=0.1", "\"01ab-br\""), br(304));
        assert_eq!(sent("gzip;q=1.0, br;q=0", ""), gzip);
        assert_eq!(sent("gzip", "\"01ab-br\""), gzip);
        for none in ["", "identity", "gzip;q=0, br; q=0.000", "*;q=0", "brotli"] {
            assert_eq!(sent(none, "\"01ab-br\""), plain, "{none}");
        }
        let direct = answer("index.html.br", &HeaderMap::new(), &find);
        assert_eq!(direct.status(), 404);
    }

    #[test]
    fn a_build_without_the_page_shows_a_plain_one() {
        for path in ["index.html", "no_page.css"] {
            assert_eq!(answer(path, &HeaderMap::new(), &stand_in).status(), 200);
        }
        let gone = answer("assets/app-1a2b.js", &HeaderMap::new(), &stand_in);
        assert_eq!(gone.status(), 404);
    }

    #[test]
    fn the_plain_page_needs_nothing_that_the_content_policy_forbids() {
        let html = String::from_utf8_lossy(NO_PAGE[0].2);
        for forbidden in [
            "<script",
            "<style",
            " style=",
            " on",
            "src=",
            "href=\"http",
            "<form",
        ] {
            let in_a_tag = html.split('<').filter_map(|tag| tag.split('>').next());
            let tags: Vec<_> = in_a_tag.map(|tag| format!("<{tag}")).collect();
            assert!(!tags.concat().contains(forbidden), "{forbidden}");
        }
    }
}
