//! A storm of faults.
