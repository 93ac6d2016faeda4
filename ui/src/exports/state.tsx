import { State, type Tone } from "../parts/state";
import type { IconName } from "../parts/icons";
import { words } from "../words";
import type { Export } from "./live";

const LOOKS: Record<Export["state"], [Tone, IconName]> = {
  queued: ["idle", "clock"],
  running: ["running", "running"],
  completed: ["ok", "check"],
  failed: ["failed", "failed"],
  cancelled: ["idle", "cross"],
  expired: ["idle", "idle"],
};

/** Where an export stands: icon, word and colour. */
export function StateOf({ export: known }: { export: Export }) {
  const waits = known.state === "queued" && known.retryAt !== null;
  const [tone, icon] = waits ? (["attention", "clock"] as const) : LOOKS[known.state];
  return (
    <State tone={tone} icon={icon}>
      {waits ? words.exports.states["waiting"]! : words.exports.states[known.state]!}
    </State>
  );
}
