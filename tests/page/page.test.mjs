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

/** Sends what the form says, to nobody. */
async function specOf(page) {
  await page.route('**/v1/jobs', route => route.fulfill({status: 400, json: {error: {message: 'not made'}}}), {times: 1});
  const sent = page.waitForRequest(request => request.method() === 'POST');
  await make(page);
  return (await sent).postDataJSON().spec;
}
const values = (page, names) => page.evaluate(all => Object.fromEntries(all.map(name => {
  const field = document.getElementById(name);
  return [name, field.type === 'checkbox' ? field.checked : field.value];
})), names);
const PAINTING = {sourceFit: 'SOURCE_FIT_CROP', maskBlur: 3, onlyMasked: {padding: 8}};
const GUIDING = {guidanceInterval: {begin: 0.25, end: 0.75}, projectedGuidance: {eta: 0.5, normThreshold: 15, momentum: -0.5}};

test('settings of a picture and of a link are all that was asked for', async () => {
  const {context, page, problems} = await open();
  const drawn = await page.evaluate(async () => {
    const canvas = Object.assign(document.createElement('canvas'), {width: 96, height: 64});
    const paint = canvas.getContext('2d');
    paint.fillRect(0, 0, 96, 64);
    paint.fillStyle = 'white';
    paint.fillRect(20, 20, 30, 30);
    return canvas.toDataURL().split(',')[1];
  });
  const spec = {prompt: 'a castle', model: 'emoji', steps: 8, seed: '5', sourceImage: drawn, maskImage: drawn, strength: 0.5, ...PAINTING, ...GUIDING};
  const created = await (await fetch(`${http}/v1/jobs`, {method: 'POST', body: JSON.stringify({spec})})).json();
  await (await fetch(`${http}/v1/jobs/${created.id}/events`)).text();
  const picture = Buffer.from(await (await fetch(`${http}/v1/jobs/${created.id}/images/0`)).arrayBuffer());
  const expected = {guidanceBegin: '0.25', guidanceEnd: '0.75', projectedEta: '0.5', projectedNorm: '15', projectedMomentum: '-0.5',
    strength: '0.5', maskBlur: '3', onlyMasked: true, maskPadding: '8'};
  await page.setInputFiles('#file', {name: 'castle.png', mimeType: 'image/png', buffer: picture});
  await page.locator('#maskPadding').waitFor();
  await page.waitForFunction(() => document.getElementById('guidanceEnd')?.value === '0.75');
  assert.deepEqual(await values(page, Object.keys(expected)), expected);
  await page.locator('summary').first().click();
  assert.ok(await page.locator('#guidanceEnd').isVisible());  // what is not as usual is not folded away
  const other = await open({path: `/#${created.id}`});
  await until(other.page, 'Done');
  await card(other.page).getByRole('button', {name: 'Use these settings'}).click();
  await other.page.setInputFiles('#file', {name: 'drawn.png', mimeType: 'image/png', buffer: Buffer.from(drawn, 'base64')});
  await other.page.locator('#maskPadding').waitFor();
  assert.deepEqual(await values(other.page, [...Object.keys(expected), 'sourceFit']), {...expected, sourceFit: 'CROP'});
  // The part that is painted: nothing yet, then by a mask from a file.
  const bare = await specOf(other.page);
  assert.deepEqual([bare.maskImage, bare.maskBlur, bare.onlyMasked, bare.sourceFit], [undefined, undefined, undefined, 'SOURCE_FIT_CROP']);
  await other.page.setInputFiles('#mask', {name: 'mask.png', mimeType: 'image/png', buffer: Buffer.from(drawn, 'base64')});
  await other.page.waitForFunction(() => document.querySelector('.brush canvas').getContext('2d').getImageData(30, 30, 1, 1).data[3] > 0);
  const masked = await specOf(other.page);
  assert.ok(masked.maskImage);
  assert.deepEqual([masked.maskBlur, masked.onlyMasked, masked.sourceFit], [3, {padding: 8}, undefined]);  // which only the whole has
  assert.deepEqual([masked.guidanceInterval, masked.projectedGuidance], [GUIDING.guidanceInterval, GUIDING.projectedGuidance]);
  await other.page.setInputFiles('#mask', {name: 'mask.txt', mimeType: 'text/plain', buffer: Buffer.from('no picture')});
  await other.page.locator('#refusal', {hasText: 'mask.txt cannot be read'}).waitFor();
  assert.deepEqual([...problems, ...other.problems], []);
  await other.context.close();
  await context.close();
});

