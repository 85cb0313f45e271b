"use strict";
// Everything that a run brought in is put into the page as text, never as HTML.
const data = JSON.parse(document.getElementById("data").textContent);
const [ID, STATE, TRIES, START, SECONDS, WORKER, SIZE, ERROR, BOX] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
const RANK = { failed: 0, retrying: 1, caught: 2, running: 3, done: 4 };
const COLOURS = { done: "#4ade80", failed: "#dc2626", running: "#3b82f6", retrying: "#f59e0b", caught: "#fb923c" };
const $ = (id) => document.getElementById(id);

function add(parent, tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = text;
  if (className) made.className = className;
  parent.append(made);
  return made;
}
function span(seconds) {
  if (!seconds) return "0";
  if (seconds < 1) return `${(1000 * seconds).toFixed(seconds < 0.01 ? 1 : 0)} ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} m ${Math.round(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} m`;
}
function bytes(size) {
  if (size === null) return "";
  const units = ["B", "kB", "MB", "GB", "TB"];
  while (size >= 1000 && units.length > 1) { size /= 1000; units.shift(); }
  return `${size.toFixed(size < 10 && units[0] !== "B" ? 1 : 0)} ${units[0]}`;
}
const moment = (at) => (at ? new Date(1000 * at).toLocaleString() : "");
function facts(parent, entries) {
  const list = add(parent, "dl");
  for (const [name, value] of entries) {
    if (value === null || value === undefined || value === "") continue;
    add(list, "dt", name);
    add(list, "dd", value);
  }
}

// ------------------------------------------------------------------------------- head, failures
function drawHead() {
  const head = add($("head"), "h1", data.run);
  add(head, "span", data.status, `badge ${data.status}`);
  const counts = {};
  for (const task of data.tasks) counts[task[STATE]] = (counts[task[STATE]] || 0) + 1;
  counts.done = (counts.done || 0) + data.missing;
  const states = Object.keys(RANK).filter((s) => counts[s]).map((s) => `${counts[s].toLocaleString("en")} ${s}`);
  facts($("head"), [
    ["workflow", data.workflow],
    ["started", moment(data.created)],
    ["took", data.finished ? span(data.finished - data.created) : ""],
    ["tasks", states.join(", ")],
    ["with", Object.entries(data.params).map(([k, v]) => `${k}=${v}`).join(", ")],
    ["waits for", data.waits.join(", ")],
    ["error", data.error],
  ]);
  if (data.missing) {
    add($("head"), "p", `${data.missing.toLocaleString("en")} quick tasks that are done are left out below.`, "soft");
  }
}
function drawFailures() {
  $("failures").hidden = !data.failures.length;
  for (const [n, found] of data.failures.entries()) {
    const card = add($("failures"), "details", null, "failure");
    card.open = n < 3; // the others at a click
    const title = add(card, "summary");
    add(title, "b", found.task, "id");
    add(title, "span", found.state, `badge ${found.state}`);
    add(title, "div", found.error, "error");
    const tries = `${found.attempts} attempt${found.attempts === 1 ? "" : "s"}`;
    facts(card, [["tried", tries], ["called at", found.line], ["", found.text && found.text.trim()]]);
    facts(card, Object.entries(found.inputs));
    if (found.traceback) add(card, "pre", found.traceback, "traceback");
    if (found.printed) {
      add(card, "div", "It printed:", "soft");
      add(card, "pre", found.printed);
    }
  }
}

// -------------------------------------------------------------------------------------- picture
function drawPicture() {
  for (const [key, counts] of Object.entries(data.boxes)) {
    const group = document.querySelector(`#picture g[data-key="${key}"]`);
    if (!group) continue;
    const states = Object.keys(counts).sort((a, b) => RANK[a] - RANK[b]);
    const total = Object.values(counts).reduce((a, b) => a + b, 0);
    group.dataset.state = states[0];
    if (total > 1) {
      const shape = group.querySelector(".shape").getBBox();
      const tally = document.createElementNS("http://www.w3.org/2000/svg", "text");
      tally.setAttribute("class", "tally");
      tally.setAttribute("x", shape.x);
      tally.setAttribute("y", shape.y + shape.height + 11);
      const others = states.filter((s) => s !== "done").map((s) => `${counts[s]} ${s}`);
      tally.textContent = [...(counts.done ? [`${counts.done} done`] : []), ...others].join(", ");
      group.append(tally);
    }
    group.addEventListener("click", () => {
      const again = view.box === key;
      pickBox(again ? null : key);
      $("tools").scrollIntoView({ block: "nearest" });
    });
  }
}
function pickBox(key) {
  view.box = key;
  for (const group of document.querySelectorAll("#picture g.picked")) group.classList.remove("picked");
  if (key) document.querySelector(`#picture g[data-key="${key}"]`).classList.add("picked");
  refresh();
}

