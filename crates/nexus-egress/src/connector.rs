//! Connects within a time limit, and remembers of each connection whether it has answered before,
//! and who moves it.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::driven::Driven;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Whether a connection has answered a request before, and what moves it. It travels with the
/// answers and the errors of its connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reuse(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    has_answered: AtomicBool,
    driven: OnceLock<Weak<Driven>>,
}

impl Reuse {
    pub(crate) fn note_an_answer(&self) {
        self.0.has_answered.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_answered(&self) -> bool {
        self.0.has_answered.load(Ordering::Relaxed)
    }

    /// What moves the connection, as long as it is open.
    pub(crate) fn driven(&self) -> Option<Arc<Driven>> {
        self.0.driven.get()?.upgrade()
    }

    /// Whoever reads and writes first will go on to: the client hands a new connection to one task.
    fn note_who_moves_it(&self) {
        if self.0.driven.get().is_none()
            && let Some(driven) = Driven::current()
        {
            _ = self.0.driven.set(driven);
        }
    }
}

/// Wraps another connector.
#[derive(Clone, Debug)]
pub(crate) struct Connector<C> {
    inner: C,
    limit: Duration,
}

impl<C> Connector<C> {
    pub(crate) const fn new(inner: C, limit: Duration) -> Self {
        Self { inner, limit }
    }
}

impl<C> Service<Uri> for Connector<C>
where
    C: Service<Uri, Error = BoxError>,
    C::Future: Send + 'static,
{
    type Response = Tracked<C::Response>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = tokio::time::timeout(self.limit, self.inner.call(uri));
        Box::pin(async move {
            let inner = connecting
                .await
                .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            Ok(Tracked {
                inner,
                reuse: Reuse::default(),
            })
        })
    }
}

pin_project! {
    /// A connection that carries its [`Reuse`].
    #[derive(Debug)]
    pub(crate) struct Tracked<T> {
        #[pin]
        inner: T,
        reuse: Reuse,
    }
}

impl<T: Connection> Connection for Tracked<T> {
    fn connected(&self) -> Connected {
        self.inner.connected().extra(self.reuse.clone())
    }
}

impl<T: Read> Read for Tracked<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.reuse.note_who_moves_it();
        self.project().inner.poll_read(cx, buffer)
    }
}

impl<T: Write> Write for Tracked<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write_vectored(cx, slices)
    }
}
