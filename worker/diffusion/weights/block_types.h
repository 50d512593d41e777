// Numbers in blocks: the types of GGUF's tensors, each some numbers of a few bits with scales in common.
// Source: ggml-org/ggml, docs/gguf.md, and the layouts of its ggml-common.h.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_BLOCK_TYPES_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_BLOCK_TYPES_H_

#include <cstdint>
#include <string>

namespace mind::diffusion {

struct BlockType {
  uint32_t code;  // in files
  const char* name;
  int64_t numbers, bytes;  // of a block
  // From the bytes of one block to its numbers.
  void (*decode)(const uint8_t* block, float* numbers);
};

// Null: it is none of those below.
const BlockType* FindBlockType(uint32_t code);
// For errors: "F32, F16, …".
std::string BlockTypeNames();

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_BLOCK_TYPES_H_
