// How guidance acts, beside its scale: drawn back, in some of the steps only, projected.
// @ts-check

import {group, range} from './inputs.js';
import {say} from './texts.js';

const MOST_NORM = 1000000;
const USUAL_NORM = 50;
const MOST_MOMENTUM = 0.99;  // which must stay below 1

/** @param {any} model */
export function guidanceFields(model) {
  const share = (/** @type {string} */ name, /** @type {number} */ value) => range(name, say(name), {min: 0, max: 1, step: 0.05, value});
  const fields = [
    ...(model.takesNegativePrompt ? [share('guidanceRescale', 0)] : []),
    ...(model.takesGuidanceInterval ? [share('guidanceBegin', 0), share('guidanceEnd', 1)] : []),
    ...(model.takesProjectedGuidance ? [share('projectedEta', 1),
      range('projectedNorm', say('projectedNorm'), {min: 0, max: MOST_NORM, step: 0.5, value: 0, usual: USUAL_NORM}),
      range('projectedMomentum', say('projectedMomentum'), {min: -MOST_MOMENTUM, max: MOST_MOMENTUM, step: 0.01, value: 0})] : []),
  ];
  return fields.length ? [group(say('guidanceGroup'), say('guidanceAbout'), fields)] : [];
}

/** Its fields of a spec; none that say what holds anyhow. @param {(name: string) => string} value of the form */
export function guidanceOf(value) {
  const number = (/** @type {string} */ name, /** @type {number} */ usual) => value(name) === '' ? usual : Number(value(name));
  const [begin, end] = [number('guidanceBegin', 0), number('guidanceEnd', 1)];
  const [eta, normThreshold, momentum] = [number('projectedEta', 1), number('projectedNorm', 0), number('projectedMomentum', 0)];
  return {
    ...(value('guidanceRescale') === '' ? {} : {guidanceRescale: Number(value('guidanceRescale'))}),
    ...(begin > 0 || end < 1 ? {guidanceInterval: {begin, end}} : {}),
    ...(eta < 1 || normThreshold > 0 || momentum !== 0 ? {projectedGuidance: {eta, normThreshold, momentum}} : {}),
  };
}

/** What a spec puts into the form. @param {any} spec */
export const guidanceValues = spec => ({
  guidanceRescale: spec.guidanceRescale,
  guidanceBegin: spec.guidanceInterval?.begin, guidanceEnd: spec.guidanceInterval?.end,
  projectedEta: spec.projectedGuidance?.eta, projectedNorm: spec.projectedGuidance?.normThreshold,
  projectedMomentum: spec.projectedGuidance?.momentum,
});
