// One of a model's text encoders and what leads to it: from a prompt to what a denoiser is told of it.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_PROMPT_ENCODER_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_PROMPT_ENCODER_H_

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <vector>

#include "worker/diffusion/models/text_encoder.h"
#include "worker/diffusion/pipelines/adapter_library.h"
#include "worker/diffusion/pipelines/learnt_words.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/text/prompt_chunks.h"

namespace mind::diffusion {

// An encoded prompt.
struct EncodedPrompt {
  at::Tensor states;       // float [M, width]: of all chunks one after the other, each word by its weight
  at::Tensor pooled;       // float [P]: of the first chunk, never weighted; undefined where there is none
  int64_t tokens_cut = 0;  // that there was no room for
  int64_t length = 0;      // tokens of the first chunk before its padding, marks included
};

// Immutable after construction; any thread may call, under inference mode.
class PromptEncoder {
 public:
  // Where its parts lie in a model directory, and which states the denoiser was trained with.
  struct Part {
    std::string tokenizer = "tokenizer", encoder = "text_encoder";
    std::string vectors = "clip_l";  // its name in files of learnt words
    int64_t skipped = 0;             // of the last layers, before a request's own clip_skip
    bool normed = true;              // through the final norm
  };

  // Adds the encoder's layers to `layers`, their paths with the encoder's name before them. Throws
  // ModelError.
  PromptEncoder(const ModelDirectory& directory, Part part, FileParameters::Options options,
                LayerWeights& layers);

  // How a request wants its prompts encoded.
  struct Wish {
    PromptReading reading;
    int64_t clip_skip = 0;  // last layers left out
    AdapterSet adapters;
  };
  // The encoded prompts asked for last are kept. Throws RequestError.
  EncodedPrompt Encode(const std::string& prompt, const Wish& wish) const;
  // States followed by those of the empty prompt until they are `length` long, a number of whole chunks.
  at::Tensor Padded(const at::Tensor& states, int64_t length, const Wish& wish) const;

  int64_t width() const { return encoder_->width(); }
  int64_t max_skip() const { return encoder_->max_skip() - part_.skipped; }

  // The parts, for whoever checks them one by one.
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  const TextEncoder& encoder() const { return *encoder_; }
  PromptChunks Chunks(const std::string& prompt, const PromptReading& reading) const {
    return chunker_->Chunks(prompt, reading);
  }

 private:
  static constexpr size_t kKept = 256;

  EncodedPrompt Compute(const std::string& prompt, const Wish& wish) const;
  TextStates StatesOf(const PromptChunk& chunk) const;

  const Part part_;
  at::Device device_;
  std::unique_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<const TextEncoder> encoder_;
  std::unique_ptr<const LearntWords> words_;
  std::unique_ptr<const PromptChunker> chunker_;
  mutable LruCache<EncodedPrompt> prompts_{kKept};
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_PROMPT_ENCODER_H_
