//! Names of many sites in few words: `edge-[001-500]`, `blue,red[34-55]`, `a[1-10]b[1-10]`.
//!
//! The notation is that of cluster tools (pdsh, ClusterShell, Slurm). The hard idea is zero padding: `007` and `7`
//! are different names, so a number is remembered with its width, and only names of one width fold together.

mod fold;
mod list;
mod unfold;

pub use fold::fold;
pub use list::Names;
pub use unfold::{LARGEST, NameError, unfold, unfold_at_most};
