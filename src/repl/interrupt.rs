//! Ctrl-C. While a statement runs the first one stops it, which says what is owed; the second leaves it as it is. Both
//! lead back to the prompt.

use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::watch;

/// What Ctrl-C means for the statement that runs.
pub struct Running {
    pub stop: watch::Receiver<bool>,
    pub leave: watch::Receiver<bool>,
}

#[derive(Clone)]
pub struct Interrupts {
    running: Arc<Mutex<Option<Senders>>>,
}

struct Senders {
    stop: watch::Sender<bool>,
    leave: watch::Sender<bool>,
}

/// Between statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// The prompt deals with the key itself.
    Ignore,
    /// Over a pipe it ends the process, as it does any other.
    Exit,
}

impl Interrupts {
    /// Listens from now on, on a thread of its own: the runtime of the statements stands still between them.
    pub fn listen(idle: Idle) -> Interrupts {
        let interrupts = Interrupts { running: Arc::default() };
        let own = interrupts.clone();
        std::thread::spawn(move || {
            // Without a runtime for it, Ctrl-C does what it does to any process.
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
            runtime.block_on(async {
                while tokio::signal::ctrl_c().await.is_ok() {
                    own.press(idle);
                }
            });
        });
        interrupts
    }

    /// A statement begins.
    pub fn begin(&self) -> Running {
        let (stop, stopped) = watch::channel(false);
        let (leave, left) = watch::channel(false);
        *self.lock() = Some(Senders { stop, leave });
        Running { stop: stopped, leave: left }
    }

    pub fn end(&self) {
        *self.lock() = None;
    }

    pub fn press(&self, idle: Idle) {
        match &*self.lock() {
            None if idle == Idle::Exit => std::process::exit(130),
            // The second one: the first has said so already.
            Some(senders) if senders.stop.send_replace(true) => {
                senders.leave.send_replace(true);
            }
            _ => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Senders>> {
        self.running.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Resolves when it is pressed; never, when nothing can press it any more.
pub async fn pressed(receiver: &mut watch::Receiver<bool>) {
    if receiver.wait_for(|pressed| *pressed).await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_stops_and_the_second_leaves() {
        let interrupts = Interrupts { running: Arc::default() };
        interrupts.press(Idle::Ignore);
        let running = interrupts.begin();
        assert_eq!((*running.stop.borrow(), *running.leave.borrow()), (false, false));
        interrupts.press(Idle::Ignore);
        assert_eq!((*running.stop.borrow(), *running.leave.borrow()), (true, false));
        interrupts.press(Idle::Ignore);
        assert_eq!((*running.stop.borrow(), *running.leave.borrow()), (true, true));
        interrupts.end();
        assert!(!*interrupts.begin().stop.borrow(), "the next statement begins afresh");
    }
}
