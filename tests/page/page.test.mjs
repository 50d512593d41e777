// The page in Debian's Chromium, against a real server and worker.
//   MIND_SCREENSHOTS: a folder for pictures of the page.
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {after, before, test} from 'node:test';

const require = createRequire(`${process.env.MIND_CLIENTS}/js/`);
const {chromium} = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core'), 'utf8');

const http = process.env.MIND_HTTP;
const shots = process.env.MIND_SCREENSHOTS;
const DESKTOP = {width: 1280, height: 860};
const PHONE = {width: 390, height: 844};

/** @type {import('playwright-core').Browser} */
let browser;
before(async () => {
  browser = await chromium.launch({executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-quic',
    '--no-first-run', ...(http.startsWith('https') ? ['--ignore-certificate-errors'] : []), '--disable-background-networking', '--disable-component-update', '--disable-sync']});
});
after(() => browser?.close());

/** A browser of its own, with a page that shows its models. */
async function open({path = '/', viewport = DESKTOP, colorScheme = 'light', model = 'emoji'} = {}) {
  const context = await browser.newContext({viewport, colorScheme, locale: 'en-US', bypassCSP: true});
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const problems = [];
  page.on('pageerror', error => problems.push(String(error)));
  await page.goto(http + path);
  await page.locator(`#model option[value="${model}"]`).waitFor({state: 'attached'});
  await page.locator('#steps').waitFor();
  await page.selectOption('#model', model);
  return {context, page, problems};
}
const shoot = async (page, name) => shots && page.screenshot({path: `${shots}/${name}.png`});
const make = page => page.click('.make');
const card = page => page.locator('.card').first();
const until = (page, state) => card(page).locator('.state', {hasText: state}).waitFor();

/** What axe-core finds wrong with what is shown, in words. */
async function faults(page) {
  await page.evaluate(axe);
  const {violations} = await page.evaluate(() => globalThis.axe.run());
  return violations.map(one => `${one.id}: ${one.nodes.map(node => node.html).join(' | ')}`);
}

test('a picture forms from its previews and stays after a reload', async () => {
  const {context, page, problems} = await open();
  await page.fill('#prompt', 'a red apple');
  await page.fill('#steps', '120');
  await page.evaluate(() => {
    globalThis.previews = new Set();
    new MutationObserver(() => {
      for (const image of document.querySelectorAll('img.forming')) globalThis.previews.add(image.src);
    }).observe(document.querySelector('#cards'), {subtree: true, childList: true, attributes: true});
  });
  await page.keyboard.press('Control+Enter');
  await until(page, /Step \d+ of 120/);
  await until(page, 'Done');
  assert.ok(await page.evaluate(() => globalThis.previews.size) >= 3);
  assert.equal(await card(page).locator('img').getAttribute('alt'), 'Picture 1: a red apple');
  await card(page).getByRole('button', {name: 'Enlarge picture 1'}).click();
  await page.locator('#enlarged img').waitFor();
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('#enlarged').isVisible(), false);
  await page.reload();
  await until(page, 'Done');
  assert.equal(await page.locator('.card').count(), 1);
  assert.deepEqual(problems, []);
  await context.close();
});

test('a job is watched from another browser while it runs, and cancelled', async () => {
  const {context, page} = await open();
  await page.fill('#prompt', 'a castle');
  await page.fill('#steps', '1000');
  await page.fill('#count', '4');
  await make(page);
  await until(page, /Step \d+ of 1000/);
  const id = await card(page).getAttribute('id');
  const other = await open({path: `/#${id}`});
  await until(other.page, /Step \d+ of 1000/);
  await other.page.locator('img.forming').first().waitFor();
  await card(page).getByRole('button', {name: 'Cancel'}).click();
  await until(page, 'Cancelled');
  await until(other.page, 'Cancelled');
  await other.context.close();
  await context.close();
});

test('what is painted on a picture is made anew, the rest stays', async () => {
  const {context, page} = await open();
  await page.fill('#prompt', 'a red apple');
  await page.fill('#steps', '12');
  await make(page);
  await until(page, 'Done');
  const picture = Buffer.from(await (await fetch(`${http}/v1/jobs/${await card(page).getAttribute('id')}/images/0`)).arrayBuffer());
  await page.setInputFiles('#file', {name: 'apple.png', mimeType: 'image/png', buffer: picture});
  const canvas = page.locator('.brush canvas');
  await canvas.scrollIntoViewIfNeeded();
  const box = await canvas.boundingBox();
  await page.mouse.move(box.x + box.width / 4, box.y + box.height / 4);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2, {steps: 5});
  await page.mouse.up();
  await page.fill('#prompt', 'a green apple');
  const sent = page.waitForRequest(request => request.method() === 'POST');
  await make(page);
  const {spec} = (await sent).postDataJSON();
  assert.ok(spec.sourceImage && spec.maskImage && spec.strength > 0);
  await page.locator('.card').nth(1).waitFor();
  await until(page, 'Done');
  await context.close();
});

