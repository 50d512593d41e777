// Makes the captioned pictures that mind-train learns from, out of npm packages:
//   cd deploy/training/emoji && npm install && node build.mjs OUT [--size 64] [--only things.txt]
//
// Pictures: Microsoft Fluent Emoji 3D (MIT), cropped to what they show, centred, and recoloured where one hue
// rules, so that a model learns what colour words mean. Captions: emojibase (MIT), English and Chinese.
// Writes OUT/pictures.safetensors (uint8 [N, 4, size, size]), OUT/captions.json and OUT/LICENSES.md.
import {existsSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {parseArgs} from 'node:util';

import sharp from 'sharp';

const {values: options, positionals} = parseArgs({
  options: {size: {type: 'string', default: '64'}, only: {type: 'string'}},
  allowPositionals: true,
});
const [out] = positionals;
const size = Number(options.size);
if (!out || !Number.isInteger(size) || size < 16 || size > 256) {
  console.error('usage: node build.mjs OUT [--size 16..256] [--only things.txt]');
  process.exit(2);
}

const MARGIN = 0.05;
// Hue in degrees.
const COLOURS = [
  {en: 'red', zh: '红', hue: 0},
  {en: 'orange', zh: '橙', hue: 28},
  {en: 'yellow', zh: '黄', hue: 52},
  {en: 'green', zh: '绿', hue: 120},
  {en: 'blue', zh: '蓝', hue: 218},
  {en: 'purple', zh: '紫', hue: 275},
  {en: 'pink', zh: '粉', hue: 330},
];
const COLOUR_WORDS = /\b(red|orange|yellow|green|blue|purple|pink|brown|black|white|grey|gray|golden|silver)\b/;
const COLOUR_SIGNS = /[红橙黄绿蓝紫粉棕黑白灰金银]/;
// How much of the saturated pixels lie within this many degrees of the ruling hue.
const RULING_SHARE = 0.6, RULING_WIDTH = 30;
// emojibase's group of people and bodies, who stay as they are.
const PEOPLE = 1;

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

// Things, not variants: no skin tones, flags, keycaps, buttons, families, mirrored or half-hour twins.
function isKept({hexcode, label, group}) {
  if (group === undefined || group === 2 || group === 9) return false;
  if (/1F3F[B-F]|20E3/.test(hexcode)) return false;
  return !/family|facing right|thirty|button|keycap|^man |^woman |^men |^women |people holding|couple with heart/.test(label);
}

function article(words) {
  return (/^[aeiou]/.test(words) ? 'an ' : 'a ') + words;
}

function captionsOf(en, zh, colour) {
  if (!colour) return [en, article(en), zh, `一个${zh}`];
  return [`${colour.en} ${en}`, article(`${colour.en} ${en}`), `${colour.zh}色的${zh}`, `${colour.zh}色${zh}`];
}

// Cropped to its alpha, centred with a margin: raw RGBA of size x size.
async function load(path) {
  const inner = Math.round(size * (1 - 2 * MARGIN));
  const trimmed = await sharp(path).ensureAlpha().trim({background: {r: 0, g: 0, b: 0, alpha: 0}, threshold: 1}).toBuffer();
  const {data} = await sharp(trimmed)
      .resize(inner, inner, {fit: 'contain', background: {r: 0, g: 0, b: 0, alpha: 0}})
      .extend({
        top: Math.floor((size - inner) / 2), bottom: Math.ceil((size - inner) / 2),
        left: Math.floor((size - inner) / 2), right: Math.ceil((size - inner) / 2),
        background: {r: 0, g: 0, b: 0, alpha: 0},
      })
      .ensureAlpha().raw().toBuffer({resolveWithObject: true});
  return data;
}

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

// The hue that rules the picture, or null.
function rulingHue(rgba) {
  const bins = new Array(36).fill(0);
  let all = 0;
  for (let i = 0; i < rgba.length; i += 4) {
    const [hue, saturation, value] = toHsv(rgba[i] / 255, rgba[i + 1] / 255, rgba[i + 2] / 255);
    const weight = rgba[i + 3] / 255 * saturation * value;
    if (saturation < 0.25 || value < 0.2) continue;
    bins[Math.floor(hue / 10) % 36] += weight;
    all += weight;
  }
  let best = null, most = 0;
  for (let centre = 0; centre < 360; centre += 10) {
    const share = bins.reduce((sum, weight, i) => sum + (apart(i * 10 + 5, centre) <= RULING_WIDTH ? weight : 0), 0);
    if (share > most) [best, most] = [centre, share];
  }
  return all > size * size * 0.05 && most >= RULING_SHARE * all ? best : null;
}

function recoloured(rgba, from, to) {
  const copy = Buffer.from(rgba);
  for (let i = 0; i < copy.length; i += 4) {
    const [hue, saturation, value] = toHsv(copy[i] / 255, copy[i + 1] / 255, copy[i + 2] / 255);
    if (apart(hue, from) > 2 * RULING_WIDTH) continue;
    const rgb = toRgb((hue - from + to + 720) % 360, saturation, value);
    for (let c = 0; c < 3; ++c) copy[i + c] = Math.round(rgb[c] * 255);
  }
  return copy;
}

// [N, 4, size, size] of pixels in rows.
function writePictures(path, pictures) {
  const plane = size * size;
  const body = Buffer.alloc(pictures.length * 4 * plane);
  pictures.forEach((rgba, n) => {
    for (let p = 0; p < plane; ++p)
      for (let c = 0; c < 4; ++c) body[(n * 4 + c) * plane + p] = rgba[p * 4 + c];
  });
  let header = JSON.stringify({pictures: {dtype: 'U8', shape: [pictures.length, 4, size, size], data_offsets: [0, body.length]}});
  header += ' '.repeat((8 - header.length % 8) % 8);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  writeFileSync(path, Buffer.concat([length, Buffer.from(header), body]));
}

const chinese = new Map(readJson('node_modules/emojibase-data/zh/data.json').map((e) => [e.hexcode, e.label]));
const only = options.only && new Set(readFileSync(options.only, 'utf8').split('\n').map((s) => s.trim()).filter(Boolean));
const pictures = [], captions = [], things = [], thingOf = [], colourOf = [];
for (const emoji of readJson('node_modules/emojibase-data/en/data.json')) {
  const en = emoji.label.toLowerCase(), zh = chinese.get(emoji.hexcode);
  const name = emoji.hexcode.toLowerCase();
  const path = [name, `${name}-fe0f`, name.replaceAll('-fe0f', '')].map((n) => `node_modules/@lobehub/fluent-emoji-3d/assets/${n}.webp`).find(existsSync);
  if (!isKept(emoji) || !zh || !path || (only && !only.has(en))) continue;
  only?.delete(en);
  const rgba = await load(path);
  things.push(en);
  pictures.push(rgba);
  captions.push(captionsOf(en, zh));
  thingOf.push(things.length - 1);
  colourOf.push(-1);
  const hue = emoji.group === PEOPLE || COLOUR_WORDS.test(en) || COLOUR_SIGNS.test(zh) ? null : rulingHue(rgba);
  if (hue === null) continue;
  COLOURS.forEach((colour, number) => {
    pictures.push(apart(colour.hue, hue) < 15 ? rgba : recoloured(rgba, hue, colour.hue));
    captions.push(captionsOf(en, zh, colour));
    thingOf.push(things.length - 1);
    colourOf.push(number);
  });
}
if (only?.size > 0) {
  console.error(`build.mjs: ${options.only} names what is not there: ${[...only].join(', ')}`);
  process.exit(1);
}
mkdirSync(out, {recursive: true});
writePictures(`${out}/pictures.safetensors`, pictures);
writeFileSync(`${out}/captions.json`, JSON.stringify({captions, things, colours: COLOURS.map((c) => c.en), thing: thingOf, colour: colourOf}));
writeFileSync(`${out}/LICENSES.md`, `Pictures: Microsoft Fluent Emoji (MIT), by way of @lobehub/fluent-emoji-3d 1.1.0; recoloured copies of them.
Captions: emojibase-data 17.0.0 (MIT), which takes them from Unicode CLDR (Unicode licence v3).
`);
console.log(`${things.length} things, ${pictures.length} pictures of ${size}x${size}`);
