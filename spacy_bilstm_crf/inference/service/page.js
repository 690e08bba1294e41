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
let answer = null; // { text, characters, threshold, records, result }
let shown = []; // entities
let changed = new Set(); // identities of those that have come with the last correction
let threshold = null; // null: what the pipeline itself finds, which may have no threshold
let running = null; // the request whose answer is waited for
let timer = 0;

function colour(label) {
  const place = service.labels.indexOf(label);
  return `l${(place < 0 ? service.labels.length : place) % COLOURS}`;
}

// Those with the largest sum of (probability - least), without overlap: what a component does with a
// threshold (weighted interval scheduling)
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

// In the order of the text, of those with the same start the longest first
function inOrder(entities) {
  const byLabel = (a, b) => (a.label < b.label ? -1 : Number(a.label > b.label));
  return entities.sort((a, b) => a.start - b.start || b.end - a.end || byLabel(a, b));
}

function shownEntities() {
  const { entities, candidates } = answer.result;
  const groups = service.label_groups; // null: the service is asked for them with each threshold
  if (threshold === null || !candidates || !groups) return entities;
  // What other components have found stays, whatever the threshold
  const known = new Set(groups.flat());
  const isFixed = entity => corrections?.verdictOf(entity) === ACCEPTED;
  const given = entities.filter(
    entity => entity.confidence === null || !known.has(entity.label) || isFixed(entity),
  );
  const chosen = groups.flatMap(labels => {
    const ofGroup = candidates.filter(
      candidate => labels.includes(candidate.label) && !isFixed(candidate),
    );
    return bestEntities(ofGroup, threshold);
  });
  return inOrder([...given, ...chosen]);
}

// Entities that are connected by overlaps, and where they are together
function clustersOf(entities) {
  const clusters = [];
  for (const entity of entities) {
    const last = clusters.at(-1);
    if (last && entity.start < last.end) {
      last.entities.push(entity);
      last.end = Math.max(last.end, entity.end);
    } else clusters.push({ start: entity.start, end: entity.end, entities: [entity] });
  }
  return clusters;
}

function marked(entity, text) {
  const mark = element("mark", text, colour(entity.label));
  mark.append(element("b", entity.label));
  if (entity.confidence !== null) mark.append(element("small", percent(entity.confidence)));
  return mark;
}

// The first row below the words that is free from the start of each entity to its end
function rowsOf(entities) {
  const ends = [];
  return new Map(entities.map(entity => {
    const free = ends.findIndex(end => end <= entity.start);
    const row = free < 0 ? ends.length : free;
    ends[row] = entity.end;
    return [entity, row];
  }));
}

const isBlank = character => /\s/.test(character);
const isBreak = character => character === "\n" || character === "\r";

// Where to cut the characters of a cluster: at the ends of its entities, words and lines
function cutsOf({ start, end, entities }, characters) {
  const ends = new Set(entities.flatMap(entity => [entity.start, entity.end]));
  if (canCorrect()) {
    const { tokens } = answer.result;
    for (let i = tokenFrom(start); i < tokens.length && tokens[i][1] <= end; i += 1) {
      ends.add(tokens[i][0]);
    }
  }
  const cuts = [start];
  for (let i = start + 1; i < end; i += 1) {
    const [before, here] = [characters[i - 1], characters[i]];
    const isWord = isBlank(before) && !isBlank(here);
    if (ends.has(i) || isWord || isBreak(before) || isBreak(here)) cuts.push(i);
  }
  return [...cuts, end];
}

// A part of an entity's bar, from one cut to another: its label at the start, the rest at the end
function barOf(entity, from, to, row) {
  const isFirst = entity.start === from;
  const bar = element(isFirst ? "mark" : "span", undefined, `bar ${colour(entity.label)}`);
  bar.style.gridRow = row + 2; // below the words
  bar.title = spoken(entity);
  if (isFirst) bar.append(element("b", entity.label));
  if (isFirst) bar.classList.add("first");
  if (entity.end === to) {
    bar.classList.add("last");
    if (entity.confidence !== null) bar.append(element("small", percent(entity.confidence)));
  }
  if (isFirst) return asButton(bar, entity);
  if (canCorrect()) bar.setAttribute("aria-hidden", "true"); // the button has its name
  return asPart(bar, entity);
}

