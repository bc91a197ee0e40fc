// A person decides: every way to do it, with the keyboard and with a pointer, in time and too late.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { DESK, PHONE, applyPolicies, makeAgent, refund, setUp, signIn, startBrowser, startServer } from "./harness.js";

let server, browser, page, agent;

before(async () => {
  [server, browser] = await Promise.all([startServer(), startBrowser()]);
  page = await browser.open();
  await setUp(page, server);
  await applyPolicies(server);
  agent = await makeAgent(server);
});

after(async () => {
  await browser?.stop();
  await server?.stop();
});

const open = (id, query = "") => page.goto(`${server.url}/approvals/${id}${query}`);
const button = (name) => page.getByRole("button", { name, exact: true });
const link = (name) => page.getByRole("link", { name, exact: true });
const outcome = () => page.locator("#outcome .outcome-text").innerText();

test("approving is one press for what is plain and harmless, and releases the agent", async () => {
  const id = await agent.ask(refund());
  const released = agent.outcome(id);
  await open(id);
  assert.match(await page.locator("#sentence").innerText(), /^support-bot wants to refund \$500\.00 to cus_ABC123$/);
  await button("Approve").click();
  await page.waitForSelector(".outcome-good");
  assert.match(await outcome(), /^Approved by Ada Lovelace, just now$/);
  const approval = await released;
  assert.equal(approval.status, "approved");
  assert.equal(approval.decided_by.name, "Ada Lovelace");
});

test("a comment given with the approval reaches the agent", async () => {
  const id = await agent.ask(refund());
  await open(id);
  await page.getByLabel("More").click();
  await link("Approve with a comment").click();
  await page.locator("#decision textarea").fill("Fine, but only this once.");
  await button("Approve").click();
  await page.waitForSelector(".outcome-good");
  assert.equal((await agent.outcome(id)).decision_reason, "Fine, but only this once.");
});

test("denying asks why first, and tells the agent", async () => {
  const id = await agent.ask(refund());
  await open(id);
  await link("Deny").click();
  await page.waitForSelector("form.step-deny");
  assert.ok(await page.locator("#decision textarea").evaluate((field) => field === document.activeElement));
  await page.locator("#decision textarea").fill("The customer was refunded yesterday.");
  await button("Deny this request").click();
  await page.waitForSelector(".outcome-bad");
  const approval = await agent.outcome(id);
  assert.equal(approval.status, "denied");
  assert.equal(approval.decision_reason, "The customer was refunded yesterday.");
});

test("high risk takes a tick before the press, and the browser says so", async () => {
  const id = await agent.ask(refund({ risk: "high" }));
  await open(id);
  assert.equal(await page.locator("#decision").getByRole("button", { name: "Approve" }).count(), 0);
  await link("Approve…").click();
  await button("Approve").click();
  assert.equal(await page.locator(".outcome").count(), 0, "not without the tick");
  await page.getByRole("checkbox").check();
  await button("Approve").click();
  await page.waitForSelector(".outcome-good");
});

test("critical risk takes the action's name", async () => {
  const id = await agent.ask({ action: "deploy.production", context: { version: "v2.1.0" }, risk: "critical" });
  await open(id, "?step=approve");
  await page.locator("input[name=confirm]").fill("deploy.staging");
  await button("Approve").click();
  await page.waitForSelector(".field-problem");
  await page.locator("input[name=confirm]").fill("deploy.production");
  await button("Approve").click();
  await page.waitForSelector(".outcome-good");
});

test("what takes something away needs the tick whatever the agent says of its risk", async () => {
  const id = await agent.ask({ action: "db.drop_table", inputs: { table: "invoices_2019" }, risk: "minimal" });
  await open(id);
  assert.equal(await link("Approve…").count(), 1);
});

