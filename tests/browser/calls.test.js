// Calls and grants in the console: a credential goes in and stands on no page, a call is read, approved and answered, and
// one whose end nobody knows is settled by a person.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import test, { after, before } from "node:test";
import { PHONE, makeAgent, setUp, signIn, startBrowser, startServer } from "./harness.js";

const SECRET = "canary-7c0e5b1d-never-on-a-page";
let server, browser, page, agent, upstream, origin;
/** What reached the other side: method, address, headers, body. */
const reached = [];
/** Every page that was opened, to look for the credential in. */
const pages = [];

before(async () => {
  upstream = createServer((request, response) => {
    const body = [];
    request.on("data", (piece) => body.push(piece));
    request.on("end", () => {
      const { method, url, headers } = request;
      reached.push({ method, url, headers, body: Buffer.concat(body).toString() });
      if (url.startsWith("/lost")) { request.socket.destroy(); return; }
      response.writeHead(201, { "content-type": "application/json", "x-customer-token": "hidden-in-answer" });
      response.end(JSON.stringify({ id: "re_1", object: "refund", card: { number: "4242" }, note: "<b>done</b>" }));
    });
  }).listen(0, "127.0.0.1");
  await new Promise((ready) => upstream.on("listening", ready));
  origin = `http://127.0.0.1:${upstream.address().port}`;
  [server, browser] = await Promise.all([startServer("--egress-allow", "127.0.0.0/8"), startBrowser()]);
  page = await browser.open();
  page.on("load", async () => pages.push(await page.content().catch(() => "")));
  await setUp(page, server);
  await server.call("PUT", "/v1/policies", {
    settings: { unmatched: "deny" },
    policies: [{
      name: "calls", actions: ["*"], effect: "require_approval",
      approval: { allow_edit: {} },
    }, { name: "lookups", actions: ["lookup.card"], effect: "allow" }],
  });
  agent = await makeAgent(server, "billing-bot");
});

after(async () => {
  await browser?.stop();
  await server?.stop();
  upstream?.close();
});

const open = (id, query = "") => page.goto(`${server.url}/approvals/${id}${query}`);
const button = (name) => page.getByRole("button", { name, exact: true });
const link = (name) => page.getByRole("link", { name, exact: true });

/** A call that waits for a person. */
const call = (path = "/v1/refunds", more = {}) => agent.ask({
  reason: "The lamp arrived broken.",
  http: {
    method: "POST", url: `${origin}${path}`, grant: "stripe-live",
    headers: { "content-type": "application/json", "x-customer-token": "hidden-in-call" },
    body: '{"amount": 50000, "charge": "ch_1", "card": {"number": "4111"}}',
    ...more,
  },
});

test("an admin keeps a credential, which no page shows again", async () => {
  await page.goto(`${server.url}/grants`);
  await link("New grant").click();
  await page.getByLabel("Name").first().fill("stripe-live");
  await page.getByLabel("A header of its own").check();
  await page.getByLabel("Name of the header").fill("X-Api-Key");
  assert.ok(await page.getByLabel("Address of tokens").isHidden(), "only what the kind needs is there");
  await page.locator("input[name=value]").fill(SECRET);
  await page.locator("textarea[name=origins]").fill(`${origin}/with/a/path`);
  await page.locator("textarea[name=agents]").fill("billing-*");
  await page.getByText("Time, repeated calls, what is hidden").click();
  await page.locator("textarea[name=redact_headers]").fill("X-Customer-Token");
  await page.locator("textarea[name=redact_json]").fill("/card/number");
  await button("Keep this grant").click();
  assert.match(await page.locator(".problems").innerText(), /Where it may go 1: an origin is scheme, host and port alone/);
  assert.equal(await page.locator("input[name=value]").inputValue(), "", "not even where the form comes back");
  await page.locator("input[name=value]").fill(SECRET);
  await page.locator("textarea[name=origins]").fill(origin);
  await button("Keep this grant").click();
  await page.waitForURL(/\/grants\/grt_[0-9a-f]+\?done=made/);
  assert.match(await page.locator("main").innerText(), /header x-api-key[\s\S]*kept encrypted, shown to nobody fingerprint [0-9a-f]{8}/);
  await link("Change").click();
  assert.equal(await page.locator("input[name=value]").inputValue(), "");
  await page.locator("input[name=methods]").fill("get post");
  await button("Keep the change").click();
  await page.waitForURL(/done=changed/);
  assert.match(await page.locator("main").innerText(), /Version 2[\s\S]*GET\s+POST/);
});

