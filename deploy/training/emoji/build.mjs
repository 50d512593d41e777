// Makes the captioned pictures that mind-train learns from, out of npm packages:
//   cd deploy/training/emoji && npm install && node build.mjs OUT [options]
//     --things FILE    only these (lines of `name <tab> other names`); all of them where it is left out
//     --styles A,B     fluent3d (default), flat, noto, twemoji; prompts name all but the first
//     --size N         16 to 256, 64 where it is left out
//     --plain N        how often a picture in its own colours counts against one in another, 1
//     --recolours N    in how many other colours a thing is shown that one colour rules, all 10
//     --backgrounds N  as well as every picture itself, N of it on coloured backgrounds, 0
//     --pairs N        N pictures of two things side by side, 0
//     --hold-out FILE  no pictures of the things in the colours that this file of prompts asks for
//     --prompts FILE   writes prompts for mind-eval: every thing and every held-out pair, in English and in Chinese, and
//                      every pair that --recolours left out, in one of the two
//
// Writes OUT/pictures.safetensors (uint8 [N, 4, size, size]), OUT/captions.json and OUT/LICENSES.md.
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {parseArgs} from 'node:util';

import {captionsOf, colourless, isChinese, onBackground, pairCaptions} from './captions.mjs';
import {COLOURS, filled, recoloured, rulingColour} from './colours.mjs';
import {sideBySide, writePictures} from './pictures.mjs';
import {licences, openStyle, readThings} from './sources.mjs';

const {values: options, positionals} = parseArgs({
  options: {
    things: {type: 'string'}, styles: {type: 'string', default: 'fluent3d'}, size: {type: 'string', default: '64'},
    plain: {type: 'string', default: '1'}, recolours: {type: 'string', default: '10'}, backgrounds: {type: 'string', default: '0'}, pairs: {type: 'string', default: '0'},
    'hold-out': {type: 'string'}, prompts: {type: 'string'},
  },
  allowPositionals: true,
});
const [out] = positionals;

function fail(message) {
  console.error(`build.mjs: ${message}`);
  process.exit(2);
}

function number(name, least, most) {
  const value = Number(options[name]);
  if (!Number.isInteger(value) || value < least || value > most) fail(`--${name} is ${least} to ${most}, not ${options[name]}`);
  return value;
}

if (!out) fail('where to? node build.mjs OUT');
const size = number('size', 16, 256), plain = number('plain', 1, 100), recolours = number('recolours', 0, COLOURS.length);
const backgrounds = number('backgrounds', 0, COLOURS.length), pairs = number('pairs', 0, 100000);

// The same numbers every time.
let state = 1;
function random(below) {
  state = Math.imul(state, 1664525) + 1013904223 >>> 0;
  return Math.floor(state / 2 ** 32 * below);
}

const lines = (path) => readFileSync(path, 'utf8').split('\n').filter((line) => line && !line.startsWith('#')).map((line) => line.split('\t'));
const heldOut = new Set(options['hold-out'] ? lines(options['hold-out']).map(([, thing, colour]) => `${colour} ${thing}`) : []);
const styles = options.styles.split(',').map((name) => openStyle(name) ?? fail(`--styles: there is no ${name}`));
let things;
try {
  things = readThings(options.things && lines(options.things));
} catch (error) {
  fail(error.message);
}

const pictures = [], captions = [], thingOf = [], colourOf = [];
const bare = [];  // numbers of those without a background
function add(rgba, names, thing, colour, times = 1) {
  for (let i = 0; i < times; ++i) {
    bare.push(pictures.length);
    pictures.push(rgba);
    captions.push(names);
    thingOf.push(thing);
    colourOf.push(colour);
  }
  for (let i = 0; i < backgrounds; ++i) {
    const background = COLOURS[random(COLOURS.length)];
    pictures.push(filled(rgba, background));
    captions.push(names.map((caption) => onBackground(caption, background)));
    thingOf.push(thing);
    colourOf.push(colour);
  }
}

const prompts = [];
function ask(names, thing, colour, style) {
  for (const name of names) prompts.push([captionsOf([name], colour, style)[0], thing.names[0], ...(colour ? [colour.en] : [])]);
}
// Of the English and of the Chinese names the first, where there are any.
const inBoth = (names) => [names.find((name) => !isChinese(name)), names.find(isChinese)].filter(Boolean);

for (const style of styles) {
  for (const [index, thing] of things.entries()) {
    const rgba = await style.load(thing, size);
    if (!rgba) {
      console.error(`${style.name} has no picture of ${thing.names[0]}`);
      continue;
    }
    add(rgba, captionsOf(thing.names, null, style), index, -1, plain);
    ask(inBoth(thing.names), thing, null, style);
    const ruling = thing.person ? null : rulingColour(rgba);
    const names = colourless(thing.names);
    if (!ruling || !names.some(isChinese) || names.every(isChinese)) continue;
    COLOURS.forEach((colour, number) => {
      if (heldOut.has(`${colour.en} ${thing.names[0]}`)) {
        ask(inBoth(names), thing, colour, style);
      } else if ((number + 3 * index) % COLOURS.length >= recolours) {  // which ones, differs from thing to thing
        ask([inBoth(names)[number % 2]], thing, colour, style);
      } else {
        add(recoloured(rgba, ruling, colour), captionsOf(names, colour, style), index, number);
      }
    });
  }
}
for (let i = 0; i < pairs; ++i) {
  const left = bare[random(bare.length)], right = bare[random(bare.length)];
  pictures.push(sideBySide(pictures[left], pictures[right], size));
  captions.push(pairCaptions(captions[left], captions[right]));
  thingOf.push(-1);
  colourOf.push(-1);
}

mkdirSync(out, {recursive: true});
writePictures(`${out}/pictures.safetensors`, pictures, size);
writeFileSync(`${out}/captions.json`, JSON.stringify({
  captions, things: things.map((t) => t.names[0]), colours: COLOURS.map((c) => c.en), thing: thingOf, colour: colourOf,
}));
writeFileSync(`${out}/LICENSES.md`, licences(styles));
if (options.prompts) writeFileSync(options.prompts, prompts.map((fields) => fields.join('\t') + '\n').join(''));
console.log(`${things.length} things, ${pictures.length} pictures of ${size}x${size}`);
