import { Popover } from "radix-ui";
import { lazy, Suspense, useState, type Ref } from "react";

import type { Table } from "../api/catalog";
import { useMay } from "../app/project";
import { SkeletonLines } from "../parts/faces";
import { Icon } from "../parts/icons";
import { STAYS } from "../parts/stays";
import { words } from "../words";
import type { Shown } from "../explore/state";
import type { Selected } from "./selected";

const ExportForm = lazy(() => import("./form"));

interface ExportButtonProps {
  ref: Ref<HTMLButtonElement>;
  table: Table;
  shown: Shown;
  /** Columns as they are shown. */
  columns: string[];
  selected: Selected[];
  /** Rows that match, where they were counted to the end. */
  count: number | null;
  /** Nobody knows which rows are meant. */
  disabled: boolean;
}

/** Takes away what the table shows. */
export function ExportButton({ ref, disabled, ...asked }: ExportButtonProps) {
  const [open, setOpen] = useState(false);
  const may = useMay("member");
  return (
    <Popover.Root open={open} onOpenChange={setOpen}>
      <Popover.Trigger ref={ref} className="button" data-look="primary" disabled={disabled}>
        <Icon name="exports" />
        {words.explore.export}
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content {...STAYS} className="popover" align="end" sideOffset={4} collisionPadding={8} aria-label={words.exports.title}>
          {may ? (
            <Suspense fallback={<div className="export-form"><SkeletonLines lines={6} /></div>}>
              <ExportForm {...asked} close={() => setOpen(false)} />
            </Suspense>
          ) : (
            <p className="export-form muted">{words.exports.forbidden}</p>
          )}
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
