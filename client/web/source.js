// A picture to begin with, and what of it shall change: dropped or chosen, and painted on with a brush. Or several to go by, in slots.
// @ts-check

import {clear, maskOf, paintMask, paintOn} from './brush.js';
import {byId, element} from './dom.js';
import {madeByModel, settingsIn} from './infotext.js';
import {keepPainting, paintingFields, paintingOf, seesAll} from './painting.js';
import {base64Of} from './references.js';
import {fillSlot, hasRoom, mostSlots, slotList, slotsOf} from './slots.js';
import {say} from './texts.js';

const PICTURES = 'image/png,image/jpeg,image/webp';

/** `shown`: the elements that show it. @type {{image: string, canvas: HTMLCanvasElement, shown: Node[]} | null} */
let source = null;
/** @type {any} */
let model = null;
/** @type {(spec: any) => void} */
let takeSettings = () => {};

/** The fields of a spec that it means; none without a picture. */
export function currentSource() {
  if (mostSlots(model)) return slotsOf(model);
  if (!source || !model?.takesSourceImage) return {};
  const mask = seesAll(model) ? '' : maskOf(source.canvas);
  return {sourceImage: source.image, ...(mask ? {maskImage: mask} : {}), ...paintingOf(model, mask !== '')};
}

/** @param {File} file */
async function take(file) {
  const settings = await settingsIn(file);
  const made = await madeByModel(file);
  if (settings) takeSettings(settings);
  byId('said').textContent = [settings && say('settings'), made && say('madeByModel')].filter(Boolean).join(' · ');
  if (!model?.takesSourceImage) return;
  if (mostSlots(model)) {
    if (hasRoom(model)) await fillSlot(file);
    return show();
  }
  const url = URL.createObjectURL(file);
  const picture = element('img', {src: url, alt: file.name});
  await picture.decode();
  const canvas = element('canvas', {width: picture.naturalWidth, height: picture.naturalHeight, ariaLabel: say('paint')});
  const width = element('input', {type: 'range', min: 2, max: 40, value: 12, ariaLabel: say('brush')});
  paintOn(canvas, width);
  /** @param {string} name @param {() => void} act */
  const button = (name, act) => {
    const one = element('button', {type: 'button', className: 'quiet', textContent: say(name)});
    one.addEventListener('click', act);
    return one;
  };
  const remove = () => {
    source = null;
    show();
    byId('file').focus();
  };
  source = {image: await base64Of(file), canvas, shown: [
    element('div', {className: 'brush'}, [picture, canvas]),
    ...(made ? [element('p', {className: 'hint', id: 'made', textContent: say('madeByModel')})] : []),
    element('p', {className: 'hint', textContent: say('paint')}),
    element('div', {className: 'tools'}, [width, button('clear', () => clear(canvas)), button('remove', remove)]),
    element('div', {className: 'field'}, chooser('mask', 'chooseMask', mask => paintMask(canvas, mask))),
    element('div', {id: 'painting'}, paintingFields(model))]};
  show();
}

/** @param {File} file that is no picture */
function refuse(file) {
  byId('refusal').hidden = false;
  byId('refusal').textContent = say('unreadable', {name: file.name});
}

/** Those that are read, one after the other. @param {File[]} files @param {(file: File) => Promise<void>} act */
async function each(files, act) {
  for (const file of files) await act(file).catch(() => refuse(file));
}

/** A button that asks for a picture's file. @param {string} id @param {string} name @param {(file: File) => Promise<void>} act @param {boolean} [several] */
function chooser(id, name, act, several = false) {
  const file = element('input', {type: 'file', accept: PICTURES, className: 'hidden', id, multiple: several});
  file.addEventListener('change', () => {
    const chosen = [...file.files];
    file.value = '';  // which may be chosen again
    each(chosen, act);
  });
  return [element('label', {htmlFor: id, className: 'quiet', textContent: say(name)}), file];
}

function show() {
  const several = mostSlots(model) > 0;
  if (source && !several) return byId('source').replaceChildren(...source.shown);
  const drop = element('div', {className: 'drop'},
    [element('p', {textContent: say(several ? 'dropSlot' : 'drop')}), ...chooser('file', several ? 'addPicture' : 'choose', take, several)]);
  const full = several && !hasRoom(model);
  drop.querySelector('input').disabled = full;
  drop.querySelector('label').classList.toggle('off', full);
  byId('source').replaceChildren(...(several ? slotList(model, show) : []), drop);
}

/** Pictures may be dropped anywhere. @param {(spec: any) => void} settings what to do with those of a picture made here */
export function acceptPictures(settings) {
  takeSettings = settings;
  const over = (/** @type {boolean} */ is) => document.querySelector('.drop')?.classList.toggle('over', is);
  addEventListener('dragover', event => {
    event.preventDefault();
    over(true);
  });
  addEventListener('dragleave', () => over(false));
  addEventListener('drop', event => {
    event.preventDefault();
    over(false);
    each([...event.dataTransfer?.files ?? []].slice(0, mostSlots(model) || 1), take);
  });
}

/** @param {any} of the model that is chosen */
export function showSource(of) {
  model = of;
  show();
  showPainting();
}

/** What can be done with the picture that is there, by this model. */
function showPainting() {
  byId('painting')?.replaceChildren(...paintingFields(model));
}

/** Takes a spec's settings of the picture to begin with. @param {any} spec */
export function fillSource(spec) {
  keepPainting(spec);
  showPainting();
}
