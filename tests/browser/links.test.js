// Channels set up in the console, and a decision on a phone by the personal link that a push message brought.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import test, { after, before } from "node:test";
import { ADMIN, PHONE, applyPolicies, makeAgent, refund, setUp, startBrowser, startServer } from "./harness.js";

let server, browser, page, agent, receiver;
const pushed = [];

/** What an ntfy server takes: JSON posted to its root. `next` waits for a message that has this title or text. */
async function startReceiver() {
  const http = createServer((request, response) => {
    let body = "";
    request.on("data", (part) => { body += part; });
    request.on("end", () => {
      pushed.push(JSON.parse(body));
      response.setHeader("content-type", "application/json");
      response.end('{"id":"1"}');
    });
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  return { url: `http://127.0.0.1:${http.address().port}`, stop: () => http.close() };
}

/** The first message that satisfies this; a push is on its way for a moment. */
async function arrived(wanted) {
  for (let tries = 0; tries < 100; tries += 1) {
    const found = pushed.find(wanted);
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`no such message among ${JSON.stringify(pushed.map((message) => message.title))}`);
}

before(async () => {
  receiver = await startReceiver();
  [server, browser] = await Promise.all([startServer("--egress-allow", "127.0.0.0/8"), startBrowser()]);
  page = await browser.open();
  await setUp(page, server);
  await applyPolicies(server);
  agent = await makeAgent(server, "payments-bot");
});

after(async () => {
  await browser?.stop();
  await server?.stop();
  receiver?.stop();
});

test("an admin adds a channel, says how to be reached, and a test arrives", async () => {
  await page.getByRole("link", { name: "Channels", exact: true }).click();
  assert.match(await page.locator("main").innerText(), /Nobody is told yet/);
  await page.getByRole("link", { name: "push", exact: true }).click();
  await page.locator("input[name=name]").fill("phone");
  await page.locator("input[name=url]").fill(receiver.url);
  await page.locator("input[name=window]").fill("0s");
  await page.getByRole("button", { name: "Keep this channel" }).click();
  assert.match(await page.locator("main").innerText(), /The channel is kept/);
  await page.goto(`${server.url}/account/contact`);
  assert.match(await page.locator("main").innerText(), /Nothing reaches you at present/);
  await page.locator("input[name=push_topic]").fill("ada-9d1f6c2b7e");
  await page.getByRole("button", { name: "Keep", exact: true }).click();
  assert.match(await page.locator("main").innerText(), /It is kept/);
  await page.goto(`${server.url}/channels`);
  await page.getByRole("button", { name: "Send a test by phone" }).click();
  assert.match(await page.locator("[data-tested]").innerText(), new RegExp(`The test arrived, sent to ${ADMIN.name}`));
  assert.equal((await arrived(() => true)).topic, "ada-9d1f6c2b7e");
});

test("at 390 px: told by push, decided by the link without a session, and the page says who was told", async () => {
  const id = await agent.ask(refund());
  const message = await arrived((one) => one.click?.includes("/d/"));
  const phone = await browser.open({ viewport: PHONE });
  await phone.goto(message.click);
  assert.match(await phone.locator(".whose-name").innerText(), new RegExp(ADMIN.name));
  assert.equal(await phone.evaluate(() => document.documentElement.scrollWidth), PHONE.width);
  await phone.getByRole("radio", { name: "Approve" }).check();
  await phone.getByRole("checkbox", { name: `I am ${ADMIN.name}` }).check();
  await phone.getByRole("button", { name: "Decide" }).click();
  assert.equal((await agent.outcome(id)).status, "approved");
  await phone.goto(message.click);
  assert.equal(await phone.locator("main form").count(), 0, "the link is spent");
  assert.deepEqual(phone.faults, []);
  await phone.close();
  await page.goto(`${server.url}/approvals/${id}`);
  assert.match(await page.locator("#told").innerText(), /Ada Lovelace that it waits by push \(phone\), delivered/);
  await page.goto(`${server.url}/channels`);
  await page.getByRole("link", { name: "phone", exact: true }).click();
  assert.match(await page.locator("#deliveries").innerText(), /approval\.pending to Ada Lovelace/);
  const before = pushed.length;
  await page.getByRole("button", { name: /Send again/ }).first().click();
  assert.match(await page.locator("main").innerText(), /on its way once more/);
  for (let tries = 0; pushed.length === before && tries < 100; tries += 1) await page.waitForTimeout(100);
  assert.deepEqual(page.faults, []);
});

test("an admin changes a channel, without what is secret standing in the form, and removes it", async () => {
  await page.goto(`${server.url}/channels`);
  await page.getByRole("link", { name: "phone", exact: true }).click();
  await page.getByRole("link", { name: "Change", exact: true }).click();
  await page.locator("input[name=name]").fill("telephone");
  await page.locator("input[name=token]").fill("tk_canary-of-a-token");
  await page.locator("input[name=window]").fill("soon");
  await page.getByRole("button", { name: "Keep the change" }).click();
  assert.match(await page.locator(".problems").innerText(), /Give what is secret once more/);
  assert.equal(await page.locator("input[name=name]").inputValue(), "telephone");
  assert.ok(!(await page.content()).includes("canary-of-a-token"));
  await page.locator("input[name=token]").fill("tk_canary-of-a-token");
  await page.locator("input[name=window]").fill("2m");
  await page.getByRole("button", { name: "Keep the change" }).click();
  assert.match(await page.locator("main").innerText(), /The change is kept/);
  assert.match(await page.locator("main").innerText(), /telephone[^]*2m between two messages/);
  await page.getByRole("link", { name: "Change", exact: true }).click();
  assert.equal(await page.locator("input[name=token]").inputValue(), "");
  await page.getByRole("checkbox", { name: "Take it away Access token" }).check();
  await page.getByRole("button", { name: "Keep the change" }).click();
  assert.ok(!(await page.locator("main").innerText()).includes("Access token"), "it is gone");
  await page.getByRole("link", { name: "Change", exact: true }).click();
  await page.getByRole("button", { name: "Keep the change" }).click();
  assert.match(await page.locator("main").innerText(), /Nothing was different/);
  await page.getByRole("link", { name: /Remove this channel/ }).click();
  await page.getByRole("button", { name: "Remove this channel" }).click();
  assert.match(await page.locator("main").innerText(), /The channel is gone/);
  assert.deepEqual(page.faults, []);
});

test("a signing secret is made anew and shown once", async () => {
  await page.goto(`${server.url}/channels/new?kind=webhook`);
  await page.locator("input[name=name]").fill("builds");
  await page.locator("input[name=url]").fill(`${receiver.url}/hook`);
  await page.getByRole("button", { name: "Keep this channel" }).click();
  const shown = () => page.locator("[data-signing-secret] code").innerText();
  const first = await shown();
  assert.match(first, /^whsec_/);
  await page.getByText("New signing secret").click();
  await page.getByRole("button", { name: "Make a new secret" }).click();
  const second = await shown();
  assert.match(second, /^whsec_/);
  assert.notEqual(second, first);
  assert.match(await page.locator("main").innerText(), /signs beside it for 24 hours/);
  await page.goto(page.url().replace("/rotate-secret", ""));
  assert.ok(!(await page.content()).includes(second), "shown once");
  assert.deepEqual(page.faults, []);
});
