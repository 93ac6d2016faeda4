//! What this process used, by the kernel's accounting.

use serde::Serialize;

/// Processor time and memory of this process.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Usage {
    /// Resident set at the moment; absent where the kernel does not tell.
    #[serde(skip)]
    pub memory_bytes: Option<u64>,
    /// Largest resident set so far; absent where the kernel does not tell.
    pub peak_memory_bytes: Option<u64>,
    /// Processor seconds, user and system, of all threads; absent where the kernel does not tell.
    pub cpu_seconds: Option<f64>,
}

impl Usage {
    /// As of now.
    pub fn now() -> Self {
        Self {
            memory_bytes: status_bytes("VmRSS:"),
            peak_memory_bytes: status_bytes("VmHWM:"),
            cpu_seconds: cpu_seconds(),
        }
    }
}

fn status_bytes(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}

fn cpu_seconds() -> Option<f64> {
    // The kernel reports times to user space in hundredths of a second whatever its own tick.
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The command name, in parentheses, may hold spaces; user and system time are fields 14 and 15.
    let after_name = stat.rsplit_once(')')?.1;
    let mut fields = after_name.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn linux_tells_both() {
        let usage = Usage::now();
        assert!(usage.peak_memory_bytes.unwrap() > 1 << 20);
        assert!(usage.cpu_seconds.unwrap() >= 0.0);
    }
}
