// The form's fields, built from what a model and its samplers say of themselves.
// @ts-check

import * as api from './api.js';
import {byId, element} from './dom.js';
import {guidanceFields, guidanceOf, guidanceValues} from './guidance.js';
import {hiresFields, hiresOf, hiresValues, limitHires} from './hires.js';
import {choice, input, onChange, openChanged, pair, plain, range} from './inputs.js';
import {referenceFields, referencesOf} from './references.js';
import {currentSource, fillSource} from './source.js';
import {say} from './texts.js';

// What a slider reaches; the number beside it goes as far as the server does.
const USUAL_STEPS = 150;
const USUAL_GUIDANCE = 20;
const MOST_GUIDANCE = 100;
const MOST_PICTURES = 16;
const LORA_SCALE = 2;

/** @type {any} */
let shown = null;
/** The shown model's samplers, as mind.v1.Sampler in JSON. @type {any[]} */
let samplers = [];
/** By model, so that choosing one again asks nothing. @type {Map<string, any[]>} */
const known = new Map();

/** @param {any} model */
function sizes(model) {
  /** @param {string} name @param {number} max @param {number} value */
  const side = (name, max, value) => {
    const field = range(name, say(name), {min: model.sizeMultiple, max, step: model.sizeMultiple, value});
    onChange(field, () => limitHires(model, byId('request').elements));
    return field;
  };
  return model.maxWidth > model.sizeMultiple || model.maxHeight > model.sizeMultiple
    ? [pair(side('width', model.maxWidth, model.defaultWidth), side('height', model.maxHeight, model.defaultHeight))] : [];
}

/** @param {any} model */
function classes(model) {
  if (!model.classCount) return [];
  return [model.classNames.length ? choice('classLabel', say('classLabel'), plain(model.classNames), model.classNames[0])
    : input('classLabel', say('classLabel'), {type: 'number', min: 0, max: model.classCount - 1, value: 0})];
}

/** The autoencoders beside it that fit; the first choice is its own. @param {any} model */
function vaes(model) {
  const names = (model.vaes ?? []).filter((/** @type {any} */ one) => !one.unfit).map((/** @type {any} */ one) => one.name);
  return names.length ? [choice('vae', say('vae'), [{value: '', text: say('vaeOwn')}, ...plain(names)], '')] : [];
}

/** A field for something that a sampler can be told. @param {any} parameter a mind.v1.SamplerParameter in JSON */
function parameterField(parameter) {
  const name = `parameter-${parameter.name}`;
  const {kind, min, max, defaultValue} = parameter;
  const made = kind === 'PARAMETER_KIND_FLAG'
    ? choice(name, parameter.name, plain(['true', 'false']), String(defaultValue))
    : kind === 'PARAMETER_KIND_CHOICE' ? choice(name, parameter.name, plain(parameter.choices), String(defaultValue))
      : input(name, parameter.name, kind === 'PARAMETER_KIND_NUMBERS'
        ? {type: 'text', placeholder: say('numbers', {min, max})}
        : {type: 'number', min, max, step: kind === 'PARAMETER_KIND_INTEGER' ? 1 : 'any', placeholder: String(defaultValue ?? '')});
  const field = made.querySelector('input, select');
  field.dataset.parameter = parameter.name;
  field.dataset.kind = kind;
  field.dataset.usual = String(defaultValue ?? '');
  field.setAttribute('aria-describedby', `${name}-about`);
  made.append(element('p', {className: 'hint', id: `${name}-about`, textContent: parameter.description}));
  return made;
}

/** Shows what the chosen sampler can be told. */
function showParameters() {
  const sampler = samplers.find(one => one.name === byId('sampler').value);
  byId('sampler-about').textContent = sampler?.description ?? '';
  byId('parameters').replaceChildren(...(sampler?.parameters ?? []).map(parameterField));
}

/** @param {any} model */
async function loadSamplers(model) {
  if (!known.has(model.name)) known.set(model.name, (await api.samplers(model.name)).samplers);
  if (shown !== model) return;  // another has been chosen meanwhile
  samplers = known.get(model.name) ?? [];
  showParameters();
}

/** Shows the fields of a model, with its own defaults. @param {any} model @returns {Promise<void>} when its samplers are known */
export function showFields(model) {
  shown = model;
  samplers = known.get(model.name) ?? [];
  const names = plain(model.samplers.map((/** @type {any} */ one) => one.name));
  const more = [
    input('seed', say('seed'), {type: 'number', min: 0, placeholder: say('seedHint')}),
    ...(model.takesVariation ? [range('variation', say('variation'), {min: 0, max: 1, step: 0.05, value: 0}),
      input('variationSeed', say('variationSeed'), {type: 'number', min: 0, placeholder: say('seedHint')})] : []),
    ...(model.takesPrompt ? [range('guidance', say('guidance'),
      {min: 0, max: MOST_GUIDANCE, step: 0.5, value: model.defaultGuidance || 1, usual: USUAL_GUIDANCE})] : []),
    ...(model.takesNegativePrompt ? [input('negative', say('negative'), {type: 'text', maxLength: 8192})] : []),
    ...guidanceFields(model),
    ...(model.maxClipSkip ? [range('clipSkip', say('clipSkip'), {min: 0, max: model.maxClipSkip, step: 1, value: 0})] : []),
    ...(model.maxNoiseLevel ? [range('noiseLevel', say('noiseLevel'), {min: 0, max: model.maxNoiseLevel, step: 1, value: 20})] : []),
    ...hiresFields(model), ...vaes(model),
    ...(model.takesTiling ? [choice('tiling', say('tiling'), [{value: '', text: say('no')}, {value: 'true', text: say('yes')}], '')] : []),
    ...model.loras.map((/** @type {string} */ lora) =>
      range(`lora-${lora}`, say('lora', {name: lora}), {min: -LORA_SCALE, max: LORA_SCALE, step: 0.05, value: 0})),
    ...referenceFields(model),
    choice('format', say('format'), plain(['PNG', 'JPEG', 'WEBP']), 'PNG'),
    choice('sampler', say('sampler'), names, model.defaultSampler),
    element('p', {className: 'hint', id: 'sampler-about'}),
    element('div', {id: 'parameters', className: 'parameters'}),
  ];
  const open = document.querySelector('#fields details')?.hasAttribute('open') ?? false;
  byId('prompt').closest('.field').hidden = !model.takesPrompt;
  byId('fields').replaceChildren(
    ...classes(model), ...sizes(model),
    pair(range('steps', say('steps'), {min: 1, max: model.maxSteps, step: 1, value: model.defaultSteps, usual: USUAL_STEPS}),
      range('count', say('count'), {min: 1, max: MOST_PICTURES, step: 1, value: 1, usual: 8})),
    element('details', {open}, [element('summary', {textContent: say('more')}), ...more]));
  byId('sampler').addEventListener('change', showParameters);
  limitHires(model, byId('request').elements);
  return loadSamplers(model);
}

