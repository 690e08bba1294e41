"use strict";
// Correcting on the page: words and entities that mouse and keyboard reach, and the toolbar. What is
// done here becomes a record of `corrections`, then a request, and then all is shown anew.

let corrections = null; // if the pipeline's entities can be corrected
let cursor = { token: 0, entity: null }; // where the keyboard is; entity: its identity, on its button
let picked = null; // { anchor, head }: tokens of a new span
let edited = null; // the span whose toolbar is open; label null: a new one
let before = null; // identities of what was shown before a correction, until the answer to it is shown
let said = ""; // of the last correction, until the answer to it is shown

const canCorrect = () => Boolean(corrections && answer?.result.tokens);
// Not on what was found in another text, which is about to be replaced
const isCurrent = () => canCorrect() && answer.text === part("text").value;
const correctedLabels = () => service.labels.filter(
  label => !service.label_groups || service.label_groups.flat().includes(label),
);
const isCorrectable = entity => canCorrect() && entity.confidence !== null;
const textAt = (start, end) => answer.characters.slice(start, end).join("");
const isWord = token => Boolean(textAt(...answer.result.tokens[token]).trim());

function named(node, name) {
  node.setAttribute("aria-label", name);
  node.title = name;
  node.dataset.name = name;
  return node;
}

// What is shown anew keeps the focus: on the control of the same name, or else somewhere near
function keepFocus(container, show, otherwise = focusCursor) {
  const had = container.contains(document.activeElement) ? document.activeElement : null;
  const { name } = had?.dataset ?? {};
  show();
  if (!had || (had.isConnected && had.checkVisibility())) return;
  const again = name && [...container.querySelectorAll("[data-name]")]
    .find(node => node.dataset.name === name && node.checkVisibility());
  if (again) again.focus();
  else otherwise();
}

// Words

// The first token that begins at a character or after it
function tokenFrom(character) {
  const { tokens } = answer.result;
  let low = 0;
  let high = tokens.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (tokens[middle][0] < character) low = middle + 1;
    else high = middle;
  }
  return low;
}

const firstToken = span => tokenFrom(span.start);
const lastToken = span => tokenFrom(span.end) - 1;

// A stretch of the text, its words as elements that can be picked
function wordsOf(from, to) {
  if (!canCorrect()) return [textAt(from, to)];
  const { tokens } = answer.result;
  const pieces = [];
  let position = from;
  for (let i = tokenFrom(from); i < tokens.length && tokens[i][1] <= to; i += 1) {
    const [start, end] = tokens[i];
    if (!isWord(i)) continue;
    pieces.push(textAt(position, start), asWord(element("span", textAt(start, end)), i));
    position = end;
  }
  return [...pieces, textAt(position, to)];
}

function asWord(node, token) {
  node.classList.add("token");
  node.dataset.token = token;
  return node;
}

// Whether it is a consequence of the last correction
const isNew = entity => changed.has(identity(entity)) && !corrections.verdictOf(entity);

// Let a mark, or a part of a bar, say which entity it is of
function asPart(node, entity) {
  if (!canCorrect()) return node;
  node.dataset.entity = identity(entity);
  node.classList.toggle("accepted", corrections.verdictOf(entity) === ACCEPTED);
  node.classList.toggle("new", isNew(entity));
  return node;
}

// Make an entity's mark a button
function asButton(mark, entity) {
  asPart(mark, entity);
  if (!isCorrectable(entity)) return mark;
  const verdict = corrections.verdictOf(entity);
  mark.setAttribute("role", "button");
  mark.setAttribute("aria-haspopup", "true");
  mark.tabIndex = -1;
  named(mark, [spoken(entity), verdict, isNew(entity) && "new"].filter(Boolean).join(", "));
  if (verdict) mark.querySelector("b").prepend(`${SIGNS[verdict]} `);
  return mark;
}

const entityNode = id => part("found").querySelector(`mark[data-entity="${CSS.escape(id)}"]`);
const entityOf = node => shown.find(entity => identity(entity) === node?.dataset.entity) ?? null;

// The node that shows a token: a word, or the mark of an entity that it is in
function nodeOf(token) {
  const word = part("found").querySelector(`[data-token="${token}"]`);
  if (word) return word;
  const [start] = answer.result.tokens[token] ?? [0];
  const around = shown.find(entity => entity.start <= start && start < entity.end);
  return around ? entityNode(identity(around)) : null;
}

const cursorNode = () => (cursor.entity && entityNode(cursor.entity)) || nodeOf(cursor.token);