// ---------------------------------------------------------------------------------------- table
const COLUMNS = [
  ["state", (t) => RANK[t[STATE]]], ["task", (t) => t[ID]], ["tries", (t) => -t[TRIES]],
  ["time", (t) => -t[SECONDS]], ["size", (t) => -(t[SIZE] || 0)], ["worker", (t) => data.workers[t[WORKER]] || ""],
  ["error", (t) => t[ERROR]],
];
const view = { text: "", state: null, box: null, sort: 0, down: false, rows: [], picked: null };
const HIGH = 26;

function refresh() {
  const words = view.text.toLowerCase().split(/\s+/).filter(Boolean);
  view.rows = data.tasks.filter((task) => {
    if (view.state && task[STATE] !== view.state) return false;
    if (view.box && task[BOX] !== view.box) return false;
    if (!words.length) return true;
    const all = `${task[ID]} ${task[ERROR]} ${data.workers[task[WORKER]] || ""}`.toLowerCase();
    return words.every((word) => all.includes(word));
  });
  const by = COLUMNS[view.sort][1];
  const keys = new Map(view.rows.map((task, n) => [task, [by(task), n]]));
  const sign = view.down ? -1 : 1;
  view.rows.sort((a, b) => {
    const [x, m] = keys.get(a), [y, n] = keys.get(b);
    return x < y ? -sign : x > y ? sign : m - n;
  });
  $("count").textContent = `${view.rows.length.toLocaleString("en")} of ${data.tasks.length.toLocaleString("en")}`;
  $("rows").style.height = `${HIGH * view.rows.length}px`;
  $("table").scrollTop = 0;
  drawRows();
}
function drawRows() {
  // Only the rows that can be seen are there.
  const first = Math.max(0, Math.floor($("table").scrollTop / HIGH) - 5);
  const last = Math.min(view.rows.length, first + Math.ceil($("table").clientHeight / HIGH) + 10);
  const made = [];
  for (let n = first; n < last; n++) {
    const task = view.rows[n];
    const row = document.createElement("div");
    row.className = task === view.picked ? "row picked" : "row";
    row.style.top = `${HIGH * n}px`;
    row.dataset.id = task[ID];
    add(row, "span", task[STATE], `state ${task[STATE]}`);
    add(row, "span", task[ID], "id").title = task[ID];
    add(row, "span", task[TRIES], "number");
    add(row, "span", task[SECONDS] ? span(task[SECONDS]) : "", "number");
    add(row, "span", bytes(task[SIZE]), "number");
    add(row, "span", data.workers[task[WORKER]] || "");
    add(row, "span", task[ERROR]).title = task[ERROR];
    row.addEventListener("click", () => pick(task));
    made.push(row);
  }
  $("rows").replaceChildren(...made);
}
function pick(task) {
  view.picked = task;
  const box = $("detail");
  box.hidden = false;
  box.replaceChildren();
  add(box, "h3", task[ID], "id");
  facts(box, [
    ["state", task[STATE]], ["attempts", task[TRIES]], ["began", moment(task[START])],
    ["ran", task[SECONDS] ? span(task[SECONDS]) : ""], ["result", bytes(task[SIZE])],
    ["worker", data.workers[task[WORKER]]], ["error", task[ERROR]],
    ["more", `wfc show ${data.run} '${task[ID]}'`],
  ]);
  const found = data.failures.find((f) => f.task === task[ID]);
  if (found && found.traceback) add(box, "pre", found.traceback);
  drawRows();
}
function drawTools() {
  $("search").addEventListener("input", () => { view.text = $("search").value; refresh(); });
  const found = [...new Set(data.tasks.map((t) => t[STATE]))].sort((a, b) => RANK[a] - RANK[b]);
  const buttons = [["all", null], ...found.map((s) => [s, s])].map(([text, state]) => {
    const made = add($("states"), "button", text);
    made.addEventListener("click", () => {
      view.state = state;
      if (state === null) pickBox(null);
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === made));
      refresh();
    });
    made.setAttribute("aria-pressed", String(state === null));
    return made;
  });
  COLUMNS.forEach(([name], n) => {
    const head = add($("heads"), "span", name, n > 1 && n < 5 ? "number" : "");
    head.addEventListener("click", () => {
      view.down = view.sort === n ? !view.down : false;
      view.sort = n;
      refresh();
    });
  });
  $("table").addEventListener("scroll", drawRows);
  window.addEventListener("resize", drawRows);
}

