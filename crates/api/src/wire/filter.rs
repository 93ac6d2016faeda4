//! How filters look on the wire, for the OpenAPI document alone: they are read by `model::filter`.

use std::borrow::Cow;

use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A condition on one column, or a combination of filters.
pub(crate) struct Filter;

impl PartialSchema for Filter {
    fn schema() -> RefOr<Schema> {
        RefOr::T(serde_json::from_str(include_str!("filter.json")).expect("the file holds a schema"))
    }
}

impl ToSchema for Filter {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Filter")
    }
}

#[cfg(test)]
mod tests {
    use model::filter::WireFilter;
    use serde_json::{Value, json};

    /// Every example of the document is a filter that the model reads.
    #[test]
    fn documented_filters_can_be_read() {
        let schema: Value = serde_json::from_str(include_str!("filter.json")).unwrap();
        let examples = schema["examples"].as_array().unwrap();
        assert!(examples.len() >= 5);
        for example in examples {
            WireFilter::from_json(&json!([example]), "filter")
                .unwrap_or_else(|problems| panic!("{example}: {problems:?}"));
        }
    }
}
