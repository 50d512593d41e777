// Stable Diffusion 3's transformer (MMDiT): the picture's patches and the prompt's tokens are two streams
// with weights of their own and one attention over both. Sources: Esser et al. 2024, "Scaling Rectified Flow
// Transformers …", sec. 4; diffusers models/transformers/transformer_sd3.py; Stability-AI/sd3.5 mmditx.py
// (attention over the picture alone).
#ifndef MIND_WORKER_DIFFUSION_MODELS_SD3_TRANSFORMER_H_
#define MIND_WORKER_DIFFUSION_MODELS_SD3_TRANSFORMER_H_

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "worker/diffusion/models/denoiser.h"
#include "worker/diffusion/models/modulation.h"
#include "worker/diffusion/models/stream_attention.h"
#include "worker/diffusion/models/timestep_embedding.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {

struct Sd3Config {
  int64_t channels = 16;      // of latents, in and out
  int64_t sample_size = 128;  // latent height and width it was trained at
  int64_t patch_size = 2;
  int64_t heads = 18, head_width = 64;
  int64_t layers = 18;
  int64_t text_width = 4096;    // of the prompt's tokens
  int64_t pooled_width = 2048;  // of the prompt as one vector
  int64_t grid = 96;            // patches each way that there are positions for
  std::set<int64_t> dual;       // blocks in which the picture also attends to itself alone
  bool normed = false;          // queries and keys, by their RMS (3.5)

  int64_t width() const { return heads * head_width; }

  // transformer/config.json. Throws ModelError.
  static Sd3Config From(const Config& config);
};

// One stream's share of a block: how it is told, and its feed-forward layer.
class Sd3Stream {
 public:
  // `parts`: vectors it is told, of this width each; of the prompt in the last block, which nothing asks for
  // afterwards, two and no feed-forward layer.
  Sd3Stream(const Scope& modulation, const Scope& feed_forward, int64_t width, int64_t parts);
  std::vector<at::Tensor> Told(const at::Tensor& told) const { return modulation_(told); }
  // x [B, N, width], normed, scaled and shifted → as x. REQUIRES: more than two parts
  at::Tensor FeedForward(const at::Tensor& x) const;

 private:
  Modulation modulation_;
  std::optional<Linear> in_, out_;
};

class Sd3Block {
 public:
  Sd3Block(const Scope& scope, const Sd3Config& config, int64_t number);
  // image [B, N, width], text [B, M, width], told [B, width]; both streams are changed.
  void operator()(at::Tensor& image, at::Tensor& text, const at::Tensor& told) const;

 private:
  bool last_;
  Sd3Stream image_, text_;
  AttentionStream image_attention_, text_attention_;
  std::optional<AttentionStream> dual_;  // the picture's own
};

// Told kText and kPooled; timesteps are 0 … 1000. A perturbed row passes over the blocks that it names
// ("transformer_blocks.7": skip-layer guidance). Immutable after construction; any thread may call.
class Sd3Transformer : public Denoiser {
 public:
  // Parameters are taken under diffusers' names. Throws ModelError.
  Sd3Transformer(const Scope& scope, const Sd3Config& config);

  // Throws RequestError for a sample that is larger than there are positions for.
  at::Tensor operator()(const DenoiserInput& input) const override;

  const Sd3Config& config() const { return config_; }
  // As Perturbation names them.
  static std::string BlockName(int64_t number) { return "transformer_blocks." + std::to_string(number); }

 private:
  // Of a grid of patches, cut out of the middle of all: [1, rows·columns, width].
  at::Tensor Positions(int64_t rows, int64_t columns) const;

  Sd3Config config_;
  at::Tensor patch_weight_, patch_bias_;
  at::Tensor positions_;  // [grid, grid, width]
  Linear text_in_;
  TimestepMlp time_, pooled_;
  std::vector<Sd3Block> blocks_;
  Modulation modulation_out_;
  Linear out_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_SD3_TRANSFORMER_H_
