// What must not happen: reading that decides, writing from elsewhere, askers that decide, text that comes alive.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { ADMIN, applyPolicies, makeAgent, refund, setUp, startBrowser, startServer } from "./harness.js";

let server, browser, page, agent, cookie;

before(async () => {
  [server, browser] = await Promise.all([startServer(), startBrowser()]);
  page = await browser.open();
  await setUp(page, server);
  await applyPolicies(server);
  agent = await makeAgent(server);
  const [session] = await page.context().cookies();
  cookie = `${session.name}=${session.value}`;
});

after(async () => {
  await browser?.stop();
  await server?.stop();
});

const ask = (method, path, { headers = {}, form } = {}) =>
  fetch(server.url + path, { method, redirect: "manual", headers, body: form && new URLSearchParams(form) });
const head = async () => (await server.call("GET", "/v1/audit/events?limit=1")).items[0].sequence;
const status = async (id) => (await server.call("GET", `/v1/approvals/${id}`)).status;

/** The hidden fields that a page's form carries. */
async function fieldsOf(id, query = "?step=deny") {
  const html = await (await ask("GET", `/approvals/${id}${query}`, { headers: { cookie } })).text();
  const field = (name) => html.match(new RegExp(`name="${name}" value="([0-9a-f]{64})"`))[1];
  return { digest: field("digest"), view: field("view") };
}

async function decide(id, form, { headers, query = "" } = {}) {
  return ask("POST", `/approvals/${id}/decide${query}`, { headers: { cookie, origin: server.url, ...headers }, form });
}

test("every page carries the policy that allows nothing inline and nothing from elsewhere", async () => {
  const id = await agent.ask(refund());
  const paths = ["/", `/approvals/${id}`, "/audit", "/audit/1", "/stats", "/keys", "/sign-in", "/approvals/nothing", "/setup?token=x", "/enter?token=x"];
  for (const path of paths) {
    const { headers } = await ask("GET", path, { headers: path === "/sign-in" ? {} : { cookie } });
    const policy = headers.get("content-security-policy");
    for (const rule of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"]) {
      assert.ok(policy?.split("; ").includes(rule), `${path}: ${rule}`);
    }
    assert.equal(headers.get("cache-control"), "no-store", path);
    assert.equal(headers.get("x-content-type-options"), "nosniff", path);
    assert.equal(headers.get("referrer-policy"), "same-origin", path);
  }
});

test("I5: GET, HEAD and OPTIONS decide nothing and leave no record", async () => {
  const id = await agent.ask(refund());
  const before = await head();
  const { digest, view } = await fieldsOf(id);
  const query = `decision=approve&digest=${digest}&view=${view}`;
  for (const method of ["GET", "HEAD", "OPTIONS"]) {
    for (const path of [`/approvals/${id}`, `/approvals/${id}?step=approve`, `/approvals/${id}?${query}`, `/approvals/${id}/decide?${query}`, "/sign-out", "/enter?token=x", "/setup?token=x"]) {
      await ask(method, path, { headers: { cookie, origin: server.url } });
    }
  }
  assert.equal(await status(id), "pending");
  assert.equal(await head(), before);
});

test("a decision from another site, or from nowhere, is refused", async () => {
  const id = await agent.ask(refund());
  const form = { decision: "approve", ...(await fieldsOf(id)) };
  const before = await head();
  for (const origin of ["https://evil.example", "null", `${server.url}.evil.example`, server.url.replace("http:", "https:"), ""]) {
    const answer = await decide(id, form, { headers: { origin } });
    assert.equal(answer.status, 403, origin);
  }
  const bare = await ask("POST", `/approvals/${id}/decide`, { headers: { cookie }, form });
  assert.equal(bare.status, 403);
  for (const path of ["/sign-in", "/sign-out", "/enter", "/setup"]) {
    const answer = await ask("POST", path, { headers: { cookie, origin: "https://evil.example" }, form: { email: ADMIN.email, password: ADMIN.password, token: "x" } });
    assert.equal(answer.status, 403, path);
  }
  assert.equal(await status(id), "pending");
  assert.equal(await head(), before);
});

test("I6: an agent that posts to its own approval link is told that it can't decide", async () => {
  const id = await agent.ask(refund());
  const { url } = await agent.call("GET", `/v1/approvals/${id}`);
  const link = new URL(url).pathname;
  const before = await head();
  const form = { decision: "approve", ...(await fieldsOf(id)) };
  for (const path of [link, `${link}/decide`]) {
    for (const headers of [{ authorization: `Bearer ${agent.key}` }, { "x-api-key": agent.key }, { authorization: `Bearer ${agent.key}`, cookie, origin: server.url }]) {
      for (const body of [{ form }, { json: { decision: "approve" } }]) {
        const answer = await fetch(server.url + path, {
          method: "POST",
          headers: { ...headers, ...(body.json && { "content-type": "application/json" }) },
          body: body.json ? JSON.stringify(body.json) : new URLSearchParams(body.form),
        });
        assert.equal(answer.status, 403);
        assert.equal(answer.headers.get("content-type"), "application/problem+json");
        assert.equal((await answer.json()).code, "approval_link_not_yours");
      }
    }
  }
  assert.equal(await status(id), "pending");
  assert.equal(await head(), before);
});

