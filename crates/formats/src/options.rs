//! Which options a format honours: the rest are refused by name, before any byte is written.

use model::{Compression, Fault, FieldProblem, FormatOptions};

/// What a format can do beyond writing rows. `unicode` is missing: every format honours it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Honoured {
    /// Whole files compressed with gzip or zstd.
    pub(crate) compression: bool,
    /// A byte order mark.
    pub(crate) bom: bool,
    /// A header without rows.
    pub(crate) csv_header_always: bool,
    /// Cells made harmless to spreadsheets.
    pub(crate) neutralise_formulas: bool,
    /// Input and output as JSON values.
    pub(crate) parse_payloads: bool,
}

impl Honoured {
    /// Refuses, all at once, what `options` asks for and `format` cannot do.
    pub(crate) fn check(&self, format: &str, options: &FormatOptions) -> Result<(), Fault> {
        // Taken apart so that a new option does not compile before it is decided on here.
        let FormatOptions { compression, bom, csv_header_always, neutralise_formulas, parse_payloads, unicode: _ } =
            options;
        let asked = [
            ("compression", self.compression || *compression == Compression::None),
            ("bom", self.bom || !bom),
            ("csv_header_always", self.csv_header_always || !csv_header_always),
            ("neutralise_formulas", self.neutralise_formulas || !neutralise_formulas),
            ("parse_payloads", self.parse_payloads || !parse_payloads),
        ];
        let problems: Vec<_> = asked
            .into_iter()
            .filter(|(_, honoured)| !honoured)
            .map(|(option, _)| {
                FieldProblem::new(option, format!("the format {format} does not have this option"))
                    .hint("leave it out, or choose another format")
            })
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(Fault::of_problems(problems)) }
    }
}
