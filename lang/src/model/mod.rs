//! What the language means, apart from any syntax: site sets, placements and their outcomes, the pursuit of a
//! placement, and the names of sites as people write them. Nothing here knows a service or an API.

mod form;
mod minimal;
pub mod names;
mod placement;
mod pursuit;
mod set;
mod site;

pub use form::{MOST_TRIED, Truth};
pub use minimal::Tangled;
pub use placement::{Placement, Satisfiability, Shown};
pub use pursuit::{Action, Belief, Fence, Impossible, Mark, Observation, Overlap, Pursuit, Rules, Standing, State};
pub use set::SiteSet;
pub use site::SiteId;
