//! Bodies, read within a limit and a time.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited};

/// Any fault of a body on its way.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// A body that is sent on as it comes.
pub type Stream = BoxBody<Bytes, BoxError>;

/// A whole body as a stream.
pub fn whole(bytes: impl Into<Bytes>) -> Stream {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    TooLarge,
    TooSlow,
    Broken,
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
