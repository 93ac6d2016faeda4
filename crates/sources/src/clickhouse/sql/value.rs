//! Values: columns, constants and what is computed of them.

use model::{ColumnType, Expr, Fault, Literal};

use super::{Printer, Term, is_composite, null, type_name};

impl Printer<'_> {
    /// Prints a value.
    pub(crate) fn value(&mut self, expr: &Expr) -> Result<Term, Fault> {
        self.value_as(expr, None)
    }

    /// Prints a value where one of this type is expected: a constant takes it.
    pub(crate) fn value_as(&mut self, expr: &Expr, wanted: Option<&ColumnType>) -> Result<Term, Fault> {
        Ok(match expr {
            Expr::Column(name) => {
                (self.names)(name).ok_or_else(|| Fault::bug(format!("no query was asked to read column {name}")))?
            }
            Expr::Literal(literal) => self.literal(literal, wanted),
            Expr::NullIfEmpty(inner) => {
                let inner = self.value(inner)?;
                Term::new(format!("nullIf({}, '')", inner.sql), ColumnType::Text)
            }
            Expr::Coalesce(parts) => self.coalesce(parts, wanted)?,
            Expr::If { when, then, otherwise } => self.either(when, then, otherwise, wanted)?,
            Expr::MillisBetween { from, to } => {
                let (from, to) = (self.value(from)?, self.value(to)?);
                Term::new(format!("({} - {})", millis(&to.sql), millis(&from.sql)), ColumnType::Int64)
            }
            Expr::Divide { numerator, denominator } => {
                let (numerator, denominator) = (self.value(numerator)?, self.value(denominator)?);
                Term::new(format!("({} / {})", numerator.as_double()?, denominator.as_double()?), ColumnType::Float64)
            }
            Expr::MapGet { map, key } => {
                let map = self.value(map)?;
                let key = self.parameters.text(key);
                let kind = map.value_kind()?;
                // A map with a key twice gives its first value.
                Term::new(format!("if(mapContains({0}, {key}), {0}[{key}], NULL)", map.sql), kind)
            }
            Expr::MapSumWhereKeyContains { map, needle } => {
                let map = self.value(map)?;
                let needle = self.parameters.text(needle);
                let kind = match map.value_kind()? {
                    ColumnType::Decimal { scale, .. } => ColumnType::Decimal { precision: 38, scale },
                    kind => kind,
                };
                let sum = format!(
                    "arraySum(mapValues(mapFilter((k, v) -> positionCaseInsensitive(k, {needle}) > 0, {})))",
                    map.sql
                );
                Term::new(map.or_null(sum), kind)
            }
            Expr::MapKeys(map) => {
                let map = self.value(map)?;
                Term { sql: format!("mapKeys({})", map.sql), kind: ColumnType::text_list(), absent: map.absent }
            }
            Expr::Length(inner) => {
                let inner = self.value(inner)?;
                Term::new(inner.or_null(format!("toInt64(length({}))", inner.sql)), ColumnType::Int64)
            }
            Expr::ZipMap { names, values } => {
                let (names, values) = (self.value(names)?, self.value(values)?);
                let cut = |list: &Term| {
                    format!("arraySlice({}, 1, least(length({}), length({})))", list.sql, names.sql, values.sql)
                };
                let sql = format!("mapFromArrays({}, {})", cut(&names), cut(&values));
                let absent = either_absent(names.absent.as_deref(), values.absent.as_deref());
                Term { sql, kind: ColumnType::text_map(), absent }
            }
            Expr::ZipGet { names, values, key } => {
                let (names, values) = (self.value(names)?, self.value(values)?);
                let place = format!("indexOf({}, {})", names.sql, self.parameters.text(key));
                let sql = format!("if({place} BETWEEN 1 AND length({0}), {0}[{place}], NULL)", values.sql);
                Term::new(sql, ColumnType::Text)
            }
            predicate => Term::new(self.predicate(predicate)?, ColumnType::Bool),
        })
    }

    fn literal(&mut self, literal: &Literal, wanted: Option<&ColumnType>) -> Term {
        match (literal, wanted) {
            (Literal::Null, wanted) => null(wanted.unwrap_or(&ColumnType::Text)),
            (Literal::Text(text), _) => Term::new(self.parameters.text(text), ColumnType::Text),
            (Literal::Bool(truth), _) => Term::new(truth.to_string(), ColumnType::Bool),
            (Literal::Int(n), Some(ColumnType::UInt64)) if *n >= 0 => {
                Term::new(self.parameters.bind("UInt64", n.to_string()), ColumnType::UInt64)
            }
            (Literal::Int(n), Some(kind @ ColumnType::Decimal { .. })) => {
                Term::new(self.parameters.bind(&type_name(kind), n.to_string()), kind.clone())
            }
            (Literal::Int(n), _) => Term::new(self.parameters.int(*n), ColumnType::Int64),
            (Literal::Decimal { unscaled, scale }, wanted) => {
                let kind = match wanted {
                    Some(kind @ ColumnType::Decimal { .. }) => kind.clone(),
                    _ => ColumnType::Decimal { precision: 38, scale: *scale as i8 },
                };
                Term::new(self.parameters.bind(&type_name(&kind), decimal_text(*unscaled, *scale)), kind)
            }
            (Literal::Float(n), _) => Term::new(self.parameters.float(*n), ColumnType::Float64),
            (Literal::Timestamp(instant), _) => Term::new(self.parameters.instant(*instant), ColumnType::Timestamp),
        }
    }

    fn coalesce(&mut self, parts: &[Expr], wanted: Option<&ColumnType>) -> Result<Term, Fault> {
        let kind = parts.iter().find_map(|part| self.kind_of(part)).or_else(|| wanted.cloned());
        let terms = parts.iter().map(|part| self.value_as(part, kind.as_ref())).collect::<Result<Vec<_>, _>>()?;
        let kind = kind.or_else(|| terms.first().map(|term| term.kind.clone())).unwrap_or(ColumnType::Text);
        if !is_composite(&kind) {
            let parts: Vec<&str> = terms.iter().map(|term| term.sql.as_str()).collect();
            return Ok(Term::new(format!("coalesce({})", parts.join(", ")), kind));
        }
        let mut terms = terms.into_iter().rev();
        let last = terms.next().unwrap_or_else(|| null(&kind));
        Ok(terms.fold(last, |rest, term| match term.absent {
            None => term,
            Some(absent) => Term {
                sql: format!("if({absent}, {}, {})", rest.sql, term.sql),
                absent: rest.absent.map(|rest| format!("({absent} AND {rest})")),
                kind: term.kind,
            },
        }))
    }

    fn either(
        &mut self,
        when: &Expr,
        then: &Expr,
        otherwise: &Expr,
        wanted: Option<&ColumnType>,
    ) -> Result<Term, Fault> {
        let kind = self.kind_of(then).or_else(|| self.kind_of(otherwise)).or_else(|| wanted.cloned());
        let when = self.predicate(when)?;
        let (then, otherwise) = (self.value_as(then, kind.as_ref())?, self.value_as(otherwise, kind.as_ref())?);
        let absent = match (&then.absent, &otherwise.absent) {
            (None, None) => None,
            (then, otherwise) => {
                Some(format!("if({when}, {}, {})", then.as_deref().unwrap_or("0"), otherwise.as_deref().unwrap_or("0")))
            }
        };
        let sql = format!("if({when}, {}, {})", then.sql, otherwise.sql);
        Ok(Term { sql, kind: kind.unwrap_or(then.kind), absent })
    }

    /// The type of an expression; `None` for a constant, which takes the type of its place.
    pub(super) fn kind_of(&self, expr: &Expr) -> Option<ColumnType> {
        match expr {
            Expr::Column(name) => (self.names)(name).map(|term| term.kind),
            Expr::Literal(_) => None,
            Expr::NullIfEmpty(_) | Expr::ZipGet { .. } => Some(ColumnType::Text),
            Expr::Coalesce(parts) => parts.iter().find_map(|part| self.kind_of(part)),
            Expr::If { then, otherwise, .. } => self.kind_of(then).or_else(|| self.kind_of(otherwise)),
            Expr::MillisBetween { .. } | Expr::Length(_) => Some(ColumnType::Int64),
            Expr::Divide { .. } => Some(ColumnType::Float64),
            Expr::MapGet { map, .. } | Expr::MapSumWhereKeyContains { map, .. } => match self.kind_of(map)? {
                ColumnType::Map(value) => Some(*value),
                _ => None,
            },
            Expr::MapKeys(_) => Some(ColumnType::text_list()),
            Expr::ZipMap { .. } => Some(ColumnType::text_map()),
            _ => Some(ColumnType::Bool),
        }
    }
}

