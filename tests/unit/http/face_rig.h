// The faces over HTTP with a server behind them that does as the test says.
#ifndef MIND_TESTS_UNIT_HTTP_FACE_RIG_H_
#define MIND_TESTS_UNIT_HTTP_FACE_RIG_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "nlohmann/json.hpp"
#include "proto/support/errors.h"
#include "server/http/kserve.h"
#include "server/http/native.h"
#include "server/http/openai.h"
#include "server/http/sdapi.h"
#include "server/store/source_pictures.h"
#include "tests/support/everybody.h"
#include "tests/unit/http/fake_exchange.h"

namespace mind::server {

// Remembers what it was asked, and answers as it was told to. A watch gets what `events` holds, then the end.
class FakeGeneration : public Generation {
 public:
  void Submit(Submission submission, const Caller& caller, const std::optional<CallTimes>& tied_to,
              Answer<v1::Job> answer) override {
    PictureBytes pictures;
    for (const SourcePicture& picture : submission.pictures) pictures[picture.blob.hash] = *picture.blob.data;
    EXPECT_TRUE(PutPictures(std::move(pictures), *submission.request.mutable_spec()));
    submitted.push_back(submission.request);
    tied = tied_to.has_value();
    tenant = caller.tenant;
    if (!refuse.ok()) return answer(refuse);
    v1::Job job;
    job.set_id("job-1");
    *job.mutable_spec() = submission.request.spec();
    answer(job);
  }
  void Leave(const std::string& id, const CallTimes&) override { left.push_back(id); }
  std::optional<Rate> WorkerSecondsOf(const std::string&) override { return seconds; }
  void Get(const std::string& id, const Caller&, Answer<v1::Job> answer) override { answer(JobOf(id)); }
  void List(const v1::ListJobsRequest& request, const Caller&, Answer<v1::ListJobsResponse> answer) override {
    listed = request;
    v1::ListJobsResponse response;
    response.add_jobs()->set_id("job-1");
    answer(response);
  }
  void Cancel(const std::string& id, const Caller&, const absl::Status&, Answer<v1::Job> answer) override {
    cancelled.push_back(id);
    answer(JobOf(id));
  }
  void Delete(const std::string& id, const Caller&, const absl::Status&, Answer<v1::Job> answer) override {
    deleted.push_back(id);
    answer(JobOf(id));
  }
  void Check(Submission submission, const Caller&, Answer<v1::CreateJobResponse> answer) override {
    v1::CreateJobResponse response;
    *response.mutable_job()->mutable_spec() = submission.request.spec();
    response.mutable_estimate()->set_evaluations(40);
    answer(response);
  }
  void GetImage(const std::string& id, uint32_t index, const Caller& caller,
                Answer<v1::GetImageResponse> answer) override {
    tenant = caller.tenant;
    if (id != "job-1" || index > 0) return answer(NotFound("image", id, "no such picture"));
    v1::GetImageResponse image;
    image.set_seed(7);
    image.set_media_type("image/png");
    image.set_data("0123456789");
    image.set_sha256("00ff");
    answer(image);
  }
  void ListUsage(const v1::ListUsageRequest&, Answer<v1::ListUsageResponse> answer) override {
    answer(v1::ListUsageResponse());
  }
  void ListSigningSecrets(Answer<std::vector<std::string>> answer) override { answer(secrets); }
  void Watch(const std::string& id, const WatchStart& start, const Caller&, std::function<void()> on_news,
             Answer<WatchId> answer) override {
    after = start.after_sequence;
    news = std::move(on_news);
    if (id != "job-1") return answer(JobOf(id).status());
    answer(WatchId{1});
  }
  WatchNews Next(WatchId) override {
    if (events.empty()) return {.event = nullptr, .end = end};
    WatchNews next{.event = std::make_shared<const v1::JobEvent>(events.front())};
    events.pop_front();
    return next;
  }
  void Unwatch(WatchId) override { ++unwatched; }
  void ListModels(Answer<v1::ListModelsResponse> answer) override {
    v1::ListModelsResponse response;
    *response.add_models() = model;
    answer(response);
  }
  void GetModel(const std::string& name, Answer<v1::Model> answer) override {
    if (!name.empty() && name != model.name())
      return answer(NotFound("model", name, "no model of that name"));
    answer(model);
  }
  void ListSamplers(const std::string&, Answer<v1::ListSamplersResponse> answer) override {
    v1::ListSamplersResponse response;
    *response.mutable_samplers() = model.samplers();
    response.set_default_sampler("euler");
    answer(response);
  }
  void ListWorkers(Answer<v1::ListWorkersResponse> answer) override {
    v1::ListWorkersResponse response;
    *response.add_workers() = worker;
    answer(response);
  }
  void ListWork(Answer<internal::v1::ListWorkResponse> answer) override {
    refuse.ok() ? answer(work) : answer(refuse);
  }

