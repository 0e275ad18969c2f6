//! What is wrong with a file is said once, where it is, and all of it in one run.

mod reading {
    pub mod codes;
    pub mod files;
    pub mod hostile;
    pub mod presets;
    pub mod random;
    pub mod remedies;
    pub mod rendered;
    pub mod schemas;
    pub mod support;
}
