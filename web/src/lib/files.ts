// Files that the page hands to the person.

import type { KeyBox } from "./keybox";

export function saveFile(name: string, content: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** A copy of a key, in its box: whoever finds it needs the passphrase, too. */
export function saveKeyFile(box: KeyBox): void {
  const text = `${JSON.stringify(box, null, 2)}\n`;
  saveFile(`nexus-key-${box.address.slice(0, 10)}.json`, new Blob([text], { type: "application/json" }));
}
