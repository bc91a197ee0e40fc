// A server with data of its own, a browser, and the few calls of the API that the tests need.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { randomBytes } from "node:crypto";
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const BINARY = process.env.SIGNOFF_BIN
  || join(process.env.CARGO_TARGET_DIR || join(homedir(), ".cache/signoff-target"), "debug/signoff");
const CHROMIUM = process.env.SIGNOFF_CHROMIUM || "/usr/bin/chromium";
const BROWSER_ARGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

export const ADMIN = { name: "Ada Lovelace", email: "ada@example.com", password: "correct horse battery" };
export const PHONE = { width: 390, height: 844 };
export const DESK = { width: 1440, height: 900 };

/** A free port of this machine; what listened there has let it go. */
async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/**
 * Starts a server on a free port of this machine. `stop` ends it and deletes its data; `pause` ends it and keeps them,
 * `resume` starts it again at the same place. `listens` is where it listens, `url` what it calls itself.
 */
export async function startServer(...flags) {
  const data = await mkdtemp(join(tmpdir(), "signoff-browser-"));
  const adminKey = randomBytes(32).toString("hex");
  const address = `127.0.0.1:${await freePort()}`;
  const server = { listens: `http://${address}`, adminKey };
  let child, ended;

  server.resume = async () => {
    const env = { ...process.env, SIGNOFF_ADMIN_KEY: adminKey, SIGNOFF_LOG: "warn" };
    const args = ["--json", "serve", "--data", data, "--listen", address, ...flags];
    child = spawn(BINARY, args, { env, stdio: ["ignore", "pipe", "inherit"] });
    ended = once(child, "exit");
    const line = await Promise.race([
      once(createInterface({ input: child.stdout }), "line").then(([line]) => line),
      ended.then(([code]) => { throw new Error(`the server ended with ${code} before it answered`); }),
    ]);
    const { url, setup_url: setupUrl } = JSON.parse(line);
    Object.assign(server, { url, setupUrl, call: caller(server.listens, adminKey) });
  };
  server.pause = async () => {
    child.kill("SIGTERM");
    await ended;
  };
  server.stop = async () => {
    await server.pause();
    await rm(data, { recursive: true, force: true });
  };
  await server.resume();
  return server;
}

/** Starts the demonstration; answers the link that it prints, what it said, and how it ended. */
export async function startDemo() {
  const child = spawn(BINARY, ["demo"], { env: { ...process.env, SIGNOFF_ADMIN_KEY: "" }, stdio: ["ignore", "pipe", "pipe"] });
  const ended = once(child, "exit").then(([code]) => code);
  let said = "";
  const link = new Promise((found) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (words) => {
        said += words;
        const match = said.match(/https?:\/\/\S+\/enter\?\S+/);
        if (match) found(match[0]);
      });
    }
  });
  return {
    link: await Promise.race([link, ended.then((code) => { throw new Error(`the demo ended with ${code}: ${said}`); })]),
    ended,
    said: () => said,
    stop: () => child.kill("SIGTERM"),
  };
}

/** Calls the API with a key: method, path, body. Answers the parsed body; throws on any refusal. */
export function caller(url, key) {
  return async (method, path, body) => {
    const answer = await fetch(url + path, {
      method,
      headers: { authorization: `Bearer ${key}`, ...(body ? { "content-type": "application/json" } : {}) },
      body: body && JSON.stringify(body),
    });
    const text = await answer.text();
    assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : undefined;
  };
}

/** A browser; `open` gives a page of its own that records what went wrong in it. */
export async function startBrowser() {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: BROWSER_ARGS });
  const open = async (options = {}) => {
    const context = await browser.newContext({ viewport: DESK, ...options });
    const page = await context.newPage();
    const faults = [];
    page.on("pageerror", (error) => faults.push(error.message));
    page.on("console", (message) => {
      // A refused form is an answer, not a fault of the page.
      const isAnswer = message.text().startsWith("Failed to load resource");
      if (["error", "warning"].includes(message.type()) && !isAnswer) faults.push(message.text());
    });
    page.on("dialog", (dialog) => { faults.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
    return Object.assign(page, { faults, close: () => context.close() });
  };
  return { open, stop: () => browser.close() };
}

/** Makes the first admin by the first-run link, as a person would. */
export async function setUp(page, server) {
  await page.goto(server.setupUrl);
  await page.getByLabel("Name").fill(ADMIN.name);
  await page.getByLabel("E-mail address").fill(ADMIN.email);
  await page.getByLabel("Password").fill(ADMIN.password);
  await page.getByRole("button", { name: "Make admin and sign in" }).click();
  await page.waitForURL(`${server.url}/`);
}

/** Signs in with the password. */
export async function signIn(page, server, next = "/") {
  await page.goto(`${server.url}${next}`);
  await page.getByLabel("E-mail address").fill(ADMIN.email);
  await page.getByLabel("Password").fill(ADMIN.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(`${server.url}${next}`);
}

/** An agent that asks: `ask` submits and answers the id of the approval, `outcome` waits for its end. */
export async function makeAgent(server, name = "support-bot") {
  const { api_key: key } = await server.call("POST", "/v1/agents", { name });
  const call = caller(server.url, key);
  const ask = async (body) => {
    const answer = await call("POST", "/v1/actions", body);
    assert.equal(answer.verdict, "pending_approval", JSON.stringify(answer));
    return answer.approval_id;
  };
  const outcome = (id) => call("GET", `/v1/approvals/${id}?wait=10&until=decided`);
  return { key, call, ask, outcome };
}

/** The policy set of the tests: refunds and everything else ask; what begins with "changeable." may be changed; two must agree on what begins with "quorum.". */
export async function applyPolicies(server) {
  await server.call("PUT", "/v1/policies", {
    settings: { unmatched: "ask" },
    policies: [
      { name: "refunds", actions: ["stripe.refund"], effect: "require_approval" },
      { name: "changeable", actions: ["changeable.*"], effect: "require_approval", approval: { allow_edit: true } },
      { name: "schema-changes", actions: ["db.*"], effect: "require_approval" },
      { name: "production-deploys", actions: ["deploy.production"], effect: "require_approval", approval: { timeout: "20m" } },
      { name: "two-people", actions: ["quorum.*"], effect: "require_approval", approval: { quorum: 2 } },
    ],
  });
}

/** A refund that an agent asks for. */
export const refund = (more = {}) => ({
  action: "stripe.refund",
  inputs: { amount: "500.00", currency: "usd", customer: "cus_ABC123" },
  context: { ticket: "SUP-4421", ticket_url: "https://support.example.com/tickets/4421" },
  reason: "The lamp arrived broken; photographs are in the ticket.",
  ...more,
});
