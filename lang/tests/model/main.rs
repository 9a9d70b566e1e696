//! The model, attacked from outside: algebra and placements against a truth table that is too simple to be wrong,
//! the decisions of the pursuit against a reference program, and its promises in every history of small formulas.

mod deciding;
mod decisions;
mod explore;
mod formula;
mod histories;
mod names;
mod oracle;
mod packed;
mod placements;
mod promises;
mod scripts;
mod sets;
mod world;
