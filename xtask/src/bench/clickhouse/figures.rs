//! What one measurement found, and how it is printed.

use std::fs;

use anyhow::{Context, Result};

const MEBIBYTE: f64 = 1_048_576.0;

/// What one measurement found.
#[derive(Clone, Copy)]
pub struct Figures {
    pub seconds: f64,
    pub rows: f64,
    pub bytes: f64,
    /// Processor seconds of our process, of its own code and of the kernel's for it; nothing where the engine
    /// writes by itself.
    pub our_user: f64,
    pub our_system: f64,
    pub our_peak: f64,
    pub server_cpu: f64,
    pub server_peak: f64,
}

/// The names of the columns that [`Figures::line`] prints.
pub fn head() {
    println!(
        "{:<32}{:>9}{:>10}{:>7}{:>9}{:>8}{:>12}{:>13}{:>12}{:>13}",
        "", "seconds", "rows/s", "MB/s", "our cpu", "kernel", "our peak", "rows/our cpu", "server cpu", "server peak"
    );
}

impl Figures {
    /// Processor seconds of our process.
    pub fn our_cpu(&self) -> f64 {
        self.our_user + self.our_system
    }

    pub fn line(&self, name: &str) {
        let (rate, pace) = (self.rows / self.seconds, self.bytes / 1e6 / self.seconds);
        let ours = match self.our_cpu() > 0.0 {
            true => format!(
                "{:>9.2}{:>8.2}{:>8.0} MiB{:>13.0}",
                self.our_cpu(),
                self.our_system,
                self.our_peak / MEBIBYTE,
                self.rows / self.our_cpu()
            ),
            false => format!("{:>42}", ""),
        };
        println!(
            "{name:<32}{:>9.2}{rate:>10.0}{pace:>7.0}{ours}{:>12.2}{:>9.0} MiB",
            self.seconds,
            self.server_cpu,
            self.server_peak / MEBIBYTE
        );
    }
}

/// The measurement with the middle time.
pub fn median(figures: &mut [Figures]) -> Figures {
    figures.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    figures[figures.len() / 2]
}

/// Processor seconds of the programs that this one has started and seen end: their own, and the kernel's for
/// them.
pub fn children_seconds() -> Result<(f64, f64)> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(") ").context("/proc/self/stat is not as expected")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    // In hundredths of a second.
    Ok((fields[13].parse::<f64>()? / 100.0, fields[14].parse::<f64>()? / 100.0))
}