function spoken({ text, label, confidence }) {
  return [text, label, ...(confidence === null ? [] : [percent(confidence)])].join(", ");
}

// Entities that overlap: their words once, and a bar for each entity below its words
function stacked(cluster, characters) {
  const cuts = cutsOf(cluster, characters);
  const rows = rowsOf(cluster.entities);
  const pieces = element("span");
  pieces.dir = "auto"; // of Hebrew within English, too, the first piece is on the right
  let word = null; // pieces that stay on a line if there is room, with the blanks after them
  let next = 0;
  let active = [];
  cuts.slice(0, -1).forEach((from, i) => {
    const to = cuts[i + 1];
    active = active.filter(entity => entity.end > from);
    while (next < cluster.entities.length && cluster.entities[next].start <= from) {
      active.push(cluster.entities[next]);
      next += 1;
    }
    const text = characters.slice(from, to).join("");
    const isLine = isBreak(text);
    if (!isLine || active.some(entity => entity.start === from || entity.end === to)) {
      if (!word || isBlank(characters[from - 1])) {
        word = element("span", undefined, "word");
        pieces.append(word);
      }
      const piece = element("span", undefined, "piece");
      const words = element("span", isLine ? "\u200b" : text);
      piece.append(canCorrect() && text.trim() ? asWord(words, tokenFrom(from)) : words);
      piece.append(...active.map(entity => barOf(entity, from, to, rows.get(entity))));
      word.append(piece);
    }
    if (isLine) {
      pieces.append(text);
      word = null;
    }
  });
  if (canCorrect()) return pieces; // each bar is a button with a name
  pieces.setAttribute("aria-hidden", "true");
  const text = characters.slice(cluster.start, cluster.end).join("");
  const all = cluster.entities.map(spoken).join("; ");
  const whole = element("span", undefined, "overlap");
  whole.append(pieces, element("span", `${text} (overlapping entities: ${all}) `, "spoken"));
  return whole;
}

function showEntities() {
  shown = shownEntities();
  if (before) changed = new Set(shown.map(identity).filter(id => !before.has(id)));
  before = null;
  // Offsets count characters, and JavaScript's strings are in UTF-16
  const characters = answer.characters;
  const textOf = (start, end) => characters.slice(start, end).join("");
  const pieces = [];
  let position = 0;
  for (const cluster of clustersOf(shown)) {
    const { start, end } = cluster;
    pieces.push(...wordsOf(position, start));
    const [first, ...others] = cluster.entities;
    if (others.length) pieces.push(stacked(cluster, characters));
    else pieces.push(asButton(marked(first, textOf(start, end)), first));
    position = end;
  }
  pieces.push(...wordsOf(position, characters.length));
  keepFocus(part("found"), () => {
    part("found").replaceChildren(...pieces);
    showEditing();
  });
  showCount();
  said = "";
  showCandidates();
}

function showCount() {
  const n = shown.length;
  const nNew = said ? shown.filter(isNew).length : 0;
  const news = nNew ? `, ${nNew} new` : "";
  const count = answer?.text ? `${n} ${n === 1 ? "entity" : "entities"}${news}` : "";
  part("status").textContent = [said, count].filter(Boolean).join(" ");
}

function showCandidates() {
  const candidates = answer.result.candidates || [];
  const ids = new Set(shown.map(identity));
  const rows = candidates.slice(0, ROWS).map(candidate => {
    const row = element("tr", undefined, ids.has(identity(candidate)) ? "shown" : "");
    const label = element("td");
    label.append(element("mark", candidate.label, colour(candidate.label)));
    const probability = element("td", percent(candidate.confidence), "number");
    row.append(element("td", candidate.text), label, probability);
    if (canCorrect()) {
      const correction = element("td", undefined, "correction");
      correction.append(...candidateControls(candidate));
      row.append(correction);
    }
    return row;
  });
  const region = part("candidates-part").querySelector(".scroll");
  keepFocus(region, () => part("candidates").replaceChildren(...rows), () => region.focus());
  part("correction-head").hidden = !canCorrect();
  part("candidates-part").hidden = !candidates.length;
  const more = candidates.length - rows.length;
  part("more-candidates").textContent = more > 0 ? `and ${more} more` : "";
}

