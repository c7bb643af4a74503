// Shows the report of a node as it comes. All of it is put in as text, never as HTML: peers have a say in some of it.
"use strict";

const KEPT = 600; // samples, one a second
const STALE = 5; // seconds between two samples that no line joins
const AGAIN = 5000; // milliseconds until a stream of events that was refused is asked for once more
const SOURCES = { live: "live", "catch-up": "catching up", da: "from the layer", own: "made here" };

const trail = []; // [when, blocks behind, seconds since the last block, blocks not confirmed]
const at = (id) => document.getElementById(id);

function put(node, text, kind = "") {
  if (node.textContent !== String(text)) node.textContent = text;
  if (node.className !== kind) node.className = kind;
}

function make(tag, text, kind = "") {
  const node = document.createElement(tag);
  put(node, text, kind);
  return node;
}

// Time and numbers

const number = (value) => Number(value).toLocaleString("en");

function span(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}

// So coarse that it is no restless figure.
const ago = (seconds) => (seconds === null ? "" : seconds < 2 ? "just now" : `${span(seconds)} ago`);

function moment(unix) {
  const then = new Date(unix * 1000);
  const clock = then.toLocaleTimeString("en-GB");
  return then.toDateString() === new Date().toDateString() ? clock : `${then.toLocaleDateString("en-CA")} ${clock}`;
}

// Parts of the page

// Rows of [text, class] are written over what is there, so that what somebody has selected stays.
function fill(table, rows) {
  const labels = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
  const body = table.tBodies[0];
  while (body.rows.length > rows.length) body.deleteRow(-1);
  rows.forEach(({ kind = "", cells }, r) => {
    const row = body.rows[r] ?? body.insertRow();
    row.className = kind;
    cells.forEach(([text, mood = ""], c) => {
      const cell = row.cells[c] ?? row.insertCell();
      cell.dataset.label = labels[c];
      put(cell, text, mood);
    });
  });
  table.hidden = rows.length === 0;
}

function refill(node, children) {
  const fresh = children.map((child) => child.outerHTML).join("");
  if (node.innerHTML !== fresh) node.replaceChildren(...children);
}

const pairs = (entries) => entries.flatMap(([term, text, kind]) => [make("dt", term, kind), make("dd", text)]);

function chart(figure, column, told) {
  const newest = trail[trail.length - 1][0];
  const width = Math.min(KEPT, Math.max(60, newest - trail[0][0]));
  const highest = Math.max(0, ...trail.map((each) => each[column]));
  const most = Math.max(1, highest);
  const x = (seconds) => (600 * (1 - (newest - seconds) / width)).toFixed(1);
  const y = (value) => (80 - (78 * value) / most).toFixed(1);
  let line = "";
  let area = "";
  let before = null;
  for (const sample of trail) {
    const point = `${x(sample[0])},${y(sample[column])}`;
    const joined = before !== null && sample[0] - before[0] < STALE;
    line += joined ? `H${x(sample[0])}V${y(sample[column])}` : `M${point}`;
    if (joined) area += `M${x(before[0])},80V${y(before[column])}H${x(sample[0])}V80Z`;
    before = sample;
  }
  figure.querySelector(".line").setAttribute("d", line);
  figure.querySelector(".area").setAttribute("d", area);
  put(figure.querySelector(".most"), `at most ${told(highest)}`, "most");
  put(figure.querySelector(".from"), `${span(width)} ago`, "from");
}

function heads(report) {
  const { soft, confirmed, final } = report.heads;
  for (const [name, point] of Object.entries(report.heads)) {
    put(at(name), number(point.height), "big");
    put(at(`${name}-id`), point.id.slice(0, 12));
    at(`${name}-id`).title = point.id;
  }
  put(at("soft-age"), report.head_age_seconds === null ? "" : `moved ${ago(report.head_age_seconds)}`);
  put(at("confirmed-gap"), `${number(soft.height - confirmed.height)} below`);
  put(at("final-gap"), `${number(soft.height - final.height)} below`);
  put(at("lag"), report.lag_blocks === 1 ? "1 block" : `${number(report.lag_blocks)} blocks`, "big");
  const recovery = report.recovery_seconds;
  put(at("recovery"), recovery === null ? "" : `last back in step after ${span(recovery)}`, "small");
}

const named = (peer) => `${peer.peer.split("#")[0].slice(0, 8)}${peer.address ? ` · ${peer.address}` : ""}`;

// Then nobody feeds it, whoever it would ask.
const makes = (report) => report.sources.own > 0;

function tree(report) {
  const above = makes(report) ? [] : report.peers.filter((peer) => peer.feeds_us);
  const below = report.peers.filter((peer) => peer.blocks_to === "active" && !above.includes(peer));
  const nobody = [make("li", makes(report) ? "it makes the blocks itself" : "nobody feeds it", "none")];
  refill(at("above"), above.length ? above.map((peer) => make("li", named(peer))) : nobody);
  put(at("self"), report.name);
  refill(at("below"), below.length ? below.map((peer) => make("li", named(peer))) : [make("li", "it feeds nobody", "none")]);
  const others = report.peers.length - above.length - below.length;
  put(at("beside"), others ? `${number(others)} more ${others === 1 ? "peer is" : "peers are"} linked, too.` : "", "small");
}

function comes(peer) {
  if (peer.feeds_us) return ["feed", "good"];
  if (peer.mode_from === "off") return ["off, by its operator", "warn"];
  return peer.blocks_from ? ["blocks, too"] : ["word of new ones"];
}

function goes(peer) {
  const words = { active: "at once", backup: "word of new ones", off: "off, by an operator" };
  return [words[peer.blocks_to] ?? peer.blocks_to, peer.blocks_to === "off" ? "warn" : ""];
}

