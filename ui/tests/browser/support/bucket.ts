import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server as Http } from "node:http";
import type { AddressInfo } from "node:net";

/** How a bucket treats what is uploaded to it. */
type Manner = "keeps" | "slow" | "refuses";

interface Answer {
  status: number;
  headers?: Record<string, string>;
  body?: string | Buffer;
}

/** How long a slow bucket takes for a part. */
const SLOW_MILLIS = 1_500;

/**
 * A bucket that keeps what it gets, is slow, or refuses: as much of S3 as uploads need. That exports arrive in buckets
 * as they should is tested elsewhere, against whole servers.
 */
export class Bucket {
  /** Parts that arrived. */
  parts = 0;
  /** Uploads that were given up by whoever began them. */
  aborted = 0;
  /** What is kept, by key. */
  readonly objects = new Map<string, Buffer>();
  private readonly uploads = new Map<string, Map<number, Buffer>>();
  private held: Promise<void> | null = null;

  private constructor(
    private readonly http: Http,
    /** How it treats what comes from now on. */
    public manner: Manner,
  ) {}

  static async open(manner: Manner): Promise<Bucket> {
    const http = createServer();
    const bucket = new Bucket(http, manner);
    http.on("request", (request: IncomingMessage, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        void bucket.answer(request, Buffer.concat(chunks)).then(({ status, headers, body }) => {
          response.writeHead(status, { "content-type": "application/xml", ...headers });
          response.end(request.method === "HEAD" ? undefined : body);
        });
      });
    });
    await new Promise<void>((done) => http.listen(0, "127.0.0.1", done));
    return bucket;
  }

  /** Where it answers. */
  get endpoint(): string {
    return `http://127.0.0.1:${(this.http.address() as AddressInfo).port}`;
  }

  /** The address as a setting takes it. */
  get address(): string {
    const keys = "access_key_id=outgest-test&secret_access_key=nobodys-secret";
    return `s3://exports/?endpoint=${this.endpoint}&region=test&${keys}&allow_http=true`;
  }

  /** The request for an integration that exports every hour to it, beginning with the first row there is. */
  integration(name: string): object {
    return {
      name,
      kind: "s3",
      options: { bucket: "exports", region: "test", endpoint: this.endpoint, access_key_id: "outgest-test", allow_http: "true" },
      secrets: { secret_access_key: "nobodys-secret" },
      tables: [{ table: "events" }, { table: "scores" }],
      schedule: { every: "hour", zone: "UTC" },
      start: { from: "history" },
      format: "parquet",
      prefix: `${name.toLowerCase().replaceAll(" ", "-")}/`,
    };
  }

  /** Takes no part from now on until what this answers is called. */
  hold(): () => void {
    let release = () => {};
    this.held = new Promise((done) => (release = done));
    return release;
  }

  async close(): Promise<void> {
    this.http.closeAllConnections();
    await new Promise((done) => this.http.close(done));
  }

  private async answer(request: IncomingMessage, body: Buffer): Promise<Answer> {
    const url = new URL(request.url ?? "/", "http://bucket");
    const key = decodeURIComponent(url.pathname.slice("/exports/".length));
    const upload = url.searchParams.get("uploadId");
    if (this.manner === "refuses" && request.method !== "HEAD") {
      const message = "<Error><Code>AccessDenied</Code><Message>User outgest-test may not write here.</Message></Error>";
      return { status: 403, body: message };
    }
    switch (request.method) {
      case "POST":
        if (url.searchParams.has("delete")) return this.remove(body.toString());
        return upload === null ? this.begin() : this.complete(key, upload);
      case "PUT":
        return upload === null ? this.put(key, body, request) : this.part(upload, Number(url.searchParams.get("partNumber")), body);
      case "DELETE":
        if (upload !== null) this.aborted += 1;
        this.objects.delete(key);
        return { status: 204 };
      default:
        return key === "" ? { status: 200, body: "<ListBucketResult></ListBucketResult>" } : this.get(key, request);
    }
  }

  private remove(list: string): Answer {
    const keys = [...list.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key]) => key!);
    keys.forEach((key) => this.objects.delete(key));
    const deleted = keys.map((key) => `<Deleted><Key>${key}</Key></Deleted>`).join("");
    return { status: 200, body: `<DeleteResult>${deleted}</DeleteResult>` };
  }

  private begin(): Answer {
    const id = `u-${this.uploads.size + 1}`;
    this.uploads.set(id, new Map());
    return { status: 200, body: `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>` };
  }

  private async part(upload: string, number: number, body: Buffer): Promise<Answer> {
    this.parts += 1;
    this.uploads.get(upload)?.set(number, body);
    await this.held;
    if (this.manner === "slow") await new Promise((done) => setTimeout(done, SLOW_MILLIS));
    return { status: 200, headers: { etag: tagOf(body) } };
  }

  private complete(key: string, upload: string): Answer {
    const parts = [...(this.uploads.get(upload) ?? [])].sort(([a], [b]) => a - b);
    const whole = Buffer.concat(parts.map(([, part]) => part));
    this.objects.set(key, whole);
    return { status: 200, body: `<CompleteMultipartUploadResult><ETag>${tagOf(whole)}</ETag></CompleteMultipartUploadResult>` };
  }

  private put(key: string, body: Buffer, request: IncomingMessage): Answer {
    if (request.headers["if-none-match"] === "*" && this.objects.has(key)) {
      return { status: 412, body: "<Error><Code>PreconditionFailed</Code></Error>" };
    }
    this.objects.set(key, body);
    return { status: 200, headers: { etag: tagOf(body) } };
  }

  private get(key: string, request: IncomingMessage): Answer {
    const whole = this.objects.get(key);
    if (!whole) return { status: 404, body: "<Error><Code>NoSuchKey</Code></Error>" };
    const headers = { etag: tagOf(whole), "last-modified": new Date().toUTCString(), "content-length": String(whole.length) };
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    if (!range) return { status: 200, headers, body: whole };
    const [first, last] = [Number(range[1]), range[2] ? Number(range[2]) : whole.length - 1];
    const part = whole.subarray(first, last + 1);
    const told = { "content-length": String(part.length), "content-range": `bytes ${first}-${first + part.length - 1}/${whole.length}` };
    return { status: 206, headers: { ...headers, ...told }, body: part };
  }
}

function tagOf(body: Buffer): string {
  return `"${createHash("md5").update(body).digest("hex")}"`;
}
