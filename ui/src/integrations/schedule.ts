import type { Schemas } from "../api/client";
import { words } from "../words";

/** When windows end, in words: `every hour at :00, Europe/Berlin`. */
export function scheduleWords(schedule: Schemas["Schedule"]): string {
  const text = words.integrations.schedule;
  const how = {
    hour: text.hour,
    day: text.day,
    week: text.week,
    minutes: text.minutes(schedule.minutes ?? 0),
    cron: text.cron(schedule.expression ?? ""),
  }[schedule.every];
  return `${how}, ${schedule.zone ?? "UTC"}`;
}
