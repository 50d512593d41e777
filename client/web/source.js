// A picture to begin with, and what of it shall change: dropped or chosen, and painted on with a brush.
// @ts-check

import {byId, element} from './dom.js';
import {say} from './texts.js';
import {madeByModel, settingsIn} from './infotext.js';

/** @type {{image: string, canvas: HTMLCanvasElement | null, strength: HTMLInputElement} | null} */
let source = null;
/** @type {any} */
let model = null;
/** @type {(spec: any) => void} */
let takeSettings = () => {};

const base64Of = (/** @type {Blob} */ blob) => new Promise(resolve => {
  const reader = new FileReader();
  reader.onload = () => resolve(String(reader.result).split(',')[1]);
  reader.readAsDataURL(blob);
});

/** The brush's strokes as a mask: white where something was painted. Empty if nothing was. @param {HTMLCanvasElement} canvas */
function maskOf(canvas) {
  const mask = element('canvas', {width: canvas.width, height: canvas.height});
  const context = mask.getContext('2d');
  const painted = canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height);
  if (!painted) return '';
  let any = false;
  for (let i = 0; i < painted.data.length; i += 4) {
    const on = painted.data[i + 3] > 0;
    any ||= on;
    painted.data.fill(on ? 255 : 0, i, i + 3);
    painted.data[i + 3] = 255;
  }
  context.putImageData(painted, 0, 0);
  return any ? mask.toDataURL('image/png').split(',')[1] : '';
}

/** The fields of a spec that it means; none without a picture. */
export function currentSource() {
  if (!source || !model?.takesSourceImage) return {};
  if (model.tasks?.some(task => task === 'TASK_EDIT' || task === 'TASK_VARIATION')) return {sourceImage: source.image};  // seen as a whole, and changed
  const mask = source.canvas ? maskOf(source.canvas) : '';
  return {sourceImage: source.image, strength: Number(source.strength.value), ...(mask ? {maskImage: mask} : {})};
}

/** @param {HTMLCanvasElement} canvas @param {HTMLInputElement} width */
function paintOn(canvas, width) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  /** @type {{x: number, y: number} | null} */
  let last = null;
  /** @param {PointerEvent} event */
  const at = event => {
    const box = canvas.getBoundingClientRect();
    return {x: (event.clientX - box.left) * canvas.width / box.width, y: (event.clientY - box.top) * canvas.height / box.height};
  };
  /** @param {PointerEvent} event */
  const stroke = event => {
    if (!last) return;
    const next = at(event);
    context.strokeStyle = '#f5427e';
    context.lineCap = 'round';
    context.lineWidth = Number(width.value) / 100 * canvas.width;
    context.beginPath();
    context.moveTo(last.x, last.y);
    context.lineTo(next.x + 0.01, next.y);
    context.stroke();
    last = next;
  };
  canvas.addEventListener('pointerdown', event => {
    canvas.setPointerCapture(event.pointerId);
    last = at(event);
    stroke(event);
  });
  canvas.addEventListener('pointermove', stroke);
  canvas.addEventListener('pointerup', () => last = null);
}

/** @param {File} file */
async function take(file) {
  const settings = await settingsIn(file);
  const made = await madeByModel(file);
  if (settings) takeSettings(settings);
  byId('said').textContent = [settings && say('settings'), made && say('madeByModel')].filter(Boolean).join(' · ');
  if (!model?.takesSourceImage) return;
  const url = URL.createObjectURL(file);
  const picture = element('img', {src: url, alt: file.name});
  await picture.decode();
  const canvas = element('canvas', {width: picture.naturalWidth, height: picture.naturalHeight, ariaLabel: say('paint')});
  const width = element('input', {type: 'range', min: 2, max: 40, value: 12, ariaLabel: say('brush')});
  const strength = element('input', {type: 'range', id: 'strength', min: 0.05, max: 1, step: 0.05, value: 0.8});
  paintOn(canvas, width);
  source = {image: await base64Of(file), canvas, strength};
  const clear = element('button', {type: 'button', className: 'quiet', textContent: say('clear')});
  clear.addEventListener('click', () => canvas.getContext('2d').clearRect(0, 0, canvas.width, canvas.height));
  const remove = element('button', {type: 'button', className: 'quiet', textContent: say('remove')});
  remove.addEventListener('click', () => {
    source = null;
    show();
  });
  byId('source').replaceChildren(
    element('div', {className: 'brush'}, [picture, canvas]),
    ...(made ? [element('p', {className: 'hint', id: 'made', textContent: say('madeByModel')})] : []),
    element('p', {className: 'hint', textContent: say('paint')}),
    element('div', {className: 'tools'}, [width, clear, remove]),
    element('div', {className: 'field'}, [element('label', {htmlFor: 'strength', textContent: say('strength')}), strength]));
}

function show() {
  const file = element('input', {type: 'file', accept: 'image/png,image/jpeg,image/webp', className: 'hidden', id: 'file'});
  file.addEventListener('change', () => file.files[0] && take(file.files[0]));
  const drop = element('div', {className: 'drop'},
    [element('p', {textContent: say('drop')}), element('label', {htmlFor: 'file', className: 'quiet', textContent: say('choose')}), file]);
  byId('source').replaceChildren(drop);
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
    const file = event.dataTransfer?.files[0];
    if (file) take(file);
  });
}

/** @param {any} of the model that is chosen */
export function showSource(of) {
  model = of;
  if (!source) show();
}
