import type { Schemas } from "../api/client";
import { words } from "../words";

/** Roles as a choice, the least first. */
export const ROLES: { value: Schemas["Role"]; label: string }[] = (["viewer", "member", "owner"] as const).map((value) => ({
  value,
  label: words.settings.roles[value]!,
}));
