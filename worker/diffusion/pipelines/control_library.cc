#include "worker/diffusion/pipelines/control_library.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <variant>

#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/names/control_names.h"

namespace mind::diffusion {
namespace {

constexpr char kControlNet[] = "ControlNetModel", kUnion[] = "ControlNetUnionModel",
               kAdapter[] = "T2IAdapter";

std::string ListOf(const std::vector<int64_t>& numbers) {
  std::string list;
  for (const int64_t number : numbers) list += (list.empty() ? "" : ", ") + std::to_string(number);
  return list;
}

std::vector<int64_t> ChannelsOf(const UNetConfig& unet) {
  std::vector<int64_t> channels;
  for (const UNetLevel& level : unet.levels) channels.push_back(level.channels);
  return channels;
}

// What is added where must have the shape of what is there.
void ExpectFits(const ControlNetConfig& c, const UNetConfig& unet, int64_t channels, int64_t reduction,
                const Config& config) {
  const auto expect = [&config](const char* key, int64_t found, int64_t wanted) {
    if (found == wanted) return;
    config.Unsupported(key, (wanted == 0 ? "null" : std::to_string(wanted)) + ", as the model has");
  };
  expect("in_channels", c.trunk.in_channels, channels);
  expect("cross_attention_dim", c.trunk.context_width, unet.context_width);
  expect("layers_per_block", c.trunk.layers_per_block, unet.layers_per_block);
  if (ChannelsOf(c.trunk) != ChannelsOf(unet))
    config.Unsupported("block_out_channels", ListOf(ChannelsOf(unet)) + ", as the model has");
  expect("projection_class_embeddings_input_dim", c.trunk.added_width, unet.added_width);
  expect("addition_time_embed_dim", c.trunk.frame_width, unet.frame_width);
  // What the model is told a control need not see.
  if (c.trunk.class_count > 0) expect("num_class_embeds", c.trunk.class_count, unet.class_count);
  if (c.trunk.guidance_width > 0) expect("time_cond_proj_dim", c.trunk.guidance_width, unet.guidance_width);
  if (c.reduction() != reduction) {
    config.Unsupported("conditioning_embedding_out_channels",
                       "numbers that halve until pictures are " + std::to_string(reduction) +
                           " times smaller, as the model's latents are");
  }
}

// How many times smaller than the picture each feature is.
std::vector<int64_t> SizesOf(const T2iAdapterConfig& c) {
  std::vector<int64_t> sizes;
  int64_t size = c.patch;
  for (size_t i = 0; i < c.channels.size(); ++i) sizes.push_back(size *= c.Halves(i) ? 2 : 1);
  return sizes;
}

// Where as many features are added: at the levels, and one more behind the middle. A level without attention
// adds its own behind what halves.
std::vector<int64_t> SizesOf(const UNetConfig& unet, int64_t reduction, size_t features) {
  std::vector<int64_t> sizes;
  int64_t size = reduction;
  for (size_t i = 0; i < features; ++i) {
    const bool halves = i + 1 < unet.levels.size();
    sizes.push_back(halves && unet.levels[i].kind == LevelKind::kPlain ? 2 * size : size);
    if (halves) size *= 2;
  }
  return sizes;
}

void ExpectFits(const T2iAdapterConfig& c, const UNetConfig& unet, int64_t reduction, const Config& config) {
  const std::vector<int64_t> channels = ChannelsOf(unet);
  bool fits = c.channels.size() >= channels.size() && c.channels.size() <= channels.size() + 1;
  for (size_t i = 0; fits && i < c.channels.size(); ++i)
    fits = c.channels[i] == channels[std::min(i, channels.size() - 1)];
  if (!fits) config.Unsupported("channels", ListOf(channels) + ", as the model's levels have");
  const std::vector<int64_t> made = SizesOf(c), wanted = SizesOf(unet, reduction, c.channels.size());
  if (made != wanted) {
    config.Unsupported("downscale_factor",
                       "one that with the adapter_type makes features " + ListOf(wanted) +
                           " times smaller than pictures, as the model's levels are; these are " +
                           ListOf(made));
  }
}

// [B, 3, H, W] → [B, 1, H, W], by ITU-R 601 luma in Pillow's fixed point, of pictures of 8 bits.
at::Tensor GreyOf(const at::Tensor& picture) {
  const at::Tensor bytes = (picture * 255).round().to(at::kInt);
  const at::Tensor sum = bytes.select(1, 0) * 19595 + bytes.select(1, 1) * 38470 + bytes.select(1, 2) * 7471;
  return (sum + 0x8000).div(0x10000, "floor").unsqueeze(1).to(picture.scalar_type()) / 255;
}

// A control's configuration, of one that fits.
using ControlConfig = std::variant<ControlNetConfig, T2iAdapterConfig>;

ControlConfig ReadFitting(const std::string& folder, const UNetConfig& unet, int64_t channels,
                          int64_t reduction) {
  const Config config = Config::FromFile(folder + "/config.json");
  const std::string kind = config.String("_class_name", "");
  if (kind == kControlNet || kind == kUnion) {
    ControlNetConfig read = ControlNetConfig::From(config);
    ExpectFits(read, unet, channels, reduction, config);
    return read;
  }
  if (kind == kAdapter) {
    T2iAdapterConfig read = T2iAdapterConfig::From(config);
    ExpectFits(read, unet, reduction, config);
    return read;
  }
  config.Unsupported("_class_name", std::string(kControlNet) + ", " + kUnion + ", " + kAdapter);
}

// Pictures of one network: each of a kind that it knows, none twice, all graded or none.
void ExpectKinds(int64_t kinds, const std::vector<ControlPicture>& pictures) {
  const std::string name = "\"" + pictures.front().network + "\"";
  std::set<int64_t> seen;
  for (const ControlPicture& picture : pictures) {
    if (kinds == 0 && picture.kind)
      throw RequestError("the control network " + name + " knows one kind of picture");
    if (kinds == 0) continue;
    if (!picture.kind || *picture.kind < 0 || *picture.kind >= kinds) {
      throw RequestError("the control network " + name + " needs the kind of each picture, 0 to " +
                         std::to_string(kinds - 1) +
                         (picture.kind ? ", given: " + std::to_string(*picture.kind) : ""));
    }
    if (!seen.insert(*picture.kind).second)
      throw RequestError("the control network " + name + " takes one picture of a kind");
    if (picture.graded != pictures.front().graded)
      throw RequestError("the control network " + name +
                         " is graded (guess_mode) for all of its pictures or none");
  }
}

}  // namespace

void ControlLibrary::Check(const ModelDirectory& directory, const UNetConfig& unet, int64_t channels,
                           int64_t reduction) {
  for (const auto& [name, folder] : directory.Controls()) ReadFitting(folder, unet, channels, reduction);
}

ControlLibrary::ControlLibrary(const ModelDirectory& directory, const UNetConfig& unet, int64_t channels,
                               int64_t reduction, FileParameters::Options options)
    : options_(options) {
  for (const auto& [name, folder] : directory.Controls()) {
    const ControlConfig config = ReadFitting(folder, unet, channels, reduction);
    NamedTensors stored = ReadComponent(folder);
    Network& network = networks_[name];
    if (const auto* const net = std::get_if<ControlNetConfig>(&config)) {
      FileParameters weights(FromOriginalControlNet(std::move(stored), net->trunk.layers_per_block), options);
      network.control_net = std::make_unique<ControlNet>(Scope(weights), *net);
      weights.ExpectAllTaken();
    } else {
      const auto& adapter = std::get<T2iAdapterConfig>(config);
      FileParameters weights(FromOriginalT2iAdapter(std::move(stored), adapter.layers), options);
      network.adapter = std::make_unique<T2iAdapter>(Scope(weights), adapter);
      weights.ExpectAllTaken();
    }
  }
}

int64_t ControlLibrary::KindsOf(const std::string& folder) {
  const Config config = Config::FromFile(folder + "/config.json");
  return config.String("_class_name", "") == kUnion ? ControlNetConfig::From(config).fusion.kinds : 0;
}

void ControlLibrary::Tell(const std::vector<ControlPicture>& pictures, Conditioning& conditioning) const {
  std::set<std::string> fused;  // networks whose pictures have all been told
  for (const ControlPicture& picture : pictures) {
    const auto found = networks_.find(picture.network);
    if (found == networks_.end())
      throw RequestError("this model has no control network named \"" + picture.network + "\"");
    const Network& network = found->second;
    std::vector<ControlPicture> shown = {picture};
    if (network.control_net && network.control_net->config().fusion.kinds > 0) {
      if (!fused.insert(picture.network).second) continue;
      shown.clear();
      std::copy_if(pictures.begin(), pictures.end(), std::back_inserter(shown),
                   [&](const ControlPicture& other) { return other.network == picture.network; });
    }
    const Control control = ControlOf(network, shown);
    const bool own_row_alone = control.graded || (network.control_net && network.control_net->config().pools);
    for (size_t i = own_row_alone ? conditioning.rows.size() - 1 : 0; i < conditioning.rows.size(); ++i)
      conditioning.rows[i].Add(control);
  }
}

Control ControlLibrary::ControlOf(const Network& network, const std::vector<ControlPicture>& pictures) const {
  const int64_t kinds = network.control_net ? network.control_net->config().fusion.kinds : 0;
  ExpectKinds(kinds, pictures);
  if (!network.control_net) return AdapterControl(*network.adapter, pictures.front());
  Control control;
  control.network = network.control_net.get();
  control.graded = pictures.front().graded;
  std::vector<double> weights;
  for (const ControlPicture& picture : pictures) {
    control.maps.push_back(picture.picture);
    if (picture.kind) control.kinds.push_back(*picture.kind);
    weights.push_back(picture.weight);
    control.each.push_back({picture.begin, picture.end});
  }
  control.weight = at::tensor(weights, at::kFloat).to(options_.device);
  if (pictures.size() == 1) {
    control.weight = control.weight.squeeze(0);
    control.within = control.each.front();
    control.each.clear();
  }
  return control;
}

Control ControlLibrary::AdapterControl(const T2iAdapter& adapter, const ControlPicture& picture) const {
  Control control;
  control.weight =
      at::full({}, picture.weight, at::TensorOptions().dtype(at::kFloat).device(options_.device));
  control.within = {picture.begin, picture.end};
  const T2iAdapterConfig& config = adapter.config();
  at::Tensor shown = picture.picture.unsqueeze(0);
  if (picture.graded)
    throw RequestError("\"" + picture.network + "\" is an adapter, which cannot be graded (guess_mode)");
  if (shown.size(2) % config.patch != 0 || shown.size(3) % config.patch != 0) {
    throw RequestError("with \"" + picture.network + "\" width and height must be multiples of " +
                       std::to_string(config.patch) + ", given: " + std::to_string(shown.size(3)) + "x" +
                       std::to_string(shown.size(2)));
  }
  if (config.picture_channels == 1) shown = GreyOf(shown);
  for (const at::Tensor& feature : adapter(shown)) control.maps.push_back(feature.squeeze(0));
  return control;
}

}  // namespace mind::diffusion
