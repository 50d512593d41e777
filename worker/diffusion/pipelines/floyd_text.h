// DeepFloyd-IF's prompts: made like the captions it was trained on, and encoded by T5.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_FLOYD_TEXT_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_FLOYD_TEXT_H_

#include <memory>
#include <string>
#include <vector>

#include "worker/diffusion/models/t5_text.h"
#include "worker/diffusion/pipelines/lru_cache.h"
#include "worker/diffusion/pipelines/model_part.h"
#include "worker/diffusion/text/t5_tokenizer.h"

namespace mind::diffusion {

// Shared by the stages of a cascade: the encoder is the largest of their networks. Immutable after
// construction; any thread may call, under inference mode.
class FloydText {
 public:
  // Tokens of a prompt, end mark and padding among them.
  static constexpr size_t kLength = 77;

  // From tokenizer/ and text_encoder/. With "clean_caption": false in mind.json prompts are read as they are,
  // in lower case. Throws ModelError.
  FloydText(const ModelDirectory& directory, FileParameters::Options options);

  // float [kLength, width], padding among them, which the networks see too. How many tokens there is no room
  // for is added to `cut`. The prompts asked for last are kept. Throws RequestError.
  at::Tensor Encode(const std::string& prompt, int64_t& cut) const;
  int64_t width() const { return width_; }

  // The parts, for whoever checks them one by one.
  std::string Caption(const std::string& prompt) const;
  const T5Tokenizer& tokenizer() const { return *tokenizer_; }

 private:
  struct Encoded {
    at::Tensor states;
    int64_t cut = 0;  // tokens there was no room for
  };
  Encoded Read(const std::string& prompt) const;

  static constexpr size_t kKept = 64;

  const at::Device device_;
  bool cleans_ = true;
  int64_t width_ = 0;
  std::unique_ptr<const T5Tokenizer> tokenizer_;
  std::unique_ptr<const Droppable<T5Text>> encoder_;
  mutable LruCache<Encoded> prompts_{kKept};
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_FLOYD_TEXT_H_
