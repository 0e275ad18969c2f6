//! Integer time.
