//! What the figures should be, beside what they are.

/// Shares of the engine's speed, rows per processor second, seconds and bytes that are aimed at.
const SHARE_MIN: f64 = 0.8;
const FIRST_BYTE_SECONDS_MAX: f64 = 1.0;
const PEAK_BYTES_MAX: f64 = 256.0 * 1_048_576.0;
const QUERY_PEAK_BYTES_MAX: f64 = 1_073_741_824.0;

/// Goals and figures, in the order they were measured.
#[derive(Default)]
pub struct Goals {
    lines: Vec<(String, bool)>,
    gzip_is_slow: bool,
    peak: f64,
}

impl Goals {
    /// Of the engine's rows a second.
    pub fn share(&mut self, form: &str, share: f64) {
        self.note(format!("{form}: {share:.2} of the engine's speed, at least {SHARE_MIN}"), share >= SHARE_MIN);
    }

    /// Rows per processor second of our process.
    pub fn pace(&mut self, form: &str, pace: f64, least: f64) {
        let met = pace >= least;
        self.gzip_is_slow |= !met && form.ends_with(".gz");
        self.note(format!("{form}: {pace:.0} rows per processor second of ours, at least {least:.0}"), met);
    }

    pub fn first_byte(&mut self, seconds: f64) {
        let text = format!("first byte after {seconds:.2} s, less than {FIRST_BYTE_SECONDS_MAX} s");
        self.note(text, seconds < FIRST_BYTE_SECONDS_MAX);
    }

    /// The most memory of one of our processes; the greatest counts.
    pub fn peak(&mut self, bytes: f64) {
        self.peak = self.peak.max(bytes);
    }

    /// The most memory of one of our queries.
    pub fn query_peak(&mut self, bytes: f64) {
        let text = format!("{:.0} MiB of the server for one query, less than 1,024 MiB", bytes / 1_048_576.0);
        self.note(text, bytes < QUERY_PEAK_BYTES_MAX);
    }

    /// Prints everything, and says whether gzip misses its goal.
    pub fn print(mut self) -> bool {
        let text = format!("{:.0} MiB of ours at most, 256 MiB at most", self.peak / 1_048_576.0);
        self.note(text, self.peak <= PEAK_BYTES_MAX);
        for (text, met) in &self.lines {
            println!("{}  {text}", if *met { "met   " } else { "missed" });
        }
        self.gzip_is_slow
    }

    fn note(&mut self, text: String, met: bool) {
        self.lines.push((text, met));
    }
}
