//! The session of a browser. Scripts cannot read it, other sites cannot send it.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use nexus_core::auth::Origin;
use nexus_core::{Token, TokenKind};

/// The `__Host-` prefix binds a cookie to this host, to every path and to TLS.
const SECURE: &str = "__Host-nexus";
/// On this machine itself there is no TLS, and browsers refuse the prefix without it.
const LOCAL: &str = "nexus";

/// The session that a browser sends, when there is exactly one. The keys of programs have no
/// business in a cookie.
pub(crate) fn read(headers: &HeaderMap, origin: &Origin) -> Option<Token> {
    let name = name(origin);
    let lines = headers.get_all(COOKIE).iter();
    let pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    let mut values = pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(found, _)| *found == name)
        .map(|(_, value)| value);
    match (values.next(), values.next()) {
        (Some(value), None) => {
            let token = Token::parse(value).ok();
            // Older ones are of the other kind.
            token.filter(|token| matches!(token.kind(), TokenKind::Browser | TokenKind::Session))
        }
        _ => None,
    }
}

/// The header that gives a browser its session, for so many seconds.
pub(crate) fn set(token: &Token, origin: &Origin, seconds: i64) -> Option<HeaderValue> {
    header(token.reveal(), origin, seconds)
}

/// The header that takes it away.
pub(crate) fn remove(origin: &Origin) -> Option<HeaderValue> {
    header("", origin, 0)
}

fn header(value: &str, origin: &Origin, seconds: i64) -> Option<HeaderValue> {
    let secure = if origin.is_secure() { "; Secure" } else { "" };
    let text = format!(
        "{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}",
        name(origin)
    );
    let mut header = HeaderValue::try_from(text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

fn name(origin: &Origin) -> &'static str {
    if origin.is_secure() { SECURE } else { LOCAL }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[String]) -> HeaderMap {
        let lines = lines
            .iter()
            .map(|line| HeaderValue::from_str(line).unwrap());
        lines.map(|line| (COOKIE, line)).collect()
    }

    #[test]
    fn a_browser_gets_a_cookie_that_only_this_host_sees_and_sends_it_back() {
        let origin: Origin = "https://nexus.example.org".parse().unwrap();
        let token = Token::generate(TokenKind::Browser).unwrap();
        let set = set(&token, &origin, 60).unwrap();
        let text = token.reveal();
        assert_eq!(
            set.to_str().unwrap(),
            format!("__Host-nexus={text}; Path=/; Max-Age=60; HttpOnly; SameSite=Strict; Secure")
        );
        let returned = headers(&[format!("a=b; __Host-nexus={text}")]);
        assert_eq!(read(&returned, &origin).unwrap().reveal(), text);
        let local: Origin = "http://localhost:8000".parse().unwrap();
        assert!(read(&returned, &local).is_none());
    }

    #[test]
    fn two_sessions_at_once_are_none() {
        let origin: Origin = "https://nexus.example.org".parse().unwrap();
        let token = Token::generate(TokenKind::Session).unwrap();
        let pair = format!("__Host-nexus={}", token.reveal());
        assert!(read(&headers(&[pair.clone(), pair.clone()]), &origin).is_none());
        assert!(read(&headers(&[format!("{pair}; {pair}")]), &origin).is_none());
        assert!(read(&headers(&["__Host-nexus=0x12".to_owned()]), &origin).is_none());
        for kind in [TokenKind::ApiKey, TokenKind::Development] {
            let other = Token::generate(kind).unwrap();
            let pair = format!("__Host-nexus={}", other.reveal());
            assert!(read(&headers(&[pair]), &origin).is_none());
        }
    }
}
