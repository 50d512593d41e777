// Words that a model was taught afterwards (textual inversion, Gal et al. 2022): files beside it, each with
// the vectors that stand in a prompt for the word it is named by.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_LEARNT_WORDS_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_LEARNT_WORDS_H_

#include <ATen/ATen.h>

#include <map>
#include <string>
#include <vector>

#include "worker/diffusion/pipelines/lru_cache.h"
#include "worker/diffusion/weights/parameters.h"

namespace mind::diffusion {

// For one of a model's text encoders. Reads files on first use and keeps the last few. Thread-safe.
class LearntWords {
 public:
  // `files`: paths by word. `part`: the name of this encoder's vectors in files that hold some for several
  // ("clip_l", "clip_g").
  LearntWords(std::map<std::string, std::string> files, std::string part, int64_t width,
              FileParameters::Options options)
      : files_(std::move(files)), part_(std::move(part)), width_(width), options_(options) {}

  std::vector<std::string> words() const;
  // float [n, width], n ≥ 1. Throws ModelError for a file without vectors for this encoder.
  // REQUIRES: it is one of words().
  at::Tensor VectorsOf(const std::string& word) const;

 private:
  static constexpr size_t kKept = 64;

  at::Tensor Read(const std::string& path) const;

  const std::map<std::string, std::string> files_;
  const std::string part_;
  const int64_t width_;
  const FileParameters::Options options_;
  mutable LruCache<at::Tensor> vectors_{kKept};
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_LEARNT_WORDS_H_
