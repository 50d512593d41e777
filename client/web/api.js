// What the page asks of the server: docs/api.md, "JSON".
// @ts-check

/** An answer that is no success: `message` is for people. */
export class Refusal extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** @param {string} path @param {RequestInit} [init] */
async function ask(path, init) {
  const response = await fetch(path, init);
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
/** @param {string} id @param {number} index */
export const imageUrl = (id, index) => `/v1/jobs/${encodeURIComponent(id)}/images/${index}`;

/**
 * Tells what happens to a job until it ends, whatever becomes of the connection.
 * @param {string} id
 * @param {(name: string, event: any) => void} tell
 * @returns {() => void} stops it
 */
export function watch(id, tell) {
  const source = new EventSource(`/v1/jobs/${encodeURIComponent(id)}/events`);
  for (const name of ['queued', 'waiting', 'started', 'stage', 'progress', 'preview', 'image', 'completed']) {
    source.addEventListener(name, event => {
      if (name === 'completed') source.close();
      tell(name, JSON.parse(event.data)[name]);
    });
  }
  source.addEventListener('error', event => {
    // With data it is the server's own word; without, the connection, which the browser makes again.
    const said = /** @type {MessageEvent} */ (event).data;
    if (said === undefined && source.readyState !== EventSource.CLOSED) return;
    source.close();
    tell('gone', said === undefined ? {} : JSON.parse(said));
  });
  return () => source.close();
}
