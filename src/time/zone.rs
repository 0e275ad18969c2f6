//! Dense time.