// One tab stop for the whole text, where the cursor is
function showCursor() {
  for (const node of part("found").querySelectorAll('[tabindex="0"]')) {
    node.tabIndex = -1;
    if (!node.dataset.name) {
      node.removeAttribute("role");
      node.removeAttribute("tabindex");
    }
  }
  if (!canCorrect()) return;
  const node = cursorNode() ?? part("found").querySelector("[data-entity], [data-token]");
  if (!node) return;
  node.tabIndex = 0;
  node.setAttribute("role", "button"); // a word is one only while the cursor is there
}

function focusCursor() {
  showCursor();
  (part("found").querySelector('[tabindex="0"]') ?? part("text")).focus();
}

function moveTo(token, entity = null) {
  cursor = { token, entity };
  if (!entity) {
    const there = entityOf(nodeOf(token));
    if (there) cursor.entity = identity(there);
  }
  focusCursor();
}

function nextWord(token, step) {
  const { tokens } = answer.result;
  let next = token + step;
  while (next >= 0 && next < tokens.length && !isWord(next)) next += step;
  return next >= 0 && next < tokens.length ? next : null;
}

// The word before or after what the cursor is on
function besideCursor(step) {
  const entity = entityOf(cursorNode());
  const isWhole = entity && nodeOf(firstToken(entity)) === cursorNode(); // its words are in it
  if (!isWhole) return nextWord(cursor.token, step);
  return nextWord(step > 0 ? lastToken(entity) : firstToken(entity), step);
}

function entityBeside(step) {
  const there = shown.filter(isCorrectable);
  const at = there.indexOf(entityOf(cursorNode()));
  if (at >= 0) return there[at + step];
  return step > 0
    ? there.find(entity => firstToken(entity) > cursor.token)
    : there.findLast(entity => firstToken(entity) < cursor.token);
}

// New spans

function pickedSpan() {
  const [first, last] = [picked.anchor, picked.head].sort((a, b) => a - b);
  const { tokens } = answer.result;
  const [start, end] = [tokens[first][0], tokens[last][1]];
  return { start, end, label: null, text: textAt(start, end), confidence: null };
}

function showPicked() {
  for (const node of part("found").querySelectorAll(".picked")) node.classList.remove("picked");
  if (!picked) return;
  const span = pickedSpan();
  const [first, last] = [firstToken(span), lastToken(span)];
  for (let token = first; token <= last; token += 1) nodeOf(token)?.classList.add("picked");
}

function pick(anchor, head, hint = "") {
  picked = { anchor, head };
  showPicked();
  const span = pickedSpan();
  part("status").textContent = `“${span.text}” is selected.${hint}`;
  return span;
}

function pickNothing() {
  if (!picked) return;
  picked = null;
  showPicked();
  showCount();
}

// The toolbar

function openEditor(span, takesFocus) {
  edited = span;
  showEditor();
  if (takesFocus) part("editor").querySelector("button").focus();
}

function closeEditor() {
  edited = null;
  pickNothing();
  keepFocus(part("editor"), showEditor);
}

function control(name, words, act, { isPressed, isIdle = false, kind } = {}) {
  const button = named(element("button", words, kind), name);
  button.type = "button";
  button.tabIndex = -1;
  if (isPressed !== undefined) button.setAttribute("aria-pressed", String(isPressed));
  if (isIdle) button.setAttribute("aria-disabled", "true");
  button.addEventListener("click", () => { if (!isIdle) act(); });
  return button;
}

function group(name, ...controls) {
  const made = element("span", undefined, "group");
  made.setAttribute("role", "group");
  made.setAttribute("aria-label", name);
  made.append(element("span", name, "quiet"), ...controls);
  return made;
}

function showEditor() {
  const editor = part("editor");
  editor.hidden = !edited;
  for (const node of part("found").querySelectorAll(".edited")) node.classList.remove("edited");
  document.documentElement.style.scrollPaddingBottom = "";
  if (!edited) {
    editor.replaceChildren();
    return;
  }
  const span = edited;
  const isAdded = span.label === null;
  if (!isAdded) entityNode(identity(span))?.classList.add("edited");
  const what = isAdded ? `“${span.text}”` : `“${span.text}”, ${span.label}`;
  editor.setAttribute("aria-label", isAdded ? `Add ${what}` : `Correct ${what}`);
  const parts = [element("b", isAdded ? `${what}: new` : what, "what")];
  if (!isAdded) parts.push(element("span", undefined, "group"));
  if (!isAdded) parts.at(-1).append(...verdictControls(span));
  parts.push(group("Label", ...correctedLabels().map(label => {
    const act = () => { closeEditor(); relabel(span, label); };
    const isPressed = label === span.label;
    return control(label, label, act, { isPressed, kind: colour(label) });
  })));
  if (!isAdded) {
    parts.push(group("Start", resizer(span, "start", -1), resizer(span, "start", 1)));
    parts.push(group("End", resizer(span, "end", -1), resizer(span, "end", 1)));
  }
  parts.push(control("Close", "Close", closeEditor));
  editor.replaceChildren(...parts);
  editor.querySelector("button").tabIndex = 0;
  // What is corrected is not to be behind the toolbar
  document.documentElement.style.scrollPaddingBottom = `${editor.offsetHeight}px`;
  part("found").querySelector(".edited, .picked")?.scrollIntoView({ block: "nearest" });
}