  static absl::StatusOr<v1::Job> JobOf(const std::string& id) {
    if (id != "job-1") return NotFound("job", id, "no such job");
    v1::Job job;
    job.set_id(id);
    job.set_steps_total(20);
    return job;
  }

  // What the test says.
  absl::Status refuse;
  std::optional<Rate> seconds;  // of workers' time, of any tenant
  v1::Model model;
  v1::Worker worker;
  internal::v1::ListWorkResponse work;
  std::deque<v1::JobEvent> events;
  std::optional<absl::Status> end = absl::OkStatus();  // unset: more may come
  std::vector<std::string> secrets = {"newest", "older"};
  // What was asked.
  std::vector<v1::JobRequest> submitted;
  v1::ListJobsRequest listed;
  std::vector<std::string> left, cancelled, deleted;
  std::string tenant;
  bool tied = false;
  uint64_t after = 0;
  int unwatched = 0;
  std::function<void()> news;
};

class FaceRig : public testing::Test {
 protected:
  FaceRig() {
    generation_.worker.set_name("w");
    generation_.model.set_name("emoji");
    generation_.model.set_default_steps(20);
    generation_.model.set_max_steps(30);
    AddOpenAiFace(context_, router_);
    AddNativeFace(context_, router_);
    AddSdapiFace(context_, router_);
    AddKserveFace(context_, router_);
  }

  using FakeExchangePtr = std::shared_ptr<FakeExchange>;

  // Until nothing is left to do.
  FakeExchangePtr Ask(const std::string& method, const std::string& target, const std::string& body = "",
                      const std::map<std::string, std::string>& headers = {}) {
    const auto exchange = std::make_shared<FakeExchange>(method, target, body);
    for (const auto& [name, value] : headers) exchange->mutable_request().headers[name] = value;
    router_.Dispatch(exchange);
    RunLoop();
    return exchange;
  }
  void RunLoop() {
    while (!posted_.empty()) {
      const std::function<void()> work = std::move(posted_.front());
      posted_.pop_front();
      work();
    }
  }
  static nlohmann::json BodyOf(const FakeExchangePtr& exchange) {
    return nlohmann::json::parse(exchange->answer && exchange->answer->body ? *exchange->answer->body
                                                                            : "null");
  }
  static std::string HeaderOf(const FakeExchangePtr& exchange, const std::string& name) {
    for (const auto& [given, value] : exchange->answer->headers) {
      if (given == name) return value;
    }
    return "";
  }

  // As accepted, the first event of a job.
  static v1::JobEvent Queued(const v1::ImageSpec& spec) {
    v1::JobEvent event;
    event.set_sequence(1);
    event.mutable_queued()->mutable_job()->set_id("job-1");
    *event.mutable_queued()->mutable_job()->mutable_spec() = spec;
    return event;
  }
  static v1::JobEvent Progress(uint32_t index, uint32_t step) {
    v1::JobEvent event;
    event.mutable_progress()->set_image_index(index);
    event.mutable_progress()->set_step(step);
    return event;
  }
  static v1::JobEvent Picture(uint32_t index, const std::string& data, bool last = true,
                              uint64_t sequence = 5) {
    v1::JobEvent event;
    event.set_sequence(sequence);
    event.mutable_image()->set_image_index(index);
    event.mutable_image()->set_seed(7 + index);
    event.mutable_image()->set_media_type("image/png");
    event.mutable_image()->set_data(data);
    event.mutable_image()->set_last(last);
    return event;
  }
  static v1::JobEvent Preview(uint32_t index, const std::string& data) {
    v1::JobEvent event;
    event.mutable_preview()->set_image_index(index);
    event.mutable_preview()->set_data(data);
    return event;
  }
  static v1::JobEvent Completed(const absl::Status& error = absl::OkStatus()) {
    v1::JobEvent event;
    event.set_sequence(9);
    event.mutable_completed()->mutable_job()->set_id("job-1");
    if (!error.ok()) *event.mutable_completed()->mutable_job()->mutable_error() = ToProto(error);
    return event;
  }

  FakeGeneration generation_;
  Everybody everybody_;
  Router router_{everybody_};

 private:
  std::deque<std::function<void()>> posted_;
  const FaceContext context_{
      .post = [this](std::function<void()> work) { posted_.push_back(std::move(work)); },
      .generation = generation_,
      .authority = everybody_};
};

}  // namespace mind::server

#endif  // MIND_TESTS_UNIT_HTTP_FACE_RIG_H_
