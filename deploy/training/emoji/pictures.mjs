// Pictures as raw red, green, blue and alpha.
import {writeFileSync} from 'node:fs';

import sharp from 'sharp';

const MARGIN = 0.05;
const CLEAR = {r: 0, g: 0, b: 0, alpha: 0};

// A file, or an SVG's bytes, cropped to its alpha and centred with a margin: size x size.
export async function centred(source, size) {
  const inner = Math.round(size * (1 - 2 * MARGIN)), before = Math.floor((size - inner) / 2), after = size - inner - before;
  const trimmed = await sharp(source).ensureAlpha().trim({background: CLEAR, threshold: 1}).toBuffer();
  return sharp(trimmed)
      .resize(inner, inner, {fit: 'contain', background: CLEAR})
      .extend({top: before, bottom: after, left: before, right: after, background: CLEAR})
      .ensureAlpha().raw().toBuffer();
}

// Each at half its size (the mean of four pixels, weighted by alpha), on a clear ground.
export function sideBySide(left, right, size) {
  const both = Buffer.alloc(size * size * 4);
  [left, right].forEach((rgba, side) => {
    for (let y = 0; y < size / 2; ++y) {
      for (let x = 0; x < size / 2; ++x) {
        const sums = [0, 0, 0, 0];
        for (const [dy, dx] of [[0, 0], [0, 1], [1, 0], [1, 1]]) {
          const i = ((2 * y + dy) * size + 2 * x + dx) * 4;
          for (let c = 0; c < 3; ++c) sums[c] += rgba[i + c] * rgba[i + 3];
          sums[3] += rgba[i + 3];
        }
        const o = ((y + size / 4) * size + x + side * size / 2) * 4;
        for (let c = 0; c < 3; ++c) both[o + c] = sums[3] ? Math.round(sums[c] / sums[3]) : 0;
        both[o + 3] = Math.round(sums[3] / 4);
      }
    }
  });
  return both;
}

// A safetensors file of one tensor, "pictures": uint8 [N, 4, size, size].
export function writePictures(path, pictures, size) {
  const plane = size * size;
  const body = Buffer.alloc(pictures.length * 4 * plane);
  pictures.forEach((rgba, n) => {
    for (let p = 0; p < plane; ++p)
      for (let c = 0; c < 4; ++c) body[(n * 4 + c) * plane + p] = rgba[p * 4 + c];
  });
  let header = JSON.stringify({pictures: {dtype: 'U8', shape: [pictures.length, 4, size, size], data_offsets: [0, body.length]}});
  header += ' '.repeat((8 - header.length % 8) % 8);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  writeFileSync(path, Buffer.concat([length, Buffer.from(header), body]));
}