test('a model that offers more has fields for it, and only that one', async () => {
  const context = await browser.newContext({viewport: DESKTOP, locale: 'en-US', bypassCSP: true});
  const page = await context.newPage();
  // As a model with second passes and networks beside it says of itself.
  await page.route('**/v1/models', async route => {
    const body = await (await route.fetch()).json();
    const {mind} = body.data.find(one => one.id === 'emoji');
    const inputs = [{role: 'INPUT_ROLE_PROMPT', needed: false, most: 2, networks: ['plus'], networkKinds: []},
      {role: 'INPUT_ROLE_CONTROL', needed: false, most: 4, networks: ['canny', 'union'], networkKinds: [0, 6]}];
    Object.assign(mind, {takesHires: true, takesTiling: true, maxWidth: 256, maxHeight: 256, inputs: [...mind.inputs, ...inputs]});
    Object.assign(body.data.find(one => one.id === 'emoji-256').mind, {takesGuidanceInterval: false, takesProjectedGuidance: false,
      takesSourceFit: false, takesHires: false, takesTiling: false});
    await route.fulfill({json: body});
  });
  await page.goto(http);
  await page.locator('#steps').waitFor();
  await page.selectOption('#model', 'emoji');
  await page.locator('summary').first().click();
  for (const name of ['Second pass, larger', 'Guidance, closer', 'Pictures as prompts', 'Pictures that steer']) {
    const fold = page.locator('.group > summary', {hasText: name});
    await fold.focus();
    await page.keyboard.press('Enter');
    assert.ok(await fold.evaluate(one => one.parentElement.open), name);
  }
  await page.fill('#width', '64');
  await page.fill('#height', '128');
  assert.equal(await page.getAttribute('#hires', 'max'), '2');  // as far as the height goes
  assert.equal(await page.locator('#hiresStrength').isVisible(), false);
  await page.fill('#hires', '1.5');
  await page.fill('#hiresSteps', '7');
  await page.selectOption('#hiresUpscaler', 'LANCZOS');
  await page.selectOption('#tiling', 'true');
  await page.fill('#guidanceEnd', '0.8');
  const buffer = Buffer.from(await page.evaluate(async () => document.createElement('canvas').toDataURL().split(',')[1]), 'base64');
  const picture = name => ({name, mimeType: 'image/png', buffer});
  await page.setInputFiles('#add-INPUT_ROLE_PROMPT', [picture('a.png'), picture('b.png'), picture('c.png')]);
  await page.setInputFiles('#add-INPUT_ROLE_CONTROL', picture('pose.png'));
  await page.locator('.reference').nth(2).waitFor();
  assert.equal(await page.locator('.reference').count(), 3);  // two of the three, and one
  assert.ok(await page.locator('#add-INPUT_ROLE_PROMPT').isDisabled());
  await page.getByRole('button', {name: 'Remove: a.png'}).press('Enter');
  assert.ok(await page.locator('#add-INPUT_ROLE_PROMPT').isEnabled());
  const pose = page.locator('.reference', {has: page.locator('img[alt="pose.png"]')});
  await pose.getByLabel('Network').selectOption('union');
  await pose.getByLabel('Kind, by number').fill('3');
  await pose.getByRole('spinbutton', {name: 'Weight'}).fill('0.5');
  assert.deepEqual(await faults(page), []);
  await shoot(page, 'offers');
  const image = buffer.toString('base64');
  const spec = await specOf(page);
  assert.deepEqual(spec.hires, {scale: 1.5, strength: 0.7, upscaler: 'HIRES_UPSCALER_LANCZOS', steps: 7});
  assert.equal(spec.tiling, true);
  assert.deepEqual(spec.guidanceInterval, {begin: 0, end: 0.8});
  assert.equal(spec.projectedGuidance, undefined);
  assert.deepEqual(spec.picturePrompts, [{adapter: 'plus', image, weight: 1}]);
  assert.deepEqual(spec.controls, [{network: 'union', image, weight: 0.5, kind: 3}]);
  // What is too much is shown, wherever it stands.
  await page.fill('#hires', '4');
  await page.locator('summary').first().click();
  await make(page);
  assert.ok(await page.locator('#hires').isVisible());
  await page.selectOption('#model', 'emoji-256');
  for (const name of ['hires', 'tiling', 'guidanceBegin', 'projectedEta', 'add-INPUT_ROLE_PROMPT', 'add-INPUT_ROLE_CONTROL'])
    assert.equal(await page.locator(`#${name}`).count(), 0, name);
  await page.fill('#prompt', 'a');
  const plain = await specOf(page);
  for (const name of ['hires', 'tiling', 'guidanceInterval', 'picturePrompts', 'controls']) assert.equal(plain[name], undefined, name);
  await context.close();
});

