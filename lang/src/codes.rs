//! Every diagnostic code, of every stage; `edge explain` lists them.

use crate::diagnostic::Code;

/// Of running a program: E06xx.
pub mod run {
    crate::codes! {
        FAILED = "E0601" Error "an operation that failed, of which nothing is left";
        UNSETTLED = "E0602" Error "an operation of which something is owed";
        INTERRUPTED = "E0603" Error "a run that was stopped";
        NOT_UNDONE = "E0604" Error "an effect that could not be undone";
        PARTIAL = "E0605" Error "a final operation that some sites did not carry out";
        SILENT_READ = "E0606" Error "a read that some sites did not answer";
        NOT_FOUND = "E0607" Error "a name that is not there";
        NO_FILE = "E0608" Error "a file that cannot be read";
        NO_SECRET = "E0609" Error "a secret that is not set";
        NOT_APPROVED = "E0610" Error "an effect that was not approved";
        JOURNAL = "E0611" Error "a journal that cannot be written";
        NOT_DESCRIBED = "E0612" Error "an operation that the site's kind does not have";
        GUARD = "E0614" Error "an effect that the inventory forbids";
    }
}

pub fn all() -> impl Iterator<Item = &'static Code> {
    let stages = [
        crate::syntax::codes::ALL,
        crate::library::codes::ALL,
        crate::check::codes::ALL,
        crate::eval::codes::ALL,
        run::ALL,
    ];
    stages.into_iter().flatten().copied()
}
