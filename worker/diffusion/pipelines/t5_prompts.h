// Prompts as T5 encodes them for transformers that see all of its tokens, padding among them (FLUX.1, Stable
// Diffusion 3).
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_T5_PROMPTS_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_T5_PROMPTS_H_

#include <memory>
#include <string>

#include "worker/diffusion/models/t5_text.h"
#include "worker/diffusion/pipelines/lru_cache.h"
#include "worker/diffusion/pipelines/model_part.h"
#include "worker/diffusion/text/t5_tokenizer.h"

namespace mind::diffusion {

// Immutable after construction; any thread may call, under inference mode.
class T5Prompts {
 public:
  // From these folders of the directory. `length`: tokens that a prompt has, end mark and padding among them.
  // Throws ModelError.
  T5Prompts(const ModelDirectory& directory, const std::string& tokenizer, const std::string& encoder,
            int64_t length, FileParameters::Options options);

  // float [length, width]: padding is seen like any token. How many tokens there is no room for is added to
  // `cut`. The prompts asked for last are kept.
  at::Tensor Encode(const std::string& prompt, int64_t& cut) const;

  int64_t length() const { return length_; }
  int64_t width() const { return width_; }
  const T5Tokenizer& tokenizer() const { return *tokenizer_; }

 private:
  struct Encoded {
    at::Tensor states;
    int64_t cut = 0;
  };
  Encoded Read(const std::string& prompt) const;

  static constexpr size_t kKept = 64;

  const at::Device device_;
  const int64_t length_;
  int64_t width_ = 0;
  std::unique_ptr<const T5Tokenizer> tokenizer_;
  std::unique_ptr<const Droppable<T5Text>> encoder_;
  mutable LruCache<Encoded> prompts_{kKept};
};

// T5 from this folder of the directory. Throws ModelError.
std::unique_ptr<const Droppable<T5Text>> LoadT5(const ModelDirectory& directory, const std::string& encoder,
                                                const FileParameters::Options& options);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_T5_PROMPTS_H_
