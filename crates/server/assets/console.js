// What the console does beyond links and forms: time runs on, pages change without a full reload, what happens
// elsewhere is announced, and keys work. Without this file every page still does its job.

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const wide = matchMedia("(min-width: 900px)");
const BUSY_AFTER_MS = 200;
const REFRESH_AFTER_MS = 250;

// ---- time: by the server's clock, whatever this one says ----

const skew = Date.now() - Date.parse(document.documentElement.dataset.now || new Date().toISOString());
const now = () => Date.now() - skew;

// The same words as the server's, view/mod.rs.
function span(seconds) {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(seconds / 3600);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${minutes} min`;
  if (seconds < 36000 && minutes % 60 > 0) return `${hours} h ${String(minutes % 60).padStart(2, "0")} min`;
  if (seconds < 172800) return `${hours} h`;
  return `${Math.floor(seconds / 86400)} days`;
}

function relative(iso) {
  const seconds = Math.trunc((now() - Date.parse(iso)) / 1000);
  if (seconds <= -60) return `in ${span(-seconds)}`;
  return seconds < 45 ? "just now" : `${span(seconds)} ago`;
}

const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

function tick() {
  for (const time of $$("time[data-when]")) {
    const words = relative(time.dateTime);
    if (time.textContent !== words) time.textContent = words;
    if (!time.dataset.local) {
      time.dataset.local = "1";
      time.title = `${local.format(Date.parse(time.dateTime))} here, ${time.title}`;
    }
  }
  for (const left of $$("[data-left]")) {
    const [since, until] = [Date.parse(left.dataset.since), Date.parse(left.dataset.until)];
    const whole = Math.max(1, Math.trunc((until - since) / 1000));
    const rest = Math.max(0, Math.trunc((until - now()) / 1000));
    const permille = Math.min(1000, Math.trunc((rest * 1000) / whole));
    const words = rest === 0 ? "time is up" : `${span(rest)} left`;
    const text = $(".left-text", left);
    if (text.textContent !== words) text.textContent = words;
    $(".left-rest", left).setAttribute("width", String(permille));
    left.classList.toggle("left-short", rest < 120 || (permille < 150 && rest < 3600));
  }
}

// ---- changing a part of the page ----

const say = (words) => { $("#said").textContent = words; };

async function load(url, options) {
  const busy = setTimeout(() => document.documentElement.classList.add("is-busy"), BUSY_AFTER_MS);
  try {
    const answer = await fetch(url, { ...options, headers: { accept: "text/html" }, credentials: "same-origin" });
    const type = answer.headers.get("content-type") || "";
    if (!type.startsWith("text/html")) throw new Error("not a page");
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    return { page, url: answer.url, ok: answer.ok, isAnswer: options?.method === "POST" };
  } finally {
    clearTimeout(busy);
    document.documentElement.classList.remove("is-busy");
  }
}

function put(page, id) {
  const [old, fresh] = [document.getElementById(id), page.getElementById(id)];
  if (!old || !fresh) return false;
  old.replaceWith(document.importNode(fresh, true));
  return true;
}

// Marks of the frame that any page brings along: title, number waiting, what is stopped, who is current in the list.
function putFrame(page) {
  document.title = page.title;
  put(page, "waiting-count");
  putChanged(page, "stopped");
}

// Only if it says something else now: nothing is taken from under a finger or a reader.
function putChanged(page, id) {
  const [old, fresh] = [document.getElementById(id), page.getElementById(id)];
  if (old && fresh && old.textContent !== fresh.textContent) put(page, id);
}

function markCurrent() {
  const id = $("#approval")?.dataset.id;
  for (const row of $$("#rows .row")) {
    const link = $(".row-link", row);
    if (row.dataset.id === id) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

// Puts the parts of a loaded page in place; a page of another kind is shown whole by going there.
function show(loaded, part, focus) {
  const { page } = loaded;
  const target = part === "decision" && !page.getElementById("decision") ? "detail" : part;
  if (!put(page, target)) {
    // A page of another kind: gone to, or, where it answers a form, shown here with what was typed.
    if (loaded.isAnswer && !loaded.ok && put(page, "content")) document.title = page.title;
    else location.assign(loaded.url);
    ready();
    return;
  }
  const kind = page.getElementById("content")?.className;
  if (kind) $("#content").className = kind;
  putFrame(page);
  if (target === "list") $("#news").hidden = true;
  if (target === "detail") {
    $("#detail").scrollTop = 0;
    markCurrent();
  }
  ready();
  if (focus) {
    const first = $("#decision [data-first], #decision [autofocus]") || $("[role=alert]", $("#detail"));
    if (target === "decision") (first || $("#decision a.button, #decision button"))?.focus({ preventScroll: true });
    else if (target === "detail") $("#sentence")?.focus({ preventScroll: true });
  }
}

async function go(url, part, { push = true, focus = true } = {}) {
  try {
    const loaded = await load(url);
    show(loaded, part, focus);
    const shown = loaded.url.split("#")[0];
    if (push) history.pushState({ part }, "", shown);
    else history.replaceState({ part }, "", shown);
  } catch {
    location.assign(url);
  }
}

document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[href]");
  closeMenus(event.target);
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  if (link.matches("[data-full]")) {
    // The link in the matter can't know the list's filter; the address does.
    const url = new URL(location.href);
    url.searchParams.set("full", "1");
    event.preventDefault();
    go(url.href, "detail");
    return;
  }
  const part = link.dataset.swap;
  if (!part || (part === "detail" && !wide.matches && link.closest("#list"))) return;
  if (part === "detail" && !document.getElementById("detail")) return;
  event.preventDefault();
  await go(link.href, part);
  if (link.matches("[data-next]")) decidesFrom = performance.now() + SETTLE_MS;
});

// "Next request" stands where Approve stood: a tap too many must not decide what nobody has seen.
const SETTLE_MS = 800;
let decidesFrom = 0;

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.dataset.swap) return;
  event.preventDefault();
  if (performance.now() < decidesFrom) return;
  const button = event.submitter;
  if (button?.getAttribute("aria-busy")) return;
  button?.setAttribute("aria-busy", "true");
  const body = new URLSearchParams(new FormData(form, button));
  try {
    const loaded = await load(form.action, { method: "POST", body });
    show(loaded, form.dataset.swap, true);
    if (loaded.ok) history.pushState({ part: "detail" }, "", loaded.url.split("#")[0]);
    const outcome = $("#outcome .outcome-text, #outcome .kept p, #decision .field-problem");
    say(outcome ? outcome.textContent.trim() : "Done");
    refreshSoon();
  } catch {
    button?.removeAttribute("aria-busy");
    say("It could not be sent. What you typed is still here.");
    lost(true);
  }
});

// Back and Forward: every state of the page is a URL, so it is read again.
addEventListener("popstate", () => go(location.href, $("#detail") ? "detail" : "content", { push: false, focus: false }));

function closeMenus(except) {
  for (const menu of $$("details.menu[open]")) if (!menu.contains(except)) menu.open = false;
}

// ---- what happens elsewhere ----

let refreshing = 0;
function refreshSoon() {
  clearTimeout(refreshing);
  refreshing = setTimeout(refresh, REFRESH_AFTER_MS);
}

// Reads this very page again and takes over what changed, without moving anything under the pointer.
async function refresh() {
  if (!$("#list") && !$("#waiting-count")) return;
  let page;
  try {
    ({ page } = await load(location.href));
  } catch {
    return;
  }
  putFrame(page);
  refreshList(page);
  refreshApproval(page);
  for (const part of $$("[data-live-part]", page)) putChanged(page, part.id);
  ready();
}

function refreshList(page) {
  const [list, fresh] = [$("#list"), page.getElementById("list")];
  if (!list || !fresh) return;
  const tabs = $(".tabs", fresh);
  if (tabs) $(".tabs", list).replaceWith(document.importNode(tabs, true));
  const rows = new Map($$(".row", fresh).map((row) => [row.dataset.id, row]));
  const known = new Set();
  for (const row of $$(".row", list)) {
    known.add(row.dataset.id);
    const next = rows.get(row.dataset.id);
    row.classList.toggle("is-over", !next);
    if (!next) continue;
    const foot = $(".row-foot", next);
    if (foot && row.dataset.status !== next.dataset.status) {
      $(".row-foot", row).replaceWith(document.importNode(foot, true));
      row.dataset.status = next.dataset.status;
    }
  }
  const count = [...rows.keys()].filter((id) => !known.has(id)).length;
  if (count === 0) return;
  if (known.size === 0 && !list.contains(document.activeElement)) {
    put(page, "list");
    return;
  }
  const words = count === 1 ? "1 new request. Show it" : `${count} new requests. Show them`;
  const news = $("#news");
  if ($("a", news).textContent !== words || news.hidden) {
    $("a", news).textContent = words;
    news.hidden = false;
    say(words.split(".")[0]);
  }
}

function refreshApproval(page) {
  const [open, fresh] = [$("#approval"), page.getElementById("approval")];
  if (!open || !fresh || open.dataset.id !== fresh.dataset.id) return;
  for (const part of $$("[data-live]", fresh)) {
    const old = document.getElementById(part.id);
    if (!old || (part.id === "decision" && !mayReplaceDecision(old, open, fresh))) continue;
    if (old.outerHTML !== part.outerHTML) old.replaceWith(document.importNode(part, true));
  }
  if (open.dataset.status !== fresh.dataset.status) say(`Now: ${$(".status", fresh)?.textContent.trim()}`);
  open.dataset.status = fresh.dataset.status;
}

// A form that someone types in stays, with a word on what happened; a press is never taken from under a finger.
function mayReplaceDecision(old, open, fresh) {
  const form = $("form.step", old);
  const isTyped = form && $$("textarea, input:not([type=hidden])", form).some((field) => field.value !== "" && field.type !== "checkbox");
  if (!isTyped) return open.dataset.status !== fresh.dataset.status || !form;
  if (open.dataset.status !== fresh.dataset.status && !$(".decision-news", old)) {
    const words = document.createElement("p");
    words.className = "decision-news field-problem";
    words.textContent = `Meanwhile: ${$("#outcome .outcome-text", fresh)?.textContent.trim() || $(".status", fresh)?.textContent.trim()}. What you typed is kept.`;
    form.prepend(words);
  }
  return false;
}

// ---- the connection ----

let isLost = false;
function lost(yes) {
  if (yes === isLost) return;
  isLost = yes;
  $("#connection").hidden = !yes;
  if (!yes) refreshSoon();
}

const SILENCE_MS_MAX = 45_000;
const RETRY_MS = 5_000;
let stream = null;
let heardAt = 0;
let lostTimer = 0;

function listen() {
  if (stream || document.hidden || !$("#waiting-count") || !window.EventSource) return;
  const fresh = stream = new EventSource("/console/stream");
  const hear = () => { heardAt = Date.now(); };
  hear();
  fresh.addEventListener("open", () => {
    hear();
    clearTimeout(lostTimer);
    lost(false);
  });
  fresh.addEventListener("error", () => {
    clearTimeout(lostTimer);
    lostTimer = setTimeout(() => lost(stream?.readyState !== EventSource.OPEN), 2000);
    // A refused stream does not try again by itself.
    if (fresh === stream && fresh.readyState === EventSource.CLOSED) {
      stream = null;
      setTimeout(listen, RETRY_MS);
    }
  });
  fresh.addEventListener("beat", hear);
  for (const kind of ["notice", "resync"]) fresh.addEventListener(kind, () => { hear(); refreshSoon(); });
}

function hush() {
  stream?.close();
  stream = null;
}

// A network that was changed or lost may leave a stream that looks open and never speaks again.
setInterval(() => {
  if (!stream || Date.now() - heardAt < SILENCE_MS_MAX) return;
  lost(true);
  hush();
  listen();
}, RETRY_MS);
addEventListener("offline", () => lost(true));
addEventListener("online", () => {
  hush();
  listen();
});

// A hidden page needs no news, and browsers hold only a few connections to one server.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) { hush(); return; }
  listen();
  refreshSoon();
});
addEventListener("pagehide", hush);

// ---- keys ----

const keysAreOn = () => {
  try { return localStorage.getItem("signoff.keys") !== "off"; } catch { return true; }
};

function move(step) {
  const links = $$("#rows .row-link, .records [data-row]");
  if (!links.length) return;
  const at = links.findIndex((link) => link === document.activeElement);
  const from = at >= 0 ? at : links.findIndex((link) => link.getAttribute("aria-current"));
  const next = links[Math.min(links.length - 1, Math.max(0, from < 0 ? 0 : from + step))];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

function press(key) {
  const target = $(`[data-key="${key}"]`);
  if (!target) return false;
  target.click();
  return true;
}

function back() {
  const form = $("#decision [data-close]");
  if (form) { form.click(); return; }
  const open = $("details.menu[open]");
  if (open) { open.open = false; $("summary", open).focus(); }
}

let prefix = "";
const places = { i: "/", r: "/grants", l: "/audit", f: "/stats", s: "/stop" };

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches?.("input, textarea, select");
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.form?.matches("form.step")) {
    event.preventDefault();
    event.target.form.requestSubmit($("button[type=submit]", event.target.form));
    return;
  }
  if (event.key === "Escape") {
    // What was typed is not thrown away by one key: the first Escape leaves the field, the second closes the form.
    if (typing && event.target.value) event.target.blur();
    else back();
    return;
  }
  if (typing || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || !keysAreOn()) return;
  if (prefix === "g" && places[event.key]) {
    location.assign(places[event.key]);
    return;
  }
  prefix = event.key === "g" ? "g" : "";
  const actions = {
    j: () => move(1), k: () => move(-1),
    u: () => $("[data-back]")?.click(),
    n: () => { const news = $("#news a"); if (news && !$("#news").hidden) news.click(); },
    "/": () => { const search = $("[data-search]"); const menu = search?.closest("details"); if (menu) menu.open = true; search?.focus(); },
    "?": () => location.assign("/keys"),
  };
  const done = actions[event.key] ? (actions[event.key](), true) : "adic".includes(event.key) && press(event.key);
  if (done) event.preventDefault();
});

// ---- what only exists with a script ----

function ready() {
  tick();
  for (const pre of $$("pre[data-copy]:not([data-ready])")) {
    pre.dataset.ready = "1";
    pre.before(copyButton(() => pre.textContent));
  }
  const toggle = $("#keys-switch");
  if (toggle) {
    toggle.hidden = false;
    const box = $("#keys-on");
    box.checked = keysAreOn();
    box.onchange = () => { try { localStorage.setItem("signoff.keys", box.checked ? "on" : "off"); } catch { /* private window */ } };
  }
}

function copyButton(text) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button small copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not copied";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  return button;
}

ready();
setInterval(tick, 1000);
listen();
// A page from the browser's memory may be hours old.
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  listen();
  refreshSoon();
});
