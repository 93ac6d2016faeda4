//! Which stored columns an exported column gives back when its file is imported.

use model::{ColumnSpec, Expr, FieldRole, StoredTable};

/// What an exported column restores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restored {
    /// The stored column of this name, exactly.
    Column(Box<str>),
    /// The stored column of this name, as far as the export shows it: prefer an exact column where
    /// a file has both.
    Shown(Box<str>),
    /// Two parallel lists, from the entries of a map in order.
    Pairs {
        /// Stored column of the keys.
        names: Box<str>,
        /// Stored column of the values.
        values: Box<str>,
    },
}

/// What `column` restores of a row of `stored`; `None` where it is computed from columns that other
/// export columns restore, or comes from elsewhere (comments, prices, the trace of a score).
pub fn restored(column: &ColumnSpec, stored: &StoredTable) -> Option<Restored> {
    let mut elsewhere = false;
    column.expr.for_each_column(&mut |name| elsewhere |= stored.column(name).is_none());
    if elsewhere || matches!(column.role, FieldRole::Price(_)) {
        return None;
    }
    match &column.expr {
        Expr::Column(name) => Some(Restored::Column(name.clone())),
        Expr::NullIfEmpty(inner) => shown(inner),
        Expr::Coalesce(parts) => match &parts[..] {
            [Expr::NullIfEmpty(inner), ..] => shown(inner),
            // What is never null is shown as it is stored; the constant is for databases that have null there.
            [Expr::Column(name), Expr::Literal(_)] if stored.column(name).is_some_and(|column| !column.nullable) => {
                Some(Restored::Column(name.clone()))
            }
            _ => None,
        },
        Expr::ZipMap { names, values } => match (&**names, &**values) {
            (Expr::Column(names), Expr::Column(values)) => {
                Some(Restored::Pairs { names: names.clone(), values: values.clone() })
            }
            _ => None,
        },
        _ => None,
    }
}

fn shown(inner: &Expr) -> Option<Restored> {
    match inner {
        Expr::Column(name) => Some(Restored::Shown(name.clone())),
        _ => None,
    }
}
