"use strict";
// What a person has said of spans of the text, and every state before it. A record is
// { start, end, label, text, verdict, isDeleted }: start and end count characters as the service does.
// What is rejected is no entity, while others that overlap it may be; where one is deleted, there is
// none.

const ACCEPTED = "accepted";
const REJECTED = "rejected";
const SIGNS = { [ACCEPTED]: "✓", [REJECTED]: "✗" };

const identity = span => `${span.start} ${span.end} ${span.label}`;
const doOverlap = (one, other) => one.start < other.end && other.start < one.end;

class Corrections {
  #steps = [[]];

  // mayOverlap: whether entities of different labels may
  constructor(mayOverlap) {
    this.mayOverlap = mayOverlap;
  }

  get records() {
    return this.#steps.at(-1);
  }

  get canUndo() {
    return this.#steps.length > 1;
  }

  verdictOf(span) {
    return this.records.find(record => identity(record) === identity(span))?.verdict ?? null;
  }

  judge(span, verdict, isDeleted = false) {
    this.#steps.push(this.#judged(this.records, span, verdict, isDeleted));
  }

  // Another label, or another start or end, for an entity
  replace(old, span) {
    let records = this.records.filter(record => identity(record) !== identity(old));
    // Only where labels may overlap does the old one not go by itself
    const stays = this.mayOverlap && old.label !== span.label;
    if (stays) records = this.#judged(records, old, REJECTED);
    this.#steps.push(this.#judged(records, span, ACCEPTED));
  }

  takeBack(span) {
    this.#steps.push(this.records.filter(record => identity(record) !== identity(span)));
  }

  takeAllBack() {
    this.#steps.push([]);
  }

  undo() {
    if (this.canUndo) this.#steps.pop();
  }

  // Back to records that the service has taken
  restore(records) {
    while (this.canUndo && this.records !== records) this.#steps.pop();
  }

  forget() {
    this.#steps = [[]];
  }

  // As a request for one text has them
  asked() {
    const of = verdict => this.records
      .filter(record => record.verdict === verdict)
      .map(({ start, end, label, isDeleted }) => ({ start, end, label: isDeleted ? null : label }));
    return { fixed: [of(ACCEPTED)], rejected: [of(REJECTED)] };
  }

  #judged(records, { start, end, label, text }, verdict, isDeleted = false) {
    const made = { start, end, label, text, verdict, isDeleted };
    const contradicts = record => {
      if (identity(record) === identity(made)) return true;
      if (record.isDeleted || isDeleted) {
        return record.verdict !== verdict && doOverlap(record, made);
      }
      const areBoth = record.verdict === ACCEPTED && verdict === ACCEPTED;
      return areBoth && doOverlap(record, made) && !(this.mayOverlap && record.label !== label);
    };
    const kept = records.filter(record => !contradicts(record));
    return [...kept, made].sort((a, b) => a.start - b.start || b.end - a.end);
  }
}
