//! The response stream to a reading client: bounded, so that a slow client makes us wait instead of growing our memory.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::{Stream, StreamExt as _, stream};
use tokio::sync::mpsc;
use tonic::Status;

use super::{limits::ANSWERS_WAITING, refusal::Refusal};

/// The client is gone, or has already received the final error.
#[derive(Debug)]
pub(super) struct ClientGone;

/// Sends responses to a client.
#[derive(Debug)]
pub(super) struct Answers<T = super::wire::streams::ReadResp> {
    sender: mpsc::Sender<Result<T, Status>>,
    finished: Arc<AtomicBool>,
}

impl<T> Clone for Answers<T> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), finished: Arc::clone(&self.finished) }
    }
}

/// Responses waiting to be sent.
pub(super) type ResponseStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl<T: Send + 'static> Answers<T> {
    /// A stream that ends when its last sender is dropped: cleanly after [`finish`](Self::finish), otherwise with the error
    /// `unless_finished`. So a response that is cut off, even by a defect, never looks complete.
    pub(super) fn new(unless_finished: Status) -> (Self, ResponseStream<T>) {
        let (sender, mut receiver) = mpsc::channel(ANSWERS_WAITING);
        let finished = Arc::new(AtomicBool::new(false));
        let whole = Arc::clone(&finished);
        let answers = stream::poll_fn(move |context| receiver.poll_recv(context));
        let last = stream::once(async move { (!whole.load(Ordering::Acquire)).then_some(Err(unless_finished)) });
        (Self { sender, finished }, Box::pin(answers.chain(last.filter_map(std::future::ready))))
    }

    /// Marks the response as complete.
    pub(super) fn finish(&self) {
        self.finished.store(true, Ordering::Release);
    }

    /// Sends a response, waiting for room in the queue.
    pub(super) async fn send(&self, answer: T) -> Result<(), ClientGone> {
        self.sender.send(Ok(answer)).await.map_err(|_| ClientGone)
    }

    /// Ends the call with this status.
    pub(super) async fn end(&self, status: Status) -> ClientGone {
        // A client that is gone needs no status.
        drop(self.sender.send(Err(status)).await);
        ClientGone
    }

    /// Returns the value, or ends the call with the reason.
    pub(super) async fn or_end<V>(&self, value: Result<V, Refusal>) -> Result<V, ClientGone> {
        match value {
            Ok(value) => Ok(value),
            Err(refusal) => Err(self.end(refusal.status()).await),
        }
    }

    /// Returns once the client is gone.
    pub(super) async fn closed(&self) {
        self.sender.closed().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn last(finish: bool) -> Option<Result<u8, Status>> {
        let (answers, outgoing) = Answers::new(Status::internal("it broke off"));
        assert!(answers.send(1).await.is_ok());
        if finish {
            answers.finish();
        }
        drop(answers);
        outgoing.skip(1).next().await
    }

    #[tokio::test]
    async fn only_what_is_finished_ends_cleanly() {
        assert!(last(true).await.is_none());
        assert_eq!(last(false).await.expect("a last word").expect_err("an error").message(), "it broke off");
    }
}
