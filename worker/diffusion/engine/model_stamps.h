// What a folder of models looks like from outside: which files there are, how large and how old. Tells that
// something has changed without reading any of them.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_MODEL_STAMPS_H_
#define MIND_WORKER_DIFFUSION_ENGINE_MODEL_STAMPS_H_

#include <cstdint>
#include <map>
#include <string>

namespace mind::diffusion {

struct ModelStamp {
  uint64_t loras = 0;  // of its loras/
  uint64_t words = 0;  // of its embeddings/
  uint64_t rest = 0;   // of all other files that a model may be read from, those of a cascade's stages too

  bool operator==(const ModelStamp&) const = default;
};

// Of all that may be a model in a folder, or of the folder itself where it is one: the paths that
// ModelDirectory::ModelsIn would look at. Throws ModelError if the folder cannot be read.
std::map<std::string, ModelStamp> StampsIn(const std::string& folder);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_MODEL_STAMPS_H_
