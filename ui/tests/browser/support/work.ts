import { vi } from "vitest";

import { Bucket } from "./bucket";
import { Server } from "./server";

const HOUR = 3_600_000;
const PATIENCE = { timeout: 120_000, interval: 200 };

/** Rows of the hours before the last full one. */
const ROWS = [12, 30, 18, 42, 36, 24];

/** What the API says of something that is under way. */
interface Known {
  id: string;
  state: string;
}

/** A server on which exports and integrations have run: some well, some not. */
export class Work {
  private constructor(
    readonly server: Server,
    /** Takes what it gets until the last export of {@link failed}, which it refuses. */
    readonly bucket: Bucket,
    private readonly other: Bucket,
    /** The full hour that its windows end with. */
    readonly hour: number,
    /** Id of an export that failed. */
    readonly failed: string,
    /** Id of an integration whose windows are exported. */
    readonly integration: string,
  ) {}

  static async done(): Promise<Work> {
    const now = Date.now();
    const hour = Math.floor(now / HOUR) * HOUR;
    const [bucket, other] = await Promise.all([Bucket.open("keeps"), Bucket.open("refuses")]);
    const settings = { OUTGEST_EXPORT_DESTINATION: bucket.address, OUTGEST_EGRESS_ALLOW: "127.0.0.0/8" };
    const server = await Server.withRows(0, { import: ROWS.flatMap((count, index) => rows(count, hour, index)), settings });

    // So that no window ends while it is looked at.
    const lagSeconds = now - hour > 0.75 * HOUR ? 1_800 : 0;
    const start = { from: "date", at: new Date(hour - ROWS.length * HOUR).toISOString() };
    const hourly = { cursor: "start_time", lagSeconds, start };
    const { id: integration } = await server.ask<Known>("integrations", { ...bucket.integration("Data lake"), ...hourly });
    await server.ask("integrations", { ...other.integration("Archive"), ...hourly });
    await server.ask("integrations", {
      name: "Product analytics",
      kind: "posthog",
      paused: true,
      options: { host: "http://127.0.0.1:9" },
      secrets: { api_key: "nobodys-secret" },
      tables: [{ table: "events" }],
      schedule: { every: "day", zone: "UTC" },
      start: { from: "now" },
    });
    const ended = async () => {
      const { items } = await server.ask<{ items: { status: string }[] }>("integrations");
      return items.map(({ status }) => status).join() === "paused,failed,upToDate";
    };
    await vi.waitUntil(ended, PATIENCE);

    const whole = { name: "Everything of June", table: "events", format: "parquet" };
    const errors = { name: "Errors for the review", table: "events", format: "csv", where: ['level = "ERROR"'] };
    await exported(server, whole, "completed");
    await exported(server, errors, "completed");
    bucket.manner = "refuses";
    const failed = await exported(server, { name: "Scores of the week", table: "scores", format: "jsonl" }, "failed");
    bucket.manner = "keeps";
    return new Work(server, bucket, other, hour, failed, integration);
  }

  async close(): Promise<void> {
    await this.server.close();
    await Promise.all([this.bucket.close(), this.other.close()]);
  }
}

/** Asks for an export and waits until it has come to this end. */
async function exported(server: Server, request: object, end: string): Promise<string> {
  const { id } = await server.ask<Known>("exports", request);
  await vi.waitUntil(async () => (await server.ask<Known>(`exports/${id}`)).state === end, PATIENCE);
  return id;
}

/** Rows of one of the hours, the first one of {@link ROWS} being the earliest. */
function rows(count: number, hour: number, index: number): object[] {
  const begin = hour - (ROWS.length - index) * HOUR;
  return Array.from({ length: count }, (_, row) => ({
    id: `row-${index}-${row}`,
    traceId: `trace-${index}-${row}`,
    name: "answer",
    type: "GENERATION",
    level: row % 6 === 0 ? "ERROR" : "DEFAULT",
    startTime: new Date(begin + row * 60_000).toISOString(),
    input: "a question",
    output: "an answer",
  }));
}
