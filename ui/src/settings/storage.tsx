import { useQuery } from "@tanstack/react-query";

import { useCatalog } from "../api/catalog";
import { answered, api } from "../api/client";
import { useProject } from "../app/project";
import { bytes, count } from "../format/numbers";
import { Empty, Failed, Note, SkeletonLines, Stale } from "../parts/faces";
import { Time } from "../parts/time";
import { words } from "../words";

const text = words.settings.storage;

/** What is stored of the project. */
export function StorageSection() {
  const project = useProject();
  const catalog = useCatalog();
  const storage = useQuery({
    queryKey: ["storage", project.id],
    queryFn: () => answered(api.GET("/api/v1/projects/{project}/storage", { params: { path: { project: project.id } } })),
  });
  if (storage.isPending) return <SkeletonLines lines={4} height={28} />;
  if (storage.isLoadingError) return <Failed error={storage.error} retry={() => void storage.refetch()} />;
  const { tables, note } = storage.data;
  if (tables.every((table) => table.rows === 0)) {
    return <Empty icon="table" title={text.empty} text={text.emptyText} command={words.explore.emptyCommand(project.id)} />;
  }
  return (
    <>
      <div className="settings-head">
        <h2>{text.title}</h2>
        {catalog.data && (
          <span className="muted">
            {text.source}: <span className="mono">{catalog.data.source}</span>
          </span>
        )}
      </div>
      <Stale query={storage} />
      <div className="list-frame" tabIndex={0} role="region" aria-label={text.title}>
        <table className="list">
          <thead>
            <tr>
              <th>{text.table}</th>
              <th className="end">{text.rows}</th>
              <th className="end">{text.rowsStored}</th>
              <th className="end">{text.size}</th>
              <th className="end">{text.files}</th>
              <th>{text.oldest}</th>
              <th>{text.newest}</th>
            </tr>
          </thead>
          <tbody>
            {tables.map((table) => (
              <tr key={table.table}>
                <td>{table.table}</td>
                <td className="end number">{count(table.rows)}</td>
                <td className="end number">{table.rowsStored === null ? "–" : count(table.rowsStored)}</td>
                <td className="end number">{table.bytes === null ? "–" : bytes(table.bytes)}</td>
                <td className="end number">{table.files === null ? "–" : count(table.files)}</td>
                <td className="muted">
                  <Time at={table.oldest} />
                </td>
                <td className="muted">
                  <Time at={table.newest} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {note !== null && (
        <div style={{ marginTop: 12, maxWidth: 720 }}>
          <Note tone="idle">{note}</Note>
        </div>
      )}
    </>
  );
}
