// Pictures that a model goes by which changes pictures: several, in the order that its prompt may count them in.
// @ts-check

import {byId, element} from './dom.js';
import {base64Of} from './references.js';
import {say} from './texts.js';

/** @typedef {{name: string, url: string, base64: string}} Slot */
/** @type {Slot[]} */
let slots = [];

/** How many pictures a model goes by, where that is more than one; else 0. @param {any} model @returns {number} */
export function mostSlots(model) {
  const most = (model?.inputs ?? []).find((/** @type {any} */ one) => one.role === 'INPUT_ROLE_REFERENCE')?.most ?? 0;
  return most > 1 ? most : 0;
}

/** Whether there is room for another. @param {any} model */
export const hasRoom = model => slots.length < mostSlots(model);

/** Fails where it is no picture. @param {File} file */
export async function fillSlot(file) {
  const url = URL.createObjectURL(file);
  await element('img', {src: url}).decode();
  slots.push({name: file.name, url, base64: await base64Of(file)});
}

/** @param {Slot} slot @param {number} number from 1 @param {() => void} changed */
function slotCard(slot, number, changed) {
  const title = say('slot', {n: number});
  const remove = element('button', {type: 'button', className: 'quiet', textContent: say('remove'), ariaLabel: `${say('remove')}: ${title}`});
  remove.addEventListener('click', () => {
    slots = slots.filter(other => other !== slot);
    URL.revokeObjectURL(slot.url);
    changed();
    byId('file').focus();
  });
  return element('li', {className: 'reference'},
    [element('img', {src: slot.url, alt: `${title}: ${slot.name}`}), element('div', {}, [title]), remove]);
}

/** Those that are there, and what they are for. @param {any} model @param {() => void} changed */
export const slotList = (model, changed) => [
  element('p', {className: 'hint', textContent: say('slotsAbout', {n: mostSlots(model)})}),
  element('ol', {className: 'references', id: 'slots'}, slots.slice(0, mostSlots(model)).map((slot, at) => slotCard(slot, at + 1, changed)))];

/** Its fields of a spec. @param {any} model */
export function slotsOf(model) {
  const filled = slots.slice(0, mostSlots(model));
  return filled.length ? {referenceImages: filled.map(slot => slot.base64)} : {};
}
