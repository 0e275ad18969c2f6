//! Bodies, read within a limit and a time.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::server::Limits;

/// Any fault of a body on its way.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// A body that is sent on as it comes.
pub type Stream = BoxBody<Bytes, BoxError>;

/// A whole body as a stream.
pub fn whole(bytes: impl Into<Bytes>) -> Stream {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// Bytes of an answer that leave at a time.
const PIECE: usize = 64 << 10;

/// A whole body that leaves piece by piece, and gives its room back with the last one. Pieces are copies, so that
/// none of them keeps the whole.
struct Pieces {
    rest: Bytes,
    _held: OwnedSemaphorePermit,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BoxError>>> {
        let length = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(length);
        let frame = || http_body::Frame::data(Bytes::copy_from_slice(&piece));
        Poll::Ready((length > 0).then(|| Ok(frame())))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.rest.len() as u64)
    }
}

/// A whole body as a stream that holds its part of a budget until it has left.
pub fn held(bytes: Bytes, held: OwnedSemaphorePermit) -> Stream {
    Pieces { rest: bytes, _held: held }.boxed()
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    TooLarge,
    TooSlow,
    Broken,
    /// Too much is held for others.
    Busy,
}

/// As many bytes as may be held at a time; one body always has room.
pub fn budget(all: usize, one: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(all.max(one).min(Semaphore::MAX_PERMITS)))
}

/// A request's body, and its part of the budget: as many bytes as it says it has, or as it may have.
///
/// # Errors
/// As of [`read`], and there is no room for it.
pub async fn read_within<B>(
    body: B,
    limits: &Limits,
    budget: &Arc<Semaphore>,
) -> Result<(Bytes, OwnedSemaphorePermit), Unread>
where
    B: http_body::Body,
    B::Error: Into<BoxError>,
{
    let most = body.size_hint().upper().and_then(|bytes| usize::try_from(bytes).ok());
    let bytes = u32::try_from(most.unwrap_or(limits.body).min(limits.body)).unwrap_or(u32::MAX);
    let held = budget.clone().try_acquire_many_owned(bytes).map_err(|_| Unread::Busy)?;
    Ok((read(body, limits.body, limits.body_time).await?, held))
}

/// All of a body.
///
/// # Errors
/// It is larger than `limit`, takes longer than `time`, or breaks off.
pub async fn read<B>(body: B, limit: usize, time: Duration) -> Result<Bytes, Unread>
where
    B: http_body::Body,
    B::Error: Into<BoxError>,
{
    match tokio::time::timeout(time, Limited::new(body, limit).collect()).await {
        Err(_) => Err(Unread::TooSlow),
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(Unread::TooLarge),
        Ok(Err(_)) => Err(Unread::Broken),
    }
}
