import { share } from "../format/numbers";
import { rough } from "../format/times";
import { words } from "../words";
import type { Export } from "./live";

/** How far an export has come, how fast it is, and how long it still takes. */
export function Pace({ progress }: { progress: Export["progress"] }) {
  return (
    <>
      <span className="number">{share(progress.share)}</span>
      <span className="number">{words.exports.rate(progress.rowsPerSecond, progress.bytesPerSecond)}</span>
      {progress.secondsLeft !== null && <span className="number">{words.exports.left(rough(progress.secondsLeft * 1_000))}</span>}
    </>
  );
}