// ------------------------------------------------------------------------------------- timeline
function drawTimeline() {
  // Of a failed attempt it is known when it ended, not for how long it ran.
  const tasks = data.tasks.filter((t) => t[START] && (t[SECONDS] || t[STATE] !== "done"));
  if (!tasks.length) return;
  $("time").hidden = false;
  const canvas = $("timeline").querySelector("canvas"), pen = canvas.getContext("2d");
  const LEFT = 150, TOP = 20, LANE = 22;
  const lanes = [...data.workers, ...(tasks.some((t) => t[WORKER] < 0) ? [""] : [])];
  const begin = tasks.reduce((a, t) => Math.min(a, t[START]), Infinity);
  const end = tasks.reduce((a, t) => Math.max(a, t[START] + t[SECONDS]), 0);
  let from = begin, to = end, drag = null;
  const lane = (t) => (t[WORKER] < 0 ? lanes.length - 1 : t[WORKER]);
  const width = () => canvas.clientWidth - LEFT - 10;
  const across = (at) => LEFT + (width() * (at - from)) / (to - from || 1);
  const back = (x) => from + ((x - LEFT) * (to - from)) / width();

  function draw() {
    const scale = window.devicePixelRatio || 1;
    const wide = $("timeline").clientWidth, high = TOP + LANE * lanes.length + 6;
    canvas.style.width = `${wide}px`;
    canvas.style.height = `${high}px`;
    canvas.width = wide * scale;
    canvas.height = high * scale;
    pen.scale(scale, scale);
    pen.font = "11px ui-monospace, monospace";
    pen.fillStyle = "#475569";
    pen.strokeStyle = "#e2e8f0";
    for (let n = 0; n <= 5; n++) {
      const at = from + ((to - from) * n) / 5, x = across(at);
      pen.beginPath(); pen.moveTo(x, TOP - 4); pen.lineTo(x, high); pen.stroke();
      pen.textAlign = n === 5 ? "right" : "left";
      pen.fillText(`+${span(at - begin)}`, n === 5 ? x : x + 3, 11);
    }
    pen.textAlign = "left";
    lanes.forEach((name, n) => {
      pen.fillStyle = "#0f172a";
      pen.fillText((name || "not known").slice(0, 22), 4, TOP + LANE * n + 14);
    });
    pen.save();
    pen.beginPath(); pen.rect(LEFT, 0, width() + 10, high); pen.clip();
    for (const task of tasks) {
      const x = across(task[START]), w = Math.max(task[SECONDS] ? 1 : 3, across(task[START] + task[SECONDS]) - x);
      if (x + w < LEFT || x > wide) continue;
      pen.fillStyle = COLOURS[task[STATE]];
      pen.fillRect(x, TOP + LANE * lane(task) + 3, w, LANE - 6);
      if (w > 3) { pen.strokeStyle = "#ffffff"; pen.strokeRect(x, TOP + LANE * lane(task) + 3, w, LANE - 6); }
    }
    if (drag) {
      pen.fillStyle = "rgba(37, 99, 235, 0.15)";
      pen.fillRect(Math.min(drag.x, drag.to), TOP, Math.abs(drag.to - drag.x), high);
    }
    pen.restore();
  }
  function at(event) {
    const n = Math.floor((event.offsetY - TOP) / LANE), time = back(event.offsetX), near = (to - from) / width();
    return tasks.find((t) => lane(t) === n && t[START] - near <= time && time <= t[START] + t[SECONDS] + near);
  }
  canvas.addEventListener("mousemove", (event) => {
    if (drag) { drag.to = event.offsetX; draw(); return; }
    const task = at(event), tip = $("tip");
    tip.hidden = !task;
    if (task) {
      tip.textContent = `${task[ID]} · ${task[STATE]} · ${span(task[SECONDS])}`;
      tip.style.left = `${Math.max(0, Math.min(event.offsetX + 12, $("timeline").clientWidth - 320))}px`;
      tip.style.top = `${event.offsetY + 14}px`;
    }
  });
  canvas.addEventListener("mouseleave", () => { $("tip").hidden = true; });
  canvas.addEventListener("mousedown", (event) => { drag = { x: event.offsetX, to: event.offsetX }; });
  canvas.addEventListener("mouseup", (event) => {
    const moved = drag && Math.abs(event.offsetX - drag.x) > 5;
    if (moved) [from, to] = [back(Math.min(drag.x, event.offsetX)), back(Math.max(drag.x, event.offsetX))];
    else if (at(event)) pick(at(event));
    drag = null;
    draw();
  });
  canvas.addEventListener("dblclick", () => { [from, to] = [begin, end]; draw(); });
  window.addEventListener("resize", draw);
  draw();
}

drawHead();
drawFailures();
drawPicture();
drawTools();
refresh();
drawTimeline();
for (const file of data.files) {
  add($("spec"), "h3", file.path, "id");
  add($("spec"), "pre", file.text);
}
document.body.dataset.ready = "yes";
