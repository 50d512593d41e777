// What the configuration of a UNet says, checked. Those of DDPM, score-SDE, GLIDE and latent diffusion
// (diffusers' UNet2DModel and UNet2DConditionModel among them) are one network here.
#ifndef MIND_WORKER_DIFFUSION_MODELS_UNET_CONFIG_H_
#define MIND_WORKER_DIFFUSION_MODELS_UNET_CONFIG_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "worker/diffusion/models/activation.h"
#include "worker/diffusion/models/unet_blocks.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {

enum class LevelKind {
  kPlain,           // residual blocks alone
  kSelfAttention,   // each followed by an AttentionBlock
  kAddedAttention,  // each followed by an AttentionBlock whose keys and values hold the prompt too
  kCrossAttention,  // each followed by a Transformer2D that sees the prompt
};

// How the prompt joins the time embedding as a whole, beside what attention makes of it.
enum class TextPoolingKind {
  kNone,
  kAttention,  // TextPooling: addition_embed_type "text"
  kLastToken,  // the last token through a linear layer (GLIDE)
};

// How the network is told the noise level before its MLP.
enum class TimeFeatures {
  kSinusoids,
  kFourier,  // random frequencies of log sigma, from the weights (Tancik et al. 2020; score-SDE)
};

struct UNetLevel {
  int64_t channels = 0;
  Transition transition = Transition::kConvolution;  // to the next coarser level
  LevelKind kind = LevelKind::kPlain;
  int64_t layers = 2;  // residual blocks; one more on the way up
  int64_t heads = 1;
  std::vector<int64_t> transformer_layers;  // of each of its transformers, with kCrossAttention
  bool only_cross_attention = false;
};

struct UNetConfig {
  int64_t in_channels = 4;
  int64_t out_channels = 4;
  int64_t sample_size = 64;                // latent height and width the model was trained at
  int64_t base_channels = 0;               // of the first convolution and of the sinusoids
  int64_t time_width = 0;                  // of the time embedding
  std::vector<UNetLevel> levels;           // finest first, on the way down
  std::vector<LevelKind> up_kinds;         // coarsest first
  std::vector<Transition> up_transitions;  // likewise; the last leads nowhere
  std::vector<std::vector<int64_t>> up_transformer_layers;  // likewise; of each transformer
  LevelKind middle = LevelKind::kPlain;                     // kPlain: residual blocks alone
  int64_t middle_resnets = 2;                               // 1: without a mixer, and without the second
  bool middle_only_cross_attention = false;
  int64_t middle_transformer_layers = 1;
  int64_t layers_per_block = 2;  // of the finest level
  int64_t downsample_padding = 1;
  double middle_scale = 1, resnet_scale = 1;  // by which residual sums are divided: the middle's, the levels'
  int64_t groups = 32;                        // of norms; 0: a quarter of the channels, at most 32
  int64_t middle_groups = 32;                 // of the middle's AttentionBlock
  double epsilon = 1e-5;
  Activation activation = Activation::kSilu;
  Activation time_activation = Activation::kSilu;  // of the MLP behind the sinusoids
  // Of the time embedding with all that joins it; none: as it is.
  std::optional<Activation> sum_activation;
  bool activated_time = false;  // residual blocks take the time embedding as it comes
  bool scale_shift = false;
  bool linear_projection = false;
  Activation gate = Activation::kGelu;  // of transformers' feed-forward layers
  bool center_input = false;            // 2x - 1 first
  int64_t padding = 0;                  // pixels added around the input and taken off the output
  TimeFeatures time_features = TimeFeatures::kSinusoids;
  bool flip_sin_to_cos = true;
  double freq_shift = 0;
  double time_scale = 1;      // the timestep is multiplied by this first
  int64_t context_width = 0;  // 0: no prompt
  int64_t encoded_width = 0;  // of the prompt before it is projected to that; 0: it is not projected
  bool context_norm = false;  // kAddedAttention: the prompt is normed before each
  TextPoolingKind text_pooling = TextPoolingKind::kNone;
  int64_t text_pooling_heads = 64;
  // SDXL's: the pooled prompt beside sinusoids of numbers about the picture's frame, embedded and added to
  // the time embedding.
  int64_t frame_width = 0;     // of the sinusoids of one number; 0: there is no such addition
  int64_t added_width = 0;     // of pooled prompt and sinusoids together
  int64_t guidance_width = 0;  // of the embedded guidance scale of a student told it; 0: it is not
  int64_t image_width = 0;     // of a picture as one vector, added to the time embedding; 0: it is told none
  bool image_projected = false;  // through an MLP of its own; else as it is
  // Kandinsky's: of a picture as one vector, which becomes the context's tokens and joins the time embedding;
  // 0: it is told none so.
  int64_t picture_context = 0;
  int64_t class_count = 0;   // 0: no classes
  bool level_class = false;  // the class is a level of noise, told as the timestep is
  bool class_bias = false;   // classes are added in every residual block, not to the time embedding

  bool conditioned_on_text() const { return context_width > 0; }
  int64_t text_width() const { return encoded_width > 0 ? encoded_width : context_width; }  // as it is told
  bool has_pyramid() const { return levels.front().transition == Transition::kPyramid; }

  // diffusers' unet/config.json; or a ControlNet's, which has no way up. Throws ModelError naming the first
  // key whose value is not supported.
  static UNetConfig From(const Config& config);
  // The report's DDPM: the arguments of its UNet (abarankab/DDPM), _class_name "AbarankabDDPM".
  static UNetConfig FromReportDdpm(const Config& config);
  // GLIDE's base or upsampler: the options of its model_creation.py.
  static UNetConfig FromGlide(const Config& config);
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_UNET_CONFIG_H_
