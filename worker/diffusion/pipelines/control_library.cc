#include "worker/diffusion/pipelines/control_library.h"

#include <algorithm>

#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/names/control_names.h"

namespace mind::diffusion {
namespace {

constexpr char kControlNet[] = "ControlNetModel", kAdapter[] = "T2IAdapter";

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
    if (found != wanted) config.Unsupported(key, std::to_string(wanted) + ", as the model has");
  };
  expect("in_channels", c.trunk.in_channels, channels);
  expect("cross_attention_dim", c.trunk.context_width, unet.context_width);
  expect("layers_per_block", c.trunk.layers_per_block, unet.layers_per_block);
  if (ChannelsOf(c.trunk) != ChannelsOf(unet))
    config.Unsupported("block_out_channels", ListOf(ChannelsOf(unet)) + ", as the model has");
  expect("projection_class_embeddings_input_dim", c.trunk.added_width, unet.added_width);
  if (c.reduction() != reduction) {
    config.Unsupported("conditioning_embedding_out_channels",
                       "numbers that halve until pictures are " + std::to_string(reduction) +
                           " times smaller, as the model's latents are");
  }
}

void ExpectFits(const T2iAdapterConfig& c, const UNetConfig& unet, const Config& config) {
  const std::vector<int64_t> channels = ChannelsOf(unet);
  bool fits = c.channels.size() >= channels.size() && c.channels.size() <= channels.size() + 1;
  for (size_t i = 0; fits && i < c.channels.size(); ++i)
    fits = c.channels[i] == channels[std::min(i, channels.size() - 1)];
  if (!fits) config.Unsupported("channels", ListOf(channels) + ", as the model's levels have");
}

// [B, 3, H, W] → [B, 1, H, W], by ITU-R 601 luma in Pillow's fixed point, of pictures of 8 bits.
at::Tensor GreyOf(const at::Tensor& picture) {
  const at::Tensor bytes = (picture * 255).round().to(at::kInt);
  const at::Tensor sum = bytes.select(1, 0) * 19595 + bytes.select(1, 1) * 38470 + bytes.select(1, 2) * 7471;
  return (sum + 0x8000).div(0x10000, "floor").unsqueeze(1).to(picture.scalar_type()) / 255;
}

}  // namespace

ControlLibrary::ControlLibrary(const ModelDirectory& directory, const UNetConfig& unet, int64_t channels,
                               int64_t reduction, FileParameters::Options options)
    : options_(options) {
  for (const auto& [name, folder] : directory.Controls()) {
    const Config config = Config::FromFile(folder + "/config.json");
    const std::string kind = config.String("_class_name", "");
    NamedTensors stored = ReadComponent(folder);
    Network& network = networks_[name];
    if (kind == kControlNet) {
      const ControlNetConfig read = ControlNetConfig::From(config);
      ExpectFits(read, unet, channels, reduction, config);
      FileParameters weights(FromOriginalControlNet(std::move(stored), read.trunk.layers_per_block), options);
      network.control_net = std::make_unique<ControlNet>(Scope(weights), read);
      weights.ExpectAllTaken();
    } else if (kind == kAdapter) {
      const T2iAdapterConfig read = T2iAdapterConfig::From(config);
      ExpectFits(read, unet, config);
      FileParameters weights(FromOriginalT2iAdapter(std::move(stored), read.layers), options);
      network.adapter = std::make_unique<T2iAdapter>(Scope(weights), read);
      weights.ExpectAllTaken();
    } else {
      config.Unsupported("_class_name", std::string(kControlNet) + ", " + kAdapter);
    }
  }
}

void ControlLibrary::Tell(const std::vector<ControlPicture>& pictures, Conditioning& conditioning) const {
  for (const ControlPicture& picture : pictures) {
    const auto found = networks_.find(picture.network);
    if (found == networks_.end())
      throw RequestError("this model has no control network named \"" + picture.network + "\"");
    const Control control = ControlOf(found->second, picture);
    const bool own_row_alone =
        control.graded || (found->second.control_net && found->second.control_net->config().pools);
    for (size_t i = own_row_alone ? conditioning.rows.size() - 1 : 0; i < conditioning.rows.size(); ++i)
      conditioning.rows[i].Add(control);
  }
}

Control ControlLibrary::ControlOf(const Network& network, const ControlPicture& picture) const {
  Control control;
  control.weight =
      at::full({}, picture.weight, at::TensorOptions().dtype(at::kFloat).device(options_.device));
  control.begin = picture.begin;
  control.end = picture.end;
  if (network.control_net) {
    control.network = network.control_net.get();
    control.maps = {picture.picture};
    control.graded = picture.graded;
    return control;
  }
  const T2iAdapterConfig& config = network.adapter->config();
  at::Tensor shown = picture.picture.unsqueeze(0);
  if (picture.graded)
    throw RequestError("\"" + picture.network + "\" is an adapter, which cannot be graded (guess_mode)");
  if (shown.size(2) % config.patch != 0 || shown.size(3) % config.patch != 0) {
    throw RequestError("with \"" + picture.network + "\" width and height must be multiples of " +
                       std::to_string(config.patch) + ", given: " + std::to_string(shown.size(3)) + "x" +
                       std::to_string(shown.size(2)));
  }
  if (config.picture_channels == 1) shown = GreyOf(shown);
  for (const at::Tensor& feature : (*network.adapter)(shown.to(options_.dtype)))
    control.maps.push_back(feature.squeeze(0));
  return control;
}

}  // namespace mind::diffusion