test("a stranger is sent to sign in when reading and refused when writing", async () => {
  const id = await agent.ask(refund());
  const reading = await ask("GET", `/approvals/${id}?step=deny`);
  assert.equal(reading.status, 303);
  assert.equal(reading.headers.get("location"), `/sign-in?next=${encodeURIComponent(`/approvals/${id}?step=deny`)}`);
  const writing = await ask("POST", `/approvals/${id}/decide`, { headers: { origin: server.url }, form: { decision: "deny", text: "Typed with care" } });
  assert.equal(writing.status, 401);
  assert.match(await writing.text(), /Typed with care/);
  const program = await ask("GET", `/approvals/${id}`, { headers: { accept: "application/json" } });
  assert.equal(program.status, 401);
  assert.equal((await program.json()).code, "unauthorized");
  assert.equal((await ask("GET", "/console/stream", { headers: { accept: "text/event-stream" } })).status, 303);
});

test("the server itself asks for the second gesture, for words, and for all that was hidden", async () => {
  const refused = async (id, form, expected) => {
    const answer = await decide(id, { ...(await fieldsOf(id)), ...form });
    assert.equal(answer.status, expected, await answer.text());
    assert.equal(await status(id), "pending");
  };
  const high = await agent.ask(refund({ risk: "high" }));
  await refused(high, { decision: "approve" }, 422);
  await refused(high, { decision: "approve", confirm: "on" }, 422);
  await refused(high, { decision: "deny", text: "  \r\n " }, 422);
  await refused(high, { decision: "ask", text: "" }, 422);
  await refused(high, { decision: "deny", text: "x".repeat(4_001) }, 422);
  await refused(high, { decision: "perhaps" }, 422);
  const critical = await agent.ask({ action: "deploy.production", risk: "critical" });
  await refused(critical, { decision: "approve", confirm: "yes" }, 422);
  const long = await agent.ask(refund({ context: { log: "x".repeat(9_000) } }));
  await refused(long, { decision: "approve" }, 409);
});

test("I2: a decision on something else than what is shown now is not taken", async () => {
  const id = await agent.ask(refund());
  const good = await fieldsOf(id);
  for (const form of [{ ...good, view: "0".repeat(64) }, { ...good, digest: "0".repeat(64) }, { digest: good.digest }, { view: good.view }, { ...good, view: (await fieldsOf(await agent.ask(refund()))).view, digest: "1".repeat(64) }]) {
    const answer = await decide(id, { decision: "approve", text: "Kept", ...form });
    assert.equal(answer.status, 409);
    const html = await answer.text();
    assert.match(html, /Look again/);
    assert.match(html, />Kept</);
  }
  assert.equal(await status(id), "pending");
});

test("the decision records what was looked at", async () => {
  const id = await agent.ask(refund());
  const { digest, view } = await fieldsOf(id);
  assert.equal((await decide(id, { decision: "approve", digest, view })).status, 303);
  const { items } = await server.call("GET", `/v1/audit/events?subject=${id}&type=approval.voted`);
  assert.equal(items[0].data.view.digest, view);
  assert.match(items[0].data.view.build, /^signoff-console /);
});

test("the cookie is out of reach of scripts and other sites, and sign-out ends it", async () => {
  const answer = await ask("POST", "/sign-in", { headers: { origin: server.url }, form: { email: ADMIN.email, password: ADMIN.password, next: "//evil.example" } });
  assert.equal(answer.status, 303);
  assert.equal(answer.headers.get("location"), "/", "never to another site");
  const set = answer.headers.get("set-cookie");
  for (const word of ["HttpOnly", "SameSite=Lax", "Path=/"]) assert.ok(set.includes(word), word);
  const mine = set.split(";")[0];
  assert.equal((await ask("GET", "/", { headers: { cookie: mine } })).status, 200);
  await ask("POST", "/sign-out", { headers: { cookie: mine, origin: server.url } });
  assert.equal((await ask("GET", "/", { headers: { cookie: mine } })).status, 303);
});

