//! `demo`: what Outgest does, shown on sample data; with `--serve` its server and its web app.
//!
//! [`samples`] keeps the rows that are served, [`browser`] opens the page.

mod browser;
mod samples;

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::command::{binary, cargo, root, run as run_command};
use crate::ui;
use samples::Samples;

const USAGE: &str = "\
cargo xtask demo [--folder DIR] [--events N]
cargo xtask demo --serve [--listen ADDRESS] [--no-open]

  --listen   address and port of the server [127.0.0.1:8080]; port 0 is any that is free
  --no-open  opens no browser";

/// Where a server listens that is told nothing.
const USUAL_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// `cargo xtask demo …`
pub fn run(words: &[&str]) -> Result<()> {
    if words.contains(&"--serve") { serve(&Options::read(words)?) } else { show(words) }
}

/// The commands of the product, one after another.
fn show(words: &[&str]) -> Result<()> {
    build()?;
    let mut demo = Command::new(binary()?);
    let status = demo.arg("demo").args(words).current_dir(root()).status().context("cannot start outgest")?;
    if !status.success() {
        bail!("the demo ended early; what it said last tells why");
    }
    Ok(())
}

/// Builds the program. The first time cargo shows how far it is.
fn build() -> Result<()> {
    let mut build = cargo();
    build.args(["build", "--locked", "--package", "outgest"]);
    if binary().is_ok() {
        eprintln!("building outgest");
        build.arg("--quiet");
    } else {
        eprintln!("building outgest: about ten minutes on two cores, this once");
    }
    run_command(&mut build)
}

/// What `demo --serve` is told.
struct Options {
    listen: SocketAddr,
    open: bool,
}

impl Options {
    fn read(words: &[&str]) -> Result<Self> {
        let mut options = Self { listen: USUAL_ADDRESS, open: true };
        let mut rest = words;
        while let [option, more @ ..] = rest {
            rest = match (*option, more) {
                ("--serve", more) => more,
                ("--no-open", more) => {
                    options.open = false;
                    more
                }
                ("--listen", [address, more @ ..]) => {
                    options.listen = address.parse().with_context(|| {
                        format!("--listen takes an address such as {USUAL_ADDRESS}, not {address:?}")
                    })?;
                    more
                }
                _ => bail!("{option:?} cannot be read here\n\n{USAGE}"),
            };
        }
        Ok(options)
    }
}

/// Serves the web app on sample data until the server is ended.
fn serve(options: &Options) -> Result<()> {
    // Asked first: nobody should wait for a build to learn it.
    check_free(options.listen)?;
    eprintln!("building the web app");
    ui::build()?;
    build()?;
    let samples = Samples::prepare(binary()?)?;
    let account = samples.account()?;
    let folder = samples.folder.display();
    println!("what is shown lies in {folder}; to begin anew: rm -r {folder}");

    let mut serve = samples.outgest();
    serve.args(["serve", "--listen", &options.listen.to_string()]).stdout(Stdio::piped());
    let mut server = serve.spawn().context("cannot start the server")?;
    if let Some(said) = server.stdout.take() {
        // The server goes on where it cannot be heard.
        for line in BufReader::new(said).lines().map_while(Result::ok) {
            say(&line);
            if let Some(page) = first_page(&line, account.as_deref()) {
                welcome(page, account.as_deref(), options, &samples);
            }
        }
    }
    let status = server.wait().context("cannot wait for the server")?;
    if !status.success() {
        bail!("the server has ended; what it said last tells why");
    }
    Ok(())
}

/// Fails where something listens there already.
fn check_free(address: SocketAddr) -> Result<()> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AddrInUse => bail!(
            "port {} is taken, perhaps by an earlier demonstration: end what listens there, or take any free port:\n  \
             cargo xtask demo --serve --listen {}",
            address.port(),
            SocketAddr::new(address.ip(), 0),
        ),
        Err(error) => Err(error).with_context(|| format!("cannot listen on {address}")),
    }
}

/// The page to begin with, where this line of the server's names it: the one that makes the first account, and later
/// the web app's own.
fn first_page<'line>(line: &'line str, account: Option<&str>) -> Option<&'line str> {
    match account {
        None => Some(line.trim()).filter(|link| link.contains("/invitation#")),
        Some(_) => line.strip_prefix("outgest answers on "),
    }
}

/// Tells how to get in and out, and opens the page.
fn welcome(page: &str, account: Option<&str>, options: &Options, samples: &Samples) {
    if let Some(account) = account {
        say(&format!("sign in as {account}; without its password, make another account:\n  {}", samples.new_account()));
    }
    if options.open && browser::open(page) {
        say("opening it in your browser");
    }
    say("Ctrl-C ends the server");
}

/// Prints a line. The server does not depend on a reader, as it would if this ended when its reader has left.
fn say(line: &str) {
    writeln!(std::io::stdout(), "{line}").ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_come_in_any_order() {
        let read = |words: &[&str]| Options::read(words).map(|options| (options.listen.to_string(), options.open));
        assert_eq!(read(&["--serve"]).unwrap(), ("127.0.0.1:8080".to_owned(), true));
        let all = ["--no-open", "--listen", "127.0.0.1:0", "--serve"];
        assert_eq!(read(&all).unwrap(), ("127.0.0.1:0".to_owned(), false));
    }

    #[test]
    fn an_option_that_cannot_be_honoured_is_named() {
        let refused = |words: &[&str]| Options::read(words).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(refused(&["--serve", "--opne"]).contains("--opne"));
        assert!(refused(&["--serve", "--listen"]).contains("--listen"));
        assert!(refused(&["--serve", "--listen", "8081"]).contains("8081"));
    }

    #[test]
    fn a_port_that_is_taken_is_named_with_what_to_do() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let told = check_free(address).unwrap_err().to_string();
        assert!(told.contains(&format!("port {}", address.port())), "{told}");
        assert!(told.contains("--listen 127.0.0.1:0"), "{told}");
        drop(taken);
        check_free(address).unwrap();
    }

    #[test]
    fn the_first_page_makes_an_account_and_later_ones_are_the_app() {
        let answers = "outgest answers on http://127.0.0.1:8080";
        let reason = "nobody has an account yet; this link makes the first one, and works once, for a day:";
        let link = "  http://127.0.0.1:8080/invitation#token";
        let pages = |account| [answers, reason, link].map(|line| first_page(line, account));
        assert_eq!(pages(None), [None, None, Some("http://127.0.0.1:8080/invitation#token")]);
        assert_eq!(pages(Some("ann@example.com")), [Some("http://127.0.0.1:8080"), None, None]);
    }
}
