// The header of a GGUF file: what tensors it holds, and where. Source: ggml-org/ggml, docs/gguf.md.
//
// Checked before a byte of data is used: the magic and version (2 or 3, little-endian), every length against
// what is left of the file, types that exist, no name twice, shapes of one to four dimensions whose rows are
// whole blocks and whose sizes do not overflow, data aligned and within the file.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_GGUF_HEADER_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_GGUF_HEADER_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "worker/diffusion/weights/block_types.h"

namespace mind::diffusion {

struct GgufEntry {
  std::string name;
  const BlockType* type = nullptr;
  std::vector<int64_t> shape;  // outermost first, as ours are
  uint64_t begin = 0;          // in the file
  uint64_t bytes = 0;
};

struct GgufHeader {
  std::vector<GgufEntry> entries;
  // Its strings, and lists of whole numbers as text with commas; of other values nobody has need.
  std::map<std::string, std::string> metadata;
};

// Whether a file that begins so is one.
bool LooksLikeGguf(std::string_view first);
// `bytes` is the whole file. Throws ModelError, whose message starts with `name`.
GgufHeader ParseGgufHeader(std::string_view bytes, const std::string& name);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_GGUF_HEADER_H_
