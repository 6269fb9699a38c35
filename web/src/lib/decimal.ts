// Decimal numbers, compared as they are written: 2.0000000001 is more than 2, and 0.3 is three steps
// of 0.1, whatever binary fractions make of them.

/** `digits` divided by ten to the power of `scale`. */
export interface Decimal {
  digits: bigint;
  scale: number;
}

/** More places than this are no setting. */
const LONGEST = 40;

/** What a text says, if it is a number. */
export function decimal(text: string): Decimal | undefined {
  const found = /^([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?\d{1,3}))?$/i.exec(text.trim());
  if (!found || text.length > LONGEST) return undefined;
  const [, sign = "", whole = "", part = "", power = "0"] = found;
  if (whole + part === "") return undefined;
  const scale = part.length - Number(power);
  if (Math.abs(scale) > LONGEST) return undefined;
  const digits = BigInt(whole + part) * (sign === "-" ? -1n : 1n);
  return scale < 0 ? { digits: digits * 10n ** BigInt(-scale), scale: 0 } : { digits, scale };
}

/** A limit of the server, without the dust of binary fractions. */
export const limit = (number: number): Decimal => decimal(String(Number(number.toFixed(9)))) ?? { digits: 0n, scale: 0 };

/** Below 0 when `a` is less, 0 when they are the same. */
export function compare(a: Decimal, b: Decimal): number {
  const [x, y] = aligned(a, b);
  return x < y ? -1 : x > y ? 1 : 0;
}

/** Whether a number is on the grid of `size` that `origin` is on. */
export function isOnGrid(number: Decimal, size: Decimal, origin: Decimal): boolean {
  const scale = Math.max(number.scale, size.scale, origin.scale);
  const step = at(size, scale);
  return step !== 0n && (at(number, scale) - at(origin, scale)) % step === 0n;
}

function aligned(a: Decimal, b: Decimal): [bigint, bigint] {
  const scale = Math.max(a.scale, b.scale);
  return [at(a, scale), at(b, scale)];
}

const at = ({ digits, scale }: Decimal, wanted: number): bigint => digits * 10n ** BigInt(wanted - scale);
