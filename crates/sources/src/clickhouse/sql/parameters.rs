//! Values that travel beside the text of a query: each becomes a placeholder, none becomes text.

use model::{Fault, Micros};

/// A value must stay below the server's bound of a form field, 128 KiB; escapes may double its bytes.
const PART_BYTES_MAX: usize = 60 << 10;
/// The same for lists, which are cut between items.
const LIST_BYTES_MAX: usize = 120 << 10;

/// The bound values of one query, named in the order they are met.
#[derive(Clone, Debug)]
pub(crate) struct Parameters {
    /// What the names of bound values begin with.
    prefix: char,
    values: Vec<(String, String)>,
}

impl Default for Parameters {
    fn default() -> Self {
        Self { prefix: 'p', values: Vec::new() }
    }
}

impl Parameters {
    /// Those of a request, which go beside others of a query.
    pub(crate) fn of_request() -> Self {
        Self { prefix: 'r', values: Vec::new() }
    }

    /// Binds a text; the result is an expression for it.
    pub(crate) fn text(&mut self, text: &str) -> String {
        let mut parts = Vec::new();
        let mut rest = text;
        while rest.len() > PART_BYTES_MAX {
            let end = (0..=PART_BYTES_MAX).rev().find(|&end| rest.is_char_boundary(end)).unwrap_or(0);
            parts.push(self.bind("String", escaped(&rest[..end])));
            rest = &rest[end..];
        }
        parts.push(self.bind("String", escaped(rest)));
        if parts.len() == 1 { parts.remove(0) } else { format!("concat({})", parts.join(", ")) }
    }

    /// Binds a list of texts as one or several arrays: a list may be longer than one value can be.
    pub(crate) fn texts<'a>(&mut self, texts: impl IntoIterator<Item = &'a str>) -> Result<Vec<String>, Fault> {
        let literals = arrays_of_texts(texts)?;
        Ok(literals.into_iter().map(|literal| self.bind("Array(String)", literal)).collect())
    }

    /// Binds an integer.
    pub(crate) fn int(&mut self, value: i64) -> String {
        self.bind("Int64", value.to_string())
    }

    /// Binds an instant.
    pub(crate) fn instant(&mut self, instant: Micros) -> String {
        format!("fromUnixTimestamp64Micro({}, 'UTC')", self.int(instant.0))
    }

    /// Binds a double by its bits, so that no digit is lost on the way.
    pub(crate) fn float(&mut self, value: f64) -> String {
        format!("reinterpretAsFloat64({})", self.bind("UInt64", value.to_bits().to_string()))
    }

    /// Binds a value of a type that has a plain text form.
    pub(crate) fn bind(&mut self, kind: &str, value: String) -> String {
        let name = format!("{}{}", self.prefix, self.values.len());
        let placeholder = format!("{{{name}:{kind}}}");
        self.values.push((name, value));
        placeholder
    }

    /// Gives a value to a name that a text has already.
    pub(crate) fn name(&mut self, name: &str, value: String) {
        self.values.push((name.to_owned(), value));
    }

    /// Gives values to names that a text has already.
    pub(crate) fn names(&mut self, values: &[(String, String)]) {
        self.values.extend_from_slice(values);
    }

    /// Names and values, as a query takes them.
    pub(crate) fn into_values(self) -> Vec<(String, String)> {
        self.values
    }
}

/// A text in the escaped form in which parameters of type String are read.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            '\0' => escaped.push_str("\\0"),
            '\'' => escaped.push_str("\\'"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Texts as literals of arrays, each short enough for one value. No texts are one empty array.
pub(crate) fn arrays_of_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Vec<String>, Fault> {
    let mut literals = Vec::new();
    let mut literal = String::from("[");
    for text in texts {
        let item = escaped(text);
        if item.len() > LIST_BYTES_MAX {
            return Err(Fault::bad_request(format!(
                "a text of {} bytes in a list is longer than ClickHouse takes",
                text.len()
            )));
        }
        if literal.len() + item.len() > LIST_BYTES_MAX {
            literal.push(']');
            literals.push(std::mem::replace(&mut literal, String::from("[")));
        }
        if literal.len() > 1 {
            literal.push(',');
        }
        literal.push('\'');
        literal.push_str(&item);
        literal.push('\'');
    }
    literal.push(']');
    literals.push(literal);
    Ok(literals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_cut_where_characters_and_items_end() {
        let mut parameters = Parameters::default();
        let long = "é".repeat(PART_BYTES_MAX);
        let sql = parameters.text(&long);
        assert!(sql.starts_with("concat({p0:String}, "), "{sql}");
        let values = parameters.into_values();
        assert_eq!(values.iter().map(|(_, value)| value.as_str()).collect::<String>(), long);
        assert!(values.iter().all(|(_, value)| value.len() <= PART_BYTES_MAX));

        let ids: Vec<String> = (0..20_000).map(|n| format!("id'{n}")).collect();
        let literals = arrays_of_texts(ids.iter().map(String::as_str)).unwrap();
        assert!(literals.len() > 1 && literals.iter().all(|literal| literal.len() < 128 << 10));
        assert_eq!(literals.iter().map(|literal| literal.matches("id").count()).sum::<usize>(), 20_000);
        assert_eq!(arrays_of_texts([]).unwrap(), ["[]"]);
    }
}