test("a call is read in all its parts, approved in the browser, and its answer shown", async () => {
  const id = await call("/v1/refunds?expand=charge&note=a%20b");
  await open(id);
  assert.equal(await page.locator("#sentence").innerText(), `billing-bot wants to POST to ${origin}/v1/refunds with the grant stripe-live`);
  const shown = await page.locator(".call").innerText();
  for (const part of ["POST", origin, "/v1/refunds", "expand", "charge", "a b", "stripe-live", "50000", "ch_1", "redacted"]) {
    assert.ok(shown.includes(part), part);
  }
  assert.ok(!(await page.content()).includes("4111") && !(await page.content()).includes("hidden-in-call"));
  const before = reached.length;
  await button("Approve").click();
  await page.locator("#call-run", { hasText: "answered with 201" }).waitFor();
  const run = await page.locator("#call-run").innerText();
  assert.match(run, /re_1[\s\S]*/);
  assert.ok(run.includes("<b>done</b>"), "what came back is text");
  assert.ok(!(await page.content()).includes("hidden-in-answer") && !(await page.content()).includes("4242"));
  assert.equal(reached.length, before + 1, "exactly once");
  assert.deepEqual([reached[before].headers["x-api-key"], reached[before].headers["x-customer-token"]], [SECRET, "hidden-in-call"]);
  assert.equal(reached[before].body, '{"amount": 50000, "charge": "ch_1", "card": {"number": "4111"}}');
});

test("a body that two programs read differently says so and takes a tick", async () => {
  const id = await call("/v1/refunds", { body: "to=ada&to=mallory", headers: { "content-type": "application/x-www-form-urlencoded" } });
  await open(id);
  assert.match(await page.locator(".call .caution").innerText(), /Two programs could read this body differently.*“to” stands 2 times/);
  assert.equal(await page.locator("#decision").getByRole("button", { name: "Approve" }).count(), 0);
  assert.equal(await link("Approve…").count(), 1);
});

test("a changed body is what is sent, byte for byte", async () => {
  const id = await call("/v1/refunds", { body: "\nline one\n\tline two <&>\n", headers: { "content-type": "text/plain" } });
  await open(id, "?step=edit");
  const field = page.locator("textarea[name=body]");
  assert.equal(await field.inputValue(), "\nline one\n\tline two <&>\n");
  await field.fill("\nline one\n\tline 2 <&>\n");
  const before = reached.length;
  const box = page.getByRole("checkbox");
  if (await box.count()) await box.check();
  await button("Change and approve").click();
  await page.locator("#call-run", { hasText: "answered with 201" }).waitFor();
  assert.deepEqual(reached.slice(before).map(({ body }) => body), ["\nline one\n\tline 2 <&>\n"]);
});

