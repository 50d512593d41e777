#include "worker/training/sample_sheet.h"

#include "worker/diffusion/engine/awaited_picture.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/error.h"
#include "worker/image/decode.h"
#include "worker/image/encode.h"

namespace mind::training {

namespace {

at::Tensor Decoded(const std::string& file) {
  const image::RgbPicture picture = image::DecodePicture(file);
  return at::tensor(at::ArrayRef<uint8_t>(picture.data), at::kByte).view({picture.height, picture.width, 3});
}

}  // namespace

std::vector<at::Tensor> SamplesOf(const SampleSheet& sheet, const std::string& model, at::Device device,
                                  int threads) {
  diffusion::ModelCache models(model, {.parameters = {.device = device}});
  if (!models.rejected().empty()) throw diffusion::ModelError(models.rejected()[0].reason);
  const diffusion::ModelInfo info = models.models().at(0);
  diffusion::Engine engine(models, {.device = device, .row_threads = threads, .decode = Decoded});
  std::vector<std::shared_ptr<diffusion::AwaitedPicture>> awaited;
  const auto prompts = static_cast<int>(sheet.prompts.size());
  const int count = prompts > 0 ? prompts : sheet.rows * sheet.columns;
  for (int i = 0; i < count; ++i) {
    diffusion::TrajectoryRequest request;
    request.model = info.name;
    if (prompts > 0) request.picture.prompt = sheet.prompts[static_cast<size_t>(i)];
    if (!sheet.sources.empty()) request.source = sheet.sources[static_cast<size_t>(i)];
    if (info.class_count > 0) request.picture.label = i % sheet.columns % info.class_count;
    request.picture.guidance = info.default_guidance;
    request.picture.noise_level = std::min(request.picture.noise_level, info.max_noise_level);
    request.width = info.default_width;
    request.height = info.default_height;
    request.sampler = sheet.sampler.empty() ? info.default_sampler : sheet.sampler;
    request.steps = sheet.steps > 0 ? sheet.steps : info.default_steps;
    request.seed = static_cast<uint64_t>(i);
    request.preview_every = 0;
    awaited.push_back(std::make_shared<diffusion::AwaitedPicture>());
    engine.Submit(request, awaited.back());
  }
  std::vector<at::Tensor> pictures;
  for (const auto& picture : awaited) pictures.push_back(picture->Wait());
  return pictures;
}

std::string DrawSamples(const SampleSheet& sheet, const std::string& model, at::Device device, int threads) {
  return EncodeSheet(SamplesOf(sheet, model, device, threads), sheet.columns);
}

std::string EncodeSheet(std::vector<at::Tensor> pictures, int64_t columns) {
  while (static_cast<int64_t>(pictures.size()) % columns != 0)
    pictures.push_back(at::full_like(pictures.front(), 255));
  std::vector<at::Tensor> rows;
  for (auto row = pictures.begin(); row != pictures.end(); row += columns)
    rows.push_back(at::cat(at::ArrayRef<at::Tensor>(&*row, static_cast<size_t>(columns)), 1));
  const at::Tensor whole = at::cat(rows, 0).contiguous();
  return image::EncodePng(
      {whole.data_ptr<uint8_t>(), static_cast<int>(whole.size(1)), static_cast<int>(whole.size(0))}, "");
}

}  // namespace mind::training