test("nothing is approved before all of it was shown", async () => {
  const id = await agent.ask(refund({ context: { log: "x".repeat(9_000) } }));
  await open(id);
  assert.match(await page.locator(".matter .caution").innerText(), /7,000 bytes are not shown/);
  await link("Show all, then approve").click();
  await page.waitForURL(/full=1/);
  await page.waitForFunction(() => !document.body.innerText.includes("not shown"));
  await button("Approve").click();
  await page.waitForSelector(".outcome-good");
});

test("approving with changes runs what the approver made of it", async () => {
  const id = await agent.ask(refund({ action: "changeable.refund", accepts: ["edits"] }));
  await open(id, "?step=edit");
  const inputs = page.locator("textarea[name=inputs]");
  const changed = { ...JSON.parse(await inputs.inputValue()), amount: "120.00" };
  await inputs.fill("{ not json");
  await button("Change and approve").click();
  assert.match(await page.locator(".field-problem").innerText(), /The inputs can’t be read/);
  assert.equal(await inputs.inputValue(), "{ not json", "what was typed is kept");
  await inputs.fill(JSON.stringify(changed));
  await button("Change and approve").click();
  await page.waitForSelector(".outcome-good");
  assert.match(await page.locator("#sentence").innerText(), /refund \$120\.00/);
  assert.equal((await agent.outcome(id)).status, "approved");
  const taken = await agent.call("POST", `/v1/executions/${id.replace("apr_", "exe_")}/consume`, {});
  assert.equal(taken.inputs.amount, "120.00");
});

test("approving for a while answers the next requests of the kind, and no others", async () => {
  const other = await makeAgent(server, "while-bot");
  const id = await other.ask(refund());
  await open(id, "?step=standing");
  await page.locator("select[name=valid_for]").selectOption("1h");
  await page.locator("input[name=uses]").fill("1");
  await button("Approve for a while").click();
  await page.waitForSelector(".outcome-good");
  const submit = () => other.call("POST", "/v1/actions", refund());
  assert.equal((await submit()).verdict, "allowed");
  assert.equal((await submit()).verdict, "pending_approval", "it was for one use");
  assert.equal((await agent.call("POST", "/v1/actions", refund())).verdict, "pending_approval", "it was for one agent");
});

test("allowing from now on shows what it would cover, and writes the policy", async () => {
  const other = await makeAgent(server, "always-bot");
  const id = await other.ask({ action: "db.read_schema", inputs: { table: "invoices" } });
  await open(id, "?step=always");
  assert.match(await page.locator(".outlooks").innerText(), /In the last 30 days/);
  await page.locator("input[name=always][value=action]").check();
  await button("Allow from now on").click();
  await page.waitForSelector(".outcome-good");
  const asks = (who) => who.call("POST", "/v1/actions", { action: "db.read_schema", inputs: { table: "invoices" } });
  assert.equal((await asks(other)).verdict, "allowed");
  assert.equal((await asks(agent)).verdict, "pending_approval");
});

test("a question goes to the agent and its answer comes back to the open page", async () => {
  const id = await agent.ask(refund({ accepts: ["info_requests"] }));
  await open(id);
  await page.getByLabel("More").click();
  await link("Ask the agent a question").click();
  await page.locator("#decision textarea").fill("Was the label sent?");
  await button("Ask the agent").click();
  await page.waitForSelector("#thread .question");
  await agent.call("POST", `/v1/approvals/${id}/answer`, { answer: "Yes, on 19 November." });
  await page.locator(".from-agent").waitFor();
  assert.equal(await page.locator(".from-agent").innerText(), "Yes, on 19 November.");
  assert.match(await page.locator("#standing").innerText(), /Waiting/);
});

test("who can't be asked is not offered to be asked", async () => {
  const id = await agent.ask(refund());
  await open(id);
  await page.getByLabel("More").click();
  assert.equal(await link("Ask the agent a question").count(), 0);
  assert.match(await page.locator(".more .menu-panel").innerText(), /can’t answer questions/);
});

test("an admin cancels", async () => {
  const id = await agent.ask(refund());
  await open(id, "?step=cancel");
  await button("Cancel this request").click();
  await page.waitForSelector(".outcome-still");
  assert.equal((await agent.outcome(id)).status, "cancelled");
});

