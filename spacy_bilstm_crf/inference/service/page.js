"use strict";
// Text from outside becomes text nodes, never HTML.

const LEAST = 0.01; // probability of a candidate, as the slider's lowest
const SEQUENCES = 5;
const ROWS = 200; // of candidates that are listed
const PAUSE = 250; // milliseconds after the last key
const PATIENCE = 1000; // milliseconds without an answer, after which that is said
const MARKS = 100; // of a tag sequence that are shown
const COLOURS = 10;

const part = id => document.getElementById(id);
const element = (name, text, kind) => {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
};
const percent = p => {
  if (p < 0.001) return "< 0.1 %";
  return p > 0.999 ? "> 99.9 %" : `${(100 * p).toFixed(1)} %`;
};

const exactPercent = p => `${Number((100 * p).toPrecision(6))} %`;

let service = null; // what /labels says
let answer = null; // { text, result }
let threshold = null; // null: what the pipeline itself finds, which may have no threshold
let running = null; // the request whose answer is waited for
let timer = 0;

function colour(label) {
  const place = service.labels.indexOf(label);
  return `l${(place < 0 ? service.labels.length : place) % COLOURS}`;
}

// Those with the largest sum of (probability - least), without overlap: what the component does
// with a threshold (weighted interval scheduling)
function bestEntities(candidates, least) {
  const sorted = candidates.filter(c => c.confidence >= least).sort((a, b) => a.end - b.end);
  const before = sorted.map(entity => {
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle].end <= entity.start) low = middle + 1;
      else high = middle;
    }
    return low;
  });
  const best = [0];
  const taken = [false];
  sorted.forEach((entity, i) => {
    const gain = best[before[i]] + entity.confidence - least;
    taken.push(gain >= best[i]);
    best.push(Math.max(gain, best[i]));
  });
  const chosen = [];
  for (let i = sorted.length; i > 0;) {
    if (taken[i]) {
      chosen.push(sorted[i - 1]);
      i = before[i - 1];
    } else i -= 1;
  }
  return chosen.reverse();
}

function shownEntities() {
  const { entities, candidates } = answer.result;
  if (threshold === null || !candidates) return entities;
  // What other components have found stays, whatever the threshold
  const given = entities.filter(entity => entity.confidence === null);
  return [...given, ...bestEntities(candidates, threshold)].sort((a, b) => a.start - b.start);
}

function marked(entity, text) {
  const mark = element("mark", text, colour(entity.label));
  mark.append(element("b", entity.label));
  if (entity.confidence !== null) mark.append(element("small", percent(entity.confidence)));
  return mark;
}

function showEntities() {
  const entities = shownEntities();
  // Offsets count characters, and JavaScript's strings are in UTF-16
  const characters = answer.characters;
  const pieces = [];
  let position = 0;
  for (const entity of entities) {
    pieces.push(characters.slice(position, entity.start).join(""));
    pieces.push(marked(entity, characters.slice(entity.start, entity.end).join("")));
    position = entity.end;
  }
  pieces.push(characters.slice(position).join(""));
  part("found").replaceChildren(...pieces);
  const n = entities.length;
  part("status").textContent = answer.text ? `${n} ${n === 1 ? "entity" : "entities"}` : "";
  showCandidates(entities);
}

const key = entity => `${entity.start} ${entity.end} ${entity.label}`;

function showCandidates(entities) {
  const candidates = answer.result.candidates || [];
  const shown = new Set(entities.map(key));
  const rows = candidates.slice(0, ROWS).map(candidate => {
    const row = element("tr", undefined, shown.has(key(candidate)) ? "shown" : "");
    const label = element("td");
    label.append(element("mark", candidate.label, colour(candidate.label)));
    row.append(element("td", candidate.text), label, element("td", percent(candidate.confidence)));
    return row;
  });
  part("candidates").replaceChildren(...rows);
  part("candidates-part").hidden = !candidates.length;
  const more = candidates.length - rows.length;
  part("more-candidates").textContent = more > 0 ? `and ${more} more` : "";
}

function showSequences() {
  const sequences = answer.text ? answer.result.k_best || [] : [];
  const items = sequences.map(({ probability, entities }) => {
    const item = element("li", `${percent(probability)} `);
    item.append(...entities.slice(0, MARKS).map(entity => marked(entity, entity.text)));
    const more = entities.length - MARKS;
    if (!entities.length) item.append(element("span", "no entities", "quiet"));
    if (more > 0) item.append(element("span", `and ${more} more`, "quiet"));
    return item;
  });
  part("sequences").replaceChildren(...items);
  part("sequences-part").hidden = !items.length;
}