test('a picture gives its settings back', async () => {
  const {context, page} = await open();
  const settings = {prompt: '一只熊猫', model: 'emoji', steps: 17, seed: '5', sampler: 'dpmpp_2m_karras', guidance: 3.5};
  const variation = {seed: '7', strength: 0.25};
  const created = await (await fetch(`${http}/v1/jobs`, {method: 'POST', body: JSON.stringify({spec: {...settings, variation}})})).json();
  await (await fetch(`${http}/v1/jobs/${created.id}/events`)).text();  // which ends as the job does
  const bytes = [...new Uint8Array(await (await fetch(`${http}/v1/jobs/${created.id}/images/0`)).arrayBuffer())];
  await page.evaluate(content => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(content)], 'panda.png', {type: 'image/png'}));
    dispatchEvent(new DragEvent('drop', {dataTransfer: data}));
  }, bytes);
  await page.locator('.brush').waitFor();
  await page.waitForFunction(() => document.querySelector('#prompt').value !== '');
  const shown = await page.evaluate(() => Object.fromEntries(['prompt', 'model', 'steps', 'seed', 'sampler', 'guidance', 'variation',
    'variationSeed'].map(name => [name, document.getElementById(name).value])));
  assert.deepEqual(shown, {...settings, steps: '17', guidance: '3.5', variation: '0.25', variationSeed: '7'});
  assert.equal(await page.locator('#made').textContent(), 'The file says: made by a model');
  await page.evaluate(async () => {
    const drawn = await new Promise(done => Object.assign(document.createElement('canvas'), {width: 8, height: 8}).toBlob(done));
    const data = new DataTransfer();
    data.items.add(new File([drawn], 'drawn.png', {type: 'image/png'}));
    dispatchEvent(new DragEvent('drop', {dataTransfer: data}));
  });
  await page.locator('.brush img[alt="drawn.png"]').waitFor();
  assert.equal(await page.locator('#made').count(), 0);
  await context.close();
});

test('every parameter of a sampler has a field, and several pictures come at once', async () => {
  const {context, page} = await open();
  await page.click('summary');
  await page.selectOption('#sampler', 'ddim');
  await page.fill('#parameter-eta', '0.5');
  await page.fill('#count', '3');
  await page.fill('#steps', '8');
  await page.fill('#prompt', 'a castle');
  const sent = page.waitForRequest(request => request.method() === 'POST');
  await make(page);
  assert.deepEqual((await sent).postDataJSON().spec.samplerParameters, {eta: 0.5});
  await until(page, 'Done');
  assert.equal(await card(page).locator('img').count(), 3);
  await page.fill('#steps', '100000');
  await make(page);  // which the field itself refuses
  assert.equal(await page.locator('.card').count(), 1);
  await context.close();
});

test('speaks Chinese', async () => {
  const {context, page} = await open();
  await page.selectOption('#language', 'zh');
  assert.match(await page.locator('.make').innerText(), /生成图片/);
  assert.equal(await page.getAttribute('html', 'lang'), 'zh-CN');
  await page.reload();
  assert.equal(await page.locator('nav a').first().innerText(), '创作');
  await context.close();
});

