// Qwen-Image's prompts: told to a language model as something to describe, and what it makes of their tokens.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_QWEN_IMAGE_TEXT_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_QWEN_IMAGE_TEXT_H_

#include <memory>
#include <string>

#include "worker/diffusion/models/qwen_text.h"
#include "worker/diffusion/pipelines/lru_cache.h"
#include "worker/diffusion/pipelines/model_part.h"
#include "worker/diffusion/text/qwen_tokenizer.h"

namespace mind::diffusion {

// Immutable after construction; any thread may call, under inference mode.
class QwenImageText {
 public:
  // Tokens of a prompt, with those of its turn after it: the most that the reference takes.
  static constexpr int64_t kMostTokens = 1024;

  // Throws ModelError where the text encoder of the directory makes states of another width.
  static void ExpectWidth(const ModelDirectory& directory, int64_t width);
  // From tokenizer/ and text_encoder/. Throws ModelError.
  QwenImageText(const ModelDirectory& directory, FileParameters::Options options);

  // float [M, width], of all tokens behind the instruction's. How many there is no room for is added to
  // `cut`. The prompts asked for last are kept.
  at::Tensor Encode(const std::string& prompt, int64_t& cut) const;

  // For whoever checks it.
  const QwenTokenizer& tokenizer() const { return *tokenizer_; }

 private:
  struct Encoded {
    at::Tensor states;
    int64_t cut = 0;
  };
  Encoded Read(const std::string& prompt) const;

  static constexpr size_t kKept = 64;

  const at::Device device_;
  std::unique_ptr<const QwenTokenizer> tokenizer_;
  std::unique_ptr<const Droppable<QwenText>> encoder_;
  mutable LruCache<Encoded> prompts_{kKept};
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_QWEN_IMAGE_TEXT_H_
