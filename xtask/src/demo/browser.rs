//! Opening a page in the browser of whoever sits at this machine.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Asks the desktop to open an address; whether there is a desktop to ask.
///
/// Nothing waits for the browser, and what it has to say is not shown.
pub fn open(address: &str) -> bool {
    let is_mac = cfg!(target_os = "macos");
    if !has_desktop(is_mac, |name| std::env::var_os(name).is_some_and(|value| !value.is_empty())) {
        return false;
    }
    let mut opener = Command::new(if is_mac { "open" } else { "xdg-open" });
    opener.arg(address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // In a group of its own, so that Ctrl-C, which ends the server, does not end a browser that begins here.
    opener.process_group(0).spawn().is_ok()
}

/// Whether somebody sits here: not where this runs in CI, or for somebody who sits at another machine.
fn has_desktop(is_mac: bool, is_set: impl Fn(&str) -> bool) -> bool {
    let is_any_set = |names: &[&str]| names.iter().any(|&name| is_set(name));
    !is_any_set(&["CI", "SSH_CONNECTION", "SSH_TTY"]) && (is_mac || is_any_set(&["WAYLAND_DISPLAY", "DISPLAY"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_opened_where_nobody_would_see_it() {
        let with = |is_mac, variables: &[&str]| has_desktop(is_mac, |name| variables.contains(&name));
        assert!(with(false, &["DISPLAY"]));
        assert!(with(false, &["WAYLAND_DISPLAY"]));
        assert!(with(true, &[]));
        assert!(!with(false, &[]));
        assert!(!with(false, &["DISPLAY", "SSH_CONNECTION"]));
        assert!(!with(false, &["DISPLAY", "CI"]));
        assert!(!with(true, &["SSH_TTY"]));
    }
}
