#include "server/http/openai_images.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "nlohmann/json.hpp"
#include "server/http/openai.h"
#include "server/http/picture_parts.h"
#include "server/http/signed_links.h"
#include "server/http/sse.h"

namespace mind::server {
namespace {

// Nothing that is made here is a token, and invented numbers would bill somebody.
nlohmann::json NoUsage() {
  return {{"input_tokens", 0},
          {"input_tokens_details", {{"image_tokens", 0}, {"text_tokens", 0}}},
          {"output_tokens", 0},
          {"total_tokens", 0}};
}

// What is said of a request in every answer.
nlohmann::json Described(const OpenAiRequest& request) {
  return {{"background", "opaque"},
          {"output_format", request.output_format},
          {"quality", request.quality_name},
          {"size", request.size}};
}

// When the job has ended, and its pictures.
HttpResponse Answer(nlohmann::json body, nlohmann::json pictures) {
  body["created"] = absl::ToUnixSeconds(absl::Now());
  body["usage"] = NoUsage();
  body["data"] = std::move(pictures);
  return Answered(200, "application/json", body.dump());
}

class ImagesAnswer : public JobCall::Listener {
 public:
  ImagesAnswer(const FaceContext& context, ExchangePtr exchange, const OpenAiRequest& request, Caller caller)
      : context_(context),
        exchange_(std::move(exchange)),
        caller_(std::move(caller)),
        links_(request.links),
        body_(Described(request)) {}

  void OnEvent(const JobEventPtr& event, std::function<void()> taken) override {
    job_ = event->job_id();
    if (event->has_queued()) SetSize(event->queued().job().spec());
    if (event->has_image()) {
      if (std::optional<Picture> picture = parts_.Add(event->image())) {
        pictures_[picture->index] = *std::move(picture);
      }
    }
    taken();
  }

  void OnEnd(const absl::Status& status) override {
    if (!status.ok()) return exchange_->Answer(OpenAiError(status));
    if (links_) return AnswerWithLinks();
    exchange_->Answer([body = std::move(body_), pictures = std::move(pictures_)] {
      nlohmann::json data = nlohmann::json::array();
      for (const auto& [index, picture] : pictures) {
        data.push_back({{"b64_json", absl::Base64Escape(picture.data)}, {"seed", picture.seed}});
      }
      return Answer(body, std::move(data));
    });
  }

 private:
  // That of the pictures, where the request has not said it.
  void SetSize(const v1::ImageSpec& spec) {
    const auto say = [this](uint32_t width, uint32_t height) {
      body_["size"] = absl::StrCat(width, "x", height);
    };
    if (spec.has_hires()) return say(spec.hires().width(), spec.hires().height());
    if (body_["size"] == "auto") say(spec.width(), spec.height());
  }

  void AnswerWithLinks() {
    nlohmann::json data = nlohmann::json::array();
    std::vector<LinkedPicture> linked;
    for (const auto& [index, picture] : pictures_) {
      linked.push_back({.tenant = caller_.tenant, .job = job_, .index = index});
      data.push_back({{"seed", picture.seed}});
    }
    context_.generation.ListSigningSecrets(
        [exchange = exchange_, base = BaseUrl(context_, exchange_->request()), body = std::move(body_),
         data = std::move(data),
         linked = std::move(linked)](const absl::StatusOr<std::vector<std::string>>& secrets) mutable {
          if (!secrets.ok()) return exchange->Answer(OpenAiError(secrets.status()));
          const absl::Time expires = absl::Now() + kLinkLife;
          for (size_t i = 0; i < linked.size(); ++i) {
            data[i]["url"] = base + SignedLink(linked[i], expires, secrets->front());
          }
          exchange->Answer(Answer(std::move(body), std::move(data)));
        });
  }

  const FaceContext& context_;
  const ExchangePtr exchange_;
  const Caller caller_;
  const bool links_;
  std::string job_;
  nlohmann::json body_;
  PictureParts parts_;
  std::map<uint32_t, Picture> pictures_;
};

class ImagesStream : public JobCall::Listener {
 public:
  ImagesStream(ExchangePtr exchange, const OpenAiRequest& request, std::string prefix)
      : exchange_(std::move(exchange)),
        described_(Described(request)),
        partial_images_(request.partial_images),
        several_(request.job.spec().image_count() > 1),
        prefix_(std::move(prefix)) {}

  void OnEvent(const JobEventPtr& event, std::function<void()> taken) override {
    if (!std::exchange(began_, true)) exchange_->Begin(SseHead(), SseHeartbeat());
    if (event->has_preview()) {
      int& sent = partials_sent_[event->preview().image_index()];
      if (sent >= partial_images_) return taken();
      nlohmann::json data = Told("partial_image", event->preview().image_index());
      data["partial_image_index"] = sent++;
      return Send(std::move(data), event->preview().data(), std::move(taken));
    }
    if (!event->has_image()) return taken();
    std::optional<Picture> picture = parts_.Add(event->image());
    if (!picture) return taken();
    nlohmann::json data = Told("completed", picture->index);
    data["usage"] = NoUsage();
    data["seed"] = picture->seed;
    Send(std::move(data), std::move(picture->data), std::move(taken));
  }

  void OnEnd(const absl::Status& status) override {
    if (!began_) return exchange_->Answer(OpenAiError(status));
    if (!status.ok()) {
      exchange_->Send(
          std::make_shared<const std::string>(SseEvent(std::nullopt, "error", *OpenAiError(status).body)),
          nullptr);
    }
    exchange_->End();
  }

 private:
  // An event without its picture.
  nlohmann::json Told(const std::string& what, uint32_t index) const {
    nlohmann::json data = described_;
    data["type"] = prefix_ + "." + what;
    data["created_at"] = absl::ToUnixSeconds(absl::Now());
    if (several_) data["image_index"] = index;
    return data;
  }

  void Send(nlohmann::json told, std::string picture, std::function<void()> taken) {
    const auto make = [told = std::move(told), picture = std::move(picture)] {
      nlohmann::json data = told;
      data["b64_json"] = absl::Base64Escape(picture);
      return std::make_shared<const std::string>(
          SseEvent(std::nullopt, data["type"].get_ref<const std::string&>(), data.dump()));
    };
    exchange_->Send(make, std::move(taken));
  }

  const ExchangePtr exchange_;
  const nlohmann::json described_;
  const int partial_images_;
  const bool several_;
  const std::string prefix_;
  bool began_ = false;
  PictureParts parts_;
  std::map<uint32_t, int> partials_sent_;  // by picture
};

}  // namespace

std::unique_ptr<JobCall::Listener> NewImagesAnswer(const FaceContext& context, const ExchangePtr& exchange,
                                                   const OpenAiRequest& request, const Caller& caller) {
  return std::make_unique<ImagesAnswer>(context, exchange, request, caller);
}

std::unique_ptr<JobCall::Listener> NewImagesStream(const ExchangePtr& exchange, const OpenAiRequest& request,
                                                   const std::string& prefix) {
  return std::make_unique<ImagesStream>(exchange, request, prefix);
}

}  // namespace mind::server