impl Term {
    /// The type of a map's values.
    fn value_kind(&self) -> Result<ColumnType, Fault> {
        match &self.kind {
            ColumnType::Map(value) => Ok((**value).clone()),
            other => Err(Fault::bug(format!("{other:?} is no map"))),
        }
    }

    /// `sql`, which is made of this list or map, or null where that is.
    fn or_null(&self, sql: String) -> String {
        match &self.absent {
            None => sql,
            Some(absent) => format!("if({absent}, NULL, {sql})"),
        }
    }
}

/// What is true where one of two lists is null.
pub(in crate::clickhouse) fn either_absent(one: Option<&str>, other: Option<&str>) -> Option<String> {
    match (one, other) {
        (None, None) => None,
        (Some(absent), None) | (None, Some(absent)) => Some(absent.to_owned()),
        (Some(one), Some(other)) => Some(format!("({one} OR {other})")),
    }
}

/// Whole milliseconds of an instant, cut towards minus infinity; the server's own functions cut
/// towards zero.
fn millis(instant: &str) -> String {
    let micros = format!("toUnixTimestamp64Micro({instant})");
    format!("intDiv({micros} - positiveModulo({micros}, 1000), 1000)")
}

/// The digits of a decimal.
pub(super) fn decimal_text(unscaled: i128, scale: u8) -> String {
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = usize::from(scale) + 1);
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
    let sign = if unscaled < 0 { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_written_with_all_their_digits() {
        assert_eq!(decimal_text(-15, 1), "-1.5");
        assert_eq!(decimal_text(7, 3), "0.007");
        assert_eq!(decimal_text(7, 0), "7");
        assert_eq!(decimal_text(-1, 12), "-0.000000000001");
    }
}