function showSequences() {
  const sequences = answer.text ? answer.result.k_best || [] : [];
  const items = sequences.map(({ probability, entities, in_set: inSet }) => {
    const item = element("li", `${percent(probability)} `, inSet === false ? "outside" : "");
    item.append(...entities.slice(0, MARKS).map(entity => marked(entity, entity.text)));
    const more = entities.length - MARKS;
    if (!entities.length) item.append(element("span", "no entities", "quiet"));
    if (more > 0) item.append(element("span", `and ${more} more`, "quiet"));
    return item;
  });
  part("sequences").replaceChildren(...items);
  part("sequences-part").hidden = !items.length;
  part("set").textContent = aboutSet(sequences);
}

// The set that contains the right one as often as it was calibrated for: the first ones
function aboutSet(sequences) {
  const n = sequences.filter(sequence => sequence.in_set).length;
  if (!n || service.coverage === null) return "";
  const isAll = n === sequences.length;
  let which = n === 1 ? "the first alone" : `the first ${n}`;
  if (isAll) which = n === SEQUENCES ? "these, and maybe more" : "all of these";
  const often = `in ${exactPercent(service.coverage)} of texts`;
  return `Sets of them contain the right one ${often}; here the set is ${which}.`;
}

const isByLabel = own => own !== null && typeof own === "object";

// The slider's left end is none if the pipeline has none. Where each label has a threshold of its
// own, the slider stands at the lowest
function ownPercent() {
  const own = service.threshold;
  if (own === null) return 0;
  return Math.round(100 * (isByLabel(own) ? Math.min(...Object.values(own)) : own));
}

function ownThreshold() {
  const inWords = own => {
    if (own === null) return "none (the best tag sequence)";
    if (!isByLabel(own)) return exactPercent(own);
    return Object.entries(own).map(([label, p]) => `${label} ${exactPercent(p)}`).join(", ");
  };
  const own = Object.entries(service.thresholds);
  const isOne = own.every(([, p]) => p === own[0][1]) || own.length === 1;
  if (isOne) return inWords(service.threshold);
  return own.map(([name, p]) => `${name} ${inWords(p)}`).join(", ");
}

function showThreshold() {
  const slider = part("threshold");
  if (threshold === null) slider.value = ownPercent();
  const words = threshold === null ? ownThreshold() : `${slider.value} %`;
  part("threshold-value").textContent = words;
  slider.setAttribute("aria-valuetext", words);
  slider.classList.toggle("stale", threshold === null);
  part("own").setAttribute("aria-pressed", String(threshold === null));
}

function showProblem(words) {
  part("problem").textContent = words;
  part("problem").hidden = !words;
}

function annotateSoon() {
  clearTimeout(timer);
  timer = setTimeout(annotate, PAUSE);
}

function changeThreshold(least) {
  threshold = least;
  showThreshold();
  if (!service.label_groups) annotateSoon();
  else if (answer) showEntities();
}

async function annotate() {
  clearTimeout(timer);
  if (running) running.abort();
  const mine = (running = new AbortController());
  const text = part("text").value;
  part("found").classList.add("stale");
  const long = setTimeout(() => { part("status").textContent = "Working"; }, PATIENCE);
  const own = threshold;
  const asked = { texts: [text] };
  const records = corrections?.records ?? [];
  if (corrections) Object.assign(asked, corrections.asked(), { tokens: true });
  if (service.knows_probabilities) asked.candidates = LEAST;
  if (service.knows_k_best) asked.k_best = SEQUENCES;
  if (own !== null && !service.label_groups) asked.threshold = own;
  try {
    const response = await post("annotate", asked, mine.signal);
    const found = await response.json();
    if (mine !== running) return; // another text is being annotated
    if (!response.ok) throw new Error(found.detail);
    const result = found.results[0];
    answer = { text, characters: Array.from(text), threshold: own, records, result };
    showProblem("");
    part("found").classList.remove("stale");
    showEntities();
    showSequences();
  } catch (error) {
    if (mine === running && error.name !== "AbortError") {
      if (answer?.text === text && answer.records !== records) withoutRefused();
      else showNothing();
      showProblem(`That did not work: ${error.message}`);
    }
  } finally {
    clearTimeout(long);
  }
}

