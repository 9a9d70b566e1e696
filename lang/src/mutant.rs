//! Deliberate bugs, each of which the tests must notice: whoever promises much has to show that a promise can be seen to break.
//!
//! Builds with debug assertions have them, switched off; a release has none, and there [`is_on`] is `false` when it is compiled.
//! Nothing but a test switches one on, and only for its own thread, so that other tests go on beside it. The hooks are the calls
//! of [`is_on`]: one line each, at the place where somebody could make that mistake.

/// A rule that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A fence closes a site without the probe that has to come after it.
    ProbeBeforeFence,
    /// A fence that was not acknowledged counts.
    FenceUnheard,
    /// One probe that finds nothing closes a silent site.
    FirstProbe,
    /// What carries the marker is not looked for.
    NoMarker,
    /// When a site refuses, what is there at the others is not undone.
    ForgetsUndo,
    /// A silent site is taken for an empty one.
    UnknownIsAbsent,
    /// Another outcome is sent to while a site that it excludes is unknown.
    Overlaps,
    /// A request leaves before the journal knows of it.
    JournalsAfterwards,
    /// The next step is taken before `send` is synced.
    UnsyncedSend,
    /// A verdict is told before it is synced.
    UnsyncedVerdict,
    /// An undo removes what bears the name.
    UndoesByName,
    /// What is owed after a verdict is forgotten.
    DropsDebt,
    /// A runner that goes on sends again what was under way.
    ResendsOnResume,
    /// An effect whose undo was not answered is kept where it is found.
    KeepsAfterUndo,
    /// A repeated undo by name is trusted to be the last to arrive.
    TrustsName,
    /// The second request under a name that the site keeps unique is taken to have closed the first.
    TrustsKey,
    /// The next step is taken before `undo` is synced.
    UnsyncedUndo,
    /// What waited for a site is sent when it is back, also when the operation has failed since.
    SendsWhenBack,
    /// That a request was sent more than once is not told to the pursuit.
    HidesRepeats,
    /// What an outcome does not need is removed, though what is there satisfies the placement only with it.
    TidiesEarly,
}

impl Mutant {
    /// The rarest to be noticed first: who hunts all of them on several cores has then the least to wait for.
    pub const ALL: [Mutant; 20] = [
        Mutant::TidiesEarly,
        Mutant::HidesRepeats,
        Mutant::KeepsAfterUndo,
        Mutant::TrustsName,
        Mutant::TrustsKey,
        Mutant::UnsyncedUndo,
        Mutant::SendsWhenBack,
        Mutant::UndoesByName,
        Mutant::UnsyncedVerdict,
        Mutant::FenceUnheard,
        Mutant::ProbeBeforeFence,
        Mutant::DropsDebt,
        Mutant::FirstProbe,
        Mutant::NoMarker,
        Mutant::ForgetsUndo,
        Mutant::UnknownIsAbsent,
        Mutant::Overlaps,
        Mutant::JournalsAfterwards,
        Mutant::UnsyncedSend,
        Mutant::ResendsOnResume,
    ];
}

#[cfg(not(debug_assertions))]
#[inline(always)]
pub const fn is_on(_: Mutant) -> bool {
    false
}

#[cfg(debug_assertions)]
pub use switch::{is_on, with};

#[cfg(debug_assertions)]
mod switch {
    use super::Mutant;
    use std::cell::Cell;

    thread_local! {
        static ON: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    pub fn is_on(mutant: Mutant) -> bool {
        ON.get() == Some(mutant)
    }

    /// What `work` comes to on this thread with that bug in it.
    pub fn with<T>(mutant: Mutant, work: impl FnOnce() -> T) -> T {
        let _off = Off(ON.replace(Some(mutant)));
        work()
    }

    /// Also when it panics.
    struct Off(Option<Mutant>);

    impl Drop for Off {
        fn drop(&mut self) {
            ON.set(self.0);
        }
    }
}
