import { Checkbox, ToggleGroup } from "radix-ui";
import { useId, type ComponentProps, type ReactNode } from "react";

import { Icon } from "./icons";

interface FieldProps {
  label: string;
  help?: ReactNode;
  problem?: string | undefined;
  /** Gets what ties the input to its label, help and problem. */
  children: (ids: { id: string; "aria-describedby": string | undefined; "aria-invalid": boolean }) => ReactNode;
}

/** A labelled field with what helps and what is wrong below it. */
export function Field({ label, help, problem, children }: FieldProps) {
  const id = useId();
  const described = [help && `${id}-help`, problem && `${id}-problem`].filter(Boolean).join(" ");
  return (
    <div className="field">
      <label className="field-label" htmlFor={id}>
        {label}
      </label>
      {children({ id, "aria-describedby": described || undefined, "aria-invalid": Boolean(problem) })}
      {help && (
        <p id={`${id}-help`} className="field-help">
          {help}
        </p>
      )}
      {problem && (
        <p id={`${id}-problem`} className="field-problem" role="alert">
          {problem}
        </p>
      )}
    </div>
  );
}

interface TextFieldProps extends Omit<ComponentProps<"input">, "onChange"> {
  label: string;
  help?: ReactNode;
  problem?: string | undefined;
  onChange: (value: string) => void;
}

/** A field of one line. */
export function TextField({ label, help, problem, onChange, ...rest }: TextFieldProps) {
  return (
    <Field label={label} help={help} problem={problem}>
      {(ids) => <input className="input" {...ids} {...rest} onChange={(event) => onChange(event.target.value)} />}
    </Field>
  );
}

interface SelectProps<T extends string> extends Omit<ComponentProps<"select">, "onChange" | "value"> {
  value: T;
  options: readonly { value: T; label: string }[];
  onChange: (value: T) => void;
}

/** A choice of one; the browser's own list, which works everywhere. */
export function Select<T extends string>({ value, options, onChange, ...rest }: SelectProps<T>) {
  return (
    <select className="select" value={value} {...rest} onChange={(event) => onChange(event.target.value as T)}>
      {options.map((option) => (
        <option key={option.value} value={option.value}>
          {option.label}
        </option>
      ))}
    </select>
  );
}

/** A choice of one with its label. */
export function SelectField<T extends string>({ label, help, problem, ...rest }: SelectProps<T> & { label: string; help?: ReactNode; problem?: string | undefined }) {
  return (
    <Field label={label} help={help} problem={problem}>
      {(ids) => <Select {...ids} {...rest} />}
    </Field>
  );
}

interface CheckProps {
  checked: boolean | "indeterminate";
  onChange: (checked: boolean) => void;
  label: ReactNode;
  help?: ReactNode;
  disabled?: boolean;
}

/** A yes or no. */
export function Check({ checked, onChange, label, help, disabled }: CheckProps) {
  const id = useId();
  return (
    <div className="check">
      <Checkbox.Root
        id={id}
        className="check-box"
        checked={checked}
        disabled={disabled ?? false}
        aria-describedby={help ? `${id}-help` : undefined}
        onCheckedChange={(next) => onChange(next === true)}
      >
        <Checkbox.Indicator>
          <Icon name={checked === "indeterminate" ? "dash" : "check"} size={12} />
        </Checkbox.Indicator>
      </Checkbox.Root>
      <div>
        <label className="check-label" htmlFor={id}>
          {label}
        </label>
        {help && (
          <p id={`${id}-help`} className="field-help">
            {help}
          </p>
        )}
      </div>
    </div>
  );
}

interface SegmentsProps<T extends string> {
  label: string;
  value: T;
  options: readonly { value: T; label: string }[];
  onChange: (value: T) => void;
}

/** A choice of a few, all in view. */
export function Segments<T extends string>({ label, value, options, onChange }: SegmentsProps<T>) {
  return (
    <ToggleGroup.Root
      type="single"
      className="segments"
      aria-label={label}
      value={value}
      onValueChange={(next) => next && onChange(next as T)}
    >
      {options.map((option) => (
        <ToggleGroup.Item key={option.value} className="segment" value={option.value}>
          {option.label}
        </ToggleGroup.Item>
      ))}
    </ToggleGroup.Root>
  );
}
