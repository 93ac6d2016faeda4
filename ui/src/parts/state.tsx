import { Icon, type IconName } from "./icons";

export type Tone = "ok" | "running" | "attention" | "failed" | "idle";

/** A state: icon, word and colour say the same. */
export function State({ tone, icon, children }: { tone: Tone; icon: IconName; children: string }) {
  return (
    <span className="state" data-tone={tone}>
      <Icon name={icon} className={icon === "running" ? "spin" : ""} />
      {children}
    </span>
  );
}

/** A thin bar; how far something has come. */
export function Progress({ share, label }: { share: number; label: string }) {
  const percent = Math.floor(Math.min(Math.max(share, 0), 1) * 100);
  return (
    <div className="progress" role="progressbar" aria-valuenow={percent} aria-valuemin={0} aria-valuemax={100} aria-label={label}>
      <div style={{ width: `${percent}%` }} />
    </div>
  );
}
