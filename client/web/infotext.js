// The settings a picture was made with: the text that the server writes into its PNGs, in A1111's form.
// @ts-check

/** The PNG's text chunks by keyword. @param {ArrayBuffer} bytes @returns {Record<string, string>} */
function textsIn(bytes) {
  const view = new DataView(bytes);
  const all = new Uint8Array(bytes);
  /** @type {Record<string, string>} */
  const texts = {};
  if (bytes.byteLength < 8 || view.getUint32(0) !== 0x89504e47) return texts;
  for (let at = 8; at + 12 <= bytes.byteLength;) {
    const length = view.getUint32(at);
    const type = String.fromCharCode(...all.subarray(at + 4, at + 8));
    const data = all.subarray(at + 8, at + 8 + length);
    const end = data.indexOf(0);
    const keyword = new TextDecoder('latin1').decode(data.subarray(0, Math.max(end, 0)));
    if (type === 'tEXt') texts[keyword] = new TextDecoder('latin1').decode(data.subarray(end + 1));
    // Keyword, two bytes on compression, a language and a translated keyword, each with a zero behind; none of ours is compressed.
    if (type === 'iTXt' && data[end + 1] === 0) {
      const language = data.indexOf(0, end + 3);
      texts[keyword] = new TextDecoder().decode(data.subarray(data.indexOf(0, language + 1) + 1));
    }
    at += 12 + length;
  }
  return texts;
}

/** A spec of what an infotext says. @param {string} text */
export function parseInfotext(text) {
  const lines = text.trim().split('\n');
  const last = lines.pop() ?? '';
  /** @type {Record<string, string>} */
  const values = {};
  for (const [, name, value] of last.matchAll(/\s*([\w ]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)/g)) {
    values[name.trim()] = value.startsWith('"') ? JSON.parse(value) : value;
  }
  if (Object.keys(values).length < 3) return null;
  const negativeAt = lines.findIndex(line => line.startsWith('Negative prompt:'));
  const prompt = (negativeAt < 0 ? lines : lines.slice(0, negativeAt)).join('\n');
  const negativePrompt = negativeAt < 0 ? '' : lines.slice(negativeAt).join('\n').slice('Negative prompt:'.length).trim();
  const [width, height] = (values.Size ?? '').split('x').map(Number);
  // A schedule is part of the sampler's name here.
  const karras = values['Schedule type'] === 'Karras' && !/karras$/i.test(values.Sampler ?? '');
  const parameters = values['Sampler parameters'];
  const varied = values['Variation seed strength'];
  return {prompt, negativePrompt, model: values.Model, steps: values.Steps, guidance: values['CFG scale'], seed: values.Seed,
    sampler: values.Sampler && values.Sampler + (karras ? ' Karras' : ''),
    guidanceRescale: values['CFG Rescale'], noiseLevel: values['Noise level'],
    clipSkip: values['Clip skip'] && String(Number(values['Clip skip']) - 1), classLabel: values.Class,
    ...(varied ? {variation: {seed: values['Variation seed'], strength: Number(varied)}} : {}),
    ...guidanceIn(values), ...passesIn(values), ...paintingIn(values), tiling: values.Tiling === 'True',
    ...(values.VAE ? {vae: values.VAE.replace(/\.(safetensors|ckpt|pt)$/, '')} : {}),
    samplerParameters: parameters ? JSON.parse(parameters) : {}, ...(width && height ? {width, height} : {})};
}

/** How guidance acts. @param {Record<string, string>} values */
function guidanceIn(values) {
  const [begin, end] = (values['Guidance interval'] ?? '').split('-').map(Number);
  const eta = values['APG eta'];
  return {
    ...(end > 0 ? {guidanceInterval: {begin, end}} : {}),
    ...(eta ? {projectedGuidance: {eta: Number(eta), normThreshold: Number(values['APG norm threshold'] ?? 0),
      momentum: Number(values['APG momentum'] ?? 0)}} : {}),
  };
}

/** A second pass, or how far the only one went from a picture. @param {Record<string, string>} values */
function passesIn(values) {
  const strength = values['Denoising strength'] && Number(values['Denoising strength']);
  const [width, height] = (values['Hires resize'] ?? '').split('x').map(Number);
  if (!values['Hires upscale'] && !(width && height)) return {strength};
  return {hires: {strength, ...(values['Hires upscale'] ? {scale: Number(values['Hires upscale'])} : {width, height}),
    // A1111's 0 is as many as the first pass has.
    ...(Number(values['Hires steps']) ? {steps: Number(values['Hires steps'])} : {}),
    upscaler: `HIRES_UPSCALER_${values['Hires upscaler'] === 'Latent' ? 'LATENT' : 'LANCZOS'}`}};
}

/** A1111's words. @type {Record<string, string>} */
const MASK_FILLS = {fill: 'MASK_FILL_SURROUNDINGS', 'latent noise': 'MASK_FILL_NOISE', 'latent nothing': 'MASK_FILL_NOTHING'};

/** What is done with the picture to begin with. @param {Record<string, string>} values */
function paintingIn(values) {
  const padding = values['Masked area padding'];
  return {
    ...(values['Source fit'] ? {sourceFit: `SOURCE_FIT_${values['Source fit'].toUpperCase()}`} : {}),
    ...(values['Mask blur'] ? {maskBlur: Number(values['Mask blur'])} : {}),
    ...(MASK_FILLS[values['Masked content'] ?? ''] ? {maskFill: MASK_FILLS[values['Masked content']]} : {}),
    ...(padding ? {onlyMasked: {padding: Number(padding)}} : {}),
  };
}

/** Whether a picture says, in IPTC's words, that a trained model made it. @param {Blob} file */
export async function madeByModel(file) {
  // Whatever the format: the packet that says so stands there as text.
  return new TextDecoder('latin1').decode(await file.arrayBuffer()).includes('digitalsourcetype/trainedAlgorithmicMedia');
}

/** The settings in a picture; null if it has none. @param {Blob} file */
export async function settingsIn(file) {
  const text = textsIn(await file.arrayBuffer()).parameters;
  return text ? parseInfotext(text) : null;
}
