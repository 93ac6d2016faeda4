import { words } from "../words";
import { Problem } from "./problem";

/** One event of a stream. */
export interface StreamEvent {
  name: string;
  data: unknown;
}

/** Reads server-sent events as they come: what `EventSource` does, for calls that it cannot make. */
export async function* eventsOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<StreamEvent, void> {
  const reader = stream.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop()!;
      for (const block of blocks) {
        const event = eventIn(block);
        if (event) yield event;
      }
    }
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Problem({ detail: words.problem.unreachable, code: "unreachable" });
  } finally {
    void reader.cancel().catch(() => undefined);
  }
}

/** The event of a block of lines; none where it only keeps the connection open. */
function eventIn(block: string): StreamEvent | null {
  const fields = new Map(block.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]));
  const [name, data] = [fields.get("event"), fields.get("data")];
  return name === undefined || data === undefined ? null : { name, data: JSON.parse(data) as unknown };
}