test("two people must agree: one vote is shown and ends nothing", async () => {
  const id = await agent.ask({ action: "quorum.pay", inputs: { amount: "10.00", currency: "eur", to: "acct_1" } });
  await open(id);
  await button("Approve").click();
  await page.waitForSelector(".vote");
  assert.match(await page.locator(".progress").innerText(), /1 of 2 approvals/);
  assert.match(await page.locator("#decision").innerText(), /You have voted/);
  assert.equal((await server.call("GET", `/v1/approvals/${id}`)).status, "pending");
});

test("a decision that comes too late shows what happened and keeps what was typed", async () => {
  const id = await agent.ask(refund());
  // Without the script, so that the page can't learn of it first.
  const slow = await browser.open({ javaScriptEnabled: false });
  await signIn(slow, server, `/approvals/${id}?step=approve`);
  await slow.locator("#decision textarea").fill("The photographs convince me.");
  await agent.call("POST", `/v1/approvals/${id}/cancel`, { reason: "not needed any more" });
  await slow.getByRole("button", { name: "Approve", exact: true }).click();
  const kept = slow.locator(".kept");
  assert.match(await kept.innerText(), /Your approval came too late: cancelled by support-bot/);
  assert.equal(await kept.locator("textarea").inputValue(), "The photographs convince me.");
  await slow.close();
});

test("a decision made elsewhere reaches the open page and keeps the form that is being filled in", async () => {
  const id = await agent.ask(refund());
  await open(id, "?step=deny");
  await page.locator("#decision textarea").fill("Half a sent");
  await agent.call("POST", `/v1/approvals/${id}/cancel`, {});
  await page.locator(".decision-news").waitFor();
  assert.equal(await page.locator("#decision textarea").inputValue(), "Half a sent");
  assert.match(await page.locator("#standing").innerText(), /Cancelled/);
});

test("a tap too many after a decision does not decide the next request", async () => {
  const next = await agent.ask(refund({ inputs: { amount: "5.00", currency: "usd", customer: "cus_NEXT" } }));
  const id = await agent.ask(refund());
  await open(id);
  await button("Approve").click();
  await page.waitForSelector(".outcome-good");
  await link("Next request").click();
  await page.waitForURL(`**/approvals/${next}*`);
  await page.evaluate(() => document.querySelector("#decision .approve").click());
  await page.waitForTimeout(300);
  assert.equal((await server.call("GET", `/v1/approvals/${next}`)).status, "pending");
  await page.waitForTimeout(700);
  await button("Approve").click();
  await page.waitForSelector(".outcome-good");
});

test("new requests announce themselves and wait; nothing moves under the pointer", async () => {
  const first = await agent.ask(refund());
  await page.goto(server.url);
  const row = page.locator(`#row-${first}`);
  const place = await row.boundingBox();
  await agent.ask(refund({ inputs: { amount: "7.00", currency: "usd", customer: "cus_NEW" } }));
  await page.locator("#news").waitFor();
  const rows = await page.locator(".row").count();
  assert.match(await page.locator("#news").innerText(), /1 new request/);
  assert.equal(await page.locator(".row").count(), rows);
  assert.deepEqual(await row.boundingBox(), place);
  assert.ok((await page.locator("#news a").boundingBox()).y < DESK.height, "the announcement is in view");
  await page.locator("#news a").click();
  await page.getByText("cus_NEW").first().waitFor();
  assert.ok(await page.locator("#news").isHidden());
});