function state(peer) {
  const behind = peer.ahead ? `, ${number(peer.ahead)} ahead of us` : "";
  return [peer.state + behind, peer.ahead ? "warn" : ""];
}

function peers(report) {
  const known = report.peers.map((peer) => ({ ...peer, feeds_us: peer.feeds_us && !makes(report) }));
  const order = known.sort((a, b) => b.feeds_us - a.feeds_us || a.peer.localeCompare(b.peer));
  const rows = order.map((peer) => ({
    kind: peer.feeds_us ? "feed" : "",
    cells: [
      [peer.peer.split("#")[0]],
      [`${peer.dialled ? "to" : "from"} ${peer.address || "?"}${peer.proved ? "" : ", not proved"}`],
      state(peer),
      [peer.head === null ? "?" : number(peer.head)],
      goes(peer),
      comes(peer),
      [ago(peer.quiet_seconds)],
    ],
  }));
  fill(at("peers"), rows);
  put(at("count"), report.peers.length || "");
  at("no-peers").hidden = report.peers.length > 0;
}

function attempts(report) {
  const rows = report.attempts.map((each) => ({
    cells: [
      [each.address],
      [`${each.said_by === "peer" ? "refuses us: " : ""}${each.reason}${each.detail ? `, ${each.detail}` : ""}`, "warn"],
      [number(each.count)],
      [ago(report.at - each.at)],
    ],
  }));
  fill(at("attempts"), rows);
  at("vain").hidden = rows.length === 0;
}

function shunned(report) {
  const rows = report.shunned.map((each) => ({
    cells: [
      [each.who],
      [each.strikes ? `fault: ${each.why}` : `banned${each.why ? `: ${each.why}` : ""}`, "warn"],
      [each.until === null ? "for good" : moment(each.until)],
    ],
  }));
  fill(at("shunned"), rows);
  at("bans").hidden = rows.length === 0;
}

function sources(report) {
  const all = Object.values(report.sources).reduce((sum, count) => sum + count, 0);
  const kinds = Object.keys(SOURCES).filter((kind) => report.sources[kind]);
  const bar = kinds.map((kind) => make("span", "", kind));
  const there = at("sources");
  refill(there, bar);
  kinds.forEach((kind, place) => (there.children[place].style.flex = `${report.sources[kind]} 0 3px`));
  const share = (kind) => `${number(report.sources[kind])} (${((100 * report.sources[kind]) / all).toFixed(1)} %)`;
  refill(at("legend"), pairs(kinds.length ? kinds.map((kind) => [SOURCES[kind], share(kind), `dot ${kind}`]) : [["none yet", ""]]));
}

function truth(report) {
  const known = report.truth;
  at("no-truth").hidden = known !== null;
  if (known === null) return refill(at("truth"), []);
  const rows = [
    ["reader", `${known.reader.state}${known.trouble ? `: ${known.trouble}` : ""}`],
    ["read up to", number(known.layer)],
    ["heard", ago(known.heard_seconds)],
  ];
  if (known.confirmed_lag_seconds !== null) rows.push(["confirmed after", span(known.confirmed_lag_seconds)]);
  if (known.contradictions) rows.push(["contradicted", `${number(known.contradictions)} times`]);
  if (known.poster !== null) {
    rows.push(["poster", known.poster.state]);
    rows.push(["open", `${number(known.poster.open)} blocks${known.poster.held ? ", no more are made" : ""}`]);
    rows.push(["posted", `${number(known.batches)} batches, ${number(known.bytes)} bytes, ${number(known.retries)} again`]);
  }
  if (known.wrong) rows.push(["wrong", known.wrong]);
  return refill(at("truth"), pairs(rows));
}

function incidents(report) {
  const newest = [...report.incidents].reverse();
  const mood = { error: "bad", warning: "warn" };
  const cells = (each) => [[moment(each.at)], [each.event, mood[each.level]], [each.text], [number(each.count)]];
  fill(at("incidents"), newest.map((each) => ({ cells: cells(each) })));
  at("no-incidents").hidden = newest.length > 0;
}

function keep(report) {
  const last = trail.length ? trail[trail.length - 1][0] : 0;
  if (report.at - last < 0.9) return;
  trail.push([report.at, report.lag_blocks, report.head_age_seconds ?? 0, report.unconfirmed_blocks]);
  while (trail.length > KEPT) trail.shift();
}

function show(report) {
  document.title = `${report.name}: ${report.word}`;
  put(at("name"), report.name);
  put(at("version"), `syncfsm ${report.version}`);
  put(at("word"), report.word);
  put(at("sentence"), report.sentence);
  at("why").className = `panel ${report.word === "in-step" ? "good" : report.fine ? "warn" : "bad"}`;
  for (const part of [heads, tree, peers, attempts, shunned, sources, truth, incidents, keep]) part(report);
  chart(at("lag-chart"), 1, number);
  chart(at("age-chart"), 2, span);
  chart(at("gap-chart"), 3, number);
  document.querySelector("main").hidden = false;
}

// Events

let heard = null;

function listen() {
  const events = new EventSource("/events");
  events.addEventListener("trail", (event) => trail.splice(0, trail.length, ...JSON.parse(event.data)));
  events.addEventListener("report", (event) => {
    heard = new Date();
    put(at("link"), "live", "on");
    show(JSON.parse(event.data));
  });
  events.addEventListener("error", () => {
    const since = heard ? `since ${heard.toLocaleTimeString("en-GB")}; what is shown is from then` : "yet";
    put(at("link"), `no answer from the node ${since}`, "off");
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, AGAIN);
  });
}

listen();
