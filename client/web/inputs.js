// Fields of the form: a label and what belongs to it.
// @ts-check

import {element} from './dom.js';

/**
 * A number and a slider for it.
 * @param {string} name of the field @param {string} label
 * @param {{min: number, max: number, step: number, value: number, usual?: number}} range `usual`: how far the slider goes.
 *   `step` is the slider's; between whole numbers the number itself is free.
 */
export function range(name, label, {min, max, step, value, usual = max}) {
  const number = element('input', {type: 'number', name, id: name, min, max, step: step < 1 ? 'any' : step,
    defaultValue: value, required: true});
  const slider = element('input', {type: 'range', min, max: Math.min(usual, max), step, value, ariaLabel: label});
  slider.addEventListener('input', () => {
    number.value = slider.value;
    number.dispatchEvent(new Event('change'));
  });
  number.addEventListener('input', () => slider.value = number.value);
  return element('div', {className: 'field range'}, [element('label', {htmlFor: name, textContent: label}), number, slider]);
}

/** Whenever a number is another: by its slider, typed, or filled in. @param {HTMLElement} field @param {() => void} act */
export function onChange(field, act) {
  for (const kind of ['input', 'change']) field.querySelector('input')?.addEventListener(kind, act);
}

/** @param {string} name @param {string} label @param {{value: string, text: string}[]} choices @param {string} value */
export function choice(name, label, choices, value) {
  const select = element('select', {name, id: name}, choices.map(one =>
    element('option', {value: one.value, textContent: one.text, defaultSelected: one.value === value})));
  return element('div', {className: 'field'}, [element('label', {htmlFor: name, textContent: label}), select]);
}

/** @param {string[]} values */
export const plain = values => values.map(value => ({value, text: value}));

/** @param {string} name @param {string} label @param {object} properties */
export const input = (name, label, properties) => element('div', {className: 'field'},
  [element('label', {htmlFor: name, textContent: label}), element('input', {name, id: name, ...properties})]);

/** @param {string} name @param {string} label @param {boolean} checked */
export const check = (name, label, checked) => element('label', {className: 'field check'},
  [element('input', {type: 'checkbox', name, id: name, defaultChecked: checked}), label]);

/** @param {HTMLElement[]} two */
export const pair = (...two) => element('div', {className: 'pair'}, two);

/**
 * Fields that most will not need, folded away. @param {string} title @param {string} about a line on them
 * @param {HTMLElement[]} fields
 */
export const group = (title, about, fields) => element('details', {className: 'group'},
  [element('summary', {textContent: title}), element('p', {className: 'hint', textContent: about}), ...fields]);

/** Whether a field is as it was when it was made. @param {any} field */
const isUnchanged = field => field.type === 'checkbox' ? field.checked === field.defaultChecked
  : field.options ? [...field.options].every(one => one.selected === one.defaultSelected)
    : field.type === 'range' || field.value === field.defaultValue;

/** Unfolds the groups in which something is not as usual. */
export function openChanged() {
  for (const one of document.querySelectorAll('details.group')) {
    if (![...one.querySelectorAll('input, select')].every(isUnchanged)) one.setAttribute('open', '');
  }
}
