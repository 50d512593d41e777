#include "worker/diffusion/pipelines/picture_encoder.h"

#include <algorithm>
#include <filesystem>

#include "worker/diffusion/pipelines/resize.h"

namespace mind::diffusion {
namespace {

constexpr char kPreprocessing[] = "preprocessor_config.json";
constexpr int64_t kMostPixels = 4096;

// A size as transformers writes it today ({"shortest_edge": 224}, {"height": 224, "width": 224}) or wrote it
// (224).
int64_t SideOf(const Config& config, const std::string& key, const std::vector<const char*>& names,
               int64_t fallback) {
  if (config.Unset(key)) return fallback;
  const nlohmann::json& value = config.at(key);
  const std::string allowed = "one number of 1 to 4096 for both sides";
  int64_t side = 0;
  if (value.is_number_integer()) side = value.get<int64_t>();
  for (const char* const name : names) {
    if (!value.is_object() || !value.contains(name)) continue;
    if (!value.at(name).is_number_integer() || (side != 0 && value.at(name) != side))
      config.Unsupported(key, allowed);
    side = value.at(name).get<int64_t>();
  }
  if (side < 1 || side > kMostPixels) config.Unsupported(key, allowed);
  return side;
}

std::array<double, 3> Colours(const Config& config, const std::string& key,
                              const std::array<double, 3>& fallback) {
  if (config.Unset(key)) return fallback;
  const nlohmann::json& value = config.at(key);
  std::array<double, 3> colours = fallback;
  if (!value.is_array() || value.size() != colours.size()) config.Unsupported(key, "three numbers");
  for (size_t i = 0; i < colours.size(); ++i) {
    if (!value.at(i).is_number()) config.Unsupported(key, "three numbers");
    colours[i] = value.at(i).get<double>();
  }
  return colours;
}

}  // namespace

ClipPreprocessing ClipPreprocessing::From(const Config& config) {
  constexpr int64_t kPillowBicubic = 3;
  ClipPreprocessing c;
  for (const char* key : {"do_resize", "do_center_crop", "do_normalize", "do_rescale", "do_convert_rgb"}) {
    if (!config.Bool(key, true)) config.Unsupported(key, "true");
  }
  if (config.Int("resample", kPillowBicubic) != kPillowBicubic) config.Unsupported("resample", "3 (bicubic)");
  c.shorter_side = SideOf(config, "size", {"shortest_edge"}, c.shorter_side);
  c.crop = SideOf(config, "crop_size", {"height", "width"}, c.crop);
  if (c.crop > c.shorter_side) config.Unsupported("crop_size", "at most as much as size");
  c.mean = Colours(config, "image_mean", c.mean);
  c.deviation = Colours(config, "image_std", c.deviation);
  for (const double deviation : c.deviation) {
    if (!(deviation > 0)) config.Unsupported("image_std", "three numbers above 0");
  }
  return c;
}

at::Tensor ClipPreprocessing::operator()(const at::Tensor& picture) const {
  const int64_t height = picture.size(0), width = picture.size(1), shorter = std::min(height, width);
  const auto side = [&](int64_t length) { return shorter_side * length / shorter; };
  const at::Tensor resized = ResizePicture(picture, side(width), side(height), ResizeFilter::kBicubic);
  const at::Tensor square = resized.narrow(0, (side(height) - crop) / 2, crop)
                                .narrow(1, (side(width) - crop) / 2, crop)
                                .to(at::kFloat);
  const auto numbers = [](const std::array<double, 3>& colours) {
    return at::tensor(at::ArrayRef<double>(colours), at::kFloat);
  };
  return ((square / 255 - numbers(mean)) / numbers(deviation)).permute({2, 0, 1}).contiguous();
}

PictureEncoder::PictureEncoder(const ModelDirectory& directory, const std::string& preprocessing,
                               FileParameters::Options options, const std::string& encoder)
    : device_(options.device) {
  const ClipVisionConfig vision = ClipVisionConfig::From(directory.ComponentConfig(encoder));
  std::error_code ignored;
  if (preprocessing == encoder &&
      !std::filesystem::exists(directory.ComponentPath(encoder) + "/" + kPreprocessing, ignored)) {
    preprocessing_.shorter_side = preprocessing_.crop = vision.image_size;
  } else {
    const Config config = directory.ComponentConfig(preprocessing, kPreprocessing);
    preprocessing_ = ClipPreprocessing::From(config);
    if (preprocessing_.crop != vision.image_size)
      config.Unsupported("crop_size", "the image encoder's image_size");
  }
  FileParameters weights = directory.ComponentWeights(encoder, options);
  encoder_ = std::make_unique<ClipVision>(Scope(weights), vision);
  weights.ExpectAllTaken();
}

at::Tensor PictureEncoder::Pixels(const at::Tensor& picture) const {
  return preprocessing_(picture).to(device_);
}

at::Tensor PictureEncoder::Embed(const at::Tensor& pixels) const {
  return (*encoder_)(pixels.unsqueeze(0)).embedding.squeeze(0).to(at::kFloat);
}

}  // namespace mind::diffusion
