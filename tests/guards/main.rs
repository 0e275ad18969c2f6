//! Guards behave as the real ones do: vectors taken from their tests, documentation and source, and
//! every guard against a recomputation from its whole history.

mod bounds;
mod edges;
mod history;
mod order;
mod vectors;
