// A person's mark: a small knot of lines and a colour, drawn from their public key. The same key
// gives the same mark everywhere.

const POINTS = 7;
const RADIUS = 11;
const CENTRE = 16;

export interface Sigil {
  hue: number;
  points: { x: number; y: number; r: number }[];
  lines: { x1: number; y1: number; x2: number; y2: number }[];
}

/** The seven corners are the same for all; which of them are joined, and how large they are, is yours. */
export function sigil(key: string): Sigil {
  const bytes = bytesOf(key);
  const byte = (at: number): number => bytes[at % bytes.length]!;
  const corners = Array.from({ length: POINTS }, (_, index) => {
    const angle = (index / POINTS) * 2 * Math.PI - Math.PI / 2;
    return { x: CENTRE + RADIUS * Math.cos(angle), y: CENTRE + RADIUS * Math.sin(angle) };
  });
  const lines: Sigil["lines"] = [];
  const joined = new Set<number>();
  const join = (a: number, b: number): void => {
    joined.add(a).add(b);
    const from = corners[a]!;
    const to = corners[b]!;
    lines.push({ x1: from.x, y1: from.y, x2: to.x, y2: to.y });
  };
  const reach = 2 + (byte(2) % 2);
  for (let index = 0; index < POINTS; index += 1) {
    // A closed star of seven lines, of which some are left out.
    if (index === 0 || byte(index + 3) % 4 > 0) join(index, (index + reach) % POINTS);
    if (byte(index + 11) % 5 === 0) join(index, (index + 5 - reach) % POINTS);
  }
  const points = [...joined].map((index) => ({
    ...corners[index]!,
    r: 1.5 + (byte(index + 12) % 3) * 0.6,
  }));
  return { hue: ((byte(0) << 8) | byte(1)) % 360, points, lines };
}

function bytesOf(key: string): number[] {
  const pairs = key.replace(/^0x/i, "").match(/[0-9a-f]{2}/gi);
  return pairs && pairs.length >= 2 ? pairs.map((pair) => Number.parseInt(pair, 16)) : [170, 90, 7];
}