// The slider's left end is none if the pipeline has none
const ownPercent = () => (service.threshold === null ? 0 : Math.round(100 * service.threshold));

function showThreshold() {
  const slider = part("threshold");
  if (threshold === null) slider.value = ownPercent();
  const own = service.threshold === null ? "none (the best tag sequence)" : exactPercent(service.threshold);
  const words = threshold === null ? own : `${slider.value} %`;
  part("threshold-value").textContent = words;
  slider.setAttribute("aria-valuetext", words);
  slider.classList.toggle("stale", threshold === null);
  part("own").setAttribute("aria-pressed", String(threshold === null));
}

function showProblem(words) {
  part("problem").textContent = words;
  part("problem").hidden = !words;
}

async function annotate() {
  clearTimeout(timer);
  if (running) running.abort();
  const mine = (running = new AbortController());
  const text = part("text").value;
  part("found").classList.add("stale");
  const long = setTimeout(() => { part("status").textContent = "Working"; }, PATIENCE);
  const asked = { texts: [text] };
  if (service.knows_probabilities) Object.assign(asked, { candidates: LEAST, k_best: SEQUENCES });
  try {
    const response = await fetch("annotate", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(asked),
      signal: mine.signal,
    });
    const found = await response.json();
    if (mine !== running) return; // another text is being annotated
    if (!response.ok) throw new Error(found.detail);
    answer = { text, characters: Array.from(text), result: found.results[0] };
    showProblem("");
    part("found").classList.remove("stale");
    showEntities();
    showSequences();
  } catch (error) {
    if (mine === running && error.name !== "AbortError") {
      showNothing();
      showProblem(`That did not work: ${error.message}`);
    }
  } finally {
    clearTimeout(long);
  }
}

// What was found in another text is not to stand below a text that can't be annotated
function showNothing() {
  answer = null;
  for (const id of ["found", "candidates", "sequences"]) part(id).replaceChildren();
  for (const id of ["candidates-part", "sequences-part"]) part(id).hidden = true;
  part("found").classList.remove("stale");
  part("status").textContent = "";
}

function shownAsJson() {
  return JSON.stringify({ text: answer.text, entities: shownEntities() }, null, 2);
}

async function copy() {
  try {
    if (!answer || answer.text !== part("text").value) await annotate();
    if (answer) await copyText(shownAsJson());
    part("copied").textContent = answer ? "Copied" : "Nothing to copy";
  } catch (error) {
    part("copied").textContent = `Not copied: ${error.message}`;
  }
  setTimeout(() => { part("copied").textContent = ""; }, 3000);
}

async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Without HTTPS, from another machine, there is no clipboard but this way
  const field = document.body.appendChild(element("textarea", text));
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  if (!done) throw new Error("the browser does not allow it");
}

async function start() {
  try {
    const [known, examples] = await Promise.all(
      ["labels", "examples.json"].map(async url => (await fetch(url)).json()),
    );
    service = known;
    showExamples(examples);
  } catch (error) {
    showProblem(`The service does not answer: ${error.message}`);
    return;
  }
  const labels = service.labels.length ? `: ${service.labels.join(", ")}` : "";
  part("pipeline").textContent = service.pipeline + labels;
  const most = service.max_characters.toLocaleString("en");
  part("hint").textContent = `Type or paste up to ${most} characters. Entities are found as you type.`;
  part("threshold-part").hidden = !service.knows_probabilities;
  part("threshold").min = service.threshold === null ? 0 : 1;
  showThreshold();
  part("text").addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(annotate, PAUSE);
  });
  part("threshold").addEventListener("input", () => {
    const percent = Number(part("threshold").value);
    threshold = percent === 0 ? null : percent / 100;
    showThreshold();
    if (answer) showEntities();
  });
  part("own").addEventListener("click", () => {
    threshold = null;
    showThreshold();
    if (answer) showEntities();
  });
  part("copy").addEventListener("click", copy);
  if (part("text").value) annotate(); // what the browser kept over a reload
}

function showExamples(examples) {
  const buttons = examples.map(({ domain, text }) => {
    const button = element("button", domain);
    button.type = "button";
    button.addEventListener("click", () => {
      part("text").value = text;
      annotate();
    });
    return button;
  });
  part("examples").append(element("span", "Examples: ", "quiet"), ...buttons);
}

start();
