// What is painted on a picture: strokes of a brush, or a mask from a file.
// @ts-check

import {element} from './dom.js';

const COLOUR = '#f5427e';
const HALF_BRIGHT = 128;

/** @param {HTMLCanvasElement} canvas */
const contextOf = canvas => /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));

/** What is painted as a mask: white where something is. Empty if nothing is. @param {HTMLCanvasElement} canvas */
export function maskOf(canvas) {
  const mask = element('canvas', {width: canvas.width, height: canvas.height});
  const painted = contextOf(canvas).getImageData(0, 0, canvas.width, canvas.height);
  let any = false;
  for (let i = 0; i < painted.data.length; i += 4) {
    const on = painted.data[i + 3] > 0;
    any ||= on;
    painted.data.fill(on ? 255 : 0, i, i + 3);
    painted.data[i + 3] = 255;
  }
  mask.getContext('2d').putImageData(painted, 0, 0);
  return any ? mask.toDataURL('image/png').split(',')[1] : '';
}

/** Nothing is painted. @param {HTMLCanvasElement} canvas */
export const clear = canvas => contextOf(canvas).clearRect(0, 0, canvas.width, canvas.height);

/** What a picture shows bright is painted. @param {HTMLCanvasElement} canvas @param {Blob} file */
export async function paintMask(canvas, file) {
  const bitmap = await createImageBitmap(file);
  const context = contextOf(canvas);
  clear(canvas);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  const [red, green, blue] = [1, 3, 5].map(at => parseInt(COLOUR.slice(at, at + 2), 16));
  for (let i = 0; i < pixels.data.length; i += 4) {
    const [r, g, b, a] = pixels.data.subarray(i, i + 4);
    const bright = (0.299 * r + 0.587 * g + 0.114 * b) * a / 255 >= HALF_BRIGHT;
    pixels.data.set([red, green, blue, bright ? 255 : 0], i);
  }
  context.putImageData(pixels, 0, 0);
}

/** @param {HTMLCanvasElement} canvas @param {HTMLInputElement} width of the brush, in hundredths of the picture's */
export function paintOn(canvas, width) {
  const context = contextOf(canvas);
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
    context.strokeStyle = COLOUR;
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
