// What a UNet and a ControlNet have in common: everything up to the middle of a UNet.
// Sources: those of unet.h.
#ifndef MIND_WORKER_DIFFUSION_MODELS_UNET_TRUNK_H_
#define MIND_WORKER_DIFFUSION_MODELS_UNET_TRUNK_H_

#include <optional>
#include <vector>

#include "worker/diffusion/models/denoiser.h"
#include "worker/diffusion/models/picture_context.h"
#include "worker/diffusion/models/text_pooling.h"
#include "worker/diffusion/models/timestep_embedding.h"
#include "worker/diffusion/models/unet_blocks.h"
#include "worker/diffusion/models/unet_config.h"

namespace mind::diffusion {

// Immutable after construction; any thread may call.
class UNetTrunk {
 public:
  // Parameters are taken under diffusers' names. Throws ModelError.
  UNetTrunk(const Scope& scope, const UNetConfig& config);

  // What the blocks are told: the noise level and whatever is added to it, the prompt, the class.
  Signals SignalsOf(const DenoiserInput& input) const;
  // The first convolution.
  at::Tensor In(const at::Tensor& x) const { return conv_in_(x); }
  // From its output to the coarsest level. `features`: for each level of this many, what is added to it.
  at::Tensor Down(at::Tensor x, const Signals& signals, const std::vector<at::Tensor>& features,
                  Carried& carried) const;
  at::Tensor Middle(const at::Tensor& x, const Signals& signals) const { return (*middle_)(x, signals); }

  const UNetConfig& config() const { return config_; }
  // Of the skip connections, finest first.
  const std::vector<int64_t>& skip_channels() const { return skip_channels_; }

 private:
  at::Tensor EmbedTime(const DenoiserInput& input) const;
  at::Tensor ContextOf(const Told& told) const;

  UNetConfig config_;
  Conv2d conv_in_;
  TimestepMlp time_embedding_;
  at::Tensor frequencies_;  // float [base channels]; undefined with sinusoids
  std::optional<Embedding> class_embedding_;
  std::optional<TextPooling> text_pooling_;
  std::optional<Linear> last_token_;
  std::optional<TimestepMlp> frame_embedding_;
  // Of what joins it: a picture's vector where that is projected, or a level of noise.
  std::optional<TimestepMlp> image_embedding_;
  std::optional<Linear> text_projection_;
  std::optional<PictureContext> picture_context_;
  std::optional<Linear> guidance_projection_;
  std::vector<DownBlock> down_;
  std::optional<MiddleBlock> middle_;
  std::vector<int64_t> skip_channels_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_UNET_TRUNK_H_
