//! The way back to a client that reads: bounded, so that one who takes nothing makes us wait and not grow.

use futures::{Stream, StreamExt as _, stream};
use tokio::sync::mpsc;
use tonic::Status;

use super::{limits::ANSWERS_WAITING, refusal::Refusal};

/// There is nobody to answer any more: the client went away, or was told why it ends.
#[derive(Debug)]
pub(super) struct Gone;

/// Where answers go.
#[derive(Debug)]
pub(super) struct Answers<T = super::wire::streams::ReadResp>(mpsc::Sender<Result<T, Status>>);

impl<T> Clone for Answers<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Answers on their way.
pub(super) type Outgoing<T> = std::pin::Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl<T: Send + 'static> Answers<T> {
    /// A way that ends when its last sender is dropped; with `at_the_end` as the last word, if there is one.
    pub(super) fn new(at_the_end: Option<Status>) -> (Self, Outgoing<T>) {
        let (sender, mut receiver) = mpsc::channel(ANSWERS_WAITING);
        let answers = stream::poll_fn(move |context| receiver.poll_recv(context));
        let outgoing = answers.chain(stream::iter(at_the_end.map(Err)));
        (Self(sender), Box::pin(outgoing))
    }

    /// Sends an answer, once there is room for it.
    pub(super) async fn say(&self, answer: T) -> Result<(), Gone> {
        self.0.send(Ok(answer)).await.map_err(|_| Gone)
    }

    /// The value, or the end of the call with the reason.
    pub(super) async fn or_end<V>(&self, value: Result<V, Refusal>) -> Result<V, Gone> {
        match value {
            Ok(value) => Ok(value),
            Err(refusal) => {
                // A client that went away needs no reason.
                let _ = self.0.send(Err(refusal.status())).await;
                Err(Gone)
            }
        }
    }

    /// Returns once the client is gone.
    pub(super) async fn gone(&self) {
        self.0.closed().await;
    }
}
