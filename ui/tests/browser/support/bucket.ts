import { createServer, type IncomingMessage, type Server as Http } from "node:http";
import type { AddressInfo } from "node:net";

/** How a bucket treats what is uploaded to it. */
type Manner = { kind: "slow"; millisPerPart: number } | { kind: "refuses" };

/**
 * A bucket that is slow, or refuses: enough of S3 for uploads to begin, go on, and be aborted. That exports arrive in
 * a bucket is tested elsewhere, against whole servers.
 */
export class Bucket {
  /** Parts that arrived. */
  parts = 0;
  /** Uploads that were given up by whoever began them. */
  aborted = 0;

  private constructor(
    private readonly http: Http,
    private manner: Manner,
  ) {}

  static async open(manner: Manner): Promise<Bucket> {
    const http = createServer();
    const bucket = new Bucket(http, manner);
    http.on("request", (request: IncomingMessage, response) => {
      // Bodies are read to their end, and forgotten.
      request.resume();
      request.on("end", () => {
        void bucket.answer(request).then(({ status, headers, body }) => {
          response.writeHead(status, { "content-type": "application/xml", ...headers });
          response.end(body);
        });
      });
    });
    await new Promise<void>((done) => http.listen(0, "127.0.0.1", done));
    return bucket;
  }

  /** The address as a setting takes it. */
  get address(): string {
    const { port } = this.http.address() as AddressInfo;
    return `s3://exports/?endpoint=http://127.0.0.1:${port}&region=test&access_key_id=outgest-test&secret_access_key=nobodys-secret&allow_http=true`;
  }

  async close(): Promise<void> {
    this.http.closeAllConnections();
    await new Promise((done) => this.http.close(done));
  }

  private async answer(request: IncomingMessage): Promise<{ status: number; headers?: Record<string, string>; body?: string }> {
    const url = new URL(request.url ?? "/", "http://bucket");
    if (request.method === "HEAD") return { status: 404 };
    if (this.manner.kind === "refuses") {
      const message = "<Error><Code>AccessDenied</Code><Message>User outgest-test may not write here.</Message></Error>";
      return { status: 403, body: message };
    }
    if (request.method === "POST" && url.searchParams.has("uploads")) {
      return { status: 200, body: "<InitiateMultipartUploadResult><UploadId>u-1</UploadId></InitiateMultipartUploadResult>" };
    }
    if (request.method === "PUT") {
      this.parts += 1;
      await new Promise((done) => setTimeout(done, (this.manner as { millisPerPart: number }).millisPerPart));
      return { status: 200, headers: { etag: `"${this.parts}"` } };
    }
    if (request.method === "DELETE") {
      this.aborted += 1;
      return { status: 204 };
    }
    if (request.method === "GET") return { status: 200, body: "<ListMultipartUploadsResult></ListMultipartUploadsResult>" };
    return { status: 404 };
  }
}
