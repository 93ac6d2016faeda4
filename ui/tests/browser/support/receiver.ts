import { createServer, type Server as Http } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";

interface Event {
  event: string;
  uuid: string;
  properties: object;
}

/** As much of PostHog as deliveries need. What it takes and refuses is tested elsewhere, against whole contracts. */
export class Receiver {
  /** What arrived. */
  readonly events: Event[] = [];
  /** Says why it refuses requests that hold the first event it was ever sent; takes everything where it is null. */
  refusal: string | null = null;
  /** Id of the event that it refuses. */
  unwanted: string | null = null;

  private constructor(
    private readonly http: Http,
    private readonly key: string,
  ) {}

  /** A project with this key. */
  static async open(key: string): Promise<Receiver> {
    const http = createServer();
    const receiver = new Receiver(http, key);
    http.on("request", (request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const isBatch = request.method === "POST" && request.url === "/batch/";
        const [status, body] = isBatch ? receiver.take(Buffer.concat(chunks)) : [200, ""];
        response.writeHead(status, { "content-type": "application/json" }).end(body);
      });
    });
    await new Promise<void>((done) => http.listen(0, "127.0.0.1", done));
    return receiver;
  }

  /** Where it answers. */
  get host(): string {
    return `http://127.0.0.1:${(this.http.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.http.closeAllConnections();
    await new Promise((done) => this.http.close(done));
  }

  private take(body: Buffer): [number, string] {
    const request = JSON.parse(gunzipSync(body).toString()) as { api_key: string; batch: Event[] };
    // Before the key is looked at, as PostHog has it.
    if (request.batch.length === 0) return [400, "empty batch"];
    if (request.api_key !== this.key) return [401, JSON.stringify({ detail: "the project API key is not valid" })];
    this.unwanted ??= request.batch[0]!.uuid;
    if (this.refusal !== null && request.batch.some(({ uuid }) => uuid === this.unwanted)) {
      return [400, JSON.stringify({ detail: this.refusal })];
    }
    this.events.push(...request.batch);
    return [200, JSON.stringify({ status: "Ok" })];
  }
}