/** What the sampler is told where the form says something else than its default. */
function parametersOf() {
  /** @type {Record<string, any>} */
  const told = {};
  for (const field of document.querySelectorAll('[data-parameter]')) {
    const {value, dataset} = /** @type {HTMLInputElement} */ (field);
    if (value.trim() === '' || value === dataset.usual) continue;
    told[dataset.parameter ?? ''] = dataset.kind === 'PARAMETER_KIND_FLAG' ? value === 'true'
      : dataset.kind === 'PARAMETER_KIND_CHOICE' ? value
        : dataset.kind === 'PARAMETER_KIND_NUMBERS' ? value.split(/[\s,]+/).filter(Boolean).map(Number) : Number(value);
  }
  return told;
}

/** What the form asks for, as a mind.v1.JobRequest in JSON. */
export function requestOf() {
  const form = byId('request');
  /** @param {string} name */
  const value = name => form.elements[name]?.value ?? '';
  const samplerParameters = parametersOf();
  const listed = Object.values(samplerParameters).some(Array.isArray);  // which says how many steps there are
  /** @type {any} */
  const spec = {
    model: shown.name, sampler: value('sampler'), samplerParameters, imageCount: Number(value('count')),
    format: `IMAGE_FORMAT_${value('format')}`, ...(listed ? {} : {steps: Number(value('steps'))}), ...currentSource(), ...guidanceOf(value), ...referencesOf(shown),
  };
  if (shown.takesPrompt) spec.prompt = value('prompt');
  for (const name of ['width', 'height', 'guidance', 'clipSkip', 'noiseLevel']) {
    if (value(name) !== '') spec[name] = Number(value(name));
  }
  if (!spec.sourceImage) Object.assign(spec, hiresOf(value));
  if (value('tiling')) spec.tiling = true;
  if (value('vae')) spec.vae = value('vae');
  if (value('negative')) spec.negativePrompt = value('negative');
  if (value('seed') !== '') spec.seed = value('seed');
  const variation = Number(value('variation'));
  if (variation > 0) spec.variation = {strength: variation, ...(value('variationSeed') === '' ? {} : {seed: value('variationSeed')})};
  if (value('classLabel') !== '') spec.classLabel = value('classLabel');
  spec.loras = shown.loras.map((/** @type {string} */ name) => ({name, scale: Number(value(`lora-${name}`))}))
    .filter((/** @type {any} */ lora) => lora.scale !== 0);
  return {spec, priority: 'PRIORITY_HIGH'};
}

/** A sampler of the shown model by any of its names. @param {string} name */
function samplerNamed(name) {
  const is = (/** @type {string} */ one) => one.toLowerCase() === name.toLowerCase();
  return samplers.find(one => is(one.name) || one.aliases.some(is))?.name;
}

/** Puts a spec's values back into the form, as far as it has fields for them. REQUIRES: showFields is through. @param {any} spec */
export function fillFields(spec) {
  const fields = byId('request').elements;
  const sampler = spec.sampler && samplerNamed(spec.sampler);
  const loras = Object.fromEntries((spec.loras ?? []).map((/** @type {any} */ one) => [`lora-${one.name}`, one.scale]));
  const values = {prompt: spec.prompt, negative: spec.negativePrompt, width: spec.width, height: spec.height, steps: spec.steps,
    guidance: spec.guidance, clipSkip: spec.clipSkip, noiseLevel: spec.noiseLevel,
    ...guidanceValues(spec), ...hiresValues(spec), tiling: spec.tiling ? 'true' : '', vae: spec.vae ?? '', sampler, seed: spec.seed,
    variation: spec.variation?.strength ?? 0, variationSeed: spec.variation?.seed ?? '', classLabel: spec.classLabel, ...loras};
  for (const [name, value] of Object.entries(values)) {
    if (!fields[name] || value === undefined) continue;
    fields[name].value = value;
    fields[name].dispatchEvent(new Event('input'));
  }
  fillSource(spec);
  openChanged();
  showParameters();
  for (const [name, value] of Object.entries(spec.samplerParameters ?? {})) {
    const field = fields[`parameter-${name}`];
    if (field) field.value = Array.isArray(value) ? value.join(', ') : String(value);
  }
}
