//! Azure's own storage emulator, which checks signatures.

use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Environment, Process};
use crate::support;

/// The emulator's account. Its key is published with it and is no secret.
const ACCOUNT: &str = "devstoreaccount1";
/// The published key.
pub const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// Asks for something without a body, signed for the account `argv[1]` with the key `argv[4]`, and prints the answer.
const ASK: &str = r#"
const [account, method, address, key] = process.argv.slice(1);
const url = new URL(address);
const headers = { "x-ms-date": new Date().toUTCString(), "x-ms-version": "2021-12-02" };
const signed = [method, "", "", "", "", "", "", "", "", "", "", "",
  ...Object.keys(headers).map((name) => name + ":" + headers[name]),
  "/" + account + url.pathname, ...[...url.searchParams].map(([name, value]) => name + ":" + value)].join("\n");
const signature = require("crypto").createHmac("sha256", Buffer.from(key, "base64")).update(signed).digest("base64");
fetch(url, {
  method, headers: { ...headers, authorization: "SharedKey " + account + ":" + signature },
}).then(async (answer) => {
  const bytes = Buffer.from(await answer.arrayBuffer());
  if (!answer.ok) { console.error(bytes.toString()); process.exit(1); }
  process.stdout.write(bytes);
});
"#;

/// A running emulator.
pub struct Azurite {
    process: Process,
    _folder: TempDir,
}

impl Azurite {
    /// Starts an emulator without containers; `None` without the test stack.
    pub fn start() -> Option<Self> {
        let program = support::stack()?.join("node/node_modules/azurite/dist/src/blob/main.js");
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("node");
        command.arg(program).arg("-l").arg(folder.path());
        command.args(["--skipApiVersionCheck", "--disableTelemetry", "--silent"]);
        let process = Process::start(&mut command, |command, port| {
            command.args(["--blobPort", &port.to_string()]);
        });
        Some(Self { process, _folder: folder })
    }

    /// Creates a container.
    pub fn create_container(&self, container: &str) {
        self.ask("PUT", &format!("{container}?restype=container"));
    }

    /// The bytes of a blob.
    pub fn blob(&self, container: &str, key: &str) -> Vec<u8> {
        self.ask("GET", &format!("{container}/{key}"))
    }

    fn ask(&self, method: &str, path: &str) -> Vec<u8> {
        let address = format!("{}/{path}", self.url());
        let output = Command::new("node").args(["-e", ASK, ACCOUNT, method, &address, KEY]).output().unwrap();
        assert!(output.status.success(), "{method} {path}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// What an integration needs to write into a container: its options and its secrets.
    pub fn integration(&self, container: &str) -> (Value, Value) {
        let options = json!({"bucket": container, "account": ACCOUNT, "endpoint": self.url(), "allow_http": "true"});
        (options, json!({"account_key": KEY}))
    }

    /// What a destination needs to write here.
    pub fn environment(&self) -> Environment {
        vec![
            ("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT.to_owned()),
            ("AZURE_STORAGE_ACCOUNT_KEY", KEY.to_owned()),
            ("AZURE_STORAGE_ENDPOINT", self.url()),
        ]
    }

    fn url(&self) -> String {
        format!("http://{}/{ACCOUNT}", self.process.address)
    }
}
