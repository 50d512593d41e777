#include "worker/diffusion/models/unet_config.h"

#include <algorithm>
#include <map>

#include "worker/diffusion/error.h"
#include "worker/diffusion/models/unet_config_levels.h"

namespace mind::diffusion {
namespace {

constexpr int64_t kMaxChannels = 1 << 16;
constexpr int64_t kTimeWidthFactor = 4;

// The picture goes all the way down beside the blocks, and up again, or not at all.
void ExpectWholePyramid(const UNetConfig& c, const Config& config) {
  for (size_t i = 0; i < c.levels.size(); ++i) {
    if ((c.levels[i].transition == Transition::kPyramid) != c.has_pyramid()) {
      config.Unsupported("down_block_types", "Skip blocks at every level or at none");
    }
    if ((c.up_transitions[i] == Transition::kPyramid) != c.has_pyramid()) {
      config.Unsupported("up_block_types", "Skip blocks where down_block_types has them");
    }
  }
  if (c.has_pyramid() && c.in_channels != 3) config.Unsupported("in_channels", "3, with Skip blocks");
  if (c.has_pyramid() && c.out_channels != 3) config.Unsupported("out_channels", "3, with Skip blocks");
  if (c.groups == 0 && !c.has_pyramid())
    config.Unsupported("norm_num_groups", "a number, without Skip blocks");
}

// A control's copy of the way down is told no pyramid.
void ExpectNoPyramid(const UNetConfig& c, const Config& config) {
  for (const UNetLevel& level : c.levels) {
    if (level.transition == Transition::kPyramid)
      config.Unsupported("down_block_types", "blocks other than Skip blocks, in a ControlNetModel");
  }
  if (c.groups == 0) config.Unsupported("norm_num_groups", "a number, in a ControlNetModel");
}

// Options whose other values select parts of diffusers that no model we serve uses. Better refused than
// ignored.
void RefuseUnsupported(const Config& config) {
  const auto only = [&config](const std::string& key, const std::string& value) {
    if (config.String(key, value) != value) config.Unsupported(key, value);
  };
  const auto unset = [&config](const std::string& key) {
    if (!config.Unset(key)) config.Unsupported(key, "null");
  };
  const auto off = [&config](const std::string& key) {
    if (config.Bool(key, false)) config.Unsupported(key, "false");
  };
  only("attention_type", "default");
  for (const char* key : {"timestep_post_act", "num_attention_heads"}) unset(key);
  for (const char* key : {"dual_cross_attention", "class_embeddings_concat"}) off(key);
  for (const char* key : {"conv_in_kernel", "conv_out_kernel"}) {
    if (config.Int(key, 3) != 3) config.Unsupported(key, "3");
  }
}

constexpr char kPictureProjection[] = "image_proj";  // an encoder_hid_dim_type: of Kandinsky's

// What only networks of blocks that resize inside have (ResnetDownsampleBlock2D, SimpleCrossAttnDownBlock2D
// …): DeepFloyd-IF's, and Kandinsky's, of which ReadPictureContext reads the rest.
void ReadResizingBlocks(const Config& config, bool supported, UNetConfig& c) {
  const bool given = !config.Unset("cross_attention_norm") || !config.Unset("encoder_hid_dim") ||
                     !config.Unset("encoder_hid_dim_type") || !config.Unset("time_embedding_act_fn") ||
                     !config.Unset("time_embedding_dim") || config.Bool("resnet_skip_time_act", false) ||
                     config.Double("resnet_out_scale_factor", 1) != 1;
  if (!given) return;
  for (const UNetLevel& level : c.levels) supported = supported && level.transition == Transition::kResnet;
  if (!supported) {
    for (const char* const key : {"cross_attention_norm", "encoder_hid_dim", "encoder_hid_dim_type",
                                  "time_embedding_act_fn", "time_embedding_dim"}) {
      if (!config.Unset(key)) config.Unsupported(key, "null, but with blocks that resize inside");
    }
    if (config.Bool("resnet_skip_time_act", false))
      config.Unsupported("resnet_skip_time_act", "false, but with blocks that resize inside");
    config.Unsupported("resnet_out_scale_factor", "1, but with blocks that resize inside");
  }
  if (config.String("cross_attention_norm", "group_norm") != "group_norm")
    config.Unsupported("cross_attention_norm", "null, \"group_norm\"");
  c.context_norm = !config.Unset("cross_attention_norm");
  const std::string encoded = config.String("encoder_hid_dim_type", "text_proj");
  if (encoded == "text_proj") {
    c.encoded_width = config.Int("encoder_hid_dim", 0);
    const bool typed = !config.Unset("encoder_hid_dim_type");
    if (c.encoded_width < 0 || c.encoded_width > kMaxChannels || (typed && c.encoded_width == 0))
      config.Unsupported("encoder_hid_dim", typed ? "1 to 65536" : "null, 1 to 65536");
  } else if (encoded != kPictureProjection) {
    config.Unsupported("encoder_hid_dim_type", "null, \"text_proj\", \"image_proj\"");
  }
  if (!config.Unset("time_embedding_act_fn"))
    c.sum_activation = ReadActivation(config, "time_embedding_act_fn", Activation::kSilu);
  c.activated_time = config.Bool("resnet_skip_time_act", false);
  c.resnet_scale = config.Double("resnet_out_scale_factor", 1);
  if (!(c.resnet_scale > 0)) config.Unsupported("resnet_out_scale_factor", "more than 0");
  c.time_width = config.Int("time_embedding_dim", c.time_width);
  if (c.time_width < 1 || c.time_width > kMaxChannels)
    config.Unsupported("time_embedding_dim", "null, 1 to 65536");
}

// How a vector joins the time embedding, which diffusers calls a class whatever it is of.
void ReadClassEmbedding(const Config& config, bool supported, UNetConfig& c) {
  const std::string kind = config.String("class_embed_type", "");
  if (kind.empty()) return;
  if (!supported) config.Unsupported("class_embed_type", "null, but in a UNet2DConditionModel");
  if (kind == "identity") {
    c.image_width = c.time_width;
  } else if (kind == "projection") {
    c.image_width = config.RequiredInt("projection_class_embeddings_input_dim");
    c.image_projected = true;
  } else if (kind == "timestep") {
    c.level_class = true;
  } else {
    config.Unsupported("class_embed_type", "null, \"identity\", \"projection\", \"timestep\"");
  }
  if (!c.level_class && (c.image_width < 1 || c.image_width > kMaxChannels))
    config.Unsupported("projection_class_embeddings_input_dim", "1 to 65536");
  if (c.class_count > 0) config.Unsupported("num_class_embeds", "null, beside class_embed_type");
}

// A picture's vector as the context and beside the time embedding: both or neither.
void ReadPictureContext(const Config& config, bool supported, UNetConfig& c) {
  constexpr char kWidth[] = "encoder_hid_dim", kKind[] = "encoder_hid_dim_type",
                 kAddition[] = "addition_embed_type";
  const bool added = config.String(kAddition, "") == "image";
  if (config.String(kKind, "") != kPictureProjection) {
    if (added) config.Unsupported(kKind, "\"image_proj\", with addition_embed_type \"image\"");
    return;
  }
  if (!supported) config.Unsupported(kKind, "null, but in a UNet2DConditionModel");
  if (!added) config.Unsupported(kAddition, "\"image\", with encoder_hid_dim_type \"image_proj\"");
  c.picture_context = config.RequiredInt(kWidth);
  if (c.picture_context < 1 || c.picture_context > kMaxChannels) config.Unsupported(kWidth, "1 to 65536");
}

}  // namespace

UNetConfig UNetConfig::From(const Config& config) {
  const std::string kind = config.String("_class_name", "");
  // Up to the middle of a UNet2DConditionModel.
  const bool control = kind == "ControlNetModel" || kind == "ControlNetUnionModel";
  const bool conditional = control || kind == "UNet2DConditionModel";
  if (!conditional && kind != "UNet2DModel")
    config.Unsupported("_class_name",
                       "UNet2DConditionModel, UNet2DModel, ControlNetModel, ControlNetUnionModel");
  RefuseUnsupported(config);

  UNetConfig c;
  c.in_channels = config.Int("in_channels", conditional ? 4 : 3);
  c.out_channels = config.Int("out_channels", conditional ? 4 : 3);
  c.sample_size = config.Int("sample_size", conditional ? 64 : 32);
  c.downsample_padding = config.Int("downsample_padding", 1);
  c.middle_scale = config.Double("mid_block_scale_factor", 1);
  // Null means something else than absent.
  c.groups = config.Null("norm_num_groups") ? 0 : config.Int("norm_num_groups", 32);
  c.epsilon = config.Double("norm_eps", 1e-5);
  c.activation = ReadActivation(config, "act_fn", Activation::kSilu);
  if (conditional) c.time_activation = c.activation;
  // Ours: networks trained on MindSpore have the tanh form ("gelu-approximate").
  c.gate = ReadActivation(config, "geglu_activation", Activation::kGelu);
  c.linear_projection = config.Bool("use_linear_projection", false);
  c.center_input = config.Bool("center_input_sample", false);
  c.flip_sin_to_cos = config.Bool("flip_sin_to_cos", true);
  c.freq_shift = config.Double("freq_shift", 0);
  c.class_count = config.Int("num_class_embeds", 0);
  const std::string features = config.String("time_embedding_type", "positional");
  if (features != "positional" && (features != "fourier" || conditional)) {
    config.Unsupported("time_embedding_type", conditional ? "positional" : "positional, fourier");
  }
  if (features == "fourier") c.time_features = TimeFeatures::kFourier;
  const std::string time_shift = config.String("resnet_time_scale_shift", "default");
  if (time_shift != "default" && time_shift != "scale_shift") {
    config.Unsupported("resnet_time_scale_shift", "default, scale_shift");
  }
  c.scale_shift = time_shift == "scale_shift";

  ReadUNetLevels(config, conditional, control, c);
  c.base_channels = c.levels.front().channels;
  c.time_width = kTimeWidthFactor * c.base_channels;
  ReadResizingBlocks(config, conditional && !control, c);
  ReadClassEmbedding(config, conditional && !control, c);
  ReadPictureContext(config, conditional && !control, c);
  if (control) {
    ExpectNoPyramid(c, config);
  } else {
    ExpectWholePyramid(c, config);
  }
  c.middle_groups = config.Int("attn_norm_num_groups",
                               c.groups > 0 ? c.groups : std::min<int64_t>(c.levels.back().channels / 4, 32));
  if (c.downsample_padding != 0 && c.downsample_padding != 1)
    config.Unsupported("downsample_padding", "0, 1");

  if (conditional) {
    c.context_width = config.Int("cross_attention_dim", 1280);
    const std::string middle = config.String("mid_block_type", "UNetMidBlock2DCrossAttn");
    const std::map<std::string, LevelKind> middles = {
        {"UNetMidBlock2DCrossAttn", LevelKind::kCrossAttention},
        {"UNetMidBlock2DSimpleCrossAttn", LevelKind::kAddedAttention},
        {"UNetMidBlock2D", LevelKind::kPlain}};
    const auto kind_of_middle = middles.find(middle);
    if (kind_of_middle == middles.end()) {
      config.Unsupported("mid_block_type",
                         "UNetMidBlock2DCrossAttn, UNetMidBlock2DSimpleCrossAttn, UNetMidBlock2D");
    }
    c.middle = kind_of_middle->second;
    if (c.middle == LevelKind::kPlain) c.middle_resnets = 1;
    const bool one_value =
        config.Unset("only_cross_attention") || config.at("only_cross_attention").is_boolean();
    c.middle_only_cross_attention = config.Bool("mid_block_only_cross_attention",
                                                one_value && config.Bool("only_cross_attention", false));
    const std::string addition = config.String("addition_embed_type", "");
    if (!addition.empty() && addition != "text" && addition != "text_time" && addition != "image")
      config.Unsupported("addition_embed_type", "null, \"text\", \"text_time\", \"image\"");
    if (addition == "text_time") {
      c.frame_width = config.RequiredInt("addition_time_embed_dim");
      c.added_width = config.RequiredInt("projection_class_embeddings_input_dim");
      if (c.frame_width < 2 || c.frame_width > 4096)
        config.Unsupported("addition_time_embed_dim", "2 to 4096");
      if (c.added_width < 1 || c.added_width > (1 << 16))
        config.Unsupported("projection_class_embeddings_input_dim", "1 to 65536");
    } else if (!config.Unset("addition_time_embed_dim")) {
      config.Unsupported("addition_time_embed_dim", "null, without text_time");
    }
    c.guidance_width = config.Int("time_cond_proj_dim", 0);
    if (c.guidance_width < 0 || c.guidance_width > 4096)
      config.Unsupported("time_cond_proj_dim", "null, 1 to 4096");
    if (addition == "text") {
      c.text_pooling = TextPoolingKind::kAttention;
      c.text_pooling_heads = config.Int("addition_embed_type_num_heads", 64);
    }
  } else {
    c.middle = config.Bool("add_attention", true) ? LevelKind::kSelfAttention : LevelKind::kPlain;
  }
  return c;
}

}  // namespace mind::diffusion
