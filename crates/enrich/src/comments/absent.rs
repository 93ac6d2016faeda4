//! Sources whose rows have no comments: what a look-up answers, and what becomes of filters on them.

use async_trait::async_trait;
use model::{Comment, CommentLookup, CommentTest, Expr, Fault, ObjectKind, ProjectId};

/// What people are told where a filter on comments was left out: a sentence that users of the table UI know.
pub const COMMENT_FILTERS_LEFT_OUT: &str =
    "Note: Filters on Comments are not included in event exports. You may receive more data than expected.";

/// The comments of a source that has none.
#[derive(Clone, Copy, Debug)]
pub struct NoComments;

#[async_trait]
impl CommentLookup for NoComments {
    async fn comments(&self, _: &ProjectId, _: ObjectKind, _: &[&str]) -> Result<Vec<Comment>, Fault> {
        Ok(Vec::new())
    }

    async fn commented(&self, _: &ProjectId, _: ObjectKind, _: &CommentTest, _: usize) -> Result<Vec<String>, Fault> {
        Ok(Vec::new())
    }

    async fn any(&self, _: &ProjectId, _: ObjectKind) -> Result<bool, Fault> {
        Ok(false)
    }
}

/// Whether a filter looks at comments.
pub fn tests_comments(filter: &Expr) -> bool {
    filter.any(&|expr| matches!(expr, Expr::Comment(_)))
}

/// The filter without its tests on comments; `None` where nothing is left of it.
///
/// Whatever a test would have said, every row that passes the whole filter passes the rest: a test counts as
/// passed, and below a complement as failed.
pub fn without_comment_tests(filter: Expr) -> Option<Expr> {
    match left_out(filter, true) {
        Expr::And(parts) if parts.is_empty() => None,
        rest => Some(rest),
    }
}

fn left_out(expr: Expr, passes: bool) -> Expr {
    let constant = if passes { Expr::And(Vec::new()) } else { Expr::Or(Vec::new()) };
    match expr {
        Expr::Comment(_) => constant,
        Expr::Not(inner) => match left_out(*inner, !passes) {
            Expr::And(parts) if parts.is_empty() => Expr::Or(parts),
            Expr::Or(parts) if parts.is_empty() => Expr::And(parts),
            inner => Expr::Not(Box::new(inner)),
        },
        Expr::And(parts) if parts.iter().any(tests_comments) => {
            let parts = parts.into_iter().map(|part| left_out(part, passes)).collect::<Vec<_>>();
            match parts.iter().any(|part| *part == Expr::Or(Vec::new())) {
                true => Expr::Or(Vec::new()),
                false => Expr::And(parts.into_iter().filter(|part| *part != Expr::And(Vec::new())).collect()),
            }
        }
        Expr::Or(parts) if parts.iter().any(tests_comments) => {
            let parts = parts.into_iter().map(|part| left_out(part, passes)).collect::<Vec<_>>();
            match parts.iter().any(|part| *part == Expr::And(Vec::new())) {
                true => Expr::And(Vec::new()),
                false => Expr::Or(parts.into_iter().filter(|part| *part != Expr::Or(Vec::new())).collect()),
            }
        }
        // A value that depends on comments cannot be bounded, so the predicate around it is taken as a whole.
        other if tests_comments(&other) => constant,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use model::CompareOp;

    use super::*;

    fn comment() -> Expr {
        Expr::Comment(CommentTest::Count { op: CompareOp::Greater, value: 1.0 })
    }

    fn named(name: &str) -> Expr {
        Expr::In { value: Box::new(Expr::column("name")), accepted: vec![name.to_owned()] }
    }

    #[test]
    fn tests_that_must_all_hold_lose_those_on_comments() {
        assert_eq!(without_comment_tests(comment()), None);
        assert_eq!(without_comment_tests(comment().negate()), None);
        let filter = Expr::And(vec![named("a"), comment(), Expr::And(vec![comment(), named("b")])]);
        let rest = Expr::And(vec![named("a"), Expr::And(vec![named("b")])]);
        assert_eq!(without_comment_tests(filter), Some(rest));
    }

    #[test]
    fn no_row_that_passes_is_lost_in_alternatives_and_complements() {
        assert_eq!(without_comment_tests(Expr::Or(vec![named("a"), comment()])), None);
        let neither = Expr::Or(vec![named("a"), comment()]).negate();
        assert_eq!(without_comment_tests(neither), Some(Expr::Or(vec![named("a")]).negate()));
        let not_both = Expr::And(vec![named("a"), comment()]).negate();
        assert_eq!(without_comment_tests(not_both), None);
        assert_eq!(without_comment_tests(named("a")), Some(named("a")));
    }
}
