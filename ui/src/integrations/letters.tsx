import { serverUrl } from "../api/client";
import { useMay, useProject } from "../app/project";
import { Payload } from "../explore/row/payload";
import { Button } from "../parts/button";
import { Confirm } from "../parts/confirm";
import { Empty, Failed, SkeletonLines, Stale } from "../parts/faces";
import { Time } from "../parts/time";
import { useToast } from "../parts/toasts";
import { words } from "../words";
import { useActions, useLetters } from "./calls";

const text = words.integrations.letters;

/** Rows that the receiver refused, each with its reason. */
export function Letters({ id }: { id: string }) {
  const project = useProject();
  const may = useMay("member");
  const toast = useToast();
  const letters = useLetters(id);
  const { replay } = useActions(id);
  if (letters.isPending) return <SkeletonLines lines={3} height={28} />;
  if (letters.isLoadingError) return <Failed error={letters.error} retry={() => void letters.refetch()} />;
  const items = letters.data.pages.flatMap((page) => page.items);
  if (items.length === 0) {
    return (
      <>
        <Stale query={letters} />
        <Empty icon="check" title={text.empty} text={text.emptyText} command={text.emptyCommand(serverUrl, project.id, id)} />
      </>
    );
  }
  return (
    <>
      <Stale query={letters} />
      {may && (
        <Confirm
          title={text.replayTitle}
          text={text.replayText}
          verb={text.replayVerb}
          act={async () => toast(text.replayed((await replay.mutateAsync()).length))}
        >
          <Button icon="undo">{text.replay}</Button>
        </Confirm>
      )}
      <ul className="stack" style={{ marginTop: 16 }}>
        {items.map((letter) => (
          <li key={letter.id} className="file">
            <div className="row" style={{ justifyContent: "space-between" }}>
              <span className="mono">
                {letter.table} {letter.row}
              </span>
              <span className="muted">
                <Time at={letter.at} />
              </span>
            </div>
            <p className="field-problem">{letter.reason}</p>
            <details>
              <summary className="muted">{words.explore.row.tabs["raw"]}</summary>
              <Payload value={letter.event} bare />
            </details>
          </li>
        ))}
      </ul>
      {letters.hasNextPage && (
        <Button busy={letters.isFetchingNextPage} onClick={() => void letters.fetchNextPage()}>
          {text.more}
        </Button>
      )}
    </>
  );
}
