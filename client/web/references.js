// Pictures beside the one to begin with, where the model has networks for them: prompts (IP-Adapter) and what steers (ControlNet).
// @ts-check

import {byId, element} from './dom.js';
import {choice, group, input, plain, range} from './inputs.js';
import {say} from './texts.js';

const MOST_WEIGHT = 2;

/** The fields of a spec that roles of pictures are, and what names the network there. @type {Record<string, {list: string, network: string}>} */
const ROLES = {
  INPUT_ROLE_PROMPT: {list: 'picturePrompts', network: 'adapter'},
  INPUT_ROLE_CONTROL: {list: 'controls', network: 'network'},
};

/**
 * @typedef {object} Reference
 * @property {string} role @property {string} name of its file @property {string} url @property {string} base64
 * @property {string} network @property {string} weight @property {string} kind
 */
/** @type {Reference[]} */
let references = [];
let numbered = 0;

/** As base64. @param {Blob} blob @returns {Promise<string>} */
export const base64Of = blob => new Promise((resolve, reject) => {
  const reader = new FileReader();
  reader.onload = () => resolve(String(reader.result).split(',')[1]);
  reader.onerror = () => reject(reader.error);
  reader.readAsDataURL(blob);
});

/** @param {any} model */
const inputsOf = model => (model.inputs ?? []).filter((/** @type {any} */ one) => ROLES[one.role] && one.networks.length);

/** How many kinds a network knows by number. @param {any} of an input @param {string} network @returns {number} */
const kindsOf = (of, network) => of.networkKinds?.[of.networks.indexOf(network)] ?? 0;

/** @param {any} of an input of the model @param {Reference} one @param {() => void} changed */
function referenceCard(of, one, changed) {
  const id = `reference-${++numbered}`;
  if (!of.networks.includes(one.network)) one.network = of.networks[0];
  const kinds = kindsOf(of, one.network);
  const fields = [
    ...(of.networks.length > 1 ? [choice(`${id}-network`, say('network'), plain(of.networks), one.network)] : []),
    range(`${id}-weight`, say('weight'), {min: 0, max: MOST_WEIGHT, step: 0.05, value: Number(one.weight)}),
    ...(kinds > 0 ? [input(`${id}-kind`, say('kind'), {type: 'number', min: 0, max: kinds - 1, required: true, value: one.kind || '0'})] : []),
  ];
  for (const field of fields) {
    for (const kind of ['input', 'change']) field.querySelector('[name]').addEventListener(kind, (/** @type {any} */ {target}) => {
      const what = target.name.slice(id.length + 1);
      /** @type {any} */ (one)[what] = target.value;
      if (what === 'network') changed();
    });
  }
  const remove = element('button', {type: 'button', className: 'quiet', textContent: say('remove'), ariaLabel: `${say('remove')}: ${one.name}`});
  remove.addEventListener('click', () => {
    references = references.filter(other => other !== one);
    URL.revokeObjectURL(one.url);
    changed();
    byId(`add-${one.role}`)?.focus();
  });
  return element('li', {className: 'reference'}, [element('img', {src: one.url, alt: one.name}), element('div', {}, fields), remove]);
}

/** @param {any} of an input of the model */
function roleGroup(of) {
  const list = element('ul', {className: 'references'});
  const add = element('input', {type: 'file', id: `add-${of.role}`, className: 'hidden', multiple: of.most > 1,
    accept: 'image/png,image/jpeg,image/webp'});
  const label = element('label', {htmlFor: add.id, className: 'quiet', textContent: say('addPicture')});
  const mine = () => references.filter(one => one.role === of.role);
  const show = () => {
    list.replaceChildren(...mine().map(one => referenceCard(of, one, show)));
    add.disabled = mine().length >= of.most;
    label.classList.toggle('off', add.disabled);
  };
  add.addEventListener('change', async () => {
    for (const file of [...add.files].slice(0, of.most - mine().length)) {
      references.push({role: of.role, name: file.name, url: URL.createObjectURL(file), base64: await base64Of(file),
        network: of.networks[0], weight: '1', kind: ''});
    }
    add.value = '';
    show();
  });
  show();
  const made = group(say(of.role), say(`${of.role}_about`, {n: of.most}), [list, element('div', {className: 'add'}, [label, add])]);
  made.open = mine().length > 0;
  return made;
}

/** @param {any} model */
export const referenceFields = model => inputsOf(model).map(roleGroup);

/** Their fields of a spec. @param {any} model */
export function referencesOf(model) {
  /** @type {Record<string, any[]>} */
  const lists = {};
  for (const of of inputsOf(model)) {
    const {list, network} = ROLES[of.role];
    const said = references.filter(one => one.role === of.role).slice(0, of.most).map(one => ({[network]: one.network, image: one.base64,
      weight: Number(one.weight), ...(kindsOf(of, one.network) > 0 ? {kind: Number(one.kind || 0)} : {})}));
    if (said.length) lists[list] = said;
  }
  return lists;
}