test("everything works with the keyboard", async () => {
  const id = await agent.ask(refund({ inputs: { amount: "8.00", currency: "usd", customer: "cus_KEYS" } }));
  await page.goto(server.url);
  await page.keyboard.press("j");
  assert.equal(await page.evaluate(() => document.activeElement.closest(".row").dataset.id), id);
  await page.keyboard.press("Enter");
  await page.waitForURL(`**/approvals/${id}`);
  await page.keyboard.press("d");
  await page.waitForSelector("form.step-deny");
  await page.keyboard.press("Escape");
  await page.waitForSelector("form.step-deny", { state: "detached" });
  await page.keyboard.press("a");
  await page.waitForSelector("form.step-approve");
  await page.keyboard.type("By keyboard");
  await page.keyboard.press("Control+Enter");
  await page.waitForSelector(".outcome-good");
  assert.equal((await agent.outcome(id)).decision_reason, "By keyboard");
  await page.goBack();
  await page.keyboard.press("?");
  await page.waitForURL("**/keys");
});

test("every filter is in the address and survives opening a request and coming back", async () => {
  await agent.ask({ action: "db.alter", inputs: { table: "t" }, risk: "low" });
  await page.goto(`${server.url}/?action=db.&risk=low`);
  assert.equal(await page.locator(".row").count(), 1);
  await page.locator(".row-link").click();
  await page.waitForURL(/approvals\/apr_.*action=db\.&risk=low/);
  assert.equal(await page.locator(".row").count(), 1);
  await page.goBack();
  await page.waitForURL(`${server.url}/?action=db.&risk=low`);
  await page.goto(`${server.url}/?action=nothing.like.this`);
  assert.match(await page.locator(".empty").innerText(), /Nothing matches/);
});

test("the time left runs on by itself", async () => {
  const id = await agent.ask(refund({ timeout: "59s" }));
  await open(id);
  const left = page.locator("#standing .left-text");
  const before = await left.innerText();
  await page.waitForFunction((old) => document.querySelector("#standing .left-text").textContent !== old, before);
  assert.match(await left.innerText(), /^5\d s left$/);
});

test("a lost connection says so and recovers by itself", async () => {
  await page.goto(server.url);
  await page.locator(".row").first().waitFor();
  await server.pause();
  await page.locator("#connection").waitFor({ timeout: 20_000 });
  assert.match(await page.locator("#connection").innerText(), /Connection lost/);
  await server.resume();
  const id = await agent.ask(refund({ inputs: { amount: "9.00", currency: "usd", customer: "cus_MEANWHILE" } }));
  await page.locator("#connection").waitFor({ state: "hidden", timeout: 30_000 });
  await page.locator("#news").waitFor();
  await agent.call("POST", `/v1/approvals/${id}/cancel`, {});
});

for (const [name, viewport] of Object.entries({ phone: PHONE, desk: DESK })) {
  test(`approve and deny are equally reachable on a ${name}`, async () => {
    const id = await agent.ask(refund());
    await page.setViewportSize(viewport);
    await open(id);
    const deny = await link("Deny").boundingBox();
    const approve = await button("Approve").boundingBox();
    assert.ok(Math.abs(deny.width - approve.width) <= 2 && deny.height === approve.height && deny.y === approve.y);
    assert.ok(approve.height >= 44);
    assert.ok(approve.y + approve.height <= viewport.height, "in view without scrolling");
    assert.ok(approve.y > viewport.height * 0.66, "where the thumb is");
    await page.setViewportSize(DESK);
  });
}

test("what was approved before a failover waits for an admin, who lets it go on", async () => {
  const id = await agent.ask(refund());
  await open(id);
  await button("Approve").click();
  await page.waitForSelector(".outcome-good");
  await server.call("POST", "/v1/workspace/failover", {});
  await open(id);
  assert.match(await page.locator("#outcome .outcome-next").innerText(), /^Held: the database was restored or failed over/);
  const execution = id.replace("apr_", "exe_");
  await assert.rejects(agent.call("POST", `/v1/executions/${execution}/consume`, {}), /held/);
  await button("It did not run: release it").click();
  await page.waitForFunction(() => !document.querySelector("#outcome")?.innerText.includes("Held"));
  await agent.call("POST", `/v1/executions/${execution}/consume`, {});
});

test("no page broke a rule of its own content security policy, and nothing threw", () => {
  assert.deepEqual(page.faults, []);
});
