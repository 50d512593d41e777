#include "worker/diffusion/models/unet_config.h"

#include <algorithm>
#include <functional>
#include <map>

#include "worker/diffusion/error.h"

namespace mind::diffusion {
namespace {

constexpr int64_t kMaxLevels = 16;
constexpr int64_t kMaxChannels = 1 << 16;
constexpr int64_t kTimeWidthFactor = 4;

// What diffusers' names of blocks say, with "Down" and "Downsample" (or "Up", "Upsample") taken out.
struct BlockType {
  const char* name;
  LevelKind kind;
  Transition transition;
};
constexpr BlockType kBlockTypes[] = {
    {"Block2D", LevelKind::kPlain, Transition::kConvolution},
    {"ResnetsampleBlock2D", LevelKind::kPlain, Transition::kResnet},
    {"SkipBlock2D", LevelKind::kPlain, Transition::kPyramid},
    {"AttnBlock2D", LevelKind::kSelfAttention, Transition::kConvolution},
    {"AttnSkipBlock2D", LevelKind::kSelfAttention, Transition::kPyramid},
    {"CrossAttnBlock2D", LevelKind::kCrossAttention, Transition::kConvolution},
    {"SimpleCrossAttnBlock2D", LevelKind::kAddedAttention, Transition::kResnet},
};

BlockType TypeOf(const Config& config, const std::string& key, const std::string& name, bool down) {
  const std::string direction = down ? "Down" : "Up";
  const size_t at = name.find(direction);
  const std::string rest =
      at == std::string::npos ? "" : name.substr(0, at) + name.substr(at + direction.size());
  std::string known;
  for (BlockType type : kBlockTypes) {
    if (rest == type.name) {
      const std::string resizing = config.String(down ? "downsample_type" : "upsample_type", "conv");
      if (resizing != "conv" && resizing != "resnet") {
        config.Unsupported(down ? "downsample_type" : "upsample_type", "conv, resnet");
      }
      if (type.kind == LevelKind::kSelfAttention && resizing == "resnet" &&
          type.transition == Transition::kConvolution) {
        type.transition = Transition::kResnet;
      }
      return type;
    }
    std::string full = type.name;
    const size_t place = full.find("sample");
    full.insert(place != std::string::npos ? place : full.find("Block2D"),
                place != std::string::npos && !down ? "Up" : direction);
    known += (known.empty() ? "" : ", ") + full;
  }
  config.Unsupported(key, known);
}

// A key that holds one value for all levels or a list with one each.
std::vector<int64_t> PerLevel(const Config& config, const std::string& key, size_t levels, int64_t fallback) {
  if (config.Unset(key)) return std::vector<int64_t>(levels, fallback);
  if (config.at(key).is_array()) {
    std::vector<int64_t> values = config.RequiredInts(key);
    if (values.size() != levels) config.Unsupported(key, "one value, or one for each of the levels");
    return values;
  }
  return std::vector<int64_t>(levels, config.RequiredInt(key));
}

// Transformers' layers: one number for all levels, or for each level a number or a list with one for each of
// its transformers. `transformers`: how many of them a level has.
std::vector<std::vector<int64_t>> TransformerLayers(const Config& config, const std::string& key,
                                                    size_t levels, int64_t transformers) {
  const std::string allowed = "1 to 64; or a list for the levels of such numbers, or of lists of " +
                              std::to_string(transformers) + " of them";
  const auto number = [&](const nlohmann::json& value) {
    if (!value.is_number_integer() || value.get<int64_t>() < 1 || value.get<int64_t>() > 64)
      config.Unsupported(key, allowed);
    return value.get<int64_t>();
  };
  const auto count = static_cast<size_t>(transformers);
  std::vector<std::vector<int64_t>> layers(levels, std::vector<int64_t>(count, 1));
  if (config.Unset(key)) return layers;
  const nlohmann::json& value = config.at(key);
  if (value.is_array() && value.size() != levels) config.Unsupported(key, allowed);
  for (size_t i = 0; i < levels; ++i) {
    const nlohmann::json& level = value.is_array() ? value.at(i) : value;
    if (!level.is_array()) {
      layers[i].assign(count, number(level));
      continue;
    }
    if (level.size() != count) config.Unsupported(key, allowed);
    for (size_t j = 0; j < count; ++j) layers[i][j] = number(level.at(j));
  }
  return layers;
}

// On the way up, coarsest first: what the file says, or the way down reversed.
std::vector<std::vector<int64_t>> UpTransformerLayers(const Config& config, const UNetConfig& c) {
  constexpr char kDown[] = "transformer_layers_per_block", kUp[] = "reverse_transformer_layers_per_block";
  const int64_t transformers = c.layers_per_block + 1;
  if (!config.Unset(kUp)) return TransformerLayers(config, kUp, c.levels.size(), transformers);
  std::vector<std::vector<int64_t>> layers;
  for (auto level = c.levels.rbegin(); level != c.levels.rend(); ++level) {
    const std::vector<int64_t>& down = level->transformer_layers;
    if (std::adjacent_find(down.begin(), down.end(), std::not_equal_to<>()) != down.end())
      config.Unsupported(kDown, std::string("lists for a level only beside ") + kUp);
    layers.emplace_back(static_cast<size_t>(transformers), down.front());
  }
  return layers;
}

std::vector<bool> PerLevelBool(const Config& config, const std::string& key, size_t levels) {
  if (config.Unset(key) || config.at(key).is_boolean())
    return std::vector<bool>(levels, config.Bool(key, false));
  std::vector<bool> values;
  if (config.at(key).is_array()) {
    for (const auto& value : config.at(key)) {
      if (value.is_boolean()) values.push_back(value.get<bool>());
    }
  }
  if (values.size() != levels) config.Unsupported(key, "a boolean, or one for each of the levels");
  return values;
}

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

// Residual blocks of each level.
std::vector<int64_t> ResnetsOf(const Config& config, size_t levels) {
  std::vector<int64_t> layers = PerLevel(config, "layers_per_block", levels, 2);
  for (const int64_t count : layers) {
    if (count < 1 || count > 64) config.Unsupported("layers_per_block", "1 to 64");
  }
  return layers;
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

  const std::vector<int64_t> channels = config.RequiredInts("block_out_channels");
  const std::vector<std::string> down = config.RequiredStrings("down_block_types");
  const std::vector<std::string> up =
      control ? std::vector<std::string>() : config.RequiredStrings("up_block_types");
  if (channels.empty() || channels.size() > kMaxLevels)
    config.Unsupported("block_out_channels", "1 to 16 levels");
  if (down.size() != channels.size())
    config.Unsupported("down_block_types", "one for each of block_out_channels");
  if (!control && up.size() != channels.size())
    config.Unsupported("up_block_types", "one for each of block_out_channels");

  // The same key means the number of heads in one class and the width of a head in the other.
  const std::vector<int64_t> attention =
      PerLevel(config, "attention_head_dim", channels.size(), conditional ? 8 : 0);
  const std::vector<int64_t> resnets = ResnetsOf(config, channels.size());
  c.layers_per_block = resnets.front();
  const std::vector<std::vector<int64_t>> layers =
      TransformerLayers(config, "transformer_layers_per_block", channels.size(), c.layers_per_block);
  const std::vector<bool> only_cross = PerLevelBool(config, "only_cross_attention", channels.size());
  for (size_t i = 0; i < channels.size(); ++i) {
    if (channels[i] < 1 || channels[i] > kMaxChannels)
      config.Unsupported("block_out_channels", "1 to 65536 channels");
    UNetLevel level;
    level.channels = channels[i];
    const BlockType down_type = TypeOf(config, "down_block_types", down[i], /*down=*/true);
    level.kind = down_type.kind;
    level.transition = down_type.transition;
    const bool width_of_head = !conditional || level.kind == LevelKind::kAddedAttention;
    level.heads = width_of_head && attention[i] > 0 ? channels[i] / attention[i]
                  : conditional                     ? attention[i]
                                                    : 1;
    level.layers = resnets[i];
    level.transformer_layers = layers[i];
    level.only_cross_attention = only_cross[i];
    if (level.kind == LevelKind::kCrossAttention && level.layers != c.layers_per_block)
      config.Unsupported("layers_per_block", "one number, with CrossAttn blocks");
    if (level.kind != LevelKind::kPlain && (level.heads < 1 || level.channels % level.heads != 0)) {
      config.Unsupported("attention_head_dim", "one that divides the level's channels");
    }
    c.levels.push_back(level);
    if (control) continue;
    const BlockType up_type = TypeOf(config, "up_block_types", up[i], /*down=*/false);
    c.up_kinds.push_back(up_type.kind);
    c.up_transitions.push_back(up_type.transition);
  }
  if (!control) c.up_transformer_layers = UpTransformerLayers(config, c);
  c.middle_transformer_layers = layers.back().front();
  c.base_channels = channels.front();
  c.time_width = kTimeWidthFactor * channels.front();
  ReadResizingBlocks(config, conditional && !control, c);
  ReadClassEmbedding(config, conditional && !control, c);
  ReadPictureContext(config, conditional && !control, c);
  if (control) {
    ExpectNoPyramid(c, config);
  } else {
    ExpectWholePyramid(c, config);
  }
  c.middle_groups = config.Int("attn_norm_num_groups",
                               c.groups > 0 ? c.groups : std::min<int64_t>(channels.back() / 4, 32));
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
