import { Tooltip } from "radix-ui";
import type { ComponentProps, ReactNode } from "react";

import { Icon, type IconName } from "./icons";

type Look = "primary" | "plain" | "danger";

interface ButtonProps extends ComponentProps<"button"> {
  look?: Look;
  size?: "small";
  icon?: IconName;
  /** It is being done: the button waits, and says so. */
  busy?: boolean;
}

/** A button that says what it does with a verb. */
export function Button({ look, size, icon, busy, disabled, children, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      className="button"
      data-look={look}
      data-size={size}
      disabled={disabled || busy}
      aria-busy={busy || undefined}
      {...rest}
    >
      {busy ? <Icon name="running" className="spin" /> : icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

/** A button of an icon alone; its name is shown on hovering and read to those who do not see it. */
export function IconButton({ name, icon, look = "plain", size, ...rest }: Omit<ButtonProps, "name"> & { name: string; icon: IconName }) {
  return (
    <Hint text={name}>
      <button type="button" className="button" data-icon="" data-look={look} data-size={size} aria-label={name} {...rest}>
        <Icon name={icon} />
      </button>
    </Hint>
  );
}

/** A short text that appears beside what is hovered or focused. */
export function Hint({ text, children, side }: { text: ReactNode; children: ReactNode; side?: "top" | "right" | "bottom" | "left" }) {
  return (
    <Tooltip.Root>
      <Tooltip.Trigger asChild>{children}</Tooltip.Trigger>
      <Tooltip.Portal>
        <Tooltip.Content className="tooltip" sideOffset={4} collisionPadding={8} side={side ?? "bottom"}>
          {text}
        </Tooltip.Content>
      </Tooltip.Portal>
    </Tooltip.Root>
  );
}
