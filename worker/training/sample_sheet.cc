#include "worker/training/sample_sheet.h"

#include <future>

#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/error.h"
#include "worker/image/encode.h"

namespace mind::training {
namespace {

using diffusion::Engine;
using diffusion::ModelCache;

class OnePicture : public diffusion::TrajectoryEvents {
 public:
  void OnStarted(int64_t) override {}
  void OnStep(int64_t, int64_t) override {}
  void OnPreview(int64_t, at::Tensor) override {}
  void OnCheckpoint(int64_t, std::string) override {}
  void OnPicture(at::Tensor picture) override { picture_.set_value(std::move(picture)); }
  void OnHandedBack(int64_t, std::string) override { Fail("handed back"); }
  void OnCancelled(int64_t) override { Fail("cancelled"); }
  void OnFailed(std::exception_ptr error) override { picture_.set_exception(error); }

  at::Tensor Wait() { return future_.get(); }

 private:
  void Fail(const char* why) { picture_.set_exception(std::make_exception_ptr(diffusion::Error(why))); }

  std::promise<at::Tensor> picture_;
  std::future<at::Tensor> future_ = picture_.get_future();
};

}  // namespace

std::string DrawSamples(const SampleSheet& sheet) {
  ModelCache models(sheet.model, {});
  if (!models.rejected().empty()) throw diffusion::ModelError(models.rejected()[0].reason);
  const diffusion::ModelInfo& info = models.models().at(0);
  Engine engine(models, {.row_threads = sheet.threads});
  std::vector<std::shared_ptr<OnePicture>> pictures;
  for (int i = 0; i < sheet.rows * sheet.columns; ++i) {
    diffusion::TrajectoryRequest request;
    request.model = info.name;
    if (info.class_count > 0) request.picture.label = i % sheet.columns % info.class_count;
    request.picture.guidance = info.default_guidance;
    request.width = info.default_width;
    request.height = info.default_height;
    request.sampler = sheet.sampler.empty() ? info.default_sampler : sheet.sampler;
    request.steps = sheet.steps > 0 ? sheet.steps : info.default_steps;
    request.seed = static_cast<uint64_t>(i);
    request.preview_every = 0;
    pictures.push_back(std::make_shared<OnePicture>());
    engine.Submit(request, pictures.back());
  }
  std::vector<at::Tensor> rows;
  for (int row = 0; row < sheet.rows; ++row) {
    std::vector<at::Tensor> shown;
    for (int column = 0; column < sheet.columns; ++column)
      shown.push_back(pictures[static_cast<size_t>(row * sheet.columns + column)]->Wait());
    rows.push_back(at::cat(shown, 1));
  }
  const at::Tensor whole = at::cat(rows, 0).contiguous();
  return image::EncodePng(
      {whole.data_ptr<uint8_t>(), static_cast<int>(whole.size(1)), static_cast<int>(whole.size(0))}, "");
}

}  // namespace mind::training
