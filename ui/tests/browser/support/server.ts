import { execFile, spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The binary under test; `cargo xtask test` names the one it has built. */
const BINARY = process.env["OUTGEST_BINARY"] ?? new URL("../../../../target/debug/outgest", import.meta.url).pathname;

export const PROJECT = "shop";
export const OWNER = { email: "ada@example.com", password: "correct horse battery" };
export const VIEWER = { email: "vera@example.com", password: "correct horse viewer" };

/** How a server differs from a usual one. */
export interface Options {
  /** Rows of events besides those that are generated. */
  import?: object[];
  /** Rows of scores. */
  scores?: object[];
  /** The generated rows end now and cover a day, not weeks of the past. */
  recent?: boolean;
  /** Settings, as variables. */
  settings?: Record<string, string>;
}

/** A server of its own on a folder of its own. */
export class Server {
  private key: string | null = null;

  private constructor(
    readonly folder: string,
    private child: ChildProcess,
    /** Where it answers. */
    readonly url: string,
    /** The link that makes the first account, where there was none. */
    readonly setUpLink: string | null,
    private readonly settings: Record<string, string>,
  ) {}

  /** An empty server, which nobody has an account on. */
  static async empty(): Promise<Server> {
    return Server.on(mkdtempSync(join(tmpdir(), "outgest-ui-")), {});
  }

  /** A server with people, a project and rows. */
  static async withRows(events: number, options: Options = {}): Promise<Server> {
    const folder = mkdtempSync(join(tmpdir(), "outgest-ui-"));
    await outgest(folder, "project", "add", PROJECT, "--name", "Shop");
    await person(folder, OWNER, "--name", "Ada Lovelace", "--admin");
    await person(folder, VIEWER, "--name", "Vera Rubin", "--project", PROJECT, "--role", "viewer");
    const when = options.recent ? ["--days", "1", "--end=-1m"] : [];
    if (events > 0) await outgest(folder, "generate", "--project", PROJECT, "--events", String(events), ...when);
    for (const [table, rows] of [["events", options.import], ["scores", options.scores]] as const) {
      if (!rows) continue;
      const file = join(folder, `${table}.jsonl`);
      writeFileSync(file, rows.map((row) => JSON.stringify(row)).join("\n"));
      await outgest(folder, "import", "--project", PROJECT, "--table", table, file);
    }
    return Server.on(folder, options.settings ?? {});
  }

  private static async on(folder: string, settings: Record<string, string>, listen = "127.0.0.1:0"): Promise<Server> {
    const child = spawn(BINARY, ["serve", "--listen", listen], {
      env: { ...environment(folder), ...settings },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const { url, link } = await answering(child);
    return new Server(folder, child, url, link, settings);
  }

  /** Another command on the same data. */
  outgest(...words: string[]): Promise<string> {
    return outgest(this.folder, ...words);
  }

  /** What the API answers to an owner's program. */
  async ask<T>(path: string, body?: object, method = "POST"): Promise<T> {
    this.key ??= (JSON.parse(await this.outgest("key", "add", "--project", PROJECT, "--role", "owner")) as { secretKey: string }).secretKey;
    const headers = { authorization: `Bearer ${this.key}`, "content-type": "application/json" };
    const how = body && { method, body: JSON.stringify(body) };
    const answer = await fetch(`${this.url}/api/v1/projects/${PROJECT}/${path}`, { headers, ...how });
    if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
    return (await answer.json()) as T;
  }

  /** A line as a shell would run it, with the binary in `$OUTGEST`. */
  async shell(line: string): Promise<string> {
    const env = { ...environment(this.folder), OUTGEST: BINARY };
    const { stdout } = await run("sh", ["-c", line], { cwd: this.folder, env });
    return stdout;
  }

  /** Ends the process, but keeps what it knows. */
  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((done) => this.child.once("exit", done));
    this.child.kill("SIGKILL");
    await ended;
  }

  /** Starts it again where it was. */
  async start(): Promise<void> {
    const again = await Server.on(this.folder, this.settings, new URL(this.url).host);
    this.child = again.child;
  }

  async close(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function environment(folder: string): NodeJS.ProcessEnv {
  return { PATH: process.env["PATH"], HOME: folder, OUTGEST_DATA: join(folder, "data"), OUTGEST_LOG_LEVEL: "error" };
}

async function outgest(folder: string, ...words: string[]): Promise<string> {
  const { stdout } = await run(BINARY, words, { cwd: folder, env: environment(folder), maxBuffer: 1 << 26 });
  return stdout;
}

async function person(folder: string, who: { email: string; password: string }, ...more: string[]): Promise<void> {
  const file = join(folder, "password");
  writeFileSync(file, who.password);
  await outgest(folder, "user", "add", "--email", who.email, "--password-file", file, ...more);
}

/** Waits until the server says where it answers. */
function answering(child: ChildProcess): Promise<{ url: string; link: string | null }> {
  return new Promise((done, failed) => {
    let told = "";
    child.once("exit", (code) => failed(new Error(`outgest serve ended with ${code}: ${told}`)));
    // What it logs is told where it does not start.
    child.stderr!.on("data", (chunk: Buffer) => (told += chunk.toString()));
    child.stdout!.on("data", (chunk: Buffer) => {
      told += chunk.toString();
      const url = /answers on (http\S+)\n/.exec(told)?.[1];
      if (!url) return;
      const needsLink = told.includes("nobody has an account");
      const link = /^\s+(http\S+\/invitation#\S+)$/m.exec(told)?.[1] ?? null;
      if (!needsLink || link) done({ url, link });
    });
  });
}
