// The npm client `openai`, unmodified, against a real server and worker.
import assert from 'node:assert/strict';
import {File} from 'node:buffer';
import {createRequire} from 'node:module';
import {test} from 'node:test';

globalThis.File ??= File;  // Node 18 does not have it there, and the client's uploads want it
const require = createRequire(`${process.env.MIND_CLIENTS}/js/`);
const OpenAI = require('openai');

const http = process.env.MIND_HTTP;
const client = new OpenAI({baseURL: `${http}/v1`, apiKey: 'none'});
const small = {model: 'emoji', num_inference_steps: 8};
const long = {model: 'emoji', num_inference_steps: 1000, n: 8};
const PNG = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');

const isPng = b64 => Buffer.from(b64, 'base64').subarray(0, 8).equals(PNG);
const jobs = async () => (await (await fetch(`${http}/v1/jobs?page_size=1000`)).json()).jobs;
/** Waits until the newest job has this state. */
async function awaitState(state, prompt) {
  for (;;) {
    const job = (await jobs()).find(one => one.spec.prompt === prompt);
    if (job?.state === state) return;
    assert.ok(!job || !/SUCCEEDED|FAILED/.test(job.state), `the job is ${job?.state}`);
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}
/** A client that counts what it asks for. */
function counting(baseURL, options = {}) {
  const asked = [];
  const made = new OpenAI({baseURL, apiKey: 'none', ...options, fetch: (url, init) => {
    asked.push(new Headers(init.headers).get('x-stainless-retry-count'));
    return fetch(url, init);
  }});
  return {client: made, asked};
}

test('lists models and retrieves one', async () => {
  const ids = (await client.models.list()).data.map(model => model.id);
  assert.ok(ids.includes('emoji'), ids.join());
  assert.equal((await client.models.retrieve('emoji')).object, 'model');
  await assert.rejects(client.models.retrieve('org/none'), OpenAI.NotFoundError);
});

test('makes pictures', async () => {
  const made = await client.images.generate({...small, prompt: 'a red apple', n: 2, size: '64x64'});
  assert.equal(made.data.length, 2);
  for (const picture of made.data) assert.ok(isPng(picture.b64_json));
  assert.equal(made.size, '64x64');
  assert.equal(made.output_format, 'png');
  assert.ok(made._request_id);
});

test('edits a picture under a mask', async () => {
  const {data: [{b64_json}]} = await client.images.generate({...small, prompt: 'a red apple', seed: 3});
  const picture = new File([Buffer.from(b64_json, 'base64')], 'apple.png', {type: 'image/png'});
  const edited = await client.images.edit({...small, prompt: 'a green apple', image: picture, mask: picture, num_inference_steps: 12});
  assert.ok(isPng(edited.data[0].b64_json));
  const several = client.images.edit({...small, prompt: 'a', image: [picture, picture]});
  await assert.rejects(several, error => error instanceof OpenAI.BadRequestError && error.param === 'image');
});

test('what a model offers beyond OpenAI is asked for by its name', async () => {
  const guided = {guidance_interval: {begin: 0.2, end: 0.8}, projected_guidance: {eta: 0, norm_threshold: 15}, variation: {seed: 2, strength: 0.5}};
  const made = await client.images.generate({...small, ...guided, prompt: 'a red apple', seed: 3, size: '64x64'});
  assert.ok(isPng(made.data[0].b64_json));
  const {spec} = (await jobs()).find(one => one.spec.prompt === 'a red apple' && one.spec.guidanceInterval);
  assert.deepEqual([spec.guidanceInterval, spec.projectedGuidance.eta, spec.variation.strength], [{begin: 0.2, end: 0.8}, 0, 0.5]);
  // In a form, as the client writes objects there.
  const picture = new File([Buffer.from(made.data[0].b64_json, 'base64')], 'apple.png', {type: 'image/png'});
  const painting = {mask_blur: 2, only_masked: {padding: 4}, source_fit: 'crop'};
  const edited = await client.images.edit({...small, ...painting, prompt: 'a painted apple', image: picture, mask: picture});
  assert.ok(isPng(edited.data[0].b64_json));
  const {spec: painted} = (await jobs()).find(one => one.spec.prompt === 'a painted apple');
  assert.deepEqual([painted.maskBlur, painted.onlyMasked, painted.sourceFit], [2, {padding: 4}, 'SOURCE_FIT_CROP']);
  for (const [refused, param] of [[{hires: {scale: 100}}, 'hires.scale'], [{picture_guidance: 2}, 'picture_guidance'], [{guidance_interval: {end: 2}}, 'guidance_interval.end']]) {
    await assert.rejects(client.images.generate({...small, ...refused, prompt: 'a'}),
      error => error instanceof OpenAI.BadRequestError && error.param === param);
  }
});

test('streams partial pictures before the whole one', async () => {
  const types = [];
  const stream = await client.images.generate({...small, prompt: 'a castle', stream: true, partial_images: 2, num_inference_steps: 100});
  for await (const event of stream) {
    types.push(event.type);
    for (const field of ['b64_json', 'created_at', 'size', 'quality', 'background', 'output_format']) assert.ok(field in event, field);
    if (event.type === 'image_generation.partial_image') assert.equal(event.partial_image_index, types.length - 1);
    if (event.type === 'image_generation.completed') assert.ok(event.usage);
  }
  assert.deepEqual(types, ['image_generation.partial_image', 'image_generation.partial_image', 'image_generation.completed']);
});

test('every error is of the class that the client has for it', async () => {
  const refused = {
    BadRequestError: {prompt: 'a', model: 'emoji', size: '63x64'},
    NotFoundError: {prompt: 'a', model: 'none'},
  };
  for (const [name, request] of Object.entries(refused)) {
    await assert.rejects(client.images.generate(request), error => {
      assert.ok(error instanceof OpenAI[name], `${error.constructor.name} for ${name}`);
      assert.ok(error.requestID && error.message && error.type, JSON.stringify(error));
      return true;
    });
  }
  await assert.rejects(client.images.generate({prompt: 'a', model: 'emoji', background: 'transparent'}),
    error => error.param === 'background' && error.code === 'invalid_background');
  const unsupported = client.images.createVariation({image: new File([PNG], 'a.png')}, {maxRetries: 0});
  await assert.rejects(unsupported, error => error.status === 501);
});

test('what comes right after a while is tried again, what never will is not', async () => {
  const idle = counting(`${process.env.MIND_IDLE_HTTP}/v1`, {maxRetries: 1});
  await assert.rejects(idle.client.images.generate({prompt: 'a'}), OpenAI.InternalServerError);  // 503: no worker
  assert.deepEqual(idle.asked, ['0', '1']);
  const bad = counting(`${http}/v1`);
  await assert.rejects(bad.client.images.generate({prompt: 'a', n: 99}), OpenAI.BadRequestError);
  assert.deepEqual(bad.asked, ['0']);
});

test('a timeout cancels the job, and so does the abort of a request', async () => {
  const late = client.images.generate({...long, prompt: 'too late'}, {timeout: 400, maxRetries: 0});
  await assert.rejects(late, OpenAI.APIConnectionTimeoutError);
  await awaitState('JOB_STATE_CANCELLED', 'too late');
  const controller = new AbortController();
  const aborted = client.images.generate({...long, prompt: 'aborted'}, {signal: controller.signal});
  const rejected = assert.rejects(aborted, OpenAI.APIUserAbortError);
  await awaitState('JOB_STATE_RUNNING', 'aborted');
  controller.abort();
  await rejected;
  await awaitState('JOB_STATE_CANCELLED', 'aborted');
});

test('leaving a stream cancels the job', async () => {
  const stream = await client.images.generate({...long, n: 2, num_inference_steps: 200, prompt: 'left', stream: true, partial_images: 3});
  for await (const event of stream) {
    assert.equal(event.type, 'image_generation.partial_image');
    break;
  }
  await awaitState('JOB_STATE_CANCELLED', 'left');
});

test('an idempotency key makes one job of two requests', async () => {
  const request = {...small, prompt: 'once', seed: 4};
  const options = {headers: {'Idempotency-Key': 'client-test-1'}};
  const [one, two] = [await client.images.generate(request, options), await client.images.generate(request, options)];
  assert.equal(one.data[0].b64_json, two.data[0].b64_json);
  assert.equal((await jobs()).filter(job => job.spec.prompt === 'once').length, 1);
});

test('a key that does not hold, or does not allow it, is an error of its class', async () => {
  const {MIND_KEYED_HTTP, MIND_KEY_MAKER, MIND_KEY_READER, MIND_KEY_REVOKED, MIND_KEY_FEW} = process.env;
  const withKey = apiKey => new OpenAI({baseURL: `${MIND_KEYED_HTTP}/v1`, apiKey, maxRetries: 0});
  const made = await withKey(MIND_KEY_MAKER).images.generate({prompt: 'a', ...small});
  assert.ok(isPng(made.data[0].b64_json));
  for (const [apiKey, code] of [['sk-none', 'api_key_invalid'], [`${MIND_KEY_MAKER}0`, 'api_key_invalid'], [MIND_KEY_REVOKED, 'api_key_revoked']]) {
    await assert.rejects(withKey(apiKey).models.list(), error =>
      error instanceof OpenAI.AuthenticationError && error.code === code && error.type === 'authentication_error');
  }
  await withKey(MIND_KEY_READER).models.list();
  await assert.rejects(withKey(MIND_KEY_READER).images.generate({prompt: 'a', ...small}), error =>
    error instanceof OpenAI.PermissionDeniedError && error.code === 'scope_missing');
  const few = withKey(MIND_KEY_FEW);
  const {response} = await few.models.list().withResponse();
  assert.equal(response.headers.get('x-ratelimit-limit-requests'), '1');
  assert.equal(response.headers.get('x-ratelimit-remaining-requests'), '0');
  await assert.rejects(few.models.list(), error => error instanceof OpenAI.RateLimitError && error.code === 'request_limit' &&
    Number(error.headers.get('retry-after')) > 0 && Number(error.headers.get('retry-after-ms')) > 0);
});
