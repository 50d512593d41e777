#include "worker/training/sample_sheet.h"

#include "worker/diffusion/engine/awaited_picture.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/error.h"
#include "worker/image/encode.h"

namespace mind::training {

std::string DrawSamples(const SampleSheet& sheet) {
  diffusion::ModelCache models(sheet.model, {});
  if (!models.rejected().empty()) throw diffusion::ModelError(models.rejected()[0].reason);
  const diffusion::ModelInfo& info = models.models().at(0);
  diffusion::Engine engine(models, {.row_threads = sheet.threads});
  std::vector<std::shared_ptr<diffusion::AwaitedPicture>> pictures;
  const auto prompts = static_cast<int>(sheet.prompts.size());
  const int rows_shown = prompts > 0 ? (prompts + sheet.columns - 1) / sheet.columns : sheet.rows;
  const int count = prompts > 0 ? prompts : sheet.rows * sheet.columns;
  for (int i = 0; i < count; ++i) {
    diffusion::TrajectoryRequest request;
    request.model = info.name;
    if (prompts > 0) request.picture.prompt = sheet.prompts[static_cast<size_t>(i)];
    if (info.class_count > 0) request.picture.label = i % sheet.columns % info.class_count;
    request.picture.guidance = info.default_guidance;
    request.width = info.default_width;
    request.height = info.default_height;
    request.sampler = sheet.sampler.empty() ? info.default_sampler : sheet.sampler;
    request.steps = sheet.steps > 0 ? sheet.steps : info.default_steps;
    request.seed = static_cast<uint64_t>(i);
    request.preview_every = 0;
    pictures.push_back(std::make_shared<diffusion::AwaitedPicture>());
    engine.Submit(request, pictures.back());
  }
  std::vector<at::Tensor> rows;
  for (int row = 0; row < rows_shown; ++row) {
    std::vector<at::Tensor> shown;
    for (int column = 0; column < sheet.columns; ++column) {
      const int i = row * sheet.columns + column;
      shown.push_back(i < count ? pictures[static_cast<size_t>(i)]->Wait()
                                : at::full_like(shown.front(), 255));
    }
    rows.push_back(at::cat(shown, 1));
  }
  return EncodeSheet(at::cat(rows, 0));
}

std::string EncodeSheet(const at::Tensor& picture) {
  const at::Tensor whole = picture.contiguous();
  return image::EncodePng(
      {whole.data_ptr<uint8_t>(), static_cast<int>(whole.size(1)), static_cast<int>(whole.size(0))}, "");
}

}  // namespace mind::training
