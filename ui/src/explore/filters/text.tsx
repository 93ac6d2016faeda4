import { Popover } from "radix-ui";
import { useState } from "react";

import type { Problem } from "../../api/problem";
import { Button, Hint } from "../../parts/button";
import { Field } from "../../parts/fields";
import { Icon } from "../../parts/icons";
import { STAYS } from "../../parts/stays";
import { words } from "../../words";

interface TextFiltersProps {
  where: string[];
  problem: Problem | null;
  onChange: (where: string[]) => void;
}

/** Filters that are written as text, as the command line takes them. */
export function TextFilters({ where, problem, onChange }: TextFiltersProps) {
  return (
    <>
      {where.map((text, index) => (
        <TextChip
          key={index}
          text={text}
          wrong={problem?.of(`where[${index}]`)}
          change={(next) => onChange(where.map((other, at) => (at === index ? next : other)))}
          remove={() => onChange(where.filter((_, at) => at !== index))}
        />
      ))}
      <TextEditor text="" done={(text) => onChange([...where, text])}>
        <button type="button" className="button" data-size="small" data-look="plain">
          {words.explore.filter.text}
        </button>
      </TextEditor>
    </>
  );
}

interface TextChipProps {
  text: string;
  /** Why the server refused it, if it did. */
  wrong: string | undefined;
  change: (text: string) => void;
  remove: () => void;
}

/** One text; where it was refused, with the reason beside it. */
function TextChip({ text, wrong, change, remove }: TextChipProps) {
  return (
    <>
      <span className="chip" data-wrong={wrong ? "" : undefined}>
        <TextEditor text={text} done={change}>
          <button type="button" className="chip-text">
            {wrong && <Icon name="warning" size={14} />}
            <code className="clip" style={{ maxWidth: 420 }}>
              {text}
            </code>
          </button>
        </TextEditor>
        <button type="button" className="chip-end" aria-label={words.explore.filter.removeNamed(text)} onClick={remove}>
          <Icon name="cross" size={12} />
        </button>
      </span>
      {wrong && (
        <Hint text={wrong}>
          <span className="chip-problem" role="alert">
            {wrong}
          </span>
        </Hint>
      )}
    </>
  );
}

function TextEditor({ text, done, children }: { text: string; done: (text: string) => void; children: React.ReactNode }) {
  const [open, setOpen] = useState(false);
  const [entered, setEntered] = useState(text);
  const submit = () => {
    if (entered.trim() === "") return;
    done(entered.trim());
    setOpen(false);
  };
  return (
    <Popover.Root
      open={open}
      onOpenChange={(next) => {
        setOpen(next);
        setEntered(text);
      }}
    >
      <Popover.Trigger asChild>{children}</Popover.Trigger>
      <Popover.Portal>
        <Popover.Content {...STAYS} className="popover" align="start" sideOffset={4} collisionPadding={8} aria-label={words.explore.filter.text}>
          <form
            className="fields"
            style={{ width: "min(460px, calc(100vw - 40px))" }}
            onSubmit={(event) => {
              event.preventDefault();
              submit();
            }}
          >
            <Field label={words.explore.filter.text} help={words.explore.filter.textHelp}>
              {(ids) => (
                <textarea
                  className="textarea mono"
                  {...ids}
                  autoFocus
                  spellCheck={false}
                  value={entered}
                  onChange={(event) => setEntered(event.target.value)}
                  onKeyDown={(event) => {
                    if (event.key === "Enter" && !event.shiftKey) {
                      event.preventDefault();
                      submit();
                    }
                  }}
                />
              )}
            </Field>
            <Button type="submit" look="primary" disabled={entered.trim() === ""}>
              {words.explore.filter.apply}
            </Button>
          </form>
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
