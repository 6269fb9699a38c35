// Where this browser keeps keys: IndexedDB, each in its box, by address.

import type { KeyBox } from "./keybox";

const STORE = "keys";

/** Every box, the newest first. A browser that keeps nothing has none. */
export async function savedKeys(): Promise<KeyBox[]> {
  try {
    const boxes = await within<KeyBox[]>("readonly", (store) => store.getAll() as IDBRequest<KeyBox[]>);
    return boxes.toSorted((a, b) => b.created_at.localeCompare(a.created_at));
  } catch {
    return [];
  }
}

export async function savedKey(address: string): Promise<KeyBox | undefined> {
  const boxes = await savedKeys();
  return boxes.find((box) => box.address.toLowerCase() === address.toLowerCase());
}

export async function saveKey(box: KeyBox): Promise<void> {
  await within("readwrite", (store) => store.put(box, box.address.toLowerCase()));
}

export async function forgetKey(address: string): Promise<void> {
  await within("readwrite", (store) => store.delete(address.toLowerCase()));
}

async function within<T>(mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const opening = indexedDB.open("nexus", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  const database = await settled(opening);
  try {
    const transaction = database.transaction(STORE, mode, { durability: "strict" });
    const done = new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? new Error("aborted"));
    });
    const result = await settled(act(transaction.objectStore(STORE)));
    await done;
    return result;
  } finally {
    database.close();
  }
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("refused"));
  });
}
