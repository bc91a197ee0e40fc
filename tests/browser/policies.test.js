// Policies in the console: read by everybody who sees the workspace, changed by admins, and only after they saw what would
// come of it.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { PHONE, applyPolicies, makeAgent, refund, setUp, startBrowser, startServer } from "./harness.js";

let server, browser, page, agent;
const PASSWORD = "correct horse battery";
const text = (target = page) => target.locator("main").innerText();
const version = async () => (await server.call("GET", "/v1/policies")).version;
const head = async () => (await server.call("GET", "/v1/audit/events?limit=1")).items[0].sequence;

before(async () => {
  [server, browser] = await Promise.all([startServer(), startBrowser()]);
  page = await browser.open();
  await setUp(page, server);
});

after(async () => {
  await browser?.stop();
  await server?.stop();
});

/** A person of this role, signed in on a page of their own. */
async function person(role, options = {}) {
  const email = `${role}@example.com`;
  await server.call("POST", "/v1/operators", { name: `Robin ${role}`, email, role, password: PASSWORD });
  const theirs = await browser.open(options);
  await theirs.goto(`${server.url}/policies`);
  await theirs.getByLabel("E-mail address").fill(email);
  await theirs.getByLabel("Password").fill(PASSWORD);
  await theirs.getByRole("button", { name: "Sign in" }).click();
  await theirs.waitForURL(`${server.url}/policies`);
  return theirs;
}

test("without any policy the page says how to begin, and the set it shows can be put in force", async () => {
  await page.goto(server.url);
  await page.getByRole("link", { name: "Policies" }).click();
  assert.match(await text(), /There is no policy yet[\s\S]*small-refunds/);
  await page.getByRole("link", { name: "Begin with this set" }).click();
  await page.getByRole("button", { name: "See what would change" }).click();
  assert.match(await text(), /\+\s*small-refunds/);
  assert.equal(await version(), 0, "looking puts nothing in force");
  await page.getByRole("button", { name: "Put in force" }).click();
  await page.waitForURL(/\/policies\?applied=1/);
  assert.match(await text(), /Version 1 is in force/);
  assert.match(await text(), /never-drop\s*denies[\s\S]*Refuses db\.drop\*\./);
});

test("I5: the list and a policy's page say what they do, who decides and what waits, and leave no record", async () => {
  await applyPolicies(server);
  agent = await makeAgent(server);
  await agent.ask(refund());
  const before = await head();
  await page.goto(`${server.url}/policies`);
  assert.match(await text(), /Asks people about stripe\.refund\.\s*1 waiting/);
  await page.getByRole("link", { name: "refunds", exact: true }).click();
  assert.match(await text(), /1 approval from the members and admins; 1 denial ends it/);
  assert.match(await text(), /wants to refund \$500\.00/);
  assert.match(await page.locator("pre").first().innerText(), /name: refunds\nactions:\n- stripe\.refund/);
  await page.goto(`${server.url}/policies?q=deploy`);
  assert.equal(await page.locator(".policy-line").count(), 1);
  await page.goto(`${server.url}/policies/no-such-policy`);
  assert.match(await text(), /There is nothing here/);
  assert.equal(await head(), before);
});

test("a version says who changed what", async () => {
  await server.call("PUT", "/v1/policies/refunds", { name: "refunds", actions: ["stripe.refund"], effect: "require_approval", approval: { timeout: "20m" } });
  await page.goto(`${server.url}/policies/refunds`);
  assert.match(await text(), /2 changed by .*automation.*\s*approval\.timeout\s*nothing\s*→\s*20m/);
});

test("slips are told with their place, and nothing typed is lost", async () => {
  await page.goto(`${server.url}/policies/edit`);
  const area = page.locator(".edit-form textarea");
  for (const [typed, told] of [
    ["policies:\n- name: a\n  effect: deny\n  gard: true\n", /did you mean `guard`\? at line 4/],
    ["policies: [", /line 1/],
    ["policies:\n- {name: a, effect: deny}\n- name: b\n  effect: deny\n  conditions: ['contxt.x > 1']\n", /contxt[\s\S]*conditions\.0, in the policy of line 3/],
    ["policies:\n- {name: a, effect: deny}\n- {name: A, effect: deny}\n", /stands twice/],
  ]) {
    await area.fill(typed);
    await page.getByRole("button", { name: "See what would change" }).click();
    assert.match(await page.locator("[role=alert]").innerText(), told);
    assert.equal(await area.inputValue(), typed);
  }
  assert.equal(await version(), 3);
});

