"use strict";
// Shows the newest report of the node. Texts are set as text, never as HTML: peers choose some of them.
const MINUTES = 5;
const samples = [];
const at = (id) => document.getElementById(id);
const say = (id, text) => { at(id).textContent = text; };

function row(cells) {
  const line = document.createElement("tr");
  for (const [text, kind] of cells) {
    const cell = document.createElement("td");
    cell.textContent = text;
    if (kind) cell.className = kind;
    line.append(cell);
  }
  return line;
}

function rows(id, lines) { at(id).querySelector("tbody").replaceChildren(...lines.map(row)); }
function clock(seconds) { return new Date(seconds * 1000).toLocaleTimeString(); }
function short(peer) { return peer.slice(0, 8); }

function show(report) {
  document.title = `${report.name}: ${report.word}`;
  say("name", report.name);
  say("word", report.word);
  at("word").className = "word " + (report.word === "in-step" ? "good" : report.fine ? "mind" : "bad");
  say("sentence", report.sentence);
  for (const name of ["soft", "confirmed", "final"]) {
    say(name, report.heads[name].height);
    say(`${name}-id`, short(report.heads[name].id));
  }
  say("lag", report.lag_blocks);
  const age = report.head_age_seconds;
  say("age", age === null ? "" : `last block ${age.toFixed(1)} s ago`);
  tree(report);
  rows("peers", report.peers.map((peer) => [
    [short(peer.peer)], [(peer.dialled ? "→ " : "← ") + peer.address], [peer.state],
    [peer.head ?? "?", "n"], [peer.blocks_to], [peer.feeds_us ? "feed" : peer.blocks_from ? "blocks" : "ids"],
    [peer.quiet_seconds.toFixed(1) + " s", "n"]]));
  at("vain-box").hidden = report.attempts.length === 0;
  rows("vain", report.attempts.map((each) => [
    [each.address], [each.reason], [each.detail, "text"], [`${each.count} times`, "n"]]));
  layer(report.truth);
  at("quiet").hidden = report.incidents.length > 0;
  rows("incidents", report.incidents.slice(-12).reverse().map((each) => [
    [clock(each.at)], [each.event], [each.text, "text"]]));
  say("version", `syncfsm ${report.version}`);
  draw(report);
}

function tree(report) {
  const makes = report.sources.own > 0;  // then nobody feeds it, whoever it would ask
  const feed = makes ? undefined : report.peers.find((peer) => peer.feeds_us);
  const fed = report.peers.filter((peer) => peer.blocks_to === "active" && peer !== feed).map((peer) => short(peer.peer));
  const above = feed ? `${short(feed.peer)} → ` : "";
  say("tree", `${above}${report.name}${fed.length ? " → " + fed.join(", ") : ""}`);
}

function layer(truth) {
  at("layer-box").hidden = truth === null;
  if (truth === null) return;
  const poster = truth.poster === null ? "" :
    `; ${truth.batches} batches posted, ${truth.bytes} bytes, ${truth.retries} again, ${truth.poster.open} blocks open`;
  const trouble = truth.trouble ? ` (${truth.trouble})` : "";
  say("layer", `${truth.reader.state} at ${truth.layer}${trouble}, confirmed ${truth.reader.confirmed}${poster}`);
}

function line(points, kind) {
  const path = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  path.setAttribute("points", points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" "));
  path.setAttribute("fill", "none");
  path.setAttribute("stroke", "currentColor");
  path.setAttribute("stroke-width", "2");
  path.setAttribute("vector-effect", "non-scaling-stroke");
  path.setAttribute("class", kind);
  return path;
}

function draw(report) {
  samples.push([report.at, report.head_age_seconds ?? 0, report.lag_blocks]);
  while (samples[0][0] < report.at - 60 * MINUTES) samples.shift();
  const first = samples[0][0], span = Math.max(10, report.at - first);
  const x = (time) => (600 * (time - first)) / span;
  const tops = [1, 2].map((which) => Math.max(1, ...samples.map((sample) => sample[which])));
  const y = (value, top) => 116 - (112 * value) / top;
  at("chart").replaceChildren(
    line(samples.map((sample) => [x(sample[0]), y(sample[1], tops[0])]), "one"),
    line(samples.map((sample) => [x(sample[0]), y(sample[2], tops[1])]), "two"));
  say("scale", `${Math.round(span)} s; top ${tops[0].toFixed(1)} s, ${tops[1]} blocks`);
}

const events = new EventSource("/events");
events.onmessage = (event) => { say("live", "live"); show(JSON.parse(event.data)); };
events.onerror = () => { say("live", "not connected: the node may have stopped"); };
