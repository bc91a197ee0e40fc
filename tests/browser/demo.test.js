// The demonstration as a newcomer meets it: one link, one press, one decision, and the agent goes on.

import assert from "node:assert/strict";
import test from "node:test";
import { startBrowser, startDemo } from "./harness.js";

test("the link of the demo signs in by a press, once, and the agent goes on when it is approved", async () => {
  const [demo, browser] = await Promise.all([startDemo(), startBrowser()]);
  try {
    const page = await browser.open();
    // Opening it, as scanners do, uses nothing up.
    for (const method of ["HEAD", "GET", "OPTIONS"]) await fetch(demo.link, { method });
    await page.goto(demo.link);
    assert.match(await page.locator("main").innerText(), /signs you in as/);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.waitForURL("**/approvals/apr_*");
    assert.match(await page.locator("#sentence").innerText(), /refund \$500\.00/);

    const second = await browser.open();
    assert.equal((await second.goto(demo.link)).status(), 403, "a link is good once");

    await page.getByRole("button", { name: "Approve", exact: true }).click();
    await page.waitForSelector(".outcome-good");
    assert.equal(await demo.ended, 0, demo.said());
    assert.deepEqual(page.faults, []);
  } finally {
    demo.stop();
    await browser.stop();
  }
});