const VERDICTS = [["Accept", ACCEPTED], ["Reject", REJECTED]];

// Accept and reject; what is pressed already is taken back
function verdictControls(span) {
  const now = corrections.verdictOf(span);
  return VERDICTS.map(([word, verdict]) => {
    const act = () => {
      closeEditor();
      // Or a variant with one word more or less would often take its place
      const isDeleted = verdict === REJECTED && !corrections.mayOverlap;
      judge(span, now === verdict ? null : verdict, isDeleted);
    };
    return control(word, `${SIGNS[verdict]} ${word}`, act, { isPressed: now === verdict });
  });
}

// The same in the row of a candidate
function candidateControls(span) {
  const now = corrections.verdictOf(span);
  return VERDICTS.map(([word, verdict]) => {
    const act = () => judge(span, now === verdict ? null : verdict);
    const name = `${word} ${span.text}, ${span.label}`;
    const button = control(name, SIGNS[verdict], act, { isPressed: now === verdict });
    button.tabIndex = 0;
    return button;
  });
}

function resizer(span, edge, step) {
  const name = `${edge === "start" ? "Start" : "End"} ${step < 0 ? "earlier" : "later"}`;
  const act = () => resize(span, edge, step, true);
  // Left and right are earlier and later in most scripts
  return control(name, isFromRight() === step < 0 ? "→" : "←", act, {
    isIdle: !resized(span, edge, step),
  });
}

const isFromRight = () => getComputedStyle(part("found")).direction === "rtl";

// Its first or last word moved; null where it can't be
function resized(span, edge, step) {
  const { tokens } = answer.result;
  let [first, last] = [firstToken(span), lastToken(span)];
  if (edge === "start") first = nextWord(first, step);
  else last = nextWord(last, step);
  if (first === null || last === null || first > last) return null;
  const [start, end] = [tokens[first][0], tokens[last][1]];
  return { ...span, start, end, text: textAt(start, end) };
}

// After all is shown anew
function showEditing() {
  if (!corrections) return;
  const isShown = edited && shown.some(entity => identity(entity) === identity(edited));
  if (edited && edited.label !== null) {
    edited = isShown ? shown.find(entity => identity(entity) === identity(edited)) : null;
  }
  showPicked();
  keepFocus(part("editor"), showEditor);
  showCursor();
}

// What corrects

function correct(change, words, next) {
  if (!isCurrent()) return;
  before = new Set(shown.map(identity));
  change();
  said = words;
  if (next) cursor = { token: firstToken(next), entity: next.label && identity(next) };
  showCorrections();
  annotate();
}

function judge(span, verdict, isDeleted = false) {
  const words = `${span.text}, ${span.label}: ${verdict ?? "correction taken back"}.`;
  correct(() => {
    if (verdict) corrections.judge(span, verdict, isDeleted);
    else corrections.takeBack(span);
  }, words, span);
}

function relabel(span, label) {
  const next = { ...span, label };
  const isSame = label === span.label;
  const words = `${span.text}: ${label}, accepted.`;
  correct(() => {
    if (span.label === null || isSame) corrections.judge(next, ACCEPTED);
    else corrections.replace(span, next);
  }, words, next);
}

function resize(span, edge, step, staysOpen = false) {
  const next = resized(span, edge, step);
  if (!next) return;
  if (staysOpen) edited = next;
  correct(() => corrections.replace(span, next), `${next.text}, ${next.label}: accepted.`, next);
  if (staysOpen) keepFocus(part("editor"), showEditor);
}

function undo() {
  if (!corrections?.canUndo || !isCurrent()) return;
  closeEditor();
  correct(() => corrections.undo(), "Undone.");
}

function showCorrections() {
  const { records } = corrections;
  keepFocus(part("corrections-part"), () => {
    part("corrections-part").hidden = !corrections.canUndo;
    part("start-again").hidden = !records.length;
    part("corrections").replaceChildren(...records.map(record => {
      const item = element("li", `${SIGNS[record.verdict]} ${record.text} `);
      const name = `Take back: ${record.text}, ${record.label}, ${record.verdict}`;
      const button = control(name, "Take back", () => judge(record, null));
      button.tabIndex = 0;
      const label = element("mark", record.label, colour(record.label));
      item.append(label, ` ${record.verdict} `, button);
      return item;
    }));
  }, () => (part("undo").checkVisibility() ? part("undo").focus() : focusCursor()));
}

