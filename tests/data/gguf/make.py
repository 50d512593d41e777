#!/usr/bin/env python3
"""Makes blocks.gguf: a tensor of random blocks of each type, and blocks.safetensors: what the reference (the package gguf,
0.19.0, gguf.quants) makes of them. float8.safetensors: all values of both types, and what ml_dtypes 0.6 makes of them.
  pip install gguf==0.19.0 numpy safetensors ml_dtypes; make.py
"""
import json
import pathlib
import struct

import gguf
import ml_dtypes
import numpy as np
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).parent
Type = gguf.GGMLQuantizationType
# Where halves lie in a block: scales that are numbers.
SCALES = {Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q5_1: [0, 2], Type.Q8_0: [0], Type.Q2_K: [80, 82],
          Type.Q3_K: [108], Type.Q4_K: [0, 2], Type.Q5_K: [0, 2], Type.Q6_K: [208], Type.IQ4_NL: [0], Type.IQ4_XS: [0]}

random = np.random.default_rng(7)
writer = gguf.GGUFWriter(HERE / "blocks.gguf", "sd1")
writer.add_array("comfy.gguf.orig_shape.F16", [4, 2, 32])
expected = {}
for type, places in SCALES.items():
    numbers, bytes = gguf.GGML_QUANT_SIZES[type]
    blocks = random.integers(0, 256, (2, 512 // numbers, bytes), dtype=np.uint8)
    for place in places:
        halves = random.normal(0, 0.02, blocks.shape[:2]).astype(np.float16)
        blocks[:, :, place:place + 2] = halves[..., None].view(np.uint8).reshape(*halves.shape, 2)
    rows = blocks.reshape(2, -1)
    writer.add_tensor(type.name, rows, raw_dtype=type)
    expected[type.name] = gguf.quants.dequantize(rows, type)
plain = random.normal(size=(2, 128)).astype(np.float32)
writer.add_tensor("F32", plain)
writer.add_tensor("F16", plain.astype(np.float16))
writer.add_tensor("BF16", plain.astype(ml_dtypes.bfloat16).view(np.uint8), raw_dtype=Type.BF16)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
expected["F32"] = plain
expected["F16"] = plain.astype(np.float16).astype(np.float32).reshape(4, 2, 32)
expected["BF16"] = plain.astype(ml_dtypes.bfloat16).astype(np.float32)
save_file(expected, HERE / "blocks.safetensors")

# Of float8 numpy's writer knows nothing.
all_bytes = np.arange(256, dtype=np.uint8)
parts, header, offset = [], {}, 0
for name, type in {"F8_E4M3": ml_dtypes.float8_e4m3fn, "F8_E5M2": ml_dtypes.float8_e5m2}.items():
    for key, dtype, data in ((name, name, all_bytes), (name + ".expected", "F32", all_bytes.view(type).astype(np.float32))):
        header[key] = {"dtype": dtype, "shape": [256], "data_offsets": [offset, offset + data.nbytes]}
        parts.append(data.tobytes())
        offset += data.nbytes
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
(HERE / "float8.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))
