// The JSON header of a safetensors file, parsed and checked on its own: pure bytes in, plain entries out, so
// that it can be tested and fuzzed without tensors.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_SAFETENSORS_HEADER_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_SAFETENSORS_HEADER_H_

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "worker/diffusion/weights/float8.h"

namespace mind::diffusion {

struct SafeTensorsEntry {
  std::string name;
  c10::ScalarType dtype;  // of float8 bytes
  Float8 float8 = Float8::kNone;
  std::vector<int64_t> shape;
  uint64_t begin = 0;  // bytes, relative to the end of the header
  uint64_t end = 0;
};

struct SafeTensorsHeader {
  std::vector<SafeTensorsEntry> entries;  // by rising offset
  std::map<std::string, std::string> metadata;
  uint64_t data_offset = 0;  // where the data begins in the file
};

// `bytes` is the whole file. Throws ModelError, whose message starts with `name`.
SafeTensorsHeader ParseSafeTensorsHeader(std::string_view bytes, const std::string& name);

// The format's word for a dtype ("F32"), or nullptr where it has none.
const char* SafeTensorsDtypeName(c10::ScalarType dtype);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_SAFETENSORS_HEADER_H_
