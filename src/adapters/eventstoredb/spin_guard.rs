//! Keeps the client's subscription from spinning.
//!
//! When a server ends a subscription without an error, the client polls the finished stream in an endless loop and
//! never yields: neither a timeout nor an abort in the same task works, and the
//! thread is stuck at full load. All it does per iteration is to log a warning. So this future is polled with
//! its own log subscriber, which forwards everything and, if a single poll logs too many warnings, unwinds it.
//!
//! This also catches the client's panics on unknown messages.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
};

use tracing::{
    Dispatch, Event, Level, Metadata, Subscriber,
    dispatcher::{get_default, with_default},
    level_filters::LevelFilter,
    span,
    subscriber::Interest,
};

/// Warnings within one poll. An unknown message costs one; a hundred in a row
/// without waiting for the network do not occur.
const WARNINGS_MAX: u32 = 1_000;

/// Log target of the client's warning.
const TARGET: &str = "eventstore::commands";

/// The future was stopped because it would never have returned, or because it panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SpinAborted;

/// Polls futures under supervision.
pub(super) struct SpinGuard {
    dispatch: Dispatch,
    warnings: Arc<AtomicU32>,
}

impl SpinGuard {
    /// A watch that forwards log events to the present subscriber.
    pub fn new() -> Self {
        let warnings = Arc::new(AtomicU32::new(0));
        let counting = WarningCounter { onto: get_default(Clone::clone), warnings: Arc::clone(&warnings) };
        Self { dispatch: Dispatch::new(counting), warnings }
    }

    /// The result of `future`, unless it has to be stopped.
    pub fn over<'a, F: Future + Send + 'a>(&'a self, future: F) -> GuardedFuture<'a, F::Output> {
        GuardedFuture { watch: self, future: Box::pin(future) }
    }
}

/// See [`SpinGuard::over`].
pub(super) struct GuardedFuture<'a, T> {
    watch: &'a SpinGuard,
    future: Pin<Box<dyn Future<Output = T> + Send + 'a>>,
}

impl<T> Future for GuardedFuture<'_, T> {
    type Output = Result<T, SpinAborted>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { watch, future } = &mut *self;
        watch.warnings.store(0, Ordering::Relaxed);
        let poll = || with_default(&watch.dispatch, || future.as_mut().poll(context));
        match catch_unwind(AssertUnwindSafe(poll)) {
            Ok(polled) => polled.map(Ok),
            Err(_) => Poll::Ready(Err(SpinAborted)),
        }
    }
}

struct WarningCounter {
    onto: Dispatch,
    warnings: Arc<AtomicU32>,
}

fn is_the_warning(metadata: &Metadata<'_>) -> bool {
    *metadata.level() == Level::WARN && metadata.target() == TARGET
}

impl Subscriber for WarningCounter {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_the_warning(metadata) || self.onto.enabled(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        // Events that the other subscriber filters more strictly are checked in `enabled`.
        None
    }

    fn event(&self, event: &Event<'_>) {
        if is_the_warning(event.metadata()) && self.warnings.fetch_add(1, Ordering::Relaxed) >= WARNINGS_MAX {
            // Not `panic!`, to avoid a panic message.
            resume_unwind(Box::new(SpinAborted));
        }
        // Of many equal warnings, only the first is forwarded.
        let first = !is_the_warning(event.metadata()) || self.warnings.load(Ordering::Relaxed) <= 1;
        if first && self.onto.enabled(event.metadata()) {
            self.onto.event(event);
        }
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        self.onto.new_span(span)
    }

    fn record(&self, span: &span::Id, values: &span::Record<'_>) {
        self.onto.record(span, values);
    }

    fn record_follows_from(&self, span: &span::Id, follows: &span::Id) {
        self.onto.record_follows_from(span, follows);
    }

    fn enter(&self, span: &span::Id) {
        self.onto.enter(span);
    }

    fn exit(&self, span: &span::Id) {
        self.onto.exit(span);
    }

    fn clone_span(&self, span: &span::Id) -> span::Id {
        self.onto.clone_span(span)
    }

    fn try_close(&self, span: span::Id) -> bool {
        self.onto.try_close(span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_spins_is_stopped_and_what_comes_back_is_not() {
        let watch = SpinGuard::new();
        assert_eq!(watch.over(async { 7 }).await, Ok(7));
        let some = async {
            for _ in 0..10 * WARNINGS_MAX {
                tracing::warn!(target: "eventstore::commands", "Received an unknown subscription message");
                // Each iteration yields to the runtime: a slow sequence is not a spin.
                tokio::task::yield_now().await;
            }
        };
        assert_eq!(watch.over(some).await, Ok(()));
        let spinning = async {
            loop {
                tracing::warn!(target: "eventstore::commands", "Received an unknown subscription message");
                std::future::ready(()).await;
            }
        };
        assert_eq!(watch.over(spinning).await, Err::<(), _>(SpinAborted));
    }
}
