//! Turns: every effect is an await point, so that the driver decides what happens between any two of them.
//!
//! A process is killed by dropping its futures. Since they wait only here, it dies before or after an effect, never during it.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// Ends the turn once.
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
pub(super) async fn effect<T>(action: impl Future<Output = T>) -> T {
    Pause::default().await;
    let done = action.await;
    Pause::default().await;
    done
}

/// The result of a turn.
#[derive(Debug)]
pub(super) enum Turn<T> {
    /// The step has ended.
    Done(T),
    /// The step has reached its next effect.
    Yielded,
    /// The step waits for another step of its process, which holds a lock.
    Blocked,
}

/// Whether the future asked to be woken.
#[derive(Debug, Default)]
struct WakeFlag(AtomicBool);

impl Wake for WakeFlag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Polls a future once: one turn. Nobody but the driver polls it.
pub(super) fn take_turn<T>(future: &mut Pin<Box<dyn Future<Output = T> + Send>>) -> Turn<T> {
    let woken = Arc::new(WakeFlag::default());
    let waker = Waker::from(Arc::clone(&woken));
    match future.as_mut().poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(done) => Turn::Done(done),
        Poll::Pending if woken.0.load(Ordering::Relaxed) => Turn::Yielded,
        Poll::Pending => Turn::Blocked,
    }
}
