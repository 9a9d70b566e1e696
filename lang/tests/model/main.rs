//! The model, attacked from outside: algebra and placements against a truth table that is too simple to be wrong.

mod decisions;
mod formula;
mod names;
mod oracle;
mod placements;
mod sets;
