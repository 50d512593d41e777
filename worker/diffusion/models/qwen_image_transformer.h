// Qwen-Image's denoiser: a transformer over the tokens of a text and of latents, two streams with weights of
// their own that attend to each other in every block.
// Sources: Wu et al. 2025, "Qwen-Image Technical Report", sec. 2.3 and fig. 8 (MSRoPE); diffusers
// models/transformers/transformer_qwenimage.py.
#ifndef MIND_WORKER_DIFFUSION_MODELS_QWEN_IMAGE_TRANSFORMER_H_
#define MIND_WORKER_DIFFUSION_MODELS_QWEN_IMAGE_TRANSFORMER_H_

#include <string>
#include <vector>

#include "worker/diffusion/models/denoiser.h"
#include "worker/diffusion/models/modulation.h"
#include "worker/diffusion/models/rms_norm.h"
#include "worker/diffusion/models/rotary.h"
#include "worker/diffusion/models/stream_attention.h"
#include "worker/diffusion/models/timestep_embedding.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {

struct QwenImageConfig {
  int64_t latent_channels = 16;
  int64_t patch_size = 2;
  int64_t layers = 60;
  int64_t heads = 24, head_width = 128;
  int64_t text_width = 3584;
  std::vector<int64_t> axes = {16, 56, 56};  // of a head's numbers, those that picture, row and column turn
  bool clean_references = false;             // references' tokens are told that there is no noise on them

  int64_t width() const { return heads * head_width; }
  int64_t token_width() const { return latent_channels * patch_size * patch_size; }

  // transformer/config.json. Throws ModelError.
  static QwenImageConfig From(const Config& config);
};

// One of a block's two streams.
class QwenImageStream {
 public:
  // What its parts are called: "img", of the latents, or "txt".
  QwenImageStream(const Scope& scope, const std::string& name, const AttentionStream::Names& attention,
                  const QwenImageConfig& config);

  // time [B, width] → shift, scale and gate of the attention, then of the feed-forward layers.
  std::vector<at::Tensor> Told(const at::Tensor& time) const { return modulation_(time); }
  // x float [B, N, width]
  Projected Project(const at::Tensor& x, const std::vector<at::Tensor>& told) const;
  // x after the block, float. `seen`: what its tokens see.
  at::Tensor After(const at::Tensor& x, const at::Tensor& seen, const std::vector<at::Tensor>& told) const;

 private:
  Modulation modulation_;
  AttentionStream attention_;
  Linear in_, out_;
};

// The noise level, as vectors [B, width].
struct QwenImageTime {
  at::Tensor now;
  at::Tensor clean;  // of no noise; undefined: all latents are told `now`
};

class QwenImageBlock {
 public:
  QwenImageBlock(const Scope& scope, const QwenImageConfig& config);
  // Makes text float [B, M, width] and image float [B, N, width] what they are after it. The first `noisy`
  // tokens of the image are x's.
  void operator()(at::Tensor& text, at::Tensor& image, const QwenImageTime& time, int64_t noisy,
                  const Rotation& rotation) const;

 private:
  QwenImageStream image_, text_;
};

class QwenImageTransformer : public Denoiser {
 public:
  // Parameters are taken under diffusers' names. Throws ModelError.
  QwenImageTransformer(const Scope& scope, const QwenImageConfig& config);

  // Told kText, of any length, and, where it goes by pictures, kReference and kReferencePlaces
  // (QwenImagePlaces). REQUIRES: patch_size divides the sides of the sample.
  at::Tensor operator()(const DenoiserInput& input) const override;

  const QwenImageConfig& config() const { return config_; }

 private:
  at::Tensor TimeOf(const at::Tensor& timestep) const;

  QwenImageConfig config_;
  Rotary rotary_;
  Linear image_in_;
  RmsNorm text_norm_;
  Linear text_in_;
  TimestepMlp time_;
  std::vector<QwenImageBlock> blocks_;
  Modulation modulation_out_;
  Linear out_;
};

// Where the tokens of a picture are: int64 [rows·columns, 3], its number (0: what is made), row and column.
// Both are counted from its middle; of an odd number one more lies before it.
at::Tensor QwenImagePlaces(int64_t number, int64_t rows, int64_t columns, at::Device device);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_QWEN_IMAGE_TRANSFORMER_H_
