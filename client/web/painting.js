// What is done with the picture that another begins from: how it comes to the size, and how what is painted on it counts.
// @ts-check

import {element} from './dom.js';
import {check, choice, onChange, range} from './inputs.js';
import {say} from './texts.js';

const MOST_BLUR = 64;
const MOST_PADDING = 256;
const PADDING = 32;
const FITS = ['STRETCH', 'CROP', 'FILL'];
const MASK_FILLS = ['ORIGINAL', 'SURROUNDINGS', 'NOISE', 'NOTHING'];

/** As it is for any picture that is dropped; pictures come and go, and this stays. */
const usual = {sourceFit: 'STRETCH', maskBlur: 0, onlyMasked: false, maskPadding: PADDING, maskFill: 'ORIGINAL'};
/** @type {Record<string, any>} */
let kept = {...usual, strength: 0.8};

/** A model that sees the picture as a whole, and changes it. @param {any} model */
export const seesAll = model => (model?.tasks ?? []).some((/** @type {string} */ task) => task === 'TASK_EDIT' || task === 'TASK_VARIATION');

/** @param {any} model */
export function paintingFields(model) {
  const fields = [
    ...(seesAll(model) ? [] : [range('strength', say('strength'), {min: 0, max: 1, step: 0.05, value: kept.strength})]),
    ...(model.takesSourceFit
      ? [choice('sourceFit', say('sourceFit'), FITS.map(value => ({value, text: say(`SOURCE_FIT_${value}`)})), kept.sourceFit)] : []),
    ...(model.takesSourceFit && !seesAll(model) ? [maskFields(model)] : []),
  ];
  for (const field of fields.flatMap(one => [...one.querySelectorAll('[name]')])) {
    const keep = () => kept[field.name] = field.type === 'checkbox' ? field.checked : field.value;
    field.addEventListener('input', keep);
    field.addEventListener('change', keep);
  }
  return fields;
}

/** Those of what is painted. @param {any} model */
function maskFields(model) {
  const only = check('onlyMasked', say('onlyMasked'), kept.onlyMasked);
  const padding = range('maskPadding', say('maskPadding'), {min: 0, max: MOST_PADDING, step: 1, value: kept.maskPadding});
  const show = () => padding.hidden = !only.querySelector('input').checked;
  onChange(only, show);
  show();
  return element('fieldset', {}, [element('legend', {textContent: say('painted')}),
    range('maskBlur', say('maskBlur'), {min: 0, max: MOST_BLUR, step: 1, value: kept.maskBlur}),
    ...(model.takesMaskFill
      ? [choice('maskFill', say('maskFill'), MASK_FILLS.map(value => ({value, text: say(`MASK_FILL_${value}`)})), kept.maskFill)] : []),
    only, padding]);
}

/** Its fields of a spec. @param {any} model @param {boolean} masked whether something is painted */
export function paintingOf(model, masked) {
  const fits = model.takesSourceFit && kept.sourceFit !== usual.sourceFit;
  const paints = model.takesSourceFit && masked && !seesAll(model);
  return {
    ...(seesAll(model) ? {} : {strength: Number(kept.strength)}),
    ...(fits && !(paints && kept.onlyMasked) ? {sourceFit: `SOURCE_FIT_${kept.sourceFit}`} : {}),
    ...(paints && Number(kept.maskBlur) > 0 ? {maskBlur: Number(kept.maskBlur)} : {}),
    ...(paints && model.takesMaskFill && kept.maskFill !== usual.maskFill ? {maskFill: `MASK_FILL_${kept.maskFill}`} : {}),
    ...(paints && kept.onlyMasked ? {onlyMasked: {padding: Number(kept.maskPadding)}} : {}),
  };
}

/** Takes a spec's, for the picture that is there or the next. @param {any} spec */
export function keepPainting(spec) {
  const fit = spec.sourceFit?.replace('SOURCE_FIT_', ''), fill = spec.maskFill?.replace('MASK_FILL_', '');
  kept = {strength: spec.strength ?? kept.strength, sourceFit: FITS.includes(fit) ? fit : usual.sourceFit,
    maskBlur: spec.maskBlur ?? usual.maskBlur, onlyMasked: Boolean(spec.onlyMasked),
    maskPadding: spec.onlyMasked?.padding ?? usual.maskPadding, maskFill: MASK_FILLS.includes(fill) ? fill : usual.maskFill};
}
