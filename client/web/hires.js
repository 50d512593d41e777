// A second pass over the picture, enlarged: how large, and how it goes.
// @ts-check

import {element} from './dom.js';
import {choice, group, input, onChange, range} from './inputs.js';
import {say} from './texts.js';

const MOST_SCALE = 8;
const USUAL_SCALE = 4;
const STRENGTH = 0.7;

/** @param {any} model */
export function hiresFields(model) {
  if (!model.takesHires) return [];
  const scale = range('hires', say('hires'), {min: 1, max: MOST_SCALE, step: 0.25, value: 1, usual: USUAL_SCALE});
  const rest = element('div', {hidden: true}, [
    input('hiresSteps', say('hiresSteps'), {type: 'number', min: 1, max: model.maxSteps, placeholder: say('hiresStepsHint')}),
    range('hiresStrength', say('hiresStrength'), {min: 0.05, max: 1, step: 0.05, value: STRENGTH}),
    choice('hiresUpscaler', say('hiresUpscaler'),
      ['LATENT', 'LANCZOS'].map(value => ({value, text: say(`HIRES_UPSCALER_${value}`)})), 'LATENT'),
  ]);
  onChange(scale, () => rest.hidden = !(Number(scale.querySelector('input').value) > 1));
  return [group(say('hiresGroup'), say('hiresAbout'), [scale, rest])];
}

/** The most that the model's sizes leave room for. @param {any} model @param {any} elements of the form */
export function limitHires(model, elements) {
  if (!elements.hires) return;
  const room = (/** @type {number} */ most, /** @type {number} */ usual, /** @type {any} */ field) => most / (Number(field?.value) || usual);
  const most = Math.max(1, Math.min(MOST_SCALE, room(model.maxWidth, model.defaultWidth, elements.width),
    room(model.maxHeight, model.defaultHeight, elements.height)));
  const slider = elements.hires.parentElement.querySelector('input[type=range]');
  elements.hires.max = String(most);
  slider.max = String(Math.max(Math.min(USUAL_SCALE, most), 1));
  slider.disabled = most === 1;
}

/** Its field of a spec. @param {(name: string) => string} value of the form */
export function hiresOf(value) {
  const scale = Number(value('hires'));
  if (!(scale > 1)) return {};
  const steps = value('hiresSteps');
  return {hires: {scale, strength: Number(value('hiresStrength')), upscaler: `HIRES_UPSCALER_${value('hiresUpscaler')}`,
    ...(steps === '' ? {} : {steps: Number(steps)})}};
}

/** What a spec puts into the form. @param {any} spec */
export function hiresValues({hires, width}) {
  if (!hires) return {};
  const scale = hires.scale || (hires.width && width ? hires.width / width : undefined);
  return {hires: scale, hiresSteps: hires.steps, hiresStrength: hires.strength,
    hiresUpscaler: hires.upscaler?.replace('HIRES_UPSCALER_', '')};
}
