//! Signed requests: the way through, and each way out.

use super::world::{Request, key};

#[test]
fn a_signed_request_proves_the_key() {
    for request in [
        Request::post("/api/v1/config", None, r#"{"temperature": 0.2}"#),
        Request::post("/api/v1/config", Some("dry=1&x=%20"), "{}"),
        Request::post("/api/v1/config", Some(""), "{}"),
        Request::delete("/api/v1/identity"),
    ] {
        let signed = request.signed().present().unwrap();
        assert_eq!(signed.key, key(1).public_key());
    }
}
