// Times, counts and keys, as people read them.

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const dayAndYear = new Intl.DateTimeFormat(undefined, { dateStyle: "long" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const number = new Intl.NumberFormat();

export const time = (at: Date): string => clock.format(at);
export const exactTime = (at: Date): string => full.format(at);

const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const STAMP = /\b\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)/g;

/** A text of the server, with its times as clocks here show them. */
export function localTimes(text: string): string {
  return text.replace(STAMP, (stamp) => {
    const at = new Date(stamp);
    return Number.isNaN(at.getTime()) ? stamp : moment.format(at);
  });
}

/** "Try again in 12 seconds.", "Try again at 14:31.", and with the day when it is another one. */
export function againAt(seconds: number, now: Date): string {
  if (seconds < 90) return `Try again in ${seconds === 1 ? "1 second" : `${Math.ceil(seconds)} seconds`}.`;
  const at = new Date(now.getTime() + seconds * 1000);
  const same = at.toDateString() === now.toDateString();
  return `Try again ${same ? `at ${clock.format(at)}` : `after ${moment.format(at)}`}.`;
}

/** What limits count. */
const COUNTED: Record<string, string> = {
  requests: "requests",
  tokens: "tokens",
  runs: "answers",
  cost: "of cost",
  sign_in: "sign-ins",
  registrations: "registrations",
};

/** `limits.identity.requests_per_minute` and 20: "20 requests a minute". Nothing for what is no limit. */
export function limitWords(field: string, value: string | undefined): string {
  const name = field.slice(field.lastIndexOf(".") + 1);
  const found = /^(?:(daily|concurrent)_(\w+)|(\w+)_per_(minute|hour|day))$/.exec(name);
  if (!found || value === undefined) return "";
  const [, kind, first, second, period] = found;
  const what = first ?? second ?? "";
  const count = what === "cost" ? value : number.format(Number(value));
  const words = COUNTED[what] ?? what.replaceAll("_", " ");
  const one = value === "1" ? words.replace(/s$/, "") : words;
  return `${count} ${one} ${kind === "concurrent" ? "at a time" : period === "hour" ? "an hour" : `a ${kind === "daily" ? "day" : period}`}`;
}

/** "Today", "Yesterday", "Monday, 3 May", and with the year when it is another one. */
export function dayName(at: Date, now: Date): string {
  const days = Math.round((midnight(now) - midnight(at)) / 86_400_000);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  return (at.getFullYear() === now.getFullYear() ? day : dayAndYear).format(at);
}

function midnight(at: Date): number {
  return new Date(at.getFullYear(), at.getMonth(), at.getDate()).getTime();
}

export function greeting(now: Date): string {
  const hour = now.getHours();
  if (hour < 5) return "Still up?";
  if (hour < 12) return "Good morning.";
  if (hour < 18) return "Good afternoon.";
  return "Good evening.";
}

/** `0x1234…cdef` */
export function shortKey(key: string): string {
  return key.length > 14 ? `${key.slice(0, 6)}…${key.slice(-4)}` : key;
}

export function tokens(usage: { input_tokens: number; output_tokens: number }): string {
  return `${number.format(usage.input_tokens)} tokens in, ${number.format(usage.output_tokens)} out`;
}

/** What the catalog name does not say: which model it was in the end, and where. */
export function answeredBy(model: { name: string; provider: string; id: string }): string {
  const id = model.id === model.name ? "" : `(${model.id})`;
  const place = model.provider === model.name ? "" : `at ${model.provider}`;
  return `${id} ${place}`.trim();
}

/** JSON that was cut, or is no JSON, is shown as it is. */
export function pretty(value: unknown): string {
  if (typeof value !== "string") return JSON.stringify(value, null, 2) ?? "";
  try {
    return JSON.stringify(JSON.parse(value), null, 2);
  } catch {
    return value;
  }
}

const BROWSERS: [RegExp, string][] = [
  [/\bEdg/, "Edge"],
  [/\bOPR\//, "Opera"],
  [/\bFirefox\//, "Firefox"],
  [/\b(Chrome|CriOS|HeadlessChrome)\//, "Chrome"],
  [/\bSafari\//, "Safari"],
  [/^curl\//, "curl"],
  [/^nexus\b/i, "The terminal"],
];
const SYSTEMS: [RegExp, string][] = [
  [/\bAndroid\b/, "Android"],
  [/\b(iPhone|iPad)\b/, "iOS"],
  [/\bWindows\b/, "Windows"],
  [/\bMac OS X\b/, "macOS"],
  [/\bLinux\b/, "Linux"],
];

/** "Firefox on Linux", from what a client said about itself. */
export function clientName(agent: string): string {
  const first = (list: [RegExp, string][]): string | undefined => list.find(([test]) => test.test(agent))?.[1];
  const browser = first(BROWSERS);
  const system = first(SYSTEMS);
  if (browser && system) return `${browser} on ${system}`;
  return browser ?? system ?? (agent.slice(0, 60) || "A token from the terminal");
}

/** "in 3 days", "2 hours ago" */
export function relative(at: Date, now: Date): string {
  const seconds = (at.getTime() - now.getTime()) / 1000;
  for (const [unit, size] of UNITS) {
    if (Math.abs(seconds) >= size) return ago.format(Math.trunc(seconds / size), unit);
  }
  return "just now";
}
const ago = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];
