// The form's fields, built from what a model says of itself.
// @ts-check

import {byId, element} from './dom.js';
import {say} from './texts.js';
import {currentSource} from './source.js';

/** @type {any} */
let shown = null;

/** A range with its value beside its name. @param {string} name @param {number} min @param {number} max @param {number} step @param {number} value */
function range(name, min, max, step, value) {
  const output = element('output', {textContent: String(value)});
  const input = element('input', {type: 'range', name, id: name, min, max, step, value});
  input.addEventListener('input', () => output.textContent = input.value);
  return element('div', {className: 'field'}, [element('label', {htmlFor: name}, [say(name), output]), input]);
}

/** @param {string} name @param {string[]} choices @param {string} value */
function choice(name, choices, value) {
  const select = element('select', {name, id: name}, choices.map(one => element('option', {value: one, textContent: one})));
  select.value = value;
  return element('div', {className: 'field'}, [element('label', {htmlFor: name, textContent: say(name)}), select]);
}

/** @param {string} name @param {object} properties */
const input = (name, properties) => element('div', {className: 'field'},
  [element('label', {htmlFor: name, textContent: say(name)}), element('input', {name, id: name, ...properties})]);

/** @param {HTMLElement[]} two */
const pair = (...two) => element('div', {className: 'pair'}, two);

/** @param {any} model */
function sizes(model) {
  const width = range('width', model.sizeMultiple, model.maxWidth, model.sizeMultiple, model.defaultWidth);
  const height = range('height', model.sizeMultiple, model.maxHeight, model.sizeMultiple, model.defaultHeight);
  return model.maxWidth > model.sizeMultiple || model.maxHeight > model.sizeMultiple ? [pair(width, height)] : [];
}

/** Shows the fields of a model, with its own defaults. @param {any} model */
export function showFields(model) {
  shown = model;
  const more = [
    pair(choice('sampler', model.samplers.map((/** @type {any} */ one) => one.name), model.defaultSampler),
      input('seed', {type: 'number', min: 0, placeholder: say('seedHint')})),
    ...(model.takesPrompt ? [range('guidance', 1, 20, 0.5, model.defaultGuidance || 1)] : []),
    ...(model.takesNegativePrompt ? [input('negative', {type: 'text', maxLength: 8192})] : []),
    choice('format', ['PNG', 'JPEG', 'WEBP'], 'PNG'),
    ...(model.loras.length ? [choice('loras', ['', ...model.loras], '')] : []),
  ];
  const fields = [
    ...(model.classCount ? [model.classNames.length ? choice('classLabel', model.classNames, model.classNames[0])
      : input('classLabel', {type: 'number', min: 0, max: model.classCount - 1, value: 0})] : []),
    ...sizes(model),
    pair(range('steps', 1, Math.min(model.maxSteps, 150), 1, model.defaultSteps), range('count', 1, 8, 1, 1)),
    element('details', {}, [element('summary', {textContent: say('more')}), ...more]),
  ];
  byId('prompt').closest('.field').hidden = !model.takesPrompt;
  byId('fields').replaceChildren(...fields);
}

/** What the form asks for, as a mind.v1.JobRequest in JSON. */
export function requestOf() {
  const form = byId('request');
  /** @param {string} name */
  const value = name => form.elements[name]?.value ?? '';
  /** @type {any} */
  const spec = {
    model: shown.name,
    steps: Number(value('steps')), sampler: value('sampler'), imageCount: Number(value('count')),
    format: `IMAGE_FORMAT_${value('format')}`,
    ...currentSource(),
  };
  if (value('width')) Object.assign(spec, {width: Number(value('width')), height: Number(value('height'))});
  if (shown.takesPrompt) Object.assign(spec, {prompt: value('prompt'), guidance: Number(value('guidance'))});
  if (value('negative')) spec.negativePrompt = value('negative');
  if (value('seed') !== '') spec.seed = value('seed');
  if (value('classLabel') !== '') spec.classLabel = value('classLabel');
  if (value('loras')) spec.loras = [{name: value('loras')}];
  return {spec, priority: 'PRIORITY_HIGH'};
}

/** Puts a spec's values back into the form, as far as it has fields for them. @param {any} spec */
export function fillFields(spec) {
  const values = {prompt: spec.prompt, negative: spec.negativePrompt, width: spec.width, height: spec.height, steps: spec.steps,
    guidance: spec.guidance, sampler: spec.sampler, seed: spec.seed, classLabel: spec.classLabel};
  for (const [name, value] of Object.entries(values)) {
    const field = byId('request').elements[name];
    if (!field || value === undefined) continue;
    field.value = value;
    field.dispatchEvent(new Event('input'));
  }
}
