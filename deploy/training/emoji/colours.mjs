// Colours of things: which one rules a picture, and the picture in another.

// Hue in degrees, and how saturated and how bright a thing of that colour is on the whole.
export const COLOURS = [
  {en: 'red', zh: '红', hue: 0, saturation: 0.8, value: 0.85},
  {en: 'orange', zh: '橙', hue: 28, saturation: 0.85, value: 0.96},
  {en: 'yellow', zh: '黄', hue: 50, saturation: 0.75, value: 0.97},
  {en: 'green', zh: '绿', hue: 120, saturation: 0.65, value: 0.68},
  {en: 'blue', zh: '蓝', hue: 218, saturation: 0.75, value: 0.88},
  {en: 'purple', zh: '紫', hue: 275, saturation: 0.6, value: 0.75},
  {en: 'pink', zh: '粉', hue: 335, saturation: 0.45, value: 0.97},
  {en: 'brown', zh: '棕', hue: 20, saturation: 0.65, value: 0.5},
  {en: 'black', zh: '黑', hue: 240, saturation: 0.08, value: 0.2},
  {en: 'white', zh: '白', hue: 220, saturation: 0.05, value: 0.93},
];

// How much of the saturated pixels lie within this many degrees of the ruling hue.
const RULING_SHARE = 0.6, RULING_WIDTH = 30;
// Below these a pixel has no hue to speak of.
const LEAST_SATURATION = 0.25, LEAST_VALUE = 0.25;
// How much of what is shown must be saturated for a hue to rule it.
const LEAST_AREA = 0.25;

function toHsv(r, g, b) {
  const most = Math.max(r, g, b), range = most - Math.min(r, g, b);
  let hue = 0;
  if (range > 0) {
    if (most === r) hue = ((g - b) / range + 6) % 6;
    else if (most === g) hue = (b - r) / range + 2;
    else hue = (r - g) / range + 4;
  }
  return [hue * 60, most === 0 ? 0 : range / most, most];
}

function toRgb(hue, saturation, value) {
  const part = (n) => {
    const k = (n + hue / 60) % 6;
    return value - value * saturation * Math.max(0, Math.min(k, 4 - k, 1));
  };
  return [part(5), part(3), part(1)];
}

const apart = (a, b) => Math.abs(((a - b) % 360 + 540) % 360 - 180);
const hsvAt = (rgba, i) => toHsv(rgba[i] / 255, rgba[i + 1] / 255, rgba[i + 2] / 255);

// The hue that rules the picture and the mean saturation and value of what has it, or null.
export function rulingColour(rgba) {
  const bins = new Array(36).fill(0);
  let all = 0, shown = 0, saturated = 0;
  for (let i = 0; i < rgba.length; i += 4) {
    const [hue, saturation, value] = hsvAt(rgba, i);
    shown += rgba[i + 3];
    if (saturation < LEAST_SATURATION || value < LEAST_VALUE) continue;
    saturated += rgba[i + 3];
    const weight = rgba[i + 3] / 255 * saturation * value;
    bins[Math.floor(hue / 10) % 36] += weight;
    all += weight;
  }
  let ruling = null, most = 0;
  for (let centre = 0; centre < 360; centre += 10) {
    const share = bins.reduce((sum, weight, i) => sum + (apart(i * 10 + 5, centre) <= RULING_WIDTH ? weight : 0), 0);
    if (share > most) [ruling, most] = [centre, share];
  }
  if (saturated < LEAST_AREA * shown || most < RULING_SHARE * all) return null;
  let weights = 0, saturations = 0, values = 0;
  for (let i = 0; i < rgba.length; i += 4) {
    const [hue, saturation, value] = hsvAt(rgba, i);
    if (saturation < LEAST_SATURATION || value < LEAST_VALUE || apart(hue, ruling) > RULING_WIDTH) continue;
    weights += rgba[i + 3];
    saturations += rgba[i + 3] * saturation;
    values += rgba[i + 3] * value;
  }
  return {hue: ruling, saturation: saturations / weights, value: values / weights};
}

// Scaled so that the mean goes to another, and 0 and 1 stay where they are.
const moved = (x, from, to) => to <= from ? x * to / from : 1 - (1 - x) * (1 - to) / (1 - from);

// What has the ruling colour in another one, light and shade kept.
export function recoloured(rgba, from, to) {
  const copy = Buffer.from(rgba);
  for (let i = 0; i < copy.length; i += 4) {
    const [hue, saturation, value] = hsvAt(copy, i);
    const distance = apart(hue, from.hue);
    if (distance > 2 * RULING_WIDTH) continue;
    const rgb = toRgb((hue - from.hue + to.hue + 720) % 360, moved(saturation, from.saturation, to.saturation),
        moved(value, from.value, to.value));
    // What is nearly grey or black, as eyes are, stays what it is; and no hard edge where the hue changes.
    const share = Math.min(1, saturation / LEAST_SATURATION) * Math.min(1, (value / LEAST_VALUE) ** 2) *
        Math.min(1, 4 - 2 * distance / RULING_WIDTH);
    for (let c = 0; c < 3; ++c) copy[i + c] = Math.round(share * rgb[c] * 255 + (1 - share) * copy[i + c]);
  }
  return copy;
}

// On a background of this colour, a light one that the thing stands out from.
export function filled(rgba, {hue, saturation, value}) {
  const background = toRgb(hue, saturation * 0.6, value).map((x) => x * 255);
  const copy = Buffer.from(rgba);
  for (let i = 0; i < copy.length; i += 4) {
    const alpha = copy[i + 3] / 255;
    for (let c = 0; c < 3; ++c) copy[i + c] = Math.round(alpha * copy[i + c] + (1 - alpha) * background[c]);
    copy[i + 3] = 255;
  }
  return copy;
}
