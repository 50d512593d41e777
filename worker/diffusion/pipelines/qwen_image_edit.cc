#include "worker/diffusion/pipelines/qwen_image_edit.h"

#include <algorithm>
#include <cmath>

#include "worker/diffusion/error.h"
#include "worker/diffusion/models/latent_tokens.h"
#include "worker/diffusion/pipelines/resize.h"

namespace mind::diffusion {
namespace {

constexpr double kReferenceMultiple = 32;
// The reference takes any number; of those tokens that the language model reads, so many pictures leave some
// two hundred to the prompt. The publisher recommends one to three.
constexpr int64_t kMostQwenReferences = 4;
constexpr int64_t kLeastReferenceArea = 32 * 32, kMostReferenceArea = 4096 * 4096;

}  // namespace

QwenImageEditPipeline::Areas QwenImageEditPipeline::Areas::From(const ModelDirectory& directory) {
  Areas areas;
  const Config config = directory.Defaults();
  const auto read = [&config](const char* key, int64_t& area) {
    area = config.Int(key, area);
    if (area < kLeastReferenceArea || area > kMostReferenceArea)
      config.Unsupported(
          key, std::to_string(kLeastReferenceArea) + " to " + std::to_string(kMostReferenceArea) + " pixels");
  };
  read("condition_area", areas.shown);
  read("reference_area", areas.encoded);
  return areas;
}

ModelInfo QwenImageEditPipeline::Describe(const ModelDirectory& directory) {
  ModelInfo info = QwenImagePipeline::Describe(directory);
  QwenVisionConfig::From(directory.ComponentConfig("text_encoder"));
  info.reference_pixels = Areas::From(directory).encoded;
  info.most_references = kMostQwenReferences;
  info.edits = true;
  return info;
}

std::unique_ptr<const Pipeline> QwenImageEditPipeline::Load(const ModelDirectory& directory,
                                                            FileParameters::Options options) {
  const c10::InferenceMode inference;
  std::unique_ptr<QwenImageEditPipeline> pipeline(new QwenImageEditPipeline);
  pipeline->LoadParts(directory, Describe(directory), options);
  pipeline->areas_ = Areas::From(directory);
  pipeline->edit_text_ = std::make_unique<const QwenEditText>(directory, options);
  return pipeline;
}

Conditioning QwenImageEditPipeline::Condition(const PictureRequest& request, at::IntArrayRef) const {
  Conditioning conditioning = Guided(request);
  conditioning.rows.resize(request.guidance > 1 ? 2 : 1);
  return conditioning;
}

at::Tensor QwenImageEditPipeline::Shown(const at::Tensor& picture) const {
  const auto [width, height] = QwenReferenceSize(picture.size(1), picture.size(0), areas_.shown);
  return ResizePicture(picture, width, height);
}

Start QwenImageEditPipeline::Begin(const Source& source, const PictureRequest&, at::IntArrayRef shape,
                                   NoiseSource& noise) const {
  if (!source.defined()) throw RequestError("this model changes pictures: it needs a source picture");
  if (source.mask.defined() || source.depth.defined())
    throw RequestError("this model takes neither a mask nor a depth map");
  const int64_t patch = transformer_config().patch_size;
  std::vector<at::Tensor> tokens, places;
  for (const at::Tensor& picture : source.References()) {
    const auto [width, height] = QwenReferenceSize(picture.size(1), picture.size(0), areas_.encoded);
    const at::Tensor bytes = ResizePicture(picture, width, height).permute({2, 0, 1});
    const at::Tensor latents = autoencoder_->Normed(LatentsOf(bytes.to(device_).to(at::kFloat) / 255).mean);
    tokens.push_back(TokensOf(latents.unsqueeze(0), patch, TokenOrder::kByChannel).squeeze(0));
    places.push_back(QwenImagePlaces(static_cast<int64_t>(places.size()) + 1, latents.size(1) / patch,
                                     latents.size(2) / patch, device_));
  }
  Start start;
  start.reference = at::cat(tokens);
  start.reference_places = at::cat(places);
  start.noise = noise.Draw(shape).to(device_);
  return start;
}

void QwenImageEditPipeline::Tell(const Source& source, const Start& start, const PictureRequest& request,
                                 Conditioning& conditioning) const {
  Pipeline::Tell(source, start, request, conditioning);
  std::vector<SeenPicture> pictures;
  for (const at::Tensor& picture : source.References()) pictures.push_back(edit_text_->See(Shown(picture)));
  std::vector<Told>& rows = conditioning.rows;
  rows.back().Set(Condition::kText, edit_text_->Encode(request.prompt, pictures));
  if (rows.size() > 1)
    rows.front().Set(Condition::kText,
                     edit_text_->Encode(request.negative_prompt.value_or(kNothing), pictures));
}

std::array<int64_t, 2> QwenReferenceSize(int64_t width, int64_t height, int64_t area) {
  const double proportion = static_cast<double>(width) / static_cast<double>(height);
  const double wide = std::sqrt(static_cast<double>(area) * proportion), high = wide / proportion;
  // Halves go to the even number, as Python has it; a side is one multiple at the least.
  const auto rounded = [](double side) {
    return static_cast<int64_t>(std::max(std::nearbyint(side / kReferenceMultiple), 1.0) *
                                kReferenceMultiple);
  };
  return {rounded(wide), rounded(high)};
}

}  // namespace mind::diffusion