test("over https the cookie is bound to the host", async () => {
  const other = await startServer("--public-url", "https://signoff.example.com");
  try {
    const token = new URL(other.setupUrl).searchParams.get("token");
    const answer = await fetch(`${other.listens}/setup`, {
      method: "POST",
      redirect: "manual",
      headers: { origin: "https://signoff.example.com" },
      body: new URLSearchParams({ token, ...ADMIN }),
    });
    assert.match(answer.headers.get("set-cookie"), /^__Host-signoff=[0-9a-f]{64}; .*Secure/);
    assert.match(answer.headers.get("set-cookie"), /Path=\//);
    assert.doesNotMatch(answer.headers.get("set-cookie"), /Domain/);
  } finally {
    await other.stop();
  }
});

test("the first-run link is good once", async () => {
  const again = await page.goto(server.setupUrl);
  assert.equal(again.status(), 403);
  assert.match(await page.locator("main").innerText(), /first admin was made already/);
});

test("a wrong password says so and gives nothing away", async () => {
  for (const email of [ADMIN.email, "nobody@example.com"]) {
    const answer = await ask("POST", "/sign-in", { headers: { origin: server.url }, form: { email, password: "not the password" } });
    assert.equal(answer.status, 401);
    assert.match(await answer.text(), /The e-mail address or the password is wrong\./);
    assert.equal(answer.headers.get("set-cookie"), null);
  }
});

test("hostile text is inert wherever it is shown", async () => {
  const script = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">";
  const hostile = await makeAgent(server, "mail-bot");
  const unseen = "a\u202eb\u200bc\u2066d\u{e0061}e\u0007f\u00adg";
  const id = await hostile.ask({
    action: "email.send",
    inputs: { to: `${unseen}@p\u0430ypal.com`, [`k" onmouseover="x${unseen}`]: script },
    context: { link: "javascript:document.title='owned'", far: "https://accounts.google.com@evil.example/", data: "data:text/html,x" },
    reason: `${script}${unseen}\n\n\n\n\n\n\n\n$9`,
    description: "' onload='x", requested_by: script, intent: "</title></h1><h1>Approved",
  });
  const requests = [];
  page.on("request", (request) => { if (!request.url().startsWith(server.url)) requests.push(request.url()); });
  for (const path of ["/", `/approvals/${id}`, `/approvals/${id}?full=1&step=approve`, "/audit", "/?show=all"]) {
    await page.goto(server.url + path);
    const seen = await page.evaluate(() => ({
      text: document.documentElement.textContent + document.title,
      handlers: [...document.querySelectorAll("*")].filter((node) => [...node.attributes].some((a) => a.name.startsWith("on") || a.name === "style")).length,
      links: [...document.querySelectorAll("a[href]")].map((a) => a.href).filter((href) => !href.startsWith(location.origin)),
      images: document.images.length,
      scripts: document.scripts.length,
    }));
    assert.doesNotMatch(seen.text, /[\u200b\u202e\u2066\u0007\u00ad\u{e0061}]/u, path);
    assert.notEqual(await page.title(), "owned");
    assert.deepEqual([seen.handlers, seen.links, seen.images, seen.scripts], [0, [], 0, 1], path);
  }
  await page.goto(`${server.url}/approvals/${id}`);
  const text = await page.locator("#approval").innerText();
  for (const shown of ["U+202E", "U+200B", "mixed scripts: Cyrillic, Latin", "evil.example", "line breaks"]) assert.ok(text.includes(shown), shown);
  assert.equal(await page.getByRole("button", { name: "Approve", exact: true }).count(), 0, "no one-press approve");
  assert.deepEqual(requests, []);
});

test("a viewer sees and decides nothing", async () => {
  const viewer = { name: "Vera", email: "vera@example.com", password: "correct horse viewer" };
  await server.call("POST", "/v1/operators", { ...viewer, role: "viewer" });
  const answer = await ask("POST", "/sign-in", { headers: { origin: server.url }, form: viewer });
  const mine = answer.headers.get("set-cookie").split(";")[0];
  const id = await agent.ask(refund());
  const html = await (await ask("GET", `/approvals/${id}`, { headers: { cookie: mine } })).text();
  assert.doesNotMatch(html, /<form[^>]*decide/);
  const tried = await ask("POST", `/approvals/${id}/decide`, { headers: { cookie: mine, origin: server.url }, form: { decision: "approve", ...(await fieldsOf(id)) } });
  assert.ok([403, 409].includes(tried.status), String(tried.status));
  assert.equal(await status(id), "pending");
});

test("what does not exist, or is not readable, is a page that says so", async () => {
  for (const [path, code] of [["/approvals/apr_1", 404], [`/approvals/apr_${"0".repeat(32)}`, 404], ["/approvals/%00", 404], ["/audit/999999", 404], ["/no/such/page", 404], ["/audit/x", 404], ["/audit?since=yesterday", 422], ["/?beyond=x", 422], ["/stats?since=-", 422]]) {
    const answer = await ask("GET", path, { headers: { cookie, accept: "text/html" } });
    assert.equal(answer.status, code, path);
    assert.match(answer.headers.get("content-type"), /text\/html/, path);
  }
  const program = await ask("GET", "/no/such/page");
  assert.equal((await program.json()).code, "not_found");
  const huge = await decide("apr_1", { decision: "deny", text: "x".repeat(300_000) });
  assert.equal(huge.status, 413);
});

test("no page broke a rule of its own content security policy, and nothing threw", () => {
  assert.deepEqual(page.faults, []);
});
