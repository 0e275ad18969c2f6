//! What a search leaves out because it makes no difference to any verdict.

/// Which reductions a search uses. All of them, but for tests that compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reductions {
    pub inclusion: bool,
    pub lower_upper: bool,
    pub symmetry: bool,
    /// See [`super::search::SearchOptions::surplus`].
    pub surplus: bool,
    /// Whether what no step will ask of a token is forgotten: see [`crate::system::System::keeping_tokens`].
    pub tokens: bool,
    /// After how many zones the lean system is searched for what there is to find (see
    /// [`crate::system::System::lean`]), and the plain one only for the runs that show it; none: never.
    pub lean_after: Option<u64>,
}

impl Reductions {
    pub const ALL: Reductions = Reductions {
        inclusion: true,
        lower_upper: true,
        symmetry: true,
        surplus: true,
        tokens: true,
        lean_after: Some(10_000),
    };
}
