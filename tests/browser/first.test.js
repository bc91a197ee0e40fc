import test from "node:test";
import { startServer, startBrowser, setUp, makeAgent, applyPolicies, refund } from "./harness.js";
test("smoke", async () => {
  const server = await startServer(); const browser = await startBrowser();
  try {
    const page = await browser.open(); await setUp(page, server);
    await page.screenshot({ path: "/tmp/console/png/live-empty.png" });
    await applyPolicies(server); const agent = await makeAgent(server);
    const id = await agent.ask(refund());
    await page.waitForTimeout(1500); await page.screenshot({ path: "/tmp/console/png/live-inbox.png" });
    await page.goto(server.url + "/approvals/" + id); await page.screenshot({ path: "/tmp/console/png/live-approval.png" });
    await page.getByRole("button", { name: "Approve" }).click(); await page.waitForTimeout(800);
    await page.screenshot({ path: "/tmp/console/png/live-approved.png" });
    for (const p of ["/audit", "/audit/3", "/stats", "/keys", "/?show=decided"]) { await page.goto(server.url + p); await page.screenshot({ path: `/tmp/console/png/live-${p.replace(/\W/g, "")}.png` }); }
    console.log(page.faults, (await agent.outcome(id)).status);
  } finally { await browser.stop(); await server.stop(); }
});
