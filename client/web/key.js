// The key that this browser calls with: kept here, asked for when the server wants one.
// @ts-check

import {byId} from './dom.js';
import {say} from './texts.js';

const KEPT = 'key';

/** Those who wait for another key. @type {((given: boolean) => void)[]} */
let waiting = [];
/** Somebody was asked and gave none: who calls again and again does not ask again and again. */
let declined = false;

export const current = () => localStorage.getItem(KEPT) ?? '';

/** What a call carries. @returns {Record<string, string>} */
export const headers = () => (current() ? {authorization: `Bearer ${current()}`} : {});

function showButton() {
  byId('change-key').hidden = current() === '' && !declined;
}

/** @param {boolean} given whether there is another key now */
function settle(given) {
  const told = waiting;
  waiting = [];
  for (const tell of told) tell(given);
}

/** @param {string} why the server's words; empty: nobody has refused anything */
function open(why) {
  byId('key-refusal').hidden = why === '';
  byId('key-refusal').textContent = why;
  byId('key').value = '';
  byId('forget-key').hidden = current() === '';
  if (!byId('key-dialog').open) byId('key-dialog').showModal();
}

/**
 * Asks for another key than `refused`, once for all who wait. @param {string} refused @param {string} why
 * @returns {Promise<boolean>} whether one was given
 */
export function another(refused, why) {
  if (current() !== refused) return Promise.resolve(true);
  if (declined) return Promise.resolve(false);
  return new Promise(resolve => {
    waiting.push(resolve);
    // That a key is needed is no refusal.
    open(refused === '' ? '' : why || say('keyRefused'));
  });
}

/** @param {() => void} changed called when another key is used from now on */
export function keepKey(changed) {
  showButton();
  byId('change-key').addEventListener('click', () => open(''));
  byId('forget-key').addEventListener('click', () => {
    localStorage.removeItem(KEPT);
    byId('key-dialog').close();
    showButton();
    changed();
  });
  byId('key-form').addEventListener('submit', (/** @type {Event} */ event) => {
    event.preventDefault();
    const given = byId('key').value.trim();
    if (given === '') return;
    const waited = waiting.length > 0;
    declined = false;
    localStorage.setItem(KEPT, given);
    byId('key-dialog').close();
    showButton();
    settle(true);
    if (!waited) changed();
  });
  byId('key-cancel').addEventListener('click', () => byId('key-dialog').close());
  byId('key-dialog').addEventListener('close', () => {
    declined ||= waiting.length > 0;
    showButton();
    settle(false);
  });
}
