// How it looks and feels: on a phone and at a desk, in both themes, with and without a script. The pictures
// of the README come from here.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { copyFile, mkdir } from "node:fs/promises";
import test, { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { DESK, PHONE, applyPolicies, makeAgent, refund, setUp, signIn, startBrowser, startServer } from "./harness.js";

const IMAGES = fileURLToPath(new URL("../../docs/images/", import.meta.url));
const OUT = fileURLToPath(new URL("../out/images/", import.meta.url));
let server, browser, page, agent, ids;

before(async () => {
  [server, browser] = await Promise.all([startServer(), startBrowser()]);
  page = await browser.open();
  await setUp(page, server);
  await applyPolicies(server);
  agent = await makeAgent(server);
  const release = await makeAgent(server, "release-train");
  const migration = await makeAgent(server, "migration-agent");
  ids = {
    deploy: await release.ask({ action: "deploy.production", context: { version: "v2.1.0", commit: "9f31c2a", changes: 14 }, risk: "critical", priority: "high", reason: "Weekly release." }),
    drop: await migration.ask({ action: "db.drop_table", inputs: { database: "billing", table: "invoices_2019" }, risk: "high", timeout: "100s", reason: "Not read for 400 days." }),
    mail: await agent.ask({ action: "email.send", inputs: { to: "p\u0430yments@example.com", body: `Hello\u200b${"x".repeat(3_000)}` }, context: { deep: { a: { b: { c: { d: { e: "a very long word ".repeat(20) } } } } } } }),
    refund: await agent.ask(refund({
      inputs: { amount: "500.00", currency: "usd", customer: "cus_ABC123", charge: "ch_3PqLz2eZvKYlo2C1" },
      estimated_cost: "500.00", requested_by: "Lena Brandt", accepts: ["info_requests"],
    })),
  };
  ids.done = await agent.ask(refund());
  await agent.call("POST", `/v1/approvals/${ids.done}/cancel`, {});
});

after(async () => {
  await browser?.stop();
  await server?.stop();
});

const paths = () => [
  "/", "/?show=decided", "/?show=all&action=nothing", `/approvals/${ids.refund}`, `/approvals/${ids.refund}?step=approve`,
  `/approvals/${ids.refund}?step=deny`, `/approvals/${ids.mail}`, `/approvals/${ids.mail}?full=1&step=approve`,
  `/approvals/${ids.deploy}?step=approve`, `/approvals/${ids.drop}`, `/approvals/${ids.done}`, "/audit", "/audit/5", "/stats", "/keys",
  "/approvals/nothing", "/stop", "/stop?target=workspace", "/stop?target=archive-bot",
  "/policies", "/policies?q=nothing", "/policies/refunds", "/policies/edit", "/policies/edit?policy=refunds",
  "/channels", "/channels/new?kind=email", "/channels/new?kind=webhook", "/account/contact", "/account/slack",
];

const signedIn = async (options) => {
  const other = await browser.open(options);
  await other.context().addCookies(await page.context().cookies());
  return other;
};

// Written where they are missing or where SIGNOFF_PICTURES asks for new ones, so that a run leaves no changes behind.
test("the pictures of the README", async () => {
  await Promise.all([IMAGES, OUT].map((directory) => mkdir(directory, { recursive: true })));
  for (const [name, options] of Object.entries({
    "console": { viewport: DESK },
    "console-dark": { viewport: DESK, colorScheme: "dark" },
    "console-phone": { viewport: PHONE, deviceScaleFactor: 2 },
  })) {
    const picture = await signedIn(options);
    await picture.goto(`${server.url}/approvals/${ids.refund}`);
    await picture.screenshot({ path: `${OUT}${name}.png` });
    assert.deepEqual(picture.faults, []);
    if (process.env.SIGNOFF_PICTURES || !existsSync(`${IMAGES}${name}.png`)) {
      await copyFile(`${OUT}${name}.png`, `${IMAGES}${name}.png`);
    }
    await picture.close();
  }
});

// After the pictures, so that they show an ordinary day; before all that looks at widths and colours.
test("what is stopped stands on every page", async () => {
  await makeAgent(server, "archive-bot");
  await server.call("POST", "/v1/stops", { target: "archive-bot", reason: `It archives ${"much too much ".repeat(30)}` });
  for (const path of paths()) {
    await page.goto(server.url + path);
    assert.match(await page.locator("#stopped").innerText(), /archive-bot is stopped/, path);
  }
});

for (const width of [320, 390, 768, 900, 1440]) {
  test(`no page scrolls sideways at ${width} px`, async () => {
    const narrow = await signedIn({ viewport: { width, height: 844 } });
    for (const path of paths()) {
      await narrow.goto(server.url + path);
      const over = await narrow.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(over <= 0, `${path} is ${over} px too wide`);
    }
    await narrow.close();
  });
}

for (const colorScheme of ["light", "dark"]) {
  test(`all text has a contrast of 4.5 : 1 or more, ${colorScheme}`, async () => {
    const themed = await signedIn({ colorScheme });
    for (const path of [...paths(), "/sign-in?next=/approvals/x"]) {
      await themed.goto(server.url + path);
      assert.deepEqual(await themed.evaluate(faintTexts), [], path);
    }
    await themed.close();
  });
}

/** Runs in the page: the texts whose contrast is below 4.5 : 1. */
function faintTexts() {
  const parse = (color) => color.match(/[\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const [R, G, B] = [r, g, b].map((c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * R + 0.7152 * G + 0.0722 * B;
  };
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return parse(getComputedStyle(document.documentElement).backgroundColor);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const faint = new Set();
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !node.checkVisibility() || node.closest(".is-over, script, option")) continue;
    const [a, b] = [luminance(parse(getComputedStyle(node).color)), luminance(behind(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) faint.add(`${node.className || node.tagName}: ${ratio.toFixed(2)}`);
  }
  return [...faint];
}

test("what can be pressed on a phone is large enough for a thumb", async () => {
  const phone = await signedIn({ viewport: PHONE, hasTouch: true });
  await phone.goto(`${server.url}/approvals/${ids.refund}`);
  for (const target of await phone.locator("#decision :is(a, button, summary):visible").all()) {
    const box = await target.boundingBox();
    assert.ok(box.height >= 44 && box.width >= 44, `${await target.innerText()}: ${box.width} × ${box.height}`);
  }
  await phone.close();
});

test("from 900 px list and detail stand side by side; below, one at a time", async () => {
  const other = await signedIn({ viewport: { width: 900, height: 800 } });
  await other.goto(`${server.url}/approvals/${ids.refund}`);
  const [list, detail] = [other.locator("#list"), other.locator("#detail")];
  assert.ok((await list.boundingBox()).x < (await detail.boundingBox()).x);
  await other.setViewportSize({ width: 899, height: 800 });
  assert.ok(await detail.isVisible() && !(await list.isVisible()));
  await other.goto(server.url);
  assert.ok(await list.isVisible() && !(await detail.isVisible()));
  await other.close();
});

test("every page has one main heading, a language and a title", async () => {
  for (const path of paths()) {
    await page.goto(server.url + path);
    assert.equal(await page.locator("h1").count(), 1, path);
    assert.equal(await page.locator("html").getAttribute("lang"), "en");
    assert.match(await page.title(), / · Signoff$/, path);
  }
});

test("without a script everything is there: read, filter, approve, deny, ask, sign out", async () => {
  const plain = await browser.open({ javaScriptEnabled: false, viewport: PHONE });
  await signIn(plain, server);
  const press = (name) => plain.getByRole("button", { name, exact: true }).click();
  const follow = (name) => plain.getByRole("link", { name, exact: true }).click();

  const asked = await agent.ask(refund({ accepts: ["info_requests"] }));
  await plain.goto(server.url);
  await plain.locator(`#row-${asked} a`).click();
  await plain.getByLabel("More").click();
  await follow("Ask the agent a question");
  await plain.locator("textarea").fill("Which lamp?");
  await press("Ask the agent");
  assert.match(await plain.locator("#thread").innerText(), /Which lamp\?/);
  await follow("Deny");
  await plain.locator("textarea").fill("No answer in time.");
  await press("Deny this request");
  assert.match(await plain.locator("#outcome").innerText(), /Denied by Ada Lovelace/);

  const approved = await agent.ask(refund());
  await plain.goto(`${server.url}/approvals/${approved}`);
  await press("Approve");
  assert.match(await plain.locator("#outcome").innerText(), /Approved by Ada Lovelace/);

  await plain.goto(server.url);
  await plain.getByText("Filter", { exact: true }).click();
  await plain.getByLabel("Risk").selectOption("critical");
  await press("Apply");
  assert.equal(await plain.locator(".row").count(), 1);

  await plain.getByLabel("Your account").click();
  await press("Sign out");
  assert.match(await plain.locator("main").innerText(), /You are signed out/);
  await plain.goto(server.url);
  assert.match(plain.url(), /\/sign-in/);
  assert.deepEqual(plain.faults, []);
  await plain.close();
});

test("motion is kept still for those who ask for it", async () => {
  const still = await signedIn({ reducedMotion: "reduce" });
  await still.goto(server.url);
  const quick = await still.evaluate(() => getComputedStyle(document.documentElement).getPropertyValue("--quick").trim());
  assert.equal(quick, "0ms");
  await still.close();
});

test("no page broke a rule of its own content security policy, and nothing threw", () => {
  assert.deepEqual(page.faults, []);
});
