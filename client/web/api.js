// What the page asks of the server: docs/api.md, "JSON".
// @ts-check

import {eventsOf} from './events.js';
import * as key from './key.js';

/** An answer that is no success: `message` is for people. */
export class Refusal extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const AGAIN_MS = 1000;

/** With this browser's key; another is asked for where the server does not take it. @param {string} path @param {RequestInit} [init] */
async function call(path, init) {
  for (;;) {
    const used = key.current();
    const response = await fetch(path, {...init, headers: {...init?.headers, ...key.headers()}});
    if (response.status !== 401) return response;
    const refused = response.clone();
    const why = await refused.json().then(body => body?.error?.message ?? '', () => '');
    if (!await key.another(used, why)) return response;
  }
}

/** @param {string} path @param {RequestInit} [init] */
async function ask(path, init) {
  const response = await call(path, init);
  const text = await response.text();
  let body = null;
  try {
    body = JSON.parse(text);
  } catch {
    throw new Refusal(response.status, `${response.status} ${text.slice(0, 200)}`);
  }
  if (!response.ok) throw new Refusal(response.status, body?.error?.message ?? String(response.status));
  return body;
}

/** All models, as mind.v1.Model in JSON. @returns {Promise<any[]>} */
export const models = async () => (await ask('/v1/models')).data.map((/** @type {any} */ one) => one.mind);
/** @param {string} model @returns {Promise<any>} */
export const samplers = model => ask(`/v1/samplers?model=${encodeURIComponent(model)}`);
/** @returns {Promise<any[]>} */
export const workers = async () => (await ask('/v1/workers')).workers;
/** @param {string} state @returns {Promise<any[]>} */
export const jobs = async state => (await ask(`/v1/jobs?page_size=1000&state=${state}`)).jobs;
/** @param {object} request a mind.v1.JobRequest @returns {Promise<any>} */
export const create = request =>
  ask('/v1/jobs', {method: 'POST', headers: {'content-type': 'application/json'}, body: JSON.stringify(request)});
/** @param {string} id @returns {Promise<any>} */
export const job = id => ask(`/v1/jobs/${encodeURIComponent(id)}`);
/** @param {string} id @returns {Promise<any>} */
export const cancel = id => ask(`/v1/jobs/${encodeURIComponent(id)}/cancel`, {method: 'POST'});
/** Pictures that were fetched, by path. @type {Map<string, Promise<string>>} */
const fetched = new Map();

/**
 * Where a picture can be shown from. @param {string} id @param {number} index @returns {Promise<string>}
 */
export function imageUrl(id, index) {
  const path = `/v1/jobs/${encodeURIComponent(id)}/images/${index}`;
  // The browser fetches it without a key.
  if (key.current() === '') return Promise.resolve(path);
  let url = fetched.get(path);
  if (!url) {
    url = call(path).then(async response => {
      if (!response.ok) throw new Refusal(response.status, String(response.status));
      return URL.createObjectURL(await response.blob());
    });
    url.catch(() => fetched.delete(path));
    fetched.set(path, url);
  }
  return url;
}

/** The pictures of a job are shown no more. @param {string} id */
export function releaseImages(id) {
  for (const [path, url] of fetched) {
    if (!path.startsWith(`/v1/jobs/${encodeURIComponent(id)}/`)) continue;
    fetched.delete(path);
    url.then(URL.revokeObjectURL, () => {});
  }
}

/**
 * Tells what happens to a job until it ends, whatever becomes of the connection.
 * @param {string} id
 * @param {(name: string, event: any) => void} tell
 * @returns {() => void} stops it
 */
export function watch(id, tell) {
  const stopped = new AbortController();
  const follow = async () => {
    for (let last = ''; !stopped.signal.aborted;) {
      try {
        const response = await call(`/v1/jobs/${encodeURIComponent(id)}/events`,
          {signal: stopped.signal, headers: last === '' ? {} : {'last-event-id': last}});
        if (!response.ok && response.status < 500) return tell('gone', {});
        if (response.ok && response.body) {
          for await (const event of eventsOf(response.body)) {
            if (event.name === 'error') return tell('gone', JSON.parse(event.data));
            if (event.id !== '') last = event.id;
            tell(event.name, JSON.parse(event.data)[event.name]);
            if (event.name === 'completed') return;
          }
        }
      } catch {
        // The connection: it is made again, from the last event on.
      }
      await new Promise(resolve => setTimeout(resolve, AGAIN_MS));
    }
  };
  follow();
  return () => stopped.abort();
}
