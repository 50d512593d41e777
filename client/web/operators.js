// What those who run the server want to see: its workers and its queue.
// @ts-check

import * as api from './api.js';
import {byId, element} from './dom.js';
import {say} from './texts.js';

const EVERY_MS = 1000;
/** @type {number | undefined} */
let timer;

/** @param {any} worker a mind.v1.Worker in JSON */
function workerCard(worker) {
  const works = ['WORKER_STATE_READY', 'WORKER_STATE_BUSY'].includes(worker.state);
  const bar = element('i');
  bar.style.width = `${100 * worker.runningImages / Math.max(worker.maxImages, 1)}%`;
  return element('article', {className: 'worker'}, [
    element('h3', {}, [element('span', {className: works ? 'dot' : 'dot off'}), worker.name]),
    element('p', {textContent: `${worker.device} · ${worker.state.replace('WORKER_STATE_', '').toLowerCase()}`}),
    element('p', {textContent: say('of', {a: worker.runningImages, b: worker.maxImages})}),
    element('p', {textContent: worker.stepsPerSecond ? say('pace', {
      steps: worker.stepsPerSecond.toPrecision(2), rows: worker.batchRows.toPrecision(2)}) : say('idle')}),
    element('p', {textContent: `${say('models')}: ${worker.models.join(', ')}`}),
    element('div', {className: 'meter', ariaHidden: 'true'}, [bar]),
  ]);
}

async function look() {
  try {
    const [workers, waiting, running] = await Promise.all(
      [api.workers(), api.jobs('JOB_STATE_QUEUED'), api.jobs('JOB_STATE_RUNNING')]);
    byId('workers').replaceChildren(...(workers.length ? workers.map(workerCard)
      : [element('p', {textContent: say('noWorkers')})]));
    byId('queue').replaceChildren(...[['waiting', waiting], ['running', running]].map(([name, jobs]) =>
      element('div', {}, [element('dt', {textContent: say(String(name))}), element('dd', {textContent: String(jobs.length)})])));
  } catch (refusal) {
    // The key may not allow it.
    const denied = [401, 403].includes(/** @type {any} */ (refusal).status);
    byId('workers').replaceChildren(element('p', {textContent: denied ? /** @type {Error} */ (refusal).message : say('unreachable')}));
  }
}

/** Looks again and again while they are shown. @param {boolean} shown */
export function showOperators(shown) {
  clearInterval(timer);
  timer = undefined;
  if (!shown) return;
  look();
  timer = setInterval(look, EVERY_MS);
}
