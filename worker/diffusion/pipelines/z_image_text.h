// Z-Image's prompts: said to a language model, and what it makes of their tokens.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_Z_IMAGE_TEXT_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_Z_IMAGE_TEXT_H_

#include <memory>
#include <string>

#include "worker/diffusion/models/qwen_text.h"
#include "worker/diffusion/pipelines/lru_cache.h"
#include "worker/diffusion/pipelines/model_part.h"
#include "worker/diffusion/text/qwen_tokenizer.h"

namespace mind::diffusion {

// Immutable after construction; any thread may call, under inference mode.
class ZImageText {
 public:
  // Tokens of a prompt and of what is said around it, unless the directory's mind.json says how many
  // ("max_sequence_length"), and the most that may say.
  static constexpr int64_t kTokens = 512, kMostTokens = 1024;
  // Throws ModelError where mind.json asks for more.
  static int64_t TokensOf(const ModelDirectory& directory);

  // From tokenizer/ and text_encoder/, whose last layer is not read: the denoiser is told the states before
  // it. Throws ModelError.
  ZImageText(const ModelDirectory& directory, FileParameters::Options options);

  // float [M, width], of the tokens that there are. How many there is no room for is added to `cut`: what is
  // said behind the prompt goes first, as in the reference. The prompts asked for last are kept.
  at::Tensor Encode(const std::string& prompt, int64_t& cut) const;

  // As many as Encode has room for, for whoever checks them.
  std::vector<int64_t> Ids(const std::string& prompt) const;

 private:
  struct Encoded {
    at::Tensor states;
    int64_t cut = 0;
  };
  Encoded Read(const std::string& prompt) const;

  static constexpr size_t kKept = 64;

  const at::Device device_;
  const size_t tokens_;
  std::unique_ptr<const QwenTokenizer> tokenizer_;
  std::unique_ptr<const Droppable<QwenText>> encoder_;
  mutable LruCache<Encoded> prompts_{kKept};
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_Z_IMAGE_TEXT_H_
