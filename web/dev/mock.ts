// Stands in for the server while only the page is worked on: `npm run dev`, any token but `nxd_wrong`.
// With NEXUS_URL set, `npm run dev` talks to a running server instead. Never part of a build.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Plugin } from "vite";
import { answer, commands, history, models, profile, signedIn } from "./samples.ts";

export function mockServer(): Plugin {
  const server = process.env.NEXUS_URL;
  return {
    name: "nexus-mock",
    apply: "serve",
    config: () => (server ? { server: { proxy: { "/api": server } } } : {}),
    configureServer(vite) {
      if (server || process.env.VITEST) return;
      vite.middlewares.use((request, response, next) => {
        const url = new URL(request.url ?? "/", "http://localhost");
        if (!url.pathname.startsWith("/api/")) next();
        else void handle(url, request, response);
      });
    },
  };
}

async function handle(url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const send = (status: number, body: unknown): void => {
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(JSON.stringify(body));
  };
  const token = request.headers.authorization;
  if (url.pathname === "/api/v1/commands") return send(200, { commands });
  const isSignedIn = token !== undefined && !token.endsWith("nxd_wrong");
  if (url.pathname === "/api/v1") return send(200, { app_name: "Nexus", signed_in: isSignedIn });
  if (!isSignedIn) {
    return send(401, { error: { code: "unauthenticated", message: "a valid token is needed" } });
  }
  const visitor = token.endsWith("nxd_visitor");
  if (url.pathname === "/api/v1/auth/session") return send(200, signedIn(visitor));
  if (url.pathname === "/api/v1/commands/execute") {
    return send(200, { command: "key.list", message: "0 API keys", data: [] });
  }
  if (url.pathname === "/api/v1/models") return send(200, models);
  if (url.pathname === "/api/v1/runs") return send(200, { runs: [] });
  if (url.pathname === "/api/v1/chat") return chat(request, response, visitor);
  if (visitor) {
    const message = "Welcome. Your key has no identity here yet. Ask for `nexus identity new KEY`.";
    return send(403, { error: { code: "not_a_member", message } });
  }
  if (url.pathname === "/api/v1/profile") return send(200, profile);
  if (url.pathname !== "/api/v1/messages") return send(404, { error: { code: "not_found", message: "nothing" } });
  const messages = token.endsWith("nxd_new") ? [] : history;
  return send(200, { messages, next_cursor: null });
}

async function chat(request: IncomingMessage, response: ServerResponse, visitor: boolean): Promise<void> {
  let body = "";
  for await (const chunk of request) body += String(chunk);
  const { content } = JSON.parse(body) as { content: string };
  response.writeHead(200, { "Content-Type": "text/event-stream" });
  for (const [event, data] of answer(content, visitor)) {
    if (response.destroyed) return;
    response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    await new Promise((resume) => setTimeout(resume, 40));
  }
  response.end();
}