test('asks for a key where the server wants one, keeps it, and takes another', async () => {
  const {MIND_KEYED_HTTP, MIND_KEY_MAKER, MIND_KEY_REVOKED} = process.env;
  const context = await browser.newContext({viewport: DESKTOP, locale: 'en-US', bypassCSP: true});
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const problems = [];
  page.on('pageerror', error => problems.push(String(error)));
  await page.goto(MIND_KEYED_HTTP);
  const dialog = page.locator('#key-dialog');
  await dialog.waitFor();
  assert.deepEqual(await faults(page), []);
  await shoot(page, 'key');
  assert.equal(await page.locator('#key-refusal').isVisible(), false);
  const give = async key => {
    await page.fill('#key', key);
    await page.click('#key-form .use');
  };
  await give(MIND_KEY_REVOKED);
  await page.locator('#key-refusal', {hasText: 'has been revoked'}).waitFor();
  await give(MIND_KEY_MAKER);
  await page.locator('#model option[value="emoji"]').waitFor({state: 'attached'});
  await page.locator('#steps').waitFor();
  assert.equal(await dialog.isVisible(), false);
  // Events and pictures come with it.
  await page.fill('#prompt', 'a red apple');
  await page.fill('#steps', '60');
  await make(page);
  await page.locator('img.forming').first().waitFor();
  await until(page, 'Done');
  await page.waitForFunction(() => document.querySelector('.card .open img')?.complete);
  assert.match(await card(page).locator('img').getAttribute('src'), /^blob:/);
  assert.match(await card(page).getByRole('link', {name: 'Save'}).getAttribute('href'), /^blob:/);
  await page.reload();
  await until(page, 'Done');
  await page.waitForFunction(() => document.querySelector('.card .open img')?.naturalWidth > 0);
  // What the key does not allow is said.
  await page.click('nav a[data-view="operators"]');
  await page.locator('#workers', {hasText: 'scope "admin"'}).waitFor();
  assert.equal(await dialog.isVisible(), false);
  await page.click('nav a[data-view="create"]');
  // It is forgotten, and not given again.
  await page.click('#change-key');
  await page.click('#forget-key');
  await dialog.waitFor();
  await page.click('#key-cancel');
  await page.locator('#refusal', {hasText: 'a key is needed'}).waitFor();
  assert.equal(await page.evaluate(() => localStorage.getItem('key')), null);
  assert.ok(await page.locator('#change-key').isVisible());
  assert.deepEqual(problems, []);
  await context.close();
});

test('the gallery, for the documentation', async t => {
  if (!shots) return t.skip('no folder for screenshots');
  const made = [];
  for (const [prompt, imageCount] of [['a red apple', 4], ['一只熊猫', 1], ['blue rocket', 1], ['castle', 1], ['独角兽', 1]]) {
    const spec = {prompt, imageCount, model: 'emoji-256', steps: 20, seed: '7'};
    const job = await (await fetch(`${http}/v1/jobs`, {method: 'POST', body: JSON.stringify({spec})})).json();
    await (await fetch(`${http}/v1/jobs/${job.id}/events`)).text();
    made.push(job.id);
  }
  for (const [name, options] of [['desktop', {}], ['desktop-dark', {colorScheme: 'dark'}], ['phone', {viewport: PHONE}]]) {
    const {context, page} = await open({...options, model: 'emoji-256'});
    await page.evaluate(ids => localStorage.setItem('jobs', JSON.stringify(ids)), made);
    await page.reload();
    await page.locator('.card').nth(made.length - 1).locator('.state', {hasText: 'Done'}).waitFor();
    await page.waitForFunction(() => [...document.querySelectorAll('.card img')].length === 8 &&
      [...document.querySelectorAll('.card img')].every(image => image.complete));
    await page.fill('#prompt', 'a red apple');
    if (name === 'phone') await card(page).scrollIntoViewIfNeeded();
    await shoot(page, `gallery-${name}`);
    await context.close();
  }
});

for (const colorScheme of ['light', 'dark']) {
  for (const [size, viewport] of [['desktop', DESKTOP], ['phone', PHONE]]) {
    test(`axe-core finds nothing: ${colorScheme}, ${size}`, async () => {
      const {context, page} = await open({viewport, colorScheme, model: 'emoji-256'});
      assert.deepEqual(await faults(page), []);
      await shoot(page, `empty-${size}-${colorScheme}`);
      await page.fill('#prompt', 'a red apple');
      await page.fill('#steps', '30');
      await page.fill('#count', '2');
      await make(page);
      await page.locator('img.forming').first().waitFor();
      await card(page).scrollIntoViewIfNeeded();
      await shoot(page, `running-${size}-${colorScheme}`);
      assert.deepEqual(await faults(page), []);
      await until(page, 'Done');
      await page.waitForFunction(() => [...document.querySelectorAll('.card img')].every(image => image.complete));
      await shoot(page, `done-${size}-${colorScheme}`);
      await page.click('summary');
      assert.deepEqual(await faults(page), []);
      await page.click('nav a[data-view="operators"]');
      await page.locator('.worker', {hasText: /steps\/s, [\d.]+ rows a batch/}).first().waitFor();
      assert.deepEqual(await faults(page), []);
      await shoot(page, `operators-${size}-${colorScheme}`);
      await context.close();
    });
  }
}
