import { useState } from "react";

import type { Problem } from "../api/problem";
import { Button } from "../parts/button";
import { Check, TextField } from "../parts/fields";
import { Icon } from "../parts/icons";
import { words } from "../words";
import type { Kind } from "./calls";
import type { Secrets } from "./draft";

/** An option as its JSON schema describes it, as far as forms need it. */
interface Property {
  type?: string | string[];
  description?: string;
  enum?: string[];
}

interface OptionFieldsProps {
  kind: Kind;
  options: Record<string, string>;
  secrets: Secrets;
  /** Names of secrets that the server has. */
  stored: string[];
  problem: Problem | null;
  onOptions: (options: Record<string, string>) => void;
  onSecrets: (secrets: Secrets) => void;
}

/** Options that are shown at once; the others are for few. */
const FIRST = 4;

/** The fields of a kind of destination: made from its schema, so a new kind needs no line here. */
export function OptionFields({ kind, options, secrets, stored, problem, onOptions, onSecrets }: OptionFieldsProps) {
  const [more, setMore] = useState(false);
  const properties = propertiesOf(kind);
  const required = requiredOf(kind);
  // One that has a value, or had one until just now: a field stays while it is cleared.
  const isFirst = ([name, property]: [string, Property], index: number) =>
    (index < FIRST && !isTuning(property)) || required.includes(name) || kind.secrets.includes(name) || Object.hasOwn(options, name);
  const shown = properties.filter((property, index) => more || isFirst(property, index));
  const hidden = properties.length - shown.length;
  const at = (name: string) => problem?.of(`options.${name}`) ?? problem?.of(`secrets.${name}`) ?? problem?.of(name);
  return (
    <>
      {shown.map(([name, property]) => {
        const shared = { label: labelOf(name), help: helpOf(property), problem: at(name) };
        if (kind.secrets.includes(name)) {
          return (
            <SecretField
              key={name}
              {...shared}
              secret={secrets[name]}
              isStored={stored.includes(name)}
              isOptional={!required.includes(name)}
              onChange={(secret) => onSecrets({ ...secrets, [name]: secret })}
            />
          );
        }
        if (isOfType(property, "boolean")) {
          return (
            <Check
              key={name}
              label={labelOf(name)}
              help={helpOf(property)}
              checked={options[name] === "true"}
              onChange={(checked) => onOptions({ ...options, [name]: checked ? "true" : "" })}
            />
          );
        }
        return (
          <TextField
            key={name}
            {...shared}
            className="input mono"
            required={required.includes(name)}
            value={options[name] ?? ""}
            onChange={(value) => onOptions({ ...options, [name]: value })}
          />
        );
      })}
      {(hidden > 0 || more) && (
        <div>
          <Button size="small" look="plain" aria-expanded={more} onClick={() => setMore(!more)}>
            {more ? words.integrations.form.fewerOptions : words.integrations.form.moreOptions}
            <Icon name="chevron" size={12} />
          </Button>
        </div>
      )}
    </>
  );
}

interface SecretFieldProps {
  label: string;
  help: string;
  problem: string | undefined;
  /** What was entered; null takes the one away that is stored. */
  secret: string | null | undefined;
  isStored: boolean;
  isOptional: boolean;
  onChange: (secret: string | null) => void;
}

/** A secret: entered, kept as it is stored, or taken away where there can be none. */
function SecretField({ secret, isStored, isOptional, onChange, ...shared }: SecretFieldProps) {
  const text = words.integrations.form;
  // Where somebody else has taken it away meanwhile, another one can be entered.
  const isRemoved = isStored && secret === null;
  const field = (
    <TextField
      {...shared}
      type="password"
      autoComplete="off"
      placeholder={isRemoved ? text.secretRemoved : isStored ? text.secretStored : ""}
      disabled={isRemoved}
      value={secret ?? ""}
      onChange={onChange}
    />
  );
  if (!isStored || !isOptional) return field;
  return (
    <div className="secret">
      {field}
      <div>
        <Button
          size="small"
          look="plain"
          icon={isRemoved ? "undo" : "trash"}
          aria-label={isRemoved ? text.keepSecretOf(shared.label) : text.removeSecretOf(shared.label)}
          onClick={() => onChange(isRemoved ? "" : null)}
        >
          {isRemoved ? text.keepSecret : text.removeSecret}
        </Button>
      </div>
    </div>
  );
}

function propertiesOf(kind: Kind): [string, Property][] {
  return Object.entries((kind.options as { properties?: Record<string, Property> }).properties ?? {});
}

function isOfType(property: Property, type: string): boolean {
  return [property.type].flat().includes(type);
}

/** Whether an option has a value that suits nearly everybody. */
function isTuning(property: Property): boolean {
  return isOfType(property, "boolean") || isOfType(property, "integer");
}

/** Options that must be filled in: what is not ticked is an answer too. */
function requiredOf(kind: Kind): string[] {
  const required = (kind.options as { required?: string[] }).required ?? [];
  return propertiesOf(kind).filter(([name, property]) => required.includes(name) && !isOfType(property, "boolean")).map(([name]) => name);
}

/** Whether everything is filled in without which there is no destination. */
export function isComplete(kind: Kind, options: Record<string, string>): boolean {
  return requiredOf(kind).every((name) => (options[name] ?? "").trim() !== "");
}

/** `access_key_id` as people say it. */
export function labelOf(name: string): string {
  const text = name.replaceAll("_", " ").replace(/\bid\b/g, "ID").replace(/\bapi\b/g, "API").replace(/\bhttp\b/g, "HTTP").replace(/\bkms\b/g, "KMS").replace(/\bsse\b/g, "SSE");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Documentation is written with line breaks and code marks. */
function helpOf(property: Property): string {
  return (property.description ?? "").replace(/\s+/g, " ").replaceAll("`", "");
}