// A correction that does not fit is taken back, and what was found before it stays
function withoutRefused() {
  corrections.restore(answer.records);
  said = "";
  part("found").classList.remove("stale");
  showCorrections();
  showEntities();
}

// What was found in another text is not to stand below a text that can't be annotated
function showNothing() {
  answer = null;
  shown = [];
  for (const id of ["found", "candidates", "sequences"]) part(id).replaceChildren();
  for (const id of ["candidates-part", "sequences-part"]) part(id).hidden = true;
  part("found").classList.remove("stale");
  part("status").textContent = "";
}

function shownAsJson() {
  return JSON.stringify({ text: answer.text, entities: shownEntities() }, null, 2);
}

// A finished task of Prodigy: all entities of the text are known
function shownForProdigy() {
  const { text, characters, result } = answer;
  const tokens = result.tokens.map(([start, end], id) => {
    const next = result.tokens[id + 1]?.[0] ?? characters.length;
    const ws = characters[end] === " " && next === end + 1;
    return { text: textAt(start, end), start, end, id, ws };
  });
  const spans = shownEntities().map(entity => ({
    start: entity.start,
    end: entity.end,
    token_start: firstToken(entity),
    token_end: lastToken(entity), // which is in it
    label: entity.label,
  }));
  return JSON.stringify({ text, tokens, _is_binary: false, spans, answer: "accept" });
}

async function docbin() {
  const entities = shownEntities().map(({ start, end, label }) => ({ start, end, label }));
  const response = await post("docbin", { texts: [answer.text], entities: [entities] });
  if (!response.ok) throw new Error((await response.json()).detail);
  const link = element("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = "annotated.spacy";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), PATIENCE);
}

const post = (path, asked, signal) => fetch(path, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(asked),
  signal,
});

// Whether what is shown is of this text and this threshold
function isAnswered() {
  if (!answer || answer.text !== part("text").value) return false;
  if (corrections && answer.records !== corrections.records) return false;
  return Boolean(service.label_groups) || answer.threshold === threshold;
}

// Give away what is shown: as a text to copy, or in another way
async function give(away, done) {
  try {
    if (!isAnswered()) await annotate();
    if (answer) await away();
    part("copied").textContent = answer ? done : "Nothing to copy";
  } catch (error) {
    part("copied").textContent = `Not ${done.toLowerCase()}: ${error.message}`;
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
  startEditor();
  part("text").addEventListener("input", () => {
    forgetCorrections();
    annotateSoon();
  });
  part("threshold").addEventListener("input", () => {
    const percent = Number(part("threshold").value);
    changeThreshold(percent === 0 ? null : percent / 100);
  });
  part("own").addEventListener("click", () => changeThreshold(null));
  const copied = make => () => give(() => copyText(make()), "Copied");
  part("copy").addEventListener("click", copied(shownAsJson));
  part("copy-prodigy").addEventListener("click", copied(shownForProdigy));
  part("save-docbin").addEventListener("click", () => give(docbin, "Saved"));
  if (part("text").value) annotate(); // what the browser kept over a reload
}

function showExamples(examples) {
  const buttons = examples.map(({ domain, text }) => {
    const button = element("button", domain);
    button.type = "button";
    button.addEventListener("click", () => {
      part("text").value = text;
      forgetCorrections();
      annotate();
    });
    return button;
  });
  part("examples").append(element("span", "Examples: ", "quiet"), ...buttons);
}

start();
