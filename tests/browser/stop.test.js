// The kill switch in the console: seen by everybody, pulled by members, lifted by admins, with and without a script.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { PHONE, applyPolicies, makeAgent, refund, setUp, startBrowser, startServer } from "./harness.js";

let server, browser, page, agent;

before(async () => {
  [server, browser] = await Promise.all([startServer(), startBrowser()]);
  page = await browser.open();
  await setUp(page, server);
  await applyPolicies(server);
  agent = await makeAgent(server, "payments-bot");
});

after(async () => {
  await browser?.stop();
  await server?.stop();
});

const PASSWORD = "correct horse battery";

/** A person of this role, signed in on a page of their own. */
async function person(role, options = {}) {
  const email = `${role}@example.com`;
  await server.call("POST", "/v1/operators", { name: `Robin ${role}`, email, role, password: PASSWORD });
  const theirs = await browser.open(options);
  await theirs.goto(`${server.url}/stop`);
  await theirs.getByLabel("E-mail address").fill(email);
  await theirs.getByLabel("Password").fill(PASSWORD);
  await theirs.getByRole("button", { name: "Sign in" }).click();
  await theirs.waitForURL(`${server.url}/stop`);
  return theirs;
}

test("I6: a viewer sees what is stopped and finds nothing to press, whatever they send", async () => {
  const viewer = await person("viewer");
  assert.equal(await viewer.getByRole("link", { name: "Stop everything…" }).count(), 0);
  await viewer.goto(`${server.url}/stop?target=workspace`);
  assert.match(await viewer.locator("main").innerText(), /Members and admins can stop it/);
  assert.equal(await viewer.locator("main form").count(), 0);
  const sent = await viewer.evaluate(async () => (await fetch("/stop", { method: "POST", body: new URLSearchParams({ target: "workspace" }) })).status);
  assert.equal(sent, 403);
  assert.deepEqual((await server.call("GET", "/v1/stops")).items, []);
  await viewer.close();
});

test("a member stops one agent on a phone without a script, and reads that only an admin lifts it", async () => {
  const member = await person("member", { javaScriptEnabled: false, viewport: PHONE });
  const waits = await agent.ask(refund());
  await member.getByRole("link", { name: "payments-bot", exact: true }).click();
  const words = await member.locator("main").innerText();
  assert.match(words, /1 request waits for a decision and will be denied/);
  assert.match(words, /Only an admin can let it go on again/);
  await member.locator("textarea").fill("It refunds strangers.");
  await member.getByRole("button", { name: "Stop payments-bot" }).click();
  assert.match(await member.locator("h1").innerText(), /payments-bot is stopped/);
  assert.match(await member.locator("main").innerText(), /It refunds strangers\./);
  assert.match(await member.locator("#stopped").innerText(), /payments-bot is stopped, by Robin member/);
  assert.equal(await member.locator("main form").count(), 0, "only an admin lifts it");
  const ended = await agent.outcome(waits);
  assert.deepEqual([ended.status, ended.code], ["denied", "stopped"]);
  const refused = await agent.call("POST", "/v1/actions", refund());
  assert.deepEqual([refused.verdict, refused.code], ["denied", "stopped"]);
  await member.goto(`${server.url}/approvals/${waits}`);
  assert.match(await member.locator("#outcome").innerText(), /Denied by Signoff, because of a stop/);
  assert.ok(await member.locator("#stopped").isVisible(), "on every page");
  await member.goto(`${server.url}/approvals/apr_${"0".repeat(32)}`);
  assert.ok(await member.locator("#stopped").isVisible(), "also where something went wrong");
  await member.close();
});

test("an open page learns of a stop and of its end by itself", async () => {
  await page.goto(server.url);
  await page.locator("#stopped", { hasText: "payments-bot is stopped" }).waitFor();
  await server.call("POST", "/v1/stops", { target: "workspace", reason: "drill" });
  await page.locator("#stopped", { hasText: "Everything is stopped" }).waitFor();
  await server.call("POST", "/v1/stops/workspace/lift", {});
  await server.call("POST", "/v1/stops/payments-bot/lift", {});
  await page.locator("#stopped").waitFor({ state: "hidden" });
});

test("an admin stops everything, sees what is out of reach, and lets it go on", async () => {
  const taken = await agent.ask(refund());
  const { digest } = await server.call("GET", `/v1/approvals/${taken}`);
  await server.call("POST", `/v1/approvals/${taken}/decide`, { decision: "approve", digest });
  const execution = taken.replace("apr_", "exe_");
  await agent.call("POST", `/v1/executions/${execution}/consume`, {});
  await page.goto(`${server.url}/stop`);
  await page.getByRole("link", { name: "Stop everything…" }).click();
  assert.match(await page.locator("#stop-meets").innerText(), new RegExp(`1 permission was taken and not reported[\\s\\S]*${execution}`));
  await page.getByRole("button", { name: "Stop everything" }).click();
  await page.waitForURL(/target=workspace/);
  assert.match(await page.locator("h1").innerText(), /Everything is stopped/);
  await page.getByRole("link", { name: execution }).click();
  assert.match(await page.locator("main").innerText(), /took the permission/);
  await page.goto(`${server.url}/stop`);
  await page.getByRole("link", { name: "Everything", exact: true }).click();
  await page.getByRole("button", { name: "Let it go on" }).click();
  await page.waitForURL(`${server.url}/stop`);
  assert.match(await page.locator("#stops").innerText(), /Nothing is stopped/);
  assert.ok(await page.locator("#stopped").isHidden());
});

test("I5: no address stops or lifts by being opened, and no other site's page does", async () => {
  const [session] = await page.context().cookies();
  const cookie = `${session.name}=${session.value}`;
  for (const path of ["/stop", "/stop?target=workspace", "/stop/lift", "/stop?target=workspace&text=x&stop=1"]) {
    await fetch(server.url + path, { headers: { cookie }, redirect: "manual" });
  }
  for (const path of ["/stop", "/stop/lift"]) {
    const body = new URLSearchParams({ target: "workspace" });
    const sent = await fetch(server.url + path, { method: "POST", headers: { cookie, origin: "https://evil.example" }, body, redirect: "manual" });
    assert.equal(sent.status, 403, path);
  }
  assert.deepEqual((await server.call("GET", "/v1/stops")).items, []);
});

test("what can't be stopped says so and keeps what was typed", async () => {
  await page.goto(`${server.url}/stop?target=no-such-agent`);
  assert.match(await page.locator("main").innerText(), /There is nothing here/);
  await page.goto(`${server.url}/stop?target=payments-bot`);
  await page.locator("textarea").evaluate((area) => { area.removeAttribute("maxlength"); area.value = "x".repeat(20_000); });
  await page.getByRole("button", { name: "Stop payments-bot" }).click();
  await page.locator("[role=alert]").waitFor();
  assert.equal((await page.locator("textarea").inputValue()).length, 20_000);
});

test("no page broke a rule of its own content security policy, and nothing threw", () => {
  assert.deepEqual(page.faults, []);
});
