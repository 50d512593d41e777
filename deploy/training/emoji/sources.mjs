// Where pictures and names come from.
import {existsSync, readFileSync} from 'node:fs';

import {centred} from './pictures.mjs';

const readJson = (path) => JSON.parse(readFileSync(`node_modules/${path}`, 'utf8'));

// The words that prompts add for a style; none for the one that is meant where none is named.
const STYLES = {
  fluent3d: {en: '', zh: '', credit: 'Microsoft Fluent Emoji (MIT), by way of @lobehub/fluent-emoji-3d'},
  flat: {package: 'fluent-emoji-flat', en: ', flat style', zh: '，扁平风格', credit: 'Microsoft Fluent Emoji, flat (MIT)'},
  noto: {package: 'noto', en: ', noto style', zh: '，noto风格', credit: 'Noto Emoji, Google (Apache 2.0)'},
  twemoji: {package: 'twemoji', en: ', twemoji style', zh: '，twemoji风格', credit: 'Twemoji (c) Twitter, Inc and other contributors (CC-BY 4.0)'},
};

function spellings({hexcode}) {
  const code = hexcode.toLowerCase();
  return [code, `${code}-fe0f`, code.replaceAll('-fe0f', '')];
}

// {name, en, zh, credit, load(thing, size): raw RGBA or null}; undefined where there is no such style.
export function openStyle(name) {
  if (!STYLES[name]) return undefined;
  const style = {name, ...STYLES[name]};
  if (!style.package) {
    const path = (thing) => spellings(thing).map((code) => `node_modules/@lobehub/fluent-emoji-3d/assets/${code}.webp`).find(existsSync);
    return {...style, load: async (thing, size) => path(thing) ? centred(path(thing), size) : null};
  }
  const icons = readJson(`@iconify-json/${style.package}/icons.json`);
  const names = readJson(`@iconify-json/${style.package}/chars.json`);
  return {
    ...style,
    async load(thing, size) {
      const icon = icons.icons[spellings(thing).map((code) => names[code]).find(Boolean)];
      if (!icon) return null;
      const width = icon.width ?? icons.width, height = icon.height ?? icons.height;
      // Drawn larger than wanted, since it is cropped.
      return centred(Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="${size * 2}" height="${size * 2}" viewBox="0 0 ${width} ${height}">${icon.body}</svg>`), size);
    },
  };
}

// emojibase's groups: 1 people and bodies, 2 parts of others, 9 flags.
const PEOPLE = 1, LEFT_OUT = [undefined, 2, 9];

// Things, not variants: no skin tones, flags, keycaps, buttons, families, mirrored or half-hour twins.
function isKept({hexcode, label, group}) {
  if (LEFT_OUT.includes(group) || /1F3F[B-F]|20E3/.test(hexcode)) return false;
  return !/family|facing right|thirty|button|keycap|^man |^woman |^men |^women |people holding|couple with heart/.test(label);
}

// [{names: [English label, ...], hexcode, person}], in emojibase's order. `wanted`: [name, "other, names"]
// of those to keep. Throws Error naming those that are not there.
export function readThings(wanted) {
  const chinese = new Map(readJson('emojibase-data/zh/data.json').map((e) => [e.hexcode, e.label.toLowerCase()]));
  const others = wanted && new Map(wanted.map(([name, list]) => [name, list?.split(',').map((s) => s.trim()).filter(Boolean) ?? []]));
  const things = [];
  for (const emoji of readJson('emojibase-data/en/data.json')) {
    const name = emoji.label.toLowerCase();
    if (!isKept(emoji) || !chinese.has(emoji.hexcode) || (others && !others.has(name))) continue;
    const names = new Set([name, chinese.get(emoji.hexcode), ...(others?.get(name) ?? [])]);
    things.push({names: [...names], hexcode: emoji.hexcode, person: emoji.group === PEOPLE});
    others?.delete(name);
  }
  if (others?.size > 0) throw new Error(`nothing is called ${[...others.keys()].join(', ')}`);
  return things;
}

export function licences(styles) {
  return `Pictures: ${styles.map((style) => style.credit).join('; ')}; recoloured copies of them.
Captions: emojibase-data 17.0.0 (MIT), which takes them from Unicode CLDR (Unicode licence v3).
`;
}
