// One job on the page: its pictures while they form, what it is at, and what can be done with it.
// @ts-check

import * as api from './api.js';
import {byId, element} from './dom.js';
import {duration, say} from './texts.js';

const seconds = (/** @type {string | undefined} */ text) => text ? Number(text.replace('s', '')) : NaN;
const ended = (/** @type {any} */ job) => ['JOB_STATE_SUCCEEDED', 'JOB_STATE_FAILED', 'JOB_STATE_CANCELLED'].includes(job.state);

/**
 * @typedef {object} Wishes
 * @property {(spec: any) => void} again
 * @property {(id: string) => void} forget
 * @property {(url: string, words: string) => void} enlarge
 */

export class Card {
  /** @param {any} job a mind.v1.Job in JSON @param {Wishes} wishes */
  constructor(job, wishes) {
    this.job = job;
    this.wishes = wishes;
    /** @type {Map<number, {frame: HTMLElement, line: HTMLElement}>} */
    this.pictures = new Map();
    this.state = element('p', {className: 'state'});
    this.actions = element('div', {className: 'actions'});
    const grid = element('div', {className: 'pictures'});
    for (let i = 0; i < job.spec.imageCount; ++i) {
      const line = element('div', {className: 'line'});
      const frame = element('div', {className: 'picture'}, [line]);
      frame.style.aspectRatio = `${job.spec.width} / ${job.spec.height}`;
      this.pictures.set(i, {frame, line});
      grid.append(frame);
    }
    this.element = element('article', {className: job.spec.imageCount > 1 ? 'card several' : 'card', id: job.id, ariaLabel: job.spec.prompt || job.spec.model}, [grid,
      element('div', {className: 'about'}, [element('p', {textContent: job.spec.prompt || job.spec.model}), this.state, this.actions])]);
    this.stop = api.watch(job.id, (name, event) => this.tell(name, event));
    this.offer();
  }

  /** @param {string} name @param {any} event */
  tell(name, event) {
    if (name === 'queued' || name === 'waiting') {
      const wait = seconds(event.estimatedWait);
      this.say([say('queued'), event.position > 0 ? say('ahead', {n: event.position}) : '',
        wait > 0 ? say('soon', {t: duration(wait)}) : ''].filter(Boolean).join(' · '));
    } else if (name === 'started') {
      this.say(say('started'));
    } else if (name === 'stage') {
      this.say(say(event.stage));
    } else if (name === 'progress') {
      const left = seconds(event.estimatedRemaining);
      this.say(say('step', {a: event.step, b: event.steps}) + (left > 0 ? ` · ${say('left', {t: duration(left)})}` : ''));
      const picture = this.pictures.get(event.imageIndex);
      if (picture) picture.line.style.width = `${100 * event.step / event.steps}%`;
    } else if (name === 'preview') {
      this.show(event.imageIndex, `data:${event.mediaType};base64,${event.data}`, true);
    } else if (name === 'image') {
      this.finish(event.imageIndex);
    } else if (name === 'completed') {
      this.end(event.job);
    } else {
      this.say(say('lost'));
      this.offer();
    }
  }

  /** A picture is made. @param {number} index */
  async finish(index) {
    try {
      this.show(index, await api.imageUrl(this.job.id, index), false);
    } catch {
      this.say(say('lost'));
    }
  }

  /** @param {number} index @param {string} url @param {boolean} forming */
  show(index, url, forming) {
    const picture = this.pictures.get(index);
    if (!picture) return;
    let image = picture.frame.querySelector('img');
    if (!image) picture.frame.prepend(image = element('img', {decoding: 'async'}));
    const words = {n: index + 1, prompt: this.job.spec.prompt || this.job.spec.model};
    Object.assign(image, {src: url, className: forming ? 'forming' : '', alt: say(forming ? 'preview' : 'picture', words)});
    if (forming) return;
    picture.line.style.width = '0';
    if (image.parentElement === picture.frame) {
      // Finished: it can be looked at closely.
      const open = element('button', {type: 'button', className: 'open', ariaLabel: say('enlarge', words)}, [image]);
      open.addEventListener('click', () => this.wishes.enlarge(url, image.alt));
      picture.frame.prepend(open);
    }
  }

  /** @param {any} job */
  end(job) {
    this.job = job;
    const took = (Date.parse(job.endTime) - Date.parse(job.createTime)) / 1000;
    this.state.classList.toggle('failed', job.state === 'JOB_STATE_FAILED');
    if (job.state === 'JOB_STATE_SUCCEEDED') this.say(say('done', {t: duration(took)}) + ` · ${say('seed')} ${job.spec.seed}`);
    if (job.state === 'JOB_STATE_FAILED') this.say(say('failed', {why: job.error?.message ?? ''}));
    if (job.state === 'JOB_STATE_CANCELLED') this.say(say('cancelled'));
    for (const {line} of this.pictures.values()) line.style.width = '0';
    this.offer();
  }

  /** @param {string} text */
  say(text) {
    this.state.textContent = text;
  }

  offer() {
    /** @param {string} name @param {() => void} act */
    const button = (name, act) => {
      const made = element('button', {type: 'button', className: 'quiet', textContent: say(name)});
      made.addEventListener('click', act);
      return made;
    };
    const share = button('share', async () => {
      await navigator.clipboard?.writeText(`${location.origin}/#${this.job.id}`);
      byId('said').textContent = say('copied');
      share.textContent = say('copied');
    });
    const over = ended(this.job);
    const saves = this.job.state === 'JOB_STATE_SUCCEEDED' ? [...this.pictures.keys()].map(i => this.saveLink(i)) : [];
    this.actions.replaceChildren(...(over ? [] : [button('cancel', () => this.cancel())]), ...saves,
      button('again', () => this.wishes.again(this.job.spec)), share,
      ...(over ? [button('forget', () => this.wishes.forget(this.job.id))] : []));
  }

  /** @param {number} i */
  saveLink(i) {
    const link = element('a', {className: 'quiet', download: `${this.job.id}-${i}`,
      textContent: this.pictures.size > 1 ? `${say('save')} ${i + 1}` : say('save')});
    api.imageUrl(this.job.id, i).then(url => link.href = url, () => link.remove());
    return link;
  }

  async cancel() {
    try {
      await api.cancel(this.job.id);
    } catch (refusal) {
      this.say(String(/** @type {Error} */ (refusal).message));
    }
  }
}
