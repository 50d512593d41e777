// What Open WebUI, LibreChat and SillyTavern ask A1111's API for, against a real server and worker: the requests of
// tests/data/sdapi, and the answers those programs read.
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {test} from 'node:test';

const http = process.env.MIND_HTTP;
const recorded = name => JSON.parse(readFileSync(new URL(`../data/sdapi/${name}.json`, import.meta.url), 'utf8'));
async function ask(path, body, init = {}) {
  const response = await fetch(`${http}${path}`, body === undefined ? init
    : {method: 'POST', headers: {'content-type': 'application/json'}, body: JSON.stringify(body), ...init});
  return {status: response.status, body: await response.json()};
}
const get = async path => (await ask(`/sdapi/v1/${path}`)).body;
const isPng = b64 => Buffer.from(b64, 'base64').subarray(0, 4).toString('latin1') === '\x89PNG';
/** Of the sizes that a program lets its user choose, one that the small model has. */
const small = {width: 64, height: 64};

test('Open WebUI: chooses a model, makes pictures, keeps their info', async () => {
  assert.ok((await get('options')).sd_model_checkpoint);  // its check of the address
  const models = await get('sd-models');
  const {title} = models.find(model => model.model_name === 'emoji');
  const options = {...await get('options'), sd_model_checkpoint: title};
  assert.equal((await ask('/sdapi/v1/options', options)).status, 200);
  assert.equal((await get('options')).sd_model_checkpoint, title);
  const {status, body} = await ask('/sdapi/v1/txt2img', {...recorded('open-webui'), ...small});
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body.images.length, 2);
  assert.ok(body.images.every(isPng));
  const info = JSON.parse(body.info);
  assert.deepEqual(info.all_seeds, [info.seed, info.seed + 1]);
  assert.equal(info.sampler_name, 'DPM++ 2M');
  assert.match(info.infotexts[0], /Schedule type: Karras/);
});

test('LibreChat: reads the first picture and how it was made', async () => {
  await ask('/sdapi/v1/options', {sd_model_checkpoint: 'emoji-256'});
  // It asks for 1024 pixels, which this model has too, but not in the time of a test.
  const {status, body} = await ask('/sdapi/v1/txt2img', {...recorded('librechat'), width: 256, height: 256});
  assert.equal(status, 200, JSON.stringify(body));
  assert.ok(isPng(body.images[0].split(',', 1)[0]));
  const info = JSON.parse(body.info);
  assert.deepEqual([info.width, info.height], [256, 256]);
  assert.equal(typeof info.seed, 'number');
  assert.match(info.infotexts[0].split('\n').pop(), new RegExp(`Seed: ${info.seed}, Size: 256x256`));
});

test('SillyTavern: fills its menus and makes a picture', async () => {
  await ask('/sdapi/v1/options', {sd_model_checkpoint: 'emoji'});
  const idle = await get('progress');  // which it waits for after a change of models
  assert.deepEqual([idle.progress, idle.state.job_count], [0, 0]);
  assert.deepEqual((await get('upscalers')).map(one => one.name), ['None', 'Lanczos']);
  assert.deepEqual((await get('latent-upscale-modes')).map(one => one.name), ['Latent']);
  assert.deepEqual((await get('sd-vae')).map(one => one.model_name), []);
  assert.ok((await get('samplers')).some(one => one.name === 'Euler a'));
  assert.ok((await get('schedulers')).some(one => one.name === 'karras'));
  assert.ok((await get('sd-models')).every(model => model.title));
  const {status, body} = await ask('/sdapi/v1/txt2img', {...recorded('sillytavern'), ...small});
  assert.equal(status, 200, JSON.stringify(body));
  assert.ok(isPng(body.images[0]));
  const refused = await ask('/sdapi/v1/txt2img', {...recorded('sillytavern'), ...small, alwayson_scripts: {ADetailer: {args: []}}});
  assert.match(refused.body.detail, /ADetailer/);
});

test('SillyTavern: an interrupted call answers, and its progress was told', async () => {
  const call = ask('/sdapi/v1/txt2img', {...recorded('sillytavern'), ...small, steps: 900, batch_size: 4, force_task_id: 'task-1'});
  const early = await Promise.race([call, (async () => {
    while (!(await ask('/sdapi/v1/progress?id_task=task-1')).body.current_image) await new Promise(resolve => setTimeout(resolve, 20));
  })()]);
  assert.equal(early, undefined, JSON.stringify(early));
  assert.ok((await ask('/internal/progress', {id_task: 'task-1'})).body.active);
  assert.deepEqual((await ask('/sdapi/v1/interrupt', {})).body, {});
  const {status, body} = await call;
  assert.equal(status, 200);
  assert.deepEqual(body.images, []);
  assert.ok((await ask('/internal/progress', {id_task: 'task-1'})).body.completed);
});

test('a picture says again how it was made, and begins another', async () => {
  const request = {prompt: '一只熊猫', negative_prompt: 'blurry, grey', steps: 12, cfg_scale: 3.5, seed: 7, ...small,
    sampler_name: 'Euler a', override_settings: {sd_model_checkpoint: 'emoji'}};
  const {body: {images: [picture], info}} = await ask('/sdapi/v1/txt2img', request);
  const {body: {info: infotext, parameters}} = await ask('/sdapi/v1/png-info', {image: `data:image/png;base64,${picture}`});
  assert.equal(infotext, JSON.parse(info).infotexts[0]);
  const said = {prompt: parameters.Prompt, negative_prompt: parameters['Negative prompt'], steps: Number(parameters.Steps),
    cfg_scale: Number(parameters['CFG scale']), seed: Number(parameters.Seed), width: Number(parameters['Size-1']),
    height: Number(parameters['Size-2']), sampler_name: parameters.Sampler,
    override_settings: {sd_model_checkpoint: parameters.Model}};
  assert.deepEqual(said, request);
  assert.equal((await ask('/sdapi/v1/txt2img', said)).body.images[0], picture);  // to the byte
  const other = await ask('/sdapi/v1/img2img', {...request, init_images: [picture], mask: picture, denoising_strength: 0.6});
  assert.equal(other.status, 200, JSON.stringify(other.body));
  assert.ok(isPng(other.body.images[0]));
  assert.equal(JSON.parse(other.body.info).denoising_strength, 0.6);
  // A mask that is turned round, and what under it is not begun from.
  const painted = {...request, init_images: [picture], mask: picture, inpainting_mask_invert: 1, mask_blur: 2, inpainting_fill: 2};
  assert.equal((await ask('/sdapi/v1/img2img', painted)).status, 200);
  const whole = await ask('/sdapi/v1/img2img', {...painted, denoising_strength: 1});
  assert.equal(whole.status, 200, JSON.stringify(whole.body));
  assert.ok(isPng(whole.body.images[0]));
});

test('programs that send a name and a password send the key so', async () => {
  const {MIND_KEYED_HTTP, MIND_KEY_MAKER} = process.env;
  const models = authorization => fetch(`${MIND_KEYED_HTTP}/sdapi/v1/sd-models`, {headers: authorization ? {authorization} : {}});
  const basic = (name, password) => `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
  assert.equal((await models(basic('me', MIND_KEY_MAKER))).status, 200);
  assert.equal((await models(basic('me', 'secret'))).status, 401);
  const refused = await models();
  assert.equal(refused.status, 401);
  assert.ok((await refused.json()).detail);
});