test("what people denied and would pass stands first, and has to be looked at before it is put in force", async () => {
  const denied = await agent.ask(refund());
  await server.call("POST", `/v1/approvals/${denied}/decide`, { decision: "deny", comment: "Not this one." });
  const before = await head();
  await page.goto(`${server.url}/policies/refunds`);
  await page.getByRole("link", { name: "Change", exact: true }).click();
  await page.locator(".edit-form textarea").fill("name: refunds\nactions: [stripe.refund]\neffect: allow\n");
  await page.getByRole("button", { name: "See what would change" }).click();
  const words = await text();
  assert.match(words, /~\s*refunds[\s\S]*effect\s*require_approval\s*→\s*allow/);
  assert.match(words, /1 request that waits is approved by Signoff\./);
  assert.match(words, /1\s*People denied it, and it would pass\s*support-bot wants to refund \$500\.00[\s\S]*then denied by/);
  assert.equal(await head(), before, "a preview leaves no record");
  assert.equal(await page.locator(`#trial a[href="/approvals/${denied}"]`).count(), 1);
  await page.locator("#put").evaluate((form) => { form.noValidate = true; });
  await page.getByRole("button", { name: "Put in force" }).click();
  assert.match(await page.locator("[role=alert]").innerText(), /tick the box/);
  assert.equal(await version(), 3);
  await page.getByRole("button", { name: "See what would change" }).click();
  await page.getByLabel(/I have looked at what people denied/).check();
  await page.getByRole("button", { name: "Put in force" }).click();
  await page.waitForURL(/\/policies\?applied=4/);
  assert.match(await text(), /Lets stripe\.refund pass\./);
});

test("somebody else's change in between is not overwritten, and what was typed is kept", async () => {
  await page.goto(`${server.url}/policies/edit?policy=refunds`);
  const typed = "name: refunds\nactions: [stripe.refund]\neffect: deny\n";
  await page.locator(".edit-form textarea").fill(typed);
  await page.getByRole("button", { name: "See what would change" }).click();
  await server.call("PUT", "/v1/policies/two-people", { name: "two-people", actions: ["quorum.*"], effect: "deny" });
  await page.getByRole("button", { name: "Put in force" }).click();
  assert.match(await text(), /Somebody changed the policies meanwhile[\s\S]*version 4; version 5 is in force/);
  assert.equal(await page.locator(".edit-form textarea").inputValue(), typed);
  await page.getByRole("button", { name: "See what would change" }).click();
  assert.doesNotMatch(await page.locator(".plan").innerText(), /two-people/, "the other change stays");
  await page.getByRole("button", { name: "Put in force" }).click();
  await page.waitForURL(/\/policies\?applied=6/);
  const { items } = await server.call("GET", "/v1/policies");
  assert.deepEqual(items.filter((item) => ["refunds", "two-people"].includes(item.name)).map((item) => item.effect), ["deny", "deny"]);
});

test("I6: a viewer reads and finds nothing to change, whatever they send; no other site's page changes anything", async () => {
  const viewer = await person("viewer", { viewport: PHONE, javaScriptEnabled: true });
  assert.match(await text(viewer), /production-deploys/);
  assert.equal(await viewer.getByRole("link", { name: /Change|New policy/ }).count(), 0);
  await viewer.goto(`${server.url}/policies/edit`);
  assert.match(await text(viewer), /You may not do this/);
  const body = { scope: "set", base: String(await version()), text: "policies: []" };
  for (const path of ["/policies/preview", "/policies/save"]) {
    const sent = await viewer.evaluate(async ([path, body]) => (await fetch(path, { method: "POST", body: new URLSearchParams(body) })).status, [path, body]);
    assert.equal(sent, 403, path);
    const [session] = await page.context().cookies();
    const elsewhere = await fetch(server.url + path, {
      method: "POST", headers: { cookie: `${session.name}=${session.value}`, origin: "https://evil.example" }, body: new URLSearchParams(body), redirect: "manual",
    });
    assert.equal(elsewhere.status, 403, path);
  }
  assert.equal(await version(), 6);
  await viewer.close();
});

test("without a script, on a phone: a new policy is written, looked at and put in force", async () => {
  const plain = await browser.open({ javaScriptEnabled: false, viewport: PHONE });
  await plain.context().addCookies(await page.context().cookies());
  await plain.goto(`${server.url}/policies`);
  await plain.getByRole("link", { name: "New policy" }).click();
  await plain.getByRole("button", { name: "See what would change" }).click();
  assert.match(await text(plain), /\+\s*small-refunds[\s\S]*policies stay as they are/);
  await plain.getByRole("button", { name: "Put in force" }).click();
  assert.match(await text(plain), /Version 7 is in force/);
  assert.deepEqual(plain.faults, []);
  await plain.close();
});

test("no page broke a rule of its own content security policy, and nothing threw", () => {
  assert.deepEqual(page.faults, []);
});
