// @grpc/grpc-js, unmodified, against a real server and worker: the example of docs/api.md, and errors.
import assert from 'node:assert/strict';
import {execFile} from 'node:child_process';
import {readFileSync, rmSync, writeFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {test} from 'node:test';
import {fileURLToPath} from 'node:url';
import {promisify} from 'node:util';

const root = fileURLToPath(new URL('../..', import.meta.url));
const modules = `${process.env.MIND_CLIENTS}/js/`;
const require = createRequire(modules);
const grpc = require('@grpc/grpc-js');
const {mind} = grpc.loadPackageDefinition(require('@grpc/proto-loader')
  .loadSync('mind/v1/generation.proto', {includeDirs: [`${root}/proto`], longs: String, enums: String}));
const client = new mind.v1.GenerationService(process.env.MIND_GRPC, grpc.credentials.createInsecure());
const call = (method, request) => new Promise((resolve, reject) =>
  client[method](request, (error, answer) => error ? reject(error) : resolve(answer)));

test('the example makes a picture', async () => {
  const [, example] = readFileSync(`${root}/docs/api.md`, 'utf8').match(/```js\n(.*?@grpc\/grpc-js.*?)```/s);
  const file = `${modules}example.mjs`;
  writeFileSync(file, example.replaceAll('127.0.0.1:8080', process.env.MIND_GRPC).replaceAll("'proto'", `'${root}/proto'`));
  try {
    await promisify(execFile)(process.execPath, [file], {cwd: modules});
    assert.equal(readFileSync(`${modules}apple.png`).subarray(1, 4).toString(), 'PNG');
  } finally {
    for (const made of [file, `${modules}apple.png`]) rmSync(made, {force: true});
  }
});

test('models are listed with what may be asked of them', async () => {
  const {models} = await call('ListModels', {});
  assert.ok(models.some(model => model.name === 'emoji' && model.defaultSteps > 0));
});

test('errors have their codes', async () => {
  await assert.rejects(call('GetJob', {id: 'none'}), {code: grpc.status.NOT_FOUND});
  await assert.rejects(call('CreateJob', {job: {spec: {prompt: 'a', model: 'emoji', steps: 1e9}}}),
    error => error.code === grpc.status.INVALID_ARGUMENT && error.metadata.get('grpc-status-details-bin').length === 1);
});

test('a key that does not hold, does not allow it, or has called too often, is an error of its code', async () => {
  const {MIND_KEYED_GRPC, MIND_KEY_MAKER, MIND_KEY_READER, MIND_KEY_REVOKED, MIND_KEY_FEW} = process.env;
  const keyed = new mind.v1.GenerationService(MIND_KEYED_GRPC, grpc.credentials.createInsecure());
  const create = key => new Promise((resolve, reject) => {
    const metadata = new grpc.Metadata();
    if (key) metadata.set('authorization', `Bearer ${key}`);
    keyed.CreateJob({job: {spec: {prompt: 'a', model: 'emoji', steps: 1}}}, metadata, (error, answer) => error ? reject(error) : resolve(answer));
  });
  for (const key of [undefined, 'mind_none', MIND_KEY_REVOKED]) await assert.rejects(create(key), {code: grpc.status.UNAUTHENTICATED});
  await assert.rejects(create(MIND_KEY_READER), {code: grpc.status.PERMISSION_DENIED});
  assert.ok((await create(MIND_KEY_MAKER)).job.id);
  // Its only call of this minute, unless another test has made that.
  await create(MIND_KEY_FEW).catch(error => assert.equal(error.code, grpc.status.RESOURCE_EXHAUSTED));
  await assert.rejects(create(MIND_KEY_FEW), {code: grpc.status.RESOURCE_EXHAUSTED});
});

test('a cancelled call cancels its job', async () => {
  const stream = client.GenerateImage({job: {spec: {prompt: 'left by grpc-js', model: 'emoji', steps: 1000, imageCount: 8}}});
  const id = await new Promise(resolve => stream.once('data', ({event}) => resolve(event.jobId)));
  const ended = new Promise(resolve => stream.once('error', resolve));
  stream.cancel();
  assert.equal((await ended).code, grpc.status.CANCELLED);
  for (;;) {
    const {job} = await call('GetJob', {id});
    if (job.state === 'JOB_STATE_CANCELLED') break;
    assert.match(job.state, /QUEUED|RUNNING/);
  }
});

test('a deadline that passes ends the job', async () => {
  const stream = client.GenerateImage({job: {spec: {prompt: 'late', model: 'emoji', steps: 1000, imageCount: 8}}},
    {deadline: Date.now() + 500});
  stream.on('data', () => {});
  assert.equal((await new Promise(resolve => stream.once('error', resolve))).code, grpc.status.DEADLINE_EXCEEDED);
});
