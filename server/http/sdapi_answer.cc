#include "server/http/sdapi_answer.h"

#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "proto/support/seeds.h"
#include "server/http/picture_parts.h"
#include "server/http/sdapi_error.h"
#include "worker/image/a1111_sampler.h"
#include "worker/image/png_text.h"

namespace mind::server {
namespace {

using Pictures = std::map<uint32_t, Picture>;

// What the worker wrote into the picture.
std::string InfotextOf(const Picture& picture) {
  try {
    return image::TextsOfPng(picture.data)["parameters"];
  } catch (const std::runtime_error&) {
    return "";  // it is told beside the picture, and that is there
  }
}

// The answer's `info`, which is a JSON text.
nlohmann::json InfoOf(const SdapiTask& task, const std::vector<std::string>& infotexts) {
  const v1::ImageSpec& spec = task.spec;
  std::vector<uint64_t> seeds, variations;
  for (uint32_t i = 0; i < spec.image_count(); ++i) {
    seeds.push_back(SeedOf(spec, i));
    variations.push_back(spec.has_variation() ? VariationSeedOf(spec, i) : seeds.back());
  }
  const size_t count = seeds.size();
  nlohmann::json extra = nlohmann::json::object();
  if (image::A1111SamplerOf(spec.sampler()).karras) extra["Schedule type"] = "Karras";
  return {{"prompt", spec.prompt()},
          {"all_prompts", std::vector(count, spec.prompt())},
          {"negative_prompt", spec.negative_prompt()},
          {"all_negative_prompts", std::vector(count, spec.negative_prompt())},
          {"seed", spec.seed()},
          {"all_seeds", seeds},
          {"subseed", spec.has_variation() ? spec.variation().seed() : spec.seed()},
          {"all_subseeds", variations},
          {"subseed_strength", spec.variation().strength()},
          {"width", spec.width()},
          {"height", spec.height()},
          {"sampler_name", image::A1111SamplerOf(spec.sampler()).name},
          {"cfg_scale", spec.guidance()},
          {"steps", spec.steps()},
          {"batch_size", spec.image_count()},
          {"restore_faces", false},
          {"face_restoration_model", nullptr},
          {"sd_model_name", spec.model()},
          {"sd_model_hash", ""},
          {"sd_vae_name", spec.vae().empty() ? nlohmann::json() : nlohmann::json(spec.vae())},
          {"sd_vae_hash", spec.vae().empty() ? nlohmann::json() : nlohmann::json(spec.vae_hash())},
          {"seed_resize_from_w", -1},
          {"seed_resize_from_h", -1},
          {"denoising_strength", spec.has_strength() ? nlohmann::json(spec.strength()) : nlohmann::json()},
          {"extra_generation_params", extra},
          {"index_of_first_image", 0},
          {"infotexts", infotexts},
          {"styles", nlohmann::json::array()},
          {"job_timestamp", absl::FormatTime("%Y%m%d%H%M%S", task.begun, absl::UTCTimeZone())},
          {"clip_skip", spec.clip_skip() + 1},
          {"is_using_inpainting_conditioning", false},
          {"version", "Mind-Diffusion " MIND_VERSION}};
}

HttpResponse AnswerOf(const SdapiRequest& request, const SdapiTask& task, const Pictures& pictures) {
  nlohmann::json images = nlohmann::json::array();
  std::vector<std::string> infotexts;
  for (const auto& [index, picture] : pictures) {
    if (request.send_images) images.push_back(absl::Base64Escape(picture.data));
    infotexts.push_back(InfotextOf(picture));
  }
  const nlohmann::json body = {
      {"images", std::move(images)}, {"parameters", request.echo}, {"info", InfoOf(task, infotexts).dump()}};
  return Answered(200, "application/json", body.dump());
}

class SdapiAnswer : public JobCall::Listener {
 public:
  SdapiAnswer(ExchangePtr exchange, SdapiRequest request, std::shared_ptr<SdapiTasks> tasks,
              SdapiTaskPtr task, std::function<void()> interrupt)
      : exchange_(std::move(exchange)),
        request_(std::move(request)),
        tasks_(std::move(tasks)),
        task_(std::move(task)),
        interrupt_(std::move(interrupt)) {}

  void OnEvent(const JobEventPtr& event, std::function<void()> taken) override {
    const bool was_known = !task_->job_id.empty();
    task_->Take(event);
    if (!was_known && task_->interrupted) interrupt_();
    if (event->has_image()) {
      if (std::optional<Picture> picture = parts_.Add(event->image()))
        pictures_[picture->index] = *std::move(picture);
    }
    taken();
  }

  void OnEnd(const absl::Status& status) override {
    tasks_->End(task_);
    if (!status.ok() && !(task_->interrupted && absl::IsCancelled(status))) {
      return exchange_->Answer(SdapiError(status));
    }
    exchange_->Answer([request = std::move(request_), task = task_, pictures = std::move(pictures_)] {
      return AnswerOf(request, *task, pictures);
    });
  }

 private:
  const ExchangePtr exchange_;
  SdapiRequest request_;
  const std::shared_ptr<SdapiTasks> tasks_;
  const SdapiTaskPtr task_;  // nobody else changes it once it has ended
  const std::function<void()> interrupt_;
  PictureParts parts_;
  Pictures pictures_;
};

}  // namespace

std::unique_ptr<JobCall::Listener> NewSdapiAnswer(const ExchangePtr& exchange, SdapiRequest request,
                                                  std::shared_ptr<SdapiTasks> tasks, SdapiTaskPtr task,
                                                  std::function<void()> interrupt) {
  return std::make_unique<SdapiAnswer>(exchange, std::move(request), std::move(tasks), std::move(task),
                                       std::move(interrupt));
}

}  // namespace mind::server
