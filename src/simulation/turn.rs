//! Turns: every effect is an await point of its own, so that the driver decides what happens between any two of them.
//!
//! A process dies by its futures being dropped. Since they rest only here, it dies before or after an effect, never in it.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// Gives the turn away once.
#[derive(Debug, Default)]
struct Pause {
    paused: bool,
}

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.paused {
            return Poll::Ready(());
        }
        self.paused = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Carries out one effect, with a turn of its own before and after it.
pub(super) async fn effect<T>(act: impl Future<Output = T>) -> T {
    Pause::default().await;
    let done = act.await;
    Pause::default().await;
    done
}

/// A future that nobody but its driver moves on: one call, one turn.
pub(super) fn take_turn<T>(future: &mut Pin<Box<dyn Future<Output = T> + Send>>) -> Option<T> {
    let mut context = Context::from_waker(futures::task::noop_waker_ref());
    match future.as_mut().poll(&mut context) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}
