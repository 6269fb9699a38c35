// Where programs that speak the protocol of OpenAI find this server.

/** The base URL, as such programs want it: without a slash at the end. */
export function apiAddress(origin: string): string {
  return new URL("/v1", origin).href;
}
