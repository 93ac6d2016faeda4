/** Numbers for people: thousands separated, units always. */

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** As many digits as a double may need; those that it does not need are not written. */
const precise = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 17 });

/** `48,210` */
export function count(value: number): string {
  return whole.format(value);
}

/** A number of a cell, with all its digits. */
export function plain(value: number): string {
  return precise.format(value);
}

/** `120 MB`; powers of ten, as disks and bills count. */
export function bytes(value: number): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let rest = value;
  let unit = 0;
  while (rest >= 999.5 && unit < units.length - 1) {
    rest /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || rest >= 99.95 ? 0 : 1;
  return `${rest.toFixed(digits)} ${units[unit]}`;
}

/** `37%`, rounded down so that only what is done is 100%. */
export function share(value: number): string {
  return `${Math.floor(Math.min(Math.max(value, 0), 1) * 100)}%`;
}

/** Below this an amount is only said to be small. */
const SMALL = 0.000_001;

/** `$0.000184`: small amounts keep two digits that count. */
export function dollars(value: number): string {
  if (value === 0) return "$0";
  const size = Math.abs(value);
  if (size < SMALL) return `<$${SMALL.toFixed(6)}`;
  const digits = size >= 1 ? 2 : Math.min(8, 2 - Math.floor(Math.log10(size)));
  return `$${value.toFixed(digits).replace(/(\.\d{2}\d*?)0+$/, "$1")}`;
}
