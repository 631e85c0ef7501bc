// Swaps in what the server renders, and drives the form that starts a task. No library.
"use strict";

const words = JSON.parse(document.getElementById("words").textContent);
const language = document.body.dataset.language;
const EVERY = 4000;
const FOLLOW_EVERY = 700;
const FINAL = ["SUCCESS", "PARTIAL", "FAILED", "SKIPPED", "CANCELLED", "LOST"];
const COUNTS = ["expected", "fetched", "stored", "unchanged", "quarantined"];
const byId = (id) => document.getElementById(id);
const say = (template, values) => template.replace(/\{(\w+)\}/g, (_, name) => values[name]);

// The page itself -----------------------------------------------------------

let shown = "";

async function refresh() {
  const parts = byId("parts");
  try {
    const reply = await fetch(`/admin/parts?lang=${language}`);
    if (!reply.ok) throw new Error(reply.status);
    const text = await reply.text();
    byId("offline").hidden = true;
    if (text === shown) return;
    const open = new Set([...parts.querySelectorAll("details[open]")].map((one) => one.dataset.id));
    const focused = document.activeElement?.dataset?.task;
    shown = text;
    parts.innerHTML = text; // our own server's, escaped by its templates
    parts.querySelectorAll("details").forEach((one) => { one.open = open.has(one.dataset.id); });
    if (focused) parts.querySelector(`button[data-task="${focused}"]`)?.focus();
  } catch {
    byId("offline").hidden = false;
  }
}

async function keepFresh() {
  for (;;) {
    await new Promise((done) => setTimeout(done, EVERY));
    if (!document.hidden && !window.getSelection().toString()) await refresh();
  }
}

// The form ------------------------------------------------------------------

const dialog = byId("dialog");
let task = null;
let following = 0; // a number a run that is followed; closing the dialog raises it

function typesOf(schema) {
  return (schema.anyOf ?? [schema]).filter((one) => one.type !== "null");
}

function field(name, schema) {
  const kinds = typesOf(schema);
  const box = document.createElement("div");
  box.className = "field";
  const label = document.createElement("label");
  label.htmlFor = `p-${name}`;
  label.textContent = words[`p_${name}`] ?? name;
  const input = document.createElement(name === "universe" ? "select" : "input");
  input.id = `p-${name}`;
  input.name = name;
  input.dataset.kind = kinds[0]?.type ?? "string";
  if (name === "universe") {
    for (const value of ["", "all", "popular", "popular_10", "popular_5"]) input.add(new Option(value || words.default, value));
  } else if (input.dataset.kind === "integer") {
    input.type = "number";
    if (kinds[0].minimum !== undefined) input.min = kinds[0].minimum;
    if (kinds[0].maximum !== undefined) input.max = kinds[0].maximum;
  } else if (kinds[0]?.format === "date") {
    input.type = "date";
  } else {
    input.type = "text";
    input.spellcheck = false;
    input.autocomplete = "off";
  }
  if (schema.default !== null && schema.default !== undefined) input.placeholder = `${schema.default}`;
  const hint = document.createElement("small");
  hint.textContent = words[`h_${name}`] ?? schema.description ?? "";
  box.append(label, input, hint);
  return box;
}

function valueOf(input) {
  const text = input.value.trim();
  if (text === "") return undefined;
  if (input.dataset.kind === "array") return text.split(/[\s,，、]+/).filter(Boolean);
  if (input.dataset.kind === "integer") return Number(text);
  return text;
}

function openForm(button) {
  task = button.dataset.task;
  following += 1;
  const schema = JSON.parse(button.dataset.schema);
  byId("dialog-title").textContent = say(words.run_title, { task: button.dataset.name });
  byId("dialog-task").textContent = `app.tasks.${task}`;
  byId("fields").replaceChildren(...Object.entries(schema.properties).map(([name, one]) => field(name, one)));
  byId("fields").hidden = false;
  byId("token-field").hidden = Boolean(sessionStorage.getItem("token"));
  byId("token").value = "";
  byId("following").hidden = true;
  byId("submit").hidden = false;
  byId("submit").disabled = false;
  byId("submit").textContent = words.run;
  byId("cancel").textContent = words.cancel;
  complain("");
  dialog.showModal();
}

function complain(sentence) {
  byId("sentence").textContent = sentence;
  byId("sentence").hidden = sentence === "";
}

async function start() {
  const token = sessionStorage.getItem("token") ?? byId("token").value.trim();
  if (!/^[\x21-\x7e]+$/.test(token)) { byId("token-field").hidden = false; byId("token").focus(); return; }
  const parameters = {};
  for (const input of byId("fields").querySelectorAll("input, select")) {
    const value = valueOf(input);
    if (value !== undefined) parameters[input.name] = value;
  }
  complain("");
  byId("submit").disabled = true;
  byId("submit").textContent = words.sending;
  try {
    const reply = await fetch(`/api/v1/tasks/${task}/runs`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
      body: JSON.stringify({ parameters, trigger: "manual" }),
    });
    const body = await reply.json();
    if (reply.status === 401) {
      sessionStorage.removeItem("token");
      byId("token-field").hidden = false;
      byId("token").focus();
      complain(words.token_wrong);
    } else if (!reply.ok) {
      complain(body.message);
    } else {
      sessionStorage.setItem("token", token);
      follow(body.url);
      return;
    }
  } catch {
    complain(words.offline);
  }
  byId("submit").disabled = false;
  byId("submit").textContent = words.run;
}

async function follow(url) {
  const mine = ++following;
  byId("fields").hidden = true;
  byId("token-field").hidden = true;
  byId("following").hidden = false;
  byId("submit").hidden = true;
  byId("cancel").textContent = words.close;
  byId("cancel").focus();
  refresh();
  while (mine === following) {
    try {
      const { run } = await (await fetch(url)).json();
      if (mine !== following) return;
      if (run) show(run);
      if (run && FINAL.includes(run.state)) { refresh(); return; }
    } catch {
      byId("follow-what").textContent = words.offline;
    }
    await new Promise((done) => setTimeout(done, FOLLOW_EVERY));
  }
}

function show(run) {
  const ended = FINAL.includes(run.state);
  const state = byId("follow-state");
  state.className = `state ${run.state}`;
  state.textContent = words[run.state];
  byId("follow-what").textContent = run.state === "QUEUED" ? words.waiting : ended ? (run.reason ?? "") : (run.progress?.what ?? run.reason ?? "");
  complain(run.error ?? "");
  const bar = byId("follow-progress");
  bar.hidden = ended;
  if (run.progress?.total) { bar.max = run.progress.total; bar.value = run.progress.done; } else { bar.removeAttribute("value"); }
  byId("follow-counts").replaceChildren(...COUNTS.filter((name) => run.counts[name] !== null).map((name) => {
    const pair = document.createElement("div");
    const word = document.createElement("dt");
    const number = document.createElement("dd");
    word.textContent = words[name];
    number.textContent = run.counts[name].toLocaleString("en");
    pair.append(word, number);
    return pair;
  }));
}

byId("parts").addEventListener("click", (event) => {
  const button = event.target.closest("button.run");
  if (button) openForm(button);
});
byId("form").addEventListener("submit", (event) => { event.preventDefault(); if (!byId("submit").hidden) start(); });
byId("cancel").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => { following += 1; });
keepFresh();
