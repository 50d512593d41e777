// The page: makes pictures, shows them while they form, and remembers which jobs are this browser's.
// @ts-check

import * as api from './api.js';
import {Card} from './card.js';
import {byId, element} from './dom.js';
import {fillFields, requestOf, showFields} from './fields.js';
import {keepKey} from './key.js';
import {showOperators} from './operators.js';
import {acceptPictures, showSource} from './source.js';
import {currentLanguage, say, setLanguage, translate} from './texts.js';

const REMEMBERED = 200;
const NO_MODEL_RETRY_MS = 2000;

/** @type {any[]} */
let models = [];

/** @returns {string[]} ids, the newest first */
const remembered = () => JSON.parse(localStorage.getItem('jobs') ?? '[]');
const remember = (/** @type {string[]} */ ids) => localStorage.setItem('jobs', JSON.stringify(ids.slice(0, REMEMBERED)));

/** @param {string} name */
async function chooseModel(name) {
  const model = models.find(one => one.name === name) ?? models[0];
  if (!model) return;
  byId('model').value = model.name;
  showSource(model);
  await showFields(model);
}

/** @param {any} spec */
async function useSettings(spec) {
  await chooseModel(spec.model ?? byId('model').value);
  fillFields(spec);
  byId('prompt').focus();
}

/** Shows a picture as large as the window. @param {string} url @param {string} words what it is */
function enlarge(url, words) {
  const image = byId('enlarged').querySelector('img');
  Object.assign(image, {src: url, alt: words});
  byId('enlarged').showModal();
}

/** @param {any} job @param {boolean} first whether it goes before the others */
function addCard(job, first) {
  const card = new Card(job, {
    again: useSettings,
    enlarge,
    forget: id => {
      remember(remembered().filter(one => one !== id));
      card.stop();
      card.element.remove();
      api.releaseImages(id);
      byId('nothing').hidden = byId('cards').childElementCount > 0;
    },
  });
  byId('cards')[first ? 'prepend' : 'append'](card.element);
  byId('nothing').hidden = true;
}

/** @param {string | null} why */
function refuse(why) {
  byId('refusal').hidden = why === null;
  byId('refusal').textContent = why ?? '';
}

async function make() {
  refuse(null);
  // What is wrong is shown, wherever it is folded away.
  for (const wrong of byId('request').querySelectorAll(':invalid')) {
    for (let fold = wrong.closest('details'); fold; fold = fold.parentElement.closest('details')) fold.open = true;
  }
  if (!byId('request').reportValidity()) return;
  try {
    const job = await api.create(requestOf());
    remember([job.id, ...remembered()]);
    addCard(job, true);
  } catch (refusal) {
    refuse(/** @type {Error} */ (refusal).message || say('unreachable'));
  }
}

async function loadModels() {
  try {
    models = await api.models();
  } catch (refusal) {
    const status = /** @type {any} */ (refusal).status;
    refuse(status === 401 || status === 403 ? /** @type {Error} */ (refusal).message : say('unreachable'));
    // Without a key there is nothing to wait for.
    if (status === 401 || status === 403) return;
  }
  if (models.length === 0) {
    if (byId('refusal').hidden) refuse(say('noModel'));
    setTimeout(loadModels, NO_MODEL_RETRY_MS);
    return;
  }
  refuse(null);
  byId('model').replaceChildren(...models.map(one => element('option', {value: one.name, textContent: one.name})));
  // As the server means it: a cascade goes before its stages.
  const stages = models.flatMap(one => one.stages);
  const takesText = models.filter(one => one.tasks.includes('TASK_TEXT_TO_IMAGE'));
  chooseModel((takesText.find(one => !stages.includes(one.name)) ?? takesText[0] ?? models[0]).name);
}

/** The jobs of this browser, and the one a link names before them. */
async function loadWorks() {
  const linked = location.hash.startsWith('#job-') ? [location.hash.slice(1)] : [];
  for (const id of [...linked, ...remembered().filter(one => !linked.includes(one))]) {
    try {
      addCard(await api.job(id), false);
    } catch (refusal) {
      // Not kept any longer.
      if (/** @type {any} */ (refusal).status === 404) remember(remembered().filter(one => one !== id));
    }
  }
}

function showView() {
  const operators = location.hash === '#operators';
  byId('operators').hidden = !operators;
  byId('create').hidden = operators;
  for (const link of document.querySelectorAll('nav a')) {
    const here = (/** @type {HTMLElement} */ (link).dataset.view === 'operators') === operators;
    here ? link.setAttribute('aria-current', 'page') : link.removeAttribute('aria-current');
  }
  showOperators(operators);
}

byId('language').value = currentLanguage();
byId('language').addEventListener('change', (/** @type {any} */ event) => {
  setLanguage(event.target.value);
  chooseModel(byId('model').value);
});
byId('model').addEventListener('change', (/** @type {any} */ event) => chooseModel(event.target.value));
byId('request').addEventListener('submit', (/** @type {Event} */ event) => {
  event.preventDefault();
  make();
});
byId('request').addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) make();
});
addEventListener('hashchange', showView);
byId('enlarged').addEventListener('click', () => byId('enlarged').close());
for (const idea of document.querySelectorAll('.idea')) {
  idea.addEventListener('click', () => {
    byId('prompt').value = idea.textContent;
    make();
  });
}
translate();
// Another key, another tenant: its models and jobs.
keepKey(() => location.reload());
acceptPictures(useSettings);
showView();
loadModels();
loadWorks();