function forgetCorrections() {
  if (!corrections) return;
  const had = corrections.records.length;
  corrections.forget();
  said = had ? "The text has changed: corrections are cleared." : "";
  [cursor, picked, edited] = [{ token: 0, entity: null }, null, null];
  [before, changed] = [null, new Set()];
  showEditor();
  showCorrections();
}

// Mouse and keys

function clickText(event) {
  if (!isCurrent()) return;
  const node = event.target.closest("[data-entity], [data-token]");
  if (!node) return;
  const entity = entityOf(node);
  const opens = entity && isCorrectable(entity) && !event.shiftKey;
  const isByKey = event.detail === 0; // as a screen reader clicks
  const token = entity ? firstToken(entity) : Number(node.dataset.token);
  if (opens) {
    pickNothing();
    moveTo(token, identity(entity));
    openEditor(entity, isByKey);
    return;
  }
  const last = entity ? lastToken(entity) : token;
  const from = picked ?? (event.shiftKey ? { anchor: cursor.token, head: cursor.token } : null);
  const [low, high] = from ? [from.anchor, from.head].sort((a, b) => a - b) : [0, -1];
  const isWithin = low <= token && token <= high;
  const anchor = from && !isWithin ? from.anchor : token;
  moveTo(token);
  openEditor(pick(anchor, token < anchor ? token : last), isByKey);
}

function pressInText(event) {
  if (!isCurrent() || event.altKey || event.metaKey) return;
  const { key, shiftKey, ctrlKey } = event;
  const [back, on] = isFromRight() ? ["ArrowRight", "ArrowLeft"] : ["ArrowLeft", "ArrowRight"];
  const step = { [back]: -1, [on]: 1 }[key];
  const there = entityOf(cursorNode());
  const entity = there && isCorrectable(there) ? there : null;
  if (step && shiftKey) {
    if (picked || !entity) extend(step);
    else resize(entity, ctrlKey ? "start" : "end", step);
  } else if (step && !ctrlKey) leaveFor(besideCursor(step));
  else if (key === "ArrowUp" || key === "ArrowDown") {
    const next = entityBeside(key === "ArrowUp" ? -1 : 1);
    if (next) leaveFor(firstToken(next), identity(next));
  } else if (key === "Home") leaveFor(nextWord(-1, 1));
  else if (key === "End") leaveFor(nextWord(answer.result.tokens.length, -1));
  else if (key === "Enter" || key === " ") {
    if (!picked && entity) openEditor(entity, true);
    else openEditor(picked ? pickedSpan() : pick(cursor.token, cursor.token), true);
  } else if (key === "Escape") closeEditor();
  else return;
  event.preventDefault();
}

function leaveFor(token, entity) {
  if (token === null) return;
  closeEditor();
  moveTo(token, entity);
}

function extend(step) {
  const { anchor, head } = picked ?? { anchor: cursor.token, head: cursor.token };
  const next = nextWord(head, step);
  if (next === null) return;
  moveTo(next);
  pick(anchor, next, " Press Enter to choose a label.");
}

// A toolbar has one tab stop, and arrows from one control to another
function pressInEditor(event) {
  const buttons = [...part("editor").querySelectorAll("button")];
  const at = buttons.indexOf(document.activeElement);
  const next = {
    ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1,
    Home: 0, End: buttons.length - 1,
  }[event.key];
  if (event.key === "Escape") closeEditor();
  else if (next === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
  else {
    const button = buttons.at(next % buttons.length);
    for (const each of buttons) each.tabIndex = each === button ? 0 : -1;
    button.focus();
  }
  event.preventDefault();
}

function pressAnywhere(event) {
  const isUndo = (event.ctrlKey || event.metaKey) && !event.shiftKey && event.key === "z";
  if (!isUndo || document.activeElement === part("text")) return;
  event.preventDefault();
  undo();
}

function startEditor() {
  if (!service.knows_corrections) return;
  // A pipeline that knows tag sequences is of a bilstm_crf_ner, whose entities don't overlap
  corrections = new Corrections(!service.knows_k_best);
  for (const id of ["how", "copy-prodigy"]) part(id).hidden = false;
  part("found").addEventListener("click", clickText);
  part("found").addEventListener("keydown", pressInText);
  part("editor").addEventListener("keydown", pressInEditor);
  part("undo").addEventListener("click", undo);
  part("start-again").addEventListener("click", () => {
    closeEditor();
    correct(() => corrections.takeAllBack(), "All corrections are taken back.");
  });
  document.addEventListener("keydown", pressAnywhere);
}