test("nobody knows whether it arrived: an admin settles it on a phone without a script", async () => {
  const id = await call("/lost");
  await open(id);
  await button("Approve").click();
  await page.locator("#call-settle", { hasText: "Nobody knows whether it arrived" }).waitFor();
  await page.goto(server.url);
  assert.match(await page.locator("#needs").innerText(), /1 call needs you/);
  const phone = await browser.open({ javaScriptEnabled: false, viewport: PHONE });
  await signIn(phone, server, "/executions");
  await phone.locator(".unsettled a").click();
  const card = phone.locator("#call-settle");
  assert.match(await card.innerText(), /the connection broke[\s\S]*If it arrived the first time, it runs twice/);
  await card.getByLabel("It did not run").check();
  await card.locator("textarea").evaluate((field) => field.removeAttribute("required"));
  await card.getByRole("button", { name: "Settle it" }).click();
  assert.match(await phone.locator("[role=alert]").innerText(), /Say how you know/);
  await phone.locator("#call-settle textarea").fill("Their dashboard shows no refund.");
  await phone.getByRole("button", { name: "Settle it" }).click();
  assert.match(phone.url(), /\/approvals\//);
  const run = await phone.locator("#call-run").innerText();
  assert.match(run, /It did not run, as a person found out[\s\S]*Ada Lovelace[\s\S]*Their dashboard shows no refund\./);
  assert.ok(await phone.locator("#call-settle").isHidden());
  await phone.goto(server.url);
  assert.ok(await phone.locator("#needs").isHidden());
  assert.equal(reached.filter(({ url }) => url === "/lost").length, 1, "and it was sent once");
  await phone.close();
});

test("a call that policy lets through has its page: what was sent, what came back, and its record", async () => {
  const answer = await agent.call("POST", "/v1/actions", {
    action: "lookup.card",
    http: {
      method: "POST", url: `${origin}/v1/cards`, grant: "stripe-live",
      headers: { "content-type": "application/json" }, body: '{"card": {"number": "4111"}}',
    },
  });
  assert.equal(answer.verdict, "allowed");
  const phone = await browser.open({ viewport: PHONE });
  phone.on("load", async () => pages.push(await phone.content().catch(() => "")));
  await signIn(phone, server, `/executions/${answer.execution_id}`);
  const main = phone.locator("main");
  for (let tries = 0; tries < 50 && !/201/.test(await main.innerText()); tries += 1) await phone.reload();
  assert.match(await main.innerText(), /billing-bot wants to POST to [^]*\/v1\/cards with the grant stripe-live/);
  for (const part of ["201", "re_1", "redacted", answer.execution_id]) {
    assert.ok((await main.innerText()).includes(part), part);
  }
  assert.ok(!(await main.innerText()).includes("4111"), "what the grant hides is hidden here too");
  assert.equal(await phone.evaluate(() => document.documentElement.scrollWidth), PHONE.width);
  assert.deepEqual(phone.faults, []);
  await phone.close();
});

test("run again sends it once more, and only once", async () => {
  const id = await call("/lost?again");
  await open(id);
  await button("Approve").click();
  await page.locator("#call-settle", { hasText: "Nobody knows" }).waitFor();
  await page.locator("#call-settle").getByLabel("Run it again").check();
  await page.locator("#call-settle textarea").fill("It never arrived.");
  await button("Settle it").click();
  await page.waitForURL(/\/approvals\//);
  await page.waitForFunction(() => /Attempts\s+2/.test(document.querySelector("#call-run")?.innerText ?? ""));
  assert.equal(reached.filter(({ url }) => url === "/lost?again").length, 2);
});

test("a call whose grant was switched off is not approved in vain: the page says why, and offers what is left", async () => {
  const id = await call("/v1/late");
  const switched = (disabled) => server.call("PATCH", "/v1/grants/stripe-live", { disabled });
  const phone = await browser.open({ viewport: PHONE });
  await switched(true);
  await signIn(phone, server, `/approvals/${id}`);
  const decision = phone.locator("#decision");
  const approve = decision.getByRole("button", { name: "Approve", exact: true });
  assert.equal(await approve.count(), 0);
  assert.match(await decision.innerText(), /This call could not be made any more: the grant is switched off\. Deny it, or set the grant right first\./);
  assert.equal(await decision.getByText("Deny").count() > 0, true);
  assert.equal(await phone.evaluate(() => document.documentElement.scrollWidth), PHONE.width);
  await switched(false);
  await phone.reload();
  await approve.click();
  await phone.locator("#call-run", { hasText: "answered with 201" }).waitFor();
  assert.equal(reached.filter(({ url }) => url === "/v1/late").length, 1);
  await phone.close();
});

test("I6: members see grants and calls and may neither change nor settle them; they may stop", async () => {
  const email = "member@example.com";
  await server.call("POST", "/v1/operators", { name: "Robin", email, role: "member", password: "correct horse battery" });
  const member = await browser.open();
  await member.goto(`${server.url}/grants`);
  await member.getByLabel("E-mail address").fill(email);
  await member.getByLabel("Password").fill("correct horse battery");
  await member.getByRole("button", { name: "Sign in" }).click();
  await member.getByRole("link", { name: "stripe-live" }).click();
  assert.equal(await member.getByRole("link", { name: "Change", exact: true }).count(), 0);
  const place = new URL(member.url()).pathname;
  for (const path of ["/grants/new", `${place}/edit`, `${place}/remove`]) {
    assert.equal(await member.evaluate(async (path) => (await fetch(path)).status, path), 403, path);
    assert.equal(await member.evaluate(async (path) => (await fetch(path, { method: "POST", body: new URLSearchParams({ name: "x" }) })).status, path), 403, path);
  }
  await member.goto(`${server.url}/executions`);
  await member.locator(".unsettled a").first().click();
  assert.match(await member.locator("#call-settle").innerText(), /An admin looks/);
  const settle = member.url().replace(/.*\/approvals\/apr_/, "/executions/exe_").replace(/\?.*/, "") + "/settle";
  assert.equal(await member.evaluate(async (path) => (await fetch(path, { method: "POST", body: new URLSearchParams({ state: "executed", text: "x" }) })).status, settle), 403);
  await member.goto(server.url + place);
  await member.getByRole("link", { name: "Stop…" }).click();
  await member.getByRole("button", { name: "Stop the grant stripe-live" }).click();
  await member.waitForURL(/target=grt_/);
  assert.match(await member.locator("#stopped").innerText(), /The grant stripe-live is stopped, by Robin/);
  await member.close();
});

test("an admin lets it go on, and removes it after being asked", async () => {
  await page.goto(`${server.url}/stop`);
  await page.locator("#stops").getByRole("link", { name: "the grant stripe-live" }).click();
  await button("Let it go on").click();
  await page.waitForURL(`${server.url}/stop`);
  await page.goto(`${server.url}/grants`);
  await link("stripe-live").click();
  await link("Remove this grant…").click();
  await button("Remove this grant").click();
  await page.waitForURL(/done=removed/);
  assert.match(await page.locator("main").innerText(), /There is no grant yet/);
});

test("I7: the credential was on no page, and is in no record", async () => {
  const { items } = await server.call("GET", "/v1/audit/events?limit=200");
  assert.ok(items.length > 10 && !JSON.stringify(items).includes(SECRET));
  for (const { sequence } of items) await page.goto(`${server.url}/audit/${sequence}`);
  await page.goto(`${server.url}/audit`);
  assert.ok(pages.length > 10);
  for (const html of pages) assert.ok(!html.includes(SECRET));
});

test("I5: reading neither settles nor removes anything", async () => {
  const before = (await server.call("GET", "/v1/audit/events?limit=1")).items[0].sequence;
  for (const path of ["/grants", "/grants/new", "/executions"]) await page.goto(server.url + path);
  const now = (await server.call("GET", "/v1/audit/events?limit=1")).items[0].sequence;
  assert.equal(now, before);
});

test("no page broke a rule of its own content security policy, and nothing threw", () => {
  assert.deepEqual(page.faults, []);
});
