// Where a link of a model may lead. What a model writes is untrusted.

/** The target when it is one of `http`, `https`, `mailto` or a place on this page. */
export function safeLink(target: string): string | undefined {
  const address = target.trim();
  if (/[\u0000-\u0020\u007f]/.test(address)) return undefined;
  if (/^#[\w-]*$/.test(address)) return address;
  if (!/^(https?:\/\/|mailto:)/i.test(address)) return undefined;
  try {
    // Browsers take a backslash for a slash.
    return new URL(address.replaceAll("\\", "%5C")).href;
  } catch {
    return undefined;
  }
}