test('pictures to go by have slots', async () => {
  const context = await browser.newContext({viewport: DESKTOP, locale: 'en-US', bypassCSP: true});
  const page = await context.newPage();
  // As a model that changes several pictures says of itself.
  await page.route('**/v1/models', async route => {
    const body = await (await route.fetch()).json();
    const {mind} = body.data.find(one => one.id === 'emoji');
    Object.assign(mind, {tasks: ['TASK_TEXT_TO_IMAGE', 'TASK_EDIT'], inputs: [
      {role: 'INPUT_ROLE_SOURCE', needed: false, most: 1, networks: [], networkKinds: []},
      {role: 'INPUT_ROLE_REFERENCE', needed: false, most: 3, networks: [], networkKinds: [], megapixels: 1}]});
    await route.fulfill({json: body});
  });
  await page.goto(http);
  await page.locator('#steps').waitFor();
  await page.selectOption('#model', 'emoji');
  await page.fill('#prompt', 'a cat');
  assert.equal((await specOf(page)).referenceImages, undefined);
  const draw = colour => page.evaluate(fill => {
    const canvas = document.createElement('canvas');
    const brush = canvas.getContext('2d');
    brush.fillStyle = fill;
    brush.fillRect(0, 0, 300, 150);
    return canvas.toDataURL().split(',')[1];
  }, colour);
  const [red, green, blue] = [await draw('red'), await draw('green'), await draw('blue')];
  const file = (name, base64) => ({name, mimeType: 'image/png', buffer: Buffer.from(base64, 'base64')});
  await page.setInputFiles('#file', [file('red.png', red), file('green.png', green)]);
  await page.locator('#slots li').nth(1).waitFor();
  await page.setInputFiles('#file', {name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('words')});
  await page.locator('#refusal', {hasText: 'notes.txt cannot be read as a picture.'}).waitFor();
  await page.setInputFiles('#file', file('blue.png', blue));
  await page.locator('#slots li').nth(2).waitFor();
  assert.ok(await page.locator('#file').isDisabled());  // as many as it takes
  assert.deepEqual((await specOf(page)).referenceImages, [red, green, blue]);
  assert.deepEqual(await faults(page), []);
  await shoot(page, 'slots');
  await page.getByRole('button', {name: 'Remove: Picture 2'}).press('Enter');
  assert.equal(await page.locator('#slots li').count(), 2);
  assert.ok(await page.locator('#file').isEnabled());
  const spec = await specOf(page);
  assert.deepEqual(spec.referenceImages, [red, blue]);
  assert.equal(spec.sourceImage, undefined);
  assert.equal(spec.strength, undefined);
  await page.selectOption('#model', 'emoji-256');
  assert.equal(await page.locator('#slots').count(), 0);
  assert.equal((await specOf(page)).referenceImages, undefined);
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
