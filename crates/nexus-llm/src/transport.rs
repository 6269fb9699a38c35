//! Requests to providers, and their answers.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use nexus_core::catalog::Protocol;
use nexus_core::egress::PinnedKey;
use nexus_egress::{AddressRules, AnswerBody, HttpClient, RequestError, SetupError, describe};
use url::Url;

use crate::protocol;

/// Sends requests over pooled connections.
#[derive(Debug)]
pub(crate) struct Transport {
    client: HttpClient,
}

/// A request, as often as it has to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why a request cannot be sent at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsendable {
    /// Its address is not one of HTTP.
    NotHttp,
    /// Its key is for another server, or cannot stand in a header.
    WrongKey,
}

impl Call {
    pub(crate) fn get(
        url: &Url,
        protocol: Protocol,
        key: Option<&PinnedKey>,
    ) -> Result<Self, Unsendable> {
        Self::new(Method::GET, url, protocol, key)
    }

    pub(crate) fn post(
        url: &Url,
        protocol: Protocol,
        key: Option<&PinnedKey>,
        json: Vec<u8>,
    ) -> Result<Self, Unsendable> {
        let mut call = Self::new(Method::POST, url, protocol, key)?;
        call.headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        call.body = json.into();
        Ok(call)
    }

    /// Address and key come together here, and nowhere else.
    fn new(
        method: Method,
        url: &Url,
        protocol: Protocol,
        key: Option<&PinnedKey>,
    ) -> Result<Self, Unsendable> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Unsendable::NotHttp);
        }
        let uri = Uri::try_from(url.as_str()).map_err(|_| Unsendable::NotHttp)?;
        let mut headers = HeaderMap::with_capacity(8);
        let agent = concat!("nexus/", env!("CARGO_PKG_VERSION"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
        headers.insert(
            header::ACCEPT,
            HeaderValue::from_static("text/event-stream, application/json"),
        );
        headers.extend(protocol::version_header(protocol));
        if let Some(key) = key {
            let key = key.reveal_to(url).ok_or(Unsendable::WrongKey)?;
            let (name, scheme) = protocol::key_header(protocol);
            let value = HeaderValue::try_from(format!("{scheme}{key}"));
            let mut value = value.map_err(|_| Unsendable::WrongKey)?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(Self {
            method,
            uri,
            headers,
            body: Bytes::new(),
        })
    }

    fn to_request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        self.headers.clone_into(request.headers_mut());
        request
    }
}

impl Transport {
    pub(crate) fn new(connect: Duration, rules: AddressRules) -> Result<Self, SetupError> {
        HttpClient::new(connect, rules).map(|client| Self { client })
    }

    /// Sends a request and returns the head of the answer.
    ///
    /// A server may close an idle connection in the moment in which it is used again. Then no byte
    /// comes back, and the request is sent once more. It is never repeated after a byte of an
    /// answer, nor on a new connection: the model may already be working on it.
    pub(crate) async fn send(&self, call: &Call) -> Result<Response<AnswerBody>, RequestError> {
        match self.client.request(call.to_request()).await {
            Err(error) if error.is_closed_reuse() => {
                tracing::debug!("a server closed an idle connection in use; sending once more");
                self.client.request(call.to_request()).await
            }
            sent => sent,
        }
    }
}

/// Reads a body to its end. `None` when it is longer than `limit`.
pub(crate) async fn read_whole(body: AnswerBody, limit: usize) -> Result<Option<Bytes>, ReadError> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(Some(collected.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Ok(None),
        Err(error) => Err(ReadError(describe(error.as_ref()))),
    }
}

/// Reads the beginning of a body. What cannot be read is left out.
pub(crate) async fn read_beginning(mut body: AnswerBody, limit: usize) -> Vec<u8> {
    let mut beginning = Vec::new();
    while beginning.len() < limit
        && let Some(Ok(frame)) = body.frame().await
    {
        if let Some(data) = frame.data_ref() {
            beginning.extend_from_slice(data);
        }
    }
    beginning.truncate(limit);
    beginning
}

/// Why a body could not be read, for people.
#[derive(Debug)]
pub(crate) struct ReadError(pub(crate) &'static str);
