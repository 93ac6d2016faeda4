//! Azure's own storage emulator, which checks signatures.

use std::process::Command;

use tempfile::TempDir;

use super::{Environment, Process};
use crate::support;

/// The emulator's account. Its key is published with it and is no secret.
const ACCOUNT: &str = "devstoreaccount1";
/// The published key.
pub const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// Creates the container `argv[2]` at the address `argv[1]`, signed with the key `argv[3]`.
const CREATE_CONTAINER: &str = r#"
const [url, container, key] = process.argv.slice(1);
const account = new URL(url).pathname.slice(1);
const headers = { "x-ms-date": new Date().toUTCString(), "x-ms-version": "2021-12-02" };
const signed = ["PUT", "", "", "", "", "", "", "", "", "", "", "",
  ...Object.keys(headers).map((name) => name + ":" + headers[name]),
  "/" + account + "/" + account + "/" + container, "restype:container"].join("\n");
const signature = require("crypto").createHmac("sha256", Buffer.from(key, "base64")).update(signed).digest("base64");
fetch(url + "/" + container + "?restype=container", {
  method: "PUT", headers: { ...headers, authorization: "SharedKey " + account + ":" + signature },
}).then(async (answer) => { if (!answer.ok) { console.error(await answer.text()); process.exit(1); } });
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
        let output = Command::new("node").args(["-e", CREATE_CONTAINER, &self.url(), container, KEY]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
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
