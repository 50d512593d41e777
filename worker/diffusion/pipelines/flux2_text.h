// The prompts of FLUX.2 klein: said to a language model, whose states after several of its layers the
// denoiser is told of each token.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_FLUX2_TEXT_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_FLUX2_TEXT_H_

#include <memory>
#include <string>
#include <vector>

#include "worker/diffusion/models/qwen_text.h"
#include "worker/diffusion/pipelines/lru_cache.h"
#include "worker/diffusion/pipelines/model_part.h"
#include "worker/diffusion/text/qwen_tokenizer.h"

namespace mind::diffusion {

struct Flux2TextOptions {
  // Tokens of a prompt, with what is said around it and what fills it up: they are never fewer.
  int64_t tokens = 512;
  std::vector<int64_t> layers = {9, 18, 27};  // after which states are taken

  // "max_sequence_length" and "text_encoder_out_layers" of the directory's mind.json, where it has them.
  // Throws ModelError where the text encoder has no such layers.
  static Flux2TextOptions From(const ModelDirectory& directory);
};

// Immutable after construction; any thread may call, under inference mode.
class Flux2Text {
 public:
  // Of what a denoiser is told of a token.
  static int64_t WidthOf(const ModelDirectory& directory);

  // From tokenizer/ and text_encoder/, of which no layers are read beyond the last that counts. Throws
  // ModelError.
  Flux2Text(const ModelDirectory& directory, FileParameters::Options options);

  // float [tokens, width], the padding's states too: the denoiser was trained with them. How many tokens
  // there is no room for is added to `cut`. The prompts asked for last are kept.
  at::Tensor Encode(const std::string& prompt, int64_t& cut) const;

  // For whoever checks them: the ids, padded, and how many of them are the prompt's.
  struct Ids {
    std::vector<int64_t> ids;
    int64_t said = 0, cut = 0;
  };
  Ids IdsOf(const std::string& prompt) const;

 private:
  struct Encoded {
    at::Tensor states;
    int64_t cut = 0;
  };
  Encoded Read(const std::string& prompt) const;

  static constexpr size_t kKept = 16;  // each has megabytes

  const at::Device device_;
  const Flux2TextOptions options_;
  int64_t normed_layer_ = 0;  // the encoder's very last, whose states are taken normed
  std::unique_ptr<const QwenTokenizer> tokenizer_;
  std::unique_ptr<const Droppable<QwenText>> encoder_;
  mutable LruCache<Encoded> prompts_{kKept};
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_FLUX2_TEXT_H_
