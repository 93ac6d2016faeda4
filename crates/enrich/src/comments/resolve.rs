//! Comment filters as filters on ids: sources do not know comments, the metadata store does.

use model::{CommentLookup, CommentScope, CommentTest, Expr, Fault, ObjectKind};

/// Most objects that one comment filter may match: what a predicate on ids can carry.
const MATCHES_MAX: usize = 50_000;

/// The filter with every comment test replaced by the ids that pass it.
///
/// Each test is looked up once and stands for itself, wherever it is in the tree. An object without
/// comments passes no test; a filter that such objects pass comes as the complement of its inverse.
/// More than 50,000 matching objects are an error.
pub async fn resolve_comments(
    expr: Expr,
    scope: &CommentScope,
    lookup: &dyn CommentLookup,
    id_column: &str,
) -> Result<Expr, Fault> {
    let mut tests = Vec::new();
    collect(&expr, &mut tests);
    let mut resolved: Vec<(CommentTest, Vec<String>)> = Vec::with_capacity(tests.len());
    for test in tests {
        let ids = lookup.commented(scope, &test, MATCHES_MAX).await?;
        if ids.len() > MATCHES_MAX {
            return Err(too_many(scope.kind, ids.len()));
        }
        resolved.push((test, ids));
    }
    let result = replace(expr, &mut |test| {
        let ids = resolved.iter().find(|(known, _)| known == test).map(|(_, ids)| ids.clone());
        Expr::In {
            value: Box::new(Expr::column(id_column)),
            accepted: ids.expect("every test of the tree was looked up"),
        }
    });
    if result.any(&|expr| matches!(expr, Expr::Comment(_))) {
        return Err(Fault::bug("a comment test stands where no predicate can stand"));
    }
    Ok(result)
}

/// The different comment tests of a tree.
fn collect(expr: &Expr, tests: &mut Vec<CommentTest>) {
    if let Expr::Comment(test) = expr
        && !tests.contains(test)
    {
        tests.push(test.clone());
    }
    for child in expr.children() {
        collect(child, tests);
    }
}

/// Replaces comment tests wherever a predicate can stand.
fn replace(expr: Expr, by: &mut dyn FnMut(&CommentTest) -> Expr) -> Expr {
    let mut each = |parts: Vec<Expr>| parts.into_iter().map(|part| replace(part, by)).collect();
    match expr {
        Expr::And(parts) => Expr::And(each(parts)),
        Expr::Or(parts) => Expr::Or(each(parts)),
        Expr::Not(inner) => Expr::Not(Box::new(replace(*inner, by))),
        Expr::If { when, then, otherwise } => Expr::If { when: Box::new(replace(*when, by)), then, otherwise },
        Expr::Comment(test) => by(&test),
        other => other,
    }
}

fn too_many(kind: ObjectKind, found: usize) -> Fault {
    let noun = match kind {
        ObjectKind::Observation => "observations",
        ObjectKind::Trace => "traces",
        ObjectKind::Session => "sessions",
        ObjectKind::Prompt => "prompts",
    };
    // The sentence that users of the existing export know.
    Fault::bad_request(format!(
        "Comment filter matches {} {noun} (limit: {}). Please add additional filters to narrow your search.",
        model::RowCount::from(found).human(),
        model::RowCount::from(MATCHES_MAX).human(),
    ))
}
